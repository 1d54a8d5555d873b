//! flatten, reshape, concat, and slices: the same numbers in other shapes.

use quote::quote;
use serde::Serialize;

use super::pad::{Pad, PadMode};
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{BLOCK, Kind, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// The same elements in the same order under another shape: a view, which costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reshape {
    /// The new shape.
    pub shape: Vec<usize>,
}

impl Reshape {
    /// A shape of `len` elements that differs in one dimension, the last that can make the difference.
    fn nearby(&self, len: usize) -> Option<String> {
        (0..self.shape.len()).rev().find_map(|axis| {
            let others: usize = (0..self.shape.len()).filter(|a| *a != axis).map(|a| self.shape[a]).product();
            let mut shape = self.shape.clone();
            shape[axis] = (others > 0 && len.is_multiple_of(others)).then(|| len / others)?;
            Some(format!("a shape of {len} elements, such as {}", show_shape(&shape)))
        })
    }
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (old, new) = (inputs[0].len(), self.shape.iter().product::<usize>());
        if inputs[0].kind != Kind::Float || old != new {
            return Err(Mismatch::new(
                "reshape-C1",
                format!("{} cannot become {}", inputs[0], show_shape(&self.shape)),
            )
            .found(format!("{old} elements against {new}"))
            .fits(self.nearby(old).unwrap_or_else(|| format!("a shape of {old} elements")))
            .operand(0));
        }
        Ok(Type { shape: self.shape.clone(), ..inputs[0].clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (upstream, shape) = (cx.upstream(), cx.ty(cx.operand(0)).shape.clone());
        let gradient = cx.push(Self { shape }, &[upstream]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        Tensor { shape: cx.zeros().shape, data: cx.inputs[0].data.clone() }
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        unreachable!("a view is not computed")
    }
}

/// Tensors behind one another along an axis, whose sizes add up; the other axes are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Concat {
    /// The axis; 0 is channels.
    pub axis: usize,
}

/// A range of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// The axis.
    pub axis: usize,
    /// The first index.
    pub start: usize,
    /// How many.
    pub len: usize,
}

