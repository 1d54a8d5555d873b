//! Tiles where registers are fewer: one block of output channels, and a few pixels that lie anywhere.

use super::ask::{Asked, STRIDE};
use super::{MOST, NARROW, Place, Sums, Tile, each_pixel, write};
use crate::kernels::blocked::BLOCK;
use crate::simd::Vector;

/// One block of output channels at a time, for vectors of which `G` hold a block: tiles of [`Vector::PIXELS`] pixels (at most
/// 6) that follow each other in the output, from as many rows as it takes, and are of equal size as far as that is possible.
///
/// # Safety
/// The vector's instructions are there, and memory holds what [`Tile::check`] asks for.
#[inline(always)]
pub(super) unsafe fn narrow<V: Vector, const G: usize>(tile: &Tile<'_>, rows: usize, blocks: usize, place: Place) {
    let pixels = rows * tile.columns;
    let tiles = pixels.div_ceil(V::PIXELS);
    for block in 0..blocks {
        let (next, sharing) =
            if block + 1 < blocks { (tile.w_block, tile.sharing(rows)) } else { (tile.behind(), place.sharing) };
        let mut place = place.blocks(block, tile.w_block);
        let (mut column, mut left) = (0, pixels);
        let mut before = sharing.before;
        let most = V::PIXELS.min(pixels);
        let asked = Asked::of::<1>(tile, (block, place.w, next), place.channels, most, sharing);
        for rest in (1..=tiles).rev() {
            let width = left.div_ceil(rest);
            place.ask = asked.share(before, width);
            before += width;
            let seen = tile.seen(place.x, column, width);
            macro_rules! widths {
                ($($n:literal)*) => {
                    match (tile.lanes, width) {
                        $((BLOCK, $n) => scattered::<V, G, $n, BLOCK>(tile, seen, place),
                          (_, $n) => scattered::<V, G, $n, 1>(tile, seen, place),)*
                        _ => unreachable!("widths of tiles"),
                    }
                };
            }
            // SAFETY: tiles cover the rows and columns that were checked, each once.
            unsafe { widths!(1 2 3 4 5 6) };
            (place, column) = (place.pixels(width, width * tile.lanes), column + width);
            while column >= tile.columns {
                (place, column) = (place.pixels(0, tile.row_gap()), column - tile.columns);
            }
            left -= width;
        }
    }
}

/// A tile of one block of output channels and `N` pixels that lie anywhere: each is found by an address of its own, for
/// which there are registers enough. What the next channels read is asked for ahead: with so few pixels to a tile there is
/// little else to do until it comes.
///
/// # Safety
/// As [`narrow`], for this block and these pixels.
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
        let (mut w, mut ask, mut offset, mut left) = (place.w, place.ask, 0, place.channels);
        loop {
            if LANES == BLOCK {
                each_pixel!(N, PIXEL, {
                    V::prefetch_first(seen[PIXEL % NARROW].wrapping_add(offset + tile.block));
                });
            }
            let lanes = if left < LANES { left } else { LANES };
            for tap in tile.taps {
                let at = offset + tap;
                for lane in 0..lanes {
                    if LANES == BLOCK && lane % STRIDE == 0 {
                        ask.step::<V>();
                    }
                    let now = w.add(lane * BLOCK);
                    let weights: [V; G] = core::array::from_fn(|g| V::load(now.add(g * V::LANES)));
                    each_pixel!(N, PIXEL, {
                        let x = V::splat(*seen[PIXEL % NARROW].add(at + lane));
                        for g in 0..G {
                            sums[PIXEL][0][g] = sums[PIXEL][0][g].fma(x, weights[g]);
                        }
                    });
                }
                w = w.wrapping_add(LANES * BLOCK);
            }
            left -= lanes;
            if left == 0 {
                break;
            }
            offset += tile.block;
        }
        write::<V, 1, G, 1, N>(sums, place);
    }
}
