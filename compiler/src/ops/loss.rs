//! Losses: one number per image, and the mean over the batch.

use quote::quote;
use serde::Serialize;

use super::{Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Kind, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// A loss of one image. Operands: prediction, target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// −log softmax(logits)\[label\]
    CrossEntropy,
    /// The mean of (prediction − target)².
    Mse,
    /// The mean of −t·log p − (1 − t)·log(1 − p), logarithms not below −100 (as PyTorch's `BCELoss`).
    BinaryCrossEntropy,
}

/// The gradient of a loss by its prediction. Operands: prediction, target, upstream (one number per image).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LossGrad(pub Loss);

/// The gradient of [`Loss::BinaryCrossEntropy`] by its target, where that is computed, as in an autoencoder. Operands:
/// prediction, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BinaryCrossEntropyTargetGrad;

/// The smallest logarithm that counts.
const LEAST_LOG: f64 = -100.0;
/// PyTorch divides by no less than this in the gradient.
const LEAST_VARIANCE: f64 = 1e-12;

/// The logarithm of a probability, not below [`LEAST_LOG`]; NaN stays NaN.
fn log(p: f64) -> f64 {
    let log = p.ln();
    if log < LEAST_LOG { LEAST_LOG } else { log }
}

impl Loss {
    fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::CrossEntropy => quote!(cross_entropy),
            Self::Mse => quote!(mse),
            Self::BinaryCrossEntropy => quote!(binary_cross_entropy),
        }
    }

    /// The loss of one image.
    fn value(self, x: &[f64], t: &[f64]) -> f64 {
        let n = x.len() as f64;
        match self {
            Self::CrossEntropy => {
                let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                x.iter().map(|x| (x - most).exp()).sum::<f64>().ln() + most - x[t[0] as usize]
            }
            Self::Mse => x.iter().zip(t).map(|(x, t)| (x - t) * (x - t)).sum::<f64>() / n,
            Self::BinaryCrossEntropy => {
                -x.iter().zip(t).map(|(p, t)| t * log(*p) + (1.0 - t) * log(1.0 - p)).sum::<f64>() / n
            }
        }
    }

    /// Its gradient.
    fn slope(self, x: &[f64], t: &[f64], dx: &mut [f64]) {
        let n = x.len() as f64;
        match self {
            Self::CrossEntropy => {
                let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = x.iter().map(|x| (x - most).exp()).sum();
                for (class, (dx, x)) in dx.iter_mut().zip(x).enumerate() {
                    *dx = (x - most).exp() / sum - f64::from(class == t[0] as usize);
                }
            }
            Self::Mse => dx.iter_mut().zip(x.iter().zip(t)).for_each(|(dx, (x, t))| *dx = 2.0 * (x - t) / n),
            Self::BinaryCrossEntropy => dx
                .iter_mut()
                .zip(x.iter().zip(t))
                .for_each(|(dx, (p, t))| *dx = (p - t) / (p * (1.0 - p)).max(LEAST_VARIANCE) / n),
        }
    }
}

/// Scores of classes have their channels in front of what the labels have for a shape: a number for each class and label.
pub(super) fn classified(x: &Type, t: &Type) -> Result<(), Mismatch> {
    let mismatch = |title: String| Mismatch::new("loss-C1", title).found(format!("{x} and {t}"));
    let Kind::Class(n) = t.kind else {
        return match x.kind {
            Kind::Float => Err(mismatch("cross_entropy compares scores with a class".into())
                .fits("`target label: class(n)`, or `class(n, [height, width])` for one at each pixel")
                .operand(1)),
            Kind::Class(_) => compared("cross_entropy", x, t),
        };
    };
    if x.kind != Kind::Float {
        return compared("cross_entropy", x, t);
    }
    let wanted = [&[n], &*t.shape].concat();
    if x.shape == wanted {
        return Ok(());
    }
    let fits = match (&*t.shape, &*x.shape) {
        ([], [_]) => format!("a vector [{n}], as of `dense({n})`"),
        ([], [first, space @ ..]) if *first == n => format!(
            "a vector [{n}], as of `flatten |> dense({n})`; or `target label: class({n}, {})`, a class at each pixel",
            show_shape(space)
        ),
        ([], _) => format!("a vector [{n}], as of `flatten |> dense({n})`"),
        (space, [_, own @ ..]) if space == own => format!("{}, as of `conv({n}, 1)`", show_shape(&wanted)),
        (space, _) => format!(
            "{}: a map as large as that of the labels, as `upsample(scores, size: {})` makes it",
            show_shape(&wanted),
            show_shape(space)
        ),
    };
    Err(mismatch(format!("{x} are not the scores of {n} classes")).fits(fits).operand(0))
}

