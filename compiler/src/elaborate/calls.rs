//! Calls of operators, blocks and shared instances.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::arguments::{Given, Slot};
use super::value::{Shared, Value};
use super::{Elaborator, Evaluated, MAX_CALLS, MAX_ELEMENTS, Poisoned, Scope};
use crate::diagnostics::{Diagnostic, FileId, Label, Span, nearest};
use crate::graph::{Param, ValueId, show_shape};
use crate::ops::{self, Call, Definition, Op};
use crate::syntax::ast::{self, Expr, ExprKind, Ident};

impl Elaborator {
    /// A call, or a pipeline of calls; `name` is what `as` says of the last one.
    pub(super) fn call_expr(&mut self, scope: &Scope, expr: &Expr, name: Option<String>) -> Evaluated<Value> {
        let mut stages = vec![(expr, name)];
        let mut first = expr;
        // Pipelines nest to the left; they are taken apart in a loop, since they may be long.
        while let ExprKind::Pipe(left, stage) = &first.kind {
            let (stage, named) = match &stage.kind {
                ExprKind::Named(inner, template, span) => {
                    (inner.as_ref(), Some(self.layer_name(scope, template, *span)?))
                }
                _ => (stage.as_ref(), None),
            };
            let outer = stages.pop().expect("the stage under way");
            stages.push((stage, named.or(outer.1)));
            stages.push((left.as_ref(), None));
            first = left;
        }
        if stages.len() == 1 {
            let (expr, name) = stages.remove(0);
            let ExprKind::Call(call) = &expr.kind else { return self.eval(scope, expr) };
            let given = self.given(scope, &call.callee.name, &call.args)?;
            return self.call(scope, &call.callee, given, name, expr.span);
        }
        let (source, _) = stages.pop().expect("the source of the pipeline");
        let mut value = self.eval(scope, source)?;
        let mut from = source.span;
        for (stage, name) in stages.into_iter().rev() {
            value = self.stage(scope, (value, from), stage, name)?;
            from = source.span.to(stage.span);
        }
        Ok(value)
    }

    /// One stage of a pipeline: the value becomes the first argument.
    fn stage(&mut self, scope: &Scope, piped: (Value, Span), stage: &Expr, name: Option<String>) -> Evaluated<Value> {
        let (callee, args) = match &stage.kind {
            ExprKind::Call(call) => (call.callee.clone(), call.args.as_slice()),
            ExprKind::Name(name) => (Ident { name: name.clone(), span: stage.span }, &[][..]),
            _ => {
                let wrong = Diagnostic::new(stage.span, "a pipeline passes values to operators and blocks")
                    .fits("a name or a call: `x |> relu`, `x |> conv(6, 5)`");
                return Err(self.report(wrong));
            }
        };
        let mut given: Vec<Given> = vec![(None, piped.0, piped.1)];
        given.extend(self.given(scope, &callee.name, args)?);
        self.call(scope, &callee, given, name, stage.span)
    }

    /// Evaluates the arguments of a call. Bare words that an attribute accepts stand for themselves.
    pub(super) fn given(&mut self, scope: &Scope, callee: &str, args: &[ast::Arg]) -> Evaluated<Vec<Given>> {
        let words: Vec<&str> = ops::definition(callee)
            .map_or(Vec::new(), |d| d.attributes.iter().flat_map(|a| a.words).copied().collect());
        let evaluated: Vec<Evaluated<Given>> = args
            .iter()
            .map(|arg| {
                let value = match &arg.value.kind {
                    ExprKind::Name(word) if words.contains(&word.as_str()) && !scope.names.contains_key(word) => {
                        Value::Word(word.clone())
                    }
                    _ => self.eval(scope, &arg.value)?,
                };
                Ok((arg.name.clone(), value, arg.value.span))
            })
            .collect();
        evaluated.into_iter().collect()
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
        match scope.names.get(&callee.name) {
            Some(Value::Shared(shared)) => {
                let shared = Rc::clone(shared);
                return self.call_shared(scope, &shared, given, name, span);
            }
            Some(Value::Poison) => return Err(Poisoned),
            Some(other) => {
                let wrong = Diagnostic::new(callee.span, format!("`{}` cannot be called", callee.name))
                    .found(other.show())
                    .fits("an operator, a block or a shared instance");
                return Err(self.report(wrong));
            }
            None => {}
        }
        self.known_callee(scope, callee)?;
        let layer = self.layers.name(&callee.name, name.as_deref());
        self.call_as(scope.file, callee, given, layer, span)
    }

