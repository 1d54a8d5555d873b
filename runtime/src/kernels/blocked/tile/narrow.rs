//! Tiles where registers are fewer: one block of output channels, and a few pixels that lie anywhere.

use super::ask::{Asked, Pace, STRIDE, Sharing};
use super::{MOST, NARROW, Parts, Place, Sums, Tile, each_pixel, write};
use crate::kernels::blocked::BLOCK;
use crate::simd::Vector;

/// Tiles that follow each other.
#[derive(Clone, Copy)]
pub(super) struct Run {
    tiles: usize,
    /// The first pixel, its column, and what it sees, in floats from the first one's place.
    first: usize,
    column: usize,
    x: usize,
}

/// A run of tiles of one width, of a block of output channels.
type OfWidth = unsafe fn(&Tile<'_>, Run, &Place, &Asked);

/// The tiles of an instruction set, of one pixel and more: for input channels in blocks, and for planes.
pub(super) struct Narrow {
    pub blocks: [OfWidth; NARROW],
    pub planes: [OfWidth; NARROW],
}

impl Narrow {
    /// One block of output channels at a time, and the input channels in parts whose weights a cache holds. Tiles are of equal
    /// size, as far as that is possible.
    ///
    /// # Safety
    /// The vector's instructions are there, and memory holds what [`Tile::check`] asks for.
    pub unsafe fn convolve(&self, tile: &Tile<'_>, rows: usize, blocks: usize, place: Place) {
        let of_width = if tile.lanes == BLOCK { &self.blocks } else { &self.planes };
        let pixels = rows * tile.columns;
        let tiles = pixels.div_ceil(NARROW);
        let (width, wider) = (pixels / tiles, pixels % tiles);
        let (wide, rest) = (Run::of(tile, 0, wider), Run::of(tile, wider * (width + 1), tiles - wider));
        let parts = Parts::of(tile, 1, tiles, place.core.part);
        let own = tile.sharing(rows);
        // Of the last part, which may have fewer channels and then fewer times to ask.
        let channels = tile.channels - parts.each * (parts.count - 1);
        let pace = |sharing: Sharing| Pace::of(tile, channels, NARROW.min(pixels), sharing.all * parts.count);
        let last = pace(place.sharing);
        let inner = if place.sharing.all == pixels { last } else { pace(own) };
        for block in 0..blocks {
            let (next, sharing, pace) = match block + 1 < blocks {
                true => (tile.w_block, own, inner),
                false => (tile.behind(), place.sharing, last),
            };
            let of_block = Place { sharing, ..place.blocks(block, tile.w_block) };
            for part in 0..parts.count {
                let next = next.wrapping_sub(part * tile.weights_of(parts.each));
                let here = of_block.part(tile, parts, part, pixels);
                let asked = Asked::of(tile, (block, here.w, next), here.sharing.before, pace);
                // SAFETY: the caller's promise; these are some of the blocks and channels, of all pixels, and what was written
                // of other channels is the output's.
                unsafe {
                    if wider > 0 {
                        of_width[width](tile, wide, &here, &asked);
                    }
                    of_width[width - 1](tile, rest, &here, &asked);
                }
            }
        }
    }
}

impl Run {
    /// So many tiles from a pixel on.
    #[inline(always)]
    fn of(tile: &Tile<'_>, first: usize, tiles: usize) -> Self {
        let (row, column) =
            if first < tile.columns { (0, first) } else { (first / tile.columns, first % tile.columns) };
        Self { tiles, first, column, x: row.wrapping_mul(tile.x_row).wrapping_add(column * tile.lanes) }
    }
}

/// Tiles of `N` pixels of a block of output channels: pixels that follow each other in the output, from as many rows as it takes.
///
/// # Safety
/// The vector's instructions are there, `G` vectors hold a block, and memory holds what [`Tile::check`] asks for, of this block
/// and these pixels.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, const G: usize, const N: usize, const LANES: usize>(
    tile: &Tile<'_>,
    Run { tiles, first, mut column, x }: Run,
    place: &Place,
    asked: &Asked,
) {
    let mut here = place.pixels(first, x);
    for index in 0..tiles {
        here.ask = asked.share(first + index * N, N);
        // SAFETY: the caller's promise.
        unsafe { scattered::<V, G, N, LANES>(tile, tile.seen(here.x, column, N), here) };
        (here, column) = (here.pixels(N, N * LANES), column + N);
        while column >= tile.columns {
            (here, column) = (here.pixels(0, tile.row_gap()), column - tile.columns);
        }
    }
}

