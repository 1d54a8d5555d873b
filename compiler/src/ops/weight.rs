//! weight: a tensor that is learnt and comes from no input, such as a picture that is painted by gradients.

use super::elementwise::Fill;
use super::{Attribute, Definition};
use crate::diagnostics::Diagnostic;
use crate::graph::{Init, Role};

/// weight: `-> [*shape]` (Gatys et al. 2015, whose picture is learnt; PyTorch's `Parameter`).
pub static WEIGHT: Definition = Definition {
    name: "weight",
    summary: "a tensor that is learnt, the same for every image: a picture, a learnt start, a template",
    shapes: "-> [*shape]",
    source: "Gatys et al. 2015, whose picture is learnt; PyTorch's `Parameter`",
    operands: &[],
    attributes: &[
        Attribute::required("shape", "a list of 1 to 4 whole numbers, without the batch"),
        Attribute::optional("init", "0.0", "what all its numbers are at the start, from -1000 to 1000"),
    ],
    example: "x + weight([3, 12, 12], init: 0.5)",
    build: |call| {
        let (value, span) = call.optional("shape").expect("it is required");
        let shape = value.shape().ok_or_else(|| {
            Diagnostic::new(span, "this is not a shape")
                .found(value.to_string())
                .fits("a list of 1 to 4 whole numbers, without the batch")
        })?;
        let init = Init::Constant(call.number_in("init", -1e3..=1e3)?);
        let weight = call.parameter("weight", &shape, init, Role::Trained)?;
        // Operators take one value for each image.
        let zero = call.push(Fill { value: 0.0, batched: true, shape }.into(), &[])?;
        call.add(zero, weight)
    },
};
