//! Offsets for buffers that are not all alive at once.
//!
//! Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference", section 5: one after another, each
//! buffer in the smallest gap that holds it among those already placed that live at the same time. Which order is best depends on
//! the network, so some are tried, until one reaches the lower bound.

use std::ops::RangeInclusive;

/// Floats that one vector register and one cache line hold; buffers start at multiples of it.
pub const ALIGN: usize = 16;

/// A buffer to be placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Floats.
    pub len: usize,
    /// First and last step at which it is in use.
    pub life: RangeInclusive<usize>,
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Layout {
    /// Offset of each buffer, in order of the request.
    pub offsets: Vec<usize>,
    /// Floats of the whole.
    pub len: usize,
    /// Floats of the largest set of buffers alive at once: no layout can be smaller.
    pub lower_bound: usize,
}

/// Rounds up to [`ALIGN`].
pub fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// Places buffers so that no two that live at the same time overlap.
pub fn place(buffers: &[Buffer]) -> Layout {
    let lower_bound = lower_bound(buffers);
    let mut best: Option<Layout> = None;
    for order in orders(buffers) {
        let (offsets, len) = place_in(&order, buffers);
        if best.as_ref().is_none_or(|best| len < best.len) {
            best = Some(Layout { offsets, len, lower_bound });
        }
        if len == lower_bound {
            break;
        }
    }
    best.unwrap_or_default()
}

/// Orders worth trying, which are made as they are asked for: large ones first, those that live long first, those first that
/// take much of space and time.
fn orders(buffers: &[Buffer]) -> impl Iterator<Item = Vec<usize>> {
    type Key = fn(&Buffer) -> [usize; 2];
    let keys: [Key; 3] = [|b| [b.len, 0], |b| [steps(b), b.len], |b| [b.len.saturating_mul(steps(b)), 0]];
    keys.into_iter().map(|key| {
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(key(&buffers[*i])), *buffers[*i].life.start(), *i));
        order
    })
}

fn steps(buffer: &Buffer) -> usize {
    (buffer.life.end() - buffer.life.start()).saturating_add(1)
}

/// The offsets that buffers get in an order, and the floats of the whole.
fn place_in(order: &[usize], buffers: &[Buffer]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; buffers.len()];
    // In order of their offsets.
    let mut placed: Vec<usize> = Vec::with_capacity(buffers.len());
    let mut len = 0;
    for &index in order {
        let buffer = &buffers[index];
        let taken = placed
            .iter()
            .filter(|p| overlap(&buffers[**p].life, &buffer.life))
            .map(|p| (offsets[*p], offsets[*p] + aligned(buffers[*p].len)));
        offsets[index] = best_gap(taken, aligned(buffer.len));
        len = len.max(offsets[index] + aligned(buffer.len));
        placed.insert(placed.partition_point(|p| offsets[*p] <= offsets[index]), index);
    }
    (offsets, len)
}

fn overlap(a: &RangeInclusive<usize>, b: &RangeInclusive<usize>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

/// The start of the smallest gap between taken ranges that holds `len`, or the end of them all.
fn best_gap(taken: impl Iterator<Item = (usize, usize)>, len: usize) -> usize {
    let (mut end, mut best) = (0, None);
    for (from, to) in taken {
        if from >= end + len && best.is_none_or(|(size, _)| from - end < size) {
            best = Some((from - end, end));
        }
        end = end.max(to);
    }
    best.map_or(end, |(_, offset)| offset)
}

fn lower_bound(buffers: &[Buffer]) -> usize {
    // What begins at a step meets what ends at it.
    let begins = buffers.iter().map(|b| (*b.life.start(), false, aligned(b.len)));
    let ends = buffers.iter().map(|b| (*b.life.end(), true, aligned(b.len)));
    let mut events: Vec<(usize, bool, usize)> = begins.chain(ends).collect();
    events.sort_unstable();
    let (mut alive, mut most) = (0, 0);
    for (_, ends, len) in events {
        if ends {
            alive -= len;
        } else {
            alive += len;
            most = most.max(alive);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buffers_that_never_meet_share_memory() {
        let buffers =
            [Buffer { len: 32, life: 0..=1 }, Buffer { len: 16, life: 1..=2 }, Buffer { len: 32, life: 2..=3 }];
        let layout = place(&buffers);
        assert_eq!(layout.offsets, [0, 32, 0]);
        assert_eq!((layout.len, layout.lower_bound), (48, 48));
    }

    proptest! {
        #[test]
        fn buffers_alive_together_do_not_overlap(raw in prop::collection::vec((1_usize..200, 0_usize..30, 0_usize..10), 1..40)) {
            let buffers: Vec<Buffer> =
                raw.iter().map(|(len, start, more)| Buffer { len: *len, life: *start..=start + more }).collect();
            let layout = place(&buffers);
            for (i, a) in buffers.iter().enumerate() {
                prop_assert!(layout.offsets[i].is_multiple_of(ALIGN) && layout.offsets[i] + a.len <= layout.len);
                for (j, b) in buffers.iter().enumerate().take(i).filter(|(_, b)| overlap(&a.life, &b.life)) {
                    let apart = layout.offsets[i] + a.len <= layout.offsets[j]
                        || layout.offsets[j] + b.len <= layout.offsets[i];
                    prop_assert!(apart, "{i} and {j}");
                }
            }
            prop_assert!(layout.len >= layout.lower_bound);
        }
    }
}