/// A tile of one block of output channels and `N` pixels that lie anywhere: each is found by an address of its own, for
/// which there are registers enough. What the next channels read is asked for ahead: with so few pixels to a tile there is
/// little else to do until it comes.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn scattered<V: Vector, const G: usize, const N: usize, const LANES: usize>(
    tile: &Tile<'_>,
    seen: [*const f32; NARROW],
    place: Place,
) {
    // SAFETY: the taps of these pixels, all weights of the block and their channels of each pixel exist. Nothing is read by
    // asking ahead.
    unsafe {
        let start = |g| if place.bias.is_null() { V::zero() } else { V::load(place.bias.add(g * V::LANES)) };
        let start: [V; G] = core::array::from_fn(start);
        let mut sums: Sums<V, 1, G> = [[start]; MOST];
        if place.resumed {
            each_pixel!(N, PIXEL, {
                sums[PIXEL][0] = core::array::from_fn(|g| V::load(place.y.add(PIXEL * BLOCK + g * V::LANES)));
            });
        }
        let (mut w, mut ask, mut offset) = (place.w, place.ask, 0);
        macro_rules! step {
            ($at:expr, $w:expr) => {
                let weights: [V; G] = core::array::from_fn(|g| V::load($w.add(g * V::LANES)));
                each_pixel!(N, PIXEL, {
                    let x = V::splat(*seen[PIXEL % NARROW].add($at));
                    for g in 0..G {
                        sums[PIXEL][0][g] = sums[PIXEL][0][g].fma(x, weights[g]);
                    }
                });
            };
        }
        macro_rules! steps {
            ($at:expr, $w:expr, $($lane:literal)*) => {
                $(
                    if $lane % STRIDE == 0 {
                        ask.line::<V, 1>();
                    }
                    step!($at + $lane, $w.add($lane * BLOCK));
                )*
            };
        }
        for _ in 0..place.channels / LANES {
            if LANES == BLOCK {
                each_pixel!(N, PIXEL, {
                    V::prefetch_first(seen[PIXEL % NARROW].wrapping_add(offset + tile.block));
                });
            }
            for tap in tile.taps {
                if LANES == BLOCK {
                    // One after the other, or a loop's own instructions take as long as every tenth multiply-add.
                    ask.others::<V, 1>(BLOCK / STRIDE);
                    steps!(offset + tap, w, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                } else {
                    step!(offset + tap, w);
                }
                w = w.wrapping_add(LANES * BLOCK);
            }
            offset += tile.block;
        }
        let rest = place.channels % LANES;
        if rest > 0 {
            for tap in tile.taps {
                let (mut at, mut now) = (offset + tap, w);
                ask.others::<V, 1>(rest.div_ceil(STRIDE));
                for _ in 0..rest / STRIDE {
                    steps!(at, now, 0 1 2 3);
                    (at, now) = (at + STRIDE, now.wrapping_add(STRIDE * BLOCK));
                }
                if !rest.is_multiple_of(STRIDE) {
                    ask.line::<V, 1>();
                }
                for lane in 0..rest % STRIDE {
                    step!(at + lane, now.add(lane * BLOCK));
                }
                w = w.wrapping_add(LANES * BLOCK);
            }
        }
        write::<V, 1, G, 1, N>(sums, place);
    }
}
