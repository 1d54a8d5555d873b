//! The worksheet as a picture: what is computed, below it the gradients, and the weights after a step.

use super::matrix::Matrix;

const CELL: usize = 36;
const GAP: usize = 30;
const HEAD: usize = 30;

/// What stands in the rows of the picture.
const ROWS: [&str; 3] =
    ["forward", "backward: the gradient of the loss by each of them", "after a step of gradient descent"];

/// A value with what belongs to it.
pub struct Column<'a> {
    pub title: &'a str,
    /// The value, its gradient, and what it is after the step.
    pub matrices: [Option<&'a Matrix>; 3],
}

/// The columns side by side, as an SVG file.
pub fn drawn(columns: &[Column<'_>]) -> String {
    let widest = |column: &Column<'_>| column.matrices.iter().flatten().map(|matrix| matrix.columns).max().unwrap_or(0);
    let tallest = |row: usize| columns.iter().filter_map(|column| Some(column.matrices[row]?.rows)).max().unwrap_or(0);
    let top_of = |row: usize| (0..row).map(|above| tallest(above) * CELL + HEAD + GAP).sum::<usize>();
    let mut body = String::new();
    for (row, text_above) in ROWS.iter().enumerate() {
        body += &text((GAP, top_of(row) + GAP), "start", 17, text_above);
    }
    let mut left = GAP;
    for column in columns {
        for (row, matrix) in column.matrices.iter().enumerate() {
            if let Some(matrix) = matrix {
                body += &cells(column.title, matrix, left, top_of(row) + GAP + HEAD);
            }
        }
        left += widest(column).max(2) * CELL + GAP;
    }
    let height = top_of(ROWS.len()) + GAP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {left} {height}\" width=\"{left}\" height=\"{height}\" \
         font-family=\"sans-serif\">\n<rect width=\"{left}\" height=\"{height}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// One matrix: orange is positive, blue is negative, the more the stronger.
fn cells(title: &str, matrix: &Matrix, left: usize, top: usize) -> String {
    let most = matrix.values.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let mut svg = text((left, top - 6), "start", 13, title);
    for y in 0..matrix.rows {
        for x in 0..matrix.columns {
            let (value, at) = (matrix.at(y, x), (left + x * CELL, top + y * CELL));
            let color = if value < 0.0 { "#5b9bd5" } else { "#f0a050" };
            svg += &format!(
                "<rect x=\"{}\" y=\"{}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"{color}\" fill-opacity=\"{:.2}\" \
                 stroke=\"#888888\"/>\n",
                at.0,
                at.1,
                value.abs() / most * 0.9
            );
            let exact = value.to_string();
            let number = if exact.len() > 6 { format!("{value:.3}") } else { exact };
            let size = if number.len() > 4 { 10 } else { 13 };
            svg += &text((at.0 + CELL / 2, at.1 + (CELL + size) / 2 - 2), "middle", size, &number);
        }
    }
    svg
}

fn text((x, y): (usize, usize), anchor: &str, size: usize, words: &str) -> String {
    format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{words}</text>\n")
}
