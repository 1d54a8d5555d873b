//! Winograd's transforms, each alone, against products of the matrices of Lavin & Gray.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::Isa;
use crate::kernels::blocked::*;
use crate::kernels::checks::{Edge, assert_within, everywhere, numbers};

/// The points √½ and √2.
const A: f64 = core::f64::consts::FRAC_1_SQRT_2;
const B: f64 = core::f64::consts::SQRT_2;

/// Bᵀ.
const INPUT: [[f64; 6]; 6] = [
    [1.0, 0.0, -2.5, 0.0, 1.0, 0.0],
    [0.0, -2.0 * A, -2.0, A, 1.0, 0.0],
    [0.0, 2.0 * A, -2.0, -A, 1.0, 0.0],
    [0.0, -0.5 * B, -0.5, B, 1.0, 0.0],
    [0.0, 0.5 * B, -0.5, -B, 1.0, 0.0],
    [0.0, 1.0, 0.0, -2.5, 0.0, 1.0],
];

/// Aᵀ.
const OUTPUT: [[f64; 6]; 4] = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, A, -A, B, -B, 0.0],
    [0.0, 0.5, 0.5, 2.0, 2.0, 0.0],
    [0.0, A / 2.0, -A / 2.0, B * 2.0, -B * 2.0, 1.0],
];

/// What rows of G are multiplied with, of points of the sizes A and B.
const N: f64 = -2.0 / 3.0;
const F: f64 = 1.0 / 6.0;

/// G.
const WEIGHTS: [[f64; 3]; 6] = [
    [1.0, 0.0, 0.0],
    [N, N * A, N * 0.5],
    [N, N * -A, N * 0.5],
    [F, F * B, F * 2.0],
    [F, F * -B, F * 2.0],
    [0.0, 0.0, 1.0],
];

/// Aᵀ and G of windows 5×5.
const OUTPUT_OF_FIVE: [[f64; 6]; 2] = [[1.0, 1.0, 1.0, 1.0, 1.0, 0.0], [0.0, A, -A, B, -B, 1.0]];
const WEIGHTS_OF_FIVE: [[f64; 5]; 6] = [
    [1.0, 0.0, 0.0, 0.0, 0.0],
    [N, N * A, N * 0.5, N * A / 2.0, N * 0.25],
    [N, N * -A, N * 0.5, N * -A / 2.0, N * 0.25],
    [F, F * B, F * 2.0, F * B * 2.0, F * 4.0],
    [F, F * -B, F * 2.0, F * -B * 2.0, F * 4.0],
    [0.0, 0.0, 0.0, 0.0, 1.0],
];

/// Aᵀ and G of windows 4×4.
const OUTPUT_OF_WINDOWS_OF_FOUR: [[f64; 6]; 3] =
    [[1.0, 1.0, 1.0, 1.0, 1.0, 0.0], [0.0, A, -A, B, -B, 0.0], [0.0, 0.5, 0.5, 2.0, 2.0, 1.0]];
const WEIGHTS_OF_WINDOWS_OF_FOUR: [[f64; 4]; 6] = [
    [1.0, 0.0, 0.0, 0.0],
    [N, N * A, N * 0.5, N * A / 2.0],
    [N, N * -A, N * 0.5, N * -A / 2.0],
    [F, F * B, F * 2.0, F * B * 2.0],
    [F, F * -B, F * 2.0, F * -B * 2.0],
    [0.0, 0.0, 0.0, 1.0],
];

/// Bᵀ, Aᵀ and G of four points.
const INPUT_OF_FOUR: [[f64; 4]; 4] =
    [[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, -1.0, 0.0, 1.0]];
