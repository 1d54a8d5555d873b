//! Statements.

use super::value::Value;
use super::{Elaborator, Evaluated, Freeze, MAX_STEPS, Scope};
use crate::diagnostics::{Diagnostic, Span};
use crate::graph::{Kind, Named};
use crate::ops::source;
use crate::syntax::ast::{self, Expr, ExprKind, Ident, Pattern, Stmt, StmtKind};

/// Where statements stand: some belong to nets only, `return` to blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Net,
    Train,
    Block,
}

impl Elaborator {
    /// The body of the net that is compiled.
    pub(super) fn net_body(&mut self, net: &ast::Definition, set: Vec<(String, Value)>) {
        let mut scope = self.file_scope(net.name.span.file);
        for param in &net.params {
            let name = &param.name.name;
            let given = set.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            let value = match (given, &param.default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.eval(&scope, default).unwrap_or(Value::Poison),
                (None, None) => {
                    let wrong = Diagnostic::new(param.name.span, format!("the parameter `{name}` has no value"))
                        .fits(format!("a default, `{name} = ...`, or a value from outside: `--set {name}=...`"));
                    self.report(wrong);
                    Value::Poison
                }
            };
            scope.names.insert(name.clone(), value);
        }
        self.statements(&mut scope, &net.body, Place::Net);
    }

    /// Runs statements; the value is that of `return`, where there was one.
    pub(super) fn statements(&mut self, scope: &mut Scope, body: &[Stmt], place: Place) -> Option<Evaluated<Value>> {
        for (index, stmt) in body.iter().enumerate() {
            if self.step(stmt.span).is_err() {
                return None;
            }
            if let Some(returned) = self.statement(scope, stmt, place) {
                // After a `return` in a branch or a loop the rest is for the other cases.
                if let (StmtKind::Return(_), Some(next)) = (&stmt.kind, body.get(index + 1)) {
                    let wrong = Diagnostic::new(next.span, "nothing runs after `return`")
                        .also(stmt.span, "the block ends here")
                        .fits("`return` as the last statement");
                    self.report(wrong);
                }
                return Some(returned);
            }
        }
        None
    }

    fn statement(&mut self, scope: &mut Scope, stmt: &Stmt, place: Place) -> Option<Evaluated<Value>> {
        self.nested(stmt.span, |elaborator| Ok(elaborator.statement_here(scope, stmt, place))).unwrap_or(None)
    }

    fn statement_here(&mut self, scope: &mut Scope, stmt: &Stmt, place: Place) -> Option<Evaluated<Value>> {
        match &stmt.kind {
            StmtKind::Let(binding) => {
                let value = self.eval(scope, &binding.value).unwrap_or(Value::Poison);
                self.bind(scope, &binding.pattern, value);
            }
            StmtKind::For { pattern, iter, body } => return self.for_loop(scope, pattern, iter, body, place),
            StmtKind::If { cond, then, otherwise } => {
                let holds = self.condition(scope, cond).ok()?;
                return self.statements(scope, if holds { then } else { otherwise }, place);
            }
            StmtKind::Return(value) if place == Place::Block => return Some(self.eval(scope, value)),
            StmtKind::Return(_) => {
                let wrong = Diagnostic::new(stmt.span, "a net does not return a value, but names its outputs")
                    .fits("`output name = value`");
                self.report(wrong);
            }
            _ if place == Place::Block => {
                let wrong =
                    Diagnostic::new(stmt.span, "this belongs to nets; blocks are functions from tensors to tensors")
                        .fits("bindings, loops, conditions and `return`; tensors come in as parameters");
                self.report(wrong);
                self.poison(scope, stmt);
            }
            StmtKind::Input { .. } | StmtKind::Output { .. } if place == Place::Train => {
                let wrong = Diagnostic::new(stmt.span, "inputs and outputs are not for training only")
                    .fits("targets, bindings and losses in `train { }`, and this statement outside of it");
                self.report(wrong);
                self.poison(scope, stmt);
            }
            StmtKind::Input { names, shape } => self.input(scope, stmt, names, shape),
            StmtKind::Target { names, kind } => self.target(scope, stmt, names, kind),
            StmtKind::Output { name, value } => self.output(scope, stmt, name, value.as_ref()),
            StmtKind::Loss(value) => self.loss(scope, value),
            StmtKind::Train(body) => self.train(scope, body),
            StmtKind::Freeze(what) => what.iter().for_each(|expr| self.freeze(scope, expr)),
        }
        None
    }

    /// Statements for training only: what they bind lives to the end of the braces.
    fn train(&mut self, scope: &mut Scope, body: &[Stmt]) {
        self.steps += scope.names.len() / 8;
        let mut inside = scope.clone();
        self.statements(&mut inside, body, Place::Train);
        scope.train_only.extend(inside.train_only);
        for name in inside.names.into_keys() {
            if let (None, Some(place)) = (scope.get(&name), bound_in(body, &name)) {
                scope.train_only.insert(name, place);
            }
        }
    }

