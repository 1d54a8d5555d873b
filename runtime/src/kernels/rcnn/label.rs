//! Which anchors are examples of which objects, for the loss and for [`assign_rpn`](crate::boxes::assign_rpn).

use super::super::boxes::{Box, iou, object};
use super::super::sums::larger;

/// What an example is, as a float: a number from 0 is that of its object.
const NEGATIVE: f32 = -1.0;
/// Neither positive nor negative.
pub(crate) const IGNORED: f32 = -2.0;
/// Anchors that share this part of what the best one does with an object are as good: those inside of it, but for rounding.
const AS_GOOD: f32 = 0.9999;

/// Tells what each anchor is an example of; returns how many are positive and negative. `anchor` gives none for those that
/// do not count; `negative` is from what to below what others may share with an object; `most` is for what each object
/// shares with its best anchor.
#[inline(always)]
pub(crate) fn label(
    anchor: impl Fn(usize) -> Option<Box>,
    (positive, negative): (f32, [f32; 2]),
    objects: &[f32],
    most: &mut [f32],
    labels: &mut [f32],
) -> (usize, usize) {
    for (row, most) in objects.chunks_exact(5).zip(most.iter_mut()) {
        *most = 0.0;
        let Some(object) = object(row, usize::MAX) else { continue };
        for index in 0..labels.len() {
            if let Some(anchor) = anchor(index) {
                *most = larger(*most, iou(&anchor, &object.place));
            }
        }
    }
    let mut counts = (0, 0);
    for (index, label) in labels.iter_mut().enumerate() {
        *label = IGNORED;
        let Some(anchor) = anchor(index) else { continue };
        let mut best = (0, 0.0);
        let mut first = false;
        for (number, row) in objects.chunks_exact(5).enumerate() {
            let Some(object) = object(row, usize::MAX) else { continue };
            let shared = iou(&anchor, &object.place);
            first |= shared > 0.0 && shared >= AS_GOOD * most[number];
            if shared > best.1 {
                best = (number, shared);
            }
        }
        // Without an object there is none to be an example of, whatever the threshold.
        if first || (best.1 > 0.0 && best.1 >= positive) {
            *label = best.0 as f32;
            counts.0 += 1;
        } else if best.1 >= negative[0] && best.1 < negative[1] {
            *label = NEGATIVE;
            counts.1 += 1;
        }
    }
    counts
}
