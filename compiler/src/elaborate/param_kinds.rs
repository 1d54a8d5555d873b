//! What each weight is to the layers that use it: the operators tell, since shapes do not. Initial weights and weight decay ask.

use crate::graph::{Graph, Init, Node, ParamId, ParamKind, ValueId};
use crate::ops::Op;

/// Notes the kind of each weight and buffer. Of layers that share a weight, the first one decides.
pub(super) fn find(graph: &mut Graph) {
    for param in &mut graph.params {
        // What starts like the weights of a layer and is none of them is its bias.
        let starts_like_weights = matches!(param.init, Init::Uniform { .. });
        param.kind = if starts_like_weights { ParamKind::Bias } else { ParamKind::Other };
    }
    let weights: Vec<_> = graph.nodes.iter().filter_map(|node| weight(graph, node)).collect();
    for (id, kind) in weights.into_iter().rev() {
        graph.params[id.0 as usize].kind = kind;
    }
}

/// The weight that a node multiplies with, if it is the node of a layer.
fn weight(graph: &Graph, node: &Node) -> Option<(ParamId, ParamKind)> {
    let shape_of = |operand: usize| &graph.ty(node.inputs[operand]).shape[..];
    let (operand, kind) = match &node.op {
        Op::Conv(conv) => {
            let [filters, channels, window] = sizes(shape_of(1));
            (1, shared(channels * window, filters / conv.groups * window))
        }
        Op::ConvTranspose(conv) => {
            let [channels, filters, window] = sizes(shape_of(0));
            (0, shared(channels / conv.groups * window, filters * window))
        }
        Op::Dense(_) => {
            let [units, inputs, _] = sizes(shape_of(1));
            (1, shared(inputs, units))
        }
        Op::LocalConv(conv) => {
            let [filters, fan_in, places] = sizes(shape_of(1));
            (1, ParamKind::Weight { fan_in, fan_out: filters * conv.window.len(), places })
        }
        _ => return None,
    };
    Some((behind(graph, node.inputs[operand])?, kind))
}

/// Of weights that all places share.
fn shared(fan_in: usize, fan_out: usize) -> ParamKind {
    ParamKind::Weight { fan_in, fan_out, places: 1 }
}

/// The first axis, the second, and how much all others hold.
fn sizes(shape: &[usize]) -> [usize; 3] {
    [shape[0], shape[1], shape[2..].iter().product()]
}

/// The weight that a value is, in this shape or another one.
fn behind(graph: &Graph, mut value: ValueId) -> Option<ParamId> {
    loop {
        match &graph.node(value).op {
            Op::Param(param) => return Some(param.id),
            Op::Reshape(_) => value = graph.node(value).inputs[0],
            _ => return None,
        }
    }
}
