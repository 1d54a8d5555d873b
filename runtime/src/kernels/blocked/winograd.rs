//! Winograd's minimal filtering: with six points a side F(4×4, 3×3), 36 products instead of 144 for 16 pixels,
//! F(3×3, 4×4), 36 instead of 144 for 9, and F(2×2, 5×5), 36 instead of 100 for 4; with four points F(2×2, 3×3), 16 instead of
//! 36 for 4; with five, F(2×2, 3×3) of windows that go two pixels on at a time, 25 instead of 36.
//!
//! Lavin & Gray 2016, "Fast algorithms for convolutional neural networks": with points 0, ±√½, ±√2 and ∞, or 0, ±1 and ∞, the
//! result is Aᵀ\[(G g Gᵀ) ⊙ (Bᵀ d B)\]A. B depends on the points alone; A has as many rows of it as a tile has pixels a side, G
//! as many columns as the window has elements. Over many tiles and channels the product ⊙ becomes 36, 25 or 16 matrix products,
//! which are done by the same register tile as all convolutions.
//!
//! Lavin & Gray have ±1 and ±2 in the place of ±√½ and ±√2. Sizes whose product is one keep the powers in A and G near one, and
//! rounding errors small: ResNet-56 of docs/networks.md is off by a sixth (Barabasz et al. 2018, "Error analysis and improving
//! the accuracy of Winograd convolution for deep neural networks", compare points).
//!
//! Windows that go two pixels on at a time see of a line (d0 to d4) the odd numbers through their middle element alone, two products
//! for two results, and the even ones through the outer elements, which is F(2, 2) with points 0, 1 and ∞ (−1 would do as well as 1),
//! three products instead of four: (d0 − d2) g0, d2 (g0 + g2), (d2 − d4) g2, d1 g1 and d3 g1. All of these are rows of the same
//! matrices, with nothing but 0 and ±1 in them.

#![allow(clippy::needless_range_loop, reason = "rows and columns of small matrices are clearer by number")]

use super::{BLOCK, Finish, extent, per_vector};
use crate::simd::Vector;

/// Weights of a block of filters and one of channels, for one element of the window.
const PAIRS: usize = BLOCK * BLOCK;

/// Where tiles are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Rows and columns of what is read.
    pub input: [usize; 2],
    /// Rows and columns of what is written.
    pub output: [usize; 2],
    /// Padding above and on the left of what is read.
    pub pad: [usize; 2],
    /// Points a side: 6, or 4 for a window 3×3; 5 for one that goes two pixels on at a time.
    pub points: usize,
    /// Pixels of a tile's side: 1 + (points − elements of the window's side) / stride.
    pub side: usize,
    /// Pixels from one window to the next, along either side.
    pub stride: usize,
    /// Tiles in a row of them.
    pub columns: usize,
    /// Whether tiles that stick out of the output do with fewer points: the last ones of rows and columns that are no multiple of
    /// the side. The others' numbers are undefined then, and tiles are in the order of [`Tiles::run`].
    pub ragged: bool,
}

/// Which of the points are for a line of some pixels, a bit for each.
type Points = u8;

/// The points that `pixels` results along one axis of a tile of this side need. All but ∞ are enough for one less; with the
/// points of F(4×4, 3×3), 0 and ±√½ are those of F(1, 3) and with ∞ those of F(2, 3); of windows that go two pixels on, those of
/// the first result.
const fn points_for(points: usize, side: usize, pixels: usize) -> Points {
    match (points, side, pixels) {
        _ if pixels == side => (1 << points) - 1,
        (6, 4, 1) => 0b00_0111,
        (6, 4, 2) => 0b10_0111,
        (5, 2, _) => 0b0_1011,
        _ => (1 << (points - 1)) - 1,
    }
}

/// The last tiles of rows or columns, where these are ragged.
#[derive(Clone, Copy)]
struct Edge {
    /// Whole tiles before it.
    whole: usize,
    /// Pixels that it has of the output; none where all tiles are whole.
    pixels: usize,
    /// Its points, and those of whole tiles.
    points: Points,
    all: Points,
}

impl Edge {
    fn tiles(&self) -> usize {
        usize::from(self.pixels > 0)
    }

    /// The points of the tile of this index.
    #[inline(always)]
    fn points_of(&self, index: usize) -> Points {
        if index < self.whole { self.all } else { self.points }
    }