    /// Calls an operator or a block under a full layer name.
    fn call_as(
        &mut self,
        file: FileId,
        callee: &Ident,
        given: Vec<Given>,
        layer: String,
        span: Span,
    ) -> Evaluated<Value> {
        match ops::definition(&callee.name) {
            Some(definition) => self.call_operator(definition, given, layer, span),
            None => self.call_block(file, callee, given, layer, span),
        }
    }

    /// Reports a callee that means nothing.
    pub(super) fn known_callee(&mut self, scope: &Scope, callee: &Ident) -> Evaluated<()> {
        let name = callee.name.as_str();
        if ops::definition(name).is_some() || self.files.block(scope.file, name).is_some() {
            return Ok(());
        }
        let mut wrong = Diagnostic::new(callee.span, format!("there is no operator or block `{name}`"));
        let operators = ops::DEFINITIONS.iter().map(|d| d.name);
        let files = Rc::clone(&self.files);
        let near = habit(name).or_else(|| nearest(name, operators.chain(files.block_names(scope.file))));
        if let Some(near) = near {
            wrong = wrong.hint(format!("did you mean `{near}`?"));
        } else {
            let all: Vec<&str> = ops::DEFINITIONS.iter().map(|d| d.name).collect();
            wrong = wrong.fits(format!("one of the operators: {}", all.join(", ")));
        }
        Err(self.report(wrong))
    }

    fn call_operator(
        &mut self,
        definition: &'static Definition,
        given: Vec<Given>,
        layer: String,
        span: Span,
    ) -> Evaluated<Value> {
        let (operands, given) = self.operands(definition, given, span)?;
        let slots: Vec<Slot<'_>> = definition
            .attributes
            .iter()
            .map(|a| Slot { name: a.name, positional: a.positional, required: a.default.is_none() })
            .collect();
        let filled = self.fill(definition.name, &signature(definition), &slots, given, span)?;
        let mut arguments = Vec::new();
        for (attribute, filled) in definition.attributes.iter().zip(filled) {
            let Some((value, span)) = filled else { continue };
            match value.argument() {
                Some(argument) => arguments.push((attribute.name, argument, span)),
                None => {
                    let title = format!("`{}` of `{}` cannot be {}", attribute.name, definition.name, value.kind());
                    let wrong = Diagnostic::new(span, title).fits(attribute.doc);
                    return Err(self.report(wrong));
                }
            }
        }
        let reuse = self.reuse.take();
        let shares = reuse.is_some();
        let mut call =
            Call { definition, graph: &mut self.graph, operands, arguments, layer, reuse, made: Vec::new(), span };
        let before = (call.graph.nodes.len(), call.graph.params.len());
        let built = (definition.build)(&mut call);
        let (reuse, made) = (call.reuse.take(), std::mem::take(&mut call.made));
        self.reuse = reuse;
        if !shares {
            self.records.iter_mut().for_each(|record| record.extend(&made));
        }
        match built {
            Ok(value) => self.within_limits(before, span).map(|()| Value::Tensor(value)),
            Err(mistake) => Err(self.report(mistake)),
        }
    }

