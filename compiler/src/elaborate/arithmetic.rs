//! Signs and operators, on what is known at compile time and on tensors.

use super::value::Value;
use super::{Elaborator, Evaluated, Poisoned, Scope};
use crate::diagnostics::{Diagnostic, Span};
use crate::graph::ValueId;
use crate::ops::elementwise::{Affine, Arithmetic, Fill};
use crate::syntax::ast::{Binary, Expr, Unary};

impl Elaborator {
    pub(super) fn unary(&mut self, scope: &Scope, sign: Unary, operand: &Expr, span: Span) -> Evaluated<Value> {
        let value = self.eval(scope, operand)?;
        let (result, title, fits) = match (sign, &value) {
            (Unary::Not, Value::Bool(v)) => (Some(Value::Bool(!v)), String::new(), ""),
            (Unary::Negate, Value::Int(v)) => {
                (v.checked_neg().map(Value::Int), "the result does not fit 64 bits".to_owned(), RANGE)
            }
            (Unary::Negate, Value::Float(v)) => (Some(Value::Float(-v)), String::new(), ""),
            (Unary::Negate, Value::Tensor(id)) => {
                return self.operator_node(Affine { factor: -1.0, offset: 0.0 }.into(), &[*id], span);
            }
            (Unary::Not, other) => (None, format!("`not` does not fit {}", other.kind()), "`true` or `false`"),
            (Unary::Negate, other) => (None, format!("`-` does not fit {}", other.kind()), "a number or a tensor"),
        };
        result.ok_or_else(|| {
            let found = self.show(&value);
            self.report(Diagnostic::new(span, title).found(found).fits(fits))
        })
    }

    pub(super) fn binary(
        &mut self,
        scope: &Scope,
        op: Binary,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Evaluated<Value> {
        if matches!(op, Binary::And | Binary::Or) {
            // Decided from the left, so that the right side may rely on it.
            let first = self.condition(scope, left)?;
            return if first == (op == Binary::Or) {
                Ok(Value::Bool(first))
            } else {
                Ok(Value::Bool(self.condition(scope, right)?))
            };
        }
        let (l, r) = (self.eval(scope, left), self.eval(scope, right));
        let (l, r) = (l?, r?);
        if matches!(l, Value::Tensor(_)) || matches!(r, Value::Tensor(_)) {
            return self.tensor_arithmetic(op, (&l, left.span), (&r, right.span), span);
        }
        match arithmetic(op, &l, &r) {
            Ok(value) => self.sized(value, span),
            Err((title, fits)) => {
                let wrong = Diagnostic::new(span, title)
                    .also(left.span, self.show(&l))
                    .also(right.span, self.show(&r))
                    .fits(fits);
                let strings = matches!(l, Value::Str(_)) != matches!(r, Value::Str(_)) && op == Binary::Add;
                let hint = "a string can hold values: `\"{name}{i}\"`";
                Err(self.report(if strings { wrong.hint(hint) } else { wrong }))
            }
        }
    }

    /// Tensors with tensors and with numbers.
    fn tensor_arithmetic(&mut self, op: Binary, l: (&Value, Span), r: (&Value, Span), span: Span) -> Evaluated<Value> {
        match (op, l.0, r.0) {
            (
                Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide,
                Value::Tensor(a),
                Value::Tensor(b),
            ) => {
                let name = match op {
                    Binary::Add => "add",
                    Binary::Subtract => "sub",
                    Binary::Multiply => "mul",
                    _ => "div",
                };
                self.operator(name, &[(*a, l.1), (*b, r.1)], span)
            }
            (_, Value::Tensor(tensor), number) | (_, number, Value::Tensor(tensor)) => {
                let left = matches!(l.0, Value::Tensor(_));
                // factor · x + offset, or factor / x
                let scale = number.number().and_then(|n| match op {
                    Binary::Add => Some((1.0, n)),
                    Binary::Subtract if left => Some((1.0, -n)),
                    Binary::Subtract => Some((-1.0, n)),
                    Binary::Multiply => Some((n, 0.0)),
                    Binary::Divide if !left => Some((n, 0.0)),
                    Binary::Divide if n != 0.0 => Some((1.0 / n, 0.0)),
                    _ => None,
                });
                let Some((factor, offset)) = scale else { return Err(self.no_such_arithmetic(op, l, r, span)) };
                if !(factor as f32).is_finite() || !(offset as f32).is_finite() {
                    let wrong = Diagnostic::new(if left { r.1 } else { l.1 }, "this number is too large for a tensor")
                        .found(number.show())
                        .fits("numbers of 32 bits, up to 3.4e38");
                    return Err(self.report(wrong));
                }
                if op == Binary::Divide && !left {
                    return self.quotient(factor, *tensor, span);
                }
                self.operator_node(Affine { factor, offset }.into(), &[*tensor], span)
            }
            _ => Err(self.no_such_arithmetic(op, l, r, span)),
        }
    }

    /// A number divided by a tensor.
    fn quotient(&mut self, number: f64, tensor: ValueId, span: Span) -> Evaluated<Value> {
        let fill = Fill { value: number, batched: false, shape: Vec::new() };
        match self.operator_node(fill.into(), &[], span)? {
            Value::Tensor(fill) => self.operator_node(Arithmetic::Div.into(), &[fill, tensor], span),
            other => Ok(other),
        }
    }

    fn no_such_arithmetic(&mut self, op: Binary, l: (&Value, Span), r: (&Value, Span), span: Span) -> Poisoned {
        use Binary::{Divide, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Remainder};
        let compares = matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual);
        let title = match op {
            _ if compares => "tensors cannot be compared",
            Divide if matches!(r.0, Value::Int(0)) || r.0.number() == Some(0.0) => "division by zero",
            Remainder => "there is no remainder of tensors",
            _ => "this does not go together with a tensor",
        };
        let wrong = Diagnostic::new(span, title).also(l.1, self.show(l.0)).also(r.1, self.show(r.0));
        self.report(if compares {
            wrong
                .fits("numbers, truth values and strings that are known when the net is compiled")
                .hint("the elements of a tensor are not, but its shape is: `x.channels`, `x.shape`")
        } else {
            wrong.fits("`+`, `-`, `*` and `/` between tensors or with a number, which is not 0 as a divisor")
        })
    }
}