    /// How many of its tiles have a point.
    fn tiles_of(&self, point: usize) -> usize {
        if self.points >> point & 1 == 1 { self.tiles() } else { 0 }
    }
}

impl Tiles {
    /// The last row or column of tiles.
    fn edge(&self, axis: usize) -> Edge {
        let (side, size) = (self.side, self.output[axis]);
        let pixels = if self.ragged { size % side } else { 0 };
        let whole = size.div_ceil(side) - usize::from(pixels > 0);
        let points = |pixels| points_for(self.points, side, pixels);
        Edge { whole, pixels, points: points(if pixels > 0 { pixels } else { side }), all: points(side) }
    }

    /// Where the tiles are that have a point, among those of all: this many from this one on. Ragged tiles stand so that these are
    /// neighbours for each point: those of the last row but for its last, whole ones row by row, those of the last column, and
    /// that of both.
    pub fn run(&self, point: usize) -> core::ops::Range<usize> {
        let [rows, columns] = [0, 1].map(|axis| self.edge(axis));
        let (below, beside) = (rows.tiles_of(point / self.points), columns.tiles_of(point % self.points));
        let (all_below, whole) = (rows.tiles() * columns.whole, rows.whole * columns.whole);
        let first = if below > 0 { 0 } else { all_below };
        first..all_below + whole + beside * (rows.whole + below)
    }

    /// The pixels of a tile that has matrices of its own for them, else 0.
    #[inline(always)]
    fn short(&self, edge: Edge, index: usize) -> usize {
        let own = (self.points, self.side) == (6, 4) && edge.pixels <= 2;
        if own && index >= edge.whole { edge.pixels } else { 0 }
    }

    /// Where a tile is among all.
    #[inline(always)]
    fn index(&self, [rows, columns]: [Edge; 2], row: usize, column: usize) -> usize {
        if !self.ragged {
            return row * self.columns + column;
        }
        let (below, whole) = (rows.tiles() * columns.whole, rows.whole * columns.whole);
        match (row < rows.whole, column < columns.whole) {
            (true, true) => below + row * columns.whole + column,
            (false, true) => (row - rows.whole) * columns.whole + column,
            (_, false) => below + whole + row,
        }
    }

    /// Whether there are transforms for these numbers of points and pixels.
    fn known(&self) -> bool {
        matches!((self.points, self.side, self.stride), (6, 2..=4, 1) | (4, 2, 1) | (5, 2, 2))
    }

    /// Floats of `tiles` transformed tiles, whose points are `pitch` tiles apart.
    fn floats(&self, pitch: usize, tiles: usize) -> usize {
        extent([[self.points * self.points - 1, pitch, BLOCK], [tiles, BLOCK, 1]])
    }

    /// Ragged tiles are computed all at once.
    fn check_ragged(&self, first: usize, rows: usize) {
        let all = [rows, self.columns] == self.output.map(|size| size.div_ceil(self.side));
        assert!(!self.ragged || all && first == 0, "ragged tiles, all of them");
    }

    fn check_input(&self, first: usize, rows: usize, pitch: usize, x: &[f32], v: &[f32]) {
        let tiles = extent([[rows, self.columns]]);
        assert!(tiles > 0 && tiles <= pitch, "tiles fit their pitch");
        assert!(self.known(), "tiles of four, five or six points");
        self.check_ragged(first, rows);
        assert!(x.len() >= extent([[self.input[0], self.input[1], BLOCK]]), "input of the transform");
        assert!(v.len() >= self.floats(pitch, tiles), "result of the transform");
    }

    fn check_output(&self, first: usize, rows: usize, pitch: usize, m: &[f32], finish: &Finish<'_>, y: &[f32]) {
        let ([height, width], side) = (self.output, self.side);
        assert!(self.known(), "tiles of four, five or six points");
        self.check_ragged(first, rows);
        let (tiles, lines) = (extent([[rows, self.columns]]), (height - first * side).min(extent([[rows, side]])));
        let floats = extent([[lines, width, BLOCK]]);
        assert!(self.columns == width.div_ceil(side), "tiles cover the columns");
        assert!(rows > 0 && (first + rows - 1) * side < height, "every row of tiles has pixels");
        assert!(tiles <= pitch, "tiles fit their pitch");
        assert!(m.len() >= self.floats(pitch, tiles), "input of the transform");
        assert!(y.len() >= floats, "result of the transform");
        assert!(finish.bias.is_none_or(|b| b.len() >= BLOCK), "bias");
        assert!(finish.add.is_none_or(|a| a.len() >= floats), "shortcut");
    }
}