    /// Checks the sizes of nodes and weights that were just added, and that the weights have names of their own.
    fn within_limits(&mut self, (nodes, params): (usize, usize), span: Span) -> Evaluated<()> {
        let checked = |shape: &[usize]| shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).unwrap_or(usize::MAX);
        let large = self.graph.nodes[nodes..].iter().map(|n| n.ty.shape.clone()).find(|s| checked(s) > MAX_ELEMENTS);
        if let Some(shape) = large {
            let wrong = Diagnostic::new(span, "this value is too large")
                .found(format!("{} has more than {MAX_ELEMENTS} elements", show_shape(&shape)))
                .fits(format!("at most {MAX_ELEMENTS} elements for one image"));
            return Err(self.report(wrong));
        }
        let made = self.graph.params[params..].to_vec();
        for param in made {
            self.weight_count = self.weight_count.saturating_add(checked(&param.shape));
            if let Some(first) = self.weights.insert(param.name.clone(), param.span) {
                return Err(self.named_twice(&param, first));
            }
        }
        if self.weight_count > MAX_ELEMENTS {
            let wrong = Diagnostic::new(span, "the net has too many weights")
                .found(format!("{} numbers up to this layer", self.weight_count))
                .fits(format!("at most {MAX_ELEMENTS} numbers in all weights together"));
            return Err(self.report(wrong));
        }
        Ok(())
    }

    fn named_twice(&mut self, param: &Param, first: Span) -> Poisoned {
        let layer = param.name.rsplit_once('.').map_or(param.name.as_str(), |(layer, _)| layer);
        let mut wrong = Diagnostic::new(param.span, format!("there are two layers `{layer}`"))
            .found(format!("the weight `{}` is defined twice", param.name))
            .fits("a name of its own for each layer");
        if first == param.span {
            wrong = wrong.hint("in a loop, make the round a part of the name: `as \"unit{i}\"`");
        } else {
            wrong = wrong.also(first, "first here").hint("name one of them otherwise with `as`");
        }
        self.report(wrong.hint("to use the same weights twice, call a `shared` instance twice"))
    }

    /// The tensor operands: by position at the front, or by name.
    #[allow(clippy::type_complexity, reason = "operands with their places, and what is left")]
    fn operands(
        &mut self,
        definition: &'static Definition,
        given: Vec<Given>,
        span: Span,
    ) -> Evaluated<(Vec<(ValueId, Span)>, Vec<Given>)> {
        let many = definition.operands.iter().any(|o| o.ends_with(".."));
        let wanted = if many { usize::MAX } else { definition.operands.len() };
        let mut operands = Vec::new();
        let mut rest = given.into_iter().peekable();
        while operands.len() < wanted {
            match rest.peek() {
                Some((None, Value::Tensor(value), place)) => operands.push((*value, *place)),
                _ => break,
            }
            rest.next();
        }
        let mut rest: Vec<Given> = rest.collect();
        while operands.len() < definition.operands.len() && !many {
            let name = definition.operands[operands.len()];
            let found = rest.iter().position(|(n, ..)| n.as_ref().is_some_and(|n| n.name == name));
            match found.map(|i| rest.remove(i)) {
                Some((_, Value::Tensor(value), place)) => operands.push((value, place)),
                _ => break,
            }
        }
        let least = if many { definition.operands.len() } else { wanted };
        if operands.len() >= least {
            return Ok((operands, rest));
        }
        let title =
            format!("`{}` needs {} as {}", definition.name, "a tensor", quoted(definition.operands[operands.len()]));
        let mut wrong = Diagnostic::new(span, title).fits(signature(definition));
        if let Some((_, value, place)) = rest.first() {
            wrong = wrong.found(value.show()).also(*place, value.kind());
        }
        Err(self.report(wrong))
    }

    fn call_block(
        &mut self,
        file: FileId,
        callee: &Ident,
        given: Vec<Given>,
        layer: String,
        span: Span,
    ) -> Evaluated<Value> {
        let files = Rc::clone(&self.files);
        let (home, block) = files.block(file, &callee.name).expect("checked by the caller");
        if let Some(again) = self.calls.iter().position(|c| c.text == called(&callee.name)) {
            let circle: Vec<&str> = self.calls[again..].iter().map(|c| c.text.as_str()).collect();
            let wrong = Diagnostic::new(span, format!("the block `{}` calls itself", callee.name))
                .found(format!("{}, {}", circle.join(", "), called(&callee.name)))
                .fits("loops: `for i in 0..n { ... }`");
            return Err(self.report(wrong));
        }
        if self.calls.len() >= MAX_CALLS {
            let wrong =
                Diagnostic::new(span, "blocks call each other too deeply").fits(format!("at most {MAX_CALLS} levels"));
            return Err(self.report(wrong));
        }
        let slots: Vec<Slot<'_>> = block
            .params
            .iter()
            .map(|p| Slot { name: &p.name.name, positional: true, required: p.default.is_none() })
            .collect();
        let filled = self.fill(&callee.name, &block_signature(block), &slots, given, span)?;
        let mut scope = self.file_scope(*home);
        self.calls.push(Label { span, text: called(&callee.name) });
        let before = self.layers.enter(&layer);
        let result = self.block_body(block, &mut scope, filled);
        self.layers.leave(before);
        self.calls.pop();
        result
    }

    fn block_body(
        &mut self,
        block: &ast::Definition,
        scope: &mut Scope,
        filled: Vec<Option<(Value, Span)>>,
    ) -> Evaluated<Value> {
        for (param, filled) in block.params.iter().zip(filled) {
            let value = match (filled, &param.default) {
                (Some((value, _)), _) => value,
                (None, Some(default)) => self.eval(scope, default)?,
                (None, None) => Value::Poison,
            };
            scope.names.insert(param.name.name.clone(), value);
        }
        match self.statements(scope, &block.body, super::statements::Place::Block) {
            Some(value) => value,
            None if self.mistakes.is_empty() => {
                let wrong =
                    Diagnostic::new(block.name.span, format!("the block `{}` returns nothing", block.name.name))
                        .fits("`return y` as its last statement");
                Err(self.report(wrong))
            }
            None => Err(Poisoned),
        }
    }

    /// A call of a shared instance: the first makes the weights, the others use them.
    fn call_shared(
        &mut self,
        scope: &Scope,
        shared: &Shared,
        mut given: Vec<Given>,
        name: Option<String>,
        span: Span,
    ) -> Evaluated<Value> {
        if let Some(name) = name {
            let wrong =
                Diagnostic::new(span, format!("a shared instance has one name, and `as {name}` would be another"))
                    .fits("`shared tower as name`");
            return Err(self.report(wrong));
        }
        given.extend(shared.args.iter().cloned());
        self.layers.restart(&shared.layer);
        let layer = shared.layer.clone();
        let known = shared.weights.borrow().clone();
        let Some(weights) = known else {
            self.records.push(Vec::new());
            let value = self.call_as(scope.file, &shared.callee, given, layer, span);
            let made = self.records.pop().unwrap_or_default();
            *shared.weights.borrow_mut() = Some(made);
            return value;
        };
        let outer = self.reuse.replace(VecDeque::from(weights));
        let value = self.call_as(scope.file, &shared.callee, given, layer, span);
        let left = std::mem::replace(&mut self.reuse, outer);
        if left.is_some_and(|left| !left.is_empty()) && value.is_ok() {
            let wrong = Diagnostic::new(span, "this call of a shared instance uses fewer weights than the first")
                .fits("operands and arguments under which the block makes the same layers in every call");
            return Err(self.report(wrong));
        }
        value
    }

    /// An operator called by the language itself, as `+` is.
    pub(super) fn operator(&mut self, name: &str, operands: &[(ValueId, Span)], span: Span) -> Evaluated<Value> {
        let definition = ops::definition(name).expect("operators of the language exist");
        let layer = self.layers.name(name, None);
        let given = operands.iter().map(|(value, span)| (None, Value::Tensor(*value), *span)).collect();
        self.call_operator(definition, given, layer, span)
    }

    /// A node without a definition.
    pub(super) fn operator_node(&mut self, op: Op, operands: &[ValueId], span: Span) -> Evaluated<Value> {
        let layer = self.layers.name(op.name(), None);
        match self.graph.push(op, operands, &layer, span) {
            Ok(value) => Ok(Value::Tensor(value)),
            Err(mismatch) => Err(self.report(mismatch.at(span))),
        }
    }

    /// Constants that a file sees.
    pub(super) fn file_scope(&mut self, file: FileId) -> Scope {
        let files = Rc::clone(&self.files);
        let mut scope = Scope { file, names: HashMap::new() };
        for binding in files.consts(file) {
            let value = self.eval(&scope, &binding.value).unwrap_or(Value::Poison);
            if let Value::Tensor(_) = value {
                let wrong = Diagnostic::new(binding.value.span, "a constant is not a tensor");
                self.report(wrong);
            }
            self.bind(&mut scope, &binding.pattern, value);
        }
        scope
    }
}

