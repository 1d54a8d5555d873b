//! Stretches of the weights that a step treats alike.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use super::Group;
use crate::{ParamSpec, Role};

/// Which parameters weight decay applies to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum DecayOn {
    /// All, PyTorch's default.
    #[default]
    All,
    /// The weights of layers: neither biases, nor scales and shifts of norms, nor slopes, nor what a `weight` makes.
    Weights,
}

/// A stretch of the weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    /// Times the weight decay.
    pub(super) decay: f64,
    /// Times the learning rate.
    pub(super) rate: f64,
    /// Whether it is the weight of one layer.
    pub(super) is_layer: bool,
}

/// Parts of all `trained` weights in order, without gaps: one for each parameter where `each` is asked for; otherwise
/// neighbours that are treated alike are one.
pub(super) fn parts(
    params: &[ParamSpec],
    trained: usize,
    decay_on: DecayOn,
    groups: &[Group],
    each: bool,
) -> Result<Vec<Part>, String> {
    let mut specs: Vec<&ParamSpec> = params.iter().filter(|param| param.role == Role::Trained).collect();
    specs.sort_by_key(|param| param.range.start);
    let names = specs.iter().map(|param| param.name);
    if let Some(group) = Group::without(groups, names.clone()) {
        let names: Vec<&str> = names.collect();
        return Err(format!("no trained weight is for the group `{}`; there are {}", group.pattern, names.join(", ")));
    }
    let mut parts: Vec<Part> = Vec::new();
    for (i, param) in specs.iter().enumerate() {
        // Padding goes with the parameter in front of it: it is zero and stays so.
        let start = if i == 0 { 0 } else { param.range.start };
        let end = specs.get(i + 1).map_or(trained, |next| next.range.start);
        let is_layer = param.kind.is_weight();
        let (decay, rate) =
            Group::of(groups, param.name).map_or((1.0, 1.0), |group| (group.decay, group.learning_rate));
        let decay = if decay_on == DecayOn::All || is_layer { decay } else { 0.0 };
        match parts.last_mut() {
            Some(last) if !each && (last.decay, last.rate) == (decay, rate) => last.range.end = end,
            _ => parts.push(Part { range: start..end, decay, rate, is_layer: is_layer && each }),
        }
    }
    Ok(parts)
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
