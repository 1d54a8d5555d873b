//! Lets the convolution that makes one of two summands add the other, and apply the activation behind.

use super::fuse_activation::uses;
use crate::graph::{Graph, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::elementwise::Arithmetic;
use crate::ops::tile_conv::TileConv;

/// A sum that goes into a convolution.
struct Sum {
    /// The convolution, and what it adds.
    conv: ValueId,
    shortcut: ValueId,
    /// The sum.
    sum: ValueId,
    /// The value that the convolution computes in the end: the sum, or the activation behind it.
    end: ValueId,
}

/// Moves sums of blocked tensors, and activations behind them, into the convolution that is computed last.
pub fn fuse_shortcut(graph: Graph) -> Graph {
    let uses = uses(&graph);
    let sums: Vec<Sum> = graph.values().filter_map(|v| sum(&graph, &uses, v)).collect();
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        // Its work is done where the sum is complete.
        if sums.iter().any(|s| s.conv == value || (s.sum == value && s.end != value)) {
            continue;
        }
        match sums.iter().find(|s| s.end == value) {
            None => rewrite.copy(value),
            Some(sum) => {
                let Op::TileConv(conv) = &graph.node(sum.conv).op else { unreachable!("as found") };
                let activation = match &graph.node(value).op {
                    Op::Activation(activation) => Some(*activation),
                    _ => None,
                };
                let mut operands = rewrite.operands(graph.node(sum.conv));
                operands.push(rewrite.get(sum.shortcut));
                let op = TileConv { shortcut: true, activation, ..conv.clone() };
                let new = rewrite.push_like(sum.conv, op, &operands);
                rewrite.replace(value, new);
            }
        }
    }
    rewrite.finish()
}

fn is_sum(graph: &Graph, value: ValueId) -> bool {
    let node = graph.node(value);
    let two = match node.op {
        Op::Arithmetic(Arithmetic::Add) => true,
        Op::AddN(_) => node.inputs.len() == 2,
        _ => false,
    };
    two && node.inputs.iter().all(|v| *graph.ty(*v) == node.ty) && node.inputs[0] != node.inputs[1]
}

/// The sum at `value`, if one of its operands is a convolution that nothing else needs.
fn sum(graph: &Graph, uses: &[usize], value: ValueId) -> Option<Sum> {
    if !is_sum(graph, value) {
        return None;
    }
    let mut operands = graph.node(value).inputs.clone();
    operands.sort_unstable();
    let free = |v: &&ValueId| {
        uses[v.0 as usize] == 1
            && matches!(&graph.node(**v).op, Op::TileConv(conv) if !conv.shortcut && conv.activation.is_none())
    };
    let conv = *operands.iter().rev().find(free)?;
    let shortcut = *operands.iter().find(|v| **v != conv)?;
    let behind = graph.values().find(|v| graph.node(*v).inputs.contains(&value));
    let end = match behind {
        Some(user) if uses[value.0 as usize] == 1 && matches!(graph.node(user).op, Op::Activation(_)) => user,
        _ => value,
    };
    Some(Sum { conv, shortcut, sum: value, end })
}
