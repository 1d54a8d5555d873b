//! The register tile under every blocked convolution and matrix product.
//!
//! A tile holds sixteen output channels of up to 28 pixels in registers while it walks all input channels and taps: each
//! step loads sixteen weights and multiplies them with one number of each pixel. Everything is written once, after bias,
//! sum and activation. See Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions".

use super::{BLOCK, per_vector};
use crate::simd::Vector;

/// What one call computes: rows of pixels of one block of output channels.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    /// Input channels.
    pub channels: usize,
    /// Input channels that are neighbours in memory: 16, or 1 where each channel is a plane.
    pub lanes: usize,
    /// Floats from one block of input channels (or plane) to the next.
    pub block: usize,
    /// What each tap sees, in floats from the first one's place.
    pub taps: &'a [usize],
    /// Pixels of a row.
    pub columns: usize,
    /// Floats from what a row sees to what the next one sees.
    pub x_row: usize,
}

/// What happens to a sum of products before it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// Added to each channel.
    pub bias: Option<&'a [f32]>,
    /// Added to each element: a shortcut, of the layout of the result.
    pub add: Option<&'a [f32]>,
    /// The activation behind.
    pub slope: Slope,
}

/// Activations that a tile applies: x where positive, else this times x.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Slope {
    /// No activation.
    #[default]
    One,
    /// max(x, 0)
    Relu,
    /// max(x, slope · x), of a slope from 0 to 1.
    Leaky(f32),
}

impl Tile<'_> {
    /// Floats of the weights of one block of output channels.
    pub(super) fn weights(&self) -> usize {
        self.channels.next_multiple_of(self.lanes) * self.taps.len() * BLOCK
    }

    fn check(&self, rows: usize, x: &[f32], w: &[f32], finish: &Finish<'_>, y: &[f32]) {
        assert!(self.lanes == BLOCK || self.lanes == 1, "lanes of a block or of a plane");
        assert!(self.channels > 0 && rows > 0 && self.columns > 0, "a tile of something");
        let blocks = self.channels.div_ceil(self.lanes);
        let farthest = self.taps.iter().copied().max().expect("a tap")
            + (blocks - 1) * self.block
            + (rows - 1) * self.x_row
            + self.columns * self.lanes;
        assert!(x.len() >= farthest, "input of {} floats, {farthest} are read", x.len());
        assert!(w.len() >= self.weights(), "weights");
        assert!(y.len() >= rows * self.columns * BLOCK, "output");
        assert!(finish.bias.is_none_or(|b| b.len() >= BLOCK), "bias");
        assert!(finish.add.is_none_or(|a| a.len() >= rows * self.columns * BLOCK), "shortcut");
    }
}

per_vector! {
    /// Sixteen output channels of `rows` rows of pixels, which follow each other in `y` without gaps. Weights are
    /// `[input blocks][taps][lanes][16]`.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn convolve(tile: &Tile<'_>, rows: usize, x: &[f32], w: &[f32], finish: &Finish<'_>, y: &mut [f32]) = rows_of_tiles, where tile.check(rows, x, w, finish, y);
}

/// Covers rows with tiles of equal width, as far as that is possible.
///
/// # Safety
/// The vector's instructions are there, and the slices hold what [`Tile::check`] asks for.
#[inline(always)]
unsafe fn rows_of_tiles<V: Vector, const G: usize>(
    tile: &Tile<'_>,
    rows: usize,
    x: &[f32],
    w: &[f32],
    finish: &Finish<'_>,
    y: &mut [f32],
) {
    let widest = V::PIXELS;
    let mut place =
        Place { x: x.as_ptr(), w: w.as_ptr(), finish, add: finish.add.map(<[f32]>::as_ptr), y: y.as_mut_ptr() };
    // SAFETY: tiles cover the rows and columns that were checked, each once.
    unsafe {
        if tile.columns * 2 <= widest && rows > 1 && widest > 6 {
            let together = (widest / tile.columns).min(4);
            let mut left = rows;
            while left > 0 {
                let now = left.div_ceil(left.div_ceil(together));
                several::<V, G>(tile, now, place);
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
                one_row::<V, G>(tile, width, row);
                row = row.pixels(width, width * tile.lanes);
                left -= width;
            }
            place = place.pixels(tile.columns, tile.x_row);
        }
    }
}

/// Where a tile reads and writes.
#[derive(Clone, Copy)]
struct Place<'a> {
    x: *const f32,
    w: *const f32,
    finish: &'a Finish<'a>,
    add: Option<*const f32>,
    y: *mut f32,
}

impl Place<'_> {
    /// So many pixels of the output and floats of the input further on.
    #[inline(always)]
    fn pixels(self, pixels: usize, x: usize) -> Self {
        Self {
            x: self.x.wrapping_add(x),
            y: self.y.wrapping_add(pixels * BLOCK),
            add: self.add.map(|a| a.wrapping_add(pixels * BLOCK)),
            ..self
        }
    }
}

