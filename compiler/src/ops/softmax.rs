//! softmax over channels.

use quote::quote;
use serde::Serialize;

use super::{Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// e^x over its sum along the channels, for each place in space apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Softmax;

/// Operands: the softmax and the gradient that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SoftmaxGrad;

/// Calls `f` with the indices of the channels at each place of each image.
fn columns(ty: &Type, batch: usize, mut f: impl FnMut(&[usize])) {
    let places: usize = ty.spatial().iter().product();
    for image in 0..batch {
        for place in 0..places {
            let column: Vec<usize> = (0..ty.channels()).map(|c| image * ty.len() + c * places + place).collect();
            f(&column);
        }
    }
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        if inputs[0].shape.is_empty() {
            return Err(Mismatch::new("softmax-C1", "`softmax` needs channels")
                .found("one number for each image")
                .fits("a tensor of shape [channels, ...]")
                .operand(0));
        }
        Ok(inputs[0].clone())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(SoftmaxGrad, &[cx.value(), cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (x, mut y) = (&cx.inputs[0].data, cx.zeros());
        columns(cx.output, cx.batch(), |column| {
            let most = column.iter().fold(f64::NEG_INFINITY, |m, i| m.max(x[*i]));
            let sum: f64 = column.iter().map(|i| (x[*i] - most).exp()).sum();
            column.iter().for_each(|i| y.data[*i] = (x[*i] - most).exp() / sum);
        });
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let channels = cx.output.channels();
        Kernel::new(
            format!("softmax_{}", cx.output.len()),
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                isa.softmax(#channels, y);
            },
        )
        .doc(format!(" Softmax over the {channels} channels of {}.", show_shape(&cx.output.shape)))
        .in_place(quote!(isa.softmax(#channels, y);))
    }
}

impl Operator for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (y, dy, mut dx) = (&cx.inputs[0].data, &cx.inputs[1].data, cx.zeros());
        columns(cx.output, cx.batch(), |column| {
            let dot: f64 = column.iter().map(|i| y[*i] * dy[*i]).sum();
            column.iter().for_each(|i| dx.data[*i] = y[*i] * (dy[*i] - dot));
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let channels = cx.output.channels();
        Kernel::new(
            format!("softmax_grad_{}", cx.output.len()),
            Split::Images,
            quote! {
                y.copy_from_slice(x1);
                isa.softmax_grad(#channels, x0, y);
            },
        )
        .doc(format!(" The gradient of softmax over {channels} channels, from its value."))
    }
}

/// softmax.
pub static SOFTMAX: Definition = Definition {
    name: "softmax",
    summary: "exp(x) over its sum along the channels: scores to probabilities",
    operands: &["x"],
    attributes: &[],
    example: "softmax(x)",
    build: |call| {
        let x = call.operand(0);
        call.push(Op::Softmax(Softmax), &[x])
    },
};
