//! The parts of batch_norm in training, by the statistics of the batch, forward and backward.
//!
//! What is summed over the batch is summed for each image first, so that threads share the work whatever the channels.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde::Serialize;

use super::{BatchNorm, each, per_channel, places};
use crate::graph::{Graph, Layout, ParamId, Rewrite, Type, ValueId, show_shape};
use crate::ops::activation::Activation;
use crate::ops::{Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// Of each channel of one image its mean and Σ(x − mean)²: `[channels, 2]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Moments;

/// Mean and (biased) variance of each channel over the batch, `[channels, 2]`, from the [`Moments`] of its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BatchStats {
    /// Elements of a channel of one image.
    pub places: usize,
}

/// As [`BatchNorm`], by a table of statistics. Operands: x, stats, weight, bias, and a shortcut where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Normalize {
    /// Added to the variance.
    pub eps: f64,
    /// Applied to the value.
    pub activation: Option<Activation>,
    /// Whether the last operand is added, before the activation; blocked values only.
    pub shortcut: bool,
}

/// Of each channel of one image Σdy and Σdy·x̂, where x̂ is the normalised input: `[channels, 2]`. Operands: x, stats, dy, and
/// where there is a gate, weight, bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NormalizeSums {
    /// Added to the variance.
    pub eps: f64,
    /// The activation behind: dy is the gradient of its value. Blocked values only.
    pub gate: Option<Activation>,
}

/// Sums over the batch and both as means, `[channels, 4]`, of the [`NormalizeSums`] of its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BatchSums {
    /// Elements of a channel of one image.
    pub places: usize,
}

/// weight / √(var + eps) · (dy − mean dy − x̂ · mean dy·x̂). Operands: x, stats, weight, dy, sums, and where there is
/// a gate, bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NormalizeGrad {
    /// Added to the variance.
    pub eps: f64,
    /// The activation behind: dy is the gradient of its value. Blocked values only.
    pub gate: Option<Activation>,
}

/// The slope of the activation behind a normalisation of value `y`.
fn gate(activation: Option<Activation>, y: f64) -> f64 {
    activation.map_or(1.0, |a| a.slope(a.value(y)))
}

/// A gate, as part of a kernel's name.
fn through(gate: Option<Activation>) -> String {
    gate.map_or(String::new(), |a| format!("_{}", a.name()))
}

