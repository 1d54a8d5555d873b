//! Tiles of AVX-512: pairs of blocks of output channels, in 28 of 32 registers.

use super::{Ask, MOST, Place, Sums, Tile, each_pixel, write};
use crate::kernels::blocked::BLOCK;
use crate::simd::Vector;
use crate::simd::avx512::F32x16;

/// Two blocks of output channels at a time, 14 pixels wide: 28 of 32 registers hold sums.
///
/// # Safety
/// The vector's instructions are there, registers hold a block, and memory holds what [`Tile::check`] asks for.
#[inline(always)]
pub(super) unsafe fn wide(tile: &Tile<'_>, rows: usize, blocks: usize, place: Place) {
    // SAFETY: pairs of blocks, and one that is left over, are each covered once.
    unsafe {
        for pair in 0..blocks / 2 {
            let last = 2 * pair + 2 == blocks;
            let next = if last { tile.w_block.wrapping_add(tile.behind()) } else { 2 * tile.w_block };
            wide_rows::<2>(tile, rows, 2 * pair, place, next);
        }
        if blocks % 2 == 1 {
            wide_rows::<1>(tile, rows, blocks - 1, place, tile.behind());
        }
    }
}

/// Covers rows with tiles of equal size, as far as that is possible; several rows at once where they are narrow.
///
/// # Safety
/// As [`wide`], for `M` blocks from `block` on, `next` floats before those whose weights are read next.
#[inline(always)]
unsafe fn wide_rows<const M: usize>(tile: &Tile<'_>, rows: usize, block: usize, place: Place, next: usize) {
    let widest = MOST / M;
    let mut place = place.blocks(block, tile.w_block);
    macro_rules! shapes {
        ($rows:expr, $columns:expr, $place:expr; $lanes:ident: $($r:literal: $($c:literal)*;)*) => {
            match ($rows, $columns) {
                $($(($r, $c) => tile512::<M, $r, $c, $lanes>(tile, $place),)*)*
                _ => unreachable!("shapes of tiles"),
            }
        };
    }
    macro_rules! row_of {
        ($columns:expr, $place:expr; $lanes:ident) => {
            if M == 2 {
                shapes! { 1, $columns, $place; $lanes: 1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14; }
            } else {
                shapes! { 1, $columns, $place; $lanes:
                    1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28;
                }
            }
        };
    }
    const PLANES: usize = 1;
    // SAFETY: tiles cover the rows and columns that were checked, each once.
    unsafe {
        if tile.columns <= 7 && rows > 1 && tile.lanes == BLOCK {
            let together = (14 / tile.columns).min(4);
            let (groups, mut left) = (rows.div_ceil(together), rows);
            for rest in (1..=groups).rev() {
                let now = left.div_ceil(rest);
                place.ask = Ask::share(tile, block, place.w, next, (groups - rest, groups));
                shapes! { now, tile.columns, place; BLOCK:
                    1: 1 2 3 4 5 6 7;
                    2: 1 2 3 4 5 6 7;
                    3: 1 2 3 4;
                    4: 1 2 3;
                }
                place = place.pixels(now * tile.columns, now * tile.x_row);
                left -= now;
            }
            return;
        }
        let tiles = tile.columns.div_ceil(widest);
        for at in 0..rows {
            let (mut row, mut left) = (place, tile.columns);
            for rest in (1..=tiles).rev() {
                let width = left.div_ceil(rest);
                row.ask = Ask::share(tile, block, place.w, next, (at * tiles + tiles - rest, rows * tiles));
                if tile.lanes == BLOCK {
                    row_of!(width, row; BLOCK);
                } else {
                    row_of!(width, row; PLANES);
                }
                row = row.pixels(width, width * tile.lanes);
                left -= width;
            }
            place = place.pixels(tile.columns, tile.x_row);
        }
    }
}

/// The tile itself: `M` blocks of output channels, `R` rows of `C` pixels. A function of its own, since one that holds all of
/// them takes a minute to compile.
///
/// # Safety
/// As [`wide`], for these blocks and pixels; the processor has these features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
unsafe fn tile512<const M: usize, const R: usize, const C: usize, const LANES: usize>(tile: &Tile<'_>, place: Place) {
    // SAFETY: the taps of these pixels, all weights of the blocks and their channels of each pixel exist.
    unsafe {
        let start = |m: usize| match place.bias {
            None => F32x16::zero(),
            Some(bias) => F32x16::load(bias.add(m * BLOCK)),
        };
        let start: [[F32x16; 1]; M] = core::array::from_fn(|m| [start(m)]);
        let mut sums: Sums<F32x16, M, 1> = [start; MOST];
        let (mut x, mut w, mut ask) = (place.x, place.w, place.ask);
        let mut left = tile.channels;
        loop {
            let lanes = if left < LANES { left } else { LANES };
            for tap in tile.taps {
                if LANES == BLOCK {
                    ask.step::<F32x16, M>();
                }
                let (mut x, mut now) = (x.add(*tap), w);
                for _ in 0..lanes {
                    sums = step::<M, R, C, LANES>(sums, tile, x, now);
                    x = x.wrapping_add(1);
                    now = now.wrapping_add(BLOCK);
                }
                w = w.wrapping_add(LANES * BLOCK);
            }
            left -= lanes;
            if left == 0 {
                break;
            }
            x = x.add(tile.block);
        }
        write::<F32x16, M, 1, R, C>(sums, place);
    }
}

/// One number of each pixel times the weights of a channel.
///
/// # Safety
/// As [`tile512`].
#[inline(always)]
unsafe fn step<const M: usize, const R: usize, const C: usize, const LANES: usize>(
    mut sums: Sums<F32x16, M, 1>,
    tile: &Tile<'_>,
    x: *const f32,
    w: *const f32,
) -> Sums<F32x16, M, 1> {
    // SAFETY: the caller's promise.
    unsafe {
        let w: [F32x16; M] = core::array::from_fn(|m| F32x16::load(w.add(m * tile.w_block)));
        each_pixel!(R * C, PIXEL, {
            let x = F32x16::splat(*x.add(PIXEL / C * tile.x_row + PIXEL % C * LANES));
            for m in 0..M {
                sums[PIXEL][m][0] = sums[PIXEL][m][0].fma(x, w[m]);
            }
        });
    }
    sums
}