/// The sizes of the points between 0 and ∞.
const NEAR: f32 = core::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = core::f32::consts::SQRT_2;

/// What rows of G are multiplied with, for their points of these sizes: one over the products of a point's distances from all others.
const OF_NEAR: f32 = -2.0 / 3.0;
const OF_FAR: f32 = 1.0 / 6.0;

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

impl Tiles {
    fn check_upstream(&self, first: usize, rows: usize, pitch: usize, dy: &[f32], v: &[f32]) {
        let tiles = extent([[rows, self.columns]]);
        assert!(tiles > 0 && tiles <= pitch && first * 4 < self.output[0], "tiles fit their pitch");
        assert!((self.points, self.side) == (6, 4), "tiles of six points and windows 3×3");
        assert!(!self.ragged, "tiles that have all points");
        assert!(self.columns == self.output[1].div_ceil(4), "tiles cover the columns");
        assert!(dy.len() >= extent([[self.output[0], self.output[1], BLOCK]]), "input of the transform");
        assert!(v.len() >= self.floats(pitch, tiles), "result of the transform");
    }
}

/// Bᵀ times four, five or six numbers. Its fractions stand in G, which is applied once for all images, in deployment mostly before
/// the first one.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn input_line<V: Vector, const P: usize>(d: [V; P]) -> [V; P] {
    // SAFETY: the caller's promise.
    unsafe {
        let constant = |x: f32| V::splat(x);
        let mut line = d;
        if P == 4 {
            line[0] = d[0].sub(d[2]);
            line[1] = d[2].add(d[1]);
            line[2] = d[2].sub(d[1]);
            line[3] = d[3].sub(d[1]);
            return line;
        }
        if P == 5 {
            (line[0], line[1], line[2]) = (d[0].sub(d[2]), d[2], d[2].sub(d[4]));
            (line[3], line[4]) = (d[1], d[3]);
            return line;
        }
        // Shared between pairs of points of one size.
        let (even, odd) = (d[4].fma(d[2], constant(-2.0)), d[3].fma(d[1], constant(-2.0)));
        let (far_even, far_odd) = (d[4].fma(d[2], constant(-0.5)), d[3].fma(d[1], constant(-0.5)));
        line[0] = d[0].add(d[4]).fma(d[2], constant(-2.5));
        line[1] = even.fma(odd, constant(NEAR));
        line[2] = even.fma(odd, constant(-NEAR));
        line[3] = far_even.fma(far_odd, constant(FAR));
        line[4] = far_even.fma(far_odd, constant(-FAR));
        line[5] = d[1].add(d[5]).fma(d[3], constant(-2.5));
        line
    }
}

/// Bᵀ of a tile of F(4×4, 3×3) that has one or two pixels, for points 0, ±√½ and, of two pixels, ∞; of others as
/// [`input_line`] says.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn short_input_line<V: Vector, const P: usize>(pixels: usize, d: [V; P]) -> [V; P] {
    // SAFETY: the caller's promise.
    unsafe {
        if P < 6 || pixels == 0 {
            return input_line::<V, P>(d);
        }
        let mut line = d;
        line[0] = d[0].fma(d[2], V::splat(-2.0));
        // Divided by what G has for these points in whole tiles.
        let even = d[2].mul(V::splat(1.0 / OF_NEAR));
        line[1] = even.fma(d[1], V::splat(NEAR / OF_NEAR));
        line[2] = even.fma(d[1], V::splat(-NEAR / OF_NEAR));
        line[P - 1] = d[3].fma(d[1], V::splat(-0.5));
        line
    }
}

/// Aᵀ of such a tile; of others, whose points beyond those that they have are zero, as [`output_line`] says.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn short_output_line<V: Vector, const P: usize, const S: usize>(pixels: usize, m: [V; P]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        if P < 6 || pixels == 0 {
            return output_line::<V, P, S>(m);
        }
        let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (first, second) = (m[0].add(sum), m[P - 1].fma(difference, V::splat(NEAR)));
        [first, second, first, second]
    }
}

