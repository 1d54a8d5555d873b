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

    /// Of each channel of one image its mean and Σ(x − mean)², in two passes: pairs.
    pub fn moments(places: usize, x: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks_exact(places).zip(y.chunks_exact_mut(2)) {
            let centre = (sum(x, |x| x) / places as f64) as f32;
            (y[0], y[1]) = (centre, sum(x, |x| (x - centre) * (x - centre)) as f32);
        }
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

    /// Σdy and Σdy·x̂ of each channel of one image: pairs.
    pub fn normalize_sums(stats: &[f32], eps: f32, places: usize, x: &[f32], dy: &[f32], y: &mut [f32]) {
        let planes = x.chunks_exact(places).zip(dy.chunks_exact(places));
        for ((stats, (x, dy)), y) in stats.chunks_exact(2).zip(planes).zip(y.chunks_exact_mut(2)) {
            let (mean, scale) = (stats[0], 1.0 / sqrt(stats[1] + eps));
            y[0] = sum(dy, |dy| dy) as f32;
            y[1] = sum_pairs(x, dy, |x, dy| (x - mean) * scale * dy) as f32;
        }
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

/// Mean and biased variance of channels over a batch: pairs, as many as `y` holds, from those of each image that
/// [`Isa::moments`](crate::Isa::moments) makes, of channel `first` and those after it.
///
/// Chan, Golub & LeVeque 1983: sums of squares around means of parts are put together without loss of digits.
pub fn batch_stats(moments: Batch<'_>, first: usize, places: usize, y: &mut [f32]) {
    let images = moments.count() as f64;
    for (c, y) in y.chunks_exact_mut(2).enumerate() {
        let pairs = || moments.images().map(|m| [2 * (first + c), 2 * (first + c) + 1].map(|i| f64::from(m[i])));
        let mean = pairs().map(|[mean, _]| mean).sum::<f64>() / images;
        let within: f64 = pairs().map(|[_, squares]| squares).sum();
        let between: f64 = pairs().map(|[image, _]| (image - mean) * (image - mean)).sum();
        (y[0], y[1]) = (mean as f32, (within / (images * places as f64) + between / images) as f32);
    }
}

/// Of pairs of sums of each image their sums over the batch, and both divided by the number of elements: rows of four, as
/// many as `y` holds, of channel `first` and those after it.
pub fn batch_sums(sums: Batch<'_>, first: usize, places: usize, y: &mut [f32]) {
    let count = (sums.count() * places) as f64;
    for (c, y) in y.chunks_exact_mut(4).enumerate() {
        for of in 0..2 {
            let total: f64 = sums.images().map(|image| f64::from(image[2 * (first + c) + of])).sum();
            (y[of], y[2 + of]) = (total as f32, (total / count) as f32);
        }
    }
}

#[cfg(test)]
mod tests;
