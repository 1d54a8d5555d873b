//! add, sub, mul, div with broadcasting; multiples, sums and constants.

use quote::quote;
use serde::Serialize;

use super::reduce::SumTo;
use super::{Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{BLOCK, Kind, Layout, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor, full_shape};

/// Two values, element by element; where one has a dimension of 1, that element serves for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
}

impl Arithmetic {
    fn value(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
        }
    }

    fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::Add => quote!(rt::Arithmetic::Add),
            Self::Sub => quote!(rt::Arithmetic::Sub),
            Self::Mul => quote!(rt::Arithmetic::Mul),
            Self::Div => quote!(rt::Arithmetic::Div),
        }
    }
}

/// The common shape of two shapes, if there is one: each dimension equal or 1. The shape of fewer axes goes with the first
/// ones, channels before space, and has dimensions of 1 behind.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let size = |shape: &[usize], axis: usize| shape.get(axis).copied().unwrap_or(1);
    let common = |axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..a.len().max(b.len())).map(common).collect()
}

/// Distance between neighbours of each axis of `of` when walked in the shape of `over`: 0 where it is repeated.
fn strides(of: &[usize], over: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; over.len()];
    let mut step = 1;
    for axis in (0..of.len()).rev() {
        if of[axis] > 1 {
            strides[axis] = step;
        }
        step *= of[axis];
    }
    strides
}

/// Whether a value is one number for each channel of another.
fn per_channel(value: &Type, of: &Type) -> bool {
    value.channels() == of.channels() && value.spatial().iter().all(|n| *n == 1) && !value.shape.is_empty()
}

/// The shape of a blocked value as the runtime walks it, and the distances between neighbours in the value itself, or in one
/// that has a number for each channel.
fn blocked_walk(whole: &Type, part: &Type) -> ([usize; 4], [usize; 4]) {
    let places: usize = whole.spatial().iter().product();
    let strides = if part.shape == whole.shape { [0, places * BLOCK, BLOCK, 1] } else { [0, BLOCK, 0, 1] };
    ([1, whole.blocks(), places, BLOCK], strides)
}

/// Calls `f(index in the whole, index in the part)` for every element of the shape `over`.
pub(super) fn walk(over: &[usize], part: &[usize], mut f: impl FnMut(usize, usize)) {
    let strides = strides(part, over);
    for index in 0..over.iter().product() {
        let (mut rest, mut at) = (index, 0);
        for axis in (0..over.len()).rev() {
            at += rest % over[axis] * strides[axis];
            rest /= over[axis];
        }
        f(index, at);
    }
}

