//! cross_entropy: what users write; by itself it is a node ([`Loss::CrossEntropy`]), with smoothed or weighted classes it is
//! made of others.

use super::loss::{self, Loss};
use super::one_hot::OneHot;
use super::softmax::Softmax;
use super::{Attribute, Call, Definition, Op, Operator};
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

/// cross_entropy.
pub static CROSS_ENTROPY: Definition = Definition {
    name: "cross_entropy",
    summary: "-log softmax(logits)[label] for each image; the logits are scores, not probabilities",
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
            "a list with the weight of each class; the mean over the batch stays one over all images (PyTorch's \
             `reduction='none'` and then `mean()`), not divided by the sum of their weights",
        ),
    ],
    example: "cross_entropy(scores, label, label_smoothing: 0.1)",
    build: |call| {
        if matches!(call.graph.node(call.operand(0)).op, Op::Softmax(softmax) if !softmax.log) {
            let span = call.operands[0].1;
            return Err(Diagnostic::new(span, "`cross_entropy` takes scores, and these are probabilities already")
                .code("loss-C2")
                .found("a softmax")
                .fits("the operand of that softmax")
                .hint("softmax belongs to the output: `output probabilities = softmax(logits)`"));
        }
        let smoothing = call.number_in("label_smoothing", 0.0..=1.0)?;
        Loss::CrossEntropy.infer(&[&call.ty(0), &call.ty(1)]).map_err(|mismatch| call.explain(mismatch))?;
        let weights = call.numbers("class_weights", call.ty(0).len(), 0.0..=1e6)?;
        if smoothing == 0.0 && weights.is_none() {
            return loss::build(call, Loss::CrossEntropy);
        }
        weighted(call, smoothing, weights)
    },
};

/// −Σ weight · share · log softmax, where the class has 1 − smoothing, and all have an equal share of the smoothing.
fn weighted(call: &mut Call<'_>, smoothing: f64, weights: Option<Vec<f64>>) -> Result<ValueId, Diagnostic> {
    let (logits, label, classes) = (call.operand(0), call.operand(1), call.ty(0).len());
    let class = call.push(OneHot.into(), &[label])?;
    let mut shares = call.affine(1.0 - smoothing, class, smoothing / classes as f64)?;
    if let Some(weights) = weights {
        let weights = call.literal(vec![classes], weights)?;
        shares = call.mul(shares, weights)?;
    }
    let log = call.push(Softmax { axis: 0, log: true }.into(), &[logits])?;
    let terms = call.mul(shares, log)?;
    let sum = call.sum(terms)?;
    call.affine(-1.0, sum, 0.0)
}
