//! batch_norm: in deployment by running statistics, in training by those of the batch.
//!
//! Ioffe & Szegedy 2015. The training graph has it in parts: `BatchStats`, `Normalize`, and for the backward pass
//! `NormalizeSums` and `NormalizeGrad`; tables of statistics are `[channels, columns]`.

use quote::quote;
use serde::Serialize;

use super::activation::Activation;
use super::conv::ChannelSum;
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{BLOCK, Graph, Init, Layout, ParamId, Rewrite, Role, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// (x − mean) / √(var + eps) · weight + bias for each channel. Operands: x, weight, bias, mean, var.
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

/// Mean and (biased) variance of each channel over images and space: `[channels, 2]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BatchStats;

/// As [`BatchNorm`], by a table of statistics. Operands: x, stats, weight, bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Normalize {
    /// Added to the variance.
    pub eps: f64,
    /// Applied to the value.
    pub activation: Option<Activation>,
}

/// Σdy, Σdy·x̂ and both as means, where x̂ is the normalised input: `[channels, 4]`. Operands: x, stats, dy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NormalizeSums {
    /// Added to the variance.
    pub eps: f64,
}

/// weight / √(var + eps) · (dy − mean dy − x̂ · mean dy·x̂). Operands: x, stats, weight, dy, sums.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NormalizeGrad {
    /// Added to the variance.
    pub eps: f64,
}

/// One column of a table of statistics as a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Which.
    pub index: usize,
}

/// (1 − momentum) · running + momentum · new. Operands: running, stats, x, which says how many elements there were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RunningUpdate {
    /// Share of the new value.
    pub momentum: f64,
    /// 0 for the mean; 1 for the variance, which is made unbiased.
    pub column: usize,
}

/// Weights times the factor that a batch normalisation behind them applies. Operands: weights, weight, var.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldWeight {
    /// Added to the variance.
    pub eps: f64,
}

/// The bias that a batch normalisation leaves. Operands: weight, bias, mean, var, and the layer's own bias if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldBias {
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

