//! Blocked kernels against loops in `f64`, on every instruction set: convolutions as they are put together here, each kernel
//! alone and in guarded memory in the files of the folder.

mod layout;
mod norm;
mod outer;
mod pool;
mod tile;
mod winograd;

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::kernels::checks::{assert_close, numbers};
use crate::{Isa, Strip};

/// `[channels][places]` as blocks.
fn blocked(channels: usize, places: usize, x: &[f32]) -> Vec<f32> {
    let mut y = vec![7.0; channels.div_ceil(BLOCK) * places * BLOCK];
    for c in 0..channels {
        for p in 0..places {
            y[(c / BLOCK * places + p) * BLOCK + c % BLOCK] = x[c * places + p];
        }
    }
    y
}

/// The channels of one block of a blocked tensor as planes.
fn planes(block: &[f32], filters: usize) -> Vec<f32> {
    let places = block.len() / BLOCK;
    (0..filters).flat_map(|c| (0..places).map(move |p| block[p * BLOCK + c])).collect()
}

struct Case {
    channels: usize,
    filters: usize,
    input: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    pad: usize,
}

impl Case {
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|a| (self.input[a] + 2 * self.pad - self.kernel[a]) / self.stride + 1)
    }

    /// Calls `f(output, weight, input)` for every product, in plain order.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let ([oh, ow], [h, w], [kh, kw]) = (self.output(), self.input, self.kernel);
        for o in 0..self.filters {
            for c in 0..self.channels {
                for at in 0..oh * ow * kh * kw {
                    let (y, x, i, j) = (at / (ow * kh * kw), at / (kh * kw) % ow, at / kw % kh, at % kw);
                    let (row, column) = (y * self.stride + i, x * self.stride + j);
                    if row >= self.pad && column >= self.pad && row - self.pad < h && column - self.pad < w {
                        f(
                            (o * oh + y) * ow + x,
                            ((o * self.channels + c) * kh + i) * kw + j,
                            (c * h + row - self.pad) * w + column - self.pad,
                        );
                    }
                }
            }
        }
    }

    fn forward(&self, x: &[f32], w: &[f32]) -> Vec<f64> {
        let mut y = vec![0.0; self.filters * self.output().iter().product::<usize>()];
        self.each(|o, weight, i| y[o] += f64::from(x[i]) * f64::from(w[weight]));
        y
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (channels, filters, input, kernel, stride, pad) in [
        (16, 16, [5, 7], [3, 3], 1, 1),
        (20, 19, [9, 30], [3, 3], 1, 1),
        (33, 16, [7, 7], [1, 1], 1, 0),
        (16, 32, [8, 11], [1, 1], 2, 0),
        (32, 16, [9, 9], [3, 3], 2, 1),
        (48, 50, [7, 6], [3, 3], 1, 1),
        (48, 5, [13, 61], [5, 3], 1, 2),
        (3, 16, [17, 23], [7, 7], 2, 3),
        (1, 16, [28, 28], [5, 5], 1, 2),
        (3, 16, [29, 31], [11, 11], 4, 2),
    ] {
        cases.push(Case { channels, filters, input, kernel, stride, pad });
    }
    cases
}

