//! Kinds of numbers: a value given for a parameter follows the default, so that `2` and `2.0` mean the same for a net.

use super::Elaborator;
use super::value::Value;
use crate::diagnostics::{Diagnostic, Span};
use crate::syntax::ast::{Expr, ExprKind, Param, Unary};

impl Elaborator {
    /// A value given for a parameter, as its default wants it.
    pub(super) fn given_for(&mut self, param: &Param, value: Value, at: Span) -> Value {
        like_default(param, value, at).unwrap_or_else(|wrong| {
            self.report(wrong);
            Value::Poison
        })
    }
}

/// A number given for a parameter as one of the kind of its default. What is no number is not looked at.
fn like_default(param: &Param, value: Value, at: Span) -> Result<Value, Diagnostic> {
    let Some(default) = &param.default else { return Ok(value) };
    match (literal(default), &value) {
        (Some(Value::Float(_)), Value::Int(given)) => Ok(Value::Float(*given as f64)),
        (Some(Value::Int(whole)), Value::Float(_)) => value.whole().map(Value::Int).ok_or_else(|| {
            Diagnostic::new(at, format!("`{}` is a whole number (default {whole})", param.name.name))
                .also(default.span, "its default")
                .found(value.show())
                .fits(format!("a whole number; for others the default has a point: `{whole}.0`"))
        }),
        _ => Ok(value),
    }
}

/// Likewise, where the value is not evaluated yet.
pub(super) fn written_like_default(param: &Param, given: &Expr) -> Result<Expr, Diagnostic> {
    let Some(value) = literal(given) else { return Ok(given.clone()) };
    let kind = match like_default(param, value, given.span)? {
        Value::Int(value) => ExprKind::Int(value),
        Value::Float(value) => ExprKind::Float(value),
        _ => given.kind.clone(),
    };
    Ok(Expr { kind, span: given.span })
}

/// The number that an expression stands for, where that can be told without evaluating it.
fn literal(expr: &Expr) -> Option<Value> {
    match &expr.kind {
        ExprKind::Int(value) => Some(Value::Int(*value)),
        ExprKind::Float(value) => Some(Value::Float(*value)),
        ExprKind::Unary(Unary::Negate, operand) => match literal(operand)? {
            Value::Int(value) => value.checked_neg().map(Value::Int),
            Value::Float(value) => Some(Value::Float(-value)),
            _ => None,
        },
        _ => None,
    }
}
