//! hard_swish, element by element.

use quote::quote;
use serde::Serialize;

use super::{Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::Type;
use crate::reference::{Evaluation, Tensor};

/// x · min(max(x + 3, 0), 6) / 6 of every element.
///
/// It falls before it rises, so its slope cannot be told from its value, as those of `activation` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HardSwish;

/// Its gradient: operands are the gradient that arrives and the operand of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HardSwishGrad;

/// The derivative, with PyTorch's choice at the kinks: 0 at -3 and 1 at 3.
fn slope(x: f64) -> f64 {
    if x <= -3.0 {
        0.0
    } else if x >= 3.0 {
        1.0
    } else {
        (2.0 * x + 3.0) / 6.0
    }
}

impl Operator for HardSwish {
    fn name(&self) -> &'static str {
        "hard_swish"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(HardSwishGrad, &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].map(|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0)
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        Kernel::new(
            "hard_swish",
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                isa.hard_swish(y);
            },
        )
        .doc(" hard_swish, element by element.")
        .in_place(quote!(isa.hard_swish(y);))
    }
}

impl Operator for HardSwishGrad {
    fn name(&self) -> &'static str {
        "hard_swish_grad"
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
        cx.inputs[0].zip(cx.inputs[1], |dy, x| slope(x) * dy)
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        Kernel::new(
            "hard_swish_grad",
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                isa.hard_swish_grad(x1, y);
            },
        )
        .doc(" The gradient of hard_swish, from the gradient that arrives and its operand.")
        .in_place(quote!(isa.hard_swish_grad(x1, y);))
    }
}

/// hard_swish: `[*shape] -> [*shape]` (Howard et al. 2019, section 5.2; PyTorch's `Hardswish`).
pub static HARD_SWISH: Definition = Definition {
    name: "hard_swish",
    summary: "x * min(max(x + 3, 0), 6) / 6, element by element",
    shapes: "[*shape] -> [*shape]",
    source: "Howard et al. 2019, section 5.2; PyTorch's `Hardswish`",
    operands: &["x"],
    attributes: &[],
    example: "hard_swish(x)",
    build: |call| {
        let x = call.operand(0);
        call.push(Op::HardSwish(HardSwish), &[x])
    },
};
