//! Which anchor, or which box of a cell, learns which true box.

mod rpn;
mod yolo;

use super::{Centered, Corners};

pub use rpn::assign_rpn;
pub use yolo::{Cells, Responsible, assign_yolo};

/// From which IoU on an anchor stands for a true box. The defaults are those of RetinaNet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// From this IoU on it does.
    pub positive: f32,
    /// Below this one it stands for background.
    pub negative: f32,
}

impl Matching {
    /// RetinaNet (Lin et al. 2017, section 4): from 0.5 on, and below 0.4.
    pub const RETINANET: Self = Self { positive: 0.5, negative: 0.4 };
    /// The region proposal network of Faster R-CNN (Ren et al. 2015, section 3.1.2): from 0.7 on, and below 0.3. For
    /// [`assign_rpn`].
    pub const RPN: Self = Self { positive: 0.7, negative: 0.3 };
    /// SSD (Liu et al. 2016, section 2.2): from 0.5 on, all others are background.
    pub const SSD: Self = Self { positive: 0.5, negative: 0.5 };
}

impl Default for Matching {
    fn default() -> Self {
        Self::RETINANET
    }
}

/// What an anchor, or a box of a cell, learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// The true box of this number.
    Truth(usize),
    /// That there is nothing.
    Background,
    /// Nothing: it is neither.
    Ignored,
}

/// What each anchor learns. An anchor takes the true box that it overlaps most; and every true box is learnt by the anchor
/// that overlaps it most, however little, unless none does (Liu et al. 2016, section 2.2). Of two true boxes that want the
/// same anchor, the later one has it.
pub fn assign(anchors: &[Corners], truths: &[Corners], matching: &Matching) -> Vec<Assignment> {
    let mut of_truths = vec![(0.0_f32, usize::MAX); truths.len()];
    let mut assignments: Vec<Assignment> = anchors
        .iter()
        .enumerate()
        .map(|(number, anchor)| {
            let mut best = (0.0, 0);
            for (truth, corners) in truths.iter().enumerate() {
                let iou = anchor.iou(corners);
                if iou > best.0 {
                    best = (iou, truth);
                }
                if iou > of_truths[truth].0 {
                    of_truths[truth] = (iou, number);
                }
            }
            match best.0 {
                iou if iou >= matching.positive && iou > 0.0 => Assignment::Truth(best.1),
                iou if iou < matching.negative || iou == 0.0 => Assignment::Background,
                _ => Assignment::Ignored,
            }
        })
        .collect();
    for (truth, &(_, anchor)) in of_truths.iter().enumerate() {
        if let Some(assignment) = assignments.get_mut(anchor) {
            *assignment = Assignment::Truth(truth);
        }
    }
    assignments
}

/// True boxes as losses take them: class, centre x and y, width and height.
fn rows(truths: &[Corners]) -> Vec<f32> {
    let row = |truth: &Corners| {
        let Centered { x, y, width, height } = (*truth).into();
        [0.0, x, y, width, height]
    };
    truths.iter().flat_map(row).collect()
}