fn called(name: &str) -> String {
    format!("in `{name}`, called here")
}

fn quoted(operand: &str) -> String {
    format!("`{}`", operand.trim_end_matches(".."))
}

/// `conv(x, filters, kernel, stride: 1, ...)`
pub(super) fn signature(definition: &Definition) -> String {
    let operands = definition.operands.iter().map(|o| (*o).to_owned());
    let attributes = definition.attributes.iter().map(|a| match (a.default, a.positional) {
        (None, _) => a.name.to_owned(),
        (Some("none"), _) => format!("{}: ...", a.name),
        (Some(default), _) => format!("{}: {default}", a.name),
    });
    format!("`{}({})`", definition.name, operands.chain(attributes).collect::<Vec<_>>().join(", "))
}

fn block_signature(block: &ast::Definition) -> String {
    let params: Vec<String> = block
        .params
        .iter()
        .map(|p| if p.default.is_some() { format!("{}: ...", p.name.name) } else { p.name.name.clone() })
        .collect();
    format!("`{}({})`", block.name.name, params.join(", "))
}

/// Names from other frameworks.
fn habit(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "linear" | "fc" | "fully_connected" => "dense",
        "conv2d" | "conv1d" | "conv3d" | "convolution" => "conv",
        "maxpool" | "maxpool2d" | "max_pool2d" => "max_pool",
        "avgpool" | "avgpool2d" | "avg_pool2d" | "average_pool" | "mean_pool" => "avg_pool",
        "gap" | "adaptive_avg_pool" | "global_average_pool" => "global_avg_pool",
        "bn" | "batchnorm" | "batchnorm2d" | "batch_norm2d" => "batch_norm",
        "cat" | "concatenate" => "concat",
        "view" => "reshape",
        "leakyrelu" | "lrelu" => "leaky_relu",
        "crossentropy" | "nll" | "softmax_cross_entropy" => "cross_entropy",
        "bce" => "binary_cross_entropy",
        _ => return None,
    })
}
