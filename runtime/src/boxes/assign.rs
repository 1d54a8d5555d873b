//! Which anchor learns which true box.

use super::Corners;

/// From which IoU on an anchor stands for a true box. The defaults are those of RetinaNet (Lin et al. 2017, section 4);
/// Faster R-CNN has 0.7 and 0.3, SSD 0.5 and 0.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// From this IoU on it does.
    pub positive: f32,
    /// Below this one it stands for background.
    pub negative: f32,
}

impl Default for Matching {
    fn default() -> Self {
        Self { positive: 0.5, negative: 0.4 }
    }
}

/// What an anchor learns.
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
/// that overlaps it most, however little, unless none does.
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
