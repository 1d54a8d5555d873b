//! What tiles ask memory for while they compute, so that it is in the second-level cache when its turn comes: of the core that
//! asks, which is that of the next strip too, unless another thread helped out.

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

/// Pixels that share in asking for what comes next: how many are before those at hand, and all of them.
#[derive(Clone, Copy)]
pub(super) struct Sharing {
    pub before: usize,
    pub all: usize,
}

/// What the tiles of some blocks of output channels ask memory for while they compute: runs of lines of sixteen floats, of which
/// each tile asks for the share that its pixels are of all.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    at: *const f32,
    /// Lines of a run, and of all.
    run: usize,
    all: usize,
    /// Floats from the end of a run to the next one.
    gap: usize,
    /// Lines for each pixel, in units of 2⁻²⁴.
    per_pixel: u64,
    /// Lines that a tile asks for at a time.
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
    /// By tiles of up to `widest` pixels that multiply so many channels with the weights of `M` blocks from `block` on, which are
    /// at `w`; those after them are `next` floats on.
    #[inline(always)]
    pub(super) fn of<const M: usize>(
        tile: &Tile<'_>,
        (block, w, next): (usize, *const f32, usize),
        channels: usize,
        widest: usize,
        sharing: Sharing,
    ) -> Self {
        let (at, run, stride) = match tile.next {
            Next::Memory([first, second]) => {
                let stride = second.as_ptr().addr().wrapping_sub(first.as_ptr().addr()) / size_of::<f32>();
                (if block == 0 { first } else { second }.as_ptr(), first.len() / BLOCK, stride)
            }
            Next::Weights(_) | Next::Shared(_) => (w.wrapping_add(next), tile.weights() / BLOCK, tile.w_block),
        };
        let times = channels.div_ceil(STRIDE) * tile.taps.len();
        Self::runs(at, [M, run, stride], sharing, widest, times)
    }

    /// So many runs of so many lines, so many floats apart, by tiles that ask so many `times`.
    #[inline(always)]
    fn runs(at: *const f32, [runs, run, stride]: [usize; 3], sharing: Sharing, widest: usize, times: usize) -> Self {
        let all = runs * run;
        // Without a gap it is one run.
        let (run, gap) = if stride == run * BLOCK { (all, 0) } else { (run, stride.wrapping_sub(run * BLOCK)) };
        let per_pixel = ((all as u64) << DIGITS).div_ceil(sharing.all as u64);
        // A share may have one line more, which is not worth asking for more at a time.
        let most = ((widest as u64 * per_pixel) >> DIGITS) as usize;
        Self { at, run, all, gap, per_pixel, at_once: most.div_ceil(times).max(1) }
    }

    /// The share of `pixels` pixels from `first` on.
    #[inline(always)]
    pub(super) fn share(&self, first: usize, pixels: usize) -> Ask {
        let line = |pixel: usize| (((pixel as u64 * self.per_pixel) >> DIGITS) as usize).min(self.all);
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

    /// The next lines of a run: where they start, and how many.
    #[inline(always)]
    fn lines(&mut self) -> (*const f32, usize) {
        if self.of_run == 0 && self.left > 0 {
            self.at = self.at.wrapping_add(self.gap);
            self.of_run = self.run;
        }
        let (start, now) = (self.at, self.at_once.min(self.left).min(self.of_run));
        self.at = self.at.wrapping_add(now * BLOCK);
        self.of_run -= now;
        self.left -= now;
        (start, now)
    }

    /// Asks for the next lines.
    ///
    /// # Safety
    /// The vector's instructions are there.
    #[inline(always)]
    pub(super) unsafe fn step<V: Vector>(&mut self) {
        if self.left > 0 {
            let (start, lines) = self.lines();
            for line in 0..lines {
                // SAFETY: the caller's promise; nothing is read.
                unsafe { V::prefetch_second(start.wrapping_add(line * BLOCK)) };
            }
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
        fn tiles_ask_for_every_line_once_and_in_time(
            [runs, run, apart] in [1_usize..5, 0_usize..300, 0_usize..3],
            widths in prop::collection::vec(1_usize..15, 1..40),
            times in 1_usize..50,
        ) {
            let stride = (run + apart) * BLOCK;
            let sharing = Sharing { before: 0, all: widths.iter().sum() };
            let widest = *widths.iter().max().expect("a tile");
            let start = core::ptr::without_provenance(1 << 20);
            let asked = Asked::runs(start, [runs, run, stride], sharing, widest, times);
            let (mut first, mut lines) = (0, Vec::new());
            for width in widths {
                let mut ask = asked.share(first, width);
                prop_assert!(ask.left <= times * ask.at_once + 1, "{} lines, {times} times {}", ask.left, ask.at_once);
                while ask.left > 0 {
                    let (start, count) = ask.lines();
                    lines.extend((0..count).map(|line| start.wrapping_add(line * BLOCK).addr()));
                }
                first += width;
            }
            let line = |run: usize, line: usize| start.wrapping_add(run * stride + line * BLOCK).addr();
            let all: Vec<usize> = (0..runs).flat_map(|r| (0..run).map(move |l| line(r, l))).collect();
            prop_assert_eq!(lines, all);
        }
    }
}