/// Aᵀ times four, five or six numbers, for tiles of `S` pixels a side, whose first `S` results count.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn output_line<V: Vector, const P: usize, const S: usize>(m: [V; P]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (near_sum, near_difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        if P == 4 {
            let (first, second) = (m[0].add(near_sum), m[3].add(near_difference));
            return [first, second, first, second];
        }
        if P == 5 {
            let (first, second) = (m[0].add(m[1]).add(m[3]), near_difference.add(m[4]));
            return [first, second, first, second];
        }
        let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
        let first = near_difference.mul(V::splat(NEAR)).fma(far_difference, V::splat(FAR));
        let second = near_sum.mul(V::splat(0.5)).fma(far_sum, V::splat(2.0));
        [
            m[0].add(near_sum).add(far_sum),
            if S == 2 { m[5].add(first) } else { first },
            if S == 3 { m[5].add(second) } else { second },
            m[5].fma(near_difference, V::splat(0.5 * NEAR)).fma(far_difference, V::splat(2.0 * FAR)),
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
        let even = d[0].fma(d[2], V::splat(0.5));
        let odd = d[1].mul(V::splat(NEAR)).fma(d[3], V::splat(0.5 * NEAR));
        let even_far = d[0].fma(d[2], V::splat(2.0));
        let odd_far = d[1].mul(V::splat(FAR)).fma(d[3], V::splat(2.0 * FAR));
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
                                    super::tile::slope(value, finish.slope).store(y.as_mut_ptr().add(at));
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

per_vector! {
    /// G g Gᵀ of the weights of one block of filters for some blocks of channels, of windows of 3×3, 4×4 or 5×5 and of this
    /// many points a side: from `[window²][16][16]` each, as [`pack`](crate::Isa::pack) leaves them, to `[points²][channels][16]`,
    /// where `step` floats lie between the points.
    pub fn winograd_weights(points: usize, window: usize, w: &[f32], step: usize, u: &mut [f32]) = weights, where {
        assert!(matches!((points, window), (6, 3..=5) | (4 | 5, 3)), "windows of four, five or six points");
        let taps = window * window;
        assert!(w.len().is_multiple_of(taps * PAIRS) && step >= w.len() / taps, "weights of blocks");
        assert!(w.is_empty() || u.len() >= extent([[points * points - 1, step], [w.len() / taps, 1]]), "transformed weights");
    };

    /// Gᵀ u G: the gradient of the weights of one block of filters and one of channels, `[9][16][16]`, from the sum
    /// over tiles in the space of products of six points a side, 36 times `[16][16]`, `step` floats apart.
    pub fn winograd_weights_back(u: &[f32], step: usize, y: &mut [f32]) = weights_back, where {
        assert!(u.len() >= extent([[35, step], [PAIRS, 1]]) && y.len() >= 9 * PAIRS, "weights of a block");
    };
}

/// G times the three, four or five numbers of a line of the window, for `P` points; five points are those of windows that go two
/// pixels on.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn weights_line<V: Vector, const P: usize, const R: usize>(g: [V; R]) -> [V; P] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut line = [g[0]; P];
        if P == 5 {
            (line[1], line[2]) = (g[0].add(g[2]), g[2]);
            (line[3], line[4]) = (g[1], g[1]);
            return line;
        }
        line[P - 1] = g[R - 1];
        if P == 4 {
            let (even, odd) = (g[0].add(g[2]).mul(V::splat(0.5)), g[1].mul(V::splat(0.5)));
            (line[1], line[2]) = (even.add(odd), even.sub(odd));
            return line;
        }
        let scaled = |x: V, by: f32| x.mul(V::splat(by));
        let mut even = scaled(g[0], OF_NEAR).fma(g[2], V::splat(0.5 * OF_NEAR));
        let mut far_even = scaled(g[0], OF_FAR).fma(g[2], V::splat(2.0 * OF_FAR));
        let (mut odd, mut far_odd) = (scaled(g[1], NEAR * OF_NEAR), scaled(g[1], FAR * OF_FAR));
        if R >= 4 {
            odd = odd.fma(g[3 % R], V::splat(0.5 * NEAR * OF_NEAR));
            far_odd = far_odd.fma(g[3 % R], V::splat(2.0 * FAR * OF_FAR));
        }
        if R == 5 {
            even = even.fma(g[4 % R], V::splat(0.25 * OF_NEAR));
            far_even = far_even.fma(g[4 % R], V::splat(4.0 * OF_FAR));
        }
        (line[1], line[2]) = (even.add(odd), even.sub(odd));
        (line[3], line[4]) = (far_even.add(far_odd), far_even.sub(far_odd));
        line
    }
}

