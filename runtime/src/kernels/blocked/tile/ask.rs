//! What tiles ask memory for while they compute, so that it is there when its turn comes.

use super::Tile;
use crate::kernels::blocked::BLOCK;
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

/// What the tiles of some blocks of output channels ask memory for while they compute, so that it is there when its turn comes:
/// runs of lines of sixteen floats, of which each tile asks for the share that its pixels are of all.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    at: *const f32,
    /// Lines of a run, and of all.
    run: usize,
    all: usize,
    /// Floats from the end of a run to the next one.
    gap: usize,
    /// Lines for each pixel, in units of 2⁻²⁴.
    per_pixel: usize,
    /// Lines that the widest tile asks for at a time.
    at_once: usize,
}

/// What one tile asks for: lines that follow each other, some with every [`STRIDE`] channels. That is what lets processors go on
/// by themselves, and leaves room for what is read meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    at: *const f32,
    /// Lines that are left, in this run and in all.
    of_run: usize,
    left: usize,
    /// See [`Asked`].
    run: usize,
    gap: usize,
    at_once: usize,
}

/// Input channels that are multiplied between two times that a tile asks.
pub(super) const STRIDE: usize = 4;

/// Digits of [`Asked::per_pixel`] behind the point.
const DIGITS: u32 = 24;

impl Asked {
    /// By tiles of up to `widest` of the `sharing` pixels, which use the weights of `M` blocks from `block` on, which are at `w`;
    /// those after them are `next` floats on.
    #[inline(always)]
    pub(super) fn of<const M: usize>(
        tile: &Tile<'_>,
        (block, w, next): (usize, *const f32, usize),
        channels: usize,
        widest: usize,
        sharing: usize,
    ) -> Self {
        let (at, run, stride) = match tile.next {
            Next::Memory([first, second]) => {
                let stride = second.as_ptr().addr().wrapping_sub(first.as_ptr().addr()) / size_of::<f32>();
                (if block == 0 { first } else { second }.as_ptr(), first.len() / BLOCK, stride)
            }
            Next::Weights(_) | Next::Shared(_) => (w.wrapping_add(next), tile.weights() / BLOCK, tile.w_block),
        };
        let all = M * run;
        // Without a gap it is one run.
        let (run, gap) = if stride == run * BLOCK { (all, 0) } else { (run, stride.wrapping_sub(run * BLOCK)) };
        let per_pixel = (all << DIGITS).div_ceil(sharing);
        let times = channels.div_ceil(STRIDE) * tile.taps.len();
        let at_once = ((widest * per_pixel) >> DIGITS).div_ceil(times).max(1);
        Self { at, run, all, gap, per_pixel, at_once }
    }

    /// The share of `pixels` pixels from `first` on.
    #[inline(always)]
    pub(super) fn share(&self, first: usize, pixels: usize) -> Ask {
        let line = |pixel: usize| ((pixel * self.per_pixel) >> DIGITS).min(self.all);
        let (from, to) = (line(first), line(first + pixels));
        let (mut at, mut of_run) = (self.at.wrapping_add(from * BLOCK), self.run.wrapping_sub(from));
        if from > self.run {
            let runs = from / self.run;
            at = at.wrapping_add(runs.wrapping_mul(self.gap));
            of_run = self.run - from % self.run;
        }
        Ask { at, of_run, left: to - from, run: self.run, gap: self.gap, at_once: self.at_once }
    }
}

impl Ask {
    pub(super) const NOTHING: Self = Self { at: core::ptr::null(), of_run: 0, left: 0, run: 0, gap: 0, at_once: 0 };

    /// Asks for the next lines, if some are left.
    ///
    /// # Safety
    /// The vector's instructions are there.
    #[inline(always)]
    pub(super) unsafe fn step<V: Vector>(&mut self) {
        if self.left == 0 {
            return;
        }
        if self.of_run == 0 {
            self.at = self.at.wrapping_add(self.gap);
            self.of_run = self.run;
        }
        let now = self.at_once.min(self.left).min(self.of_run);
        for _ in 0..now {
            // SAFETY: the caller's promise; nothing is read.
            unsafe { V::prefetch_second(self.at) };
            self.at = self.at.wrapping_add(BLOCK);
        }
        self.of_run -= now;
        self.left -= now;
    }
}
