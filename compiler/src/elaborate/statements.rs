//! Statements.

use super::value::Value;
use super::{Elaborator, Evaluated, Freeze, Scope};
use crate::diagnostics::{Diagnostic, SourceMap, Span, nearest};
use crate::graph::{Kind, Named};
use crate::ops::source;
use crate::syntax::ast::{self, Expr, ExprKind, Ident, Pattern, Stmt, StmtKind};

/// Where statements stand: some belong to nets only, `return` to blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Net,
    Block,
}

impl Elaborator {
    /// The values that `--set` gives to a net's parameters.
    pub(super) fn net_arguments(
        &mut self,
        sources: &mut SourceMap,
        net: &ast::Definition,
        set: &[(String, String)],
    ) -> Vec<(String, Value)> {
        let mut values = Vec::new();
        for (name, text) in set {
            let file = sources.add(format!("--set {name}"), format!("const value = {text}"));
            let span = Span { file, start: 14, end: 14 + text.len() as u32 };
            if !net.params.iter().any(|p| p.name.name == *name) {
                let known: Vec<&str> = net.params.iter().map(|p| p.name.name.as_str()).collect();
                let mut wrong = Diagnostic::new(span, format!("the net `{}` has no parameter `{name}`", net.name.name));
                wrong = match nearest(name, known.iter().copied()) {
                    Some(near) => wrong.hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => wrong.fits("nothing: it has no parameters"),
                    None => wrong.fits(known.join(", ")),
                };
                self.report(wrong);
                continue;
            }
            let parsed = crate::syntax::parse(sources, file).ok().and_then(|tree| match tree.items.as_slice() {
                [ast::Item::Const(binding)] => Some(binding.value.clone()),
                _ => None,
            });
            let empty = Scope { file, names: std::collections::HashMap::new() };
            let value = match parsed {
                Some(expr) if is_literal(&expr) => self.eval(&empty, &expr).unwrap_or(Value::Poison),
                _ => {
                    let wrong = Diagnostic::new(span, format!("the value of `{name}` does not fit"))
                        .found(text.clone())
                        .fits("a number, `true`, `false`, a string in quotes, or a list of them");
                    self.report(wrong);
                    Value::Poison
                }
            };
            values.push((name.clone(), value));
        }
        values
    }

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
            if self.step(stmt.span).is_err() || self.exhausted() {
                return None;
            }
            if let Some(returned) = self.statement(scope, stmt, place) {
                if let Some(next) = body.get(index + 1) {
                    let wrong =
                        Diagnostic::new(next.span, "nothing runs after `return`").also(stmt.span, "it returns here");
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
                let wrong = Diagnostic::new(stmt.span, "a net does not return").fits("`output name = value`");
                self.report(wrong);
            }
            _ if place == Place::Block => {
                let wrong =
                    Diagnostic::new(stmt.span, "this belongs to nets; blocks are functions from tensors to tensors")
                        .fits("bindings, loops, conditions and `return`");
                self.report(wrong);
            }
            StmtKind::Input { names, shape } => self.input(scope, stmt, names, shape),
            StmtKind::Target { names, kind } => self.target(scope, stmt, names, kind),
            StmtKind::Output { name, value } => self.output(scope, stmt, name, value.as_ref()),
            StmtKind::Loss(value) => self.loss(scope, value),
            StmtKind::Train(body) => return self.statements(scope, body, place),
            StmtKind::Freeze(what) => what.iter().for_each(|expr| self.freeze(scope, expr)),
        }
        None
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
            Value::Range(from, to) => Box::new((from..to).map(Value::Int)),
            Value::List(items) | Value::Tuple(items) => Box::new((0..items.len()).map(move |i| items[i].clone())),
            other => {
                let wrong = Diagnostic::new(iter.span, "a loop goes over a range or a list")
                    .found(other.show())
                    .fits("`0..count` or `[(64, 3), (128, 4)]`");
                self.report(wrong);
                return None;
            }
        };
        for item in items {
            if self.step(iter.span).is_err() || self.exhausted() {
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
                    let wrong = Diagnostic::new(*span, "the names and the values do not match")
                        .found(value.show())
                        .fits(format!("a tuple or list of {}", parts.len()));
                    self.report(wrong);
                }
                parts.iter().for_each(|part| self.bind(scope, part, Value::Poison));
            }
        }
    }

    fn input(&mut self, scope: &mut Scope, stmt: &Stmt, names: &[Ident], shape: &Expr) {
        let shape = self.shape(scope, shape);
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

    fn target(&mut self, scope: &mut Scope, stmt: &Stmt, names: &[Ident], kind: &Expr) {
        let kind = match &kind.kind {
            ExprKind::Call(call) if call.callee.name == "class" => self.classes(scope, call, kind.span),
            _ => self.shape(scope, kind).map(|shape| (shape, Kind::Float)),
        };
        for name in names {
            self.unused_name(name);
            let value = match &kind {
                Ok((shape, kind)) => {
                    let op = source::Target { index: self.graph.targets.len(), shape: shape.clone(), kind: *kind };
                    let pushed = self.graph.push(op.into(), &[], "", name.span).expect("targets have no operands");
                    let docs = stmt.docs.clone();
                    self.graph.targets.push(Named { name: name.name.clone(), docs, value: pushed, span: name.span });
                    Value::Tensor(pushed)
                }
                Err(_) => Value::Poison,
            };
            scope.names.insert(name.name.clone(), value);
        }
    }

    fn classes(&mut self, scope: &Scope, call: &ast::Call, span: Span) -> Evaluated<(Vec<usize>, Kind)> {
        let count = match call.args.as_slice() {
            [ast::Arg { name: None, value }] => self.eval(scope, value)?,
            _ => Value::Poison,
        };
        match count {
            Value::Int(n) if (2..=1 << 24).contains(&n) => Ok((Vec::new(), Kind::Class(n as usize))),
            other => {
                let wrong = Diagnostic::new(span, "`class` takes the number of classes")
                    .found(other.show())
                    .fits("`class(10)`: at least 2, at most 16777216");
                Err(self.report(wrong))
            }
        }
    }

    /// A shape: a list of 1 to 4 whole numbers.
    fn shape(&mut self, scope: &Scope, expr: &Expr) -> Evaluated<Vec<usize>> {
        let value = self.eval(scope, expr)?;
        let dims: Option<Vec<usize>> = match &value {
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::Int(n) if (1..=1 << 24).contains(n) => Some(*n as usize),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let small = |d: &Vec<usize>| {
            d.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).is_some_and(|n| n <= super::MAX_ELEMENTS)
        };
        match dims {
            Some(dims) if (1..=4).contains(&dims.len()) && small(&dims) => Ok(dims),
            _ => {
                let wrong = Diagnostic::new(expr.span, "this is not a shape")
                    .found(value.show())
                    .fits("a list of 1 to 4 whole numbers, channels first and without the batch: `[3, 224, 224]`")
                    .hint(format!("each from 1 to {}, and at most {} elements in all", 1 << 24, super::MAX_ELEMENTS));
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
                    .found(other.show());
                self.report(wrong);
                return;
            }
        };
        if let Some(first) = self.graph.outputs.iter().find(|o| o.name == name.name) {
            let wrong = Diagnostic::new(name.span, format!("there are two outputs `{}`", name.name))
                .also(first.span, "first here");
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
                let found = match other {
                    Value::Tensor(id) => format!("a tensor of shape {}", self.graph.ty(id)),
                    other => other.show(),
                };
                let wrong = Diagnostic::new(expr.span, "a loss is one number for each image").found(found).fits(
                    "a loss function such as `cross_entropy(logits, label)` or `mse(y, wanted)`, or a weighted sum of them",
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
            Ok(other) => {
                let wrong = Diagnostic::new(expr.span, "this cannot be frozen").found(other.show()).fits(
                    "a tensor: all weights it was computed from; or the name of a layer in quotes: all weights under it",
                );
                self.report(wrong);
            }
            Err(_) => {}
        }
    }

    /// Inputs, targets and outputs have names of their own, since users meet them all.
    fn unused_name(&mut self, name: &Ident) {
        let all = self.graph.inputs.iter().chain(&self.graph.targets);
        let Some(first) = all.into_iter().find(|n| n.name == name.name).map(|n| n.span) else { return };
        let wrong = Diagnostic::new(name.span, format!("the name `{}` is taken", name.name)).also(first, "first here");
        self.report(wrong);
    }
}

/// Whether an expression stands for itself.
fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Str(_) => true,
        ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().all(is_literal),
        ExprKind::Unary(_, operand) => is_literal(operand),
        _ => false,
    }
}
