//! Functions of one number whose slope is told from their operand.

use super::math::{exp, exp_m1, ln, ln_1p, normal, sigmoid, sqrt};
use crate::isa::per_isa;

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// x where positive, alpha · (eˣ − 1) elsewhere
    Elu(f32),
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x · Φ(x), Φ the distribution function of the normal distribution
    Gelu,
    /// x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2
    GeluTanh,
    /// min(max(x / 6 + 1/2, 0), 1)
    HardSigmoid,
    /// ln(1 + e^(beta · x)) / beta
    Softplus(f32),
    /// |x|
    Abs,
    /// x²
    Square,
    /// √x
    Sqrt,
    /// eˣ
    Exp,
    /// ln x
    Log,
    /// min(max(x, from), to)
    Clamp(f32, f32),
}

/// √(2/π) and the factor of x³ in the approximation of Φ by tanh (Hendrycks & Gimpel 2016).
const TANH_GELU: (f32, f32) = (0.797_884_6, 0.044_715);
/// 1/√(2π)
const NORMAL_PEAK: f32 = 0.398_942_3;

#[inline(always)]
fn each(y: &mut [f32], f: impl Fn(f32) -> f32) {
    for y in y {
        *y = f(*y);
    }
}

#[inline(always)]
fn each_with(x: &[f32], dy: &mut [f32], slope: impl Fn(f32) -> f32) {
    for (dy, x) in dy.iter_mut().zip(x) {
        *dy *= slope(*x);
    }
}

/// The approximation of Φ: (1 + tanh u) / 2 = 1 / (1 + e^−2u), which keeps the digits of small values.
#[inline(always)]
fn tanh_normal(x: f32) -> f32 {
    let (factor, cubic) = TANH_GELU;
    sigmoid(2.0 * factor * (x + cubic * x * x * x))
}

#[inline(always)]
fn tanh_gelu_slope(x: f32) -> f32 {
    let (factor, cubic) = TANH_GELU;
    let share = tanh_normal(x);
    share + x * share * (1.0 - share) * 2.0 * factor * (1.0 + 3.0 * cubic * x * x)
}

/// ln(1 + eˣ): the larger of x and 0, and what is small beside it.
#[inline(always)]
fn softplus(x: f32) -> f32 {
    let rest = ln_1p(exp(-x.abs()));
    if x > 0.0 { x + rest } else { rest }
}

/// 1 where positive, −1 where negative, 0 at zero.
#[inline(always)]
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        // So written, NaN stays NaN.
        x
    }
}

per_isa! {
    /// Applies a function in place.
    pub fn pointwise(function: Pointwise, y: &mut [f32]) {
        match function {
            Pointwise::Elu(alpha) => each(y, |x| if x > 0.0 { x } else { alpha * exp_m1(x) }),
            Pointwise::Silu => each(y, |x| x * sigmoid(x)),
            Pointwise::Gelu => each(y, |x| x * normal(x)),
            Pointwise::GeluTanh => each(y, |x| x * tanh_normal(x)),
            Pointwise::HardSigmoid => each(y, |x| (x * (1.0 / 6.0) + 0.5).clamp(0.0, 1.0)),
            Pointwise::Softplus(beta) => each(y, |x| softplus(beta * x) / beta),
            Pointwise::Abs => each(y, f32::abs),
            Pointwise::Square => each(y, |x| x * x),
            Pointwise::Sqrt => each(y, sqrt),
            Pointwise::Exp => each(y, exp),
            Pointwise::Log => each(y, ln),
            // So written, NaN stays NaN.
            Pointwise::Clamp(from, to) => each(y, |x| if x < from { from } else if x > to { to } else { x }),
        }
    }

    /// Multiplies the gradient `dy` by the slope of a function at `x`, at kinks as PyTorch has it.
    pub fn pointwise_grad(function: Pointwise, x: &[f32], dy: &mut [f32]) {
        assert_eq!(x.len(), dy.len());
        match function {
            Pointwise::Elu(alpha) => each_with(x, dy, |x| if x > 0.0 { 1.0 } else { alpha * exp(x) }),
            Pointwise::Silu => each_with(x, dy, |x| {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }),
            Pointwise::Gelu => each_with(x, dy, |x| normal(x) + x * NORMAL_PEAK * exp(-0.5 * x * x)),
            Pointwise::GeluTanh => each_with(x, dy, tanh_gelu_slope),
            Pointwise::HardSigmoid => each_with(x, dy, |x| if x.abs() >= 3.0 { 0.0 } else { 1.0 / 6.0 }),
            Pointwise::Softplus(beta) => each_with(x, dy, |x| sigmoid(beta * x)),
            Pointwise::Abs => each_with(x, dy, sign),
            Pointwise::Square => each_with(x, dy, |x| 2.0 * x),
            Pointwise::Sqrt => each_with(x, dy, |x| 0.5 / sqrt(x)),
            Pointwise::Exp => each_with(x, dy, exp),
            Pointwise::Log => each_with(x, dy, |x| 1.0 / x),
            Pointwise::Clamp(from, to) => each_with(x, dy, |x| if x < from || x > to { 0.0 } else { 1.0 }),
        }
    }
}

#[cfg(test)]
mod tests;
