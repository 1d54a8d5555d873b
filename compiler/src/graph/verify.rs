//! What must hold of a graph after every pass.

use super::{Graph, Kind, Layout, Type};
use crate::ops::Op;

/// Checks a graph's promises. A verified graph can be evaluated, planned and emitted without failing.
///
/// # Errors
/// Names the node that breaks a promise.
pub fn verify(graph: &Graph) -> Result<(), String> {
    for value in graph.values() {
        let node = graph.node(value);
        if let Some(late) = node.inputs.iter().find(|i| i.0 >= value.0) {
            return Err(format!("%{} ({}) uses %{}, which comes later", value.0, node.op.name(), late.0));
        }
        let types: Vec<&Type> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
        let ty = node.op.infer(&types).map_err(|m| format!("%{} ({}): {}", value.0, node.op.name(), m.title))?;
        if ty != node.ty {
            return Err(format!("%{} ({}) is marked {} but is {ty}", value.0, node.op.name(), node.ty));
        }
        if !node.op.knows_layouts() {
            let layouts: Vec<Layout> =
                types.iter().filter(|t| t.batched && t.kind == Kind::Float).map(|t| t.layout).collect();
            let blocked = layouts.iter().all(|l| *l == Layout::Blocked) && node.op.takes_blocks(&types);
            if !blocked && layouts.iter().any(|l| !l.is_plain()) && !matches!(node.op, Op::RunningUpdate(_)) {
                return Err(format!("%{} ({}) does not work on these layouts", value.0, node.op.name()));
            }
        }
        if let Op::Param(p) = &node.op
            && graph.params.get(p.id.0 as usize).is_none_or(|param| param.shape != node.ty.shape)
        {
            return Err(format!("%{} names a parameter of another shape", value.0));
        }
    }
    let known = |value: super::ValueId| (value.0 as usize) < graph.nodes.len();
    if let Some(value) = graph.results().into_iter().find(|v| !known(*v)) {
        return Err(format!("result %{} does not exist", value.0));
    }
    if let Some(loss) = graph.loss
        && *graph.ty(loss) != Type::single([])
    {
        return Err(format!("the loss is {}, not one number", graph.ty(loss)));
    }
    for (param, value) in graph.gradients.iter().chain(&graph.updates) {
        let (ty, shape) = (graph.ty(*value), &graph.param(*param).shape);
        if ty.batched || ty.kind != Kind::Float || ty.shape != *shape {
            return Err(format!("%{} does not have the shape of `{}`", value.0, graph.param(*param).name));
        }
    }
    Ok(())
}
