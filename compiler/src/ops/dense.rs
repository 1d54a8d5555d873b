//! dense: a fully connected layer, and its gradients.
//!
//! Of a matrix each row is a vector: regions of a picture go through the same layer one by one, as images do.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde::Serialize;

use super::activation::Activation;
use super::conv::ChannelSum;
use super::reduce::SumTo;
use super::shape::Reshape;
use super::{Attribute, Cut, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Init, Role, Type};
use crate::reference::{Evaluation, Tensor};

/// Images that one call of a kernel works on: weights are read once for all of them.
const BLOCK: usize = 16;
/// Rows of weights whose gradients one piece of work computes.
const ROWS: usize = 16;

/// Multiply-adds of an image that are worth the hand-over to another thread.
const TASK: usize = 200_000;
/// Parts that the elements of an image are cut into at most, so that threads end at about the same time.
const PARTS: usize = 16;

/// Rows of a matrix, and elements of each, that one call of a kernel works on: a square, so that little is read twice.
const SQUARE: usize = 64;

/// Elements of those rows that are multiplied at a time, so that both squares stay in the cache.
const DEPTH: usize = 1024;

/// How a product of the shape of a value, each element a sum of `depth` products, is divided; and whether its rows stay whole.
fn division(shape: &[usize], depth: usize) -> (Split, bool) {
    let elements = last(shape);
    if shape.len() == 2 {
        let cut = Cut::of_rows(elements, SQUARE, 1, SQUARE.min(shape[0]));
        return (Split::Strips(cut), elements <= SQUARE);
    }
    let parts = (elements * depth / TASK).clamp(1, PARTS);
    let part = elements.div_ceil(parts).next_multiple_of(16).min(elements);
    (Split::Rectangles { images: BLOCK, elements: part }, part == elements)
}

/// The length of a vector, or of the rows of a matrix.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// The shape of a vector or matrix with rows of another length.
fn with_rows_of(shape: &[usize], len: usize) -> Vec<usize> {
    shape[..shape.len() - 1].iter().copied().chain([len]).collect()
}

