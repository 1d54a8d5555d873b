//! Losses of one image and their gradients by the prediction.

use super::math::{exp, ln};
use crate::Batch;
use crate::isa::per_isa;

/// Logarithms of probabilities count down to this.
const LEAST_LOG: f32 = -100.0;
/// p (1 − p) counts down to this in gradients.
const LEAST_VARIANCE: f32 = 1e-12;

/// The mean of one number per image.
pub fn batch_mean(x: Batch<'_>) -> f32 {
    let sum: f64 = x.images().map(|image| f64::from(image[0])).sum();
    (sum / x.count() as f64) as f32
}

#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    x.iter().fold(f32::NEG_INFINITY, |m, x| if *x > m { *x } else { m })
}

/// Softmax into `y`; returns the largest score and the logarithm of the sum above it.
#[inline(always)]
fn softmax_into(x: &[f32], y: &mut [f32]) -> (f32, f32) {
    let most = largest(x);
    let mut sum = 0.0;
    for (y, x) in y.iter_mut().zip(x) {
        *y = exp(x - most);
        sum += *y;
    }
    let scale = 1.0 / sum;
    for y in y {
        *y *= scale;
    }
    (most, ln(sum))
}

per_isa! {
    /// −log softmax(logits)\[label\].
    pub fn cross_entropy(logits: &[f32], label: u32) -> f32 {
        let most = largest(logits);
        let sum: f32 = logits.iter().map(|x| exp(x - most)).sum();
        ln(sum) + most - logits[label as usize]
    }

    /// Its gradient: (softmax − one-hot) · upstream.
    pub fn cross_entropy_grad(logits: &[f32], label: u32, upstream: f32, dx: &mut [f32]) {
        softmax_into(logits, dx);
        dx[label as usize] -= 1.0;
        for dx in dx {
            *dx *= upstream;
        }
    }

    /// Both at once: the gradient times `scale`, and the loss behind it.
    pub fn softmax_cross_entropy(logits: &[f32], label: u32, scale: f32, y: &mut [f32]) {
        let (dx, loss) = y.split_at_mut(logits.len());
        let (most, log_sum) = softmax_into(logits, dx);
        dx[label as usize] -= 1.0;
        for dx in dx {
            *dx *= scale;
        }
        loss[0] = log_sum + most - logits[label as usize];
    }

    /// The mean of (x − t)².
    pub fn mse(x: &[f32], t: &[f32]) -> f32 {
        let sum: f64 = x.iter().zip(t).map(|(x, t)| f64::from((x - t) * (x - t))).sum();
        (sum / x.len() as f64) as f32
    }

    /// Its gradient.
    pub fn mse_grad(x: &[f32], t: &[f32], upstream: f32, dx: &mut [f32]) {
        let scale = 2.0 * upstream / x.len() as f32;
        for ((dx, x), t) in dx.iter_mut().zip(x).zip(t) {
            *dx = (x - t) * scale;
        }
    }

    /// The mean of −t·log p − (1 − t)·log(1 − p), logarithms not below −100.
    pub fn binary_cross_entropy(p: &[f32], t: &[f32]) -> f32 {
        let log = |p: f32| ln(p).max(LEAST_LOG);
        let sum: f64 = p.iter().zip(t).map(|(p, t)| f64::from(t * log(*p) + (1.0 - t) * log(1.0 - p))).sum();
        (-sum / p.len() as f64) as f32
    }

    /// Its gradient.
    pub fn binary_cross_entropy_grad(p: &[f32], t: &[f32], upstream: f32, dx: &mut [f32]) {
        let scale = upstream / p.len() as f32;
        for ((dx, p), t) in dx.iter_mut().zip(p).zip(t) {
            *dx = (p - t) / (p * (1.0 - p)).max(LEAST_VARIANCE) * scale;
        }
    }
}
