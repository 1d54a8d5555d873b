//! Boxes, what they share, and how one is told from another.

use super::math::{exp, ln};

/// Centre x and y, width and height, in pixels of the image.
pub(crate) type Box = [f32; 4];

/// The largest logarithm of a growth: from a pixel's width to that of the picture (as in torchvision).
const MOST_GROWTH: f32 = 4.135_166_6;

/// The box between corners: left, top, right, bottom.
#[inline(always)]
pub(super) fn from_corners(c: &[f32]) -> Box {
    let (width, height) = (c[2] - c[0], c[3] - c[1]);
    [c[0] + 0.5 * width, c[1] + 0.5 * height, width, height]
}

/// Left, top, right, bottom.
#[inline(always)]
pub(super) fn corners(b: &Box) -> [f32; 4] {
    [b[0] - 0.5 * b[2], b[1] - 0.5 * b[3], b[0] + 0.5 * b[2], b[1] + 0.5 * b[3]]
}

/// The intersection of two boxes over their union; 0 where one has no area.
#[inline(always)]
pub(super) fn iou(a: &Box, b: &Box) -> f32 {
    let side = |axis: usize| {
        let high = (a[axis] + 0.5 * a[axis + 2]).min(b[axis] + 0.5 * b[axis + 2]);
        let low = (a[axis] - 0.5 * a[axis + 2]).max(b[axis] - 0.5 * b[axis + 2]);
        (high - low).max(0.0)
    };
    share(side(0) * side(1), a[2] * a[3], b[2] * b[3])
}

/// The same of two boxes around one centre.
#[inline(always)]
pub(super) fn shape_iou(a: [f32; 2], b: [f32; 2]) -> f32 {
    share(a[0].min(b[0]) * a[1].min(b[1]), a[0] * a[1], b[0] * b[1])
}

#[inline(always)]
fn share(both: f32, a: f32, b: f32) -> f32 {
    if both > 0.0 { both / (a + b - both) } else { 0.0 }
}

/// The numbers that move a box to another (Girshick et al. 2014, appendix C).
#[inline(always)]
pub(super) fn deltas(from: &Box, to: &Box) -> [f32; 4] {
    let shift = |axis: usize| (to[axis] - from[axis]) / from[axis + 2];
    [shift(0), shift(1), ln(to[2] / from[2]), ln(to[3] / from[3])]
}

/// A box moved by such numbers.
#[inline(always)]
pub(super) fn moved(from: &Box, by: [f32; 4]) -> Box {
    let grown = |axis: usize| from[axis + 2] * exp(by[axis + 2].min(MOST_GROWTH));
    [from[0] + by[0] * from[2], from[1] + by[1] * from[3], grown(0), grown(1)]
}

/// Smooth L1 (Girshick 2015, equation 3) and its slope.
#[inline(always)]
pub(super) fn smooth(difference: f32) -> (f32, f32) {
    if difference.abs() < 1.0 {
        (0.5 * difference * difference, difference)
    } else {
        (difference.abs() - 0.5, if difference > 0.0 { 1.0 } else { -1.0 })
    }
}

/// An object of a target `[m, 5]`: class, centre x and y, width and height in pixels.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    pub class: usize,
    pub place: Box,
}

/// The row of an object; none where it is padding: no class of so many, or no size.
#[inline(always)]
pub(super) fn object(row: &[f32], classes: usize) -> Option<Object> {
    // So written, NaN is no object.
    let is = row[0] >= 0.0 && row[0] < classes as f32 && row[3] > 0.0 && row[4] > 0.0;
    is.then(|| Object { class: row[0] as usize, place: [row[1], row[2], row[3], row[4]] })
}

/// How much each of two kinds of examples counts in the mean of a loss over samples of them, averaged over all samples that
/// could be drawn: of `size` examples, at most the share `positive` are positive ones.
#[inline(always)]
pub(super) fn sample_weights(size: f32, positive: f32, positives: usize, negatives: usize) -> (f32, f32) {
    let (p, n) = (positives as f32, negatives as f32);
    let drawn = p.min(size * positive);
    let others = n.min(size - drawn);
    let total = (drawn + others).max(1.0);
    (drawn / p.max(1.0) / total, others / n.max(1.0) / total)
}
