//! What tiles ask memory for while they compute, so that it is in the second-level cache when its turn comes: of the core that
//! asks, which is that of the next strip too, unless another thread helped out.

use super::Tile;
use crate::simd::Vector;

/// What is read after a call.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// As many weights, so many floats behind those of the last block, wrapping where they stand before it.
    Weights(usize),
    /// The same, for calls that compute a plane strip by strip: each asks for the share that its pixels are of the plane.
    Shared(usize),
    /// Other memory: some for the first and some for the second of two blocks of output channels.
    Memory([&'a [f32]; 2]),
}

impl<'a> Next<'a> {
    /// Part `index` of `parts` equal ones of other memory, for calls that ask for one after the other.
    pub fn part(memory: [&'a [f32]; 2], index: usize, parts: usize) -> Self {
        Self::Memory(memory.map(|floats| &floats[floats.len() * index / parts..floats.len() * (index + 1) / parts]))
    }
}

impl Tile<'_> {
    /// Floats from the weights of the last block to those that come next, where these are weights.
    pub(super) fn behind(&self) -> usize {
        match self.next {
            Next::Weights(floats) | Next::Shared(floats) => floats,
            Next::Memory(_) => 0,
        }
    }
}

/// Pixels that share in asking for what comes next: how many are before those at hand, and all of them.
#[derive(Clone, Copy)]
pub(super) struct Sharing {
    pub before: usize,
    pub all: usize,
}

/// What the tiles of some blocks of output channels ask memory for while they compute: of each block's run of lines of sixteen
/// floats the share that a tile's pixels are of all.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    at: *const u8,
    /// Bytes from one run to the next.
    stride: usize,
    /// Pixels before the first one at hand.
    before: usize,
    pace: Pace,
}

/// How fast tiles ask.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Bytes of a run for each pixel, in units of 2⁻¹⁶.
    per_pixel: u64,
    /// The same for each time that a tile asks for a line.
    per_time: u64,
    /// Lines of a run that a tile asks for at a time.
    at_once: usize,
}

/// What one tile asks for with every [`STRIDE`] channels: the next line of each run, several of them where pixels are few, or the
/// same one again where they are many. So there is no branch that is hard to foresee, which would hold up the multiply-adds of a
/// small tile.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    at: *const u8,
    /// Bytes from one run to the next.
    stride: usize,
    /// Bytes from one line to the next, no more than it has.
    bytes: usize,
    /// Lines of a run after the first that are asked for at a time.
    more: usize,
}

/// Input channels that are multiplied between two times that a tile asks.
pub(super) const STRIDE: usize = 4;

/// Bytes of a line.
const LINE: u64 = 64;

/// Digits of [`Pace::per_pixel`] behind the point.
const DIGITS: u32 = 16;

impl Pace {
    /// Of tiles of up to `widest` pixels that multiply so many channels, where so many pixels share.
    #[inline(always)]
    pub(super) fn of(tile: &Tile<'_>, channels: usize, widest: usize, pixels: usize) -> Self {
        let run = match tile.next {
            Next::Memory([first, _]) => first.len(),
            Next::Weights(_) | Next::Shared(_) => tile.weights(),
        };
        Self::of_run(run * size_of::<f32>(), pixels, widest, channels.div_ceil(STRIDE) * tile.taps.len())
    }

    /// Of runs of so many bytes and tiles that ask so many `times`.
    #[inline(always)]
    fn of_run(run: usize, pixels: usize, widest: usize, times: usize) -> Self {
        let per_pixel = ((run as u64) << DIGITS).div_ceil(pixels as u64);
        let (most, times) = ((widest as u64 * per_pixel) >> DIGITS, times as u64);
        // Mostly one line, which saves a division.
        let at_once = if most <= LINE * times { 1 } else { most.div_ceil(LINE * times) };
        Self { per_pixel, per_time: per_pixel.div_ceil(times * at_once), at_once: at_once as usize }
    }
}

impl Asked {
    /// By the tiles of blocks from `block` on, whose weights are at `w`; those after them are `next` floats on.
    #[inline(always)]
    pub(super) fn of(tile: &Tile<'_>, (block, w, next): (usize, *const f32, usize), before: usize, pace: Pace) -> Self {
        let (at, stride) = match tile.next {
            // Where there is nothing, weights at hand are asked for: addresses without memory behind them take long to find out.
            Next::Memory([first, second]) => {
                let memory = if block == 0 { first } else { second };
                let stride = second.as_ptr().addr().wrapping_sub(first.as_ptr().addr());
                match memory.is_empty() {
                    true => (w, 0),
                    false => (memory.as_ptr(), if second.is_empty() { 0 } else { stride }),
                }
            }
            Next::Weights(_) | Next::Shared(_) => (w.wrapping_add(next), tile.w_block.wrapping_mul(size_of::<f32>())),
        };
        Self { at: at.cast(), stride, before, pace }
    }

    /// The share of `pixels` pixels from `first` on.
    #[inline(always)]
    pub(super) fn share(&self, first: usize, pixels: usize) -> Ask {
        let from = ((self.before + first) as u64 * self.pace.per_pixel) >> DIGITS;
        let bytes = ((pixels as u64 * self.pace.per_time) >> DIGITS) + 1;
        Ask {
            at: self.at.wrapping_add(from as usize),
            stride: self.stride,
            bytes: bytes.min(LINE) as usize,
            more: self.pace.at_once - 1,
        }
    }
}

impl Ask {
    pub(super) const NOTHING: Self = Self { at: core::ptr::null(), stride: 0, bytes: 0, more: 0 };

    /// Asks for the next line of the runs of `M` blocks.
    ///
    /// # Safety
    /// The vector's instructions are there.
    #[inline(always)]
    pub(super) unsafe fn line<V: Vector, const M: usize>(&mut self) {
        for run in 0..M {
            // SAFETY: the caller's promise; nothing is read.
            unsafe { V::prefetch_second(self.at.wrapping_add(run.wrapping_mul(self.stride)).cast()) };
        }
        self.at = self.at.wrapping_add(self.bytes);
    }

    /// Asks for the other lines that are due after as many channels as it takes to ask so many `times`.
    ///
    /// # Safety
    /// The vector's instructions are there.
    #[inline(always)]
    pub(super) unsafe fn others<V: Vector, const M: usize>(&mut self, times: usize) {
        for _ in 0..self.more * times {
            // SAFETY: the caller's promise.
            unsafe { self.line::<V, M>() };
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tiles_ask_for_every_line_in_time(
            lines in 0_usize..300,
            widths in prop::collection::vec(1_usize..15, 1..40),
            times in 1_usize..50,
        ) {
            let widest = *widths.iter().max().expect("a tile");
            let pace = Pace::of_run(lines * LINE as usize, widths.iter().sum(), widest, times);
            let start = core::ptr::without_provenance(1 << 20);
            let asked = Asked { at: start, stride: 0, before: 0, pace };
            let (mut first, mut found) = (0, Vec::new());
            for width in widths {
                let mut ask = asked.share(first, width);
                prop_assert!(ask.bytes <= LINE as usize);
                for _ in 0..times * (1 + ask.more) {
                    found.push((ask.at.addr() - start.addr()) / LINE as usize);
                    ask.at = ask.at.wrapping_add(ask.bytes);
                }
                first += width;
            }
            found.sort_unstable();
            found.dedup();
            let missing = (0..lines).find(|line| found.binary_search(line).is_err());
            prop_assert!(missing.is_none(), "line {missing:?} of {lines}");
        }
    }
}
