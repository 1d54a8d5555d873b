//! Tiles of values there and back, and of gradients.

#![allow(clippy::needless_range_loop, reason = "rows and columns of small matrices are clearer by number")]

use super::super::{BLOCK, Finish, per_vector, tile};
use super::Tiles;
use super::lines::{input_line, output_line, short_input_line, short_output_line, upstream_line};
use crate::simd::Vector;

/// A block of zeros, on a cache line of its own.
#[repr(align(64))]
struct Zeros([f32; BLOCK]);

static ZEROS: Zeros = Zeros([0.0; BLOCK]);

/// Where the `points` numbers of the tile of this index begin along an axis of `size`, of which some lie outside, and which do
/// not; tiles are so many pixels `apart`.
#[inline(always)]
fn inside(index: usize, points: usize, apart: usize, pad: usize, size: usize) -> (isize, usize, usize) {
    let (start, points) = ((apart * index) as isize - pad as isize, points as isize);
    let from = (-start).clamp(0, points) as usize;
    let end = (size as isize - start).clamp(from as isize, points) as usize;
    (start, from, end)
}

per_vector! {
    /// Bᵀ d B of the tiles of one block of channels, `rows` rows of them from `first` on: `v` is `[points²][pitch][16]`.
    pub fn winograd_input(tiles: &Tiles, first: usize, rows: usize, pitch: usize, x: &[f32], v: &mut [f32]) = input, where tiles.check_input(first, rows, pitch, x, v);

    /// Aᵀ m A of the tiles of one block of channels, `rows` rows of them from `first` on, then bias, shortcut and
    /// activation: `m` is `[points²][pitch][16]`, `y` the rows of pixels that these tiles cover.
    pub fn winograd_output(tiles: &Tiles, first: usize, rows: usize, pitch: usize, m: &[f32], finish: &Finish<'_>, y: &mut [f32]) = output, where tiles.check_output(first, rows, pitch, m, finish, y);

    /// A dy Aᵀ of the tiles of six points and 4×4 pixels of one block of channels: what the gradient by the weights multiplies. `v` is `[36][pitch][16]`.
    pub fn winograd_upstream(tiles: &Tiles, first: usize, rows: usize, pitch: usize, dy: &[f32], v: &mut [f32]) = upstream, where tiles.check_upstream(first, rows, pitch, dy, v);
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
    // SAFETY: the caller's promises.
    unsafe {
        match tiles.points {
            4 => input_tiles::<V, G, 4>(tiles, first, rows, pitch, x, v),
            5 => input_tiles::<V, G, 5>(tiles, first, rows, pitch, x, v),
            _ => input_tiles::<V, G, 6>(tiles, first, rows, pitch, x, v),
        }
    }
}

/// Of `P` points a side.
///
/// # Safety
/// As [`input`].
#[inline(always)]
unsafe fn input_tiles<V: Vector, const G: usize, const P: usize>(
    tiles: &Tiles,
    first: usize,
    rows: usize,
    pitch: usize,
    x: &[f32],
    v: &mut [f32],
) {
    let ([height, width], [top, left], apart) = (tiles.input, tiles.pad, tiles.side * tiles.stride);
    let edges = [tiles.edge(0), tiles.edge(1)];
    for row in 0..rows {
        let (y0, top_from, top_end) = inside(first + row, P, apart, top, height);
        for column in 0..tiles.columns {
            let (x0, from, end) = inside(column, P, apart, left, width);
            let whole = (top_from, top_end, from, end) == (0, P, 0, P);
            let short = [tiles.short(edges[0], row), tiles.short(edges[1], column)];
            // SAFETY: rows top_from..top_end and columns from..end of the tile lie in the input; the rest is not read.
            unsafe {
                let corner = x.as_ptr().wrapping_offset((y0 * width as isize + x0) * BLOCK as isize);
                let to = v.as_mut_ptr().add(tiles.index(edges, row, column) * BLOCK);
                // Of a tile at the border, what lies outside is read from a block of zeros.
                let place = |r: usize, c: usize| {
                    let there = whole || (top_from..top_end).contains(&r) && (from..end).contains(&c);
                    if there { corner.wrapping_add((r * width + c) * BLOCK) } else { ZEROS.0.as_ptr() }
                };
                macro_rules! transform {
                    ($place:expr, $line:expr) => {
                        for g in 0..G {
                            let mut lines = [[V::zero(); P]; P];
                            for c in 0..P {
                                let numbers =
                                    core::array::from_fn(|r| V::load($place(r, c).wrapping_add(g * V::LANES)));
                                lines[c] = $line(0, numbers);
                            }
                            for r in 0..P {
                                let line = $line(1, core::array::from_fn(|c| lines[c][r]));
                                for (c, value) in line.into_iter().enumerate() {
                                    let to = to.wrapping_add((r * P + c) * pitch * BLOCK);
                                    // The next tile's place: they lie in as many streams as there are points, which is
                                    // more than processors foresee, and stores would wait for each other.
                                    if g == 0 {
                                        V::prefetch_first(to.wrapping_add(BLOCK));
                                    }
                                    value.store(to.wrapping_add(g * V::LANES));
                                }
                            }
                        }
                    };
                }
                if P == 6 && short != [0, 0] {
                    transform!(place, |axis: usize, d| short_input_line::<V, P>(short[axis], d));
                } else if whole {
                    let inner = |r: usize, c: usize| corner.wrapping_add((r * width + c) * BLOCK);
                    transform!(inner, |_, d| input_line::<V, P>(d));
                } else {
                    transform!(place, |_, d| input_line::<V, P>(d));
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
    pitch: usize,
    m: &[f32],
    finish: &Finish<'_>,
    y: &mut [f32],
) {
    // SAFETY: the caller's promises.
    unsafe {
        match (tiles.points, tiles.side) {
            (4, _) => output_tiles::<V, G, 4, 2>(tiles, first, rows, pitch, m, finish, y),
            (5, _) => output_tiles::<V, G, 5, 2>(tiles, first, rows, pitch, m, finish, y),
            (_, 2) => output_tiles::<V, G, 6, 2>(tiles, first, rows, pitch, m, finish, y),
            (_, 3) => output_tiles::<V, G, 6, 3>(tiles, first, rows, pitch, m, finish, y),
            _ => output_tiles::<V, G, 6, 4>(tiles, first, rows, pitch, m, finish, y),
        }
    }
}

/// Of `P` points and `S` pixels a side.
///
/// # Safety
/// As [`output`].
#[inline(always)]
unsafe fn output_tiles<V: Vector, const G: usize, const P: usize, const S: usize>(
    tiles: &Tiles,
    first: usize,
    rows: usize,
    pitch: usize,
    m: &[f32],
    finish: &Finish<'_>,
    y: &mut [f32],
) {
    let [height, width] = tiles.output;
    let pitch = pitch * BLOCK;
    let edges = [tiles.edge(0), tiles.edge(1)];
    for row in 0..rows {
        let down = (height - (first + row) * S).min(S);
        for column in 0..tiles.columns {
            let right = (width - column * S).min(S);
            let short = [tiles.short(edges[0], row), tiles.short(edges[1], column)];
            let points = [edges[0].points_of(row), edges[1].points_of(column)];
            // SAFETY: `down` rows and `right` columns of the tile lie in the output, and the points that it has in `m`.
            unsafe {
                let from = m.as_ptr().add(tiles.index(edges, row, column) * BLOCK);
                let inner = |r: usize, c: usize| from.wrapping_add((r * P + c) * pitch);
                // Points that a ragged tile does not have are read from a block of zeros.
                let place = |r: usize, c: usize| {
                    let there = points[0] >> r & points[1] >> c & 1 == 1;
                    if there { inner(r, c) } else { ZEROS.0.as_ptr() }
                };
                macro_rules! transform {
                    ($place:expr, $line:expr) => {
                        for g in 0..G {
                            let lane = g * V::LANES;
                            let bias = finish.bias.map_or(V::zero(), |b| V::load(b.as_ptr().add(lane)));
                            let mut lines = [[V::zero(); 4]; P];
                            for (c, line) in lines.iter_mut().enumerate() {
                                *line = $line(0, core::array::from_fn(|r| V::load($place(r, c).wrapping_add(lane))));
                            }
                            for r in 0..down {
                                let line = $line(1, core::array::from_fn(|c| lines[c][r]));
                                let start = ((row * S + r) * width + column * S) * BLOCK + lane;
                                for (c, value) in line.into_iter().enumerate().take(right) {
                                    let at = start + c * BLOCK;
                                    let mut value = value.add(bias);
                                    if let Some(add) = finish.add {
                                        value = value.add(V::load(add.as_ptr().add(at)));
                                    }
                                    tile::slope(value, finish.slope).store(y.as_mut_ptr().add(at));
                                }
                            }
                        }
                    };
                }
                if points == [edges[0].all, edges[1].all] {
                    transform!(inner, |_, m| output_line::<V, P, S>(m));
                } else {
                    transform!(place, |axis: usize, m| short_output_line::<V, P, S>(short[axis], m));
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
