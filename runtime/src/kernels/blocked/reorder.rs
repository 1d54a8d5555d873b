//! From plain order to blocks and back, for activations and weights.

use super::BLOCK;
use crate::isa::per_isa;

/// How the weights `[filters, channels, taps]` of one group become those of a tile:
/// `[filters / 16][channels / lanes][taps][lanes][16]`, zeros where there is no filter or channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Output channels, of all groups.
    pub filters: usize,
    /// Input channels of a group.
    pub channels: usize,
    /// Elements of the window.
    pub taps: usize,
    /// Input channels that are neighbours in the activations.
    pub lanes: usize,
    /// Whether they are the weights of the gradient by the input: filters and channels change places, taps go backwards.
    pub backwards: bool,
}

impl Packing {
    /// Where the weight of a filter, a channel and a tap is in plain order.
    #[inline(always)]
    pub(super) fn plain(&self, filter: usize, channel: usize, tap: usize) -> usize {
        if self.backwards {
            (channel * self.filters + filter) * self.taps + (self.taps - 1 - tap)
        } else {
            (filter * self.channels + channel) * self.taps + tap
        }
    }
}

/// Copies numbers that are `from_step` apart to where they are `to_step` apart.
#[inline(always)]
fn copy_apart(from: &[f32], from_step: usize, to: &mut [f32], to_step: usize) {
    for (to, from) in to.iter_mut().step_by(to_step).zip(from.iter().step_by(from_step)) {
        *to = *from;
    }
}

/// Calls a function that is compiled once more for windows of one and of nine elements, which most weights have.
macro_rules! for_usual_taps {
    ($function:ident($taps:expr, $($argument:expr),*)) => {
        match $taps {
            1 => $function(1, $($argument),*),
            9 => $function(9, $($argument),*),
            taps => $function(taps, $($argument),*),
        }
    };
}

/// Sixteen filters, `row` floats apart, by sixteen channels: to `[taps][channels][filters]`.
#[inline(always)]
fn pack_whole(taps: usize, row: usize, w: &[f32], y: &mut [f32]) {
    let w: [&[f32]; BLOCK] = core::array::from_fn(|filter| &w[filter * row..][..BLOCK * taps]);
    let y = &mut y[..taps * BLOCK * BLOCK];
    for tap in 0..taps {
        for lane in 0..BLOCK {
            let y = &mut y[(tap * BLOCK + lane) * BLOCK..][..BLOCK];
            for (y, w) in y.iter_mut().zip(&w) {
                *y = w[lane * taps + tap];
            }
        }
    }
}

/// Sixteen filters as the channels that they are seen from the other side, of one of its filters: taps turned round.
#[inline(always)]
fn pack_lane_backwards(taps: usize, lane: usize, w: &[f32], y: &mut [f32]) {
    let w = &w[..BLOCK * taps];
    for tap in 0..taps {
        let y = &mut y[(tap * BLOCK + lane) * BLOCK..][..BLOCK];
        for (i, y) in y.iter_mut().enumerate() {
            *y = w[i * taps + taps - 1 - tap];
        }
    }
}

/// The other way of [`pack_whole`].
#[inline(always)]
fn unpack_whole(taps: usize, row: usize, w: &[f32], y: &mut [f32]) {
    let w = &w[..taps * BLOCK * BLOCK];
    for filter in 0..BLOCK {
        let y = &mut y[filter * row..][..BLOCK * taps];
        for lane in 0..BLOCK {
            for tap in 0..taps {
                y[lane * taps + tap] = w[(tap * BLOCK + lane) * BLOCK + filter];
            }
        }
    }
}