const OUTPUT_OF_FOUR: [[f64; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, 1.0]];
const WEIGHTS_OF_FOUR: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// Bᵀ, Aᵀ and G of five points, of windows that go two pixels on.
const INPUT_OF_STRIDES: [[f64; 5]; 5] = [
    [1.0, 0.0, -1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0, -1.0],
    [0.0, 1.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 1.0, 0.0],
];
const OUTPUT_OF_STRIDES: [[f64; 5]; 2] = [[1.0, 1.0, 0.0, 1.0, 0.0], [0.0, 1.0, -1.0, 0.0, 1.0]];
const WEIGHTS_OF_STRIDES: [[f64; 3]; 5] =
    [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]];

/// Weights of a block of filters and one of channels.
const PAIRS: usize = BLOCK * BLOCK;

fn transposed<const R: usize, const C: usize>(m: &[[f64; C]; R]) -> [[f64; R]; C] {
    core::array::from_fn(|c| core::array::from_fn(|r| m[r][c]))
}

/// M d Mᵀ of one tile, `d(row, column)`, line after line.
fn sandwich<const R: usize, const C: usize>(m: &[[f64; C]; R], d: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let sum = |r: usize, c: usize| (0..C * C).map(|at| m[r][at / C] * d(at / C, at % C) * m[c][at % C]).sum();
    (0..R * R).map(|at| sum(at / R, at % R)).collect()
}

/// Points and pixels of the side of tiles that there are, and the stride of their windows.
fn sides() -> impl Strategy<Value = (usize, usize, usize)> {
    prop_oneof![Just((6_usize, 4_usize, 1_usize)), Just((6, 3, 1)), Just((6, 2, 1)), Just((4, 2, 1)), Just((5, 2, 2))]
}

/// A number of a blocked plane, zero outside.
fn pixel(x: &[f32], [height, width]: [usize; 2], row: usize, column: usize, lane: usize) -> f64 {
    if row < height && column < width { f64::from(x[(row * width + column) * BLOCK + lane]) } else { 0.0 }
}

/// Checks `[points²][pitch][16]`, of which `expected` are the tiles; the others are as they were, NaN.
fn check_points(v: &[f32], pitch: usize, expected: &[[Vec<f64>; BLOCK]], what: &str) {
    for (point, v) in v.chunks(pitch * BLOCK).enumerate() {
        let (tiles, rest) = v.split_at(expected.len() * BLOCK);
        let wanted: Vec<f64> = expected.iter().flatten().map(|tile| tile[point]).collect();
        assert_within(tiles, &wanted, 1e-5, 1.0, what);
        assert!(rest.iter().all(|v| v.is_nan()), "{what} wrote beside its tiles");
    }
}

/// What `transform(row of tiles, column of tiles, lane)` says of every tile.
fn every_tile<T>(
    first: usize,
    rows: usize,
    columns: usize,
    transform: impl Fn(usize, usize, usize) -> T,
) -> Vec<[T; BLOCK]> {
    (0..rows * columns)
        .map(|at| core::array::from_fn(|lane| transform(first + at / columns, at % columns, lane)))
        .collect()
}

fn unset(edge: Edge, points: usize, pitch: usize, tiles: usize) -> crate::kernels::checks::Guarded {
    edge.unset(((points * points - 1) * pitch + tiles) * BLOCK)
}

