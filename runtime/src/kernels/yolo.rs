//! YOLO: boxes of the cells of a map, and the losses of its three versions.

mod owners;

use super::boxes::{Box, Object, iou};
use super::math::{exp, ln, ln_1p, sigmoid, sqrt};
use crate::isa::per_isa;
pub(crate) use owners::Owners;

/// Which of the papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YoloVersion {
    /// Redmon et al. 2016.
    V1,
    /// Redmon & Farhadi 2017.
    V2,
    /// Redmon & Farhadi 2018.
    V3,
}

impl YoloVersion {
    /// What a number costs that should be another, and the slope of it: squared as it is, squared after the logistic function
    /// with the half in front of the authors' code, or by cross-entropy after it.
    #[inline(always)]
    fn error(self, t: f32, wanted: f32) -> (f32, f32) {
        let p = sigmoid(t);
        match self {
            Self::V1 => ((t - wanted) * (t - wanted), 2.0 * (t - wanted)),
            Self::V2 => (0.5 * (p - wanted) * (p - wanted), (p - wanted) * p * (1.0 - p)),
            Self::V3 => (t.max(0.0) + ln_1p(exp(-t.abs())) - wanted * t, p - wanted),
        }
    }
}

/// A map of predictions: of each cell some boxes, of each box place, size, confidence and classes.
///
/// V1: channels are five numbers for each box, and the classes of the cell. V2 and V3: for each box, five numbers and its
/// classes.
#[derive(Clone, Copy, Debug)]
pub struct Yolo<'a> {
    /// Which of the papers.
    pub version: YoloVersion,
    /// Rows and columns of cells.
    pub cells: [usize; 2],
    /// Boxes of a cell.
    pub boxes: usize,
    /// Classes.
    pub classes: usize,
    /// Pixels of the image from a cell to the next.
    pub stride: f32,
    /// Width and height of the prior of each box, in pixels; none in V1.
    pub anchors: &'a [[f32; 2]],
}

/// What a loss weighs.
#[derive(Clone, Copy, Debug)]
pub struct YoloLoss<'a> {
    /// The map.
    pub map: Yolo<'a>,
    /// Priors of the maps of other scales.
    pub others: &'a [[f32; 2]],
    /// Weight of place and size.
    pub coord: f32,
    /// Weight of the confidence of boxes that are responsible for an object.
    pub object: f32,
    /// Weight of the confidence of others.
    pub noobj: f32,
    /// Weight of classes.
    pub class: f32,
    /// Boxes that share more with an object need not say that there is none.
    pub ignore: f32,
    /// Whether confidence is to be what the box shares with the object, instead of 1.
    pub rescore: bool,
}

/// A box of a cell.
#[derive(Clone, Copy)]
pub(crate) struct At {
    pub row: usize,
    pub column: usize,
    pub which: usize,
}

