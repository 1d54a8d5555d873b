//! Boxes in `f64`, for the reference of what finds objects; and their rows of a target.

use super::Mismatch;
use crate::graph::Type;

/// Centre x and y, width and height, in pixels of the image.
pub type Box = [f64; 4];

/// The box between corners: left, top, right, bottom.
pub fn from_corners(c: &[f64]) -> Box {
    [(c[0] + c[2]) / 2.0, (c[1] + c[3]) / 2.0, c[2] - c[0], c[3] - c[1]]
}

/// Left, top, right, bottom.
pub fn corners([x, y, width, height]: Box) -> [f64; 4] {
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}

/// The intersection of two boxes over their union; 0 where one has no area.
pub fn iou(a: Box, b: Box) -> f64 {
    let (p, q) = (corners(a), corners(b));
    let side = |axis: usize| (p[axis + 2].min(q[axis + 2]) - p[axis].max(q[axis])).max(0.0);
    let both = side(0) * side(1);
    if both > 0.0 { both / (a[2] * a[3] + b[2] * b[3] - both) } else { 0.0 }
}

/// The numbers that move a box to another (Girshick et al. 2014, appendix C).
pub fn deltas(from: Box, to: Box) -> [f64; 4] {
    let shift = |axis: usize| (to[axis] - from[axis]) / from[axis + 2];
    [shift(0), shift(1), (to[2] / from[2]).ln(), (to[3] / from[3]).ln()]
}

/// Smooth L1 (Girshick 2015, equation 3) and its slope.
pub fn smooth(difference: f64) -> (f64, f64) {
    if difference.abs() < 1.0 {
        (0.5 * difference * difference, difference)
    } else {
        (difference.abs() - 0.5, difference.signum())
    }
}

/// Logistic cross-entropy of a score, and its slope.
pub fn logistic_error(t: f64, wanted: f64) -> (f64, f64) {
    (t.max(0.0) + (-t.abs()).exp().ln_1p() - wanted * t, logistic(t) - wanted)
}

/// 1 / (1 + e^−x).
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// An object of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// From 0.
    pub class: usize,
    /// Where it is.
    pub place: Box,
}

/// The rows of a target `[m, 5]` by number: class, centre x and y, width and height; none where a row is padding, of no class
/// of so many, or of no size.
pub fn objects(rows: &[f64], classes: usize) -> Vec<Option<Object>> {
    let object = |row: &[f64]| {
        let is = row[0] >= 0.0 && row[0] < classes as f64 && row[3] > 0.0 && row[4] > 0.0;
        is.then(|| Object { class: row[0] as usize, place: [row[1], row[2], row[3], row[4]] })
    };
    rows.chunks_exact(5).map(object).collect()
}

/// The rule of such a target.
pub fn check_objects(ty: &Type, operand: usize) -> Result<(), Mismatch> {
    if ty.shape.len() == 2 && ty.shape[1] == 5 {
        return Ok(());
    }
    Err(Mismatch::new("objects-C1", "objects are five numbers each")
        .found(format!("a tensor of shape {ty}"))
        .fits("[m, 5]: class, centre x and y, width and height in pixels of the image, padded by rows of class -1")
        .hint("`target objects: [50, 5]`")
        .operand(operand))
}
