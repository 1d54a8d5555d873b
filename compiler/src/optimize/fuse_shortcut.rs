//! Lets the convolution or normalisation that makes one of two summands add the other, and apply the activation behind.

use super::fuse_activation::uses;
use crate::graph::Layout;
use crate::graph::{Graph, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::activation::Activation;
use crate::ops::batch_norm::Normalize;
use crate::ops::elementwise::Arithmetic;
use crate::ops::tile_conv::TileConv;

/// A sum that goes into what makes one of its summands.
struct Sum {
    /// What makes a summand, and the other one, which it adds.
    maker: ValueId,
    shortcut: ValueId,
    /// The sum.
    sum: ValueId,
    /// What it computes in the end: the sum, or the activation behind it.
    end: ValueId,
}

/// Moves sums of blocked tensors, and activations behind them, into the one of their makers that runs last.
pub fn fuse_shortcut(graph: Graph) -> Graph {
    let uses = uses(&graph);
    let sums: Vec<Sum> = graph.values().filter_map(|v| sum(&graph, &uses, v)).collect();
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        // Its work is done where the sum is complete.
        if sums.iter().any(|s| s.maker == value || (s.sum == value && s.end != value)) {
            continue;
        }
        match sums.iter().find(|s| s.end == value) {
            None => rewrite.copy(value),
            Some(sum) => {
                let activation = match &graph.node(value).op {
                    Op::Activation(activation) => Some(*activation),
                    _ => None,
                };
                let maker = graph.node(sum.maker);
                let mut operands = rewrite.operands(maker);
                operands.push(rewrite.get(sum.shortcut));
                let op = with_shortcut(&maker.op, activation).expect("as found");
                let new = rewrite.push_like(sum.maker, op, &operands);
                rewrite.replace(value, new);
            }
        }
    }
    rewrite.finish()
}

/// The operator with a shortcut and an activation behind, if its kernel can do so.
fn with_shortcut(op: &Op, activation: Option<Activation>) -> Option<Op> {
    match op {
        Op::TileConv(conv) if !conv.shortcut && conv.activation.is_none() => {
            Some(TileConv { shortcut: true, activation, ..conv.clone() }.into())
        }
        Op::Normalize(norm) if !norm.shortcut && norm.activation.is_none() => {
            Some(Normalize { shortcut: true, activation, ..*norm }.into())
        }
        _ => None,
    }
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

/// The sum at `value`, if what makes one of its operands can add the other and nothing else needs that operand.
fn sum(graph: &Graph, uses: &[usize], value: ValueId) -> Option<Sum> {
    if !is_sum(graph, value) {
        return None;
    }
    let mut operands = graph.node(value).inputs.clone();
    operands.sort_unstable();
    let free = |v: &&ValueId| {
        uses[v.0 as usize] == 1
            && graph.ty(**v).layout == Layout::Blocked
            && with_shortcut(&graph.node(**v).op, None).is_some()
    };
    let maker = *operands.iter().rev().find(free)?;
    let shortcut = *operands.iter().find(|v| **v != maker)?;
    let behind = graph.values().find(|v| graph.node(*v).inputs.contains(&value));
    let end = match behind {
        Some(user) if uses[value.0 as usize] == 1 && matches!(graph.node(user).op, Op::Activation(_)) => user,
        _ => value,
    };
    Some(Sum { maker, shortcut, sum: value, end })
}