impl Yolo<'_> {
    /// Where number `j` of a box is in the map: x, y, width, height, confidence, classes.
    #[inline(always)]
    fn index(&self, at: At, j: usize) -> usize {
        let channel = match self.version {
            YoloVersion::V1 if j < 5 => 5 * at.which + j,
            YoloVersion::V1 => 5 * self.boxes + j - 5,
            _ => (5 + self.classes) * at.which + j,
        };
        (channel * self.cells[0] + at.row) * self.cells[1] + at.column
    }

    /// Width and height of the image, in pixels.
    #[inline(always)]
    fn image(&self) -> [f32; 2] {
        [self.cells[1] as f32 * self.stride, self.cells[0] as f32 * self.stride]
    }

    /// The box that is predicted, in pixels.
    #[inline(always)]
    fn place(&self, x: &[f32], at: At) -> Box {
        let t = |j: usize| x[self.index(at, j)];
        let centre = |cell: usize, t: f32| (cell as f32 + t) * self.stride;
        if self.version == YoloVersion::V1 {
            let [width, height] = self.image();
            return [centre(at.column, t(0)), centre(at.row, t(1)), t(2) * t(2) * width, t(3) * t(3) * height];
        }
        let [width, height] = self.anchors[at.which];
        [centre(at.column, sigmoid(t(0))), centre(at.row, sigmoid(t(1))), width * exp(t(2)), height * exp(t(3))]
    }

    /// The largest score of a box and the sum of e^(score − largest).
    #[inline(always)]
    fn softmax(&self, x: &[f32], at: At) -> (f32, f32) {
        let mut most = f32::NEG_INFINITY;
        for c in 0..self.classes {
            most = most.max(x[self.index(at, 5 + c)]);
        }
        let mut sum = 0.0;
        for c in 0..self.classes {
            sum += exp(x[self.index(at, 5 + c)] - most);
        }
        (most, sum)
    }

    /// Calls `f` with the number of each box and its place: rows, columns, boxes of a cell.
    #[inline(always)]
    pub(crate) fn each(&self, mut f: impl FnMut(usize, At)) {
        for number in 0..self.cells[0] * self.cells[1] * self.boxes {
            let cell = number / self.boxes;
            let (row, column) = (cell / self.cells[1], cell % self.cells[1]);
            f(number, At { row, column, which: number % self.boxes });
        }
    }

    /// Whether the centre of an object lies in a cell.
    #[inline(always)]
    fn holds(&self, at: At, object: &Object) -> bool {
        let (x, y) = (object.place[0] / self.stride, object.place[1] / self.stride);
        x >= at.column as f32 && x < (at.column + 1) as f32 && y >= at.row as f32 && y < (at.row + 1) as f32
    }
}

impl YoloLoss<'_> {
    /// The loss of an image; calls `slope(index in the map, derivative)`.
    #[inline(always)]
    fn terms(&self, x: &[f32], objects: &[f32], mut slope: impl FnMut(usize, f32)) -> f32 {
        let mut total = 0.0_f64;
        let owners = Owners { map: self.map, others: self.others, ignore: self.ignore, objects };
        self.map.each(|_, at| {
            let owner = owners.owner(at, |at| self.map.place(x, at)).map(|(_, owner)| owner);
            total += f64::from(self.confidence(x, &owners, at, owner.as_ref(), &mut slope));
            if let Some(owner) = owner {
                total += f64::from(self.location(x, at, &owner.place, &mut slope));
                total += f64::from(self.classification(x, at, owner.class, &mut slope));
            }
        });
        total as f32
    }

    #[inline(always)]
    fn confidence(
        &self,
        x: &[f32],
        owners: &Owners<'_>,
        at: At,
        owner: Option<&Object>,
        slope: &mut impl FnMut(usize, f32),
    ) -> f32 {
        let (index, place) = (self.map.index(at, 4), self.map.place(x, at));
        let (wanted, weight) = match owner {
            Some(owner) => (if self.rescore { iou(&place, &owner.place) } else { 1.0 }, self.object),
            None if owners.ignored(&place) => return 0.0,
            None => (0.0, self.noobj),
        };
        let (loss, derivative) = self.map.version.error(x[index], wanted);
        slope(index, weight * derivative);
        weight * loss
    }

    #[inline(always)]
    fn location(&self, x: &[f32], at: At, place: &Box, slope: &mut impl FnMut(usize, f32)) -> f32 {
        let (map, image, mut total) = (&self.map, self.map.image(), 0.0);
        let first = map.version == YoloVersion::V1;
        // Small boxes count more: in V1 by the root of their size, else by this.
        let weight = self.coord * if first { 1.0 } else { 2.0 - place[2] * place[3] / (image[0] * image[1]) };
        for (axis, cell) in [at.column, at.row].into_iter().enumerate() {
            let (index, size) = (map.index(at, axis), map.index(at, axis + 2));
            let (loss, derivative) = map.version.error(x[index], place[axis] / map.stride - cell as f32);
            let (off, scale) = if first {
                (x[size] - sqrt(place[axis + 2] / image[axis]), 2.0)
            } else {
                (x[size] - ln(place[axis + 2] / map.anchors[at.which][axis]), 1.0)
            };
            slope(index, weight * derivative);
            slope(size, weight * scale * off);
            total += weight * (loss + 0.5 * scale * off * off);
        }
        total
    }

    #[inline(always)]
    fn classification(&self, x: &[f32], at: At, class: usize, slope: &mut impl FnMut(usize, f32)) -> f32 {
        let (map, mut total) = (&self.map, 0.0);
        let (most, sum) = if map.version == YoloVersion::V2 { map.softmax(x, at) } else { (0.0, 1.0) };
        for c in 0..map.classes {
            let index = map.index(at, 5 + c);
            let (t, wanted) = (x[index], if c == class { 1.0 } else { 0.0 });
            let (loss, derivative) = match map.version {
                YoloVersion::V2 => (wanted * (ln(sum) + (most - t)), exp(t - most) / sum - wanted),
                version => version.error(t, wanted),
            };
            slope(index, self.class * derivative);
            total += self.class * loss;
        }
        total
    }
}