#[test]
fn convolutions_of_staged_rows() {
    for (seed, case) in cases().iter().enumerate() {
        let ([h, w], [oh, ow], [kh, kw], s) = (case.input, case.output(), case.kernel, case.stride);
        let lanes = if case.channels < BLOCK { 1 } else { BLOCK };
        let (x, weights) =
            (numbers(1, case.channels * h * w), numbers(seed as u64, case.filters * case.channels * kh * kw));
        let mut expected = case.forward(&x, &weights);
        let input = if lanes == 1 { x.clone() } else { blocked(case.channels, h * w, &x) };
        let phases = s.min(kw);
        let columns = ow + (kw - 1) / s;
        let row_step = if kh == 1 { s } else { 1 };
        let rows = if kh == 1 { oh } else { (oh - 1) * s + kh };
        let pitch = phases * columns * lanes;
        let stage = Stage {
            planes: case.channels.div_ceil(lanes),
            lanes,
            input: case.input,
            pad: [case.pad; 2],
            row_step,
            stride: s,
            phases,
            columns,
            plane: rows * pitch,
        };
        let taps: Vec<usize> =
            (0..kh).flat_map(|i| (0..kw).map(move |j| i * pitch + (j % s * columns + j / s) * lanes)).collect();
        let tile = Tile {
            channels: case.channels,
            lanes,
            block: stage.plane,
            taps: &taps,
            columns: ow,
            x_row: if kh == 1 { pitch } else { s * pitch },
            w_block: (case.channels.next_multiple_of(lanes) * kh * kw) * BLOCK,
            next: Next::Weights(0),
        };
        let packing =
            Packing { filters: case.filters, channels: case.channels, taps: kh * kw, lanes, backwards: false };
        let blocks = case.filters.div_ceil(BLOCK);
        let (bias, add) = (numbers(3, blocks * BLOCK), numbers(4, blocks * oh * ow * BLOCK));
        for filter in 0..case.filters {
            for p in 0..oh * ow {
                let y = &mut expected[filter * oh * ow + p];
                let at = (filter / BLOCK * oh * ow + p) * BLOCK + filter % BLOCK;
                *y += f64::from(bias[filter]) + f64::from(add[at]);
                *y = if *y > 0.0 { *y } else { *y * 0.125 };
            }
        }
        for isa in Isa::available() {
            let mut staged = vec![9.0; stage.planes * stage.plane];
            isa.stage(&stage, &input, 0, rows, &mut staged);
            let mut packed = vec![9.0; blocks * tile.weights()];
            for (block, packed) in packed.chunks_exact_mut(tile.weights()).enumerate() {
                isa.pack(&packing, block, &weights, packed);
            }
            let mut y = vec![9.0; blocks * oh * ow * BLOCK];
            let plane = oh * ow * BLOCK;
            let finish = Finish { bias: Some(&bias), add: Some(&add), slope: Slope::Leaky(0.125) };
            isa.convolve(&tile, oh, &staged, &packed, &finish, &mut Strip::of(&mut y, plane, 0..plane));
            let what = format!("{isa:?}, case {seed}");
            for (block, (y, expected)) in y.chunks_exact(plane).zip(expected.chunks(plane)).enumerate() {
                let filters = (case.filters - block * BLOCK).min(BLOCK);
                assert_close(&planes(y, filters), expected, 1e-5, &what);
            }
        }
    }
}

