//! Batch normalisation.

use super::math::sqrt;
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

/// Σ f(x, y) in sixteen lanes, for one run.
#[inline(always)]
fn lanes(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut sums = [0.0_f32; 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| f(*x, *y)).sum();
    for (x, y) in xs.zip(ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += f(*x, *y);
        }
    }
    sums.iter().map(|s| f64::from(*s)).sum::<f64>() + f64::from(rest)
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
        let sum: f64 = x.images().map(|image| lanes(&image[run.clone()], &image[run.clone()], |x, _| x)).sum();
        let mean = sum / count;
        let centre = mean as f32;
        let squares = |image: &[f32]| lanes(&image[run.clone()], &image[run.clone()], |x, _| (x - centre) * (x - centre));
        let variance = x.images().map(squares).sum::<f64>() / count - (mean - f64::from(centre)) * (mean - f64::from(centre));
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
        let (mut sum, mut product) = (0.0_f64, 0.0_f64);
        for (x, dy) in x.images().zip(dy.images()) {
            let (x, dy) = (&x[run.clone()], &dy[run.clone()]);
            sum += lanes(x, dy, |_, dy| dy);
            product += lanes(x, dy, |x, dy| (x - mean) * scale * dy);
        }
        let count = (x.count() * places) as f64;
        (y[0], y[1]) = (sum as f32, product as f32);
        (y[2], y[3]) = ((sum / count) as f32, (product / count) as f32);
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
