//! elu, silu, gelu, hard_sigmoid, softplus, abs, square, sqrt, exp, log, clamp: one number to one number.
//!
//! Their slope is told from the operand; functions whose slope can be told from the value are in `activation`.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId};
use crate::reference::{Evaluation, Tensor};

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pointwise {
    /// x where positive, alpha · (eˣ − 1) elsewhere
    Elu {
        /// What it tends to on the left, with the sign turned.
        alpha: f64,
    },
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x · Φ(x), Φ the distribution function of the normal distribution
    Gelu,
    /// x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2
    GeluTanh,
    /// min(max(x / 6 + 1/2, 0), 1)
    HardSigmoid,
    /// ln(1 + e^(beta · x)) / beta
    Softplus {
        /// Above 0.
        beta: f64,
    },
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
    Clamp {
        /// The smallest value, perhaps −∞.
        from: f64,
        /// The largest value, perhaps ∞.
        to: f64,
    },
}

/// √(2/π) and the factor of x³ in the approximation of Φ by tanh (Hendrycks & Gimpel 2016).
const TANH_GELU: (f64, f64) = (0.797_884_560_802_865_4, 0.044_715);
/// 1/√(2π)
const NORMAL_PEAK: f64 = 0.398_942_280_401_432_7;

/// Φ(x), the distribution function of the normal distribution: 1/2 + φ(x) · (x + x³/3 + x⁵/15 + ...), Marsaglia 2004.
fn normal(x: f64) -> f64 {
    if x.abs() > 9.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    while (sum + term).to_bits() != sum.to_bits() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
        if term == 0.0 || !term.is_finite() {
            break;
        }
    }
    0.5 + sum * NORMAL_PEAK * (-0.5 * x * x).exp()
}

impl Pointwise {
    /// The function.
    fn value(self, x: f64) -> f64 {
        match self {
            Self::Elu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha * x.exp_m1()
                }
            }
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu => x * normal(x),
            Self::GeluTanh => 0.5 * x * (1.0 + (TANH_GELU.0 * (x + TANH_GELU.1 * x.powi(3))).tanh()),
            Self::HardSigmoid => (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Softplus { beta } => ((beta * x).max(0.0) + (-(beta * x).abs()).exp().ln_1p()) / beta,
            Self::Abs => x.abs(),
            Self::Square => x * x,
            Self::Sqrt => x.sqrt(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Clamp { from, to } => x.clamp(from, to),
        }
    }

    /// Its derivative, with PyTorch's choice at the kinks.
    fn slope(self, x: f64) -> f64 {
        match self {
            Self::Elu { alpha } => {
                if x > 0.0 {
                    1.0
                } else {
                    alpha * x.exp()
                }
            }
            Self::Silu => {
                let s = 1.0 / (1.0 + (-x).exp());
                s * (1.0 + x * (1.0 - s))
            }
            Self::Gelu => normal(x) + x * NORMAL_PEAK * (-0.5 * x * x).exp(),
            Self::GeluTanh => {
                let (factor, cubic) = TANH_GELU;
                let t = (factor * (x + cubic * x.powi(3))).tanh();
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * factor * (1.0 + 3.0 * cubic * x * x)
            }
            Self::HardSigmoid => f64::from(x.abs() < 3.0) / 6.0,
            Self::Softplus { beta } => 1.0 / (1.0 + (-beta * x).exp()),
            Self::Abs => f64::from(x > 0.0) - f64::from(x < 0.0),
            Self::Square => 2.0 * x,
            Self::Sqrt => 0.5 / x.sqrt(),
            Self::Exp => x.exp(),
            Self::Log => 1.0 / x,
            Self::Clamp { from, to } => f64::from(from <= x && x <= to),
        }
    }

