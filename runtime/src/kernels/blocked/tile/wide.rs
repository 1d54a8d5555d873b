//! Tiles of AVX-512: two or four blocks of output channels, in 28 or 24 of 32 registers.

use super::ask::{Asked, Pace, STRIDE};
use super::{MOST, Next, Parts, Place, Sums, Tile, each_pixel, write};
use crate::kernels::blocked::BLOCK;
use crate::simd::Vector;
use crate::simd::avx512::F32x16;

/// Two blocks of output channels at a time, 14 pixels wide, or four and 6 wide: 28 or 24 of 32 registers hold sums.
///
/// # Safety
/// The vector's instructions are there, registers hold a block, and memory holds what [`Tile::check`] asks for.
#[inline(always)]
pub(super) unsafe fn wide(tile: &Tile<'_>, rows: usize, blocks: usize, place: Place) {
    let quads = place.core.quads && suits_quads(tile, rows);
    let mut block = 0;
    while block < blocks {
        let left = blocks - block;
        let together = if quads && left >= 4 { 4 } else { left.min(2) };
        let (next, sharing) = if together == left {
            ((left - 1).wrapping_mul(tile.w_block).wrapping_add(tile.behind()), place.sharing)
        } else {
            (together * tile.w_block, tile.sharing(rows))
        };
        let place = Place { sharing, ..place };
        // SAFETY: these blocks are covered once.
        unsafe {
            match together {
                4 => in_parts::<4>(tile, rows, block, place, next),
                2 => in_parts::<2>(tile, rows, block, place, next),
                _ => in_parts::<1>(tile, rows, block, place, next),
            }
        }
        block += together;
    }
}

/// Whether tiles of four blocks are made for this: those of several taps find their pixels in the first-level cache anyway, narrow
/// rows are taken several at a time, and [`Next::Memory`] is for two blocks.
fn suits_quads(tile: &Tile<'_>, rows: usize) -> bool {
    let (narrow, memory) = (rows > 1 && tile.columns <= 7, matches!(tile.next, Next::Memory(_)));
    tile.lanes == BLOCK && tile.taps.len() == 1 && !narrow && !memory
}

/// The widest tile of `M` blocks of output channels.
const fn widest<const M: usize>() -> usize {
    if M == 4 { 6 } else { MOST / M }
}

/// How many rows are covered at once, which are narrow; `None` where tiles have pixels of one row.
#[inline(always)]
fn rows_together<const M: usize>(tile: &Tile<'_>, rows: usize) -> Option<usize> {
    (M < 4 && tile.columns <= 7 && rows > 1 && tile.lanes == BLOCK).then(|| (14 / tile.columns).min(4))
}

/// Walks the input channels in parts, if all their weights are too many for the first-level cache.
///
/// # Safety
/// As [`wide_rows`].
#[inline(always)]
unsafe fn in_parts<const M: usize>(tile: &Tile<'_>, rows: usize, block: usize, place: Place, next: usize) {
    let tiles = match rows_together::<M>(tile, rows) {
        Some(together) => rows.div_ceil(together),
        None => rows * tile.columns.div_ceil(widest::<M>()),
    };
    let parts = Parts::of(tile, M, tiles, place.core.part);
    for part in 0..parts.count {
        let next = next.wrapping_sub(part * tile.weights_of(parts.each));
        // SAFETY: the caller's promise; these are some of the channels, and what was written of others is the output's.
        unsafe { wide_rows::<M>(tile, rows, block, place.part(tile, parts, part, rows * tile.columns), next) };
    }
}

/// Covers rows with tiles of equal size, as far as that is possible; several rows at once where they are narrow.
///
/// # Safety
/// As [`wide`], for `M` blocks from `block` on, `next` floats before those whose weights are read next.
#[inline(always)]
unsafe fn wide_rows<const M: usize>(tile: &Tile<'_>, rows: usize, block: usize, place: Place, next: usize) {
    let widest = widest::<M>();
    let mut place = place.blocks(block, tile.w_block);
    let pace = Pace::of(tile, place.channels, widest.min(rows * tile.columns), place.sharing.all);
    let asked = Asked::of(tile, (block, place.w, next), place.sharing.before, pace);
    let mut before = 0;
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
            if M == 4 {
                shapes! { 1, $columns, $place; $lanes: 1: 1 2 3 4 5 6; }
            } else if M == 2 {
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
        if let Some(together) = rows_together::<M>(tile, rows) {
            let (groups, mut left) = (rows.div_ceil(together), rows);
            for rest in (1..=groups).rev() {
                let now = left.div_ceil(rest);
                place.ask = asked.share(before, now * tile.columns);
                before += now * tile.columns;
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
        for _ in 0..rows {
            let (mut row, mut left) = (place, tile.columns);
            for rest in (1..=tiles).rev() {
                let width = left.div_ceil(rest);
                row.ask = asked.share(before, width);
                before += width;
                if M == 4 || tile.lanes == BLOCK {
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
        let start = |m| if place.bias.is_null() { F32x16::zero() } else { F32x16::load(place.bias.add(m * BLOCK)) };
        let start: [[F32x16; 1]; M] = core::array::from_fn(|m| [start(m)]);
        let mut sums: Sums<F32x16, M, 1> = [start; MOST];
        if place.resumed {
            each_pixel!(R * C, PIXEL, {
                for (m, sum) in sums[PIXEL].iter_mut().enumerate() {
                    sum[0] = F32x16::load(place.y.add(m * place.y_block + PIXEL * BLOCK));
                }
            });
        }
        let (mut x, mut w, mut ask) = (place.x, place.w, place.ask);
        let mut left = place.channels;
        loop {
            let lanes = if left < LANES { left } else { LANES };
            for tap in tile.taps {
                let (mut x, mut now) = (x.add(*tap), w);
                for lane in 0..lanes {
                    if LANES == BLOCK && lane % STRIDE == 0 {
                        ask.line::<F32x16, M>();
                        ask.others::<F32x16, M>(1);
                    }
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