/// What a loss compares number by number has one shape; `name` is the loss.
pub(super) fn compared(name: &str, x: &Type, t: &Type) -> Result<(), Mismatch> {
    let wrong = |title: String, fits: String, operand: usize| {
        Err(Mismatch::new("loss-C1", title).found(format!("{x} and {t}")).fits(fits).operand(operand))
    };
    match t.kind {
        _ if x.kind != Kind::Float => {
            wrong(format!("`{name}` predicts numbers"), "a tensor of numbers first, the target second".into(), 0)
        }
        Kind::Class(n) => wrong(
            format!("`{name}` compares numbers with numbers"),
            format!("a target of shape {x}; for one of {n} classes use `cross_entropy`"),
            1,
        ),
        Kind::Float if x.shape != t.shape => {
            wrong(format!("the prediction {x} and the target {t} differ in shape"), "equal shapes".into(), 1)
        }
        Kind::Float => Ok(()),
    }
}

impl Operator for Loss {
    fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy => "cross_entropy",
            Self::Mse => "mse",
            Self::BinaryCrossEntropy => "binary_cross_entropy",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, t) = (inputs[0], inputs[1]);
        match self {
            Self::CrossEntropy => classified(x, t)?,
            _ => compared(self.name(), x, t)?,
        }
        Ok(Type::batched([]))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, t, upstream) = (cx.operand(0), cx.operand(1), cx.upstream());
        let of_target = cx.wants(1);
        if cx.wants(0) || of_target && *self == Self::Mse {
            let gradient = cx.push(LossGrad(*self), &[x, t, upstream]);
            cx.set(0, gradient);
            if of_target && *self == Self::Mse {
                let back = cx.push(super::elementwise::Affine { factor: -1.0, offset: 0.0 }, &[gradient]);
                cx.set(1, back);
            }
        }
        if of_target && *self == Self::BinaryCrossEntropy {
            let gradient = cx.push(BinaryCrossEntropyTargetGrad, &[x, upstream]);
            cx.set(1, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            y.data[i] = self.value(cx.inputs[0].image(i), cx.inputs[1].image(i));
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let function = self.tokens();
        Kernel::new(
            format!("{}_{}", self.name(), cx.inputs[0].len()),
            Split::Images,
            quote!(y[0] = isa.#function(x0, x1);),
        )
        .doc(format!(" {} of one image.", self.name()))
    }
}

impl Operator for LossGrad {
    fn name(&self) -> &'static str {
        match self.0 {
            Loss::CrossEntropy => "cross_entropy_grad",
            Loss::Mse => "mse_grad",
            Loss::BinaryCrossEntropy => "binary_cross_entropy_grad",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let upstream = cx.inputs[2].data[i];
            let dx = dx.image_mut(i);
            self.0.slope(cx.inputs[0].image(i), cx.inputs[1].image(i), dx);
            dx.iter_mut().for_each(|dx| *dx *= upstream);
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let function = quote::format_ident!("{}_grad", self.0.name());
        let name = format!("{}_{}", self.name(), cx.output.len());
        Kernel::new(name, Split::Images, quote!(isa.#function(x0, x1, x2[0], y);))
            .doc(format!(" The gradient of {} by its prediction.", self.0.name()))
    }
}

impl Operator for BinaryCrossEntropyTargetGrad {
    fn name(&self) -> &'static str {
        "binary_cross_entropy_target_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dt = cx.zeros();
        let n = cx.output.len() as f64;
        for i in 0..cx.batch() {
            let (p, upstream) = (cx.inputs[0].image(i), cx.inputs[1].data[i]);
            for (dt, p) in dt.image_mut(i).iter_mut().zip(p) {
                *dt = (log(1.0 - p) - log(*p)) / n * upstream;
            }
        }
        dt
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        Kernel::new(
            format!("{}_{}", self.name(), cx.output.len()),
            Split::Images,
            quote!(isa.binary_cross_entropy_target_grad(x0, x1[0], y);),
        )
        .doc(" The gradient of binary_cross_entropy by its target.")
    }
}

/// cross_entropy and its gradient in one kernel: softmax is computed once.
///
/// Operands: logits, label. The value is `[classes + 1]`: the gradient of the loss by the logits times `scale` over the
/// number of images, and behind it the loss itself. Made by the pass `fuse_loss`, which takes slices of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SoftmaxCrossEntropy {
    /// Weight of the loss in the total.
    pub scale: f64,
}

impl Operator for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Loss::CrossEntropy.infer(inputs)?;
        Ok(Type::batched([inputs[0].len() + 1]))
    }

    /// Made after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let batch = cx.batch();
        for i in 0..batch {
            let (x, t) = (cx.inputs[0].image(i), cx.inputs[1].image(i));
            let (loss, dx) = y.image_mut(i).split_last_mut().expect("there is at least the loss");
            *loss = Loss::CrossEntropy.value(x, t);
            Loss::CrossEntropy.slope(x, t, dx);
            dx.iter_mut().for_each(|dx| *dx *= self.scale / batch as f64);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let scale = self.scale as f32;
        let len = cx.output.len();
        // Blocks see how many images there are, which a kernel for one image does not.
        let body = quote! {
            let scale = #scale / x0.count() as f32;
            for (i, y) in y.chunks_exact_mut(#len).enumerate() {
                isa.softmax_cross_entropy(x0.image(first + i), x1[first + i], scale, y);
            }
        };
        Kernel::new(format!("softmax_cross_entropy_{}", cx.inputs[0].len()), Split::Blocks(16), body)
            .doc(" Softmax, cross-entropy and its gradient by the logits, with the loss behind it.")
    }
}

