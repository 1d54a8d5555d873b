//! Boxes around things in pictures: their formats, how much they overlap, and what detectors do with them.
//!
//! Each format is a type of its own, so that a centre is never taken for a corner, nor pixels for shares of a picture.
//! What compares boxes takes [`Corners`]; the others convert to it.
//!
//! ```
//! use cnnc_runtime::boxes::{Centered, Corners, Detection, Thresholds, nms};
//!
//! let found = [(50.0, 0.9), (52.0, 0.8), (150.0, 0.7)].map(|(x, score)| Detection {
//!     corners: Centered { x, y: 40.0, width: 30.0, height: 20.0 }.into(),
//!     score,
//!     class: 0,
//! });
//! // The second lies on the first: IoU 0.875.
//! assert_eq!(nms(&found, &Thresholds::default()).len(), 2);
//! ```

mod anchors;
mod assign;
mod coding;
mod detector;
mod grid;
mod nms;

pub use anchors::{Anchors, Shape, anchors};
pub use assign::{Assignment, Cells, Matching, Responsible, assign, assign_rpn, assign_yolo};
pub use coding::{Deltas, Offsets};
pub use detector::{Detector, regions, rows};
pub use grid::{ClassScores, Grid, Truth};
pub use nms::{Detection, Fading, Thresholds, nms, nms_agnostic, soft_nms};

/// A box by its corners, in pixels: what torchvision calls `xyxy`, as in Pascal VOC.
///
/// Pixels are squares, the first one goes from 0 to 1; a box from 0 to 1 is one pixel wide.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Corners {
    /// Left side.
    pub x1: f32,
    /// Upper side.
    pub y1: f32,
    /// Right side.
    pub x2: f32,
    /// Lower side.
    pub y2: f32,
}

/// A box by its centre and size, in pixels: `cxcywh`, as networks predict it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Centered {
    /// Of the centre.
    pub x: f32,
    /// Of the centre.
    pub y: f32,
    /// From left to right.
    pub width: f32,
    /// From top to bottom.
    pub height: f32,
}

/// A box by its centre and size, as shares of the picture's width and height from 0 to 1: the files of YOLO.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Normalized {
    /// Of the centre, over the picture's width.
    pub x: f32,
    /// Of the centre, over the picture's height.
    pub y: f32,
    /// Over the picture's width.
    pub width: f32,
    /// Over the picture's height.
    pub height: f32,
}

impl Corners {
    /// A box from its upper left corner and its size: the files of COCO, `xywh`.
    pub fn from_corner(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self { x1: x, y1: y, x2: x + width, y2: y + height }
    }

    /// From left to right; 0 where the corners are the wrong way round.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// From top to bottom; 0 where the corners are the wrong way round.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// In square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Whether all four numbers are finite and the corners the right way round, with something between them.
    pub fn is_proper(&self) -> bool {
        [self.x1, self.y1, self.x2, self.y2].iter().all(|x| x.is_finite()) && self.x1 < self.x2 && self.y1 < self.y2
    }

    /// The part that lies in a picture of this size.
    #[must_use]
    pub fn clipped(&self, width: f32, height: f32) -> Self {
        let (x, y) = (|x: f32| x.clamp(0.0, width), |y: f32| y.clamp(0.0, height));
        Self { x1: x(self.x1), y1: y(self.y1), x2: x(self.x2), y2: y(self.y2) }
    }

    /// The same box in a picture that is stretched by these factors.
    #[must_use]
    pub fn scaled(&self, x: f32, y: f32) -> Self {
        Self { x1: self.x1 * x, y1: self.y1 * y, x2: self.x2 * x, y2: self.y2 * y }
    }

    /// As shares of a picture of this size.
    pub fn normalized(&self, width: f32, height: f32) -> Normalized {
        let box_ = Centered::from(*self);
        Normalized { x: box_.x / width, y: box_.y / height, width: box_.width / width, height: box_.height / height }
    }

    /// What both cover, in square pixels.
    #[inline]
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = self.x2.min(other.x2) - self.x1.max(other.x1);
        let height = self.y2.min(other.y2) - self.y1.max(other.y1);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, from 0 (apart) to 1 (equal); 0 where neither has an area. The measure of Pascal VOC
    /// (Everingham et al. 2010, section 4.2), but for that a box from 0 to 1 is one pixel wide here, not two.
    pub fn iou(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// Generalised IoU, from -1 to 1 (Rezatofighi et al. 2019): IoU less the share of the smallest box around both that
    /// neither covers.
    pub fn giou(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        let hull = self.hull(other).area();
        if union > 0.0 && hull > 0.0 { intersection / union - (hull - union) / hull } else { 0.0 }
    }

    /// Distance IoU, from -1 to 1 (Zheng et al. 2020): IoU less the squared distance of the centres over the squared
    /// diagonal of the smallest box around both.
    pub fn diou(&self, other: &Self) -> f32 {
        let hull = self.hull(other);
        let diagonal = hull.width().powi(2) + hull.height().powi(2);
        let (a, b) = (Centered::from(*self), Centered::from(*other));
        let distance = (a.x - b.x).powi(2) + (a.y - b.y).powi(2);
        if diagonal > 0.0 { self.iou(other) - distance / diagonal } else { 0.0 }
    }

    /// The smallest box around both.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }
}

impl From<Centered> for Corners {
    fn from(b: Centered) -> Self {
        let (w, h) = (b.width / 2.0, b.height / 2.0);
        Self { x1: b.x - w, y1: b.y - h, x2: b.x + w, y2: b.y + h }
    }
}

impl From<Corners> for Centered {
    fn from(b: Corners) -> Self {
        Self { x: (b.x1 + b.x2) / 2.0, y: (b.y1 + b.y2) / 2.0, width: b.x2 - b.x1, height: b.y2 - b.y1 }
    }
}

impl Normalized {
    /// In pixels of a picture of this size.
    pub fn in_picture(&self, width: f32, height: f32) -> Centered {
        Centered { x: self.x * width, y: self.y * height, width: self.width * width, height: self.height * height }
    }
}

#[cfg(test)]
mod tests;
