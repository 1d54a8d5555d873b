//! Calls and pipelines: what is called, and with which arguments.

use std::rc::Rc;

use super::arguments::Given;
use super::functions::FUNCTIONS;
use super::value::Value;
use super::{Elaborator, Evaluated, Poisoned, Scope};
use crate::diagnostics::{Diagnostic, FileId, Span, nearest};
use crate::ops::{self, Attribute};
use crate::syntax::ast::{self, Expr, ExprKind, Ident};

/// A stage of a pipeline, and its name where `as` gives one.
type Stage<'e> = (&'e Expr, Option<(&'e ast::Template, Span)>);

impl Elaborator {
    /// A call, or a pipeline of calls; `name` is what `as` says of the last one.
    pub(super) fn call_expr(&mut self, scope: &Scope, expr: &Expr, name: Option<String>) -> Evaluated<Value> {
        if let ExprKind::Call(call) = &expr.kind {
            let known = self.known_callee(scope, &call.callee);
            let given = self.given(scope, &call.callee, &call.args, 0);
            return known.and(given).and_then(|given| self.call(scope, &call.callee, given, name, expr.span));
        }
        // Pipelines nest to the left; they are taken apart in a loop, since they may be long.
        let (mut stages, mut source): (Vec<Stage<'_>>, _) = (Vec::new(), expr);
        while let ExprKind::Pipe(left, stage) = &source.kind {
            stages.push(match &stage.kind {
                ExprKind::Named(inner, template, span) => (inner.as_ref(), Some((template, *span))),
                _ => (stage.as_ref(), None),
            });
            source = left;
        }
        let mut value = self.eval(scope, source);
        let mut from = source.span;
        let last = stages.len();
        for (index, (stage, named)) in stages.into_iter().rev().enumerate() {
            // Stages behind a mistake are still looked at, as far as they can be without the value.
            let outer = if index + 1 == last { name.clone() } else { None };
            value = self.stage(scope, value.map(|v| (v, from)), stage, named, outer);
            from = source.span.to(stage.span);
        }
        value
    }

    /// One stage of a pipeline: the value becomes the first argument.
    fn stage(
        &mut self,
        scope: &Scope,
        piped: Evaluated<(Value, Span)>,
        stage: &Expr,
        named: Option<(&ast::Template, Span)>,
        outer: Option<String>,
    ) -> Evaluated<Value> {
        let (callee, args) = match &stage.kind {
            ExprKind::Call(call) => (call.callee.clone(), call.args.as_slice()),
            ExprKind::Name(name) => (Ident { name: name.clone(), span: stage.span }, &[][..]),
            _ => {
                let wrong = Diagnostic::new(stage.span, "a pipeline passes values to operators and blocks")
                    .fits("a name or a call: `x |> relu`, `x |> conv(6, 5)`");
                let hint = "`|>` binds loosest of all; in brackets it ends before the sign: `(x |> conv(6, 5)) + x`";
                let sum = matches!(stage.kind, ExprKind::Binary(..));
                return Err(self.report(if sum { wrong.hint(hint) } else { wrong }));
            }
        };
        let known = self.known_callee(scope, &callee);
        let args = self.given(scope, &callee, args, 1);
        let name = match named {
            Some((template, span)) => Some(self.layer_name(scope, template, span)?),
            None => outer,
        };
        let (piped, args) = (piped?, known.and(args)?);
        let mut given: Vec<Given> = vec![(None, piped.0, piped.1)];
        given.extend(args);
        self.call(scope, &callee, given, name, stage.span)
    }

    /// Evaluates the arguments of a call, before which so many operands are given. Bare words that an attribute accepts stand for
    /// themselves.
    pub(super) fn given(
        &mut self,
        scope: &Scope,
        callee: &Ident,
        args: &[ast::Arg],
        operands: usize,
    ) -> Evaluated<Vec<Given>> {
        let definition = ops::definition(&callee.name);
        let mut named: Option<Span> = None;
        let mut evaluated: Vec<Evaluated<Given>> = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            let attribute = definition.and_then(|d| match &arg.name {
                Some(name) => d.attributes.iter().find(|a| a.name == name.name),
                None => d.attribute_at(operands + index),
            });
            evaluated.push(self.argument(scope, callee, arg, attribute));
            match (&arg.name, named) {
                (Some(name), _) => named = Some(name.span),
                (None, None) => {}
                (None, Some(before)) => {
                    let wrong = Diagnostic::new(arg.value.span, "arguments by position come before those by name")
                        .also(before, "given by name")
                        .fits("a name for this one too, or a place further in front");
                    evaluated.push(Err(self.report(wrong)));
                }
            }
        }
        evaluated.into_iter().collect()
    }

    fn argument(
        &mut self,
        scope: &Scope,
        callee: &Ident,
        arg: &ast::Arg,
        attribute: Option<&'static Attribute>,
    ) -> Evaluated<Given> {
        let span = arg.value.span;
        if let Some(name) = &arg.name {
            self.known_argument(scope, callee, name)?;
        }
        let ExprKind::Name(word) = &arg.value.kind else {
            return Ok((arg.name.clone(), self.eval(scope, &arg.value)?, span));
        };
        if scope.get(word).is_none() {
            let attributes = ops::definition(&callee.name).map_or(&[][..], |d| d.attributes);
            if attributes.iter().any(|a| a.words.contains(&word.as_str())) {
                return Ok((arg.name.clone(), Value::Word(word.clone()), span));
            }
            if let Some(attribute) = attribute.filter(|a| !a.words.is_empty()) {
                let words: Vec<String> = attribute.words.iter().map(|w| format!("`{w}`")).collect();
                let mut wrong = Diagnostic::new(span, format!("`{word}` is not defined here")).fits(format!(
                    "{}, or a value: {}",
                    words.join(", "),
                    attribute.doc
                ));
                if let Some(near) = nearest(word, attribute.words.iter().copied().chain(scope.known())) {
                    wrong = wrong.hint(format!("did you mean `{near}`?"));
                }
                return Err(self.report(wrong));
            }
        }
        Ok((arg.name.clone(), self.eval(scope, &arg.value)?, span))
    }

    /// Reports the name of an argument that the callee does not have. What shared instances take is checked at their calls.
    fn known_argument(&mut self, scope: &Scope, callee: &Ident, name: &Ident) -> Evaluated<()> {
        let (file, called) = match scope.get(&callee.name) {
            Some(Value::Shared(shared)) => (shared.file, shared.callee.name.clone()),
            _ => (scope.file, callee.name.clone()),
        };
        let files = Rc::clone(&self.files);
        let (names, signature): (Vec<&str>, String) = match (ops::definition(&called), files.block(file, &called)) {
            (Some(definition), _) => {
                let attributes = definition.attributes.iter().map(|a| a.name);
                let names = definition.operands.iter().copied().chain(attributes).collect();
                (names, super::operators::signature(definition))
            }
            (None, Some((_, block))) => {
                let names = block.params.iter().map(|p| p.name.name.as_str()).collect();
                (names, super::blocks::block_signature(block))
            }
            (None, None) => return Ok(()),
        };
        if names.contains(&name.name.as_str()) {
            return Ok(());
        }
        let mut wrong =
            Diagnostic::new(name.span, format!("`{called}` has no argument `{}`", name.name)).fits(signature);
        if name.name == "activation" {
            wrong = wrong.hint(format!("activations are operators: `x |> {called}(...) |> relu`"));
        } else if let Some(near) = nearest(&name.name, names) {
            wrong = wrong.hint(format!("did you mean `{near}`?"));
        }
        Err(self.report(wrong))
    }

    /// Calls what a name means.
    fn call(
        &mut self,
        scope: &Scope,
        callee: &Ident,
        given: Vec<Given>,
        name: Option<String>,
        span: Span,
    ) -> Evaluated<Value> {
        self.step(span)?;
        if let Some(Value::Shared(shared)) = scope.get(&callee.name) {
            let shared = Rc::clone(shared);
            return self.call_shared(&shared, given, name, span);
        }
        if self.calls_function(scope.file, callee, &given) {
            return self.call_function(&callee.name, &given, name.as_deref(), span);
        }
        let layer = self.layers.name(&callee.name, name.as_deref());
        self.call_as(scope.file, callee, given, &layer, span)
    }

    /// Calls an operator or a block under a full layer name.
    pub(super) fn call_as(
        &mut self,
        file: FileId,
        callee: &Ident,
        given: Vec<Given>,
        layer: &str,
        span: Span,
    ) -> Evaluated<Value> {
        match ops::definition(&callee.name) {
            Some(definition) => self.call_operator(definition, given, layer, span),
            None => self.call_block(file, callee, given, layer, span),
        }
    }

    /// Reports a callee that cannot be called.
    pub(super) fn known_callee(&mut self, scope: &Scope, callee: &Ident) -> Evaluated<()> {
        let name = callee.name.as_str();
        match scope.get(name) {
            Some(Value::Shared(_)) => return Ok(()),
            Some(Value::Poison) => return Err(Poisoned),
            Some(other) => {
                let mut wrong = Diagnostic::new(callee.span, format!("`{name}` cannot be called"))
                    .found(self.show(other))
                    .fits("an operator, a block or a shared instance");
                if let Value::Tensor(_) = other {
                    wrong = wrong.hint("layers that are called again are shared: `layer = shared conv(8, 3)`");
                }
                return Err(self.report(wrong));
            }
            None => {}
        }
        if ops::definition(name).is_some() || self.files.block(scope.file, name).is_some() || FUNCTIONS.contains(&name)
        {
            return Ok(());
        }
        let wrong = Diagnostic::new(callee.span, format!("there is no operator or block `{name}`"));
        if self.files.is_net(name) {
            let wrong = wrong.found("a net").fits("a block: nets are compiled, blocks are called");
            return Err(self.report(wrong));
        }
        if let Some(how) = ops::written(name) {
            return Err(self.report(wrong.fits(format!("`{how}`"))));
        }
        let operators: Vec<&str> = ops::DEFINITIONS.iter().map(|d| d.name).collect();
        let mut blocks: Vec<&str> = self.files.block_names(scope.file).collect();
        blocks.sort_unstable();
        let instances = scope.names.iter().filter(|(_, v)| matches!(v, Value::Shared(_))).map(|(n, _)| n.as_str());
        let others = blocks.iter().chain(FUNCTIONS).copied().chain(instances);
        let wrong = match ops::meant(name, others) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None if blocks.is_empty() => wrong.fits(format!("an operator: {}", operators.join(", "))),
            None => wrong.fits(format!("an operator: {}; or a block: {}", operators.join(", "), blocks.join(", "))),
        };
        Err(self.report(wrong))
    }
}
