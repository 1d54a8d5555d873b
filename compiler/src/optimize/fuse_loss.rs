//! One kernel for cross-entropy and its gradient.

use crate::graph::{Graph, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::loss::{Loss, SoftmaxCrossEntropy};
use crate::ops::shape::{Reshape, Slice};

/// Where the weight of a cross-entropy in the total loss is a constant, its value and its gradient come out of one kernel.
pub fn fuse_loss(graph: Graph) -> Graph {
    // By forward node: the backward node and the constant weight.
    let mut pairs: Vec<(ValueId, ValueId, f64)> = Vec::new();
    for value in graph.values() {
        let node = graph.node(value);
        if !matches!(&node.op, Op::LossGrad(grad) if grad.0 == Loss::CrossEntropy) {
            continue;
        }
        let forward = graph.values().find(|v| {
            let f = graph.node(*v);
            f.op == Op::Loss(Loss::CrossEntropy) && f.inputs[..] == node.inputs[..2]
        });
        if let Some((forward, weight)) = forward.zip(constant_weight(&graph, node.inputs[2])) {
            pairs.push((forward, value, weight));
        }
    }
    let mut rewrite = Rewrite::of(&graph);
    let mut fused: Vec<(ValueId, ValueId)> = Vec::new();
    for value in graph.values() {
        if let Some((_, backward, weight)) = pairs.iter().find(|(forward, ..)| *forward == value) {
            let operands = rewrite.operands(graph.node(value));
            let both = rewrite.push_like(value, SoftmaxCrossEntropy { scale: *weight }, &operands);
            let classes = graph.ty(*backward).len();
            let loss = rewrite.push_like(value, Slice { axis: 0, start: classes, len: 1 }, &[both]);
            let loss = rewrite.push_like(value, Reshape { shape: Vec::new() }, &[loss]);
            let gradient = rewrite.push_like(value, Slice { axis: 0, start: 0, len: classes }, &[both]);
            rewrite.replace(value, loss);
            fused.push((*backward, gradient));
        } else if let Some((_, gradient)) = fused.iter().find(|(backward, _)| *backward == value) {
            rewrite.replace(value, *gradient);
        } else {
            rewrite.copy(value);
        }
    }
    rewrite.finish()
}

/// The factor of 1 / images in a gradient that is the same constant for every image.
fn constant_weight(graph: &Graph, value: ValueId) -> Option<f64> {
    let node = graph.node(value);
    match &node.op {
        Op::BatchSpread(_) => match &graph.node(node.inputs[0]).op {
            Op::Fill(fill) => Some(fill.value),
            _ => None,
        },
        Op::Affine(scale) if scale.offset == 0.0 => Some(scale.factor * constant_weight(graph, node.inputs[0])?),
        _ => None,
    }
}