/// The runtime's gate, of operands that are already in scope.
fn gate_tokens(activation: Option<Activation>, weight: &str, bias: &str) -> TokenStream {
    let Some(slope) = activation.and_then(Activation::slope_tokens) else { return quote!(None) };
    let [weight, bias] = [weight, bias].map(|name| format_ident!("{name}"));
    quote!(Some(&rt::Gate { weight: #weight, bias: #bias, slope: #slope }))
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

/// Pairs of sums for each channel of an image, from one.
fn pairs(x: &Type) -> Type {
    Type::batched([x.channels(), 2])
}

/// A table over the batch, made of pairs of sums for each channel of an image.
fn table(pairs: &Type, columns: usize) -> Result<Type, Mismatch> {
    match pairs.shape.as_slice() {
        [channels, 2] if pairs.batched => Ok(Type::single([*channels, columns])),
        _ => Err(Mismatch::new("batch_norm-C3", "these are no pairs of sums").found(pairs.to_string())),
    }
}

/// Channels of a task that sums over images.
const TOGETHER: usize = 64;

impl Operator for Moments {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &[])?;
        Ok(pairs(inputs[0]))
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Their gradient is part of that of `Normalize`.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for (x, y) in cx.inputs[0].data.chunks_exact(places(cx.types[0])).zip(y.data.chunks_exact_mut(2)) {
            y[0] = x.iter().sum::<f64>() / x.len() as f64;
            y[1] = x.iter().map(|x| (x - y[0]).powi(2)).sum();
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let x = &cx.inputs[0];
        let places = places(x);
        let method = if x.layout == Layout::Blocked { quote!(blocked_moments) } else { quote!(moments) };
        Kernel::new(format!("moments_{}", x.len()), Split::Images, quote!(isa.#method(#places, x0, y);))
            .doc(" Mean and sum of squares around it of each channel of an image.")
    }
}

impl Operator for BatchStats {
    fn name(&self) -> &'static str {
        "batch_stats"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        table(inputs[0], 2)
    }

    /// Their gradient is part of that of `Normalize`.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (mut stats, images) = (cx.zeros(), cx.batch() as f64);
        let len = stats.data.len();
        for (i, pair) in cx.inputs[0].data.chunks_exact(2).enumerate() {
            stats.data[2 * i % len] += pair[0] / images;
        }
        for (i, pair) in cx.inputs[0].data.chunks_exact(2).enumerate() {
            let at = 2 * i % len;
            let squares = pair[1] / self.places as f64 + (pair[0] - stats.data[at]).powi(2);
            stats.data[at + 1] += squares / images;
        }
        stats
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        let places = self.places;
        let body = quote!(rt::batch_stats(x0, piece * #TOGETHER, #places, y););
        Kernel::new(format!("batch_stats_{places}"), Split::Pieces(2 * TOGETHER), body)
            .doc(" Mean and variance of each channel over images and space.")
    }
}

impl Operator for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &inputs[1..4])?;
        match inputs.get(4) {
            Some(shortcut) if !self.shortcut || **shortcut != *inputs[0] => {
                Err(Mismatch::new("batch_norm-C2", "the shortcut differs").found(shortcut.to_string()))
            }
            _ => Ok(inputs[0].clone()),
        }
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, stats, weight, dy) = (cx.operand(0), cx.operand(1), cx.operand(2), cx.upstream());
        let places = places(cx.ty(x));
        let sums = cx.push(NormalizeSums { eps: self.eps, gate: None }, &[x, stats, dy]);
        let sums = cx.push(BatchSums { places }, &[sums]);
        if cx.wants(0) {
            let gradient = cx.push(NormalizeGrad { eps: self.eps, gate: None }, &[x, stats, weight, dy, sums]);
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
        let [x, stats, w, b, ref shortcut @ ..] = cx.inputs[..] else { unreachable!("four operands") };
        let mut y = cx.zeros();
        each(cx.output, cx.batch(), |c, i| {
            let normal = (x.data[i] - stats.data[2 * c]) / (stats.data[2 * c + 1] + self.eps).sqrt();
            let value = normal * w.data[c] + b.data[c] + shortcut.first().map_or(0.0, |s| s.data[i]);
            y.data[i] = self.activation.map_or(value, |a| a.value(value));
        });
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(cx.output));
        let blocked = cx.output.layout == Layout::Blocked;
        let slope = self.activation.and_then(Activation::slope_tokens).filter(|_| blocked);
        // What the kernel does not apply itself.
        let activate = self.activation.filter(|_| slope.is_none()).map(|a| {
            let a = a.tokens();
            quote!(isa.activate(#a, y);)
        });
        let normalize = if blocked {
            let slope = slope.unwrap_or(quote!(rt::Slope::One));
            let add = if self.shortcut { quote!(Some(x4)) } else { quote!(None) };
            let finish = quote!(rt::Finish { bias: Some(x3), add: #add, slope: #slope });
            quote!(isa.blocked_normalize(x1, x2, #eps, #places, x0, &#finish, y);)
        } else {
            quote!(isa.normalize(x1, x2, x3, #eps, #places, x0, y);)
        };
        let mut name = "normalize".to_owned();
        let mut with = String::new();
        if self.shortcut {
            name += "_add";
            with += ", plus a shortcut";
        }
        if let Some(activation) = self.activation {
            name += &format!("_{}", activation.name());
            with += &format!(", then {}", activation.name());
        }
        let body = quote! {
            #normalize
            #activate
        };
        Kernel::new(format!("{name}_{}", cx.output.len()), Split::Images, body)
            .doc(format!(" batch_norm of {} by the statistics of the batch{with}.", show_shape(&cx.output.shape)))
    }
}

impl Operator for NormalizeSums {
    fn name(&self) -> &'static str {
        "normalize_sums"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        per_channel("batch_norm-C1", inputs[0], &inputs[1..2])?;
        Ok(pairs(inputs[0]))
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let [x, stats, dy, ref affine @ ..] = cx.inputs[..] else { unreachable!("three operands") };
        let (mut sums, places) = (cx.zeros(), places(cx.types[0]));
        each(cx.types[0], cx.batch(), |c, i| {
            let normal = (x.data[i] - stats.data[2 * c]) / (stats.data[2 * c + 1] + self.eps).sqrt();
            let value = affine.first().map_or(normal, |w| normal * w.data[c] + affine[1].data[c]);
            let dy = dy.data[i] * gate(self.gate, value);
            sums.data[i / places * 2] += dy;
            sums.data[i / places * 2 + 1] += dy * normal;
        });
        sums
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let x = &cx.inputs[0];
        let (eps, places) = (self.eps as f32, places(x));
        let body = if x.layout == Layout::Blocked {
            let gate = gate_tokens(self.gate, "x3", "x4");
            quote!(isa.blocked_normalize_sums(x1, #gate, #eps, #places, x0, x2, y);)
        } else {
            quote!(isa.normalize_sums(x1, #eps, #places, x0, x2, y);)
        };
        Kernel::new(format!("normalize_sums{}_{}", through(self.gate), x.len()), Split::Images, body)
            .doc(" What the gradients of batch_norm share, of an image.")
    }
}

impl Operator for BatchSums {
    fn name(&self) -> &'static str {
        "batch_sums"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        table(inputs[0], 4)
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut sums = cx.zeros();
        let (channels, count) = (cx.output.channels(), (cx.batch() * self.places) as f64);
        for (i, pair) in cx.inputs[0].data.chunks_exact(2).enumerate() {
            let row = &mut sums.data[i % channels * 4..][..4];
            for of in 0..2 {
                row[of] += pair[of];
                row[2 + of] += pair[of] / count;
            }
        }
        sums
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        let places = self.places;
        let body = quote!(rt::batch_sums(x0, piece * #TOGETHER, #places, y););
        Kernel::new(format!("batch_sums_{places}"), Split::Pieces(4 * TOGETHER), body)
            .doc(" What the gradients of batch_norm share, of the batch.")
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
        let [x, stats, w, dy, sums, ref bias @ ..] = cx.inputs[..] else { unreachable!("five operands") };
        let mut dx = cx.zeros();
        each(cx.output, cx.batch(), |c, i| {
            let scale = 1.0 / (stats.data[2 * c + 1] + self.eps).sqrt();
            let normal = (x.data[i] - stats.data[2 * c]) * scale;
            let (mean_dy, mean_dyx) = (sums.data[4 * c + 2], sums.data[4 * c + 3]);
            let value = normal * w.data[c] + bias.first().map_or(0.0, |b| b.data[c]);
            let dy = dy.data[i] * gate(self.gate, value);
            dx.data[i] = w.data[c] * scale * (dy - mean_dy - normal * mean_dyx);
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (eps, places) = (self.eps as f32, places(cx.output));
        let norm = quote!(&rt::NormalizeGrad { stats: x1, weight: x2, sums: x4, eps: #eps });
        let body = if cx.output.layout == Layout::Blocked {
            let gate = gate_tokens(self.gate, "x2", "x5");
            quote!(isa.blocked_normalize_grad(#norm, #gate, #places, x0, x3, y);)
        } else {
            quote!(isa.normalize_grad(#norm, #places, x0, x3, y);)
        };
        let name = format!("normalize_grad{}_{}", through(self.gate), cx.output.len());
        Kernel::new(name, Split::Images, body).doc(" The gradient of batch_norm by its input.")
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

/// Takes a batch normalisation apart for training, and says what running statistics become.
pub fn for_training(rewrite: &mut Rewrite<'_>, graph: &Graph, value: ValueId, norm: &BatchNorm) {
    let [x, weight, bias, mean, var] = rewrite.operands(graph.node(value))[..] else { unreachable!("five operands") };
    let places = places(rewrite.new.ty(x));
    let moments = rewrite.push_like(value, Moments, &[x]);
    let stats = rewrite.push_like(value, BatchStats { places }, &[moments]);
    let new = rewrite.push_like(
        value,
        Normalize { eps: norm.eps, activation: None, shortcut: false },
        &[x, stats, weight, bias],
    );
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
