//! Functions of numbers that are known when the net is compiled.

use super::arguments::Given;
use super::value::Value;
use super::{Elaborator, Evaluated};
use crate::diagnostics::{Diagnostic, FileId, Span};
use crate::ops;
use crate::syntax::ast::Ident;

/// Their names. `max` of a tensor is an operator.
pub(super) const FUNCTIONS: &[&str] = &["floor", "ceil", "round", "min", "max"];

impl Elaborator {
    /// Whether a call with these arguments is one of a function of numbers, and not of the block or the operator of that name.
    pub(super) fn calls_function(&self, file: FileId, callee: &Ident, given: &[Given]) -> bool {
        let name = callee.name.as_str();
        let numbers = || !given.is_empty() && given.iter().all(|(_, value, _)| value.number().is_some());
        FUNCTIONS.contains(&name)
            && self.files.block(file, name).is_none()
            && (ops::definition(name).is_none() || numbers())
    }

    /// Calls a function of numbers.
    pub(super) fn call_function(
        &mut self,
        name: &str,
        given: &[Given],
        layer: Option<&str>,
        span: Span,
    ) -> Evaluated<Value> {
        if layer.is_some() {
            let title = format!("`{name}` makes no layer that `as` could name");
            return Err(self.report(Diagnostic::new(span, title).fits("the call without `as`")));
        }
        if let Some((_, value, place)) = given.iter().find(|(_, value, _)| value.number().is_none()) {
            let wrong = Diagnostic::new(*place, format!("`{name}` is a function of numbers"))
                .found(self.show(value))
                .fits("numbers that are known when the net is compiled");
            return Err(self.report(wrong));
        }
        let named = given.iter().find_map(|(name, ..)| name.as_ref());
        let values: Vec<&Value> = given.iter().map(|(_, value, _)| value).collect();
        let result = match (name, values.as_slice()) {
            _ if named.is_some() => None,
            ("floor" | "ceil" | "round", [number]) => return self.rounded(name, number, span),
            ("min" | "max", [_, _, ..]) => extreme(name == "min", &values),
            _ => None,
        };
        result.ok_or_else(|| {
            let (takes, fits) = match name {
                "min" | "max" => ("two numbers or more", format!("`{name}(n, 8)`")),
                _ => ("one number", format!("`{name}(n / 2.0)`")),
            };
            let title = format!("`{name}` takes {takes}, by position");
            self.report(Diagnostic::new(named.map_or(span, |n| n.span), title).fits(fits))
        })
    }

    fn rounded(&mut self, name: &str, number: &Value, span: Span) -> Evaluated<Value> {
        let rounded = match number {
            Value::Float(value) => Value::Float(match name {
                "floor" => value.floor(),
                "ceil" => value.ceil(),
                _ => value.round(),
            }),
            other => other.clone(),
        };
        rounded.whole().map(Value::Int).ok_or_else(|| {
            let wrong = Diagnostic::new(span, "the result is too large for a whole number")
                .found(number.show())
                .fits("numbers up to 9007199254740992");
            self.report(wrong)
        })
    }
}

/// The least or the greatest of numbers: whole if they all are.
fn extreme(least: bool, values: &[&Value]) -> Option<Value> {
    let better = |a: f64, b: f64| if least { a < b } else { a > b };
    let mut best = *values.first()?;
    for value in values {
        if better(value.number()?, best.number()?) {
            best = value;
        }
    }
    let whole = values.iter().all(|value| matches!(value, Value::Int(_)));
    if whole { Some(best.clone()) } else { best.number().map(Value::Float) }
}
