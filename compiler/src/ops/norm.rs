//! l2_normalize, layer_norm and group_norm: columns of an image brought to one length, or to one mean and variance.
//!
//! Learned factors and offsets are products and sums of their own behind them.

use quote::quote;
use serde::Serialize;

use super::along::{Along, axis};
use super::elementwise::Arithmetic;
use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Init, Role, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// What columns are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// x / max(√Σx², eps)
    Length {
        /// Shorter columns are divided by this.
        eps: f64,
    },
    /// (x − mean) / √(variance + eps)
    Variance {
        /// Added to the (biased) variance.
        eps: f64,
    },
}

/// Normalises each column of an image, which keeps its shape.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Norm {
    /// What columns are brought to.
    pub kind: NormKind,
    /// The columns.
    pub along: Along,
}

/// Its gradient. Operands: upstream, x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NormGrad(pub Norm);

impl NormKind {
    /// What is taken off each element of a column, and what it is multiplied by.
    fn shift_and_scale(self, x: &[f64], column: &[usize]) -> (f64, f64) {
        let count = column.len() as f64;
        match self {
            Self::Length { eps } => {
                let length = column.iter().map(|i| x[*i] * x[*i]).sum::<f64>().sqrt();
                (0.0, 1.0 / length.max(eps))
            }
            Self::Variance { eps } => {
                let mean = column.iter().map(|i| x[*i]).sum::<f64>() / count;
                let variance = column.iter().map(|i| (x[*i] - mean).powi(2)).sum::<f64>() / count;
                (mean, 1.0 / (variance + eps).sqrt())
            }
        }
    }

    fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::Length { eps } => {
                let eps = eps as f32;
                quote!(rt::Norm::Length(#eps))
            }
            Self::Variance { eps } => {
                let eps = eps as f32;
                quote!(rt::Norm::Variance(#eps))
            }
        }
    }
}

impl Norm {
    /// `4 columns of 90 elements of [20, 3, 6]`
    fn show(&self, ty: &Type) -> String {
        let Along { outer, len, inner } = self.along;
        format!("{} columns of {len} elements of {}", outer * inner, show_shape(&ty.shape))
    }
}

impl Operator for Norm {
    fn name(&self) -> &'static str {
        match self.kind {
            NormKind::Length { .. } => "l2_normalize",
            NormKind::Variance { .. } => "standardize",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let Along { outer, len, inner } = self.along;
        if inputs[0].len() != outer * len * inner {
            return Err(Mismatch::new("norm-C1", "the columns do not cover the tensor")
                .found(format!("{outer} · {len} · {inner} elements, and {}", inputs[0])));
        }
        Ok(inputs[0].clone())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(NormGrad(*self), &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (x, mut y) = (&cx.inputs[0].data, cx.zeros());
        self.along.columns(cx.batch(), |column| {
            let (shift, scale) = self.kind.shift_and_scale(x, column);
            column.iter().for_each(|i| y.data[*i] = (x[*i] - shift) * scale);
        });
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (kind, len) = (self.kind.tokens(), self.along.len);
        let body = self.along.image(&["x0"], quote!(isa.norm(#kind, #len, x0, y);));
        Kernel::new(format!("{}_{}", self.name(), cx.output.len()), Split::Images, body).doc(format!(
            " {} of {}.",
            self.name(),
            self.show(cx.output)
        ))
    }
}

impl Operator for NormGrad {
    fn name(&self) -> &'static str {
        "norm_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        self.0.infer(&inputs[1..])
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    /// With x̂ the value: scale · (dy − mean dy − x̂ · mean dy·x̂) for one variance; for one length
    /// (dy − x̂ · Σ dy·x̂) / length, where the column is not too short for that.
    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (dy, x, mut dx) = (&cx.inputs[0].data, &cx.inputs[1].data, cx.zeros());
        self.0.along.columns(cx.batch(), |column| {
            let (shift, scale) = self.0.kind.shift_and_scale(x, column);
            let normal = |i: usize| (x[i] - shift) * scale;
            let sum = column.iter().map(|i| dy[*i]).sum::<f64>();
            let product = column.iter().map(|i| dy[*i] * normal(*i)).sum::<f64>();
            let count = column.len() as f64;
            let (constant, slope) = match self.0.kind {
                NormKind::Length { eps } => (0.0, if scale * eps < 1.0 { product } else { 0.0 }),
                NormKind::Variance { .. } => (sum / count, product / count),
            };
            column.iter().for_each(|i| dx.data[*i] = scale * (dy[*i] - constant - normal(*i) * slope));
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (kind, len) = (self.0.kind.tokens(), self.0.along.len);
        let body = self.0.along.image(&["x0", "x1"], quote!(isa.norm_grad(#kind, #len, x0, x1, y);));
        Kernel::new(format!("{}_grad_{}", self.0.name(), cx.output.len()), Split::Images, body).doc(format!(
            " The gradient of {} of {}.",
            self.0.name(),
            self.0.show(cx.output)
        ))
    }
}

const AFFINE: Attribute =
    Attribute::optional("affine", "true", "whether there are a learned factor, `weight`, and a learned offset, `bias`");
const EPS: Attribute = Attribute::optional("eps", "1e-5", "added to the variance, from 1e-12 to 1");

/// Columns of length 1: `[channels, *space] -> [channels, *space]` (Liu et al. 2015 (ParseNet), section 3.3;
/// PyTorch's `torch.nn.functional.normalize`).
pub static L2_NORMALIZE: Definition = Definition {
    name: "l2_normalize",
    summary: "x over the root of the sum of squares along an axis, by default channels",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Liu et al. 2015 (ParseNet), section 3.3; PyTorch's `torch.nn.functional.normalize`",
    operands: &["x"],
    attributes: &[
        Attribute::optional("axis", "0", "the axis without the batch: 0 is channels, 1 the first of space"),
        Attribute::optional("eps", "1e-12", "what shorter columns are divided by, from 1e-30 to 1"),
    ],
    example: "l2_normalize(x)",
    build: |call| {
        let ty = channels(call)?;
        let along = Along::axis(&ty.shape, axis(call)?);
        let eps = call.number_in("eps", 1e-30..=1.0)?;
        let x = call.operand(0);
        call.push(Norm { kind: NormKind::Length { eps }, along }.into(), &[x])
    },
};

/// Each image of one mean and variance, or each place of it: `[channels, *space] -> [channels, *space]` (Ba et al.
/// 2016, section 3; PyTorch's `LayerNorm`; over channels torchvision's `LayerNorm2d` (Liu et al. 2022)).
pub static LAYER_NORM: Definition = Definition {
    name: "layer_norm",
    summary: "each image brought to mean 0 and variance 1, or its channels at each place",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Ba et al. 2016, section 3; PyTorch's `LayerNorm`; over channels torchvision's `LayerNorm2d` (Liu et \
             al. 2022)",
    operands: &["x"],
    attributes: &[
        Attribute::optional("over", "all", "`all` elements of an image, or the `channels` of each place")
            .words(&["all", "channels"]),
        EPS,
        AFFINE,
    ],
    example: "layer_norm(x, over: channels)",
    build: |call| {
        let ty = channels(call)?;
        let (along, weights) = match call.word("over")?.as_str() {
            "channels" => (Along::axis(&ty.shape, 0), vec![ty.channels()]),
            _ => (Along { outer: 1, len: ty.len(), inner: 1 }, ty.shape),
        };
        build(call, along, &weights)
    },
};

/// Groups of channels of one mean and variance: `[channels, *space] -> [channels, *space]` (Wu & He 2018, section 3;
/// PyTorch's `GroupNorm`; with a group for each channel instance normalisation (Ulyanov et al. 2016)).
pub static GROUP_NORM: Definition = Definition {
    name: "group_norm",
    summary: "each group of channels of an image brought to mean 0 and variance 1",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Wu & He 2018, section 3; PyTorch's `GroupNorm`; with a group for each channel instance normalisation \
             (Ulyanov et al. 2016)",
    operands: &["x"],
    attributes: &[
        Attribute::required("groups", "a divisor of the channels; as many as channels normalise each apart"),
        EPS,
        AFFINE,
    ],
    example: "group_norm(x, 3)",
    build: |call| {
        let (ty, groups) = (channels(call)?, call.positive("groups")?);
        if !ty.channels().is_multiple_of(groups) {
            let span = call.optional("groups").expect("it is required").1;
            return Err(Diagnostic::new(span, "the channels are no whole groups")
                .found(format!("{groups} groups, and a tensor of shape {ty}"))
                .fits(format!("a divisor of {}", ty.channels())));
        }
        build(call, Along { outer: groups, len: ty.len() / groups, inner: 1 }, &[ty.channels()])
    },
};

/// The type of the operand, which has channels.
fn channels(call: &Call<'_>) -> Result<Type, Diagnostic> {
    let ty = call.ty(0);
    if ty.shape.is_empty() {
        let mismatch = Mismatch::new("norm-C2", format!("`{}` needs channels", call.definition.name))
            .found("one number for each image")
            .fits("a tensor of shape [channels, ...]")
            .operand(0);
        return Err(call.explain(mismatch));
    }
    Ok(ty)
}

fn build(call: &mut Call<'_>, along: Along, weights: &[usize]) -> Result<ValueId, Diagnostic> {
    let (eps, x) = (call.number_in("eps", 1e-12..=1.0)?, call.operand(0));
    let normal = call.push(Norm { kind: NormKind::Variance { eps }, along }.into(), &[x])?;
    if !call.flag("affine")? {
        return Ok(normal);
    }
    let weight = call.parameter("weight", weights, Init::Constant(1.0), Role::Trained)?;
    let bias = call.parameter("bias", weights, Init::Constant(0.0), Role::Trained)?;
    let scaled = call.push(Arithmetic::Mul.into(), &[normal, weight])?;
    call.push(Arithmetic::Add.into(), &[scaled, bias])
}
