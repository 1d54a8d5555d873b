//! Calls of blocks and of shared instances.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::arguments::{Given, Slot};
use super::statements::Place;
use super::value::{Shared, Value};
use super::{BlockCall, Elaborator, Evaluated, MAX_CALLS, Poisoned, Scope};
use crate::diagnostics::{Diagnostic, FileId, Span};
use crate::graph;
use crate::syntax::ast::{self, Ident};

impl Elaborator {
    /// Calls a block that the file sees.
    pub(super) fn call_block(
        &mut self,
        file: FileId,
        callee: &Ident,
        given: Vec<Given>,
        layer: &str,
        span: Span,
    ) -> Evaluated<Value> {
        let files = Rc::clone(&self.files);
        let (home, block) = files.block(file, &callee.name).expect("checked by the caller");
        self.not_under_way(&callee.name, span)?;
        let slots: Vec<Slot<'_>> = block
            .params
            .iter()
            .map(|p| Slot { name: &p.name.name, positional: true, required: p.default.is_none() })
            .collect();
        let filled = self.fill(&callee.name, &block_signature(block), &slots, given, span)?;
        let mut scope = self.file_scope(*home);
        self.calls.push(BlockCall { block: callee.name.clone(), span });
        self.layers.enter(layer);
        let (place, first) = (self.graph.calls.len(), self.graph.nodes.len());
        let call = graph::BlockCall { block: callee.name.clone(), layer: layer.to_owned(), nodes: first..first };
        self.graph.calls.push(call);
        let result = self.block_body(block, &mut scope, filled);
        self.graph.calls[place].nodes.end = self.graph.nodes.len();
        self.layers.leave();
        self.calls.pop();
        result
    }

    /// Refuses recursion, and calls inside calls beyond a depth.
    fn not_under_way(&mut self, name: &str, span: Span) -> Evaluated<()> {
        if let Some(again) = self.calls.iter().position(|c| c.block == name) {
            let circle: Vec<String> = self.calls[again..].iter().map(|c| format!("`{}` calls ", c.block)).collect();
            let wrong = Diagnostic::new(span, format!("the block `{name}` calls itself"))
                .found(format!("{}`{name}`", circle.concat()))
                .fits("a loop, whose rounds are known: `for i in 0..n { x = x |> ... }`");
            return Err(self.report(wrong));
        }
        if self.calls.len() >= MAX_CALLS {
            let wrong = Diagnostic::new(span, "blocks call each other too deeply")
                .found(format!("{} calls inside one another", self.calls.len() + 1))
                .fits(format!("at most {MAX_CALLS}"));
            return Err(self.report(wrong));
        }
        Ok(())
    }

    fn block_body(
        &mut self,
        block: &ast::Definition,
        scope: &mut Scope,
        filled: Vec<Option<(Value, Span)>>,
    ) -> Evaluated<Value> {
        for (param, filled) in block.params.iter().zip(filled) {
            let value = match (filled, &param.default) {
                (Some((value, place)), _) => self.given_for(param, value, place),
                (None, Some(default)) => self.eval(scope, default).unwrap_or(Value::Poison),
                (None, None) => Value::Poison,
            };
            scope.names.insert(param.name.name.clone(), value);
        }
        let before = self.mistakes.len();
        match self.statements(scope, &block.body, Place::Block) {
            Some(value) => value,
            None if self.mistakes.len() == before && !self.gave_up => {
                let name = &block.name;
                let wrong = Diagnostic::new(name.span, format!("the block `{}` returns nothing", name.name))
                    .fits("`return y` at its end, and at the end of each branch that gives a value back");
                Err(self.report(wrong))
            }
            None => Err(Poisoned),
        }
    }

    /// A call of a shared instance: the first makes the weights, the others use them.
    pub(super) fn call_shared(
        &mut self,
        shared: &Shared,
        mut given: Vec<Given>,
        name: Option<String>,
        span: Span,
    ) -> Evaluated<Value> {
        if let Some(name) = name {
            let title = format!("a shared instance has one name, and `as {name}` would be another");
            let fits = format!("a name where it is made: `shared {}(...) as {name}`", shared.callee.name);
            return Err(self.report(Diagnostic::new(span, title).fits(fits)));
        }
        given.extend(shared.args.iter().cloned());
        let known = shared.weights.borrow().clone();
        let Some(weights) = known else {
            self.records.push(Vec::new());
            let value = self.call_as(shared.file, &shared.callee, given, &shared.layer, span);
            let made = self.records.pop().unwrap_or_default();
            *shared.weights.borrow_mut() = Some(made);
            return value;
        };
        let outer = self.reuse.replace(VecDeque::from(weights));
        // What an instance around this one records is what the first call made; this call makes nothing.
        let records = std::mem::take(&mut self.records);
        let value = self.call_as(shared.file, &shared.callee, given, &shared.layer, span);
        self.records = records;
        let left = std::mem::replace(&mut self.reuse, outer);
        if left.is_some_and(|left| !left.is_empty()) && value.is_ok() {
            let wrong = Diagnostic::new(span, "this call of a shared instance uses fewer weights than the first")
                .fits("operands and arguments for which the block makes the same layers in every call");
            return Err(self.report(wrong));
        }
        value
    }

    /// A scope with the constants that a file sees.
    pub(super) fn file_scope(&mut self, file: FileId) -> Scope {
        let consts = match self.consts.get(&file) {
            Some(consts) => Rc::clone(consts),
            None => {
                let consts = Rc::new(self.constants(file));
                self.consts.insert(file, Rc::clone(&consts));
                consts
            }
        };
        Scope { file, names: HashMap::new(), consts, train_only: HashMap::new() }
    }

    fn constants(&mut self, file: FileId) -> HashMap<String, Value> {
        let files = Rc::clone(&self.files);
        let mut scope = Scope { file, names: HashMap::new(), consts: Rc::default(), train_only: HashMap::new() };
        // Mistakes in constants are not those of the block that happens to need them first.
        let calls = std::mem::take(&mut self.calls);
        for binding in files.consts(file) {
            let mut value = self.eval(&scope, &binding.value).unwrap_or(Value::Poison);
            if matches!(value, Value::Tensor(_) | Value::Shared(_)) {
                let found = self.show(&value);
                let wrong = Diagnostic::new(binding.value.span, "this is not a constant")
                    .found(found)
                    .fits("a number, a truth value, a string, or a list of them");
                self.report(wrong);
                value = Value::Poison;
            }
            self.bind(&mut scope, &binding.pattern, value);
        }
        self.calls = calls;
        scope.names
    }
}

/// `unit(x, width, stride: ...)`
pub(super) fn block_signature(block: &ast::Definition) -> String {
    let params: Vec<String> = block
        .params
        .iter()
        .map(|p| if p.default.is_some() { format!("{}: ...", p.name.name) } else { p.name.name.clone() })
        .collect();
    format!("`{}({})`", block.name.name, params.join(", "))
}
