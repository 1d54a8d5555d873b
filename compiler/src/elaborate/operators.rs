//! Calls of operators.

use super::arguments::{Given, Slot};
use super::value::Value;
use super::{Elaborator, Evaluated, MAX_ELEMENTS, Poisoned};
use crate::diagnostics::{Diagnostic, Span};
use crate::graph::{Kind, Param, ValueId, show_shape};
use crate::ops::{self, Call, Definition, Op, shapes};

/// Tensors of a call and their places.
type Operands = Vec<(ValueId, Span)>;

impl Elaborator {
    /// Adds an operator to the graph.
    pub(super) fn call_operator(
        &mut self,
        definition: &'static Definition,
        given: Vec<Given>,
        layer: &str,
        span: Span,
    ) -> Evaluated<Value> {
        let (operands, given) = self.operands(definition, given, span)?;
        self.no_labels(definition, &operands)?;
        let slots: Vec<Slot<'_>> = definition
            .attributes
            .iter()
            .map(|a| Slot { name: a.name, positional: a.positional, required: a.default.is_none() })
            .collect();
        let filled = self.fill(definition.name, &signature(definition), &slots, given, span)?;
        let mut arguments = Vec::new();
        for (attribute, filled) in definition.attributes.iter().zip(filled) {
            let Some((value, span)) = filled else { continue };
            let Some(argument) = value.argument().or_else(|| value.weights()) else {
                let title = format!("`{}` of `{}` cannot be {}", attribute.name, definition.name, value.kind());
                let found = self.show(&value);
                return Err(self.report(Diagnostic::new(span, title).found(found).fits(attribute.doc)));
            };
            arguments.push((attribute.name, argument.plain(attribute.words), span));
        }
        let tensors: Vec<ValueId> = operands.iter().map(|operand| operand.0).collect();
        let before = (self.graph.nodes.len(), self.graph.params.len());
        let mut call = Call {
            definition,
            graph: &mut self.graph,
            operands,
            arguments,
            layer: layer.to_owned(),
            reuse: self.reuse.take(),
            made: Vec::new(),
            tuple: Vec::new(),
            span,
        };
        let built = (definition.build)(&mut call);
        let (reuse, made, tuple) = (call.reuse.take(), std::mem::take(&mut call.made), std::mem::take(&mut call.tuple));
        self.reuse = reuse;
        self.records.iter_mut().for_each(|record| record.extend(&made));
        match built {
            Ok(value) => {
                let values = if tuple.is_empty() { &[value] } else { tuple.as_slice() };
                let types = |values: &[ValueId]| values.iter().map(|value| self.graph.ty(*value)).collect::<Vec<_>>();
                assert!(
                    !cfg!(feature = "checked") || shapes::fit(definition.shapes, &types(&tensors), &types(values)),
                    "`{}` has {:?} for {}",
                    definition.name,
                    (types(&tensors), types(values)),
                    definition.shapes
                );
                self.within_limits(before, span).map(|()| match tuple.as_slice() {
                    [] => Value::Tensor(value),
                    values => Value::Tuple(values.iter().copied().map(Value::Tensor).collect()),
                })
            }
            Err(mistake) => Err(self.report(mistake)),
        }
    }

    /// Labels are compared by losses; nothing else computes with them.
    fn no_labels(&mut self, definition: &Definition, operands: &Operands) -> Evaluated<()> {
        for (index, (value, place)) in operands.iter().enumerate() {
            if self.graph.ty(*value).kind != Kind::Float && !definition.takes_label(index) {
                let wrong = Diagnostic::new(*place, format!("`{}` computes with numbers, not labels", definition.name))
                    .found(self.show(&Value::Tensor(*value)))
                    .fits("a tensor of numbers; a label is compared with scores by `cross_entropy(scores, label)`");
                return Err(self.report(wrong));
            }
        }
        Ok(())
    }