/// Up to four axes, leading ones in front, as the runtime wants them.
pub(super) fn four(numbers: &[usize], fill: usize) -> proc_macro2::TokenStream {
    let mut all = vec![fill; 4 - numbers.len()];
    all.extend(numbers);
    quote!([#(#all),*])
}

/// A shape as the runtime walks it, and the distances in a part of it.
pub(super) fn part_tokens(over: &[usize], part: &[usize]) -> (proc_macro2::TokenStream, proc_macro2::TokenStream) {
    (four(over, 1), four(&strides(part, over), 0))
}

impl Operator for Arithmetic {
    fn name(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (a, b) = (inputs[0], inputs[1]);
        if a.kind != Kind::Float || b.kind != Kind::Float {
            let operand = usize::from(a.kind == Kind::Float);
            return Err(Mismatch::new("arithmetic-C1", "classes are not numbers to calculate with")
                .found(format!("{a} and {b}"))
                .fits("tensors of numbers")
                .operand(operand));
        }
        let shape = broadcast(&a.shape, &b.shape).ok_or_else(|| {
            Mismatch::new("arithmetic-C2", format!("the shapes {a} and {b} do not go together"))
                .found(format!("{a} and {b}"))
                .fits("equal shapes, or dimensions of 1 where they differ; a vector goes with channels")
                .hint("`conv(channels, 1)` changes channels, `stride` and pooling change space, `flatten` the rank")
        })?;
        let layout = if a.layout == b.layout { a.layout } else { Layout::Plain };
        Ok(Type { batched: a.batched || b.batched, shape, kind: Kind::Float, layout })
    }

    fn takes_blocks(&self, inputs: &[&Type]) -> bool {
        let (a, b) = (inputs[0], inputs[1]);
        a.batched && b.batched && (a.shape == b.shape || per_channel(a, b) || per_channel(b, a))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        for side in 0..2 {
            if !cx.wants(side) {
                continue;
            }
            let upstream = cx.upstream();
            let full = match (self, side) {
                (Self::Mul, _) => {
                    let other = cx.operand(1 - side);
                    cx.push(Self::Mul, &[upstream, other])
                }
                (Self::Div, 0) => {
                    let divisor = cx.operand(1);
                    cx.push(Self::Div, &[upstream, divisor])
                }
                // −a / b² is minus the quotient, divided once more.
                (Self::Div, _) => {
                    let (divisor, quotient) = (cx.operand(1), cx.value());
                    let divided = cx.push(Self::Div, &[upstream, divisor]);
                    let product = cx.push(Self::Mul, &[divided, quotient]);
                    cx.push(Affine { factor: -1.0, offset: 0.0 }, &[product])
                }
                (Self::Sub, 1) => cx.push(Affine { factor: -1.0, offset: 0.0 }, &[upstream]),
                _ => upstream,
            };
            let ty = cx.ty(cx.operand(side)).clone();
            let gradient = match *cx.ty(full) == ty {
                true => full,
                false => cx.push(SumTo { batched: ty.batched, shape: ty.shape }, &[full]),
            };
            cx.set(side, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let shape = &cx.output.shape;
        let image = |operand: usize, i: usize| match cx.types[operand].batched {
            true => cx.inputs[operand].image(i),
            false => &cx.inputs[operand].data,
        };
        for i in 0..if cx.output.batched { cx.batch() } else { 1 } {
            let len: usize = shape.iter().product();
            let mut values = vec![(0.0, 0.0); len];
            walk(shape, &cx.types[0].shape, |at, from| values[at].0 = image(0, i)[from]);
            walk(shape, &cx.types[1].shape, |at, from| values[at].1 = image(1, i)[from]);
            for (y, (a, b)) in y.data[i * len..].iter_mut().zip(values) {
                *y = self.value(a, b);
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (op, name, shape) = (self.tokens(), self.name(), show_shape(&cx.output.shape));
        let split = Split::elementwise(cx.output);
        let (a, b) = (&cx.inputs[0].shape, &cx.inputs[1].shape);
        if a == b {
            return Kernel::new(
                name,
                split,
                quote! {
                    y.copy_from_slice(x0);
                    isa.arithmetic(#op, y, x1);
                },
            )
            .doc(format!(" `{name}` of {shape} and {shape}."))
            .in_place(quote!(isa.arithmetic(#op, y, x1);));
        }
        let (over, sa, sb) = if cx.output.layout == Layout::Blocked {
            let (over, sa) = blocked_walk(cx.output, &cx.inputs[0]);
            (four(&over, 1), four(&sa, 0), four(&blocked_walk(cx.output, &cx.inputs[1]).1, 0))
        } else {
            let (sa, sb) = (strides(a, &cx.output.shape), strides(b, &cx.output.shape));
            (four(&cx.output.shape, 1), four(&sa, 0), four(&sb, 0))
        };
        let body = quote! {
            isa.arithmetic_broadcast(#op, &rt::Broadcast { shape: #over, a: #sa, b: #sb }, x0, x1, y);
        };
        Kernel::new(format!("{name}_broadcast_{}", cx.output.len()), split, body).doc(format!(
            " `{name}` of {} and {}, repeated to {shape}.",
            show_shape(a),
            show_shape(b)
        ))
    }
}

/// factor · x + offset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Affine {
    /// What each element is multiplied by.
    pub factor: f64,
    /// What is added afterwards.
    pub offset: f64,
}

impl Operator for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        if inputs[0].kind != Kind::Float {
            return Err(Mismatch::new("arithmetic-C1", "classes are not numbers to calculate with")
                .found(inputs[0].to_string())
                .fits("a tensor of numbers")
                .operand(0));
        }
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let upstream = cx.upstream();
        let gradient = match self.factor {
            1.0 => upstream,
            factor => cx.push(Self { factor, offset: 0.0 }, &[upstream]),
        };
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].map(|x| self.factor * x + self.offset)
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (factor, offset) = (self.factor as f32, self.offset as f32);
        Kernel::new(
            "affine",
            Split::elementwise(cx.output),
            quote! {
                y.copy_from_slice(x0);
                isa.scale(#factor, #offset, y);
            },
        )
        .doc(format!(" {factor} · x + {offset}."))
        .in_place(quote!(isa.scale(#factor, #offset, y);))
    }
}

/// The sum of values of one type: what gradients of a value with several users add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AddN;

impl Operator for AddN {
    fn name(&self) -> &'static str {
        "add_n"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        match inputs.iter().find(|t| **t != inputs[0]) {
            Some(other) => Err(Mismatch::new("add_n-C1", "these cannot be added")
                .found(format!("{} and {other}", inputs[0]))
                .fits("values of one shape")),
            None => Ok(inputs[0].clone()),
        }
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let upstream = cx.upstream();
        (0..cx.operands()).for_each(|i| cx.set(i, upstream));
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[1..].iter().fold(cx.inputs[0].clone(), |sum, x| sum.zip(x, |a, b| a + b))
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let others: Vec<_> = (1..cx.inputs.len()).map(|i| quote::format_ident!("x{i}")).collect();
        let adds = quote!(#(isa.arithmetic(rt::Arithmetic::Add, y, #others);)*);
        Kernel::new(
            format!("add_{}", cx.inputs.len()),
            Split::elementwise(cx.output),
            quote! {
                y.copy_from_slice(x0);
                #adds
            },
        )
        .doc(format!(" The sum of {} values.", cx.inputs.len()))
        .in_place(adds)
    }
}

/// The same number everywhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fill {
    /// The number.
    pub value: f64,
    /// Whether there is one for each image.
    pub batched: bool,
    /// The shape.
    pub shape: Vec<usize>,
}

impl Operator for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn infer(&self, _inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type { batched: self.batched, shape: self.shape.clone(), kind: Kind::Float, layout: Layout::Plain })
    }

    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        Tensor::zeros(&full_shape(cx.output, cx.batch())).map(|_| self.value)
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let value = self.value as f32;
        Kernel::new("fill", Split::elementwise(cx.output), quote!(y.fill(#value);)).doc(format!(" {value} everywhere."))
    }
}

/// a + b: `[*shape].. -> [*common]` (PyTorch's `torch.add`, but that a shape of fewer axes goes with the first ones,
/// channels, not with the last).
pub static ADD: Definition = Definition {
    name: "add",
    summary: "the sum of two or more tensors; dimensions of 1 are repeated, and a vector over space. Also written \
              `a + b`",
    shapes: "[*shape].. -> [*common]; each dimension is the largest, the others equal or 1",
    source: "PyTorch's `torch.add`, but that a shape of fewer axes goes with the first ones, channels, not with \
             the last",
    operands: &["inputs.."],
    attributes: &[],
    example: "add(x, x)",
    build: |call| fold(call, Arithmetic::Add),
};

/// a − b: `[*a], [*b] -> [*common]` (PyTorch's `torch.sub`, with shapes as of `add`).
pub static SUB: Definition = Definition {
    name: "sub",
    summary: "the difference of two tensors; dimensions of 1 are repeated, and a vector over space. Also written \
              `a - b`",
    shapes: "[*a], [*b] -> [*common]; each dimension is the larger, the other equal or 1",
    source: "PyTorch's `torch.sub`, with shapes as of `add`",
    operands: &["a", "b"],
    attributes: &[],
    example: "sub(x, x)",
    build: |call| fold(call, Arithmetic::Sub),
};

/// a · b: `[*shape].. -> [*common]` (PyTorch's `torch.mul`, with shapes as of `add`).
pub static MUL: Definition = Definition {
    name: "mul",
    summary: "the product of two or more tensors, element by element; dimensions of 1 are repeated, and a vector \
              over space. Also written `a * b`",
    shapes: "[*shape].. -> [*common]; each dimension is the largest, the others equal or 1",
    source: "PyTorch's `torch.mul`, with shapes as of `add`",
    operands: &["inputs.."],
    attributes: &[],
    example: "mul(x, sigmoid(x))",
    build: |call| fold(call, Arithmetic::Mul),
};

/// a / b: `[*a], [*b] -> [*common]` (PyTorch's `torch.div`, with shapes as of `add`).
pub static DIV: Definition = Definition {
    name: "div",
    summary: "the quotient of two tensors, element by element; dimensions of 1 are repeated, and a vector over \
              space. Also written `a / b`",
    shapes: "[*a], [*b] -> [*common]; each dimension is the larger, the other equal or 1",
    source: "PyTorch's `torch.div`, with shapes as of `add`",
    operands: &["a", "b"],
    attributes: &[],
    example: "div(x, exp(x))",
    build: |call| fold(call, Arithmetic::Div),
};

fn fold(call: &mut Call<'_>, op: Arithmetic) -> Result<ValueId, Diagnostic> {
    if call.operands.len() < 2 {
        return Err(Diagnostic::new(call.span, format!("`{}` needs two tensors or more", op.name()))
            .found("one")
            .fits(format!("`{}(a, b)`", op.name())));
    }
    (1..call.operands.len()).try_fold(call.operand(0), |sum, i| {
        let next = call.operand(i);
        call.push(Op::Arithmetic(op), &[sum, next])
    })
}
