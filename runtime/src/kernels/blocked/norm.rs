//! Batch normalisation of blocked tensors by the statistics of the batch, and sums over channels.

use super::BLOCK;
use crate::Batch;
use crate::isa::per_isa;
use crate::kernels::NormalizeGrad;
use crate::kernels::math::sqrt;

/// Pixels whose sums stay in `f32` before they go to `f64`.
const CHUNK: usize = 256;

/// Adds up what `f(pixel of the chunk, sums)` adds, over the pixels of a block of channels of all images.
#[inline(always)]
fn sums<const N: usize>(
    block: usize,
    places: usize,
    x: Batch<'_>,
    dy: Batch<'_>,
    mut f: impl FnMut(&[f32], &[f32], &mut [[f32; BLOCK]; N]),
) -> [[f64; BLOCK]; N] {
    let mut total = [[0.0_f64; BLOCK]; N];
    let range = block * places * BLOCK..(block + 1) * places * BLOCK;
    for (x, dy) in x.images().zip(dy.images()) {
        let (x, dy) = (&x[range.clone()], &dy[range.clone()]);
        for (x, dy) in x.chunks(CHUNK * BLOCK).zip(dy.chunks(CHUNK * BLOCK)) {
            let mut sums = [[0.0_f32; BLOCK]; N];
            f(x, dy, &mut sums);
            for (total, sums) in total.iter_mut().flatten().zip(sums.iter().flatten()) {
                *total += f64::from(*sums);
            }
        }
    }
    total
}

#[inline(always)]
fn padded(values: &[f32], first: usize, step: usize, offset: usize) -> [f32; BLOCK] {
    core::array::from_fn(|c| values.get((first + c) * step + offset).copied().unwrap_or(0.0))
}

per_isa! {
    /// Mean and variance of the channels of one block: as many pairs as `y` holds.
    pub fn blocked_batch_stats(x: Batch<'_>, block: usize, places: usize, y: &mut [f32]) {
        let count = (x.count() * places) as f64;
        // About a first pixel, so that large means do not eat the digits of small variances.
        let shift: [f32; BLOCK] = core::array::from_fn(|c| x.image(0)[block * places * BLOCK + c]);
        let total = sums::<2>(block, places, x, x, |x, _, sums| {
            let [sum, squares] = sums;
            for x in x.chunks_exact(BLOCK) {
                for c in 0..BLOCK {
                    let d = x[c] - shift[c];
                    sum[c] += d;
                    squares[c] += d * d;
                }
            }
        });
        for (c, y) in y.chunks_exact_mut(2).enumerate() {
            let mean = total[0][c] / count;
            y[0] = (f64::from(shift[c]) + mean) as f32;
            y[1] = (total[1][c] / count - mean * mean).max(0.0) as f32;
        }
    }

    /// (x − mean) / √(var + eps) · weight + bias of one image, by a table of mean and variance.
    pub fn blocked_normalize(stats: &[f32], weight: &[f32], bias: &[f32], eps: f32, places: usize, x: &[f32], y: &mut [f32]) {
        for (block, (x, y)) in x.chunks_exact(places * BLOCK).zip(y.chunks_exact_mut(places * BLOCK)).enumerate() {
            let first = block * BLOCK;
            let (mean, var) = (padded(stats, first, 2, 0), padded(stats, first, 2, 1));
            let (weight, bias) = (padded(weight, first, 1, 0), padded(bias, first, 1, 0));
            let scale: [f32; BLOCK] = core::array::from_fn(|c| weight[c] / sqrt(var[c] + eps));
            for (x, y) in x.chunks_exact(BLOCK).zip(y.chunks_exact_mut(BLOCK)) {
                for c in 0..BLOCK {
                    y[c] = (x[c] - mean[c]) * scale[c] + bias[c];
                }
            }
        }
    }

    /// Σdy, Σdy·x̂ and both as means for the channels of one block: as many rows of four as `y` holds.
    pub fn blocked_normalize_sums(x: Batch<'_>, stats: &[f32], dy: Batch<'_>, block: usize, eps: f32, places: usize, y: &mut [f32]) {
        let count = (x.count() * places) as f64;
        let (mean, var) = (padded(stats, block * BLOCK, 2, 0), padded(stats, block * BLOCK, 2, 1));
        let total = sums::<2>(block, places, x, dy, |x, dy, sums| {
            let [sum, products] = sums;
            for (x, dy) in x.chunks_exact(BLOCK).zip(dy.chunks_exact(BLOCK)) {
                for c in 0..BLOCK {
                    sum[c] += dy[c];
                    products[c] += dy[c] * (x[c] - mean[c]);
                }
            }
        });
        for (c, y) in y.chunks_exact_mut(4).enumerate() {
            let product = total[1][c] / f64::from(sqrt(var[c] + eps));
            (y[0], y[1]) = (total[0][c] as f32, product as f32);
            (y[2], y[3]) = ((total[0][c] / count) as f32, (product / count) as f32);
        }
    }

    /// The gradient of [`blocked_normalize`](Self::blocked_normalize) by its input, of one image.
    pub fn blocked_normalize_grad(norm: &NormalizeGrad<'_>, places: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let images = x.chunks_exact(places * BLOCK).zip(dy.chunks_exact(places * BLOCK));
        for (block, ((x, dy), dx)) in images.zip(dx.chunks_exact_mut(places * BLOCK)).enumerate() {
            let first = block * BLOCK;
            let (mean, var) = (padded(norm.stats, first, 2, 0), padded(norm.stats, first, 2, 1));
            let (mean_dy, mean_dyx) = (padded(norm.sums, first, 4, 2), padded(norm.sums, first, 4, 3));
            let weight = padded(norm.weight, first, 1, 0);
            let scale: [f32; BLOCK] = core::array::from_fn(|c| 1.0 / sqrt(var[c] + norm.eps));
            let factor: [f32; BLOCK] = core::array::from_fn(|c| weight[c] * scale[c]);
            let slope: [f32; BLOCK] = core::array::from_fn(|c| scale[c] * mean_dyx[c]);
            for ((x, dy), dx) in x.chunks_exact(BLOCK).zip(dy.chunks_exact(BLOCK)).zip(dx.chunks_exact_mut(BLOCK)) {
                for c in 0..BLOCK {
                    dx[c] = factor[c] * (dy[c] - mean_dy[c] - (x[c] - mean[c]) * slope[c]);
                }
            }
        }
    }

    /// The sums of the channels of one block over images and space: as many as `y` holds.
    pub fn blocked_channel_sum(dy: Batch<'_>, block: usize, places: usize, y: &mut [f32]) {
        let total = sums::<1>(block, places, dy, dy, |x, _, sums| {
            for x in x.chunks_exact(BLOCK) {
                for (sum, x) in sums[0].iter_mut().zip(x) {
                    *sum += x;
                }
            }
        });
        y.iter_mut().zip(&total[0]).for_each(|(y, sum)| *y = *sum as f32);
    }
}