/// Gᵀ times six numbers.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn weights_back_line<V: Vector>(u: [V; 6]) -> [V; 3] {
    // SAFETY: the caller's promise.
    unsafe {
        let (near, far) = (u[1].add(u[2]), u[3].add(u[4]));
        let (near_difference, far_difference) = (u[1].sub(u[2]), u[3].sub(u[4]));
        [
            u[0].fma(near, V::splat(OF_NEAR)).fma(far, V::splat(OF_FAR)),
            near_difference.mul(V::splat(NEAR * OF_NEAR)).fma(far_difference, V::splat(FAR * OF_FAR)),
            u[5].fma(near, V::splat(0.5 * OF_NEAR)).fma(far, V::splat(2.0 * OF_FAR)),
        ]
    }
}

/// # Safety
/// The vector's instructions are there, `w` has whole blocks, and `u` is long enough.
#[inline(always)]
unsafe fn weights<V: Vector, const G: usize>(points: usize, window: usize, w: &[f32], step: usize, u: &mut [f32]) {
    // SAFETY: the caller's promises.
    unsafe {
        match (points, window) {
            (4, _) => weights_of_windows::<V, 4, 3>(w, step, u),
            (5, _) => weights_of_windows::<V, 5, 3>(w, step, u),
            (_, 4) => weights_of_windows::<V, 6, 4>(w, step, u),
            (_, 5) => weights_of_windows::<V, 6, 5>(w, step, u),
            _ => weights_of_windows::<V, 6, 3>(w, step, u),
        }
    }
}

/// Of windows of `R` × `R` and `P` points a side.
///
/// # Safety
/// As [`weights`].
#[inline(always)]
unsafe fn weights_of_windows<V: Vector, const P: usize, const R: usize>(w: &[f32], step: usize, u: &mut [f32]) {
    for (block, w) in w.chunks_exact(R * R * PAIRS).enumerate() {
        for at in (0..PAIRS).step_by(V::LANES) {
            // SAFETY: the weights lie in their block, and the numbers of all points in `u`.
            unsafe {
                let (from, to) = (w.as_ptr().add(at), u.as_mut_ptr().add(block * PAIRS + at));
                for tap in 0..R * R {
                    V::prefetch_second(from.wrapping_add((R * R + tap) * PAIRS));
                }
                let mut lines = [[V::zero(); P]; R];
                for (c, line) in lines.iter_mut().enumerate() {
                    *line = weights_line::<V, P, R>(core::array::from_fn(|r| V::load(from.add((r * R + c) * PAIRS))));
                }
                for r in 0..P {
                    let line = weights_line::<V, P, R>(core::array::from_fn(|c| lines[c][r]));
                    for (c, value) in line.into_iter().enumerate() {
                        value.store(to.add((r * P + c) * step));
                    }
                }
            }
        }
    }
}

/// # Safety
/// The vector's instructions are there, and the slices hold the weights of a pair of blocks.
#[inline(always)]
unsafe fn weights_back<V: Vector, const G: usize>(u: &[f32], step: usize, y: &mut [f32]) {
    for at in (0..PAIRS).step_by(V::LANES) {
        // SAFETY: the 36 numbers lie in `u`, and the nine weights in `y`.
        unsafe {
            let (from, to) = (u.as_ptr().add(at), y.as_mut_ptr().add(at));
            let mut lines = [[V::zero(); 3]; 6];
            for (c, line) in lines.iter_mut().enumerate() {
                *line = weights_back_line(core::array::from_fn(|r| V::load(from.add((r * 6 + c) * step))));
            }
            for a in 0..3 {
                let line = weights_back_line(core::array::from_fn(|c| lines[c][a]));
                for (b, value) in line.into_iter().enumerate() {
                    value.store(to.add((a * 3 + b) * PAIRS));
                }
            }
        }
    }
}
