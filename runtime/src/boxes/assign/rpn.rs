//! The examples of a region proposal network.

use super::{Assignment, Matching, rows};
use crate::boxes::{Centered, Corners};
use crate::kernels::{IGNORED, label};

/// What each anchor of a region proposal network learns in a picture of this width and height (Ren et al. 2015, section
/// 3.1.2), as the loss `rpn` has it.
///
/// An anchor learns the true box that it overlaps most if it overlaps it by `matching.positive` or more, or if no anchor overlaps
/// one of the true boxes more than it does, however little; of several equal ones all do. None learns a box that it does not touch. It learns that there is nothing if it
/// overlaps all of them less than `matching.negative`. Anchors that are not inside of the picture learn nothing (section 3.3).
/// The thresholds of the paper are [`Matching::RPN`].
///
/// ```
/// use cnnc_runtime::boxes::{Assignment, Corners, Matching, assign_rpn};
///
/// let anchors = [0.0, 10.0, 20.0, 95.0].map(|x| Corners::from_corner(x, 0.0, 10.0, 10.0));
/// let truth = Corners::from_corner(2.0, 0.0, 10.0, 10.0);
/// // The first one has an IoU of 2 / 3 only, but no other has more; the last one sticks out.
/// let learnt = [Assignment::Truth(0), Assignment::Background, Assignment::Background, Assignment::Ignored];
/// assert_eq!(assign_rpn(&anchors, &[truth], (100.0, 100.0), &Matching::RPN), learnt);
/// ```
pub fn assign_rpn(
    anchors: &[Corners],
    truths: &[Corners],
    (width, height): (f32, f32),
    matching: &Matching,
) -> Vec<Assignment> {
    let objects = rows(truths);
    let inside = |a: &Corners| a.x1 >= 0.0 && a.y1 >= 0.0 && a.x2 <= width && a.y2 <= height;
    let anchor = |index: usize| {
        let Centered { x, y, width, height } = Some(anchors[index]).filter(inside)?.into();
        Some([x, y, width, height])
    };
    let (mut most, mut labels) = (vec![0.0; truths.len()], vec![0.0; anchors.len()]);
    label(anchor, (matching.positive, [0.0, matching.negative]), &objects, &mut most, &mut labels);
    let assignment = |label: f32| match label {
        IGNORED => Assignment::Ignored,
        number if number >= 0.0 => Assignment::Truth(number as usize),
        _ => Assignment::Background,
    };
    labels.into_iter().map(assignment).collect()
}
