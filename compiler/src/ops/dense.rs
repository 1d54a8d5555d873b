//! dense: a fully connected layer, and its gradients.

use quote::quote;
use serde::Serialize;

use super::activation::Activation;
use super::conv::ChannelSum;
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
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

/// How a product of `elements` per image, each a sum of `depth` products, is divided; and whether images stay whole.
fn rectangles(elements: usize, depth: usize) -> (Split, bool) {
    let parts = (elements * depth / TASK).clamp(1, PARTS);
    let part = elements.div_ceil(parts).next_multiple_of(16).min(elements);
    (Split::Rectangles { images: BLOCK, elements: part }, part == elements)
}

/// y = W x + b. Operands: x, weight `[units, inputs]`, and a bias if there is one.
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
        if x.shape.len() != 1 {
            return Err(Mismatch::new("dense-C1", "`dense` connects vectors")
                .found(format!("a tensor of shape {x}"))
                .fits("a vector [n]")
                .hint(format!(
                    "`flatten` makes a vector [{}] of it; `conv(n, 1)` connects the channels of each place",
                    x.len()
                ))
                .operand(0));
        }
        if w.shape.len() != 2 || w.shape[1] != x.len() {
            return Err(Mismatch::new("dense-C2", "weights and input differ in length")
                .found(format!("{x} and weights {w}"))
                .operand(0));
        }
        Ok(Type { shape: vec![w.shape[0]], ..x.clone() })
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        inputs[1].len() as u64
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
            let gradient = cx.push(ChannelSum, &[dy]);
            cx.set(2, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let x = cx.inputs[0].image(i);
            for (unit, y) in y.image_mut(i).iter_mut().enumerate() {
                let row = &cx.inputs[1].data[unit * x.len()..][..x.len()];
                let sum: f64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
                let value = sum + cx.inputs.get(2).map_or(0.0, |b| b.data[unit]);
                *y = self.activation.map_or(value, |a| a.value(value));
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (inputs, units, bias) = (cx.inputs[0].len(), cx.output.len(), cx.inputs.len() > 2);
        let (split, whole) = rectangles(units, inputs);
        let start = match (bias, whole) {
            (false, _) => quote!(rt::Start::Zero),
            (true, true) => quote!(rt::Start::Columns(x2)),
            (true, false) => quote!(rt::Start::Columns(&x2[first..])),
        };
        let (first, rows) = match whole {
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
        let mut name = format!("dense_{inputs}_to_{units}");
        let mut doc = format!(" Dense layer [{inputs}] → [{units}]");
        if bias {
            doc += ", bias";
        }
        if let Some(activation) = self.activation {
            name += &format!("_{}", activation.name());
            doc += &format!(", {}", activation.name());
        }
        let body = quote! {
            #first
            let images = x0.from(y.planes().start);
            let weights = rt::GemmNt { k: #inputs, a_row: x0.pitch(), b_row: #inputs };
            isa.gemm_nt(&weights, images, #rows, #start, y);
            #activate
        };
        Kernel::new(name, split, body).doc(format!("{doc}, {BLOCK} images at a time."))
    }
}

impl Operator for DenseGradInput {
    fn name(&self) -> &'static str {
        "dense_grad_input"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type { shape: vec![inputs[0].shape[1]], ..inputs[1].clone() })
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        inputs[0].len() as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let dy = cx.inputs[1].image(i);
            let dx = dx.image_mut(i);
            for (row, dy) in cx.inputs[0].data.chunks_exact(dx.len()).zip(dy) {
                dx.iter_mut().zip(row).for_each(|(dx, w)| *dx += w * dy);
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (inputs, units) = (cx.output.len(), cx.inputs[1].len());
        let (split, whole) = rectangles(inputs, units);
        let columns = if whole { quote!(x0) } else { quote!(&x0[y.offset()..]) };
        let body = quote! {
            let weights = rt::Gemm { k: #units, a_row: x1.pitch(), a_col: 1, b_row: #inputs };
            isa.gemm(&weights, x1.from(y.planes().start), #columns, rt::Start::Zero, y);
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
        Ok(Type::single([inputs[1].len(), inputs[0].len()]))
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        (inputs[0].len() * inputs[1].len()) as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dw = cx.zeros();
        for i in 0..cx.batch() {
            let (x, dy) = (cx.inputs[0].image(i), cx.inputs[1].image(i));
            for (row, dy) in dw.data.chunks_exact_mut(x.len()).zip(dy) {
                row.iter_mut().zip(x).for_each(|(dw, x)| *dw += dy * x);
            }
        }
        dw
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (inputs, units) = (cx.inputs[0].len(), cx.inputs[1].len());
        let body = quote! {
            let unit = piece * #ROWS;
            let images = rt::Gemm { k: x0.count(), a_row: 1, a_col: x1.pitch(), b_row: x0.pitch() };
            let rows = &mut rt::Strip::of(y, #inputs, 0..#inputs);
            isa.gemm(&images, &x1.from(0)[unit..], x0.from(0), rt::Start::Zero, rows);
        };
        Kernel::new(format!("dense_grad_weight_{inputs}_to_{units}"), Split::Pieces(ROWS * inputs), body)
            .doc(format!(" The gradient of a dense layer [{inputs}] → [{units}] by {ROWS} rows of its weights."))
    }
}

/// dense.
pub static DENSE: Definition = Definition {
    name: "dense",
    summary: "a fully connected layer: every unit sees the whole vector",
    operands: &["x"],
    attributes: &[
        Attribute::required("units", "number of units, the length of the result"),
        Attribute::optional("bias", "true", "whether each unit adds a learnt number"),
    ],
    example: "dense(vector, 10)",
    build: |call| {
        let (units, bias) = (call.positive("units")?, call.flag("bias")?);
        let x = call.ty(0);
        let inputs = x.len();
        if x.shape.len() != 1 {
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