    /// Checks the sizes of nodes and weights that were just added, and that the weights have names of their own.
    fn within_limits(&mut self, (nodes, params): (usize, usize), span: Span) -> Evaluated<()> {
        let checked = |shape: &[usize]| shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).unwrap_or(usize::MAX);
        for index in params..self.graph.params.len() {
            let param = &self.graph.params[index];
            let (name, place, size) = (param.name.clone(), param.span, checked(&param.shape));
            if size > MAX_ELEMENTS {
                let wrong = Diagnostic::new(span, "this layer has too many weights")
                    .found(format!("`{name}` would be {}", show_shape(&param.shape)))
                    .fits(format!("at most {MAX_ELEMENTS} numbers in all weights together"));
                return Err(self.give_up(wrong));
            }
            self.weight_count = self.weight_count.saturating_add(size);
            if let Some(first) = self.weights.insert(name, place) {
                return Err(self.named_twice(index, first));
            }
        }
        if self.weight_count > MAX_ELEMENTS {
            let wrong = Diagnostic::new(span, "the net has too many weights")
                .found(format!("{} numbers up to this layer", self.weight_count))
                .fits(format!("at most {MAX_ELEMENTS} numbers in all weights together"));
            return Err(self.give_up(wrong));
        }
        let large = self.graph.nodes[nodes..].iter().find(|n| checked(&n.ty.shape) > MAX_ELEMENTS);
        if let Some(shape) = large.map(|n| show_shape(&n.ty.shape)) {
            let wrong = Diagnostic::new(span, "this value is too large")
                .found(shape)
                .fits(format!("at most {MAX_ELEMENTS} elements for one image"));
            return Err(self.give_up(wrong));
        }
        Ok(())
    }

    fn named_twice(&mut self, index: usize, first: Span) -> Poisoned {
        let Param { name, span, .. } = &self.graph.params[index];
        let layer = name.rsplit_once('.').map_or(name.as_str(), |(layer, _)| layer);
        let mut wrong = Diagnostic::new(*span, format!("there are two layers `{layer}`"))
            .found(format!("the weight `{name}` is defined twice"))
            .fits("a name of its own for each layer");
        if first == *span {
            wrong = wrong.hint("in a loop, make the round a part of the name: `as \"unit{i}\"`");
        } else {
            wrong = wrong.also(first, "first here").hint("name one of them otherwise with `as`");
        }
        self.report(wrong.hint("to use the same weights twice, call a `shared` instance twice"))
    }

    /// The tensor operands, by position at the front or by name; and what is left.
    fn operands(
        &mut self,
        definition: &'static Definition,
        given: Vec<Given>,
        span: Span,
    ) -> Evaluated<(Operands, Vec<Given>)> {
        let many = takes_many(definition);
        let given = if many { self.one_by_one(given) } else { given };
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
                Some(other) => {
                    rest.insert(0, other);
                    break;
                }
                None => break,
            }
        }
        if operands.len() >= definition.operands.len() {
            return Ok((operands, rest));
        }
        Err(self.no_tensor(definition, operands.len(), rest.first(), span))
    }

    /// Lists of tensors as the tensors in them.
    fn one_by_one(&mut self, given: Vec<Given>) -> Vec<Given> {
        let mut all = Vec::new();
        for (name, value, place) in given {
            match &value {
                Value::List(items) | Value::Tuple(items)
                    if name.is_none()
                        && !items.is_empty()
                        && items.iter().all(|item| matches!(item, Value::Tensor(_))) =>
                {
                    self.steps += items.len() / 8;
                    all.extend(items.iter().map(|item| (None, item.clone(), place)));
                }
                _ => all.push((name, value, place)),
            }
        }
        all
    }

    fn no_tensor(&mut self, definition: &Definition, index: usize, instead: Option<&Given>, span: Span) -> Poisoned {
        let operand = definition.operands[index].trim_end_matches("..");
        let title = format!("`{}` needs a tensor as `{operand}`", definition.name);
        let mut wrong = Diagnostic::new(span, title).fits(signature(definition));
        if let Some((_, value, place)) = instead {
            wrong = wrong.also(*place, self.show(value));
            match value {
                Value::Shared(_) => wrong = wrong.hint("call the instance first: `instance(x)`"),
                Value::List(_) | Value::Tuple(_) if takes_many(definition) => {
                    wrong = wrong.hint("a list that is given holds tensors, at least one, and nothing else");
                }
                Value::List(_) | Value::Tuple(_) => {
                    wrong = wrong.hint(format!("tensors are given one by one: `{}(a, b)`", definition.name));
                }
                _ => {}
            }
        }
        self.report(wrong)
    }

    /// An operator called by the language itself, as `+` is.
    pub(super) fn operator(&mut self, name: &str, operands: &[(ValueId, Span)], span: Span) -> Evaluated<Value> {
        self.step(span)?;
        let definition = ops::definition(name).expect("operators of the language exist");
        let layer = self.layers.name(name, None);
        let given = operands.iter().map(|(value, span)| (None, Value::Tensor(*value), *span)).collect();
        self.call_operator(definition, given, &layer, span)
    }

    /// A node without a definition.
    pub(super) fn operator_node(&mut self, op: Op, operands: &[ValueId], span: Span) -> Evaluated<Value> {
        self.step(span)?;
        let layer = self.layers.name(op.name(), None);
        match self.graph.push(op, operands, &layer, span) {
            Ok(value) => Ok(Value::Tensor(value)),
            Err(mismatch) => Err(self.report(mismatch.at(span))),
        }
    }
}

/// Whether an operator takes any number of tensors.
fn takes_many(definition: &Definition) -> bool {
    definition.operands.iter().any(|o| o.ends_with(".."))
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
