//! Batch normalisation.

use super::math::sqrt;
use super::sums::{sum, sum_pairs};
use crate::Batch;
use crate::isa::per_isa;

/// Running statistics and weights of a batch normalisation, by channel.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    /// Running mean.
    pub mean: &'a [f32],
    /// Running variance.
    pub variance: &'a [f32],
    /// Factor.
    pub weight: &'a [f32],
    /// Offset.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// What the gradient by the input is made of, by channel: tables of 2 and of 4 columns, see the compiler's `batch_norm`.
#[derive(Clone, Copy, Debug)]
pub struct NormalizeGrad<'a> {
    /// Mean and variance.
    pub stats: &'a [f32],
    /// Factor.
    pub weight: &'a [f32],
    /// Σdy, Σdy·x̂ and both as means.
    pub sums: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// y = x · scale + shift.
#[inline(always)]
fn affine(scale: f32, shift: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x * scale + shift;
    }
}

per_isa! {
    /// Normalises by running statistics; `places` elements per channel.
    pub fn batch_norm(s: &Statistics<'_>, places: usize, x: &[f32], y: &mut [f32]) {
        for (c, (x, y)) in x.chunks_exact(places).zip(y.chunks_exact_mut(places)).enumerate() {
            let scale = s.weight[c] / sqrt(s.variance[c] + s.eps);
            affine(scale, s.bias[c] - s.mean[c] * scale, x, y);
        }
    }

    /// The gradient of [`batch_norm`](Self::batch_norm) by its input.
    pub fn batch_norm_grad(weight: &[f32], variance: &[f32], eps: f32, places: usize, dy: &[f32], dx: &mut [f32]) {
        for (c, (dy, dx)) in dy.chunks_exact(places).zip(dx.chunks_exact_mut(places)).enumerate() {
            affine(weight[c] / sqrt(variance[c] + eps), 0.0, dy, dx);
        }
    }

    /// Mean and biased variance of one channel over images and space, in two passes.
    pub fn batch_stats(x: Batch<'_>, channel: usize, places: usize, y: &mut [f32]) {
        let count = (x.count() * places) as f64;
        let run = channel * places..(channel + 1) * places;
        let mean = x.images().map(|image| sum(&image[run.clone()], |x| x)).sum::<f64>() / count;
        let centre = mean as f32;
        let squares = x.images().map(|image| sum(&image[run.clone()], |x| (x - centre) * (x - centre))).sum::<f64>();
        // The squares are around the rounded mean, which is off by this much.
        let shift = mean - f64::from(centre);
        let variance = squares / count - shift * shift;
        y[0] = centre;
        y[1] = variance.max(0.0) as f32;
    }

    /// Normalises by the statistics of the batch.
    #[allow(clippy::too_many_arguments, reason = "the operands of the layer and their shape")]
    pub fn normalize(stats: &[f32], weight: &[f32], bias: &[f32], eps: f32, places: usize, x: &[f32], y: &mut [f32]) {
        for (c, (x, y)) in x.chunks_exact(places).zip(y.chunks_exact_mut(places)).enumerate() {
            let (mean, scale) = (stats[2 * c], weight[c] / sqrt(stats[2 * c + 1] + eps));
            for (y, x) in y.iter_mut().zip(x) {
                *y = (x - mean) * scale + bias[c];
            }
        }
    }

    /// Σdy, Σdy·x̂ of one channel, and both divided by the number of elements.
    #[allow(clippy::too_many_arguments, reason = "the operands of the layer and their shape")]
    pub fn normalize_sums(
        x: Batch<'_>,
        stats: &[f32],
        dy: Batch<'_>,
        channel: usize,
        eps: f32,
        places: usize,
        y: &mut [f32],
    ) {
        let (mean, scale) = (stats[2 * channel], 1.0 / sqrt(stats[2 * channel + 1] + eps));
        let run = channel * places..(channel + 1) * places;
        let (mut total, mut product) = (0.0_f64, 0.0_f64);
        for (x, dy) in x.images().zip(dy.images()) {
            let (x, dy) = (&x[run.clone()], &dy[run.clone()]);
            total += sum(dy, |dy| dy);
            product += sum_pairs(x, dy, |x, dy| (x - mean) * scale * dy);
        }
        let count = (x.count() * places) as f64;
        (y[0], y[1]) = (total as f32, product as f32);
        (y[2], y[3]) = ((total / count) as f32, (product / count) as f32);
    }

    /// weight / √(var + eps) · (dy − mean dy − x̂ · mean dy·x̂).
    pub fn normalize_grad(g: &NormalizeGrad<'_>, places: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let planes = x.chunks_exact(places).zip(dy.chunks_exact(places)).zip(dx.chunks_exact_mut(places));
        for (c, ((x, dy), dx)) in planes.enumerate() {
            let (mean, scale) = (g.stats[2 * c], 1.0 / sqrt(g.stats[2 * c + 1] + g.eps));
            let (mean_dy, mean_product, factor) = (g.sums[4 * c + 2], g.sums[4 * c + 3], g.weight[c] * scale);
            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = factor * (dy - mean_dy - (x - mean) * scale * mean_product);
            }
        }
    }
}

#[cfg(test)]
mod tests;
