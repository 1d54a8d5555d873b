//! Pools of blocked tensors.

use super::{BLOCK, extent, per_vector};
use crate::kernels::{Divisor, Window};
use crate::simd::Vector;

/// What the window of an output sees of one axis: the first element inside, and how many.
#[inline(always)]
fn seen_axis(window: &Window, axis: usize, output: usize) -> (usize, usize) {
    let (dilation, start) = (window.dilation[axis], output * window.stride[axis]);
    let from = window.pad[axis].saturating_sub(start).div_ceil(dilation).min(window.kernel[axis]);
    let end = (window.input[axis] + window.pad[axis]).saturating_sub(start).div_ceil(dilation);
    (from, end.clamp(from, window.kernel[axis]))
}

/// The place on one axis of the input of element `k` of the window of an output; it is inside.
#[inline(always)]
fn place(window: &Window, axis: usize, output: usize, k: usize) -> usize {
    output * window.stride[axis] + k * window.dilation[axis] - window.pad[axis]
}

/// The first pixel of the input's row that row `k` of the window of an output sees, both with their depth.
#[inline(always)]
fn line(window: &Window, output: [usize; 2], k: [usize; 2]) -> usize {
    let [depth, row] = [0, 1].map(|axis| place(window, axis, output[axis], k[axis]));
    (depth * window.input[1] + row) * window.input[2]
}

fn check(window: &Window, first: usize, x: &[f32], y: &[f32]) {
    let [depth, height, width] = window.input;
    assert!(x.len() >= extent([[depth, height, width, BLOCK]]), "input of the pool");
    assert!(first + y.len() / BLOCK <= window.output_len(), "output of the pool");
}

fn check_grad(window: &Window, x: &[f32], dy: &[f32]) {
    check(window, 0, x, &dy[..window.output_len() * BLOCK]);
}

per_vector! {
    /// The largest elements of some windows from the one of output pixel `first` on, for one block of channels.
    pub fn blocked_max_pool(window: &Window, first: usize, x: &[f32], y: &mut [f32]) = max_pool,
        where check(window, first, x, y);

    /// The means of some windows from the one of output pixel `first` on, for one block of channels.
    pub fn blocked_avg_pool(window: &Window, divisor: &Divisor, first: usize, x: &[f32], y: &mut [f32]) = avg_pool,
        where check(window, first, x, y);

    /// The gradient of a maximum, to the first largest element, for one block of channels.
    pub fn blocked_max_pool_grad(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) = max_pool_grad, where {
        check_grad(window, x, dy);
        assert!(dx.len() >= window.input_len() * BLOCK, "gradient of the pool");
    };

    /// The gradient of a mean, for one block of channels.
    pub fn blocked_avg_pool_grad(window: &Window, divisor: &Divisor, dy: &[f32], dx: &mut [f32]) = avg_pool_grad,
        where check_grad(window, dx, dy);
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`check`] asks for.
#[inline(always)]
unsafe fn max_pool<V: Vector, const G: usize>(window: &Window, first: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { pool::<V, G>(window, None, first, x, y) }
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`check`] asks for.
#[inline(always)]
unsafe fn avg_pool<V: Vector, const G: usize>(
    window: &Window,
    divisor: &Divisor,
    first: usize,
    x: &[f32],
    y: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe { pool::<V, G>(window, Some(divisor), first, x, y) }
}

/// Means where there is a divisor, else maxima.
///
/// # Safety
/// The vector's instructions are there, and the slices hold what [`check`] asks for.
#[inline(always)]
unsafe fn pool<V: Vector, const G: usize>(
    window: &Window,
    divisor: Option<&Divisor>,
    first: usize,
    x: &[f32],
    y: &mut [f32],
) {
    // Loops and no closures: those would be compiled without the vector's instructions.
    let [_, height, width] = window.output;
    let (mut pixel, mut to, end) = (first, y.as_mut_ptr(), first + y.len() / BLOCK);
    let start = if divisor.is_some() { 0.0 } else { f32::NEG_INFINITY };
    while pixel < end {
        let (depth, row, column) = (pixel / (height * width), pixel / width % height, pixel % width);
        let (depths, heights) = (seen_axis(window, 0, depth), seen_axis(window, 1, row));
        for column in column..width.min(column + end - pixel) {
            let widths = seen_axis(window, 2, column);
            // SAFETY: what a window sees is inside the input, and the pixel is one of `y`'s.
            unsafe {
                let mut all = [V::splat(start); G];
                for d in depths.0..depths.1 {
                    for h in heights.0..heights.1 {
                        let line = line(window, [depth, row], [d, h]);
                        for w in widths.0..widths.1 {
                            let from = x.as_ptr().add((line + place(window, 2, column, w)) * BLOCK);
                            for (g, all) in all.iter_mut().enumerate() {
                                let value = V::load(from.add(g * V::LANES));
                                *all = if divisor.is_some() { all.add(value) } else { all.max(value) };
                            }
                        }
                    }
                }
                if let Some(divisor) = divisor {
                    let factor = V::splat(1.0 / divisor.of(window, [depth, row, column]) as f32);
                    for all in &mut all {
                        *all = all.mul(factor);
                    }
                }
                for (g, all) in all.into_iter().enumerate() {
                    all.store(to.add(g * V::LANES));
                }
                to = to.add(BLOCK);
            }
        }
        pixel += width - column;
    }
}

/// # Safety
/// The vector's instructions are there, `dx` holds the input and `dy` the output of the window.
#[inline(always)]
unsafe fn avg_pool_grad<V: Vector, const G: usize>(window: &Window, divisor: &Divisor, dy: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let [depth, height, width] = window.output;
    let (mut dy, dx) = (dy.as_ptr(), dx.as_mut_ptr());
    for row in 0..depth * height {
        let (depth, row) = (row / height, row % height);
        let (depths, heights) = (seen_axis(window, 0, depth), seen_axis(window, 1, row));
        for column in 0..width {
            let widths = seen_axis(window, 2, column);
            // SAFETY: what a window sees is inside the input, and the pixel is one of `dy`'s.
            unsafe {
                let factor = V::splat(1.0 / divisor.of(window, [depth, row, column]) as f32);
                let mut share = [V::zero(); G];
                for (g, share) in share.iter_mut().enumerate() {
                    *share = V::load(dy.add(g * V::LANES)).mul(factor);
                }
                for d in depths.0..depths.1 {
                    for h in heights.0..heights.1 {
                        let line = line(window, [depth, row], [d, h]);
                        for w in widths.0..widths.1 {
                            let to = dx.add((line + place(window, 2, column, w)) * BLOCK);
                            for (g, share) in share.iter().enumerate() {
                                let to = to.add(g * V::LANES);
                                V::load(to).add(*share).store(to);
                            }
                        }
                    }
                }
                dy = dy.add(BLOCK);
            }
        }
    }
}

/// # Safety
/// The vector's instructions are there, `x` and `dx` hold the input and `dy` the output of the window.
#[inline(always)]
unsafe fn max_pool_grad<V: Vector, const G: usize>(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let [depth, height, width] = window.output;
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
                                let line = line(window, [at_depth, at_row], [d, h]);
                                for w in widths.0..widths.1 {
                                    let pixel = (line + place(window, 2, column, w)) * BLOCK + lane;
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