proptest! {
    #[test]
    fn inputs_agree_with_loops(
        input in [1_usize..22, 1_usize..22], pad in [0_usize..8, 0_usize..8], first in 0_usize..4, rows in 1_usize..4,
        columns in 1_usize..5, more in 0_usize..5, (points, side, stride) in sides(), seed: u64,
    ) {
        let tiles = Tiles { input, output: [1, 1], pad, points, side, stride, columns, ragged: false };
        let pitch = rows * columns + more;
        let x = numbers(seed, input[0] * input[1] * BLOCK);
        let expected = every_tile(first, rows, columns, |row, column, lane| {
            let at = |index: usize, k: usize, pad: usize| (side * stride * index + k).wrapping_sub(pad);
            let d = |r: usize, c: usize| pixel(&x, input, at(row, r, pad[0]), at(column, c, pad[1]), lane);
            match points {
                4 => sandwich(&INPUT_OF_FOUR, d),
                5 => sandwich(&INPUT_OF_STRIDES, d),
                _ => sandwich(&INPUT, d),
            }
        });
        for (isa, edge) in everywhere() {
            let mut v = unset(edge, points, pitch, rows * columns);
            isa.winograd_input(&tiles, first, rows, pitch, &edge.of(&x), &mut v);
            check_points(&v, pitch, &expected, &format!("{isa:?}"));
        }
    }

    #[test]
    fn upstream_gradients_agree_with_loops(
        output in [1_usize..22, 1_usize..22], first in 0_usize..6, rows in 1_usize..4, more in 0_usize..5, seed: u64,
    ) {
        let (first, columns) = (first.min((output[0] - 1) / 4), output[1].div_ceil(4));
        let tiles = Tiles { input: [1, 1], output, pad: [0, 0], points: 6, side: 4, stride: 1, columns, ragged: false };
        let pitch = rows * columns + more;
        let dy = numbers(seed, output[0] * output[1] * BLOCK);
        let expected = every_tile(first, rows, columns, |row, column, lane| {
            sandwich(&transposed(&OUTPUT), |r, c| pixel(&dy, output, 4 * row + r, 4 * column + c, lane))
        });
        for (isa, edge) in everywhere() {
            let mut v = unset(edge, 6, pitch, rows * columns);
            isa.winograd_upstream(&tiles, first, rows, pitch, &edge.of(&dy), &mut v);
            check_points(&v, pitch, &expected, &format!("{isa:?}"));
        }
    }

    #[test]
    fn outputs_agree_with_loops(
        output in [1_usize..22, 1_usize..22], first in 0_usize..6, rows in 1_usize..6, seed: u64,
        slope in prop_oneof![Just(Slope::One), Just(Slope::Relu), Just(Slope::Leaky(0.25))], biased: bool, added: bool,
        more in 0_usize..3, (points, side, stride) in sides(),
    ) {
        let [height, width] = output;
        let all = height.div_ceil(side);
        let first = first.min(all - 1);
        let (rows, columns) = (rows.min(all - first), width.div_ceil(side));
        let tiles = Tiles { input: [1, 1], output, pad: [0, 0], points, side, stride, columns, ragged: false };
        let (count, floats) = (rows * columns, (height - side * first).min(side * rows) * width * BLOCK);
        let pitch = count + more;
        let (m, bias, add) = (numbers(seed, points * points * pitch * BLOCK), numbers(seed ^ 1, BLOCK), numbers(seed ^ 2, floats));
        let turned = every_tile(0, rows, columns, |row, column, lane| {
            let at = |r: usize, c: usize| ((r * points + c) * pitch + row * columns + column) * BLOCK + lane;
            let m = |r: usize, c: usize| f64::from(m[at(r, c)]);
            match (points, side) {
                (4, _) => sandwich(&OUTPUT_OF_FOUR, m),
                (5, _) => sandwich(&OUTPUT_OF_STRIDES, m),
                (_, 2) => sandwich(&OUTPUT_OF_FIVE, m),
                (_, 3) => sandwich(&OUTPUT_OF_WINDOWS_OF_FOUR, m),
                _ => sandwich(&OUTPUT, m),
            }
        });
        let value = |at: usize| {
            let (row, column, lane) = (at / BLOCK / width, at / BLOCK % width, at % BLOCK);
            let mut y = turned[row / side * columns + column / side][lane][row % side * side + column % side];
            y += if biased { f64::from(bias[lane]) } else { 0.0 } + if added { f64::from(add[at]) } else { 0.0 };
            match slope {
                Slope::One => y,
                Slope::Relu => y.max(0.0),
                Slope::Leaky(slope) => y.max(f64::from(slope) * y),
            }
        };
        let expected: Vec<f64> = (0..floats).map(value).collect();
        for (isa, edge) in everywhere() {
            let [m, bias, add] = [&m, &bias, &add].map(|values| edge.of(values));
            let finish = Finish { bias: biased.then_some(&bias), add: added.then_some(&add), slope };
            let mut y = edge.unset(floats);
            isa.winograd_output(&tiles, first, rows, pitch, &m, &finish, &mut y);
            assert_within(&y, &expected, 1e-5, 1.0, &format!("{isa:?}"));
        }
    }

    /// A block of channels and one of filters, all of it: each point is multiplied for the tiles that are said to have it.
    #[test]
    fn ragged_tiles_agree_with_convolutions(
        output in [1_usize..18, 1_usize..18], pad in [0_usize..3, 0_usize..3], more in 0_usize..3,
        (points, side, stride) in sides(), seed: u64,
    ) {
        let window = points - stride * (side - 1);
        // As large as a convolution needs it to be for this output, or larger.
        let input: [usize; 2] = core::array::from_fn(|i| (stride * (output[i] - 1) + window).saturating_sub(2 * pad[i]).max(1));
        let [rows, columns] = output.map(|size| size.div_ceil(side));
        let tiles = Tiles { input, output, pad, points, side, stride, columns, ragged: true };
        let (count, pitch) = (rows * columns, rows * columns + more);
        let x = numbers(seed, input[0] * input[1] * BLOCK);
        let w = numbers(seed ^ 1, window * window * PAIRS);
        let expected: Vec<f64> = (0..output[0] * output[1] * BLOCK).map(|at| {
            let (row, column, filter) = (at / BLOCK / output[1], at / BLOCK % output[1], at % BLOCK);
            let seen = |tap: usize, channel: usize| {
                let (r, c) = (stride * row + tap / window, stride * column + tap % window);
                pixel(&x, input, r.wrapping_sub(pad[0]), c.wrapping_sub(pad[1]), channel)
            };
            let product = |i: usize| seen(i / BLOCK, i % BLOCK) * f64::from(w[i * BLOCK + filter]);
            (0..window * window * BLOCK).map(product).sum()
        }).collect();
        for (isa, edge) in everywhere() {
            let mut u = vec![0.0; points * points * PAIRS];
            isa.winograd_weights(points, window, &w, PAIRS, &mut u);
            let mut v = unset(edge, points, pitch, count);
            isa.winograd_input(&tiles, 0, rows, pitch, &edge.of(&x), &mut v);
            let mut m = unset(edge, points, pitch, count);
            for point in 0..points * points {
                for at in tiles.run(point).map(|tile| (point * pitch + tile) * BLOCK) {
                    for filter in 0..BLOCK {
                        let product = |channel: usize| v[at + channel] * u[point * PAIRS + channel * BLOCK + filter];
                        m[at + filter] = (0..BLOCK).map(product).sum();
                    }
                }
            }
            let mut y = edge.unset(expected.len());
            isa.winograd_output(&tiles, 0, rows, pitch, &m, &Finish::default(), &mut y);
            assert_within(&y, &expected, 1e-4, 1.0, &format!("{isa:?}"));
        }
    }

    #[test]
    fn weights_agree_with_loops(
        (points, side, stride) in sides(), blocks in 1_usize..4, more in 0_usize..40, seed: u64,
    ) {
        let (window, squared) = (points - stride * (side - 1), points * points);
        let taps = window * window;
        let w = numbers(seed, blocks * taps * PAIRS);
        let point = blocks * PAIRS + more;
        let mut expected = vec![0.0; squared * point - more];
        for pair in 0..blocks * PAIRS {
            let at = |tap: usize| pair / PAIRS * taps * PAIRS + tap * PAIRS + pair % PAIRS;
            let g = |r: usize, c: usize| f64::from(w[at(r * window + c)]);
            let u = match (points, window) {
                (4, _) => sandwich(&WEIGHTS_OF_FOUR, g),
                (5, _) => sandwich(&WEIGHTS_OF_STRIDES, g),
                (_, 4) => sandwich(&WEIGHTS_OF_WINDOWS_OF_FOUR, g),
                (_, 5) => sandwich(&WEIGHTS_OF_FIVE, g),
                _ => sandwich(&WEIGHTS, g),
            };
            (0..squared).for_each(|i| expected[i * point + pair] = u[i]);
        }
        for (isa, edge) in everywhere() {
            let mut y = edge.of(&vec![0.0; expected.len()]);
            isa.winograd_weights(points, window, &edge.of(&w), point, &mut y);
            assert_within(&y, &expected, 1e-5, 1.0, &format!("{isa:?}"));
        }
    }

    #[test]
    fn gradients_of_weights_agree_with_loops(seed: u64) {
        let u = numbers(seed, 36 * PAIRS);
        let mut expected = vec![0.0; 9 * PAIRS];
        for pair in 0..PAIRS {
            let w = sandwich(&transposed(&WEIGHTS), |r, c| f64::from(u[(r * 6 + c) * PAIRS + pair]));
            (0..9).for_each(|tap| expected[tap * PAIRS + pair] = w[tap]);
        }
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(expected.len());
            isa.winograd_weights_back(&edge.of(&u), PAIRS, &mut y);
            assert_within(&y, &expected, 1e-5, 1.0, &format!("{isa:?}"));
        }
    }
}

