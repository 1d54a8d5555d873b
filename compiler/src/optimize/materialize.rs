//! Gives results memory of their own.

use crate::graph::{Graph, Rewrite, ValueId};
use crate::ops::{Op, copy::Copy};
use crate::plan::{is_source, view};

/// Copies outputs and gradients that would otherwise be inputs, weights, views, or one value under two names.
///
/// Callers receive outputs as one slice over all images and gradients as one slice per weight; the plan can place a
/// computed value so, but not a view into another.
pub fn materialize(graph: Graph) -> Graph {
    let mut taken: Vec<ValueId> = Vec::new();
    let mut copies: Vec<ValueId> = Vec::new();
    let outputs = graph.outputs.iter().map(|o| (o.value, false));
    let input_gradients = graph.input_gradients.iter().map(|g| (g.1, false));
    let gradients = graph.gradients.iter().map(|g| (g.1, true));
    for (value, alone) in outputs.chain(input_gradients).chain(gradients) {
        let node = graph.node(value);
        let shared = alone && (taken.contains(&value) || matches!(node.op, Op::Reshape(_)));
        if shared || is_part_or_source(&graph, value) {
            copies.push(value);
        }
        taken.push(value);
    }
    if copies.is_empty() {
        return graph;
    }
    copy_results(&graph, &copies)
}

/// Whether a value is, however often it is viewed, a source or a part of another value.
fn is_part_or_source(graph: &Graph, value: ValueId) -> bool {
    match view(graph, value) {
        None => is_source(&graph.node(value).op),
        Some((operand, part)) => part.len() < graph.ty(operand).floats() || is_part_or_source(graph, operand),
    }
}

fn copy_results(graph: &Graph, copies: &[ValueId]) -> Graph {
    let mut rewrite = Rewrite::of(graph);
    for value in graph.values() {
        rewrite.copy(value);
    }
    let mut new = rewrite.finish();
    let copied = |new: &mut Graph, value: &mut ValueId| {
        if copies.contains(value) {
            let node = new.node(*value).clone();
            *value = new.push(Copy.into(), &[*value], &node.layer, node.span).expect("a copy accepts anything");
        }
    };
    for index in 0..new.outputs.len() {
        let mut value = new.outputs[index].value;
        copied(&mut new, &mut value);
        new.outputs[index].value = value;
    }
    for index in 0..new.input_gradients.len() {
        let mut value = new.input_gradients[index].1;
        copied(&mut new, &mut value);
        new.input_gradients[index].1 = value;
    }
    for index in 0..new.gradients.len() {
        let mut value = new.gradients[index].1;
        copied(&mut new, &mut value);
        new.gradients[index].1 = value;
    }
    new
}
