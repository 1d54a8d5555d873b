//! Columns of an image brought to one length, or to one mean and variance.

use super::math::sqrt;
use super::sums::{sum, sum_pairs};
use crate::isa::per_isa;

/// What columns are brought to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// x / max(√Σx², eps)
    Length(f32),
    /// (x − mean) / √(variance + eps)
    Variance(f32),
}

/// Columns beside one another that are worked on at once.
const BLOCK: usize = 32;

/// What is taken off each element of some columns, and what it is multiplied by.
struct Columns {
    shift: [f32; BLOCK],
    scale: [f32; BLOCK],
}

impl Norm {
    /// The factor, from the sum of squares around the mean.
    #[inline(always)]
    fn scale(self, squares: f32, count: f32) -> f32 {
        match self {
            Self::Length(eps) => {
                let length = sqrt(squares);
                // So written, NaN stays NaN.
                1.0 / if length < eps { eps } else { length }
            }
            Self::Variance(eps) => 1.0 / sqrt(squares / count + eps),
        }
    }

    /// Of the column that is all of `x`.
    #[inline(always)]
    fn column(self, x: &[f32]) -> (f32, f32) {
        let count = x.len() as f64;
        let mean = if let Self::Variance(_) = self { sum(x, |x| x) / count } else { 0.0 };
        let shift = mean as f32;
        // The squares are around the rounded mean, which is off by this much.
        let off = mean - f64::from(shift);
        let squares = sum(x, |x| (x - shift) * (x - shift)) - count * off * off;
        (shift, self.scale(squares.max(0.0) as f32, count as f32))
    }

    /// Of `count` columns of `len` elements, the first at `first`, whose elements are `places` apart.
    #[inline(always)]
    fn columns(self, len: usize, places: usize, first: usize, count: usize, x: &[f32]) -> Columns {
        let (mut shift, mut scale) = ([0.0; BLOCK], [0.0; BLOCK]);
        if let Self::Variance(_) = self {
            for x in x.chunks_exact(places) {
                shift[..count].iter_mut().zip(&x[first..]).for_each(|(sum, x)| *sum += x);
            }
            shift.iter_mut().for_each(|sum| *sum /= len as f32);
        }
        for x in x.chunks_exact(places) {
            for ((squares, shift), x) in scale[..count].iter_mut().zip(&shift).zip(&x[first..]) {
                *squares += (x - shift) * (x - shift);
            }
        }
        scale.iter_mut().for_each(|scale| *scale = self.scale(*scale, len as f32));
        Columns { shift, scale }
    }

    /// What is taken off the gradient that arrives, and off it for each unit of the value: from Σdy and Σdy·value.
    #[inline(always)]
    fn taken(self, sum: f32, product: f32, scale: f32, count: f32) -> (f32, f32) {
        match self {
            // A column that is too short is only multiplied.
            Self::Length(eps) => (0.0, if scale * eps < 1.0 { product } else { 0.0 }),
            Self::Variance(_) => (sum / count, product / count),
        }
    }
}

