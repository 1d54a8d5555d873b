//! batch_norm: in deployment by running statistics, in training by those of the batch.
//!
//! Ioffe & Szegedy 2015. The training graph has it in parts: `BatchStats`, `Normalize`, and for the backward pass
//! `NormalizeSums` and `NormalizeGrad`; tables of statistics are `[channels, columns]`.

use quote::quote;
use serde::Serialize;

mod fold;
mod training;

pub use fold::{FoldBias, FoldWeight};
pub use training::{
    BatchStats, BatchSums, Column, Moments, Normalize, NormalizeGrad, NormalizeSums, RunningUpdate, for_training,
};

use super::conv::ChannelSum;
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Init, Role, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// (x − mean) / √(var + eps) · weight + bias for each channel. Operands: x `[channels, *space]`, and weight, bias, mean, var, each
/// `[channels]`; the value has the shape of x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f64,
    /// Share of the new value in running statistics.
    pub momentum: f64,
    /// Whether training, too, uses the running statistics and leaves them as they are.
    pub frozen: bool,
}

/// The gradient of a frozen [`BatchNorm`] by its input. Operands: weight, var, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BatchNormGrad {
    /// Added to the variance.
    pub eps: f64,
}

/// Elements of one channel of one image.
fn places(ty: &Type) -> usize {
    ty.spatial().iter().product()
}

/// Calls `f(channel, index)` for every element of all images.
fn each(ty: &Type, batch: usize, mut f: impl FnMut(usize, usize)) {
    let (channels, places) = (ty.channels(), places(ty));
    for index in 0..batch * channels * places {
        f(index / places % channels, index);
    }
}

fn per_channel(code: &'static str, x: &Type, others: &[&Type]) -> Result<(), Mismatch> {
    if x.shape.is_empty() {
        return Err(Mismatch::new(code, "`batch_norm` needs channels")
            .found("one number for each image")
            .fits("a tensor of shape [channels, ...]")
            .operand(0));
    }
    let channels = x.channels();
    match others.iter().find(|t| t.batched || t.channels() != channels) {
        Some(other) => Err(Mismatch::new(code, "statistics and input differ in channels")
            .found(format!("{x} and {other}"))
            .fits(format!("{channels} channels"))),
        None => Ok(()),
    }
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &inputs[1..])?;
        Ok(inputs[0].clone())
    }

    /// Only frozen ones are differentiated: the others have been taken apart by then. Their weight is frozen, which is what
    /// makes them so; their bias need not be.
    fn gradient(&self, cx: &mut Gradient<'_>) {
        if cx.wants(2) {
            let gradient = cx.push(ChannelSum, &[cx.upstream()]);
            cx.set(2, gradient);
        }
        if cx.wants(0) {
            let operands = [cx.operand(1), cx.operand(4), cx.upstream()];
            let gradient = cx.push(BatchNormGrad { eps: self.eps }, &operands);
            cx.set(0, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let [x, w, b, mean, var] = cx.inputs[..] else { unreachable!("five operands") };
        let mut y = cx.zeros();
        each(cx.output, cx.batch(), |c, i| {
            y.data[i] = (x.data[i] - mean.data[c]) / (var.data[c] + self.eps).sqrt() * w.data[c] + b.data[c];
        });
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(cx.output));
        Kernel::new(format!("batch_norm_{}", cx.output.len()), Split::Images, quote! {
            isa.batch_norm(&rt::Statistics { mean: x3, variance: x4, weight: x1, bias: x2, eps: #eps }, #places, x0, y);
        })
        .doc(format!(" batch_norm of {} by running statistics.", show_shape(&cx.output.shape)))
    }
}

impl Operator for BatchNormGrad {
    fn name(&self) -> &'static str {
        "batch_norm_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[2], &inputs[..2])?;
        Ok(inputs[2].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        each(cx.output, cx.batch(), |c, i| {
            dx.data[i] = cx.inputs[2].data[i] * cx.inputs[0].data[c] / (cx.inputs[1].data[c] + self.eps).sqrt();
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(cx.output));
        let body = quote!(isa.batch_norm_grad(x0, x1, #eps, #places, x2, y););
        Kernel::new(format!("batch_norm_grad_{}", cx.output.len()), Split::Images, body)
            .doc(" The gradient of a frozen batch_norm.")
    }
}

/// batch_norm: `[channels, *space] -> [channels, *space]` (Ioffe & Szegedy 2015, algorithms 1 and 2; PyTorch's
/// `BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`).
pub static BATCH_NORM: Definition = Definition {
    name: "batch_norm",
    summary: "each channel to mean 0 and variance 1, then scaled and shifted by learnt weights; in training by the \
              statistics of the batch, else by running ones",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Ioffe & Szegedy 2015, algorithms 1 and 2; PyTorch's `BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`",
    operands: &["x"],
    attributes: &[
        Attribute::optional("eps", "0.00001", "added to the variance, above 0 and up to 1"),
        Attribute::optional("momentum", "0.1", "share of the new value in running statistics, from 0 to 1"),
    ],
    example: "batch_norm(x)",
    build: |call| {
        let channels = call.ty(0).channels();
        let eps = call.number_in("eps", 1e-30..=1.0)?;
        let momentum = call.number_in("momentum", 0.0..=1.0)?;
        let ones = call.parameter("weight", &[channels], Init::Constant(1.0), Role::Trained)?;
        let zeros = call.parameter("bias", &[channels], Init::Constant(0.0), Role::Trained)?;
        let mean = call.parameter("running_mean", &[channels], Init::Constant(0.0), Role::Buffer)?;
        let var = call.parameter("running_var", &[channels], Init::Constant(1.0), Role::Buffer)?;
        let x = call.operand(0);
        call.push(Op::BatchNorm(BatchNorm { eps, momentum, frozen: false }), &[x, ones, zeros, mean, var])
    },
};
