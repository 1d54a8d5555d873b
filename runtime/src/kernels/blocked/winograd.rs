//! Winograd's minimal filtering F(4×4, 3×3): 36 products instead of 144 for 16 pixels.
//!
//! Lavin & Gray 2016, "Fast algorithms for convolutional neural networks": with points 0, ±1, ±2 and ∞ the result is
//! Aᵀ\[(G g Gᵀ) ⊙ (Bᵀ d B)\]A. Over many tiles and channels the product ⊙ becomes 36 matrix products, which are done by
//! the same register tile as all convolutions.

#![allow(clippy::needless_range_loop, reason = "rows and columns of small matrices are clearer by number")]

use super::{BLOCK, Finish, Packing, extent, per_vector};
use crate::isa::per_isa;
use crate::simd::Vector;

/// Numbers of a transformed tile.
pub const WINOGRAD_POINTS: usize = 36;

/// Where tiles are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Rows and columns of what is read.
    pub input: [usize; 2],
    /// Rows and columns of what is written.
    pub output: [usize; 2],
    /// Padding above and on the left of what is read.
    pub pad: [usize; 2],
    /// Tiles, of 4×4 pixels, in a row of them.
    pub columns: usize,
}

impl Tiles {
    fn check_input(&self, rows: usize, pitch: usize, x: &[f32], v: &[f32]) {
        let tiles = extent([[rows, self.columns]]);
        assert!(tiles > 0 && tiles <= pitch, "tiles fit their pitch");
        assert!(x.len() >= extent([[self.input[0], self.input[1], BLOCK]]), "input of the transform");
        assert!(v.len() >= points(pitch, tiles), "result of the transform");
    }

    fn check_output(&self, first: usize, rows: usize, m: &[f32], finish: &Finish<'_>, y: &[f32]) {
        let [height, width] = self.output;
        let (tiles, lines) = (extent([[rows, self.columns]]), (height - first * 4).min(extent([[rows, 4]])));
        let floats = extent([[lines, width, BLOCK]]);
        assert!(self.columns == width.div_ceil(4), "tiles cover the columns");
        assert!(rows > 0 && (first + rows - 1) * 4 < height, "every row of tiles has pixels");
        assert!(m.len() >= points(tiles, tiles), "input of the transform");
        assert!(y.len() >= floats, "result of the transform");
        assert!(finish.bias.is_none_or(|b| b.len() >= BLOCK), "bias");
        assert!(finish.add.is_none_or(|a| a.len() >= floats), "shortcut");
    }
}

/// Floats of `tiles` transformed tiles, whose points are `pitch` tiles apart.
fn points(pitch: usize, tiles: usize) -> usize {
    extent([[WINOGRAD_POINTS - 1, pitch, BLOCK], [tiles, BLOCK, 1]])
}

/// Where the numbers of a tile of `size`, of which some lie outside, begin: `start + 4 · index − pad`.
#[inline(always)]
fn inside(index: usize, pad: usize, size: usize) -> (isize, usize, usize) {
    let start = (4 * index) as isize - pad as isize;
    let from = (-start).clamp(0, 6) as usize;
    let end = (size as isize - start).clamp(from as isize, 6) as usize;
    (start, from, end)
}

per_vector! {
    /// Bᵀ d B of the tiles of one block of channels, `rows` rows of them from `first` on: `v` is `[36][pitch][16]`.
    pub fn winograd_input(tiles: &Tiles, first: usize, rows: usize, pitch: usize, x: &[f32], v: &mut [f32]) = input, where tiles.check_input(rows, pitch, x, v);

    /// Aᵀ m A of the tiles of one block of channels, `rows` rows of them from `first` on, then bias, shortcut and
    /// activation: `m` is `[36][tiles][16]`, `y` the rows of pixels that these tiles cover.
    pub fn winograd_output(tiles: &Tiles, first: usize, rows: usize, m: &[f32], finish: &Finish<'_>, y: &mut [f32]) = output, where tiles.check_output(first, rows, m, finish, y);

    /// A dy Aᵀ of the tiles of one block of channels: what the gradient by the weights multiplies. `v` is `[36][pitch][16]`.
    pub fn winograd_upstream(tiles: &Tiles, first: usize, rows: usize, pitch: usize, dy: &[f32], v: &mut [f32]) = upstream, where tiles.check_upstream(first, rows, pitch, dy, v);
}

impl Tiles {
    fn check_upstream(&self, first: usize, rows: usize, pitch: usize, dy: &[f32], v: &[f32]) {
        let tiles = extent([[rows, self.columns]]);
        assert!(tiles > 0 && tiles <= pitch && first * 4 < self.output[0], "tiles fit their pitch");
        assert!(self.columns == self.output[1].div_ceil(4), "tiles cover the columns");
        assert!(dy.len() >= extent([[self.output[0], self.output[1], BLOCK]]), "input of the transform");
        assert!(v.len() >= points(pitch, tiles), "result of the transform");
    }
}

/// Bᵀ times six numbers.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn input_line<V: Vector>(d: [V; 6]) -> [V; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let (two, four, minus_four, minus_five) = (V::splat(2.0), V::splat(4.0), V::splat(-4.0), V::splat(-5.0));
        // 4 − 5·2 + 4 and the like, shared between pairs of points of one size.
        let even = d[4].fma(d[2], minus_four);
        let odd = d[3].fma(d[1], minus_four);
        let near = d[4].sub(d[2]);
        let far = d[3].sub(d[1]);
        [
            d[4].fma(d[0], four).fma(d[2], minus_five),
            even.add(odd),
            even.sub(odd),
            near.fma(far, two),
            near.sub(far.mul(two)),
            d[5].fma(d[1], four).fma(d[3], minus_five),
        ]
    }
}

