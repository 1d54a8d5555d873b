//! sum, mean and max along some of the axes.
//!
//! A mean is a multiple of a sum; sums are also the gradient of repetition.

use quote::quote;
use serde::Serialize;

use super::elementwise::{Affine, Arithmetic, Fill, broadcast, part_tokens, walk};
use super::shape::Reshape;
use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Kind, Layout, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Sums over the axes in which the shape is 1 and the operand is not, and over the images where the value is not to be
/// batched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SumTo {
    /// Whether there remains one value for each image.
    pub batched: bool,
    /// The shape to be reached.
    pub shape: Vec<usize>,
}

impl Operator for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let covers = broadcast(&self.shape, &inputs[0].shape).as_deref() == Some(&inputs[0].shape);
        if !covers || self.batched && !inputs[0].batched {
            return Err(Mismatch::new("sum_to-C1", "the operand does not cover the shape")
                .found(inputs[0].to_string())
                .fits(show_shape(&self.shape)));
        }
        Ok(Type { batched: self.batched, shape: self.shape.clone(), kind: Kind::Float, layout: Layout::Plain })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let upstream = cx.upstream();
        let Type { batched, shape, .. } = cx.ty(cx.operand(0)).clone();
        let ones = cx.push(Fill { value: 1.0, batched, shape }, &[]);
        let gradient = cx.push(Arithmetic::Mul, &[ones, upstream]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (from_len, to_len) = (cx.types[0].len(), cx.output.len());
        for (i, x) in cx.inputs[0].data.chunks_exact(from_len).enumerate() {
            let start = if self.batched { i * to_len } else { 0 };
            walk(&cx.types[0].shape, &self.shape, |from, to| y.data[start + to] += x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (over, to) = part_tokens(&cx.inputs[0].shape, &self.shape);
        let over_images = cx.inputs[0].batched && !self.batched;
        let (split, body, images) = if over_images {
            let body = quote! {
                for image in images {
                    isa.sum_to(#over, #to, x0.image(image), y);
                }
            };
            (Split::Groups, body, " over all images")
        } else {
            let body = quote! {
                y.fill(0.0);
                isa.sum_to(#over, #to, x0, y);
            };
            (Split::elementwise(cx.output), body, "")
        };
        let (from, to) = (show_shape(&cx.inputs[0].shape), show_shape(&self.shape));
        Kernel::new(format!("sum_to_{}", cx.output.len()), split, body).doc(format!(" Sums {from} to {to}{images}."))
    }
}

/// The largest element along the axes in which the shape is 1 and the operand is not, as of PyTorch's `amax`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaxTo {
    /// The shape to be reached, of as many axes as the operand.
    pub shape: Vec<usize>,
}

/// Its gradient, in equal shares to all that are largest. Operands: upstream, x, the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MaxToGrad;

impl Operator for MaxTo {
    fn name(&self) -> &'static str {
        "max"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let x = inputs[0];
        let fits = |(to, from): (&usize, &usize)| to == from || *to == 1;
        if x.shape.len() != self.shape.len() || !self.shape.iter().zip(&x.shape).all(fits) {
            return Err(Mismatch::new("max_to-C1", "the operand does not cover the shape")
                .found(x.to_string())
                .fits(show_shape(&self.shape)));
        }
        Ok(Type { batched: x.batched, shape: self.shape.clone(), kind: Kind::Float, layout: Layout::Plain })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(MaxToGrad, &[cx.upstream(), cx.operand(0), cx.value()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros().map(|_| f64::NEG_INFINITY);
        let images = cx.inputs[0].data.chunks_exact(cx.types[0].len()).zip(y.data.chunks_exact_mut(cx.output.len()));
        for (x, y) in images {
            // So written, NaN is not lost.
            walk(&cx.types[0].shape, &self.shape, |from, to| y[to] = if x[from] <= y[to] { y[to] } else { x[from] });
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (over, to) = part_tokens(&cx.inputs[0].shape, &self.shape);
        let body = quote! {
            y.fill(f32::NEG_INFINITY);
            isa.max_to(#over, #to, x0, y);
        };
        let (from, shape) = (show_shape(&cx.inputs[0].shape), show_shape(&self.shape));
        Kernel::new(format!("max_to_{}", cx.output.len()), Split::elementwise(cx.output), body)
            .doc(format!(" The largest elements of {from} along axes: {shape}."))
    }
}

impl Operator for MaxToGrad {
    fn name(&self) -> &'static str {
        "max_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[1].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (whole, part) = (cx.output.len(), cx.types[0].len());
        for (image, dx) in dx.data.chunks_exact_mut(whole).enumerate() {
            let x = &cx.inputs[1].data[image * whole..][..whole];
            let [dy, y] = [0, 2].map(|operand: usize| &cx.inputs[operand].data[image * part..][..part]);
            let mut largest = vec![0.0; part];
            let is_largest = |from: usize, to: usize| x[from] >= y[to];
            walk(&cx.output.shape, &cx.types[0].shape, |from, to| largest[to] += f64::from(is_largest(from, to)));
            walk(&cx.output.shape, &cx.types[0].shape, |from, to| {
                dx[from] = if is_largest(from, to) { dy[to] / largest[to] } else { 0.0 };
            });
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (over, to) = part_tokens(&cx.output.shape, &cx.inputs[0].shape);
        let body = quote!(isa.max_to_grad(#over, #to, x0, x1, x2, scratch, y););
        Kernel::new(format!("max_to_grad_{}", cx.output.len()), Split::elementwise(cx.output), body)
            .scratch(cx.inputs[0].len())
            .doc(" The gradient of the largest elements, in equal shares to all that are.")
    }
}

const AXES: Attribute = Attribute::optional(
    "axes",
    "none",
    "the axes that vanish, without the batch: a number or a list; all of them by default",
)
.positional();
const KEEP: Attribute = Attribute::optional("keep", "false", "whether dimensions of 1 remain in their place");

/// The sum along axes: `[*shape] -> [*rest]` (PyTorch's `torch.sum`).
pub static SUM: Definition = Definition {
    name: "sum",
    summary: "the sum along some axes, by default all: one number for each image",
    shapes: "[*shape] -> [*rest]; without the axes, or with 1 in their place",
    source: "PyTorch's `torch.sum`",
    operands: &["x"],
    attributes: &[AXES, KEEP],
    example: "sum(x, [1, 2])",
    build: |call| {
        reduce(call, |call, shape, _| {
            let x = call.operand(0);
            call.push(SumTo { batched: call.ty(0).batched, shape }.into(), &[x])
        })
    },
};

/// The mean along axes: `[*shape] -> [*rest]` (PyTorch's `torch.mean`).
pub static MEAN: Definition = Definition {
    name: "mean",
    summary: "the mean along some axes, by default all: one number for each image",
    shapes: "[*shape] -> [*rest]; without the axes, or with 1 in their place",
    source: "PyTorch's `torch.mean`",
    operands: &["x"],
    attributes: &[AXES, KEEP],
    example: "mean(x, 0, keep: true)",
    build: |call| {
        reduce(call, |call, shape, count| {
            let x = call.operand(0);
            let sum = call.push(SumTo { batched: call.ty(0).batched, shape }.into(), &[x])?;
            call.push(Affine { factor: 1.0 / count as f64, offset: 0.0 }.into(), &[sum])
        })
    },
};

/// The largest element along axes: `[*shape] -> [*rest]` (PyTorch's `torch.amax`).
pub static MAX: Definition = Definition {
    name: "max",
    summary: "the largest element along some axes, by default all: one number for each image",
    shapes: "[*shape] -> [*rest]; without the axes, or with 1 in their place",
    source: "PyTorch's `torch.amax`",
    operands: &["x"],
    attributes: &[AXES, KEEP],
    example: "max(x, [1, 2])",
    build: |call| {
        reduce(call, |call, shape, _| {
            let x = call.operand(0);
            call.push(Op::MaxTo(MaxTo { shape }), &[x])
        })
    },
};

/// Reduces with `f(call, shape with dimensions of 1, elements that become one)` and takes those dimensions away.
fn reduce(
    call: &mut Call<'_>,
    f: impl Fn(&mut Call<'_>, Vec<usize>, usize) -> Result<ValueId, Diagnostic>,
) -> Result<ValueId, Diagnostic> {
    let ty = call.ty(0);
    if ty.shape.is_empty() {
        let mismatch = Mismatch::new("reduce-C1", format!("`{}` needs axes", call.definition.name))
            .found("one number for each image")
            .fits("a tensor of shape [channels, ...]")
            .operand(0);
        return Err(call.explain(mismatch));
    }
    let (axes, keep) = (call.axes("axes")?, call.flag("keep")?);
    let kept = |axis: &usize| !axes.contains(axis);
    let shape = (0..ty.shape.len()).map(|axis| if kept(&axis) { ty.shape[axis] } else { 1 }).collect();
    let count = axes.iter().map(|axis| ty.shape[*axis]).product();
    let reduced = f(call, shape, count)?;
    if keep {
        return Ok(reduced);
    }
    let shape = (0..ty.shape.len()).filter(kept).map(|axis| ty.shape[axis]).collect();
    call.push(Reshape { shape }.into(), &[reduced])
}
