//! Softmax over channels, and its logarithm.

use super::math::{exp, ln};
use super::sums::{larger, largest, sum, sum_pairs};
use crate::isa::per_isa;

/// Places of space that are worked on at once: neighbours, so that each channel's share of them is one run.
const BLOCK: usize = 32;

/// Calls `f` with the first place and the number of places of each block.
#[inline(always)]
fn blocks(places: usize, mut f: impl FnMut(usize, usize)) {
    for first in (0..places).step_by(BLOCK) {
        f(first, BLOCK.min(places - first));
    }
}

per_isa! {
    /// Softmax over `channels`, for each place in space apart, in place.
    pub fn softmax(channels: usize, y: &mut [f32]) {
        let places = y.len() / channels;
        if places == 1 {
            let most = largest(y);
            y.iter_mut().for_each(|y| *y = exp(*y - most));
            let scale = (1.0 / sum(y, |y| y)) as f32;
            y.iter_mut().for_each(|y| *y *= scale);
            return;
        }
        blocks(places, |first, count| {
            let (mut most, mut sums) = ([f32::NEG_INFINITY; BLOCK], [0.0_f32; BLOCK]);
            let (most, sums) = (&mut most[..count], &mut sums[..count]);
            for y in y.chunks_exact(places) {
                most.iter_mut().zip(&y[first..]).for_each(|(most, y)| *most = larger(*most, *y));
            }
            for y in y.chunks_exact_mut(places) {
                for ((sum, most), y) in sums.iter_mut().zip(&*most).zip(&mut y[first..]) {
                    *y = exp(*y - most);
                    *sum += *y;
                }
            }
            sums.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
            for y in y.chunks_exact_mut(places) {
                sums.iter().zip(&mut y[first..]).for_each(|(scale, y)| *y *= scale);
            }
        });
    }

    /// The logarithm of [`softmax`](Self::softmax) over `channels`, for each place in space apart, in place.
    pub fn log_softmax(channels: usize, y: &mut [f32]) {
        let places = y.len() / channels;
        if places == 1 {
            let most = largest(y);
            let sum = ln(sum(y, |y| exp(y - most)) as f32);
            y.iter_mut().for_each(|y| *y = *y - most - sum);
            return;
        }
        blocks(places, |first, count| {
            let (mut most, mut sums) = ([f32::NEG_INFINITY; BLOCK], [0.0_f32; BLOCK]);
            let (most, sums) = (&mut most[..count], &mut sums[..count]);
            for y in y.chunks_exact(places) {
                most.iter_mut().zip(&y[first..]).for_each(|(most, y)| *most = larger(*most, *y));
            }
            for y in y.chunks_exact(places) {
                for ((sum, most), y) in sums.iter_mut().zip(&*most).zip(&y[first..]) {
                    *sum += exp(*y - most);
                }
            }
            sums.iter_mut().for_each(|sum| *sum = ln(*sum));
            for y in y.chunks_exact_mut(places) {
                for ((sum, most), y) in sums.iter().zip(&*most).zip(&mut y[first..]) {
                    *y = *y - most - sum;
                }
            }
        });
    }

    /// The gradient of [`log_softmax`](Self::log_softmax), from its value `y`; `dx` holds the gradient that arrives.
    pub fn log_softmax_grad(channels: usize, y: &[f32], dx: &mut [f32]) {
        let places = y.len() / channels;
        if places == 1 {
            let total = sum(dx, |dx| dx) as f32;
            dx.iter_mut().zip(y).for_each(|(dx, y)| *dx -= exp(*y) * total);
            return;
        }
        blocks(places, |first, count| {
            let mut totals = [0.0_f32; BLOCK];
            let totals = &mut totals[..count];
            for dx in dx.chunks_exact(places) {
                totals.iter_mut().zip(&dx[first..]).for_each(|(total, dx)| *total += dx);
            }
            for (y, dx) in y.chunks_exact(places).zip(dx.chunks_exact_mut(places)) {
                for ((total, y), dx) in totals.iter().zip(&y[first..]).zip(&mut dx[first..]) {
                    *dx -= exp(*y) * total;
                }
            }
        });
    }

    /// The gradient of [`softmax`](Self::softmax), from its value `y`; `dx` holds the gradient that arrives.
    pub fn softmax_grad(channels: usize, y: &[f32], dx: &mut [f32]) {
        let places = y.len() / channels;
        if places == 1 {
            let dot = sum_pairs(y, dx, |y, dx| y * dx) as f32;
            dx.iter_mut().zip(y).for_each(|(dx, y)| *dx = y * (*dx - dot));
            return;
        }
        blocks(places, |first, count| {
            let mut dots = [0.0_f32; BLOCK];
            let dots = &mut dots[..count];
            for (y, dx) in y.chunks_exact(places).zip(dx.chunks_exact(places)) {
                for ((dot, y), dx) in dots.iter_mut().zip(&y[first..]).zip(&dx[first..]) {
                    *dot += y * dx;
                }
            }
            for (y, dx) in y.chunks_exact(places).zip(dx.chunks_exact_mut(places)) {
                for ((dot, y), dx) in dots.iter().zip(&y[first..]).zip(&mut dx[first..]) {
                    *dx = y * (*dx - dot);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
