//! The boxes of a map of YOLO that are responsible for true ones.

use super::{Assignment, rows};
use crate::boxes::{Centered, Corners, Shape};
use crate::kernels::{Owners, Yolo, YoloVersion};

/// The cells of a map of YOLO.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cells {
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
    /// Side of a cell in pixels.
    pub stride: f32,
}

/// Which box of the cell that has the centre of a true box is responsible for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Responsible<'a> {
    /// That one whose prediction has the highest IoU with it. A cell learns one true box, the first one: it has one set of
    /// classes. No box is ignored.
    Prediction,
    /// That one whose anchor fits best, by shape. A box learns one true box, the first one.
    Anchor {
        /// In pixels, one for each box of a cell.
        anchors: &'a [Shape],
        /// Those of the maps of other scales: if one of them fits better, that map learns the true box.
        others: &'a [Shape],
        /// A box that is responsible for none is ignored if what it predicts has a higher IoU than this with some true box.
        ignore: f32,
    },
}

impl<'a> Responsible<'a> {
    /// YOLO (Redmon et al. 2016, section 2).
    pub const V1: Self = Self::Prediction;

    /// YOLOv2 (Redmon & Farhadi 2017, section 2). The paper does not say which boxes are ignored; the authors' code has those
    /// above 0.6.
    pub fn v2(anchors: &'a [Shape]) -> Self {
        Self::Anchor { anchors, others: &[], ignore: 0.6 }
    }

    /// A map of YOLOv3 beside the anchors of its other maps (Redmon & Farhadi 2018, section 2.1): boxes above 0.5 are ignored.
    /// As in the authors' code it is what a box predicts that is compared, not its anchor.
    pub fn v3(anchors: &'a [Shape], others: &'a [Shape]) -> Self {
        Self::Anchor { anchors, others, ignore: 0.5 }
    }
}

/// What each box of a map learns, as the losses `yolo_v1`, `yolo_v2` and `yolo_v3` have it. `predicted` has the boxes that the
/// map predicts, cells row by row, the boxes of a cell behind one another, as `yolo_decode` gives them; so has the result.
/// True boxes whose centre is in no cell, or without an area, are learnt by none.
///
/// ```
/// use cnnc_runtime::boxes::{Assignment, Cells, Corners, Responsible, Shape, assign_yolo};
///
/// let cells = Cells { rows: 1, columns: 2, stride: 10.0 };
/// let anchors = [Shape { width: 4.0, height: 8.0 }, Shape { width: 9.0, height: 3.0 }];
/// let predicted = [0.0, 2.0, 12.0, 10.0].map(|x| Corners::from_corner(x, 3.0, 8.0, 3.0));
/// let truth = Corners::from_corner(11.0, 3.0, 8.0, 3.0);
/// // The truth is wide, so its cell's second box has it; the first one lies on it, too.
/// let learnt = [Assignment::Background, Assignment::Background, Assignment::Ignored, Assignment::Truth(0)];
/// assert_eq!(assign_yolo(&cells, &Responsible::v3(&anchors, &[]), &predicted, &[truth]), learnt);
/// ```
///
/// # Panics
/// If `predicted` has not the same number of boxes for each cell, and one for each anchor.
pub fn assign_yolo(
    cells: &Cells,
    responsible: &Responsible<'_>,
    predicted: &[Corners],
    truths: &[Corners],
) -> Vec<Assignment> {
    let count = cells.rows * cells.columns;
    let boxes = predicted.len().checked_div(count).unwrap_or(0);
    assert_eq!(predicted.len(), boxes * count, "boxes of {count} cells");
    let (version, shapes, others, ignore) = match *responsible {
        Responsible::Prediction => (YoloVersion::V1, Vec::new(), Vec::new(), 1.0),
        Responsible::Anchor { anchors, others, ignore } => (YoloVersion::V3, sizes(anchors), sizes(others), ignore),
    };
    assert!(
        version == YoloVersion::V1 || shapes.len() == boxes,
        "{boxes} boxes of a cell have {} anchors",
        shapes.len()
    );
    let map = Yolo {
        version,
        cells: [cells.rows, cells.columns],
        boxes,
        classes: usize::MAX,
        stride: cells.stride,
        anchors: &shapes,
    };
    let owners = Owners { map, others: &others, ignore, objects: &rows(truths) };
    let place = |number: usize| {
        let Centered { x, y, width, height } = predicted[number].into();
        [x, y, width, height]
    };
    let mut assignments = Vec::with_capacity(predicted.len());
    map.each(|number, at| {
        let first = number - at.which;
        assignments.push(match owners.owner(at, |at| place(first + at.which)) {
            Some((truth, _)) => Assignment::Truth(truth),
            None if owners.ignored(&place(number)) => Assignment::Ignored,
            None => Assignment::Background,
        });
    });
    assignments
}

fn sizes(shapes: &[Shape]) -> Vec<[f32; 2]> {
    shapes.iter().map(|shape| [shape.width, shape.height]).collect()
}
