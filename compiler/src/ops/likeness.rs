//! triplet and contrastive: losses of points that shall be near where two pictures show the same, and far where they do not.

use super::activation::Activation;
use super::pointwise::Pointwise;
use super::{Attribute, Call, Definition, Mismatch};
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

/// Added to every difference, as `torch.nn.functional.pairwise_distance` does, so that a distance of zero has a slope.
const EPS: f64 = 1e-6;

/// Looks whether operands up to `last` have the shape of the first.
fn one_shape(call: &Call<'_>, last: usize) -> Result<(), Diagnostic> {
    let a = call.ty(0);
    match (1..=last).find(|index| call.ty(*index).shape != a.shape) {
        None => Ok(()),
        Some(index) => call.refuse(
            Mismatch::new("likeness-C1", format!("`{}` compares points of one space", call.definition.name))
                .found(format!("{a} and {}", call.ty(index)))
                .fits("equal shapes, as one `shared` tower gives")
                .operand(index),
        ),
    }
}

/// How far apart two points are.
type Distance = fn(&mut Call<'_>, ValueId, ValueId) -> Result<ValueId, Diagnostic>;

/// √Σ (a − b + ε)².
fn euclidean(call: &mut Call<'_>, a: ValueId, b: ValueId) -> Result<ValueId, Diagnostic> {
    let difference = call.sub(a, b)?;
    let difference = call.affine(1.0, difference, EPS)?;
    let square = call.map(Pointwise::Square, difference)?;
    let sum = call.sum(square)?;
    call.map(Pointwise::Sqrt, sum)
}

/// Σ |a − b + ε|.
fn manhattan(call: &mut Call<'_>, a: ValueId, b: ValueId) -> Result<ValueId, Diagnostic> {
    let difference = call.sub(a, b)?;
    let difference = call.affine(1.0, difference, EPS)?;
    let size = call.map(Pointwise::Abs, difference)?;
    call.sum(size)
}

/// triplet: `[*shape], [*shape], [*shape] -> []` (Schroff et al. 2015, section 3.1; PyTorch's `TripletMarginLoss` by
/// its distances).
pub static TRIPLET: Definition = Definition {
    name: "triplet",
    summary: "max(|anchor - positive|^2 - |anchor - negative|^2 + margin, 0) for each image",
    shapes: "[*shape], [*shape], [*shape] -> []",
    source: "Schroff et al. 2015, section 3.1; PyTorch's `TripletMarginLoss` by its distances",
    operands: &["anchor", "positive", "negative"],
    attributes: &[
        Attribute::optional("margin", "0.2", "how much nearer the positive shall be, from 0 to 1000000"),
        Attribute::optional(
            "distance",
            "squared",
            "`squared`, the paper's; `euclidean` or `manhattan`, those of PyTorch's `TripletMarginLoss` with p = 2 and p = 1, \
             whose margin is 1",
        )
        .words(&["squared", "euclidean", "manhattan"]),
    ],
    example: "triplet(x, tanh(x), 2 * x, margin: 0.5)",
    build: |call| {
        one_shape(call, 2)?;
        let margin = call.number_in("margin", 0.0..=1e6)?;
        let distance: Distance = match call.word("distance")?.as_str() {
            "euclidean" => euclidean,
            "manhattan" => manhattan,
            _ => |call, a, b| call.squares(a, b),
        };
        let [anchor, positive, negative] = [0, 1, 2].map(|index| call.operand(index));
        let near = distance(call, anchor, positive)?;
        let far = distance(call, anchor, negative)?;
        let excess = call.sub(near, far)?;
        let excess = call.affine(1.0, excess, margin)?;
        call.push(Activation::Relu.into(), &[excess])
    },
};

/// contrastive: `[*shape], [*shape], [*one] -> []` (Hadsell et al. 2006, equation 4, whose Y is 1 - same).
pub static CONTRASTIVE: Definition = Definition {
    name: "contrastive",
    summary: "same * d^2 / 2 + (1 - same) * max(margin - d, 0)^2 / 2 for each pair, d the distance of a and b",
    shapes: "[*shape], [*shape], [*one] -> []; one is a single number",
    source: "Hadsell et al. 2006, equation 4, whose Y is 1 - same",
    operands: &["a", "b", "same"],
    attributes: &[Attribute::optional("margin", "1.0", "how far apart others shall be, from 0 to 1000000")],
    example: "contrastive(x, tanh(x), mean(sigmoid(x)), margin: 2)",
    build: |call| {
        one_shape(call, 1)?;
        if call.ty(2).len() != 1 {
            return call.refuse(
                Mismatch::new("likeness-C2", "`contrastive` is told with one number whether both are the same")
                    .found(call.ty(2).to_string())
                    .fits("`target same: [1]`, 1 or 0")
                    .operand(2),
            );
        }
        let margin = call.number_in("margin", 0.0..=1e6)?;
        let [a, b, same] = [0, 1, 2].map(|index| call.operand(index));
        let distance = euclidean(call, a, b)?;
        let near = call.map(Pointwise::Square, distance)?;
        let near = call.mul(same, near)?;
        let missing = call.affine(-1.0, distance, margin)?;
        let missing = call.push(Activation::Relu.into(), &[missing])?;
        let far = call.map(Pointwise::Square, missing)?;
        let other = call.affine(-1.0, same, 1.0)?;
        let far = call.mul(other, far)?;
        let both = call.add(near, far)?;
        let sum = call.sum(both)?;
        call.affine(0.5, sum, 0.0)
    },
};
