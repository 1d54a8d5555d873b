//! Makes one convolution of several 1×1 convolutions that read the same value.
//!
//! Branches begin with narrow 1×1 convolutions of what they share, and a branch alone has few filters to keep register tiles and
//! threads busy. All filters together read the value once, and threads wait for each other once. What each branch goes on with
//! is a range of channels, which is a view where channels come in whole blocks.

use crate::graph::{BLOCK, Graph, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::elementwise::Arithmetic;
use crate::ops::shape::{Concat, Slice};
use crate::plan::constant_values;

/// Merges 1×1 convolutions of one value that have the same activation and can leave their values in one place.
pub fn merge_siblings(graph: Graph) -> Graph {
    let families = families(&graph);
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        match families.iter().find(|family| family.contains(&value)) {
            _ if rewrite.has(value) => {}
            Some(family) => merge(&graph, &mut rewrite, family),
            None => rewrite.copy(value),
        }
    }
    rewrite.finish()
}

/// Convolutions to be merged, in the order of their channels.
fn families(graph: &Graph) -> Vec<Vec<ValueId>> {
    let constant = constant_values(graph);
    let mut users: Vec<Vec<ValueId>> = vec![Vec::new(); graph.nodes.len()];
    for value in graph.values() {
        graph.node(value).inputs.iter().for_each(|operand| users[operand.0 as usize].push(value));
    }
    let results = graph.results();
    let mut families: Vec<Vec<ValueId>> = Vec::new();
    for value in graph.values() {
        let node = graph.node(value);
        let Op::Conv(conv) = &node.op else { continue };
        let fits = conv.window.len() == 1
            && conv.groups == 1
            // Weights that are made of a sibling's value would have to be there before it.
            && node.inputs[1..].iter().all(|v| constant[v.0 as usize])
            && !results.contains(&value)
            && users[value.0 as usize].iter().all(|user| reads_a_part(graph, value, *user));
        if !fits {
            continue;
        }
        let alike = |other: ValueId| {
            let other = graph.node(other);
            other.inputs[0] == node.inputs[0] && other.inputs.len() == node.inputs.len() && other.op == node.op
        };
        match families.iter_mut().find(|family| alike(family[0])) {
            Some(family) => family.push(value),
            None => families.push(vec![value]),
        }
    }
    families.iter_mut().for_each(|family| in_blocks(graph, family));
    families.retain(|family| family.len() > 1);
    families
}

/// Whether a user does no worse where the value of a convolution is a part of a larger one: a concatenation would have to
/// copy what it has written in its place otherwise, and nothing could be added to a part while it is in registers.
fn reads_a_part(graph: &Graph, value: ValueId, user: ValueId) -> bool {
    let ends_here = matches!(&graph.node(value).op, Op::Conv(conv) if conv.activation.is_none());
    match &graph.node(user).op {
        Op::Concat(concat) => concat.axis != 0,
        Op::Arithmetic(Arithmetic::Add) | Op::AddN(_) => !ends_here,
        _ => true,
    }
}

/// Leaves those whose channels begin with a block, whatever their order: only the last may end within one.
fn in_blocks(graph: &Graph, family: &mut Vec<ValueId>) {
    let whole = |value: &ValueId| graph.ty(*value).channels().is_multiple_of(BLOCK);
    let (mut members, ragged): (Vec<ValueId>, Vec<ValueId>) = family.iter().partition(|value| whole(value));
    members.extend(ragged.first());
    *family = members;
}

/// Adds the convolution of a family, and what each of its members stands for.
fn merge(graph: &Graph, rewrite: &mut Rewrite<'_>, family: &[ValueId]) {
    let first = graph.node(family[0]);
    let layers: Vec<&str> = family.iter().map(|value| graph.node(*value).layer.as_str()).collect();
    let layer = layers.join(" + ");
    let push = |rewrite: &mut Rewrite<'_>, op: Op, operands: &[ValueId]| {
        rewrite.new.push(op, operands, &layer, first.span).expect("siblings differ in filters alone")
    };
    let mut operands = vec![rewrite.get(first.inputs[0])];
    for index in 1..first.inputs.len() {
        let parts: Vec<ValueId> = family
            .iter()
            .map(|value| {
                let operand = graph.node(*value).inputs[index];
                bring(graph, rewrite, operand);
                rewrite.get(operand)
            })
            .collect();
        operands.push(push(rewrite, Concat { axis: 0 }.into(), &parts));
    }
    let merged = push(rewrite, first.op.clone(), &operands);
    let mut start = 0;
    for value in family {
        let len = graph.ty(*value).channels();
        let part = rewrite.push_like(*value, Slice { axis: 0, start, len }, &[merged]);
        rewrite.replace(*value, part);
        start += len;
    }
}

/// Copies what depends on weights alone and stands further down.
fn bring(graph: &Graph, rewrite: &mut Rewrite<'_>, value: ValueId) {
    if !rewrite.has(value) {
        graph.node(value).inputs.iter().for_each(|operand| bring(graph, rewrite, *operand));
        rewrite.copy(value);
    }
}
