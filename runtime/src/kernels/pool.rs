//! Pools and their gradients.

use super::Window;
use crate::isa::per_isa;

/// By what the sum over a window is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divisor {
    /// Whether padding counts.
    pub count_pad: bool,
    /// End of the padded input on each axis, counted from the start of the padding.
    pub end: [usize; 3],
}

/// The inputs on one axis that an output sees: a range, and how many elements count.
#[inline(always)]
fn seen(window: &Window, axis: usize, output: usize, divisor: Option<&Divisor>) -> (usize, usize, usize) {
    let start = output * window.stride[axis];
    let from = start.saturating_sub(window.pad[axis]);
    let end = (start + window.kernel[axis]).saturating_sub(window.pad[axis]).min(window.input[axis]);
    let counted = match divisor {
        Some(d) if d.count_pad => (start + window.kernel[axis]).min(d.end[axis]) - start,
        _ => end.saturating_sub(from),
    };
    (from, end, counted)
}

/// Calls `f(output, input)` for every output and every input its window sees, in the order of the window.
#[inline(always)]
fn walk(window: &Window, mut f: impl FnMut(usize, usize)) {
    let mut out = 0;
    for od in 0..window.output[0] {
        for oh in 0..window.output[1] {
            for ow in 0..window.output[2] {
                for d in (0..window.kernel[0]).filter_map(|k| window.at(0, od, k)) {
                    for h in (0..window.kernel[1]).filter_map(|k| window.at(1, oh, k)) {
                        let row = (d * window.input[1] + h) * window.input[2];
                        for w in (0..window.kernel[2]).filter_map(|k| window.at(2, ow, k)) {
                            f(out, row + w);
                        }
                    }
                }
                out += 1;
            }
        }
    }
}

/// Calls `f(output, start of the input row, columns)` for every output and every input row it sees; then `end(output,
/// elements that count)`. Windows of pools of means have no dilation.
#[inline(always)]
fn mean_windows(window: &Window, divisor: &Divisor, mut f: impl FnMut(usize, core::ops::Range<usize>, f32)) {
    let mut out = 0;
    for od in 0..window.output[0] {
        let (d0, d1, dn) = seen(window, 0, od, Some(divisor));
        for oh in 0..window.output[1] {
            let (h0, h1, hn) = seen(window, 1, oh, Some(divisor));
            for ow in 0..window.output[2] {
                let (w0, w1, wn) = seen(window, 2, ow, Some(divisor));
                let share = 1.0 / (dn * hn * wn) as f32;
                for d in d0..d1 {
                    for h in h0..h1 {
                        let row = (d * window.input[1] + h) * window.input[2];
                        f(out, row + w0..row + w1, share);
                    }
                }
                out += 1;
            }
        }
    }
}

/// Whether windows are 2×2, side by side, over even rows and columns: by far the most frequent pool.
#[inline(always)]
fn halves(window: &Window) -> bool {
    window.kernel == [1, 2, 2]
        && window.stride[1..] == [2, 2]
        && window.pad == [0, 0, 0]
        && window.dilation == [1, 1, 1]
        && window.output[0] == window.input[0]
        && window.output[1] * 2 <= window.input[1]
        && window.output[2] * 2 <= window.input[2]
}

/// `f(a, b, c, d)` of each 2×2 window.
#[inline(always)]
fn each_half(window: &Window, x: &[f32], y: &mut [f32], f: impl Fn(f32, f32, f32, f32) -> f32) {
    let (width, out) = (window.input[2], window.output[2]);
    for (row, y) in y.chunks_exact_mut(out).enumerate() {
        let start = (row / window.output[1] * window.input[1] + row % window.output[1] * 2) * width;
        let upper = x[start..start + 2 * out].chunks_exact(2);
        let lower = x[start + width..start + width + 2 * out].chunks_exact(2);
        for (y, (a, b)) in y.iter_mut().zip(upper.zip(lower)) {
            *y = f(a[0], a[1], b[0], b[1]);
        }
    }
}

/// The larger one; NaN wins, so that it is not lost.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

per_isa! {
    /// The largest element of each window.
    pub fn max_pool(window: &Window, x: &[f32], y: &mut [f32]) {
        let planes = x.chunks_exact(window.input_len()).zip(y.chunks_exact_mut(window.output_len()));
        for (x, y) in planes {
            if halves(window) {
                each_half(window, x, y, |a, b, c, d| larger(larger(a, b), larger(c, d)));
            } else {
                y.fill(f32::NEG_INFINITY);
                walk(window, |out, at| y[out] = larger(y[out], x[at]));
            }
        }
    }

    /// The gradient of [`max_pool`](Self::max_pool): to the first largest element of each window.
    pub fn max_pool_grad(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let planes = dx.chunks_exact_mut(window.input_len()).zip(dy.chunks_exact(window.output_len()));
        for (x, (dx, dy)) in x.chunks_exact(window.input_len()).zip(planes) {
            let (mut best, mut place, mut under_way) = (f32::NEG_INFINITY, 0, 0);
            walk(window, |out, at| {
                if out != under_way {
                    dx[place] += dy[under_way];
                    (best, place, under_way) = (f32::NEG_INFINITY, at, out);
                }
                if x[at] > best {
                    (best, place) = (x[at], at);
                }
            });
            dx[place] += dy[under_way];
        }
    }

    /// The mean of each window.
    pub fn avg_pool(window: &Window, divisor: &Divisor, x: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks_exact(window.input_len()).zip(y.chunks_exact_mut(window.output_len())) {
            if halves(window) {
                each_half(window, x, y, |a, b, c, d| (a + b + c + d) * 0.25);
            } else {
                y.fill(0.0);
                mean_windows(window, divisor, |out, row, share| y[out] += x[row].iter().sum::<f32>() * share);
            }
        }
    }

    /// The gradient of [`avg_pool`](Self::avg_pool).
    pub fn avg_pool_grad(window: &Window, divisor: &Divisor, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(window.input_len()).zip(dy.chunks_exact(window.output_len())) {
            if halves(window) {
                let (width, out) = (window.input[2], window.output[2]);
                for (row, dy) in dy.chunks_exact(out).enumerate() {
                    let start = (row / window.output[1] * window.input[1] + row % window.output[1] * 2) * width;
                    for half in [start, start + width] {
                        for (dx, dy) in dx[half..half + 2 * out].chunks_exact_mut(2).zip(dy) {
                            let share = dy * 0.25;
                            (dx[0], dx[1]) = (share, share);
                        }
                    }
                }
            } else {
                mean_windows(window, divisor, |out, row, share| {
                    let share = dy[out] * share;
                    for dx in &mut dx[row] {
                        *dx += share;
                    }
                });
            }
        }
    }
}