#[test]
fn gradients_by_weights() {
    for (seed, case) in cases().iter().enumerate() {
        let ([h, w], [oh, ow], [kh, kw], s) = (case.input, case.output(), case.kernel, case.stride);
        let lanes = if case.channels < BLOCK { 1 } else { BLOCK };
        let (x, dy) = (numbers(1, case.channels * h * w), numbers(seed as u64, case.filters * oh * ow));
        let mut expected = vec![0.0; case.filters * case.channels * kh * kw];
        case.each(|o, weight, i| expected[weight] += f64::from(x[i]) * f64::from(dy[o]));
        let input = if lanes == 1 { x.clone() } else { blocked(case.channels, h * w, &x) };
        let columns = w + 2 * case.pad;
        let rows = h + 2 * case.pad;
        let plane = rows * columns * lanes;
        let planes_of_x = case.channels.div_ceil(lanes);
        let (stage_row, pad) = (columns * lanes, [case.pad; 2]);
        let stage = Stage {
            planes: planes_of_x,
            lanes,
            input: case.input,
            pad,
            row_step: 1,
            stride: 1,
            phases: 1,
            columns,
            plane,
        };
        let (x_row, x_column) = (s * stage_row, s * lanes);
        let dy_blocked = blocked(case.filters, oh * ow, &dy);
        let packing =
            Packing { filters: case.filters, channels: case.channels, taps: kh * kw, lanes, backwards: false };
        for isa in Isa::available() {
            let mut staged = vec![9.0; planes_of_x * plane];
            isa.stage(&stage, &input, 0, rows, &mut staged);
            let blocks = case.filters.div_ceil(BLOCK);
            let part = kh * kw * lanes * BLOCK;
            let mut packed = vec![0.0; blocks.div_ceil(2) * planes_of_x * 2 * part];
            for first in (0..blocks).step_by(2) {
                let dy = &dy_blocked[first * oh * ow * BLOCK..];
                let starts = |plane: usize| -> Vec<usize> {
                    (0..kh)
                        .flat_map(|i| {
                            let row = plane * stage.plane + i * stage_row;
                            if lanes == 1 { vec![row] } else { (0..kw).map(|j| row + j * lanes).collect() }
                        })
                        .collect()
                };
                for plane in 0..planes_of_x {
                    let runs = starts(plane);
                    let run = if lanes == 1 { kw } else { lanes };
                    let (both, dy_block) = ((blocks - first).min(2), oh * ow * BLOCK);
                    let outer =
                        Outer { rows: oh, columns: ow, x_row, x_column, runs: &runs, run, blocks: both, dy_block };
                    let at = (first / 2 * planes_of_x + plane) * 2 * part;
                    isa.outer(&outer, &staged, dy, &mut packed[at..][..2 * part]);
                }
            }
            let mut dw = vec![9.0; expected.len()];
            isa.unpack(&packing, 0, &packed, &mut dw);
            assert_close(&dw, &expected, 1e-5, &format!("{isa:?}, case {seed}"));
        }
    }
}