/// In a kernel on part of a value: the operand from the first of its images, or rows, on, and the distance to the next.
fn rows(operand: &str, shape: &[usize]) -> (TokenStream, TokenStream) {
    let (x, len) = (format_ident!("{operand}"), last(shape));
    match shape.len() {
        2 => (quote!(&#x[y.planes().start * #len..]), quote!(#len)),
        _ => (quote!(#x.from(y.planes().start)), quote!(#x.pitch())),
    }
}

/// y = W x + b, of each row where x is a matrix. Operands: x `[inputs]` or `[rows, inputs]`, weight `[units, inputs]`, and a bias
/// `[units]` if there is one; the value is `[units]` or `[rows, units]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dense {
    /// Applied to the value by the same kernel.
    pub activation: Option<Activation>,
}

/// The gradient by the input: Wᵀ dy. Operands: weight, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DenseGradInput;

/// The gradient by the weights: Σ dy xᵀ over images. Operands: x, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DenseGradWeight;

impl Operator for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, w) = (inputs[0], inputs[1]);
        if !(1..=2).contains(&x.shape.len()) {
            return Err(Mismatch::new("dense-C1", "`dense` connects vectors")
                .found(format!("a tensor of shape {x}"))
                .fits("a vector [n], or a matrix [rows, n] of vectors")
                .hint(format!(
                    "`flatten` makes a vector [{}] of it; `conv(n, 1)` connects the channels of each place",
                    x.len()
                ))
                .operand(0));
        }
        if w.shape.len() != 2 || w.shape[1] != last(&x.shape) {
            return Err(Mismatch::new("dense-C2", "weights and input differ in length")
                .found(format!("{x} and weights {w}"))
                .operand(0));
        }
        Ok(Type { shape: with_rows_of(&x.shape, w.shape[0]), ..x.clone() })
    }

    fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
        (last(&inputs[0].shape) * output.len()) as u64
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, w, dy) = (cx.operand(0), cx.operand(1), cx.upstream());
        if cx.wants(0) {
            let gradient = cx.push(DenseGradInput, &[w, dy]);
            cx.set(0, gradient);
        }
        if cx.wants(1) {
            let gradient = cx.push(DenseGradWeight, &[x, dy]);
            cx.set(1, gradient);
        }
        if cx.operands() > 2 && cx.wants(2) {
            let gradient = match *cx.ty(dy).shape {
                [_, units] => {
                    let sums = cx.push(SumTo { batched: false, shape: vec![1, units] }, &[dy]);
                    cx.push(Reshape { shape: vec![units] }, &[sums])
                }
                _ => cx.push(ChannelSum, &[dy]),
            };
            cx.set(2, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (len, units) = (last(&cx.types[0].shape), last(&cx.output.shape));
        for (x, y) in cx.inputs[0].data.chunks_exact(len).zip(y.data.chunks_exact_mut(units)) {
            for (unit, y) in y.iter_mut().enumerate() {
                let row = &cx.inputs[1].data[unit * len..][..len];
                let sum: f64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
                let value = sum + cx.inputs.get(2).map_or(0.0, |b| b.data[unit]);
                *y = self.activation.map_or(value, |a| a.value(value));
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (inputs, units, bias) = (last(&cx.inputs[0].shape), last(&cx.output.shape), cx.inputs.len() > 2);
        let (split, whole) = division(&cx.output.shape, inputs);
        let (vectors, pitch) = rows("x0", &cx.inputs[0].shape);
        let start = match (bias, whole) {
            (false, _) => quote!(rt::Start::Zero),
            (true, true) => quote!(rt::Start::Columns(x2)),
            (true, false) => quote!(rt::Start::Columns(&x2[first..])),
        };
        let (first, weights) = match whole {
            true => (quote!(), quote!(x1)),
            false => (quote!(let first = y.offset();), quote!(&x1[first * #inputs..])),
        };
        let activate = self.activation.map(|a| {
            let a = a.tokens();
            quote! {
                for row in y.planes() {
                    isa.activate(#a, y.plane(row));
                }
            }
        });
        let matrix = if cx.output.shape.len() == 2 { "rows_" } else { "" };
        let mut name = format!("dense_{matrix}{inputs}_to_{units}");
        let mut doc = format!(" Dense layer [{inputs}] → [{units}]");
        if bias {
            doc += ", bias";
        }
        if let Some(activation) = self.activation {
            name += &format!("_{}", activation.name());
            doc += &format!(", {}", activation.name());
        }
        let product = match cx.output.shape.len() {
            2 => quote! {
                let (vectors, weights) = (#vectors, #weights);
                for k in (0..#inputs).step_by(#DEPTH) {
                    let part = rt::GemmNt { k: #DEPTH.min(#inputs - k), a_row: #pitch, b_row: #inputs };
                    let start = if k == 0 { #start } else { rt::Start::Add };
                    isa.gemm_nt(&part, &vectors[k..], &weights[k..], start, y);
                }
            },
            _ => quote! {
                let images = #vectors;
                let weights = rt::GemmNt { k: #inputs, a_row: #pitch, b_row: #inputs };
                isa.gemm_nt(&weights, images, #weights, #start, y);
            },
        };
        let body = quote! {
            #first
            #product
            #activate
        };
        let block = match *cx.output.shape {
            [rows, _] => format!("of each of {rows} rows"),
            _ => format!("{BLOCK} images at a time"),
        };
        Kernel::new(name, split, body).doc(format!("{doc}, {block}."))
    }
}

impl Operator for DenseGradInput {
    fn name(&self) -> &'static str {
        "dense_grad_input"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type { shape: with_rows_of(&inputs[1].shape, inputs[0].shape[1]), ..inputs[1].clone() })
    }

    fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
        (last(&inputs[1].shape) * output.len()) as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (len, units) = (last(&cx.output.shape), last(&cx.types[1].shape));
        for (dx, dy) in dx.data.chunks_exact_mut(len).zip(cx.inputs[1].data.chunks_exact(units)) {
            for (row, dy) in cx.inputs[0].data.chunks_exact(len).zip(dy) {
                dx.iter_mut().zip(row).for_each(|(dx, w)| *dx += w * dy);
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (inputs, units) = (last(&cx.output.shape), last(&cx.inputs[1].shape));
        let (split, whole) = division(&cx.output.shape, units);
        let (vectors, pitch) = rows("x1", &cx.inputs[1].shape);
        let columns = if whole { quote!(x0) } else { quote!(&x0[y.offset()..]) };
        let body = quote! {
            let weights = rt::Gemm { k: #units, a_row: #pitch, a_col: 1, b_row: #inputs };
            isa.gemm(&weights, #vectors, #columns, rt::Start::Zero, y);
        };
        Kernel::new(format!("dense_grad_input_{inputs}_to_{units}"), split, body)
            .doc(format!(" The gradient of a dense layer [{inputs}] → [{units}] by its input."))
    }
}

impl Operator for DenseGradWeight {
    fn name(&self) -> &'static str {
        "dense_grad_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type::single([last(&inputs[1].shape), last(&inputs[0].shape)]))
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        (inputs[0].len() * last(&inputs[1].shape)) as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dw = cx.zeros();
        let (len, units) = (last(&cx.types[0].shape), last(&cx.types[1].shape));
        for (x, dy) in cx.inputs[0].data.chunks_exact(len).zip(cx.inputs[1].data.chunks_exact(units)) {
            for (row, dy) in dw.data.chunks_exact_mut(x.len()).zip(dy) {
                row.iter_mut().zip(x).for_each(|(dw, x)| *dw += dy * x);
            }
        }
        dw
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (inputs, units) = (last(&cx.inputs[0].shape), last(&cx.inputs[1].shape));
        let (matrix, body) = match *cx.inputs[0].shape {
            [count, _] => {
                let body = quote! {
                    let unit = piece * #ROWS;
                    y.fill(0.0);
                    let product = rt::Gemm { k: #count, a_row: 1, a_col: #units, b_row: #inputs };
                    let rows = &mut rt::Strip::of(y, #inputs, 0..#inputs);
                    for (x, dy) in x0.images().zip(x1.images()) {
                        isa.gemm(&product, &dy[unit..], x, rt::Start::Add, rows);
                    }
                };
                ("rows_", body)
            }
            _ => {
                let body = quote! {
                    let unit = piece * #ROWS;
                    let images = rt::Gemm { k: x0.count(), a_row: 1, a_col: x1.pitch(), b_row: x0.pitch() };
                    let rows = &mut rt::Strip::of(y, #inputs, 0..#inputs);
                    isa.gemm(&images, &x1.from(0)[unit..], x0.from(0), rt::Start::Zero, rows);
                };
                ("", body)
            }
        };
        Kernel::new(format!("dense_grad_weight_{matrix}{inputs}_to_{units}"), Split::Pieces(ROWS * inputs), body)
            .doc(format!(" The gradient of a dense layer [{inputs}] → [{units}] by {ROWS} rows of its weights."))
    }
}

/// dense: `[*rows, inputs] -> [*rows, units]` (Rumelhart et al. 1986; PyTorch's `Linear`).
pub static DENSE: Definition = Definition {
    name: "dense",
    summary: "a fully connected layer: every unit sees the whole vector; of a matrix [rows, inputs], each row",
    shapes: "[*rows, inputs] -> [*rows, units]; a vector, or a matrix of rows",
    source: "Rumelhart et al. 1986; PyTorch's `Linear`",
    operands: &["x"],
    attributes: &[
        Attribute::required("units", "number of units, the length of the result"),
        Attribute::optional("bias", "true", "whether each unit adds a learnt number"),
    ],
    example: "dense(vector, 10)",
    build: |call| {
        let (units, bias) = (call.positive("units")?, call.flag("bias")?);
        let x = call.ty(0);
        let inputs = last(&x.shape);
        if !(1..=2).contains(&x.shape.len()) {
            let mismatch = Dense { activation: None }.infer(&[&x, &Type::single([1, 1])]).expect_err("not a vector");
            return Err(call.explain(mismatch));
        }
        let init = Init::Uniform { fan_in: inputs };
        let weight = call.parameter("weight", &[units, inputs], init, Role::Trained)?;
        let mut operands = vec![call.operand(0), weight];
        if bias {
            operands.push(call.parameter("bias", &[units], init, Role::Trained)?);
        }
        call.push(Op::Dense(Dense { activation: None }), &operands)
    },
};
