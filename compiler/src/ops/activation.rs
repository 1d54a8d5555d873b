//! relu, relu6, leaky_relu, tanh, sigmoid: one number to one number.
//!
//! All have a gradient that can be told from the value alone, so the operand need not be kept.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId};
use crate::reference::{Evaluation, Tensor};

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x where positive, slope · x elsewhere
    LeakyRelu {
        /// At least 0, so that the sign of the value is that of the operand.
        slope: f64,
    },
    /// min(max(x, 0), 6)
    Relu6,
    /// Hyperbolic tangent
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
}

impl Activation {
    /// The function.
    pub fn value(self, x: f64) -> f64 {
        match self {
            // So written, NaN stays NaN.
            Self::Relu => {
                if x <= 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::LeakyRelu { slope } => {
                if x > 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// Its derivative, told from its value `y`.
    pub fn slope(self, y: f64) -> f64 {
        match self {
            Self::Relu => f64::from(y > 0.0),
            Self::LeakyRelu { slope } => {
                if y > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Self::Relu6 => f64::from(y > 0.0 && y < 6.0),
            Self::Tanh => 1.0 - y * y,
            Self::Sigmoid => y * (1.0 - y),
        }
    }

    /// The runtime's name for it, as emitted.
    pub fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::Relu => quote!(rt::Activation::Relu),
            Self::LeakyRelu { slope } => {
                let slope = slope as f32;
                quote!(rt::Activation::LeakyRelu(#slope))
            }
            Self::Relu6 => quote!(rt::Activation::Relu6),
            Self::Tanh => quote!(rt::Activation::Tanh),
            Self::Sigmoid => quote!(rt::Activation::Sigmoid),
        }
    }
}

impl Activation {
    /// As what kernels on blocks apply while a value is in registers, if it is of that kind.
    pub fn slope_tokens(self) -> Option<proc_macro2::TokenStream> {
        match self {
            Self::Relu => Some(quote!(rt::Slope::Relu)),
            Self::LeakyRelu { slope } => {
                let slope = slope as f32;
                Some(quote!(rt::Slope::Leaky(#slope)))
            }
            Self::Relu6 | Self::Tanh | Self::Sigmoid => None,
        }
    }
}

impl Operator for Activation {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Relu6 => "relu6",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(ActivationGrad(*self), &[cx.upstream(), cx.value()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].map(|x| self.value(x))
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        let (name, activation) = (self.name(), self.tokens());
        Kernel::new(
            name,
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                isa.activate(#activation, y);
            },
        )
        .doc(format!(" {name}, element by element."))
        .in_place(quote!(isa.activate(#activation, y);))
    }
}

/// The gradient of an activation: operands are the gradient that arrives and its value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ActivationGrad(pub Activation);

impl Operator for ActivationGrad {
    fn name(&self) -> &'static str {
        match self.0 {
            Activation::Relu => "relu_grad",
            Activation::LeakyRelu { .. } => "leaky_relu_grad",
            Activation::Relu6 => "relu6_grad",
            Activation::Tanh => "tanh_grad",
            Activation::Sigmoid => "sigmoid_grad",
        }
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
        cx.inputs[0].zip(cx.inputs[1], |dy, y| self.0.slope(y) * dy)
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        let (name, activation) = (self.name(), self.0.tokens());
        Kernel::new(
            name,
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                isa.activate_grad(#activation, x1, y);
            },
        )
        .doc(format!(" The gradient of {}, from the gradient that arrives and the value.", self.0.name()))
        .in_place(quote!(isa.activate_grad(#activation, x1, y);))
    }
}

/// max(x, 0): `[*shape] -> [*shape]` (Nair & Hinton 2010; PyTorch's `ReLU`).
pub static RELU: Definition = Definition {
    name: "relu",
    summary: "max(x, 0), element by element",
    shapes: "[*shape] -> [*shape]",
    source: "Nair & Hinton 2010; PyTorch's `ReLU`",
    operands: &["x"],
    attributes: &[],
    example: "relu(x)",
    build: |call| build(call, Activation::Relu),
};

/// min(max(x, 0), 6): `[*shape] -> [*shape]` (Krizhevsky 2010; Howard et al. 2017; PyTorch's `ReLU6`).
pub static RELU6: Definition = Definition {
    name: "relu6",
    summary: "min(max(x, 0), 6), element by element",
    shapes: "[*shape] -> [*shape]",
    source: "Krizhevsky 2010; Howard et al. 2017; PyTorch's `ReLU6`",
    operands: &["x"],
    attributes: &[],
    example: "relu6(x)",
    build: |call| build(call, Activation::Relu6),
};

/// x, or slope · x where negative: `[*shape] -> [*shape]` (Maas et al. 2013; PyTorch's `LeakyReLU`).
pub static LEAKY_RELU: Definition = Definition {
    name: "leaky_relu",
    summary: "x where positive, slope * x elsewhere",
    shapes: "[*shape] -> [*shape]",
    source: "Maas et al. 2013; PyTorch's `LeakyReLU`",
    operands: &["x"],
    attributes: &[Attribute::optional("slope", "0.01", "slope left of zero, from 0 up to 1").positional()],
    example: "leaky_relu(x, slope: 0.1)",
    build: |call| {
        let slope = call.number_in("slope", 0.0..1.0)?;
        build(call, Activation::LeakyRelu { slope })
    },
};

/// Hyperbolic tangent: `[*shape] -> [*shape]` (LeCun et al. 1998, appendix A, without its factors; PyTorch's `Tanh`).
pub static TANH: Definition = Definition {
    name: "tanh",
    summary: "hyperbolic tangent, element by element",
    shapes: "[*shape] -> [*shape]",
    source: "LeCun et al. 1998, appendix A, without its factors; PyTorch's `Tanh`",
    operands: &["x"],
    attributes: &[],
    example: "tanh(x)",
    build: |call| build(call, Activation::Tanh),
};

/// Logistic function: `[*shape] -> [*shape]` (Rumelhart et al. 1986; PyTorch's `Sigmoid`).
pub static SIGMOID: Definition = Definition {
    name: "sigmoid",
    summary: "the logistic function, 1 / (1 + exp(-x)), element by element",
    shapes: "[*shape] -> [*shape]",
    source: "Rumelhart et al. 1986; PyTorch's `Sigmoid`",
    operands: &["x"],
    attributes: &[],
    example: "sigmoid(x)",
    build: |call| build(call, Activation::Sigmoid),
};

fn build(call: &mut Call<'_>, activation: Activation) -> Result<ValueId, Diagnostic> {
    let x = call.operand(0);
    call.push(activation.into(), &[x])
}
