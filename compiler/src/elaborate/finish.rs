//! What is decided when the whole net is known: the loss, what is frozen, what is missing.

use super::{Elaborator, Freeze, MAX_MISTAKES, param_kinds};
use crate::diagnostics::{Diagnostic, Outcome, Span, nearest};
use crate::graph::{Graph, Node, Role, ValueId, prefixes};
use crate::ops::Op;
use crate::ops::elementwise::AddN;
use crate::ops::loss::BatchMean;
use crate::syntax::ast;

impl Elaborator {
    /// The graph, or all mistakes in order of place.
    pub(super) fn finish(mut self, net: &ast::Definition) -> Outcome<Graph> {
        if self.mistakes.is_empty() {
            self.total_loss();
            self.freeze_weights();
            param_kinds::find(&mut self.graph);
            self.check_complete(net);
            self.check_outputs_need_an_input();
        }
        if self.mistakes.is_empty() {
            return Ok(self.graph);
        }
        self.mistakes.sort_by_key(|m| (m.span().file, m.span().start));
        if let (true, Some(last)) = (self.mistakes.len() >= MAX_MISTAKES, self.mistakes.last_mut()) {
            last.hints.push(format!("no more than {MAX_MISTAKES} mistakes are looked for at a time"));
        }
        Err(self.mistakes)
    }

    /// The mean over the batch of the sum of all losses.
    fn total_loss(&mut self) {
        let Some((first, span)) = self.losses.first().copied() else { return };
        let parts: Vec<ValueId> = self.losses.iter().map(|l| l.0).collect();
        let mut push =
            |op: Op, inputs: &[ValueId]| self.graph.push(op, inputs, "loss", span).expect("losses are numbers");
        let sum = if parts.len() == 1 { first } else { push(AddN.into(), &parts) };
        self.graph.loss = Some(push(BatchMean.into(), &[sum]));
    }

    fn freeze_weights(&mut self) {
        for (what, span) in std::mem::take(&mut self.frozen) {
            let chosen: Vec<bool> = match &what {
                Freeze::Value(value) => self.weights_of(*value),
                Freeze::Prefix(prefix) => {
                    let below = format!("{prefix}.");
                    self.graph.params.iter().map(|p| p.name == *prefix || p.name.starts_with(&below)).collect()
                }
            };
            if !chosen.contains(&true) {
                let mut wrong = Diagnostic::new(span, "there are no weights here to freeze");
                if let Freeze::Prefix(prefix) = &what {
                    let layers = self.graph.params.iter().flat_map(|p| prefixes(&p.name));
                    if let Some(near) = nearest(prefix, layers) {
                        wrong = wrong.hint(format!("did you mean {near:?}?"));
                    }
                    wrong = wrong
                        .found(format!("no weight is named {prefix:?} or starts with \"{prefix}.\""))
                        .fits("the name of a layer or a block call, as in the names of weights");
                } else {
                    wrong = wrong.fits("a value behind layers with weights, such as `conv`, `dense` and `batch_norm`");
                }
                self.report(wrong);
            }
            for (param, _) in self.graph.params.iter_mut().zip(&chosen).filter(|(p, c)| **c && p.role == Role::Trained)
            {
                param.role = Role::Frozen;
            }
        }
        self.freeze_statistics();
    }

    /// A batch-norm with frozen weights keeps its running statistics and uses them.
    fn freeze_statistics(&mut self) {
        for index in 0..self.graph.nodes.len() {
            let weight = self.graph.nodes[index].inputs.get(1).map(|v| self.graph.node(*v).op.clone());
            let frozen = matches!(weight, Some(Op::Param(p)) if self.graph.param(p.id).role == Role::Frozen);
            if let Op::BatchNorm(norm) = &mut self.graph.nodes[index].op {
                norm.frozen = frozen;
            }
        }
    }

    /// Which weights a value was computed from.
    fn weights_of(&self, value: ValueId) -> Vec<bool> {
        let mut chosen = vec![false; self.graph.params.len()];
        for node in self.behind(value).iter().zip(&self.graph.nodes).filter_map(|(seen, node)| seen.then_some(node)) {
            if let Op::Param(param) = &node.op {
                chosen[param.id.0 as usize] = true;
            }
        }
        chosen
    }