/// Runs before the axis, and floats of one index of it.
fn around(shape: &[usize], axis: usize) -> (usize, usize) {
    (shape[..axis].iter().product(), shape[axis + 1..].iter().product())
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let first = inputs[0];
        if self.axis >= first.shape.len() {
            return Err(Mismatch::new("concat-C1", "there is no such axis")
                .found(format!("axis {} of {first}", self.axis))
                .fits(format!("0 to {}", first.shape.len().saturating_sub(1))));
        }
        let mut shape = first.shape.clone();
        shape[self.axis] = 0;
        for (index, ty) in inputs.iter().enumerate() {
            let fits = ty.kind == Kind::Float
                && ty.batched == first.batched
                && ty.shape.len() == shape.len()
                && (0..shape.len()).all(|a| a == self.axis || ty.shape[a] == shape[a]);
            if !fits {
                return Err(Mismatch::new("concat-C2", format!("{first} and {ty} do not go behind one another"))
                    .found(format!("{first} and {ty}, along axis {}", self.axis))
                    .fits("shapes that are equal but for that axis")
                    .hint("`pad: same` keeps the size; `stride` and pooling must be the same in all branches")
                    .operand(index));
            }
            shape[self.axis] += ty.shape[self.axis];
        }
        Ok(Type { shape, ..first.clone() })
    }

    fn takes_blocks(&self, inputs: &[&Type]) -> bool {
        self.axis == 0 && inputs.iter().all(|t| t.batched && t.channels().is_multiple_of(BLOCK))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let mut start = 0;
        for index in 0..cx.operands() {
            let (upstream, len) = (cx.upstream(), cx.ty(cx.operand(index)).shape[self.axis]);
            if cx.wants(index) {
                let gradient = cx.push(Slice { axis: self.axis, start, len }, &[upstream]);
                cx.set(index, gradient);
            }
            start += len;
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (runs, _) = around(&cx.output.shape, self.axis);
        let images = if cx.output.batched { cx.batch() } else { 1 };
        let mut at = 0;
        for run in 0..runs * images {
            for x in &cx.inputs {
                let len = x.data.len() / (runs * images);
                y.data[at..at + len].copy_from_slice(&x.data[run * len..][..len]);
                at += len;
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (runs, inner) = around(&cx.output.shape, self.axis);
        let row = cx.output.shape[self.axis] * inner;
        let mut start = 0;
        let copies = cx.inputs.iter().enumerate().map(|(i, ty)| {
            let x = quote::format_ident!("x{i}");
            let len = ty.shape[self.axis] * inner;
            let from = start;
            start += len;
            let end = from + len;
            if runs == 1 {
                quote!(y[#from..#end].copy_from_slice(#x);)
            } else {
                quote! {
                    for (y, x) in y.chunks_exact_mut(#row).zip(#x.chunks_exact(#len)) {
                        y[#from..#end].copy_from_slice(x);
                    }
                }
            }
        });
        let body = quote!(#(#copies)*);
        let parts: Vec<String> = cx.inputs.iter().map(Type::to_string).collect();
        let split = if cx.output.batched { Split::Images } else { Split::Pieces(cx.output.len()) };
        Kernel::new(format!("concat_{}", cx.inputs.len()), split, body).doc(format!(
            " {} behind one another along axis {}.",
            parts.join(", "),
            self.axis
        ))
    }
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let mut ty = inputs[0].clone();
        if ty.shape.get(self.axis).is_none_or(|n| self.start + self.len > *n) {
            return Err(Mismatch::new("slice-C1", "there is no such range").found(format!("{self:?} of {ty}")));
        }
        ty.shape[self.axis] = self.len;
        Ok(ty)
    }

    /// Whole blocks, the last of them as full as the operand's.
    fn takes_blocks(&self, inputs: &[&Type]) -> bool {
        let end = self.start + self.len;
        let whole = self.start.is_multiple_of(BLOCK) && (end.is_multiple_of(BLOCK) || end == inputs[0].channels());
        self.axis == 0 && whole
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (upstream, shape) = (cx.upstream(), cx.ty(cx.operand(0)).shape.clone());
        let mut pad = vec![(0, 0); shape.len()];
        pad[self.axis] = (self.start, shape[self.axis] - self.start - self.len);
        let gradient = cx.push(Pad { pad, mode: PadMode::Zero }, &[upstream]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let shape = &cx.types[0].shape;
        let (runs, inner) = around(shape, self.axis);
        let (row, from, len) = (shape[self.axis] * inner, self.start * inner, self.len * inner);
        let images = if cx.output.batched { cx.batch() } else { 1 };
        for run in 0..runs * images {
            y.data[run * len..][..len].copy_from_slice(&cx.inputs[0].data[run * row + from..][..len]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let shape = &cx.inputs[0].shape;
        let (_, inner) = around(shape, self.axis);
        let (row, from, len) = (shape[self.axis] * inner, self.start * inner, self.len * inner);
        let end = from + len;
        Kernel::new(
            "slice",
            Split::elementwise(cx.output),
            quote! {
                for (y, x) in y.chunks_exact_mut(#len).zip(x0.chunks_exact(#row)) {
                    y.copy_from_slice(&x[#from..#end]);
                }
            },
        )
        .doc(format!(" Elements {} to {} of axis {}.", self.start, self.start + self.len, self.axis))
    }
}

/// A tensor as a vector: `[*shape] -> [elements]` (PyTorch's `torch.flatten` from axis 1 on).
pub static FLATTEN: Definition = Definition {
    name: "flatten",
    summary: "all elements as one vector, in the order channels, height, width",
    shapes: "[*shape] -> [elements]; elements = the product of shape",
    source: "PyTorch's `torch.flatten` from axis 1 on",
    operands: &["x"],
    attributes: &[],
    example: "flatten(x)",
    build: |call| {
        let (x, len) = (call.operand(0), call.ty(0).len());
        call.push(Op::Reshape(Reshape { shape: vec![len] }), &[x])
    },
};

/// A tensor under another shape: `[*old] -> [*shape]` (PyTorch's `torch.reshape`, without -1).
pub static RESHAPE: Definition = Definition {
    name: "reshape",
    summary: "the same elements in the same order under another shape, given without the batch",
    shapes: "[*old] -> [*shape]; products are equal",
    source: "PyTorch's `torch.reshape`, without -1",
    operands: &["x"],
    attributes: &[Attribute::required(
        "shape",
        "a list of 1 to 4 whole numbers whose product is the number of elements",
    )],
    example: "reshape(x, [3, 144])",
    build: |call| {
        let (value, span) = call.optional("shape").expect("it is required");
        let Some(shape) = value.shape() else {
            let len = call.ty(0).len();
            return Err(Diagnostic::new(span, "this is not a shape")
                .found(value.to_string())
                .fits("a list of 1 to 4 whole numbers, without the batch")
                .hint(format!("their product is {len}, the number of elements; none of them is left open")));
        };
        let x = call.operand(0);
        call.push(Op::Reshape(Reshape { shape }), &[x])
    },
};

/// Tensors behind one another: `[*shape].. -> [*shape']` (the depth concatenation of Szegedy et al. 2015; PyTorch's
/// `torch.cat`).
pub static CONCAT: Definition = Definition {
    name: "concat",
    summary: "tensors behind one another along an axis, by default channels",
    shapes: "[*shape].. -> [*shape']; along the axis the sum, else equal",
    source: "the depth concatenation of Szegedy et al. 2015; PyTorch's `torch.cat`",
    operands: &["inputs.."],
    attributes: &[Attribute::optional("axis", "0", "the axis without the batch: 0 is channels, 1 the first of space")],
    example: "concat(x, x)",
    build: |call| {
        let axis = call.per_axis("axis", 1, 0..=3)?[0];
        let operands: Vec<_> = call.operands.iter().map(|o| o.0).collect();
        call.push(Op::Concat(Concat { axis }), &operands)
    },
};