/// The mean over the batch of one number per image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BatchMean;

/// One number for the batch, shared out: upstream / images for each image. Operands: upstream, and what the mean was
/// taken of, which says how many images there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BatchSpread;

impl Operator for BatchMean {
    fn name(&self) -> &'static str {
        "batch_mean"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        if *inputs[0] != Type::batched([]) {
            return Err(Mismatch::new("batch_mean-C1", "the mean over a batch needs one number for each image")
                .found(inputs[0].to_string()));
        }
        Ok(Type::single([]))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(BatchSpread, &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        Tensor::new(&[], vec![cx.inputs[0].data.iter().sum::<f64>() / cx.batch() as f64])
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        Kernel::new("batch_mean", Split::Pieces(1), quote!(y[0] = rt::batch_mean(x0);)).doc(" The mean over the batch.")
    }
}

impl Operator for BatchSpread {
    fn name(&self) -> &'static str {
        "batch_spread"
    }

    fn infer(&self, _inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type::batched([]))
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let batch = cx.batch();
        Tensor::new(&[batch], vec![cx.inputs[0].data[0] / batch as f64; batch])
    }

    fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
        Kernel::new("batch_spread", Split::Blocks(256), quote!(y.fill(x0[0] / x1.count() as f32);))
            .doc(" One number shared out over the images.")
    }
}

/// Mean squared error: `[*shape], [*shape] -> []` (PyTorch's `MSELoss`, of each image apart).
pub static MSE: Definition = Definition {
    name: "mse",
    summary: "the mean of (prediction - target)^2 over the elements of each image",
    shapes: "[*shape], [*shape] -> []",
    source: "PyTorch's `MSELoss`, of each image apart",
    operands: &["prediction", "target"],
    attributes: &[],
    example: "mse(scores, wanted)",
    build: |call| build(call, Loss::Mse),
};

/// Binary cross-entropy: `[*shape], [*shape] -> []` (PyTorch's `BCELoss`, of each image apart).
pub static BINARY_CROSS_ENTROPY: Definition = Definition {
    name: "binary_cross_entropy",
    summary: "the mean of -t*log(p) - (1-t)*log(1-p) over the elements of each image; logarithms not below -100",
    shapes: "[*shape], [*shape] -> []",
    source: "PyTorch's `BCELoss`, of each image apart",
    operands: &["probability", "target"],
    attributes: &[],
    example: "binary_cross_entropy(sigmoid(scores), wanted)",
    build: |call| build(call, Loss::BinaryCrossEntropy),
};

pub(super) fn build(call: &mut Call<'_>, loss: Loss) -> Result<ValueId, Diagnostic> {
    let operands = [call.operand(0), call.operand(1)];
    call.push(Op::Loss(loss), &operands)
}
