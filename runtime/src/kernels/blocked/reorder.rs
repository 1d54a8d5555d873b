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

/// Calls `f(plain index, packed index)` for the weights of a block of filters; packed ones count from its start.
#[inline(always)]
fn each_weight(packing: &Packing, block: usize, mut f: impl FnMut(usize, usize)) {
    let filters = (packing.filters - block * BLOCK).min(BLOCK);
    for channel in 0..packing.channels {
        let (outer, lane) = (channel / packing.lanes, channel % packing.lanes);
        for tap in 0..packing.taps {
            let row = ((outer * packing.taps + tap) * packing.lanes + lane) * BLOCK;
            for filter in 0..filters {
                f(packing.plain(block * BLOCK + filter, channel, tap), row + filter);
            }
        }
    }
}

per_isa! {
    /// Packs the weights of one block of sixteen filters.
    pub fn pack(packing: &Packing, block: usize, w: &[f32], y: &mut [f32]) {
        y.fill(0.0);
        each_weight(packing, block, |plain, packed| y[packed] = w[plain]);
    }

    /// Unpacks the gradient of some filters, `y` being those of a piece of whole filters from `first` on. Packed it is
    /// `[filters / 32][channels / lanes][2][taps][lanes][16]`: as `outer` leaves it, for two blocks of filters at a time.
    pub fn unpack(packing: &Packing, first: usize, w: &[f32], y: &mut [f32]) {
        let row = packing.channels * packing.taps;
        let (outers, part) = (packing.channels.div_ceil(packing.lanes), packing.taps * packing.lanes * BLOCK);
        for (i, y) in y.chunks_exact_mut(row).enumerate() {
            let (pair, block, lane_out) = ((first + i) / (2 * BLOCK), (first + i) / BLOCK % 2, (first + i) % BLOCK);
            for (channel, y) in y.chunks_exact_mut(packing.taps).enumerate() {
                let (outer, lane) = (channel / packing.lanes, channel % packing.lanes);
                let w = &w[((pair * outers + outer) * 2 + block) * part..][..part];
                for (tap, y) in y.iter_mut().enumerate() {
                    *y = w[(tap * packing.lanes + lane) * BLOCK + lane_out];
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
