//! Lets the gradient of a normalisation find the slope of the activation behind it by itself.
//!
//! The activation's gradient would read its value and write what the two kernels of the normalisation then read. They read the
//! normalisation's input anyway, from which that value follows.

use super::fuse_activation::uses;
use crate::graph::{Graph, Layout, Node, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::activation::Activation;
use crate::ops::batch_norm::{Normalize, NormalizeGrad, NormalizeSums};

/// A gradient of an activation that only the gradient of the normalisation before it needs.
struct Gate {
    /// The gradient of the activation.
    value: ValueId,
    activation: Activation,
    /// The normalisation's weight and bias.
    weight: ValueId,
    bias: ValueId,
}

/// Moves gradients of activations into the kernels of normalisations, of blocked tensors.
pub fn fuse_gate(graph: Graph) -> Graph {
    let uses = uses(&graph);
    let gates: Vec<Gate> = graph.values().filter_map(|v| gate(&graph, &uses, v)).collect();
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        let node = graph.node(value);
        let gate = upstream(node).and_then(|(_, dy)| gates.iter().find(|g| g.value == dy));
        match (&node.op, gate) {
            _ if gates.iter().any(|g| g.value == value) => {}
            (_, None) => rewrite.copy(value),
            (op, Some(gate)) => {
                let (at, dy) = upstream(node).expect("as found");
                let mut operands: Vec<ValueId> = node.inputs.clone();
                operands[at] = graph.node(dy).inputs[0];
                let op: Op = match op {
                    Op::NormalizeSums(sums) => {
                        operands.push(gate.weight);
                        NormalizeSums { gate: Some(gate.activation), ..*sums }.into()
                    }
                    Op::NormalizeGrad(grad) => NormalizeGrad { gate: Some(gate.activation), ..*grad }.into(),
                    _ => unreachable!("these two have an upstream"),
                };
                operands.push(gate.bias);
                let operands: Vec<ValueId> = operands.iter().map(|v| rewrite.get(*v)).collect();
                let new = rewrite.push_like(value, op, &operands);
                rewrite.replace(value, new);
            }
        }
    }
    rewrite.finish()
}

/// Which operand of a normalisation's gradient is the one that arrives.
fn upstream(node: &Node) -> Option<(usize, ValueId)> {
    let at = match &node.op {
        Op::NormalizeSums(NormalizeSums { gate: None, .. }) => 2,
        Op::NormalizeGrad(NormalizeGrad { gate: None, .. }) => 3,
        _ => return None,
    };
    Some((at, node.inputs[at]))
}

/// The gradient of an activation at `value`, if only the gradient of a normalisation before that activation uses it.
fn gate(graph: &Graph, uses: &[usize], value: ValueId) -> Option<Gate> {
    let node = graph.node(value);
    let Op::ActivationGrad(grad) = &node.op else { return None };
    let before = graph.node(node.inputs[1]);
    let Op::Normalize(Normalize { activation: Some(activation), shortcut: false, .. }) = before.op else { return None };
    let [x, stats, weight, bias] = before.inputs[..] else { return None };
    let users = graph.values().filter(|v| {
        let user = graph.node(*v);
        upstream(user).is_some_and(|(_, dy)| dy == value) && user.inputs[..2] == [x, stats]
    });
    let fits = activation == grad.0
        && activation.slope_tokens().is_some()
        && node.ty.layout == Layout::Blocked
        && graph.ty(x).layout == Layout::Blocked
        && users.count() == uses[value.0 as usize];
    fits.then_some(Gate { value, activation, weight, bias })
}