per_isa! {
    /// Packs the weights of one block of sixteen filters.
    pub fn pack(packing: &Packing, block: usize, w: &[f32], y: &mut [f32]) {
        let Packing { channels, taps, lanes, backwards, .. } = *packing;
        let filters = (packing.filters - block * BLOCK).min(BLOCK);
        for (outer, y) in y.chunks_exact_mut(taps * lanes * BLOCK).enumerate() {
            let here = (channels - outer * lanes).min(lanes);
            let whole = filters == BLOCK && here == BLOCK;
            if filters < BLOCK || here < lanes {
                y.fill(0.0);
            }
            if whole && backwards {
                for lane in 0..BLOCK {
                    let w = &w[packing.plain(block * BLOCK, outer * lanes + lane, taps - 1)..];
                    for_usual_taps!(pack_lane_backwards(taps, lane, w, y));
                }
            } else if whole {
                let w = &w[packing.plain(block * BLOCK, outer * lanes, 0)..];
                for_usual_taps!(pack_whole(taps, channels * taps, w, y));
            } else if backwards {
                for lane in 0..here {
                    let w = &w[packing.plain(block * BLOCK, outer * lanes + lane, taps - 1)..][..filters * taps];
                    for tap in 0..taps {
                        let y = &mut y[(tap * lanes + lane) * BLOCK..][..filters];
                        copy_apart(&w[taps - 1 - tap..], taps, y, 1);
                    }
                }
            } else {
                for filter in 0..filters {
                    let w = &w[packing.plain(block * BLOCK + filter, outer * lanes, 0)..][..here * taps];
                    for tap in 0..taps {
                        copy_apart(&w[tap..], taps, &mut y[tap * lanes * BLOCK + filter..], BLOCK);
                    }
                }
            }
        }
    }

    /// Multiplies packed weights of sixteen filters by a factor for each.
    pub fn scale_filters(factors: &[f32; BLOCK], w: &mut [f32]) {
        for w in w.as_chunks_mut::<BLOCK>().0 {
            for (w, factor) in w.iter_mut().zip(factors) {
                *w *= factor;
            }
        }
    }

    /// Unpacks the gradient of some filters, `y` being those of a piece of whole filters from `first` on. Packed it is
    /// `[filters / 32][channels / lanes][2][taps][lanes][16]`: as `outer` leaves it, for two blocks of filters at a time.
    pub fn unpack(packing: &Packing, first: usize, w: &[f32], y: &mut [f32]) {
        let Packing { channels, taps, lanes, .. } = *packing;
        let (outers, part) = (channels.div_ceil(lanes), taps * lanes * BLOCK);
        // Some channels of all filters before the next ones: what is read of them stays in the cache.
        for outer in 0..outers {
            let here = (channels - outer * lanes).min(lanes);
            if here == BLOCK && first.is_multiple_of(BLOCK) && y.len() == BLOCK * channels * taps {
                let (pair, block) = (first / (2 * BLOCK), first / BLOCK % 2);
                let w = &w[((pair * outers + outer) * 2 + block) * part..];
                for_usual_taps!(unpack_whole(taps, channels * taps, w, &mut y[outer * BLOCK * taps..]));
                continue;
            }
            for (i, y) in y.chunks_exact_mut(channels * taps).enumerate() {
                let (pair, block, filter) = ((first + i) / (2 * BLOCK), (first + i) / BLOCK % 2, (first + i) % BLOCK);
                let w = &w[((pair * outers + outer) * 2 + block) * part..][..part];
                let y = &mut y[outer * lanes * taps..][..here * taps];
                for tap in 0..taps {
                    copy_apart(&w[tap * lanes * BLOCK + filter..], BLOCK, &mut y[tap..], taps);
                }
            }
        }
    }

    /// One block of channels, from planes of `places` elements; `x` starts at the block's first channel and ends with the
    /// last one there is.
    pub fn block(places: usize, x: &[f32], y: &mut [f32]) {
        let channels = (x.len() / places).min(BLOCK);
        if channels < BLOCK {
            y.fill(0.0);
        }
        // Sixteen pixels at a time, so that what is written stays in the cache for all channels.
        for first in (0..places).step_by(BLOCK) {
            let count = BLOCK.min(places - first);
            let y = &mut y[first * BLOCK..][..count * BLOCK];
            for channel in 0..channels {
                let x = &x[channel * places + first..][..count];
                for (y, x) in y.chunks_exact_mut(BLOCK).zip(x) {
                    y[channel] = *x;
                }
            }
        }
    }

    /// The planes of one block of channels, `y` being as many of them as there are.
    pub fn unblock(places: usize, x: &[f32], y: &mut [f32]) {
        for (channel, y) in y.chunks_exact_mut(places).enumerate() {
            for (y, x) in y.iter_mut().zip(x.chunks_exact(BLOCK)) {
                *y = x[channel];
            }
        }
    }
}
