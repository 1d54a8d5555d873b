//! Cutting a network in two, where all that stays as it is ends: what its frozen weights see of an image is always the same, so it
//! need not be computed again each time the image is learnt from.

use crate::graph::{Graph, Kind, Named, Rewrite, Role, Type, ValueId};
use crate::ops::Op;
use crate::ops::source::Input;

/// One of the two networks. Both have all weights of the whole one, so that files of weights fit all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// From the inputs to the features, its outputs. It has the targets of the whole network, and no loss.
    Front,
    /// From the features, its inputs, to the outputs and the loss.
    Rest,
}

/// A half of a network; `None` where no value is settled but inputs themselves.
pub fn cut(graph: &Graph, half: Half) -> Option<Graph> {
    let settled = settled(graph);
    let border = border(graph, &settled);
    if border.is_empty() || border.iter().any(|value| matches!(graph.node(*value).op, Op::Input(_))) {
        return None;
    }
    let features = features(graph, &border);
    Some(match half {
        Half::Front => front(graph, features),
        Half::Rest => rest(graph, features, &settled),
    })
}

/// Which values depend on nothing that training changes: no trained weight, no target, no statistics of a batch, nothing random.
fn settled(graph: &Graph) -> Vec<bool> {
    let mut settled: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let own = match &node.op {
            Op::Param(param) => graph.param(param.id).role != Role::Trained,
            Op::BatchNorm(norm) => norm.frozen,
            Op::Target(_) | Op::Dropout(_) => false,
            _ => true,
        };
        settled.push(own && node.inputs.iter().all(|operand| settled[operand.0 as usize]));
    }
    settled
}

/// The settled values of images that others, which are not settled, are computed from; in order.
fn border(graph: &Graph, settled: &[bool]) -> Vec<ValueId> {
    let needed = graph.needed_for(graph.results());
    let open = graph.values().filter(|v| needed[v.0 as usize] && !settled[v.0 as usize]);
    let of_image = |v: &ValueId| settled[v.0 as usize] && graph.ty(*v).batched && graph.ty(*v).kind == Kind::Float;
    let mut border: Vec<ValueId> = open.flat_map(|v| graph.node(v).inputs.iter().copied()).filter(of_image).collect();
    border.sort();
    border.dedup();
    border
}

/// The border under names that no target has: `features`, or `features1`, `features2` and so on.
fn features(graph: &Graph, border: &[ValueId]) -> Vec<Named> {
    let name = |number: usize| match border.len() {
        1 => "features".to_owned(),
        _ => format!("features{}", number + 1),
    };
    let free = |mut name: String| {
        while graph.targets.iter().any(|target| target.name == name) {
            name.push('_');
        }
        name
    };
    let named = |(number, &value): (usize, &ValueId)| Named {
        name: free(name(number)),
        docs: Vec::new(),
        value,
        span: graph.node(value).span,
    };
    border.iter().enumerate().map(named).collect()
}

fn front(graph: &Graph, features: Vec<Named>) -> Graph {
    let front = Graph { outputs: features, loss: None, ..graph.clone() };
    let needed = front.needed_for(front.results());
    let mut rewrite = Rewrite::of(&front);
    for value in front.values() {
        if needed[value.0 as usize] || matches!(front.node(value).op, Op::Input(_) | Op::Target(_)) {
            rewrite.copy(value);
        }
    }
    rewrite.finish()
}

fn rest(graph: &Graph, features: Vec<Named>, settled: &[bool]) -> Graph {
    let outputs = graph.outputs.iter().filter(|output| !settled[output.value.0 as usize]).cloned().collect();
    let rest = Graph { inputs: features, outputs, ..graph.clone() };
    let needed = needed_from(&rest);
    let mut rewrite = Rewrite::of(&rest);
    for value in rest.values() {
        if let Some(index) = rest.inputs.iter().position(|feature| feature.value == value) {
            let Type { shape, .. } = rest.ty(value).clone();
            let input = rewrite.push_like(value, Input { index, shape }, &[]);
            rewrite.replace(value, input);
        } else if needed[value.0 as usize] || matches!(rest.node(value).op, Op::Target(_)) {
            rewrite.copy(value);
        }
    }
    rewrite.finish()
}

/// Which values the results need, looking no further than the inputs.
fn needed_from(rest: &Graph) -> Vec<bool> {
    let mut needed = vec![false; rest.nodes.len()];
    let mut open = rest.results();
    while let Some(value) = open.pop() {
        if !std::mem::replace(&mut needed[value.0 as usize], true)
            && !rest.inputs.iter().any(|feature| feature.value == value)
        {
            open.extend(&rest.node(value).inputs);
        }
    }
    needed
}
