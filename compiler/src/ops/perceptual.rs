//! content, style and total_variation: losses of pictures, which are compared by what a network sees in them.

use super::gram::Gram;
use super::loss::compared;
use super::pointwise::Pointwise;
use super::{Attribute, Definition, Mismatch};
use crate::graph::Type;

fn without_neighbours(ty: &Type) -> Mismatch {
    Mismatch::new("total_variation-C1", "`total_variation` needs neighbours along an axis of space")
        .found(format!("a tensor of shape {ty}"))
        .fits(
            "[channels, length], [channels, height, width] or [channels, depth, height, width], of more than one place",
        )
        .operand(0)
}

/// content: `[*shape], [*shape] -> []` (Gatys et al. 2015, equation 1).
pub static CONTENT: Definition = Definition {
    name: "content",
    summary: "half the sum of (features - target)^2 for each image",
    shapes: "[*shape], [*shape] -> []",
    source: "Gatys et al. 2015, equation 1",
    operands: &["features", "target"],
    attributes: &[],
    example: "content(x, tanh(x))",
    build: |call| {
        compared("content", &call.ty(0), &call.ty(1)).map_err(|mismatch| call.explain(mismatch))?;
        let sum = call.squares(call.operand(0), call.operand(1))?;
        call.affine(0.5, sum, 0.0)
    },
};

/// style: `[*shape], [*shape] -> []` (Gatys et al. 2015, equations 3 and 4; equation 5 is a weighted sum of such
/// losses).
pub static STYLE: Definition = Definition {
    name: "style",
    summary: "the sum of (gram(features) - gram(target))^2 / (4 N^2 M^2) for each image, N channels of M places",
    shapes: "[*shape], [*shape] -> []",
    source: "Gatys et al. 2015, equations 3 and 4; equation 5 is a weighted sum of such losses",
    operands: &["features", "target"],
    attributes: &[],
    example: "style(x, tanh(x))",
    build: |call| {
        let ty = call.ty(0);
        compared("style", &ty, &call.ty(1)).map_err(|mismatch| call.explain(mismatch))?;
        let [features, target] = [0, 1].map(|index| call.operand(index));
        let found = call.push(Gram.into(), &[features])?;
        let wanted = call.push(Gram.into(), &[target])?;
        let sum = call.squares(found, wanted)?;
        // N · M is how many elements there are.
        let elements = ty.len() as f64;
        call.affine(0.25 / (elements * elements), sum, 0.0)
    },
};

/// total_variation: `[channels, *space] -> []` (Rudin et al. 1992, each axis apart; squared Mahendran & Vedaldi 2015,
/// section 2, with an exponent of 2).
pub static TOTAL_VARIATION: Definition = Definition {
    name: "total_variation",
    summary: "the sum of the differences of neighbours along each axis of space, in magnitude, for each image",
    shapes: "[channels, *space] -> []",
    source: "Rudin et al. 1992, each axis apart; squared Mahendran & Vedaldi 2015, section 2, with an exponent of 2",
    operands: &["x"],
    attributes: &[Attribute::optional(
        "squared",
        "false",
        "whether differences are squared (Mahendran & Vedaldi 2015, section 2, with an exponent of 2)",
    )],
    example: "total_variation(pad(x, 1))",
    build: |call| {
        let ty = call.ty(0);
        let function = if call.flag("squared")? { Pointwise::Square } else { Pointwise::Abs };
        let x = call.operand(0);
        let mut total = None;
        for axis in (1..ty.shape.len()).filter(|axis| ty.shape[*axis] > 1) {
            let len = ty.shape[axis] - 1;
            let (first, second) = (call.range(x, axis, 0, len)?, call.range(x, axis, 1, len)?);
            let difference = call.sub(second, first)?;
            let size = call.map(function, difference)?;
            let sum = call.sum(size)?;
            total = Some(match total {
                Some(total) => call.add(total, sum)?,
                None => sum,
            });
        }
        total.map_or_else(|| call.refuse(without_neighbours(&ty)), Ok)
    },
};
