//! l1, smooth_l1 and binary_cross_entropy_with_logits: means over elements that are compared one by one.

use super::loss::compared;
use super::pointwise::Pointwise;
use super::{Attribute, Call, Definition};
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

/// |prediction − target|, after a look at their shapes.
fn distance(call: &mut Call<'_>) -> Result<ValueId, Diagnostic> {
    compared(call.definition.name, &call.ty(0), &call.ty(1)).map_err(|mismatch| call.explain(mismatch))?;
    let (prediction, target) = (call.operand(0), call.operand(1));
    let difference = call.sub(prediction, target)?;
    call.map(Pointwise::Abs, difference)
}

/// Mean absolute error: `[*shape], [*shape] -> []` (PyTorch's `L1Loss`, of each image apart).
pub static L1: Definition = Definition {
    name: "l1",
    summary: "the mean of |prediction - target| over the elements of each image",
    shapes: "[*shape], [*shape] -> []",
    source: "PyTorch's `L1Loss`, of each image apart",
    operands: &["prediction", "target"],
    attributes: &[],
    example: "l1(scores, wanted)",
    build: |call| {
        let distance = distance(call)?;
        call.mean(distance)
    },
};

/// Squares near zero, straight lines farther out: `[*shape], [*shape] -> []` (Girshick 2015, equation 3; Huber 1964,
/// divided by beta; PyTorch's `SmoothL1Loss`, of each image apart).
pub static SMOOTH_L1: Definition = Definition {
    name: "smooth_l1",
    summary: "the mean over the elements of each image of d^2 / (2 beta) where d = |prediction - target| is below \
              beta, and of d - beta / 2 elsewhere",
    shapes: "[*shape], [*shape] -> []",
    source: "Girshick 2015, equation 3; Huber 1964, divided by beta; PyTorch's `SmoothL1Loss`, of each image apart",
    operands: &["prediction", "target"],
    attributes: &[Attribute::optional(
        "beta",
        "1.0",
        "where the square goes over into the line, from 0.000001 to 1000000",
    )],
    example: "smooth_l1(scores, wanted, beta: 0.5)",
    build: |call| {
        let beta = call.number_in("beta", 1e-6..=1e6)?;
        let distance = distance(call)?;
        // c² / 2β + (d − c), c = min(d, β).
        let near = call.map(Pointwise::Clamp { from: f64::NEG_INFINITY, to: beta }, distance)?;
        let square = call.map(Pointwise::Square, near)?;
        let square = call.affine(0.5 / beta, square, 0.0)?;
        let far = call.sub(distance, near)?;
        let terms = call.add(square, far)?;
        call.mean(terms)
    },
};

/// Binary cross-entropy of scores: `[*shape], [*shape] -> []` (PyTorch's `BCEWithLogitsLoss`, of each image apart).
pub static BINARY_CROSS_ENTROPY_WITH_LOGITS: Definition = Definition {
    name: "binary_cross_entropy_with_logits",
    summary: "the mean of -w*t*log(p) - (1-t)*log(1-p), p = sigmoid(scores), over the elements of each image; \
              exact for large scores",
    shapes: "[*shape], [*shape] -> []",
    source: "PyTorch's `BCEWithLogitsLoss`, of each image apart",
    operands: &["logits", "target"],
    attributes: &[Attribute::optional(
        "pos_weight",
        "1.0",
        "w, what a target of one weighs beside one of zero: a number from 0 to 1000000, or a list of one for each channel",
    )],
    example: "binary_cross_entropy_with_logits(scores, wanted, pos_weight: 3)",
    build: |call| {
        let (logits, target) = (call.operand(0), call.operand(1));
        compared(call.definition.name, &call.ty(0), &call.ty(1)).map_err(|mismatch| call.explain(mismatch))?;
        let terms = logistic_terms(call, logits, target)?;
        call.mean(terms)
    },
};

/// w · t · log(1 + e⁻ˣ) + (1 − t) · log(1 + eˣ), in which no large numbers cancel.
fn logistic_terms(call: &mut Call<'_>, logits: ValueId, target: ValueId) -> Result<ValueId, Diagnostic> {
    let list = matches!(call.optional("pos_weight"), Some((super::Argument::List(_), _)));
    let channels = call.ty(0).channels();
    let weighted = match list {
        true => {
            let weights = call.numbers("pos_weight", channels, 0.0..=1e6)?.expect("it is given");
            let weights = call.literal(vec![channels], weights)?;
            call.mul(target, weights)?
        }
        false => {
            let weight = call.number_in("pos_weight", 0.0..=1e6)?;
            call.affine(weight, target, 0.0)?
        }
    };
    logistic(call, logits, target, weighted)
}

/// The logistic loss of each score: `positive` is what the target weighs where it is one.
pub(super) fn logistic(
    call: &mut Call<'_>,
    logits: ValueId,
    target: ValueId,
    positive: ValueId,
) -> Result<ValueId, Diagnostic> {
    let softplus = Pointwise::Softplus { beta: 1.0 };
    let opposite = call.affine(-1.0, logits, 0.0)?;
    let missed = call.map(softplus, opposite)?;
    let missed = call.mul(positive, missed)?;
    let negative = call.affine(-1.0, target, 1.0)?;
    let false_alarm = call.map(softplus, logits)?;
    let false_alarm = call.mul(negative, false_alarm)?;
    call.add(missed, false_alarm)
}
