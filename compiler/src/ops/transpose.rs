//! transpose and channel_shuffle: axes in another order.

use quote::quote;
use serde::Serialize;

use super::elementwise::four;
use super::shape::Reshape;
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Axis i of the value is axis `axes[i]` of the operand, as of PyTorch's `permute`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transpose {
    /// Each axis once.
    pub axes: Vec<usize>,
}

impl Transpose {
    /// The order that undoes it.
    fn inverse(&self) -> Self {
        let mut axes = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(to, from)| axes[*from] = to);
        Self { axes }
    }

    /// Distances in the operand between neighbours along each axis of the value.
    fn strides(&self, shape: &[usize]) -> Vec<usize> {
        self.axes.iter().map(|axis| shape[axis + 1..].iter().product()).collect()
    }
}

impl Operator for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let x = inputs[0];
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.shape.len()) {
            return Err(Mismatch::new("transpose-C1", "this is not an order of the axes")
                .found(format!("{} of a tensor of shape {x}", show_shape(&self.axes)))
                .fits(format!("each axis from 0 to below {} once", x.shape.len()))
                .operand(0));
        }
        Ok(Type { shape: self.axes.iter().map(|axis| x.shape[*axis]).collect(), ..x.clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(self.inverse(), &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (mut y, shape, len) = (cx.zeros(), &cx.output.shape, cx.output.len());
        let strides = self.strides(&cx.types[0].shape);
        for (i, y) in y.data.iter_mut().enumerate() {
            let (mut rest, mut from) = (i % len, i - i % len);
            for axis in (0..shape.len()).rev() {
                from += rest % shape[axis] * strides[axis];
                rest /= shape[axis];
            }
            *y = cx.inputs[0].data[from];
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (shape, strides) = (four(&cx.output.shape, 1), four(&self.strides(&cx.inputs[0].shape), 0));
        let body = quote!(isa.transpose(#shape, #strides, x0, y););
        Kernel::new(format!("transpose_{}", cx.output.len()), Split::elementwise(cx.output), body).doc(format!(
            " {} to {}: axes in the order {}.",
            show_shape(&cx.inputs[0].shape),
            show_shape(&cx.output.shape),
            show_shape(&self.axes)
        ))
    }
}

/// Axes in another order: `[*shape] -> [*shape']` (PyTorch's `torch.permute`).
pub static TRANSPOSE: Definition = Definition {
    name: "transpose",
    summary: "the axes in another order: axis i of the value is axis `axes[i]` of the operand",
    shapes: "[*shape] -> [*shape']; shape'[i] = shape[axes[i]]",
    source: "PyTorch's `torch.permute`",
    operands: &["x"],
    attributes: &[Attribute::required("axes", "a list of all axes without the batch, `[1, 2, 0]`")],
    example: "transpose(x, [1, 2, 0])",
    build: |call| {
        let (axes, x) = (call.axes("axes")?, call.operand(0));
        call.push(Transpose { axes }.into(), &[x])
    },
};

/// Channels of all groups in turn: `[channels, *space] -> [channels, *space]` (Zhang et al. 2018, section 3.1;
/// PyTorch's `ChannelShuffle`).
pub static CHANNEL_SHUFFLE: Definition = Definition {
    name: "channel_shuffle",
    summary: "the first channel of each group, then the second of each, and so on",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Zhang et al. 2018, section 3.1; PyTorch's `ChannelShuffle`",
    operands: &["x"],
    attributes: &[Attribute::required("groups", "a divisor of the channels")],
    example: "channel_shuffle(x, 3)",
    build: |call| {
        let (groups, ty, x) = (call.positive("groups")?, call.ty(0), call.operand(0));
        if ty.shape.is_empty() || !ty.channels().is_multiple_of(groups) {
            let span = call.optional("groups").expect("it is required").1;
            return Err(Diagnostic::new(span, "the channels are no whole groups")
                .found(format!("{groups} groups, and a tensor of shape {ty}"))
                .fits(format!("a divisor of {}", ty.channels())));
        }
        let split = vec![groups, ty.channels() / groups, ty.len() / ty.channels()];
        let split = call.push(Reshape { shape: split }.into(), &[x])?;
        let turned = call.push(Transpose { axes: vec![1, 0, 2] }.into(), &[split])?;
        call.push(Reshape { shape: ty.shape }.into(), &[turned])
    },
};
