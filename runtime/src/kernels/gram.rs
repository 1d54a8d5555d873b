//! Products of all pairs of channels.

use super::sums::sum_pairs;
use crate::isa::per_isa;

per_isa! {
    /// y = x xᵀ, where rows of x are channels.
    pub fn gram(channels: usize, x: &[f32], y: &mut [f32]) {
        let places = x.len() / channels;
        for (i, a) in x.chunks_exact(places).enumerate() {
            for (j, b) in x.chunks_exact(places).enumerate().take(i + 1) {
                let product = sum_pairs(a, b, |a, b| a * b) as f32;
                (y[i * channels + j], y[j * channels + i]) = (product, product);
            }
        }
    }

    /// The gradient of [`gram`](Self::gram): dx = (dy + dyᵀ) x.
    pub fn gram_grad(channels: usize, dy: &[f32], x: &[f32], dx: &mut [f32]) {
        let places = x.len() / channels;
        for (i, dx) in dx.chunks_exact_mut(places).enumerate() {
            dx.fill(0.0);
            for (j, x) in x.chunks_exact(places).enumerate() {
                let weight = dy[i * channels + j] + dy[j * channels + i];
                dx.iter_mut().zip(x).for_each(|(dx, x)| *dx += weight * x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers, wide};
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_loops(channels in 1_usize..9, places in 1_usize..40, seed: u64) {
            let (x, dy) = (numbers(seed, channels * places), numbers(seed ^ 1, channels * channels));
            let (a, b) = (wide(&x), wide(&dy));
            let pair = |i: usize, j: usize| (0..places).map(|p| a[i * places + p] * a[j * places + p]).sum::<f64>();
            let value: Vec<f64> = (0..dy.len()).map(|at| pair(at / channels, at % channels)).collect();
            let both = |i: usize, j: usize| b[i * channels + j] + b[j * channels + i];
            let slope = |i: usize, p: usize| (0..channels).map(|j| both(i, j) * a[j * places + p]).sum::<f64>();
            let gradient: Vec<f64> = (0..x.len()).map(|at| slope(at / places, at % places)).collect();
            for (isa, edge) in everywhere() {
                let (x, dy) = (edge.of(&x), edge.of(&dy));
                let (mut y, mut dx) = (edge.unset(dy.len()), edge.unset(x.len()));
                isa.gram(channels, &x, &mut y);
                assert_within(&y, &value, 2e-6, 1.0, &format!("{isa:?}"));
                isa.gram_grad(channels, &dy, &x, &mut dx);
                assert_within(&dx, &gradient, 2e-6, 1.0, &format!("{isa:?} gradient"));
            }
        }
    }
}