    /// The runtime's name for it, as emitted.
    fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::Elu { alpha } => {
                let alpha = alpha as f32;
                quote!(rt::Pointwise::Elu(#alpha))
            }
            Self::Silu => quote!(rt::Pointwise::Silu),
            Self::Gelu => quote!(rt::Pointwise::Gelu),
            Self::GeluTanh => quote!(rt::Pointwise::GeluTanh),
            Self::HardSigmoid => quote!(rt::Pointwise::HardSigmoid),
            Self::Softplus { beta } => {
                let beta = beta as f32;
                quote!(rt::Pointwise::Softplus(#beta))
            }
            Self::Abs => quote!(rt::Pointwise::Abs),
            Self::Square => quote!(rt::Pointwise::Square),
            Self::Sqrt => quote!(rt::Pointwise::Sqrt),
            Self::Exp => quote!(rt::Pointwise::Exp),
            Self::Log => quote!(rt::Pointwise::Log),
            Self::Clamp { from, to } => {
                let (from, to) = (bound(from), bound(to));
                quote!(rt::Pointwise::Clamp(#from, #to))
            }
        }
    }
}

/// A number that may be infinite, as emitted.
fn bound(x: f64) -> proc_macro2::TokenStream {
    let number = x as f32;
    match x {
        f64::INFINITY => quote!(f32::INFINITY),
        f64::NEG_INFINITY => quote!(f32::NEG_INFINITY),
        _ => quote!(#number),
    }
}

impl Operator for Pointwise {
    fn name(&self) -> &'static str {
        match self {
            Self::Elu { .. } => "elu",
            Self::Silu => "silu",
            Self::Gelu | Self::GeluTanh => "gelu",
            Self::HardSigmoid => "hard_sigmoid",
            Self::Softplus { .. } => "softplus",
            Self::Abs => "abs",
            Self::Square => "square",
            Self::Sqrt => "sqrt",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Clamp { .. } => "clamp",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(PointwiseGrad(*self), &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].map(|x| self.value(x))
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (name, function) = (self.name(), self.tokens());
        Kernel::new(
            name,
            Split::elementwise(cx.output),
            quote! {
                y.copy_from_slice(x0);
                isa.pointwise(#function, y);
            },
        )
        .doc(format!(" {name}, element by element."))
        .in_place(quote!(isa.pointwise(#function, y);))
    }
}

/// The gradient of a function: operands are the gradient that arrives and the operand of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PointwiseGrad(pub Pointwise);

impl Operator for PointwiseGrad {
    fn name(&self) -> &'static str {
        "pointwise_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].zip(cx.inputs[1], |dy, x| self.0.slope(x) * dy)
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (name, function) = (self.0.name(), self.0.tokens());
        Kernel::new(
            format!("{name}_grad"),
            Split::elementwise(cx.output),
            quote! {
                y.copy_from_slice(x0);
                isa.pointwise_grad(#function, x1, y);
            },
        )
        .doc(format!(" The gradient of {name}, from the gradient that arrives and its operand."))
        .in_place(quote!(isa.pointwise_grad(#function, x1, y);))
    }
}

fn build(call: &mut Call<'_>, function: Pointwise) -> Result<ValueId, Diagnostic> {
    let x = call.operand(0);
    call.push(function.into(), &[x])
}

/// A function with attributes.
const fn function(
    name: &'static str,
    summary: &'static str,
    source: &'static str,
    attributes: &'static [Attribute],
    example: &'static str,
    build: fn(&mut Call<'_>) -> Result<ValueId, Diagnostic>,
) -> Definition {
    Definition { name, summary, shapes: "[*shape] -> [*shape]", source, operands: &["x"], attributes, example, build }
}

/// x, or alpha · (eˣ − 1) where negative: `[*shape] -> [*shape]` (Clevert et al. 2016, section 3; PyTorch's `ELU`).
pub static ELU: Definition = function(
    "elu",
    "x where positive, alpha * (exp(x) - 1) elsewhere",
    "Clevert et al. 2016, section 3; PyTorch's `ELU`",
    &[Attribute::optional("alpha", "1.0", "what it tends to on the left, from 0 to 1000000").positional()],
    "elu(x, alpha: 0.5)",
    |call| {
        let alpha = call.number_in("alpha", 0.0..=1e6)?;
        build(call, Pointwise::Elu { alpha })
    },
);

/// x / (1 + e⁻ˣ): `[*shape] -> [*shape]` (Elfwing et al. 2018; Ramachandran et al. 2017, as swish; PyTorch's `SiLU`).
pub static SILU: Definition = function(
    "silu",
    "x / (1 + exp(-x)), element by element; also known as swish",
    "Elfwing et al. 2018; Ramachandran et al. 2017, as swish; PyTorch's `SiLU`",
    &[],
    "silu(x)",
    |call| build(call, Pointwise::Silu),
);

/// x · Φ(x): `[*shape] -> [*shape]` (Hendrycks & Gimpel 2016, section 2; PyTorch's `GELU`).
pub static GELU: Definition = function(
    "gelu",
    "x times the normal distribution function of x, element by element",
    "Hendrycks & Gimpel 2016, section 2; PyTorch's `GELU`",
    &[Attribute::optional("approximate", "none", "`none`, or `tanh` for the formula with tanh")
        .words(&["none", "tanh"])],
    "gelu(x, approximate: tanh)",
    |call| match call.word("approximate")?.as_str() {
        "tanh" => build(call, Pointwise::GeluTanh),
        _ => build(call, Pointwise::Gelu),
    },
);

/// min(max(x / 6 + 1/2, 0), 1): `[*shape] -> [*shape]` (Howard et al. 2019, section 5.2; PyTorch's `Hardsigmoid`).
pub static HARD_SIGMOID: Definition = function(
    "hard_sigmoid",
    "min(max(x + 3, 0), 6) / 6, element by element",
    "Howard et al. 2019, section 5.2; PyTorch's `Hardsigmoid`",
    &[],
    "hard_sigmoid(x)",
    |call| build(call, Pointwise::HardSigmoid),
);

/// ln(1 + e^(beta · x)) / beta: `[*shape] -> [*shape]` (Dugas et al. 2001; PyTorch's `Softplus`, without its
/// threshold).
pub static SOFTPLUS: Definition = function(
    "softplus",
    "log(1 + exp(beta * x)) / beta, element by element",
    "Dugas et al. 2001; PyTorch's `Softplus`, without its threshold",
    &[Attribute::optional("beta", "1.0", "how sharp its bend is, from 0.001 to 1000").positional()],
    "softplus(x)",
    |call| {
        let beta = call.number_in("beta", 1e-3..=1e3)?;
        build(call, Pointwise::Softplus { beta })
    },
);

/// |x|: `[*shape] -> [*shape]` (PyTorch's `torch.abs`).
pub static ABS: Definition =
    function("abs", "the absolute value of every element", "PyTorch's `torch.abs`", &[], "abs(x)", |call| {
        build(call, Pointwise::Abs)
    });

/// x²: `[*shape] -> [*shape]` (PyTorch's `torch.square`).
pub static SQUARE: Definition =
    function("square", "the square of every element", "PyTorch's `torch.square`", &[], "square(x)", |call| {
        build(call, Pointwise::Square)
    });

/// √x: `[*shape] -> [*shape]` (PyTorch's `torch.sqrt`).
pub static SQRT: Definition = function(
    "sqrt",
    "the square root of every element, which must not be negative; its slope at zero is infinite",
    "PyTorch's `torch.sqrt`",
    &[],
    "sqrt(square(x) + 1)",
    |call| build(call, Pointwise::Sqrt),
);

/// eˣ: `[*shape] -> [*shape]` (PyTorch's `torch.exp`).
pub static EXP: Definition =
    function("exp", "e to the power of every element", "PyTorch's `torch.exp`", &[], "exp(x)", |call| {
        build(call, Pointwise::Exp)
    });

/// ln x: `[*shape] -> [*shape]` (PyTorch's `torch.log`).
pub static LOG: Definition = function(
    "log",
    "the natural logarithm of every element, which must be positive",
    "PyTorch's `torch.log`",
    &[],
    "log(square(x) + 1)",
    |call| build(call, Pointwise::Log),
);

/// min(max(x, min), max): `[*shape] -> [*shape]` (PyTorch's `torch.clamp`).
pub static CLAMP: Definition = function(
    "clamp",
    "the nearest number between two bounds, element by element",
    "PyTorch's `torch.clamp`",
    &[
        Attribute::optional("min", "none", "the smallest value; without it there is none"),
        Attribute::optional("max", "none", "the largest value; without it there is none"),
    ],
    "clamp(x, min: -1, max: 1)",
    |call| {
        let bound = |name: &str, otherwise: f64| match call.optional(name) {
            None => Ok(otherwise),
            Some(_) => call.number_in(name, -3e38..=3e38),
        };
        let (from, to) = (bound("min", f64::NEG_INFINITY)?, bound("max", f64::INFINITY)?);
        if from > to || from == f64::NEG_INFINITY && to == f64::INFINITY {
            let found = if from > to { format!("min {from} above max {to}") } else { "neither".to_owned() };
            return Err(Diagnostic::new(call.span, "`clamp` needs bounds")
                .found(found)
                .fits("`min`, `max`, or both with `min` not above `max`"));
        }
        build(call, Pointwise::Clamp { from, to })
    },
);
