//! softmax and log_softmax along an axis.

use quote::{format_ident, quote};
use serde::Serialize;

use super::along::{Along, axis};
use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// e^x over its sum along an axis, for each place of the others apart; the value has the shape of x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Softmax {
    /// The axis; 0 is channels.
    pub axis: usize,
    /// Whether the value is the logarithm of that.
    pub log: bool,
}

/// Operands: the value of the softmax and the gradient that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SoftmaxGrad(pub Softmax);

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let shape = &inputs[0].shape;
        if shape.is_empty() {
            return Err(Mismatch::new("softmax-C1", format!("`{}` needs channels", self.name()))
                .found("one number for each image")
                .fits("a tensor of shape [channels, ...]")
                .operand(0));
        }
        Ok(inputs[0].clone())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(SoftmaxGrad(*self), &[cx.value(), cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (x, mut y) = (&cx.inputs[0].data, cx.zeros());
        Along::axis(&cx.output.shape, self.axis).columns(cx.batch(), |column| {
            let most = column.iter().fold(f64::NEG_INFINITY, |m, i| m.max(x[*i]));
            let sum: f64 = column.iter().map(|i| (x[*i] - most).exp()).sum();
            column.iter().for_each(|i| {
                y.data[*i] = if self.log { x[*i] - most - sum.ln() } else { (x[*i] - most).exp() / sum };
            });
        });
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let along = Along::axis(&cx.output.shape, self.axis);
        let (method, len) = (format_ident!("{}", self.name()), along.len);
        let work = along.image(&[], quote!(isa.#method(#len, y);));
        Kernel::new(
            format!("{}_{}", self.name(), cx.output.len()),
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                #work
            },
        )
        .doc(format!(" {} over {}.", self.title(), self.over(&cx.output.shape)))
        .in_place(work)
    }
}

impl Softmax {
    fn title(&self) -> &'static str {
        if self.log { "The logarithm of softmax" } else { "Softmax" }
    }

    /// `the 10 channels of [10, 7, 7]`
    fn over(&self, shape: &[usize]) -> String {
        let (len, shape) = (shape[self.axis], show_shape(shape));
        match self.axis {
            0 => format!("the {len} channels of {shape}"),
            axis => format!("axis {axis} of {shape}"),
        }
    }
}

impl Operator for SoftmaxGrad {
    fn name(&self) -> &'static str {
        if self.0.log { "log_softmax_grad" } else { "softmax_grad" }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (y, dy, mut dx) = (&cx.inputs[0].data, &cx.inputs[1].data, cx.zeros());
        Along::axis(&cx.output.shape, self.0.axis).columns(cx.batch(), |column| {
            if self.0.log {
                let sum: f64 = column.iter().map(|i| dy[*i]).sum();
                column.iter().for_each(|i| dx.data[*i] = dy[*i] - y[*i].exp() * sum);
            } else {
                let dot: f64 = column.iter().map(|i| y[*i] * dy[*i]).sum();
                column.iter().for_each(|i| dx.data[*i] = y[*i] * (dy[*i] - dot));
            }
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let along = Along::axis(&cx.output.shape, self.0.axis);
        let (method, len) = (format_ident!("{}", self.name()), along.len);
        let work = along.image(&["x0"], quote!(isa.#method(#len, x0, y);));
        Kernel::new(
            format!("{}_{}", self.name(), cx.output.len()),
            Split::Images,
            quote! {
                y.copy_from_slice(x1);
                #work
            },
        )
        .doc(format!(
            " The gradient of {} over {}, from its value.",
            self.0.name(),
            self.0.over(&cx.output.shape)
        ))
    }
}

const AXIS: Attribute =
    Attribute::optional("axis", "0", "the axis without the batch: 0 is channels, 1 the first of space");

/// softmax: `[channels, *space] -> [channels, *space]` (Bridle 1990; PyTorch's `Softmax`).
pub static SOFTMAX: Definition = Definition {
    name: "softmax",
    summary: "exp(x) over its sum along an axis, by default channels: scores to probabilities",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Bridle 1990; PyTorch's `Softmax`",
    operands: &["x"],
    attributes: &[AXIS],
    example: "softmax(x)",
    build: |call| build(call, false),
};

/// The logarithm of softmax: `[channels, *space] -> [channels, *space]` (PyTorch's `LogSoftmax`).
pub static LOG_SOFTMAX: Definition = Definition {
    name: "log_softmax",
    summary: "the logarithm of softmax along an axis, by default channels",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "PyTorch's `LogSoftmax`",
    operands: &["x"],
    attributes: &[AXIS],
    example: "log_softmax(x)",
    build: |call| build(call, true),
};

fn build(call: &mut Call<'_>, log: bool) -> Result<ValueId, Diagnostic> {
    let (axis, x) = (axis(call)?, call.operand(0));
    call.push(Op::Softmax(Softmax { axis, log }), &[x])
}
