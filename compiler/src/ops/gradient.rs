//! The place where an operator writes its gradient.

use crate::graph::{Graph, Node, Type, ValueId};

use super::Op;

/// A node under differentiation: the graph to extend and the gradient that arrives.
#[derive(Debug)]
pub struct Gradient<'a> {
    graph: &'a mut Graph,
    node: Node,
    value: ValueId,
    upstream: ValueId,
    wanted: &'a [bool],
    /// Gradients of operands, by position.
    pub(crate) found: Vec<(usize, ValueId)>,
}

impl<'a> Gradient<'a> {
    /// `wanted[v]` says whether the gradient of value `v` leads to something that is asked for.
    pub(crate) fn new(graph: &'a mut Graph, value: ValueId, upstream: ValueId, wanted: &'a [bool]) -> Self {
        let node = graph.node(value).clone();
        Self { graph, node, value, upstream, wanted, found: Vec::new() }
    }

    /// The node's own value.
    pub fn value(&self) -> ValueId {
        self.value
    }

    /// The gradient of the loss with respect to the node's value.
    pub fn upstream(&self) -> ValueId {
        self.upstream
    }

    /// How many operands there are.
    pub fn operands(&self) -> usize {
        self.node.inputs.len()
    }

    /// The operand at `index`.
    pub fn operand(&self, index: usize) -> ValueId {
        self.node.inputs[index]
    }

    /// The type of any value.
    pub fn ty(&self, value: ValueId) -> &Type {
        self.graph.ty(value)
    }

    /// Whether the gradient of the operand at `index` is of use to anyone.
    pub fn wants(&self, index: usize) -> bool {
        self.wanted[self.node.inputs[index].0 as usize]
    }

    /// Adds a node of the backward pass.
    ///
    /// # Panics
    /// If the operands do not fit, which is a mistake in the gradient rule.
    pub fn push(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        let (layer, span) = (self.node.layer.clone(), self.node.span);
        self.graph
            .push(op.into(), inputs, &layer, span)
            .unwrap_or_else(|m| panic!("gradient of `{}`: {}", self.node.op.name(), m.title))
    }

    /// States the gradient of the operand at `index`.
    pub fn set(&mut self, index: usize, gradient: ValueId) {
        self.found.push((index, gradient));
    }
}