const RANGE: &str = "results from -9223372036854775808 to 9223372036854775807";

/// Arithmetic on what is known at compile time; else what is wrong and what would fit.
fn arithmetic(op: Binary, l: &Value, r: &Value) -> Result<Value, (&'static str, String)> {
    use Binary::{Add, Divide, Equal, Greater, GreaterEqual, Less, LessEqual, Multiply, NotEqual, Remainder, Subtract};
    let overflow = || ("the result does not fit 64 bits", RANGE.to_owned());
    match (op, l, r) {
        (Equal | NotEqual, _, _) => {
            let same = match (l.number(), r.number()) {
                (Some(a), Some(b)) => a == b,
                _ => match (l.argument(), r.argument()) {
                    (Some(a), Some(b)) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => a == b,
                    _ => {
                        let fits = "two numbers, two truth values, two strings or two lists".to_owned();
                        return Err(("these cannot be compared", fits));
                    }
                },
            };
            Ok(Value::Bool(same == (op == Equal)))
        }
        (Less | LessEqual | Greater | GreaterEqual, _, _) => match (l.number(), r.number()) {
            (Some(a), Some(b)) => Ok(Value::Bool(match op {
                Less => a < b,
                LessEqual => a <= b,
                Greater => a > b,
                _ => a >= b,
            })),
            _ => Err(("only numbers have an order", "two numbers; `==` and `!=` compare strings too".to_owned())),
        },
        (Add, Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int).ok_or_else(overflow),
        (Subtract, Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int).ok_or_else(overflow),
        (Multiply, Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int).ok_or_else(overflow),
        (Divide | Remainder, _, _) if l.number().is_some() && r.number() == Some(0.0) => {
            Err(("division by zero", "a divisor other than 0".to_owned()))
        }
        (Divide, Value::Int(a), Value::Int(b)) => match (a.checked_rem(*b), a.checked_div(*b)) {
            (Some(0), Some(quotient)) => Ok(Value::Int(quotient)),
            (None, _) | (_, None) => Err(overflow()),
            _ => Err((
                "this division of whole numbers leaves a remainder",
                format!("a divisor of {a}, or numbers with a point: `{a}.0 / {b}`"),
            )),
        },
        (Remainder, Value::Int(a), Value::Int(b)) => a.checked_rem_euclid(*b).map(Value::Int).ok_or_else(overflow),
        (Add, Value::Str(a), Value::Str(b)) => Ok(Value::Str(format!("{a}{b}"))),
        (Add, Value::List(a), Value::List(b)) => Ok(Value::List(a.iter().chain(b.iter()).cloned().collect())),
        (Add | Subtract | Multiply | Divide | Remainder, _, _) => match (l.number(), r.number()) {
            (Some(a), Some(b)) => {
                let result = match op {
                    Add => a + b,
                    Subtract => a - b,
                    Multiply => a * b,
                    Divide => a / b,
                    _ => a.rem_euclid(b),
                };
                let fits = || ("the result is too large", "results up to 1.7e308".to_owned());
                if result.is_finite() { Ok(Value::Float(result)) } else { Err(fits()) }
            }
            _ => Err(("these do not go together", "two numbers; `+` also joins two strings or two lists".to_owned())),
        },
        (Binary::And | Binary::Or, _, _) => unreachable!("decided by the caller, from the left"),
    }
}
