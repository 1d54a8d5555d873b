//! Weights there, and their gradients back.

#![allow(clippy::needless_range_loop, reason = "rows and columns of small matrices are clearer by number")]

use super::super::{extent, per_vector};
use super::PAIRS;
use super::lines::{weights_back_line, weights_line};
use crate::simd::Vector;

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
