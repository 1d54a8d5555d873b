//! Stretches of the weights that a step treats alike.

use alloc::vec::Vec;
use core::ops::Range;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::{ParamSpec, Role};

/// Which parameters weight decay applies to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum DecayOn {
    /// All, PyTorch's default.
    #[default]
    All,
    /// Those of two or more dimensions: neither biases nor scales and shifts of norms.
    Weights,
}

/// A stretch of the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    /// Whether weight decay applies.
    pub(super) decays: bool,
    /// Whether it is one parameter of two or more dimensions.
    pub(super) is_layer: bool,
}

/// Parts of all `trained` weights in order, without gaps: one for each parameter where `each` is asked for; otherwise
/// neighbours that are treated alike are one.
pub(super) fn parts(params: &[ParamSpec], trained: usize, decay_on: DecayOn, each: bool) -> Vec<Part> {
    let mut specs: Vec<&ParamSpec> = params.iter().filter(|param| param.role == Role::Trained).collect();
    specs.sort_by_key(|param| param.range.start);
    let mut parts: Vec<Part> = Vec::new();
    for (i, param) in specs.iter().enumerate() {
        // Padding goes with the parameter in front of it: it is zero and stays so.
        let start = if i == 0 { 0 } else { param.range.start };
        let end = specs.get(i + 1).map_or(trained, |next| next.range.start);
        let is_layer = param.shape.len() >= 2;
        let decays = decay_on == DecayOn::All || is_layer;
        match parts.last_mut() {
            Some(last) if !each && last.decays == decays => last.range.end = end,
            _ => parts.push(Part { range: start..end, decays, is_layer: is_layer && each }),
        }
    }
    parts
}

/// The parts that a piece of the weights touches: number, part, and the range within the piece.
pub(super) fn within(parts: &[Part], start: usize, len: usize) -> impl Iterator<Item = (usize, &Part, Range<usize>)> {
    let first = parts.partition_point(|part| part.range.end <= start);
    let touches = move |(_, part): &(usize, &Part)| part.range.start < start + len;
    parts.iter().enumerate().skip(first).take_while(touches).map(move |(number, part)| {
        let range = part.range.start.max(start) - start..part.range.end.min(start + len) - start;
        (number, part, range)
    })
}
