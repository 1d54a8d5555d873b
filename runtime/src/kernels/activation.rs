//! Activations, and their gradients from their values.

use super::math::{sigmoid, tanh};
use crate::isa::per_isa;

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x where positive, slope · x elsewhere
    LeakyRelu(f32),
    /// min(max(x, 0), 6)
    Relu6,
    /// Hyperbolic tangent
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
}

#[inline(always)]
fn each(y: &mut [f32], f: impl Fn(f32) -> f32) {
    for y in y {
        *y = f(*y);
    }
}

#[inline(always)]
fn each_with(y: &[f32], dy: &mut [f32], slope: impl Fn(f32) -> f32) {
    for (dy, y) in dy.iter_mut().zip(y) {
        *dy *= slope(*y);
    }
}

per_isa! {
    /// Applies an activation in place.
    pub fn activate(activation: Activation, y: &mut [f32]) {
        match activation {
            // So written, NaN stays NaN.
            Activation::Relu => each(y, |x| if x <= 0.0 { 0.0 } else { x }),
            Activation::LeakyRelu(slope) => each(y, |x| if x > 0.0 { x } else { slope * x }),
            Activation::Relu6 => each(y, |x| x.clamp(0.0, 6.0)),
            Activation::Tanh => each(y, tanh),
            Activation::Sigmoid => each(y, sigmoid),
        }
    }

    /// Multiplies the gradient `dy` by the slope of an activation, told from its value `y`.
    pub fn activate_grad(activation: Activation, y: &[f32], dy: &mut [f32]) {
        assert_eq!(y.len(), dy.len());
        match activation {
            Activation::Relu => each_with(y, dy, |y| if y > 0.0 { 1.0 } else { 0.0 }),
            Activation::LeakyRelu(slope) => each_with(y, dy, |y| if y > 0.0 { 1.0 } else { slope }),
            Activation::Relu6 => each_with(y, dy, |y| if y > 0.0 && y < 6.0 { 1.0 } else { 0.0 }),
            Activation::Tanh => each_with(y, dy, |y| 1.0 - y * y),
            Activation::Sigmoid => each_with(y, dy, |y| y * (1.0 - y)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_close, assert_within, everywhere, numbers};
    use super::*;
    use crate::Isa;
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const ALL: [Activation; 6] = [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::LeakyRelu(0.0),
        Activation::Relu6,
        Activation::Tanh,
        Activation::Sigmoid,
    ];

    fn value(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Relu => x.max(0.0),
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::LeakyRelu(slope) => {
                if x > 0.0 {
                    x
                } else {
                    f64::from(slope) * x
                }
            }
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    fn slope(activation: Activation, y: f64) -> f64 {
        match activation {
            Activation::Relu => f64::from(y > 0.0),
            Activation::Relu6 => f64::from(y > 0.0 && y < 6.0),
            Activation::LeakyRelu(slope) => {
                if y > 0.0 {
                    1.0
                } else {
                    f64::from(slope)
                }
            }
            Activation::Tanh => 1.0 - y * y,
            Activation::Sigmoid => y * (1.0 - y),
        }
    }

    proptest! {
        #[test]
        fn values_and_slopes_agree_with_loops(len in 0_usize..100, seed: u64) {
            let x: Vec<f32> = numbers(seed, len).iter().map(|x| x * 9.0).collect();
            let upstream = numbers(seed ^ 1, len);
            for ((isa, edge), activation) in everywhere().flat_map(|at| ALL.map(|a| (at, a))) {
                let name = format!("{isa:?} {activation:?}");
                let (mut y, mut dy) = (edge.of(&x), edge.of(&upstream));
                isa.activate(activation, &mut y);
                let expected: Vec<f64> = x.iter().map(|x| value(activation, f64::from(*x))).collect();
                assert_close(&y, &expected, 1e-6, &name);
                isa.activate_grad(activation, &y, &mut dy);
                let of = |(y, dy): (&f32, &f32)| slope(activation, f64::from(*y)) * f64::from(*dy);
                // 1 − y² cancels where y is near one.
                assert_within(&dy, &y.iter().zip(&upstream).map(of).collect::<Vec<f64>>(), 1e-6, 1.0, &name);
            }
        }
    }

    #[test]
    fn nan_is_not_lost() {
        for (isa, activation) in Isa::available().flat_map(|isa| ALL.map(|a| (isa, a))) {
            let mut y = [f32::NAN; 20];
            isa.activate(activation, &mut y);
            assert!(y.iter().all(|y| y.is_nan()), "{isa:?} {activation:?}");
        }
    }
}