impl Operator for BatchStats {
    fn name(&self) -> &'static str {
        "batch_stats"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &[])?;
        Ok(Type::single([inputs[0].channels(), 2]))
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Their gradient is part of that of `Normalize`.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut stats = cx.zeros();
        let (ty, x) = (cx.types[0], &cx.inputs[0].data);
        let count = (cx.batch() * places(ty)) as f64;
        each(ty, cx.batch(), |c, i| stats.data[2 * c] += x[i] / count);
        let means: Vec<f64> = stats.data.chunks_exact(2).map(|s| s[0]).collect();
        each(ty, cx.batch(), |c, i| stats.data[2 * c + 1] += (x[i] - means[c]).powi(2) / count);
        stats
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let places = places(&cx.inputs[0]);
        if cx.inputs[0].layout == Layout::Blocked {
            let body = quote!(isa.blocked_batch_stats(x0, piece, #places, y););
            return Kernel::new(format!("batch_stats_{}", cx.inputs[0].len()), Split::Pieces(2 * BLOCK), body)
                .doc(" Mean and variance of sixteen channels over images and space.");
        }
        let body = quote!(isa.batch_stats(x0, piece, #places, y););
        Kernel::new(format!("batch_stats_{}", cx.inputs[0].len()), Split::Pieces(2), body)
            .doc(" Mean and variance of one channel over images and space.")
    }
}

impl Operator for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &inputs[1..])?;
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, stats, weight, dy) = (cx.operand(0), cx.operand(1), cx.operand(2), cx.upstream());
        let sums = cx.push(NormalizeSums { eps: self.eps }, &[x, stats, dy]);
        if cx.wants(0) {
            let gradient = cx.push(NormalizeGrad { eps: self.eps }, &[x, stats, weight, dy, sums]);
            cx.set(0, gradient);
        }
        for (operand, index) in [(2, 1), (3, 0)] {
            if cx.wants(operand) {
                let gradient = cx.push(Column { index }, &[sums]);
                cx.set(operand, gradient);
            }
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let [x, stats, w, b] = cx.inputs[..] else { unreachable!("four operands") };
        let mut y = cx.zeros();
        each(cx.output, cx.batch(), |c, i| {
            let normal = (x.data[i] - stats.data[2 * c]) / (stats.data[2 * c + 1] + self.eps).sqrt();
            let value = normal * w.data[c] + b.data[c];
            y.data[i] = self.activation.map_or(value, |a| a.value(value));
        });
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(cx.output));
        let activate = self.activation.map(|a| {
            let a = a.tokens();
            quote!(isa.activate(#a, y);)
        });
        let with = self.activation.map_or(String::new(), |a| format!(", then {}", a.name()));
        let normalize = if cx.output.layout == Layout::Blocked {
            quote!(isa.blocked_normalize(x1, x2, x3, #eps, #places, x0, y);)
        } else {
            quote!(isa.normalize(x1, x2, x3, #eps, #places, x0, y);)
        };
        let suffix = self.activation.map_or(String::new(), |a| format!("_{}", a.name()));
        Kernel::new(
            format!("normalize{suffix}_{}", cx.output.len()),
            Split::Images,
            quote! {
                #normalize
                #activate
            },
        )
        .doc(format!(" batch_norm of {} by the statistics of the batch{with}.", show_shape(&cx.output.shape)))
    }
}

impl Operator for NormalizeSums {
    fn name(&self) -> &'static str {
        "normalize_sums"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &inputs[1..2])?;
        Ok(Type::single([inputs[0].channels(), 4]))
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let [x, stats, dy] = cx.inputs[..] else { unreachable!("three operands") };
        let mut sums = cx.zeros();
        let count = (cx.batch() * places(cx.types[0])) as f64;
        each(cx.types[0], cx.batch(), |c, i| {
            let normal = (x.data[i] - stats.data[2 * c]) / (stats.data[2 * c + 1] + self.eps).sqrt();
            sums.data[4 * c] += dy.data[i];
            sums.data[4 * c + 1] += dy.data[i] * normal;
        });
        for row in sums.data.chunks_exact_mut(4) {
            (row[2], row[3]) = (row[0] / count, row[1] / count);
        }
        sums
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(&cx.inputs[0]));
        if cx.inputs[0].layout == Layout::Blocked {
            let body = quote!(isa.blocked_normalize_sums(x0, x1, x2, piece, #eps, #places, y););
            return Kernel::new(format!("normalize_sums_{}", cx.inputs[0].len()), Split::Pieces(4 * BLOCK), body)
                .doc(" What the gradients of batch_norm share, for sixteen channels.");
        }
        let body = quote!(isa.normalize_sums(x0, x1, x2, piece, #eps, #places, y););
        Kernel::new(format!("normalize_sums_{}", cx.inputs[0].len()), Split::Pieces(4), body)
            .doc(" What the gradients of batch_norm share, for one channel.")
    }
}

impl Operator for NormalizeGrad {
    fn name(&self) -> &'static str {
        "normalize_grad"
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
        let [x, stats, w, dy, sums] = cx.inputs[..] else { unreachable!("five operands") };
        let mut dx = cx.zeros();
        each(cx.output, cx.batch(), |c, i| {
            let scale = 1.0 / (stats.data[2 * c + 1] + self.eps).sqrt();
            let normal = (x.data[i] - stats.data[2 * c]) * scale;
            let (mean_dy, mean_dyx) = (sums.data[4 * c + 2], sums.data[4 * c + 3]);
            dx.data[i] = w.data[c] * scale * (dy.data[i] - mean_dy - normal * mean_dyx);
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(cx.output));
        let method =
            if cx.output.layout == Layout::Blocked { quote!(blocked_normalize_grad) } else { quote!(normalize_grad) };
        let body =
            quote!(isa.#method(&rt::NormalizeGrad { stats: x1, weight: x2, sums: x4, eps: #eps }, #places, x0, x3, y););
        Kernel::new(format!("normalize_grad_{}", cx.output.len()), Split::Images, body)
            .doc(" The gradient of batch_norm by its input.")
    }
}

impl Operator for Column {
    fn name(&self) -> &'static str {
        "column"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        match inputs[0].shape.as_slice() {
            [rows, columns] if self.index < *columns => Ok(Type { shape: vec![*rows], ..inputs[0].clone() }),
            _ => Err(Mismatch::new("column-C1", "no such column").found(inputs[0].to_string())),
        }
    }

    /// Made by gradients only.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let columns = cx.types[0].shape[1];
        let data = cx.inputs[0].data.chunks_exact(columns).map(|row| row[self.index]).collect();
        Tensor::new(&cx.output.shape, data)
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (index, columns) = (self.index, cx.inputs[0].shape[1]);
        Kernel::new(
            "column",
            Split::Pieces(cx.output.len()),
            quote! {
                for (y, row) in y.iter_mut().zip(x0.chunks_exact(#columns)) {
                    *y = row[#index];
                }
            },
        )
        .doc(format!(" Column {index} of a table of statistics."))
    }
}

impl Operator for RunningUpdate {
    fn name(&self) -> &'static str {
        "running_update"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Buffers have no gradient.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let count = (cx.batch() * places(cx.types[2])) as f64;
        // PyTorch: the running variance is the unbiased one; a single element has none, and keeps the biased.
        let unbias = if self.column == 1 && count > 1.0 { count / (count - 1.0) } else { 1.0 };
        let mut y = cx.inputs[0].clone();
        for (c, y) in y.data.iter_mut().enumerate() {
            *y += self.momentum * (cx.inputs[1].data[2 * c + self.column] * unbias - *y);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (momentum, column, places) = (self.momentum as f32, self.column, places(&cx.inputs[2]));
        let unbias = if self.column == 1 {
            quote! {
                let count = (x2.count() * #places) as f32;
                let unbias = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
            }
        } else {
            quote!()
        };
        let value = if self.column == 1 { quote!(row[#column] * unbias) } else { quote!(row[#column]) };
        Kernel::new(
            "running_update",
            Split::Pieces(cx.output.len()),
            quote! {
                #unbias
                for ((y, old), row) in y.iter_mut().zip(x0).zip(x1.chunks_exact(2)) {
                    *y = old + #momentum * (#value - old);
                }
            },
        )
        .doc(" Running statistics after this batch.")
    }
}

impl Operator for FoldWeight {
    fn name(&self) -> &'static str {
        "fold_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// For deployment only.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let row = cx.output.len() / cx.output.channels();
        let mut w = cx.inputs[0].clone();
        for (i, w) in w.data.iter_mut().enumerate() {
            *w *= cx.inputs[1].data[i / row] / (cx.inputs[2].data[i / row] + self.eps).sqrt();
        }
        w
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (row, eps) = (cx.output.len() / cx.output.channels(), self.eps as f32);
        let body = quote! {
            let scale = x1[piece] / (x2[piece] + #eps).sqrt();
            for (y, w) in y.iter_mut().zip(&x0[piece * #row..]) {
                *y = w * scale;
            }
        };
        Kernel::new(format!("fold_weight_{row}"), Split::Pieces(row), body)
            .doc(" The weights of one filter with batch_norm folded in.")
    }
}

impl Operator for FoldBias {
    fn name(&self) -> &'static str {
        "fold_bias"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// For deployment only.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let own = cx.inputs.get(4);
        let of = |c: usize| {
            let scale = cx.inputs[0].data[c] / (cx.inputs[3].data[c] + self.eps).sqrt();
            cx.inputs[1].data[c] + (own.map_or(0.0, |b| b.data[c]) - cx.inputs[2].data[c]) * scale
        };
        Tensor::new(&cx.output.shape, (0..cx.output.len()).map(of).collect())
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let eps = self.eps as f32;
        let own = if cx.inputs.len() > 4 { quote!(x4[c] - x2[c]) } else { quote!(-x2[c]) };
        let body = quote! {
            for (c, y) in y.iter_mut().enumerate() {
                *y = x1[c] + (#own) * (x0[c] / (x3[c] + #eps).sqrt());
            }
        };
        Kernel::new("fold_bias", Split::Pieces(cx.output.len()), body).doc(" The bias with batch_norm folded in.")
    }
}

/// Takes a batch normalisation apart for training, and says what running statistics become.
pub fn for_training(rewrite: &mut Rewrite<'_>, graph: &Graph, value: ValueId, norm: &BatchNorm) {
    let [x, weight, bias, mean, var] = rewrite.operands(graph.node(value))[..] else { unreachable!("five operands") };
    let stats = rewrite.push_like(value, BatchStats, &[x]);
    let new = rewrite.push_like(value, Normalize { eps: norm.eps, activation: None }, &[x, stats, weight, bias]);
    rewrite.replace(value, new);
    for (column, running) in [(0, mean), (1, var)] {
        let Some(id) = buffer(&rewrite.new, running) else { continue };
        // A shared layer that runs twice updates twice, as in PyTorch.
        let before = rewrite.new.updates.iter().position(|(other, _)| *other == id);
        let running = before.map_or(running, |i| rewrite.new.updates.remove(i).1);
        let update = rewrite.push_like(value, RunningUpdate { momentum: norm.momentum, column }, &[running, stats, x]);
        rewrite.new.updates.push((id, update));
    }
}

fn buffer(graph: &Graph, value: ValueId) -> Option<ParamId> {
    match &graph.node(value).op {
        Op::Param(param) => Some(param.id),
        _ => None,
    }
}

/// batch_norm.
pub static BATCH_NORM: Definition = Definition {
    name: "batch_norm",
    summary: "each channel to mean 0 and variance 1, then scaled and shifted by learnt weights (Ioffe & Szegedy 2015)",
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
