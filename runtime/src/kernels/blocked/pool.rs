//! Pools of blocked tensors.

use super::{BLOCK, extent, per_vector};
use crate::isa::per_isa;
use crate::kernels::{Divisor, Window};
use crate::simd::Vector;

type Lanes = [f32; BLOCK];

#[inline(always)]
fn lanes(x: &[f32], pixel: usize) -> &Lanes {
    x[pixel * BLOCK..][..BLOCK].try_into().expect("sixteen lanes")
}

/// What the window of an output sees of one axis: the first element inside, and how many.
#[inline(always)]
fn seen_axis(window: &Window, axis: usize, output: usize) -> (usize, usize) {
    let (dilation, start) = (window.dilation[axis], output * window.stride[axis]);
    let from = window.pad[axis].saturating_sub(start).div_ceil(dilation).min(window.kernel[axis]);
    let end = (window.input[axis] + window.pad[axis]).saturating_sub(start).div_ceil(dilation);
    (from, end.clamp(from, window.kernel[axis]))
}

/// Calls `f(pixel of the input, element of the window)` for what the window of an output sees.
#[inline(always)]
fn seen(window: &Window, at: [usize; 3], mut f: impl FnMut(usize, usize)) {
    let [depths, heights, widths] = [0, 1, 2].map(|axis| seen_axis(window, axis, at[axis]));
    let place = |axis: usize, k: usize| at[axis] * window.stride[axis] + k * window.dilation[axis] - window.pad[axis];
    for d in depths.0..depths.1 {
        for h in heights.0..heights.1 {
            let row = (place(0, d) * window.input[1] + place(1, h)) * window.input[2];
            for w in widths.0..widths.1 {
                f(row + place(2, w), (d * window.kernel[1] + h) * window.kernel[2] + w);
            }
        }
    }
}

/// Calls `f(position in y, place on each axis)` for some pixels of the output from `first` on.
#[inline(always)]
fn outputs(window: &Window, first: usize, count: usize, mut f: impl FnMut(usize, [usize; 3])) {
    let [_, height, width] = window.output;
    let mut at = [first / (height * width), first / width % height, first % width];
    for i in 0..count {
        f(i, at);
        at[2] += 1;
        if at[2] == width {
            (at[1], at[2]) = (at[1] + 1, 0);
            if at[1] == height {
                (at[0], at[1]) = (at[0] + 1, 0);
            }
        }
    }
}

fn check(window: &Window, first: usize, x: &[f32], y: &[f32]) {
    let [depth, height, width] = window.input;
    assert!(x.len() >= extent([[depth, height, width, BLOCK]]), "input of the pool");
    assert!(first + y.len() / BLOCK <= window.output_len(), "output of the pool");
}

per_vector! {
    /// The largest elements of some windows from the one of output pixel `first` on, for one block of channels.
    pub fn blocked_max_pool(window: &Window, first: usize, x: &[f32], y: &mut [f32]) = max_pool,
        where check(window, first, x, y);

    /// The gradient of a maximum, to the first largest element, for one block of channels.
    pub fn blocked_max_pool_grad(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) = max_pool_grad, where {
        check(window, 0, x, &dy[..window.output_len() * BLOCK]);
        assert!(dx.len() >= window.input_len() * BLOCK, "gradient of the pool");
    };
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`check`] asks for.
#[inline(always)]
unsafe fn max_pool<V: Vector, const G: usize>(window: &Window, first: usize, x: &[f32], y: &mut [f32]) {
    // Loops and no closures: those would be compiled without the vector's instructions.
    let [_, height, width] = window.output;
    let place =
        |axis: usize, at: usize, k: usize| at * window.stride[axis] + k * window.dilation[axis] - window.pad[axis];
    let (mut pixel, mut to, end) = (first, y.as_mut_ptr(), first + y.len() / BLOCK);
    while pixel < end {
        let (depth, row, start) = (pixel / (height * width), pixel / width % height, pixel % width);
        let (depths, heights) = (seen_axis(window, 0, depth), seen_axis(window, 1, row));
        for column in start..width.min(start + end - pixel) {
            let widths = seen_axis(window, 2, column);
            // SAFETY: what a window sees is inside the input, and the pixel is one of `y`'s.
            unsafe {
                let mut best = [V::splat(f32::NEG_INFINITY); G];
                for d in depths.0..depths.1 {
                    for h in heights.0..heights.1 {
                        let line = (place(0, depth, d) * window.input[1] + place(1, row, h)) * window.input[2];
                        for w in widths.0..widths.1 {
                            let from = x.as_ptr().add((line + place(2, column, w)) * BLOCK);
                            for (g, best) in best.iter_mut().enumerate() {
                                *best = best.max(V::load(from.add(g * V::LANES)));
                            }
                        }
                    }
                }
                for (g, best) in best.into_iter().enumerate() {
                    best.store(to.add(g * V::LANES));
                }
                to = to.add(BLOCK);
            }
        }
        pixel += width - start;
    }
}