    /// Gives the names of a statement that is out of place no value, so that they raise no further mistakes.
    fn poison(&mut self, scope: &mut Scope, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Input { names, .. } | StmtKind::Target { names, .. } => {
                for name in names {
                    scope.names.insert(name.name.clone(), Value::Poison);
                }
            }
            StmtKind::Output { name, .. } => {
                scope.names.entry(name.name.clone()).or_insert(Value::Poison);
            }
            _ => {}
        }
    }

    fn for_loop(
        &mut self,
        scope: &mut Scope,
        pattern: &Pattern,
        iter: &Expr,
        body: &[Stmt],
        place: Place,
    ) -> Option<Evaluated<Value>> {
        let items: Box<dyn Iterator<Item = Value>> = match self.eval(scope, iter).ok()? {
            Value::Range(from, to) => {
                let rounds = i128::from(to) - i128::from(from);
                if rounds > MAX_STEPS as i128 {
                    let wrong = Diagnostic::new(iter.span, "this loop is too long")
                        .found(format!("{rounds} rounds"))
                        .fits(format!("at most {MAX_STEPS} rounds, statements and calls in the whole net"));
                    self.give_up(wrong);
                    return None;
                }
                Box::new((from..to).map(Value::Int))
            }
            Value::List(items) | Value::Tuple(items) => Box::new((0..items.len()).map(move |i| items[i].clone())),
            other => {
                let mut wrong = Diagnostic::new(iter.span, "a loop goes over a range or a list")
                    .found(self.show(&other))
                    .fits("`0..count` or `[(64, 3), (128, 4)]`");
                if let Value::Int(count) = other {
                    wrong = wrong.hint(format!("did you mean `0..{count}`?"));
                }
                self.report(wrong);
                return None;
            }
        };
        for item in items {
            if self.step(iter.span).is_err() {
                return None;
            }
            self.bind(scope, pattern, item);
            if let Some(returned) = self.statements(scope, body, place) {
                return Some(returned);
            }
        }
        None
    }

    /// Binds a pattern; a poisoned value poisons all names in it.
    pub(super) fn bind(&mut self, scope: &mut Scope, pattern: &Pattern, value: Value) {
        match (pattern, value) {
            (Pattern::Name(name), value) => {
                scope.names.insert(name.name.clone(), value);
            }
            (Pattern::Tuple(parts, _), Value::Tuple(values) | Value::List(values)) if parts.len() == values.len() => {
                for (part, value) in parts.iter().zip(values.iter()) {
                    self.bind(scope, part, value.clone());
                }
            }
            (Pattern::Tuple(parts, span), value) => {
                if !matches!(value, Value::Poison) {
                    let wrong = Diagnostic::new(*span, format!("{} names need as many values", parts.len()))
                        .found(self.show(&value))
                        .fits(format!("a tuple or list of {}", parts.len()));
                    self.report(wrong);
                }
                parts.iter().for_each(|part| self.bind(scope, part, Value::Poison));
            }
        }
    }

    fn input(&mut self, scope: &mut Scope, stmt: &Stmt, names: &[Ident], shape: &Expr) {
        let shape = self.shape(
            scope,
            shape,
            "a list of 1 to 4 whole numbers, channels first and without the batch: `[3, 224, 224]`",
        );
        for name in names {
            self.unused_name(name);
            let value = match &shape {
                Ok(shape) => {
                    let op = source::Input { index: self.graph.inputs.len(), shape: shape.clone() };
                    let pushed = self.graph.push(op.into(), &[], "", name.span).expect("inputs have no operands");
                    let docs = stmt.docs.clone();
                    self.graph.inputs.push(Named { name: name.name.clone(), docs, value: pushed, span: name.span });
                    Value::Tensor(pushed)
                }
                Err(_) => Value::Poison,
            };
            scope.names.insert(name.name.clone(), value);
        }
    }

    /// A shape: a list of 1 to 4 whole numbers.
    pub(super) fn shape(&mut self, scope: &Scope, expr: &Expr, fits: &str) -> Evaluated<Vec<usize>> {
        let value = self.eval(scope, expr)?;
        let dims: Option<Vec<usize>> = match &value {
            Value::List(items) => items
                .iter()
                .map(|item| item.whole().filter(|n| (1..=1 << 24).contains(n)).map(|n| n as usize))
                .collect(),
            _ => None,
        };
        let small = |d: &Vec<usize>| {
            d.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).is_some_and(|n| n <= super::MAX_ELEMENTS)
        };
        match dims {
            Some(dims) if (1..=4).contains(&dims.len()) && small(&dims) => Ok(dims),
            _ => {
                let found = value.argument().map_or_else(|| self.show(&value), |v| v.to_string());
                let wrong = Diagnostic::new(expr.span, "this is not a shape").found(found).fits(fits).hint(format!(
                    "each from 1 to {}, and at most {} elements in all",
                    1 << 24,
                    super::MAX_ELEMENTS
                ));
                Err(self.report(wrong))
            }
        }
    }

    fn output(&mut self, scope: &mut Scope, stmt: &Stmt, name: &Ident, value: Option<&Expr>) {
        let bound = Expr { kind: ExprKind::Name(name.name.clone()), span: name.span };
        let place = value.map_or(name.span, |v| v.span);
        let Ok(value) = self.eval(scope, value.unwrap_or(&bound)) else {
            scope.names.insert(name.name.clone(), Value::Poison);
            return;
        };
        let tensor = match value {
            Value::Tensor(id) if self.graph.ty(id).batched && self.graph.ty(id).kind == Kind::Float => id,
            other => {
                let wrong = Diagnostic::new(place, format!("the output `{}` must be a tensor of numbers", name.name))
                    .found(self.show(&other))
                    .fits("a value that is computed from an input");
                self.report(wrong);
                scope.names.entry(name.name.clone()).or_insert(Value::Poison);
                return;
            }
        };
        if let Some(first) = self.graph.outputs.iter().find(|o| o.name == name.name) {
            let wrong = Diagnostic::new(name.span, format!("there are two outputs `{}`", name.name))
                .also(first.span, "first here")
                .fits("a name of its own for each output");
            self.report(wrong);
            return;
        }
        let docs = stmt.docs.clone();
        self.graph.outputs.push(Named { name: name.name.clone(), docs, value: tensor, span: name.span });
        scope.names.insert(name.name.clone(), Value::Tensor(tensor));
    }

    fn loss(&mut self, scope: &Scope, expr: &Expr) {
        match self.eval(scope, expr) {
            Ok(Value::Tensor(id)) if self.graph.ty(id).shape.is_empty() && self.graph.ty(id).kind == Kind::Float => {
                self.losses.push((id, expr.span));
            }
            Ok(other) => {
                let wrong =
                    Diagnostic::new(expr.span, "a loss is one number for each image").found(self.show(&other)).fits(
                        "a loss such as `cross_entropy(logits, label)` or `mse(y, wanted)`, or a weighted sum of them",
                    );
                self.report(wrong);
            }
            Err(_) => {}
        }
    }

    fn freeze(&mut self, scope: &Scope, expr: &Expr) {
        match self.eval(scope, expr) {
            Ok(Value::Tensor(id)) => self.frozen.push((Freeze::Value(id), expr.span)),
            Ok(Value::Str(prefix)) => self.frozen.push((Freeze::Prefix(prefix), expr.span)),
            Ok(Value::Shared(shared)) => self.frozen.push((Freeze::Prefix(shared.layer.clone()), expr.span)),
            Ok(other) => {
                let wrong = Diagnostic::new(expr.span, "this cannot be frozen").found(self.show(&other)).fits(
                    "a tensor (all weights it was computed from), a shared instance, or the name of a layer in quotes",
                );
                self.report(wrong);
            }
            Err(_) => {}
        }
    }

    /// Inputs, targets and outputs have names of their own, since users meet them all.
    pub(super) fn unused_name(&mut self, name: &Ident) {
        let all = self.graph.inputs.iter().chain(&self.graph.targets);
        let Some(first) = all.into_iter().find(|n| n.name == name.name).map(|n| n.span) else { return };
        let wrong = Diagnostic::new(name.span, format!("the name `{}` is taken", name.name))
            .also(first, "first here")
            .fits("a name of its own for each input and target");
        self.report(wrong);
    }
}

/// Where statements bind a name first.
fn bound_in(body: &[Stmt], name: &str) -> Option<Span> {
    let in_pattern = |pattern: &Pattern| {
        let mut open = vec![pattern];
        while let Some(pattern) = open.pop() {
            match pattern {
                Pattern::Name(ident) if ident.name == name => return Some(ident.span),
                Pattern::Name(_) => {}
                Pattern::Tuple(parts, _) => open.extend(parts),
            }
        }
        None
    };
    body.iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Let(binding) => in_pattern(&binding.pattern),
        StmtKind::For { pattern, body, .. } => in_pattern(pattern).or_else(|| bound_in(body, name)),
        StmtKind::If { then, otherwise, .. } => bound_in(then, name).or_else(|| bound_in(otherwise, name)),
        StmtKind::Target { names, .. } => names.iter().find(|n| n.name == name).map(|n| n.span),
        _ => None,
    })
}
