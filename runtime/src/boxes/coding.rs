//! Boxes as numbers that networks predict: relative to an anchor, or to a cell of a grid.

use super::{Centered, Shape};

/// A box relative to an anchor, as in Faster R-CNN and SSD (Ren et al. 2015, eq. 2): shifts in sizes of the anchor, and
/// logarithms of the ratios of the sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deltas {
    /// Shift to the right, over the anchor's width.
    pub x: f32,
    /// Shift downwards, over the anchor's height.
    pub y: f32,
    /// Logarithm of the ratio of the widths.
    pub width: f32,
    /// Logarithm of the ratio of the heights.
    pub height: f32,
}

/// No box is taken for more than this many times as large as its anchor (torchvision's bound, 1000 / 16), so that wild
/// predictions do not become infinities.
const MOST_LARGER: f32 = 62.5;

impl Deltas {
    /// The box relative to the anchor. Sizes must be above 0.
    pub fn encode(b: &Centered, anchor: &Centered) -> Self {
        Self {
            x: (b.x - anchor.x) / anchor.width,
            y: (b.y - anchor.y) / anchor.height,
            width: (b.width / anchor.width).ln(),
            height: (b.height / anchor.height).ln(),
        }
    }

    /// The box that is meant; at most 62.5 times as wide or high as the anchor.
    pub fn decode(&self, anchor: &Centered) -> Centered {
        let size = |log: f32| log.exp().min(MOST_LARGER);
        Centered {
            x: anchor.x + self.x * anchor.width,
            y: anchor.y + self.y * anchor.height,
            width: anchor.width * size(self.width),
            height: anchor.height * size(self.height),
        }
    }

    /// Times these factors, as networks learn them: SSD's variances are the factors 10, 10, 5, 5.
    #[must_use]
    pub fn scaled(&self, [x, y, width, height]: [f32; 4]) -> Self {
        Self { x: self.x * x, y: self.y * y, width: self.width * width, height: self.height * height }
    }
}

/// A box relative to a cell of a grid and an anchor's size, as in YOLOv2 and YOLOv3 (Redmon & Farhadi 2017, section 2): the
/// centre in the cell and the logarithms of the ratios of the sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offsets {
    /// Of the centre in the cell, from 0 (left) to 1: σ(t_x) of the paper.
    pub x: f32,
    /// Of the centre in the cell, from 0 (top) to 1: σ(t_y).
    pub y: f32,
    /// Logarithm of the ratio of the widths, t_w.
    pub width: f32,
    /// Logarithm of the ratio of the heights, t_h.
    pub height: f32,
}

impl Offsets {
    /// The cell of a box, `(row, column)`, and the box relative to it. `stride` is the side of a cell in pixels.
    pub fn encode(b: &Centered, anchor: &Shape, stride: f32) -> ((usize, usize), Self) {
        let (x, y) = ((b.x / stride).max(0.0), (b.y / stride).max(0.0));
        let offsets = Self {
            x: x.fract(),
            y: y.fract(),
            width: (b.width / anchor.width).ln(),
            height: (b.height / anchor.height).ln(),
        };
        ((y as usize, x as usize), offsets)
    }

    /// The box that is meant.
    pub fn decode(&self, (row, column): (usize, usize), anchor: &Shape, stride: f32) -> Centered {
        Centered {
            x: (column as f32 + self.x) * stride,
            y: (row as f32 + self.y) * stride,
            width: anchor.width * self.width.exp().min(MOST_LARGER),
            height: anchor.height * self.height.exp().min(MOST_LARGER),
        }
    }
}
