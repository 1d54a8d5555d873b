//! Rebuilding a graph node by node: what every pass is made of.

use super::{Graph, Named, Node, ValueId};

/// A graph under construction from another one.
///
/// Old values are mapped to new ones as they are copied or replaced; [`finish`](Self::finish) carries the results over.
#[derive(Debug)]
pub struct Rewrite<'a> {
    old: &'a Graph,
    /// The graph that grows.
    pub new: Graph,
    map: Vec<Option<ValueId>>,
}

impl<'a> Rewrite<'a> {
    /// Starts with the names and parameters of `old` and no nodes.
    pub fn of(old: &'a Graph) -> Self {
        let new = Graph {
            name: old.name.clone(),
            docs: old.docs.clone(),
            params: old.params.clone(),
            exact: old.exact,
            tuning: old.tuning.clone(),
            ..Graph::default()
        };
        Self { old, new, map: vec![None; old.nodes.len()] }
    }

    /// The new value that stands for an old one.
    ///
    /// # Panics
    /// If the old one was neither copied nor replaced.
    pub fn get(&self, old: ValueId) -> ValueId {
        self.map[old.0 as usize].expect("operands are rewritten before their users")
    }

    /// Whether there is a new value that stands for an old one.
    pub fn has(&self, old: ValueId) -> bool {
        self.map[old.0 as usize].is_some()
    }

    /// The new values that stand for the operands of an old node.
    pub fn operands(&self, node: &Node) -> Vec<ValueId> {
        node.inputs.iter().map(|v| self.get(*v)).collect()
    }

    /// Lets a new value stand for an old one.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        self.map[old.0 as usize] = Some(new);
    }

    /// Copies an old node.
    pub fn copy(&mut self, old: ValueId) {
        let node = self.old.node(old);
        let inputs = self.operands(node);
        self.new.nodes.push(Node { inputs, ..node.clone() });
        self.replace(old, ValueId(self.new.nodes.len() as u32 - 1));
    }

    /// Adds a node in the place of an old one, with that one's layer and span.
    ///
    /// # Panics
    /// If the operands do not fit, which is a mistake in the pass.
    pub fn push_like(&mut self, old: ValueId, op: impl Into<crate::ops::Op>, inputs: &[ValueId]) -> ValueId {
        let (node, op) = (self.old.node(old), op.into());
        let name = op.name();
        self.new
            .push(op, inputs, &node.layer, node.span)
            .unwrap_or_else(|m| panic!("rewriting `{}` to `{name}`: {}", node.op.name(), m.title))
    }

    /// Carries inputs, outputs, loss, gradients and updates over.
    ///
    /// # Panics
    /// If one of the results was not rewritten.
    pub fn finish(mut self) -> Graph {
        let named = |names: &[Named]| -> Vec<Named> {
            names.iter().map(|n| Named { value: self.get(n.value), ..n.clone() }).collect()
        };
        let (inputs, targets, outputs) = (named(&self.old.inputs), named(&self.old.targets), named(&self.old.outputs));
        let params = |pairs: &[(super::ParamId, ValueId)]| pairs.iter().map(|(p, v)| (*p, self.get(*v))).collect();
        let (gradients, mut updates): (_, Vec<_>) = (params(&self.old.gradients), params(&self.old.updates));
        let input_gradients = self.old.input_gradients.iter().map(|(i, v)| (*i, self.get(*v))).collect();
        let loss = self.old.loss.map(|v| self.get(v));
        updates.append(&mut self.new.updates);
        self.new = Graph { inputs, targets, outputs, gradients, input_gradients, loss, updates, ..self.new };
        self.new
    }
}