/// # Safety
/// As [`rows_of_tiles`], for these pixels.
#[inline(always)]
unsafe fn one_row<V: Vector, const G: usize>(tile: &Tile<'_>, width: usize, place: Place<'_>) {
    macro_rules! widths {
        ($($n:literal)*) => {
            match (tile.lanes, width) {
                $((BLOCK, $n) => registers::<V, G, 1, $n, BLOCK>(tile, place),
                  (_, $n) => registers::<V, G, 1, $n, 1>(tile, place),)*
                _ => unreachable!("widths of tiles"),
            }
        };
    }
    // SAFETY: passed on.
    unsafe {
        if V::PIXELS > 6 {
            widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28)
        } else {
            widths!(1 2 3 4 5 6)
        }
    }
}

/// Several narrow rows at once, where there are registers for them.
///
/// # Safety
/// As [`rows_of_tiles`], for these rows.
#[inline(always)]
unsafe fn several<V: Vector, const G: usize>(tile: &Tile<'_>, rows: usize, place: Place<'_>) {
    macro_rules! shapes {
        ($($r:literal: $($c:literal)*;)*) => {
            match (tile.lanes, rows, tile.columns) {
                $($((BLOCK, $r, $c) => registers::<V, G, $r, $c, BLOCK>(tile, place),
                    (_, $r, $c) => registers::<V, G, $r, $c, 1>(tile, place),)*)*
                _ => unreachable!("shapes of tiles"),
            }
        };
    }
    // SAFETY: passed on.
    unsafe {
        shapes! {
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            3: 1 2 3 4 5 6 7 8 9;
            4: 1 2 3 4 5 6 7;
        }
    }
}

/// The tile itself: `R` rows of `C` pixels.
///
/// # Safety
/// As [`rows_of_tiles`], for these pixels.
#[inline(always)]
unsafe fn registers<V: Vector, const G: usize, const R: usize, const C: usize, const LANES: usize>(
    tile: &Tile<'_>,
    place: Place<'_>,
) {
    // SAFETY: the taps of these pixels, all weights of the block and sixteen channels of each pixel exist.
    unsafe {
        let start: [V; G] = match place.finish.bias {
            None => [V::zero(); G],
            Some(bias) => core::array::from_fn(|g| V::load(bias.as_ptr().add(g * V::LANES))),
        };
        let mut acc = [[start; C]; R];
        let (mut x, mut w) = (place.x, place.w);
        let mut left = tile.channels;
        loop {
            let lanes = if left < LANES { left } else { LANES };
            for tap in tile.taps {
                let x = x.add(*tap);
                if LANES > 1 && lanes == LANES {
                    let mut lane = 0;
                    while lane < LANES {
                        step::<V, G, R, C, LANES>(&mut acc, tile.x_row, x.add(lane), w.add(lane * BLOCK));
                        step::<V, G, R, C, LANES>(&mut acc, tile.x_row, x.add(lane + 1), w.add((lane + 1) * BLOCK));
                        lane += 2;
                    }
                } else {
                    for lane in 0..lanes {
                        step::<V, G, R, C, LANES>(&mut acc, tile.x_row, x.add(lane), w.add(lane * BLOCK));
                    }
                }
                w = w.add(LANES * BLOCK);
            }
            left -= lanes;
            if left == 0 {
                break;
            }
            x = x.add(tile.block);
        }
        write::<V, G, R, C>(&acc, place);
    }
}

/// One number of each pixel times sixteen weights.
///
/// # Safety
/// As [`registers`].
#[inline(always)]
unsafe fn step<V: Vector, const G: usize, const R: usize, const C: usize, const LANES: usize>(
    acc: &mut [[[V; G]; C]; R],
    x_row: usize,
    x: *const f32,
    w: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let w: [V; G] = core::array::from_fn(|g| V::load(w.add(g * V::LANES)));
        for (r, acc) in acc.iter_mut().enumerate() {
            let x = x.add(r * x_row);
            for (c, acc) in acc.iter_mut().enumerate() {
                let x = V::splat(*x.add(c * LANES));
                for (acc, w) in acc.iter_mut().zip(w) {
                    *acc = acc.fma(x, w);
                }
            }
        }
    }
}

/// Shortcut, activation, and into memory.
///
/// # Safety
/// As [`registers`].
#[inline(always)]
unsafe fn write<V: Vector, const G: usize, const R: usize, const C: usize>(acc: &[[[V; G]; C]; R], place: Place<'_>) {
    for (pixel, acc) in acc.iter().flatten().enumerate() {
        for (g, acc) in acc.iter().enumerate() {
            let at = pixel * BLOCK + g * V::LANES;
            // SAFETY: the pixel is one of the tile's.
            unsafe {
                let mut value = *acc;
                if let Some(add) = place.add {
                    value = value.add(V::load(add.add(at)));
                }
                slope(value, place.finish.slope).store(place.y.add(at));
            }
        }
    }
}

/// The activation of a register.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn slope<V: Vector>(value: V, slope: Slope) -> V {
    // SAFETY: the caller's promise. The second operand of a maximum wins where one is NaN, on x86; so NaN stays.
    unsafe {
        match slope {
            Slope::One => value,
            Slope::Relu => V::zero().max(value),
            Slope::Leaky(slope) => value.mul(V::splat(slope)).max(value),
        }
    }
}
