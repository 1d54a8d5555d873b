//! Each layer forward and backward as loops, as one would compute it on paper.

use super::matrix::Matrix;

/// The filter laid on every place of the picture: products are added up, and the bias.
pub fn convolve(picture: &Matrix, filter: &Matrix, bias: f32) -> Matrix {
    Matrix::from_fn(picture.rows - filter.rows + 1, picture.columns - filter.columns + 1, |y, x| {
        let mut sum = bias;
        for i in 0..filter.rows {
            for j in 0..filter.columns {
                sum += filter.at(i, j) * picture.at(y + i, x + j);
            }
        }
        sum
    })
}

/// The way back to the picture: each cell of the map gives its gradient to the pixels it came from, times the filter.
pub fn convolve_back(map_gradient: &Matrix, filter: &Matrix) -> Matrix {
    let (rows, columns) = (map_gradient.rows + filter.rows - 1, map_gradient.columns + filter.columns - 1);
    let mut picture = Matrix::from_fn(rows, columns, |_, _| 0.0);
    for y in 0..map_gradient.rows {
        for x in 0..map_gradient.columns {
            for i in 0..filter.rows {
                for j in 0..filter.columns {
                    *picture.at_mut(y + i, x + j) += map_gradient.at(y, x) * filter.at(i, j);
                }
            }
        }
    }
    picture
}

/// What is negative becomes zero.
pub fn relu(map: &Matrix) -> Matrix {
    Matrix::from_fn(map.rows, map.columns, |y, x| map.at(y, x).max(0.0))
}

/// The way back: the gradient passes where the map was positive.
pub fn relu_back(gradient: &Matrix, map: &Matrix) -> Matrix {
    Matrix::from_fn(map.rows, map.columns, |y, x| if map.at(y, x) > 0.0 { gradient.at(y, x) } else { 0.0 })
}

/// The largest of each square of 2 by 2 cells.
pub fn max_pool(map: &Matrix) -> Matrix {
    Matrix::from_fn(map.rows / 2, map.columns / 2, |y, x| {
        let (y, x) = largest(map, y, x);
        map.at(y, x)
    })
}

/// The way back: the whole gradient goes to the cell that was the largest, the others get nothing.
pub fn max_pool_back(gradient: &Matrix, map: &Matrix) -> Matrix {
    let mut back = Matrix::from_fn(map.rows, map.columns, |_, _| 0.0);
    for y in 0..gradient.rows {
        for x in 0..gradient.columns {
            let (top, left) = largest(map, y, x);
            *back.at_mut(top, left) = gradient.at(y, x);
        }
    }
    back
}

/// Where the largest cell of a square is; of equal ones, the first.
fn largest(map: &Matrix, y: usize, x: usize) -> (usize, usize) {
    let mut best = (2 * y, 2 * x);
    for cell in [(2 * y, 2 * x + 1), (2 * y + 1, 2 * x), (2 * y + 1, 2 * x + 1)] {
        if map.at(cell.0, cell.1) > map.at(best.0, best.1) {
            best = cell;
        }
    }
    best
}

/// One sum for each row of weights: each value times its weight, and the bias.
pub fn dense(values: &Matrix, weights: &Matrix, bias: &Matrix) -> Matrix {
    Matrix::from_fn(weights.rows, 1, |unit, _| {
        let mut sum = bias.at(unit, 0);
        for (i, value) in values.values.iter().enumerate() {
            sum += weights.at(unit, i) * value;
        }
        sum
    })
}

/// The way back to the weights: the gradient of the unit times the value that the weight multiplied.
pub fn dense_weights_back(gradient: &Matrix, values: &Matrix) -> Matrix {
    Matrix::from_fn(gradient.rows, values.values.len(), |unit, i| gradient.at(unit, 0) * values.values[i])
}

/// The way back to the values: the gradients of all units, each times its weight.
pub fn dense_back(gradient: &Matrix, weights: &Matrix, values: &Matrix) -> Matrix {
    Matrix::from_fn(values.rows, values.columns, |y, x| {
        let i = y * values.columns + x;
        (0..weights.rows).map(|unit| gradient.at(unit, 0) * weights.at(unit, i)).sum()
    })
}

/// The mean of the squared differences.
pub fn loss(answers: &Matrix, wanted: &Matrix) -> f32 {
    let squares = answers.values.iter().zip(&wanted.values).map(|(answer, wanted)| (answer - wanted).powi(2));
    squares.sum::<f32>() / answers.values.len() as f32
}

/// Its gradient by the answers: twice the difference, over the number of answers.
pub fn loss_back(answers: &Matrix, wanted: &Matrix) -> Matrix {
    let n = answers.values.len() as f32;
    Matrix::from_fn(answers.rows, 1, |unit, _| 2.0 * (answers.at(unit, 0) - wanted.at(unit, 0)) / n)
}

/// A step of gradient descent.
pub fn descend(weights: &Matrix, gradient: &Matrix, rate: f32) -> Matrix {
    Matrix::from_fn(weights.rows, weights.columns, |y, x| weights.at(y, x) - rate * gradient.at(y, x))
}