    /// Which values a value was computed from, itself among them.
    fn behind(&self, value: ValueId) -> Vec<bool> {
        let mut seen = vec![false; self.graph.nodes.len()];
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if !std::mem::replace(&mut seen[value.0 as usize], true) {
                open.extend(&self.graph.node(value).inputs);
            }
        }
        seen
    }

    /// A net that is deployed takes something in.
    fn check_outputs_need_an_input(&mut self) {
        let Some(first) = self.graph.outputs.first().map(|output| output.span) else { return };
        let is_input = |(seen, node): (&bool, &Node)| *seen && matches!(node.op, Op::Input(_));
        let needs = |value| self.behind(value).iter().zip(&self.graph.nodes).any(is_input);
        if !self.graph.outputs.iter().any(|output| needs(output.value)) {
            let wrong = Diagnostic::new(first, "no output is computed from an input")
                .found("outputs that are the same whatever comes in")
                .fits("at least one output that an input decides; weights can be read by their names");
            self.report(wrong);
        }
    }

    fn check_complete(&mut self, net: &ast::Definition) {
        let name = &net.name;
        if self.graph.inputs.is_empty() {
            let wrong = Diagnostic::new(name.span, format!("the net `{}` has no input", name.name))
                .fits("`input image: [3, 224, 224]`");
            self.report(wrong);
        }
        if self.graph.outputs.is_empty() {
            let wrong = Diagnostic::new(name.span, format!("the net `{}` has no output", name.name))
                .fits("`output name = value`");
            self.report(wrong);
        }
        if self.graph.outputs.is_empty() && self.graph.loss.is_none() {
            return;
        }
        let used = self.graph.needed_for(self.graph.results());
        let inputs = self.graph.inputs.iter().map(|i| (i, "input"));
        let targets = self.graph.targets.iter().map(|t| (t, "target"));
        let unused: Vec<Diagnostic> = inputs
            .chain(targets)
            .filter(|(named, _)| !used[named.value.0 as usize])
            .map(|(named, what)| {
                Diagnostic::new(named.span, format!("the {what} `{}` is not used", named.name))
                    .fits(format!("an output or a loss that depends on it, or no such {what}"))
            })
            .collect();
        for wrong in unused {
            self.report(wrong);
        }
        self.no_dead_layers(&used);
        let untimely: Vec<Diagnostic> = self
            .graph
            .outputs
            .iter()
            .filter_map(|output| {
                let value = self.target_behind(output.value)?;
                let target = self.graph.targets.iter().find(|t| t.value == value)?;
                let title = format!("the output `{}` depends on the target `{}`", output.name, target.name);
                let wrong = Diagnostic::new(output.span, title).also(target.span, "this target");
                Some(wrong.fits("a value that depends on inputs only").hint("targets are known in training only"))
            })
            .collect();
        for wrong in untimely {
            self.report(wrong);
        }
    }

    /// Refuses weights that nothing depends on: they would be stored and never learn.
    fn no_dead_layers(&mut self, used: &[bool]) {
        let graph = &self.graph;
        let mut reached = vec![false; graph.params.len()];
        for (node, _) in graph.nodes.iter().zip(used).filter(|(_, used)| **used) {
            if let Op::Param(param) = &node.op {
                reached[param.id.0 as usize] = true;
            }
        }
        let mut dead: Vec<(&str, Span)> = Vec::new();
        for (param, _) in graph.params.iter().zip(reached).filter(|(_, reached)| !reached) {
            let layer = param.name.rsplit_once('.').map_or(param.name.as_str(), |(layer, _)| layer);
            if dead.last().is_none_or(|(last, _)| *last != layer) {
                dead.push((layer, param.span));
            }
        }
        let Some((first, span)) = dead.first() else { return };
        let title = match dead.len() {
            1 => format!("the layer `{first}` is not used"),
            more => format!("the layer `{first}` and {} more are not used", more - 1),
        };
        let wrong = Diagnostic::new(*span, title)
            .found("weights that no output and no loss depends on")
            .fits("an output or a loss that depends on them, or no such layers");
        self.report(wrong);
    }

    /// A target that a value depends on.
    fn target_behind(&self, value: ValueId) -> Option<ValueId> {
        let (mut seen, mut open) = (vec![false; self.graph.nodes.len()], vec![value]);
        while let Some(value) = open.pop() {
            if std::mem::replace(&mut seen[value.0 as usize], true) {
                continue;
            }
            let node = self.graph.node(value);
            match node.op {
                Op::Target(_) => return Some(value),
                _ => open.extend(&node.inputs),
            }
        }
        None
    }
}
