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
            Activation::Tanh => each_with(y, dy, |y| 1.0 - y * y),
            Activation::Sigmoid => each_with(y, dy, |y| y * (1.0 - y)),
        }
    }
}
