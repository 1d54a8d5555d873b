//! Folds batch normalisation into the layer before it.

use super::fuse_activation::uses;
use crate::graph::{Graph, Rewrite, ValueId};
use crate::ops::Op;
use crate::ops::batch_norm::{FoldBias, FoldWeight};

/// `batch_norm(conv(x, w, b))` becomes `conv(x, w', b')`, likewise for dense layers: normalisation by fixed statistics is
/// linear. w' and b' depend on weights alone, so the plan computes them once.
pub fn fold_batch_norm(graph: Graph) -> Graph {
    let uses = uses(&graph);
    let foldable = |value: ValueId| {
        let bare = match &graph.node(value).op {
            Op::Conv(conv) => conv.activation.is_none(),
            // The channels of a matrix are its rows, not the units.
            Op::Dense(dense) => dense.activation.is_none() && graph.ty(value).shape.len() == 1,
            _ => false,
        };
        bare && uses[value.0 as usize] == 1
    };
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        let node = graph.node(value);
        match &node.op {
            Op::BatchNorm(norm) if foldable(node.inputs[0]) => {
                let layer = graph.node(node.inputs[0]);
                let operands = rewrite.operands(layer);
                let [_, gamma, beta, mean, var] = node.inputs.iter().map(|v| rewrite.get(*v)).collect::<Vec<_>>()[..]
                else {
                    unreachable!("batch_norm has five operands")
                };
                let weight = rewrite.push_like(value, FoldWeight { eps: norm.eps }, &[operands[1], gamma, var]);
                let bias: Vec<ValueId> = [gamma, beta, mean, var].into_iter().chain(operands.get(2).copied()).collect();
                let bias = rewrite.push_like(value, FoldBias { eps: norm.eps }, &bias);
                let folded = rewrite.push_like(node.inputs[0], layer.op.clone(), &[operands[0], weight, bias]);
                rewrite.replace(value, folded);
            }
            _ => rewrite.copy(value),
        }
    }
    super::prune::prune(rewrite.finish())
}
