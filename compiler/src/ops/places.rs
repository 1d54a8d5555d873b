//! landmark and localization: whether there is something, and, where there is, where and what it is.
//!
//! Prediction and target are vectors that begin with whether it is there; nothing else counts where it is not (the usual course
//! notes; Sermanet et al. 2014, section 4, for boxes; Sun et al. 2013 for points of faces).

use super::loss::compared;
use super::regression::logistic;
use super::softmax::Softmax;
use super::{Call, Definition, Mismatch};
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

/// Numbers of a box: its centre, height and width.
const BOX: usize = 4;

/// How many elements both vectors have, if `fits` says that they may; else what would fit, `layout`.
fn vectors(call: &Call<'_>, fits: fn(usize) -> bool, layout: &str) -> Result<usize, Diagnostic> {
    let (prediction, target) = (call.ty(0), call.ty(1));
    compared(call.definition.name, &prediction, &target).map_err(|mismatch| call.explain(mismatch))?;
    match prediction.shape[..] {
        [len] if fits(len) => Ok(len),
        _ => call.refuse(
            Mismatch::new("places-C1", format!("`{}` compares vectors of {layout}", call.definition.name))
                .found(prediction.to_string())
                .fits(format!("a vector of {layout}"))
                .operand(0),
        ),
    }
}

/// Whether it is there, and the logistic loss of the score that says so; each of shape [1].
fn presence(call: &mut Call<'_>) -> Result<(ValueId, ValueId), Diagnostic> {
    let (prediction, target) = (call.operand(0), call.operand(1));
    let score = call.range(prediction, 0, 0, 1)?;
    let there = call.range(target, 0, 0, 1)?;
    Ok((there, logistic(call, score, there, there)?))
}

/// Σ (prediction − target)² over a part of the vectors.
fn squares(call: &mut Call<'_>, start: usize, len: usize) -> Result<ValueId, Diagnostic> {
    let (prediction, target) = (call.operand(0), call.operand(1));
    let found = call.range(prediction, 0, start, len)?;
    let wanted = call.range(target, 0, start, len)?;
    call.squares(found, wanted)
}

/// −Σ target · log softmax(prediction) over a part of the vectors.
fn kinds(call: &mut Call<'_>, start: usize, len: usize) -> Result<ValueId, Diagnostic> {
    let (prediction, target) = (call.operand(0), call.operand(1));
    let scores = call.range(prediction, 0, start, len)?;
    let wanted = call.range(target, 0, start, len)?;
    let log = call.push(Softmax { axis: 0, log: true }.into(), &[scores])?;
    let terms = call.mul(wanted, log)?;
    let sum = call.sum(terms)?;
    call.affine(-1.0, sum, 0.0)
}

/// absence or presence + there · rest.
fn masked(call: &mut Call<'_>, presence: ValueId, there: ValueId, rest: ValueId) -> Result<ValueId, Diagnostic> {
    let counted = call.mul(there, rest)?;
    let all = call.add(presence, counted)?;
    call.sum(all)
}

/// landmark: `[1 + 2 * points], [1 + 2 * points] -> []` (Sun et al. 2013 for points of faces; whether there is one as
/// course notes have it).
pub static LANDMARK: Definition = Definition {
    name: "landmark",
    summary: "for vectors of [there, x1, y1, x2, y2, ...]: the logistic loss of the score of being there, plus, \
              where the target is there, the sum of squared errors of the points",
    shapes: "[1 + 2 * points], [1 + 2 * points] -> []",
    source: "Sun et al. 2013 for points of faces; whether there is one as course notes have it",
    operands: &["scores", "target"],
    attributes: &[],
    example: "landmark(slice(scores, 0, 7), slice(wanted, 0, 7))",
    build: |call| {
        let len = vectors(call, |len| len >= 3 && len % 2 == 1, "1 + 2 * points numbers")?;
        let (there, presence) = presence(call)?;
        let points = squares(call, 1, len - 1)?;
        masked(call, presence, there, points)
    },
};

/// localization: `[5 + classes], [5 + classes] -> []` (Sermanet et al. 2014, section 4, for boxes; one vector of all
/// as course notes have it).
pub static LOCALIZATION: Definition = Definition {
    name: "localization",
    summary: "for vectors of [there, x, y, height, width, classes...]: the logistic loss of the score of being \
              there, plus, where the target is there, the sum of squared errors of the box and the cross-entropy \
              of the scores of the classes",
    shapes: "[5 + classes], [5 + classes] -> []; without classes, or with at least 2",
    source: "Sermanet et al. 2014, section 4, for boxes; one vector of all as course notes have it",
    operands: &["scores", "target"],
    attributes: &[],
    example: "localization(scores, wanted)",
    build: |call| {
        let layout = "5 numbers, or 5 + classes numbers for at least 2 classes";
        let len = vectors(call, |len| len == 1 + BOX || len >= 3 + BOX, layout)?;
        let (there, presence) = presence(call)?;
        let mut rest = squares(call, 1, BOX)?;
        if len > 1 + BOX {
            let kinds = kinds(call, 1 + BOX, len - 1 - BOX)?;
            rest = call.add(rest, kinds)?;
        }
        masked(call, presence, there, rest)
    },
};
