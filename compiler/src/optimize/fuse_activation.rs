//! Lets the kernel that makes a value also apply the activation behind it.

use crate::graph::{Graph, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::activation::Activation;

/// Moves an activation into the convolution, dense layer or normalisation before it, if nothing else uses that one's
/// value.
pub fn fuse_activation(graph: Graph) -> Graph {
    let uses = uses(&graph);
    let mut rewrite = Rewrite::of(&graph);
    let mut fused: Vec<Option<ValueId>> = vec![None; graph.nodes.len()];
    for value in graph.values() {
        if let Op::Activation(activation) = &graph.node(value).op {
            let operand = graph.node(value).inputs[0];
            if uses[operand.0 as usize] == 1 && with_activation(&graph.node(operand).op, *activation).is_some() {
                fused[operand.0 as usize] = Some(value);
            }
        }
    }
    for value in graph.values() {
        let node = graph.node(value);
        match &node.op {
            // Its work is done where its user stands.
            _ if fused[value.0 as usize].is_some() => {}
            Op::Activation(activation) if fused[node.inputs[0].0 as usize] == Some(value) => {
                let producer = graph.node(node.inputs[0]);
                let op = with_activation(&producer.op, *activation).expect("decided above");
                let operands = rewrite.operands(producer);
                let new = rewrite.push_like(node.inputs[0], op, &operands);
                rewrite.replace(value, new);
            }
            _ => rewrite.copy(value),
        }
    }
    rewrite.finish()
}

/// The operator with an activation behind it, if its kernel can apply one.
fn with_activation(op: &Op, activation: Activation) -> Option<Op> {
    match op {
        Op::Conv(conv) if conv.activation.is_none() => {
            Some(Op::Conv(crate::ops::conv::Conv { activation: Some(activation), ..conv.clone() }))
        }
        Op::Dense(dense) if dense.activation.is_none() => {
            Some(Op::Dense(crate::ops::dense::Dense { activation: Some(activation) }))
        }
        Op::Normalize(norm) if norm.activation.is_none() => {
            Some(Op::Normalize(crate::ops::batch_norm::Normalize { activation: Some(activation), ..*norm }))
        }
        _ => None,
    }
}

/// How often each value is used, results included.
pub(super) fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    let operands = graph.nodes.iter().flat_map(|n| n.inputs.iter().copied());
    for value in operands.chain(graph.results()) {
        uses[value.0 as usize] += 1;
    }
    uses
}
