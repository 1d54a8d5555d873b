//! cross_entropy: of one class for each image a [`Loss::CrossEntropy`]; of a map of classes, and where classes are smoothed,
//! weighted or left out, a node of its own.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::loss::{self, Loss};
use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split, source};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId};
use crate::reference::{Evaluation, Tensor};

/// The mean over the pixels that have a class of −Σ weight · share · log softmax(logits), a sum over classes, where the
/// pixel's class has the share 1 − smoothing, and all classes have an equal part of the smoothing; 0 where no pixel has one.
///
/// Operands: logits `[classes, space...]`, labels `class(classes, [space...])`; the value is one number for each image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossEntropyMap {
    /// What is taken from the class and given to all (Szegedy et al. 2016, section 7).
    pub smoothing: f64,
    /// The weight of each class, where they are not all 1.
    pub weights: Option<Vec<f64>>,
    /// The label of pixels that count for nothing.
    pub ignore: Option<u32>,
}

/// The gradient of [`CrossEntropyMap`] by the logits. Operands: logits, labels, upstream (one number for each image).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossEntropyMapGrad(pub CrossEntropyMap);

impl CrossEntropyMap {
    /// Weight times share of each class at a pixel with this label.
    fn shares(&self, classes: usize, label: usize) -> Vec<f64> {
        let weight = |class: usize| self.weights.as_ref().map_or(1.0, |weights| weights[class]);
        let own = |class: usize| if class == label { 1.0 - self.smoothing } else { 0.0 };
        (0..classes).map(|class| weight(class) * (own(class) + self.smoothing / classes as f64)).collect()
    }

    /// Calls `f` with place, log softmax and [`shares`](Self::shares) of each pixel of an image that has a class; returns how
    /// many have, but at least 1.
    fn pixels(&self, logits: &[f64], labels: &[f64], mut f: impl FnMut(usize, &[f64], &[f64])) -> f64 {
        let (places, mut count) = (labels.len(), 0);
        for (place, label) in labels.iter().enumerate().filter(|(_, label)| Some(**label as u32) != self.ignore) {
            let scores: Vec<f64> = logits.iter().skip(place).step_by(places).copied().collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum = scores.iter().map(|x| (x - most).exp()).sum::<f64>().ln() + most;
            let logs: Vec<f64> = scores.iter().map(|x| x - sum).collect();
            f(place, &logs, &self.shares(scores.len(), *label as usize));
            count += 1;
        }
        f64::from(count.max(1))
    }

    /// The runtime's description.
    fn tokens(&self) -> TokenStream {
        let smoothing = self.smoothing as f32;
        let weights = self.weights.iter().flatten().map(|weight| *weight as f32);
        let ignore = source::option(self.ignore);
        quote!(rt::CrossEntropyMap { smoothing: #smoothing, weights: &[#(#weights),*], ignore: #ignore })
    }
}

/// The labels of an image, as a kernel's operand `x1`: one `u32`, or as many as there are pixels.
fn labels(ty: &Type) -> TokenStream {
    if ty.shape.is_empty() { quote!(&[x1]) } else { quote!(x1) }
}

impl Operator for CrossEntropyMap {
    fn name(&self) -> &'static str {
        "cross_entropy_map"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        loss::classified(inputs[0], inputs[1])?;
        Ok(Type::batched([]))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(CrossEntropyMapGrad(self.clone()), &[cx.operand(0), cx.operand(1), cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let mut sum = 0.0;
            let count = self.pixels(cx.inputs[0].image(i), cx.inputs[1].image(i), |_, logs, shares| {
                sum -= logs.iter().zip(shares).map(|(log, share)| log * share).sum::<f64>();
            });
            y.data[i] = sum / count;
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (terms, labels) = (self.tokens(), labels(&cx.inputs[1]));
        Kernel::new(
            format!("{}_{}", self.name(), cx.inputs[0].len()),
            Split::Images,
            quote!(y[0] = isa.cross_entropy_map(&#terms, x0, #labels);),
        )
        .doc(format!(" The cross-entropy of {} with {}.", cx.inputs[0], cx.inputs[1]))
    }
}

impl Operator for CrossEntropyMapGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_map_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let (labels, upstream) = (cx.inputs[1].image(i), cx.inputs[2].data[i]);
            let dx = dx.image_mut(i);
            let count = self.0.pixels(cx.inputs[0].image(i), labels, |place, logs, shares| {
                let all: f64 = shares.iter().sum();
                for (class, (log, share)) in logs.iter().zip(shares).enumerate() {
                    dx[class * labels.len() + place] = log.exp() * all - share;
                }
            });
            dx.iter_mut().for_each(|dx| *dx *= upstream / count);
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (terms, labels) = (self.0.tokens(), labels(&cx.inputs[1]));
        Kernel::new(
            format!("{}_{}", self.name(), cx.output.len()),
            Split::Images,
            quote!(isa.cross_entropy_map_grad(&#terms, x0, #labels, x2[0], y);),
        )
        .doc(format!(" The gradient of the cross-entropy of {} with {}.", cx.inputs[0], cx.inputs[1]))
    }
}

/// cross_entropy: `[classes, *space], class(classes, [*space]) -> []` (Bridle 1990; PyTorch's `CrossEntropyLoss`, of
/// each image apart).
pub static CROSS_ENTROPY: Definition = Definition {
    name: "cross_entropy",
    summary: "-log softmax(logits)[label] for each image; of maps the mean over the pixels that have a class; the \
              logits are scores, not probabilities",
    shapes: "[classes, *space], class(classes, [*space]) -> []",
    source: "Bridle 1990; PyTorch's `CrossEntropyLoss`, of each image apart",
    operands: &["logits", "label"],
    attributes: &[
        Attribute::optional(
            "label_smoothing",
            "0.0",
            "what is taken from the class and given to all in equal shares, from 0 to 1 (Szegedy et al. 2016, section 7)",
        ),
        Attribute::optional(
            "class_weights",
            "none",
            "a list with the weight of each class; the mean stays one over all images and pixels (PyTorch's \
             `reduction='none'` and then `mean()`), not divided by the sum of their weights",
        ),
    ],
    example: "cross_entropy(scores, label, label_smoothing: 0.1)",
    build,
};

fn build(call: &mut Call<'_>) -> Result<ValueId, Diagnostic> {
    let (logits, label) = (call.operand(0), call.operand(1));
    if matches!(call.graph.node(logits).op, Op::Softmax(softmax) if !softmax.log) {
        let span = call.operands[0].1;
        return Err(Diagnostic::new(span, "`cross_entropy` takes scores, and these are probabilities already")
            .code("loss-C2")
            .found("a softmax")
            .fits("the operand of that softmax")
            .hint("softmax belongs to the output: `output probabilities = softmax(logits)`"));
    }
    let smoothing = call.number_in("label_smoothing", 0.0..=1.0)?;
    loss::classified(&call.ty(0), &call.ty(1)).map_err(|mismatch| call.explain(mismatch))?;
    let weights = call.numbers("class_weights", call.ty(0).channels(), 0.0..=1e6)?;
    let ignore = source::ignored(call.graph, label);
    if smoothing == 0.0 && weights.is_none() && ignore.is_none() && call.ty(1).shape.is_empty() {
        return loss::build(call, Loss::CrossEntropy);
    }
    call.push(CrossEntropyMap { smoothing, weights, ignore }.into(), &[logits, label])
}