per_isa! {
    /// Normalises columns of `len` elements that lie beside one another.
    pub fn norm(norm: Norm, len: usize, x: &[f32], y: &mut [f32]) {
        let places = x.len() / len;
        if places == 1 {
            let (shift, scale) = norm.column(x);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - shift) * scale);
            return;
        }
        for first in (0..places).step_by(BLOCK) {
            let count = BLOCK.min(places - first);
            let Columns { shift, scale } = norm.columns(len, places, first, count, x);
            for (x, y) in x.chunks_exact(places).zip(y.chunks_exact_mut(places)) {
                let both = shift[..count].iter().zip(&scale);
                for ((y, x), (shift, scale)) in y[first..].iter_mut().zip(&x[first..]).zip(both) {
                    *y = (x - shift) * scale;
                }
            }
        }
    }

    /// The gradient of [`norm`](Self::norm).
    pub fn norm_grad(norm: Norm, len: usize, dy: &[f32], x: &[f32], dx: &mut [f32]) {
        let places = x.len() / len;
        if places == 1 {
            let (shift, scale) = norm.column(x);
            let product = sum_pairs(x, dy, |x, dy| (x - shift) * scale * dy) as f32;
            let (constant, slope) = norm.taken(sum(dy, |dy| dy) as f32, product, scale, len as f32);
            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = scale * (dy - constant - (x - shift) * scale * slope);
            }
            return;
        }
        for first in (0..places).step_by(BLOCK) {
            let count = BLOCK.min(places - first);
            let Columns { shift, scale } = norm.columns(len, places, first, count, x);
            let (mut sums, mut products) = ([0.0; BLOCK], [0.0; BLOCK]);
            for (x, dy) in x.chunks_exact(places).zip(dy.chunks_exact(places)) {
                let (x, dy) = (&x[first..][..count], &dy[first..][..count]);
                for i in 0..count {
                    sums[i] += dy[i];
                    products[i] += (x[i] - shift[i]) * scale[i] * dy[i];
                }
            }
            for i in 0..count {
                (sums[i], products[i]) = norm.taken(sums[i], products[i], scale[i], len as f32);
            }
            let rows = x.chunks_exact(places).zip(dy.chunks_exact(places)).zip(dx.chunks_exact_mut(places));
            for ((x, dy), dx) in rows {
                let (x, dy, dx) = (&x[first..][..count], &dy[first..][..count], &mut dx[first..][..count]);
                for i in 0..count {
                    dx[i] = scale[i] * (dy[i] - sums[i] - (x[i] - shift[i]) * scale[i] * products[i]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers};
    use super::*;
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// The value and the gradient of a column, and the factor of both.
    fn naive(norm: Norm, x: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let count = x.len() as f64;
        let (mean, scale, share) = match norm {
            Norm::Length(eps) => {
                let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                (0.0, 1.0 / length.max(f64::from(eps)), f64::from(length > f64::from(eps)))
            }
            Norm::Variance(eps) => {
                let mean = x.iter().sum::<f64>() / count;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                (mean, 1.0 / (variance + f64::from(eps)).sqrt(), 1.0 / count)
            }
        };
        let y: Vec<f64> = x.iter().map(|x| (x - mean) * scale).collect();
        let product: f64 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
        let constant = if let Norm::Variance(_) = norm { dy.iter().sum::<f64>() / count } else { 0.0 };
        let dx = y.iter().zip(dy).map(|(y, dy)| scale * (dy - constant - y * product * share)).collect();
        (y, dx, scale)
    }

    proptest! {
        #[test]
        fn agrees_with_loops(len in 1_usize..60, places in prop_oneof![Just(1_usize), 1..70_usize], seed: u64) {
            for norm in [Norm::Length(1e-12), Norm::Length(2.0), Norm::Variance(1e-2)] {
                let x: Vec<f32> = numbers(seed, len * places).iter().map(|x| 2.0 * x + 0.5).collect();
                let dy = numbers(seed ^ 1, x.len());
                let (mut value, mut gradient, mut largest) = (vec![0.0; x.len()], vec![0.0; x.len()], 1.0_f64);
                for place in 0..places {
                    let column = |x: &[f32]| x.iter().skip(place).step_by(places).map(|x| f64::from(*x)).collect::<Vec<_>>();
                    let (y, dx, scale) = naive(norm, &column(&x), &column(&dy));
                    largest = largest.max(scale);
                    for i in 0..len {
                        (value[i * places + place], gradient[i * places + place]) = (y[i], dx[i]);
                    }
                }
                for (isa, edge) in everywhere() {
                    let (x, dy, mut y) = (edge.of(&x), edge.of(&dy), edge.unset(x.len()));
                    isa.norm(norm, len, &x, &mut y);
                    assert_within(&y, &value, 5e-6, 1.0, &format!("{isa:?} {norm:?}"));
                    isa.norm_grad(norm, len, &dy, &x, &mut y);
                    // What is taken off cancels before it is multiplied.
                    assert_within(&y, &gradient, 5e-6, largest, &format!("{isa:?} {norm:?} gradient"));
                }
            }
        }
    }

    #[test]
    fn a_large_mean_does_not_hide_the_variance() {
        let x: Vec<f32> = (0..4096).map(|i| 1000.0 + (i % 2) as f32).collect();
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(x.len());
            isa.norm(Norm::Variance(0.0), x.len(), &edge.of(&x), &mut y);
            assert_within(&y, &x.iter().map(|x| 2.0 * f64::from(*x) - 2001.0).collect::<Vec<_>>(), 1e-5, 1.0, "norm");
        }
    }
}