/// # Safety
/// The vector's instructions are there, `x` and `dx` hold the input and `dy` the output of the window.
#[inline(always)]
unsafe fn max_pool_grad<V: Vector, const G: usize>(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let [depth, height, width] = window.output;
    let place =
        |axis: usize, at: usize, k: usize| at * window.stride[axis] + k * window.dilation[axis] - window.pad[axis];
    let (x, mut dy, dx) = (x.as_ptr(), dy.as_ptr(), dx.as_mut_ptr());
    for row in 0..depth * height {
        let (at_depth, at_row) = (row / height, row % height);
        let (depths, heights) = (seen_axis(window, 0, at_depth), seen_axis(window, 1, at_row));
        for column in 0..width {
            let widths = seen_axis(window, 2, column);
            // What a window sees is a few runs of pixels. Twice over them: for the largest, then for the first like it.
            for g in 0..G {
                let lane = g * V::LANES;
                // SAFETY: what a window sees is inside the input, and the pixel is one of `dy`'s.
                unsafe {
                    let mut best = V::splat(f32::NEG_INFINITY);
                    let mut left = V::load(dy.add(lane));
                    for second in [false, true] {
                        for d in depths.0..depths.1 {
                            for h in heights.0..heights.1 {
                                let line =
                                    (place(0, at_depth, d) * window.input[1] + place(1, at_row, h)) * window.input[2];
                                for w in widths.0..widths.1 {
                                    let pixel = (line + place(2, column, w)) * BLOCK + lane;
                                    let value = V::load(x.add(pixel));
                                    if second {
                                        let given = left.where_equal(value, best);
                                        left = left.sub(given);
                                        V::load(dx.add(pixel)).add(given).store(dx.add(pixel));
                                    } else {
                                        best = best.max(value);
                                    }
                                }
                            }
                        }
                    }
                }
            }
            dy = dy.wrapping_add(BLOCK);
        }
    }
}

per_isa! {
    /// The means of some windows from the one of output pixel `first` on, for one block of channels.
    pub fn blocked_avg_pool(window: &Window, divisor: &Divisor, first: usize, x: &[f32], y: &mut [f32]) {
        outputs(window, first, y.len() / BLOCK, |i, at| {
            let mut sum = [0.0_f32; BLOCK];
            seen(window, at, |pixel, _| {
                for (sum, x) in sum.iter_mut().zip(lanes(x, pixel)) {
                    *sum += x;
                }
            });
            let factor = 1.0 / divisor.of(window, at) as f32;
            for (y, sum) in y[i * BLOCK..][..BLOCK].iter_mut().zip(&sum) {
                *y = sum * factor;
            }
        });
    }

    /// The gradient of a mean, for one block of channels.
    pub fn blocked_avg_pool_grad(window: &Window, divisor: &Divisor, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        outputs(window, 0, window.output_len(), |i, at| {
            let factor = 1.0 / divisor.of(window, at) as f32;
            let mut share = *lanes(dy, i);
            share.iter_mut().for_each(|s| *s *= factor);
            seen(window, at, |pixel, _| {
                for (dx, share) in dx[pixel * BLOCK..][..BLOCK].iter_mut().zip(&share) {
                    *dx += share;
                }
            });
        });
    }
}
