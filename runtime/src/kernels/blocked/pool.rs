//! Pools of blocked tensors.

use super::BLOCK;
use crate::isa::per_isa;
use crate::kernels::{Divisor, Window};

type Lanes = [f32; BLOCK];

#[inline(always)]
fn lanes(x: &[f32], pixel: usize) -> &Lanes {
    x[pixel * BLOCK..][..BLOCK].try_into().expect("sixteen lanes")
}

/// Calls `f(pixel of the input, element of the window)` for what the window of an output sees.
#[inline(always)]
fn seen(window: &Window, at: [usize; 3], mut f: impl FnMut(usize, usize)) {
    for d in 0..window.kernel[0] {
        let Some(depth) = window.at(0, at[0], d) else { continue };
        for h in 0..window.kernel[1] {
            let Some(height) = window.at(1, at[1], h) else { continue };
            for w in 0..window.kernel[2] {
                let Some(width) = window.at(2, at[2], w) else { continue };
                let pixel = (depth * window.input[1] + height) * window.input[2] + width;
                f(pixel, (d * window.kernel[1] + h) * window.kernel[2] + w);
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

per_isa! {
    /// The largest elements of some windows from the one of output pixel `first` on, for one block of channels.
    pub fn blocked_max_pool(window: &Window, first: usize, x: &[f32], y: &mut [f32]) {
        outputs(window, first, y.len() / BLOCK, |i, at| {
            let mut best = [f32::NEG_INFINITY; BLOCK];
            seen(window, at, |pixel, _| {
                for (best, x) in best.iter_mut().zip(lanes(x, pixel)) {
                    // So written, NaN is not lost.
                    *best = if *x <= *best { *best } else { *x };
                }
            });
            y[i * BLOCK..][..BLOCK].copy_from_slice(&best);
        });
    }

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

    /// The gradient of a maximum, to the first largest element, for one block of channels.
    pub fn blocked_max_pool_grad(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        outputs(window, 0, window.output_len(), |i, at| {
            let (mut best, mut which) = ([f32::NEG_INFINITY; BLOCK], [u32::MAX; BLOCK]);
            seen(window, at, |pixel, element| {
                let x = lanes(x, pixel);
                for lane in 0..BLOCK {
                    let larger = x[lane] > best[lane];
                    best[lane] = if larger { x[lane] } else { best[lane] };
                    which[lane] = if larger { element as u32 } else { which[lane] };
                }
            });
            let dy = lanes(dy, i);
            seen(window, at, |pixel, element| {
                let dx: &mut Lanes = (&mut dx[pixel * BLOCK..][..BLOCK]).try_into().expect("sixteen lanes");
                for lane in 0..BLOCK {
                    dx[lane] += if which[lane] == element as u32 { dy[lane] } else { 0.0 };
                }
            });
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
