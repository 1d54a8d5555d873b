//! Which steps of a network without training threads do each for images of its own, where there are many.
//!
//! Layers near the input have large values and few weights. Done for a whole batch, each of them would write to memory what
//! the next reads back from there; done by a thread for an image, values stay in its caches, and no thread waits for
//! another. Layers near the output are the other way around: for a whole batch, their weights come from memory once.

use super::{PlannedBuffer, Root, Step, place::Placement};
use crate::graph::{Graph, ValueId};
use crate::ops::Split;

/// Floats that a step reads and writes, for an image, from which on a batch of images leaves the caches.
const LARGE: usize = 128 * 1024;

/// The steps in front, which threads do each for images of its own.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Front {
    /// How many of the steps of a run they are.
    pub steps: usize,
    /// The buffers that they leave to later steps and as results, by index.
    pub kept: Vec<usize>,
    /// Floats of those, per image.
    pub floats: usize,
    /// Floats of the arena, per image, that later steps and results use.
    pub rest: usize,
}

/// The front of a run; `None` where all steps had better have the whole batch.
pub(super) fn front(graph: &Graph, run: &[Step], placement: &Placement) -> Option<Front> {
    let by_image = run.iter().take_while(|step| goes_by_image(graph, step)).count();
    let balances = run[..by_image].iter().scan(0, |balance, step| {
        let (values, weights) = traffic(graph, step);
        *balance += values as i64 - weights as i64;
        Some(*balance)
    });
    let (last, _) = balances.enumerate().max_by_key(|(step, balance)| (*balance, std::cmp::Reverse(*step)))?;
    let (steps, behind) = run.split_at(last + 1);
    let large = steps.iter().any(|step| traffic(graph, step).0 >= LARGE);
    let buffer = |value: ValueId| match placement.places[value.0 as usize].root {
        Root::Buffer(index) => Some(index),
        _ => None,
    };
    let written: Vec<usize> = steps.iter().filter_map(|step| buffer(step.value)).collect();
    let read = behind.iter().flat_map(|step| &graph.node(step.value).inputs).copied().chain(graph.results());
    let read: Vec<usize> = read.filter_map(buffer).collect();
    let later = behind.iter().filter_map(|step| buffer(step.value)).chain(read.iter().copied());
    let in_arena = |index: &usize| placement.buffers[*index].area == super::Area::Arena;
    let end = |index: usize| {
        let PlannedBuffer { offset, len, .. } = placement.buffers[index];
        offset + len
    };
    let rest = later.filter(in_arena).map(end).max().unwrap_or(0);
    let mut kept: Vec<usize> = read.into_iter().filter(|index| written.contains(index)).filter(in_arena).collect();
    kept.sort_unstable();
    kept.dedup();
    let front =
        Front { steps: steps.len(), floats: kept.iter().map(|index| placement.buffers[*index].len).sum(), kept, rest };
    // With more kept, memory for each thread apart would be more memory in all.
    let little = 4 * (front.rest + front.floats) <= 3 * placement.sizes.arena;
    (large && little && front.floats > 0).then_some(front)
}

impl Front {
    /// The most floats that values of a batch take, all memory of threads among them; `arena` is what all steps take of an image.
    pub fn arena(&self, arena: usize, images: usize) -> usize {
        // Threads have an image each where there are two for each of them, or more.
        let kept = (self.rest + self.floats).saturating_mul(images);
        let apart = if images < 2 { 0 } else { arena.saturating_mul(images / 2).saturating_add(kept) };
        arena.saturating_mul(images).max(apart)
    }
}

/// Whether a step does for some images what it does for all, at the same cost.
fn goes_by_image(graph: &Graph, step: &Step) -> bool {
    graph.ty(step.value).batched && matches!(step.kernel.split, Split::Images | Split::Strips(_))
}

/// Floats of values, per image, and of weights that a step reads and writes.
fn traffic(graph: &Graph, step: &Step) -> (usize, usize) {
    let operands = graph.node(step.value).inputs.iter().map(|value| graph.ty(*value));
    let (values, weights): (Vec<_>, Vec<_>) = operands.partition(|ty| ty.batched);
    let floats = |types: Vec<&crate::graph::Type>| types.iter().map(|ty| ty.floats()).sum::<usize>();
    (floats(values) + graph.ty(step.value).floats(), floats(weights))
}