#[test]
#[should_panic(expected = "tiles cover the columns")]
fn tiles_beside_the_gradient_are_refused() {
    let tiles =
        Tiles { input: [1, 1], output: [4, 4], pad: [0, 0], points: 6, side: 4, stride: 1, columns: 2, ragged: false };
    Isa::detect().winograd_upstream(&tiles, 0, 1, 2, &[0.0; 16 * BLOCK], &mut [0.0; 36 * 2 * BLOCK]);
}

#[test]
#[should_panic(expected = "tiles of six points and windows 3×3")]
fn gradients_of_four_points_are_refused() {
    let tiles =
        Tiles { input: [1, 1], output: [2, 2], pad: [0, 0], points: 4, side: 2, stride: 1, columns: 1, ragged: false };
    Isa::detect().winograd_upstream(&tiles, 0, 1, 1, &[0.0; 4 * BLOCK], &mut [0.0; 36 * BLOCK]);
}

#[test]
#[should_panic(expected = "ragged tiles, all of them")]
fn some_of_ragged_tiles_are_refused() {
    let tiles =
        Tiles { input: [8, 8], output: [6, 6], pad: [0, 0], points: 6, side: 4, stride: 1, columns: 2, ragged: true };
    Isa::detect().winograd_input(&tiles, 0, 1, 2, &[0.0; 64 * BLOCK], &mut [0.0; 36 * 2 * BLOCK]);
}

#[test]
#[should_panic(expected = "windows of four, five or six points")]
fn four_points_are_too_few_for_windows_of_five() {
    Isa::detect().winograd_weights(4, 5, &[0.0; 25 * PAIRS], PAIRS, &mut [0.0; 16 * PAIRS]);
}

#[test]
#[should_panic(expected = "transformed weights")]
fn steps_beyond_memory_are_refused() {
    // Fifteen of these and a block are few floats, if one forgets what was carried.
    let step = usize::MAX / 15;
    Isa::detect().winograd_weights(4, 3, &[0.0; 9 * PAIRS], step, &mut [0.0; 16 * PAIRS]);
}

#[test]
#[should_panic(expected = "input of the transform")]
fn sizes_beyond_memory_are_refused() {
    let tiles = Tiles {
        input: [1, usize::MAX / BLOCK + 1],
        output: [1, 1],
        pad: [0, 0],
        points: 6,
        side: 4,
        stride: 1,
        columns: 1,
        ragged: false,
    };
    Isa::detect().winograd_input(&tiles, 0, 1, 1, &[], &mut [0.0; 36 * BLOCK]);
}