per_isa! {
    /// Boxes of a map, a row each: centre x and y, width and height in pixels of the image, confidence, and the classes, by
    /// softmax in V2, each by itself in V3, as they are in V1. Cells row by row, the boxes of a cell behind one another.
    pub fn yolo_decode(map: &Yolo<'_>, x: &[f32], y: &mut [f32]) {
        let len = 5 + map.classes;
        map.each(|number, at| {
            let row = &mut y[number * len..][..len];
            row[..4].copy_from_slice(&map.place(x, at));
            let (most, sum) = if map.version == YoloVersion::V2 { map.softmax(x, at) } else { (0.0, 1.0) };
            for j in 4..len {
                let t = x[map.index(at, j)];
                row[j] = match map.version {
                    YoloVersion::V1 => t,
                    YoloVersion::V2 if j > 4 => exp(t - most) / sum,
                    _ => sigmoid(t),
                };
            }
        });
    }

    /// The gradient of [`yolo_decode`](Self::yolo_decode).
    pub fn yolo_decode_grad(map: &Yolo<'_>, dy: &[f32], x: &[f32], dx: &mut [f32]) {
        let len = 5 + map.classes;
        let image = map.image();
        dx.fill(0.0);
        map.each(|number, at| {
            let dy = &dy[number * len..][..len];
            let place = map.place(x, at);
            let (most, sum) = if map.version == YoloVersion::V2 { map.softmax(x, at) } else { (0.0, 1.0) };
            let mut dot = 0.0;
            for c in 0..map.classes {
                dot += dy[5 + c] * exp(x[map.index(at, 5 + c)] - most) / sum;
            }
            for (j, dy) in dy.iter().enumerate() {
                let index = map.index(at, j);
                let p = sigmoid(x[index]);
                // Classes of V1 belong to all boxes of the cell.
                dx[index] += match (map.version, j) {
                    (YoloVersion::V1, 0 | 1) => dy * map.stride,
                    (YoloVersion::V1, 2 | 3) => dy * 2.0 * x[index] * image[j - 2],
                    (YoloVersion::V1, _) => *dy,
                    (_, 0 | 1) => dy * p * (1.0 - p) * map.stride,
                    (_, 2 | 3) => dy * place[j],
                    (YoloVersion::V2, 5..) => (dy - dot) * exp(x[index] - most) / sum,
                    _ => dy * p * (1.0 - p),
                };
            }
        });
    }

    /// The loss of a map beside the objects of the image, rows of class, centre x and y, width and height in pixels.
    pub fn yolo_loss(loss: &YoloLoss<'_>, x: &[f32], objects: &[f32]) -> f32 {
        loss.terms(x, objects, |_, _| ())
    }

    /// Its gradient by the map.
    pub fn yolo_loss_grad(loss: &YoloLoss<'_>, x: &[f32], objects: &[f32], upstream: f32, dx: &mut [f32]) {
        dx.fill(0.0);
        loss.terms(x, objects, |index, slope| dx[index] += upstream * slope);
    }
}

#[cfg(test)]
mod tests;