#[test]
fn winograd() {
    for (points, window, channels, filters, [h, w], pad) in [
        (5, 3, 16, 16, [8, 8], 1),
        (5, 3, 20, 19, [7, 14], 1),
        (5, 3, 32, 16, [13, 12], 0),
        (5, 3, 16, 3, [4, 31], 2),
        (6, 3, 16, 16, [8, 8], 1),
        (6, 3, 20, 19, [7, 14], 1),
        (6, 3, 32, 16, [13, 13], 0),
        (6, 3, 16, 3, [4, 30], 2),
        (6, 3, 16, 16, [3, 3], 1),
        (6, 4, 16, 16, [8, 8], 2),
        (6, 4, 12, 19, [7, 14], 1),
        (6, 4, 32, 16, [13, 12], 0),
        (6, 5, 16, 16, [8, 8], 2),
        (6, 5, 20, 19, [7, 14], 2),
        (6, 5, 32, 16, [13, 12], 0),
        (6, 5, 16, 3, [5, 30], 1),
        (4, 3, 16, 16, [7, 7], 1),
        (4, 3, 20, 19, [6, 13], 0),
        (4, 3, 32, 3, [5, 8], 2),
    ] {
        let stride = if points == 5 { 2 } else { 1 };
        let case = Case { channels, filters, input: [h, w], kernel: [window; 2], stride, pad };
        let ([oh, ow], taps, side) = (case.output(), window * window, (points - window) / stride + 1);
        let squared = points * points;
        let (x, weights) = (numbers(1, channels * h * w), numbers(2, filters * channels * taps));
        let expected = case.forward(&x, &weights);
        let mut gradient = vec![0.0; weights.len()];
        let dy = numbers(3, filters * oh * ow);
        case.each(|o, weight, i| gradient[weight] += f64::from(x[i]) * f64::from(dy[o]));
        let (x, dy) = (blocked(channels, h * w, &x), blocked(filters, oh * ow, &dy));
        let tiles = Tiles {
            input: [h, w],
            output: [oh, ow],
            pad: [pad; 2],
            points,
            side,
            stride,
            columns: ow.div_ceil(side),
            ragged: false,
        };
        let packing = Packing { filters, channels, taps, lanes: BLOCK, backwards: false };
        let (rows, blocks) = (oh.div_ceil(side), channels.div_ceil(BLOCK));
        let count = rows * tiles.columns;
        let point = blocks * BLOCK * BLOCK;
        for isa in Isa::available() {
            let what = format!("{isa:?}, {points} points, {window}x{window}, {channels} to {filters} of {h}x{w}");
            let mut packed = vec![9.0; taps * point];
            isa.pack(&packing, 0, &weights, &mut packed);
            let mut u = vec![9.0; squared * point];
            isa.winograd_weights(points, window, &packed, point, &mut u);
            let part = squared * count * BLOCK;
            let mut v = vec![9.0; blocks * part];
            for block in 0..blocks {
                isa.winograd_input(
                    &tiles,
                    0,
                    rows,
                    count,
                    &x[block * h * w * BLOCK..][..h * w * BLOCK],
                    &mut v[block * part..],
                );
            }
            let mut m = vec![9.0; part];
            let tile = Tile {
                channels,
                lanes: BLOCK,
                block: part,
                taps: &[0],
                columns: count,
                x_row: 0,
                w_block: 0,
                next: Next::Weights(0),
            };
            for xi in 0..squared {
                let at = xi * count * BLOCK;
                let mut strip = Strip::of(&mut m, part, at..at + count * BLOCK);
                isa.convolve(&tile, 1, &v[at..], &u[xi * point..], &Finish::default(), &mut strip);
            }
            let mut y = vec![9.0; oh * ow * BLOCK];
            isa.winograd_output(&tiles, 0, rows, count, &m, &Finish::default(), &mut y);
            let shown = filters.min(BLOCK);
            assert_close(&planes(&y, shown), &expected[..shown * oh * ow], 2e-5, &what);
            if (points, window) != (6, 3) {
                continue;
            }

            let mut up = vec![9.0; part];
            isa.winograd_upstream(&tiles, 0, rows, count, &dy, &mut up);
            let mut du = vec![0.0; squared * BLOCK * BLOCK];
            let outer = Outer {
                rows: 1,
                columns: count,
                x_row: 0,
                x_column: BLOCK,
                runs: &[0],
                run: BLOCK,
                blocks: 1,
                dy_block: 0,
            };
            for xi in 0..squared {
                let at = xi * count * BLOCK;
                isa.outer(&outer, &v[at..], &up[at..], &mut du[xi * BLOCK * BLOCK..]);
            }
            let mut dw = vec![9.0; 9 * BLOCK * BLOCK];
            isa.winograd_weights_back(&du, BLOCK * BLOCK, &mut dw);
            let got: Vec<f32> = (0..shown * 16 * 9).map(|i| dw[((i % 9) * 16 + i / 9 % 16) * 16 + i / 144]).collect();
            let wanted: Vec<f64> =
                (0..shown * 16 * 9).map(|i| gradient[(i / 144 * channels + i / 9 % 16) * 9 + i % 9]).collect();
            assert_close(&got, &wanted, 2e-5, &what);
        }
    }
}

#[test]
fn blocks_and_back() {
    for (channels, places) in [(16, 5), (37, 33), (3, 1)] {
        let x = numbers(1, channels * places);
        for isa in Isa::available() {
            let mut y = vec![9.0; channels.next_multiple_of(BLOCK) * places];
            for (i, y) in y.chunks_exact_mut(places * BLOCK).enumerate() {
                isa.block(places, &x[i * places * BLOCK..(channels * places).min((i + 1) * places * BLOCK)], y);
            }
            let mut back = vec![9.0; x.len()];
            for (i, back) in back.chunks_mut(places * BLOCK).enumerate() {
                isa.unblock(places, &y[i * places * BLOCK..][..places * BLOCK], back);
            }
            assert_eq!(x, back);
        }
    }
}
