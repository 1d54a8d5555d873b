//! Losses of one image and their gradients by the prediction.

use super::math::{exp, ln};
use super::sums::{largest, sum, sum_pairs};
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

/// Softmax into `y`; returns the largest score and the logarithm of the sum above it.
#[inline(always)]
fn softmax_into(x: &[f32], y: &mut [f32]) -> (f32, f32) {
    let most = largest(x);
    for (y, x) in y.iter_mut().zip(x) {
        *y = exp(x - most);
    }
    let total = sum(y, |y| y) as f32;
    let scale = 1.0 / total;
    for y in y {
        *y *= scale;
    }
    (most, ln(total))
}

/// Probabilities less the one of the label. That of the label becomes minus the sum of the others: p − 1 has few digits where
/// p is nearly 1.
#[inline(always)]
fn less_one_hot(p: &mut [f32], label: usize) {
    p[label] = 0.0;
    p[label] = -sum(p, |p| p) as f32;
}

/// The logarithm of a probability, not below -100; NaN stays NaN.
#[inline(always)]
fn log(p: f32) -> f32 {
    let log = ln(p);
    if log < LEAST_LOG { LEAST_LOG } else { log }
}

per_isa! {
    /// −log softmax(logits)\[label\].
    pub fn cross_entropy(logits: &[f32], label: u32) -> f32 {
        let most = largest(logits);
        let total = sum(logits, |x| exp(x - most)) as f32;
        // The difference first: next to a large score the logarithm would be rounded away.
        ln(total) + (most - logits[label as usize])
    }

    /// Its gradient: (softmax − one-hot) · upstream.
    pub fn cross_entropy_grad(logits: &[f32], label: u32, upstream: f32, dx: &mut [f32]) {
        softmax_into(logits, dx);
        less_one_hot(dx, label as usize);
        for dx in dx {
            *dx *= upstream;
        }
    }

    /// Both at once: the gradient times `scale`, and the loss behind it.
    pub fn softmax_cross_entropy(logits: &[f32], label: u32, scale: f32, y: &mut [f32]) {
        let (dx, loss) = y.split_at_mut(logits.len());
        let (most, log_sum) = softmax_into(logits, dx);
        less_one_hot(dx, label as usize);
        for dx in dx {
            *dx *= scale;
        }
        loss[0] = log_sum + (most - logits[label as usize]);
    }

    /// The mean of (x − t)².
    pub fn mse(x: &[f32], t: &[f32]) -> f32 {
        (sum_pairs(x, t, |x, t| (x - t) * (x - t)) / x.len() as f64) as f32
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
        (-sum_pairs(p, t, |p, t| t * log(p) + (1.0 - t) * log(1.0 - p)) / p.len() as f64) as f32
    }

    /// Its gradient by the probability.
    pub fn binary_cross_entropy_grad(p: &[f32], t: &[f32], upstream: f32, dx: &mut [f32]) {
        let scale = upstream / p.len() as f32;
        for ((dx, p), t) in dx.iter_mut().zip(p).zip(t) {
            *dx = (p - t) / (p * (1.0 - p)).max(LEAST_VARIANCE) * scale;
        }
    }

    /// Its gradient by the target: (log(1 − p) − log p) / n.
    pub fn binary_cross_entropy_target_grad(p: &[f32], upstream: f32, dt: &mut [f32]) {
        let scale = upstream / p.len() as f32;
        for (dt, p) in dt.iter_mut().zip(p) {
            *dt = (log(1.0 - p) - log(*p)) * scale;
        }
    }
}

#[cfg(test)]
mod tests;
