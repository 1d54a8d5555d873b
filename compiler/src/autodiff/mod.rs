//! Reverse-mode differentiation as a graph transformation.
//!
//! The gradient rules live with the operators; this walks the graph backwards, adds up what arrives at each value, and
//! asks each operator to pass it on to those operands from which something wanted can be reached.

use crate::diagnostics::Span;
use crate::graph::{Graph, ParamId, Role, Type, ValueId};
use crate::ops::elementwise::{AddN, Fill};
use crate::ops::{Gradient, Op};

/// Adds the backward pass of the graph's loss: the gradient of every trained weight and, where `inputs` says so, of every
/// input. A weight the loss does not depend on has the gradient zero.
///
/// Baydin et al. 2018, "Automatic differentiation in machine learning: a survey", section 3.2.
pub fn differentiate(mut graph: Graph, inputs: bool) -> Graph {
    let Some(loss) = graph.loss else { return graph };
    let wanted = wanted(&graph, inputs);
    let mut arriving: Vec<Vec<ValueId>> = vec![Vec::new(); graph.nodes.len()];
    let one = fill(&mut graph, 1.0, Type::single([]));
    arriving[loss.0 as usize].push(one);

    let mut totals: Vec<Option<ValueId>> = vec![None; wanted.len()];
    for index in (0..wanted.len()).rev().filter(|i| wanted[*i]) {
        let Some(upstream) = total(&mut graph, &arriving[index], index) else { continue };
        totals[index] = Some(upstream);
        let op = graph.nodes[index].op.clone();
        let mut cx = Gradient::new(&mut graph, ValueId(index as u32), upstream, &wanted);
        op.gradient(&mut cx);
        for (operand, gradient) in cx.found {
            arriving[graph.nodes[index].inputs[operand].0 as usize].push(gradient);
        }
    }
    collect(&mut graph, &totals, inputs);
    graph
}

/// Which values lead back to a trained weight or a wanted input.
fn wanted(graph: &Graph, inputs: bool) -> Vec<bool> {
    let mut wanted = vec![false; graph.nodes.len()];
    for value in graph.values() {
        let node = graph.node(value);
        wanted[value.0 as usize] = match &node.op {
            Op::Param(p) => graph.param(p.id).role == Role::Trained,
            Op::Input(_) => inputs,
            _ => node.inputs.iter().any(|v| wanted[v.0 as usize]),
        };
    }
    wanted
}

/// The sum of what arrives at a value.
fn total(graph: &mut Graph, arriving: &[ValueId], index: usize) -> Option<ValueId> {
    match arriving {
        [] => None,
        [one] => Some(*one),
        several => {
            let (layer, span) = (graph.nodes[index].layer.clone(), graph.nodes[index].span);
            let sum = graph.push(AddN.into(), several, &layer, span);
            Some(sum.expect("gradients of one value have its type"))
        }
    }
}

/// Names the results: one gradient per trained weight, however many nodes refer to it.
fn collect(graph: &mut Graph, totals: &[Option<ValueId>], inputs: bool) {
    for id in (0..graph.params.len() as u32).map(ParamId) {
        if graph.param(id).role != Role::Trained {
            continue;
        }
        let uses: Vec<usize> = (0..totals.len())
            .filter(|i| matches!(&graph.nodes[*i].op, Op::Param(p) if p.id == id) && totals[*i].is_some())
            .collect();
        let parts: Vec<ValueId> = uses.iter().filter_map(|i| totals[*i]).collect();
        let gradient = match uses.first() {
            Some(index) => total(graph, &parts, *index).expect("there is at least one"),
            None => {
                let shape = graph.param(id).shape.clone();
                fill(graph, 0.0, Type::single(shape))
            }
        };
        graph.gradients.push((id, gradient));
    }
    for index in (0..graph.inputs.len()).filter(|_| inputs) {
        let input = graph.inputs[index].value;
        let gradient = totals[input.0 as usize].unwrap_or_else(|| {
            let ty = graph.ty(input).clone();
            fill(graph, 0.0, ty)
        });
        graph.input_gradients.push((index, gradient));
    }
}

fn fill(graph: &mut Graph, value: f64, ty: Type) -> ValueId {
    let op = Fill { value, batched: ty.batched, shape: ty.shape };
    graph.push(op.into(), &[], "", Span::default()).expect("constants have no operands")
}