/// Aᵀ times six numbers.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn output_line<V: Vector>(m: [V; 6]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (near_sum, near_difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(near_sum).add(far_sum),
            near_difference.fma(far_difference, V::splat(2.0)),
            near_sum.fma(far_sum, V::splat(4.0)),
            m[5].add(near_difference).fma(far_difference, V::splat(8.0)),
        ]
    }
}

/// A times four numbers.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn upstream_line<V: Vector>(d: [V; 4]) -> [V; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let (even, odd) = (d[0].add(d[2]), d[1].add(d[3]));
        let even_far = d[0].fma(d[2], V::splat(4.0));
        let odd_far = d[1].mul(V::splat(2.0)).fma(d[3], V::splat(8.0));
        [d[0], even.add(odd), even.sub(odd), even_far.add(odd_far), even_far.sub(odd_far), d[3]]
    }
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`Tiles::check_input`] asks for.
#[inline(always)]
unsafe fn input<V: Vector, const G: usize>(
    tiles: &Tiles,
    first: usize,
    rows: usize,
    pitch: usize,
    x: &[f32],
    v: &mut [f32],
) {
    let ([height, width], [top, left]) = (tiles.input, tiles.pad);
    for row in 0..rows {
        let (y0, top_from, top_end) = inside(first + row, top, height);
        for column in 0..tiles.columns {
            let (x0, from, end) = inside(column, left, width);
            let whole = (top_from, top_end, from, end) == (0, 6, 0, 6);
            // SAFETY: rows top_from..top_end and columns from..end of the tile lie in the input; the rest is not read.
            unsafe {
                let corner = x.as_ptr().wrapping_offset((y0 * width as isize + x0) * BLOCK as isize);
                let to = v.as_mut_ptr().add((row * tiles.columns + column) * BLOCK);
                for g in 0..G {
                    let corner = corner.wrapping_add(g * V::LANES);
                    let at = |r: usize, c: usize| V::load(corner.wrapping_add((r * width + c) * BLOCK));
                    let mut lines = [[V::zero(); 6]; 6];
                    if whole {
                        for (c, line) in lines.iter_mut().enumerate() {
                            *line = input_line(core::array::from_fn(|r| at(r, c)));
                        }
                    } else {
                        for c in from..end {
                            let mut d = [V::zero(); 6];
                            for r in top_from..top_end {
                                d[r] = at(r, c);
                            }
                            lines[c] = input_line(d);
                        }
                    }
                    for r in 0..6 {
                        let line = input_line(core::array::from_fn(|c| lines[c][r]));
                        for (c, value) in line.into_iter().enumerate() {
                            value.store(to.add((r * 6 + c) * pitch * BLOCK + g * V::LANES));
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`Tiles::check_output`] asks for.
#[inline(always)]
unsafe fn output<V: Vector, const G: usize>(
    tiles: &Tiles,
    first: usize,
    rows: usize,
    m: &[f32],
    finish: &Finish<'_>,
    y: &mut [f32],
) {
    let [height, width] = tiles.output;
    let pitch = rows * tiles.columns * BLOCK;
    for row in 0..rows {
        let down = (height - (first + row) * 4).min(4);
        for column in 0..tiles.columns {
            let right = (width - column * 4).min(4);
            // SAFETY: `down` rows and `right` columns of the tile lie in the output.
            unsafe {
                let from = m.as_ptr().add((row * tiles.columns + column) * BLOCK);
                for g in 0..G {
                    let lane = g * V::LANES;
                    let bias = finish.bias.map_or(V::zero(), |b| V::load(b.as_ptr().add(lane)));
                    let mut lines = [[V::zero(); 4]; 6];
                    for (c, line) in lines.iter_mut().enumerate() {
                        *line = output_line(core::array::from_fn(|r| V::load(from.add((r * 6 + c) * pitch + lane))));
                    }
                    for r in 0..down {
                        let line = output_line(core::array::from_fn(|c| lines[c][r]));
                        let start = ((row * 4 + r) * width + column * 4) * BLOCK + lane;
                        for (c, value) in line.into_iter().enumerate().take(right) {
                            let at = start + c * BLOCK;
                            let mut value = value.add(bias);
                            if let Some(add) = finish.add {
                                value = value.add(V::load(add.as_ptr().add(at)));
                            }
                            super::tile::slope(value, finish.slope).store(y.as_mut_ptr().add(at));
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`Tiles::check_upstream`] asks for.
#[inline(always)]
unsafe fn upstream<V: Vector, const G: usize>(
    tiles: &Tiles,
    first: usize,
    rows: usize,
    pitch: usize,
    dy: &[f32],
    v: &mut [f32],
) {
    let [height, width] = tiles.output;
    for row in 0..rows {
        let down = height.saturating_sub((first + row) * 4).min(4);
        for column in 0..tiles.columns {
            let right = (width - column * 4).min(4);
            // SAFETY: `down` rows and `right` columns of the tile lie in the upstream gradient.
            unsafe {
                let corner = dy.as_ptr().wrapping_add(((first + row) * 4 * width + column * 4) * BLOCK);
                let to = v.as_mut_ptr().add((row * tiles.columns + column) * BLOCK);
                for g in 0..G {
                    let corner = corner.wrapping_add(g * V::LANES);
                    let mut lines = [[V::zero(); 6]; 4];
                    for (c, line) in lines.iter_mut().enumerate().take(right) {
                        let mut d = [V::zero(); 4];
                        for (r, d) in d.iter_mut().enumerate().take(down) {
                            *d = V::load(corner.wrapping_add((r * width + c) * BLOCK));
                        }
                        *line = upstream_line(d);
                    }
                    for r in 0..6 {
                        let line = upstream_line(core::array::from_fn(|c| lines[c][r]));
                        for (c, value) in line.into_iter().enumerate() {
                            value.store(to.add((r * 6 + c) * pitch * BLOCK + g * V::LANES));
                        }
                    }
                }
            }
        }
    }
}

/// Weights of a block of filters and one of channels, for one element of the window.
const PAIRS: usize = BLOCK * BLOCK;

/// G.
const G: [[f32; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

per_isa! {
    /// G g Gᵀ of the weights of one block of sixteen filters: `y` is `[36][channels][16]`, channels rounded up to blocks.
    pub fn winograd_weights(packing: &Packing, block: usize, w: &[f32], y: &mut [f32]) {
        assert_eq!(packing.taps, 9, "windows of 3×3");
        let filters = (packing.filters - block * BLOCK).min(BLOCK);
        let point = packing.channels.next_multiple_of(BLOCK) * BLOCK;
        assert!(y.len() >= WINOGRAD_POINTS * point, "transformed weights");
        if filters < BLOCK || !packing.channels.is_multiple_of(BLOCK) {
            y.fill(0.0);
        }
        for channel in 0..packing.channels {
            // Sixteen filters side by side.
            let mut taps = [[0.0_f32; BLOCK]; 9];
            for (tap, values) in taps.iter_mut().enumerate() {
                for (filter, value) in values.iter_mut().enumerate().take(filters) {
                    *value = w[packing.plain(block * BLOCK + filter, channel, tap)];
                }
            }
            let mut half = [[[0.0_f32; BLOCK]; 3]; 6];
            for (row, half) in G.iter().zip(&mut half) {
                for (c, half) in half.iter_mut().enumerate() {
                    for (k, g) in row.iter().enumerate() {
                        half.iter_mut().zip(&taps[k * 3 + c]).for_each(|(h, t)| *h += g * t);
                    }
                }
            }
            for (r, half) in half.iter().enumerate() {
                for (c, row) in G.iter().enumerate() {
                    let mut sum = [0.0_f32; BLOCK];
                    for (g, half) in row.iter().zip(half) {
                        sum.iter_mut().zip(half).for_each(|(s, h)| *s += g * h);
                    }
                    let y = &mut y[(r * 6 + c) * point + channel * BLOCK..][..filters];
                    y.iter_mut().zip(&sum).for_each(|(y, s)| *y = *s);
                }
            }
        }
    }

    /// Gᵀ u G: the gradient of the weights of one block of filters and one of channels, `[9][16][16]`, from the sum
    /// over tiles in the space of products, `[36][16][16]`.
    pub fn winograd_weights_back(u: &[f32], y: &mut [f32]) {
        assert!(u.len() >= WINOGRAD_POINTS * PAIRS && y.len() >= 9 * PAIRS, "weights of a block");
        let mut half = [[[0.0_f32; BLOCK]; 6]; 3];
        for at in (0..PAIRS).step_by(BLOCK) {
            for (a, half) in half.iter_mut().enumerate() {
                for (c, half) in half.iter_mut().enumerate() {
                    *half = [0.0; BLOCK];
                    for (r, g) in G.iter().enumerate() {
                        let (g, u) = (g[a], &u[(r * 6 + c) * PAIRS + at..][..BLOCK]);
                        half.iter_mut().zip(u).for_each(|(h, u)| *h += g * u);
                    }
                }
            }
            for (a, half) in half.iter().enumerate() {
                for b in 0..3 {
                    let y = &mut y[(a * 3 + b) * PAIRS + at..][..BLOCK];
                    y.fill(0.0);
                    for (c, half) in half.iter().enumerate() {
                        let g = G[c][b];
                        y.iter_mut().zip(half).for_each(|(y, h)| *y += g * h);
                    }
                }
            }
        }
    }
}
