//! The maps of YOLO: boxes that a grid of cells predicts, and what it is to learn.

use super::{Centered, Corners, Detection, Offsets, Shape};

/// How a map says which class it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassScores {
    /// Exactly one: softmax, YOLOv2.
    Softmax,
    /// Each by itself: sigmoid, YOLOv3.
    Sigmoid,
}

/// A true box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Where, in pixels.
    pub corners: Corners,
    /// What.
    pub class: u32,
}

/// A map `[anchors * (5 + classes), rows, columns]`: for each anchor t_x, t_y, t_w, t_h, t_o and class scores, before any
/// sigmoid (Redmon & Farhadi 2017 and 2018).
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
    /// Side of a cell in pixels.
    pub stride: f32,
    /// In pixels.
    pub anchors: Vec<Shape>,
    /// How many.
    pub classes: usize,
    /// What class scores are.
    pub scores: ClassScores,
}

impl Grid {
    /// Numbers of a map.
    pub fn len(&self) -> usize {
        self.anchors.len() * (5 + self.classes) * self.rows * self.columns
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of a number in the map.
    fn at(&self, anchor: usize, number: usize, row: usize, column: usize) -> usize {
        ((anchor * (5 + self.classes) + number) * self.rows + row) * self.columns + column
    }

    /// The boxes of a map whose score, probability of an object times that of its class, is above `threshold`: for each
    /// anchor of each cell the most probable class. To be thinned out by [`nms`](super::nms()).
    ///
    /// # Panics
    /// If the map is not [`len`](Self::len) long.
    pub fn decode(&self, map: &[f32], threshold: f32) -> Vec<Detection> {
        assert_eq!(map.len(), self.len(), "numbers of a map");
        let mut found = Vec::new();
        for (a, anchor) in self.anchors.iter().enumerate() {
            for row in 0..self.rows {
                for column in 0..self.columns {
                    let number = |i: usize| map[self.at(a, i, row, column)];
                    let object = sigmoid(number(4));
                    // No score is above the probability of an object.
                    if object <= threshold {
                        continue;
                    }
                    let (class, probability) = self.class(|class| number(5 + class));
                    let score = object * probability;
                    if score > threshold {
                        let (x, y) = (sigmoid(number(0)), sigmoid(number(1)));
                        let offsets = Offsets { x, y, width: number(2), height: number(3) };
                        let corners = offsets.decode((row, column), anchor, self.stride).into();
                        found.push(Detection { corners, score, class });
                    }
                }
            }
        }
        found
    }

    /// The most probable class and its probability; class 0 for certain, where there are none to tell apart.
    fn class(&self, score: impl Fn(usize) -> f32) -> (u32, f32) {
        let better = |best: usize, i: usize| if score(i) > score(best) { i } else { best };
        let Some(best) = (0..self.classes).reduce(better) else { return (0, 1.0) };
        let probability = match self.scores {
            ClassScores::Sigmoid => sigmoid(score(best)),
            ClassScores::Softmax => 1.0 / (0..self.classes).map(|i| (score(i) - score(best)).exp()).sum::<f32>(),
        };
        (best as u32, probability)
    }

    /// What the map is to become for these true boxes, *behind* the sigmoids: for the anchor nearest in shape, in the cell of
    /// the centre, where the centre is in the cell (0 to 1), logarithms of sizes, 1 for an object, 1 for its class; 0
    /// elsewhere. Of two boxes in the same place the first one counts; boxes whose centre is outside are left out.
    pub fn targets(&self, truths: &[Truth]) -> Vec<f32> {
        let mut map = vec![0.0; self.len()];
        for truth in truths.iter().filter(|truth| truth.corners.is_proper()) {
            let b = Centered::from(truth.corners);
            let shape = Shape { width: b.width, height: b.height };
            let Some(a) = shape.best_of(&self.anchors) else { break };
            let ((row, column), offsets) = Offsets::encode(&b, &self.anchors[a], self.stride);
            let inside = b.x >= 0.0 && b.y >= 0.0 && row < self.rows && column < self.columns;
            if !inside || map[self.at(a, 4, row, column)] > 0.0 {
                continue;
            }
            let numbers = [offsets.x, offsets.y, offsets.width, offsets.height, 1.0];
            for (i, number) in numbers.into_iter().enumerate() {
                map[self.at(a, i, row, column)] = number;
            }
            if (truth.class as usize) < self.classes {
                map[self.at(a, 5 + truth.class as usize, row, column)] = 1.0;
            }
        }
        map
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
