//! Expressions.

use std::cell::RefCell;
use std::rc::Rc;

use super::value::{Shared, Value};
use super::{Elaborator, Evaluated, MAX_LIST, MAX_LIST_DEPTH, MAX_NAME, Poisoned, Scope};
use crate::diagnostics::{Diagnostic, Span, nearest};
use crate::ops::elementwise::Scale;
use crate::syntax::ast::{Binary, Expr, ExprKind, Ident, Template, TemplatePart, Unary};

impl Elaborator {
    /// The value of an expression.
    pub(super) fn eval(&mut self, scope: &Scope, expr: &Expr) -> Evaluated<Value> {
        self.nested(expr.span, |elaborator| elaborator.eval_here(scope, expr))
    }

    fn eval_here(&mut self, scope: &Scope, expr: &Expr) -> Evaluated<Value> {
        let value = match &expr.kind {
            ExprKind::Int(v) => Value::Int(*v),
            ExprKind::Float(v) => Value::Float(*v),
            ExprKind::Bool(v) => Value::Bool(*v),
            ExprKind::Str(template) => Value::Str(self.template(scope, template, expr.span)?),
            ExprKind::Name(name) => return self.lookup(scope, name, expr.span),
            ExprKind::List(items) => {
                let items = self.eval_all(scope, items)?;
                return self.sized(Value::List(items), expr.span);
            }
            ExprKind::Tuple(items) => {
                let items = self.eval_all(scope, items)?;
                return self.sized(Value::Tuple(items), expr.span);
            }
            ExprKind::Range(from, to) => return self.range(scope, from, to),
            ExprKind::Field(of, name) => return self.field(scope, of, name),
            ExprKind::Index(of, index) => return self.index(scope, of, index),
            ExprKind::Call(_) | ExprKind::Pipe(..) => return self.call_expr(scope, expr, None),
            ExprKind::Named(inner, template, span) => {
                let name = self.layer_name(scope, template, *span)?;
                return self.named(scope, inner, (name, *span));
            }
            ExprKind::If { cond, then, otherwise } => {
                return if self.condition(scope, cond)? { self.eval(scope, then) } else { self.eval(scope, otherwise) };
            }
            ExprKind::Shared(inner) => return self.shared(scope, inner, None),
            ExprKind::Unary(sign, operand) => return self.unary(scope, *sign, operand, expr.span),
            ExprKind::Binary(operator, left, right) => return self.binary(scope, *operator, left, right, expr.span),
        };
        Ok(value)
    }

    fn eval_all(&mut self, scope: &Scope, items: &[Expr]) -> Evaluated<Rc<[Value]>> {
        // Every item is looked at, so that each mistake is found.
        let values: Vec<Evaluated<Value>> = items.iter().map(|i| self.eval(scope, i)).collect();
        values.into_iter().collect()
    }

    /// Lists and strings up to a size, so that no text can fill the memory.
    fn sized(&mut self, value: Value, span: Span) -> Evaluated<Value> {
        let wrong = match &value {
            Value::List(_) | Value::Tuple(_) => {
                let (count, depth) = value.extent();
                self.steps += count / 8;
                if depth > MAX_LIST_DEPTH {
                    Some(("lists are nested too deeply", format!("{depth} levels"), format!("at most {MAX_LIST_DEPTH} levels")))
                } else if count > MAX_LIST {
                    Some(("this list is too long", format!("{count} values"), format!("at most {MAX_LIST} values, counting those of inner lists")))
                } else {
                    None
                }
            }
            Value::Str(text) if text.len() > MAX_NAME => {
                Some(("this string is too long", format!("{} characters", text.len()), format!("at most {MAX_NAME} characters")))
            }
            _ => None,
        };
        let Some((title, found, fits)) = wrong else { return Ok(value) };
        Err(self.report(Diagnostic::new(span, title).found(found).fits(fits)))
    }

    fn lookup(&mut self, scope: &Scope, name: &str, span: Span) -> Evaluated<Value> {
        match scope.names.get(name) {
            Some(Value::Poison) => return Err(Poisoned),
            Some(value) => return Ok(value.clone()),
            None => {}
        }
        let mut diagnostic = Diagnostic::new(span, format!("`{name}` is not defined here"));
        if crate::ops::definition(name).is_some() || self.files.block(scope.file, name).is_some() {
            diagnostic = diagnostic.label("this is called, not named").fits(format!("`{name}(x)`, or `x |> {name}`"));
        } else if let Some(near) = nearest(name, scope.names.keys().map(String::as_str)) {
            diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
        } else {
            let mut known: Vec<&str> = scope.names.keys().map(String::as_str).collect();
            known.sort_unstable();
            diagnostic = diagnostic.fits(format!("one of the names defined so far: {}", known.join(", ")));
        }
        Err(self.report(diagnostic))
    }

    fn named(&mut self, scope: &Scope, inner: &Expr, name: (String, Span)) -> Evaluated<Value> {
        match &inner.kind {
            ExprKind::Call(_) => self.call_expr(scope, inner, Some(name.0)),
            ExprKind::Shared(what) => self.shared(scope, what, Some(name.0)),
            _ => {
                let wrong = Diagnostic::new(name.1, "`as` names a call, and this is none")
                    .also(inner.span, "this")
                    .fits("`conv(x, 6, 5) as conv1`, `x |> conv(6, 5) as conv1`, `shared tower as tower`");
                Err(self.report(wrong))
            }
        }
    }

    /// A template as the name of a layer.
    pub(super) fn layer_name(&mut self, scope: &Scope, template: &Template, span: Span) -> Evaluated<String> {
        let name = self.template(scope, template, span)?;
        let fits = !name.is_empty()
            && name.len() <= MAX_NAME
            && name.split('.').all(|part| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            });
        if fits {
            return Ok(name);
        }
        let wrong = Diagnostic::new(span, "this cannot be the name of a layer").found(format!("{name:?}")).fits(
            format!("letters, digits, `_` and `-`, in parts joined by single dots, at most {MAX_NAME} characters"),
        );
        Err(self.report(wrong))
    }

    fn template(&mut self, scope: &Scope, template: &Template, span: Span) -> Evaluated<String> {
        let mut out = String::new();
        for part in &template.0 {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::Value(expr) => match self.eval(scope, expr)? {
                    Value::Str(text) => out.push_str(&text),
                    value => match value.argument() {
                        Some(argument) => out.push_str(&argument.to_string()),
                        None => {
                            let wrong =
                                Diagnostic::new(expr.span, format!("{} cannot be part of a string", value.kind()))
                                    .fits("a number, a truth value or a string");
                            return Err(self.report(wrong));
                        }
                    },
                },
            }
            if out.len() > MAX_NAME {
                let long = Diagnostic::new(span, "this string is too long")
                    .found(format!("{} characters", out.chars().count()))
                    .fits(format!("at most {MAX_NAME} characters"));
                return Err(self.report(long));
            }
        }
        Ok(out)
    }

    /// A condition known at compile time.
    pub(super) fn condition(&mut self, scope: &Scope, cond: &Expr) -> Evaluated<bool> {
        match self.eval(scope, cond)? {
            Value::Bool(value) => Ok(value),
            other => {
                let wrong = Diagnostic::new(cond.span, "a condition is true or false")
                    .found(other.show())
                    .fits("a comparison such as `stride == 1`; conditions are decided when the net is compiled");
                Err(self.report(wrong))
            }
        }
    }

    /// A whole number.
    fn integer(&mut self, scope: &Scope, expr: &Expr, what: &str) -> Evaluated<i64> {
        match self.eval(scope, expr)? {
            Value::Int(value) => Ok(value),
            other => {
                let wrong = Diagnostic::new(expr.span, format!("{what} is a whole number")).found(other.show());
                Err(self.report(wrong))
            }
        }
    }

    fn range(&mut self, scope: &Scope, from: &Expr, to: &Expr) -> Evaluated<Value> {
        let from = self.integer(scope, from, "the start of a range")?;
        let to = self.integer(scope, to, "the end of a range")?;
        Ok(Value::Range(from, to))
    }

    fn field(&mut self, scope: &Scope, of: &Expr, name: &Ident) -> Evaluated<Value> {
        let value = self.eval(scope, of)?;
        let (fields, found): (Vec<(&str, Value)>, String) = match &value {
            Value::List(items) | Value::Tuple(items) => (vec![("len", Value::Int(items.len() as i64))], value.show()),
            Value::Tensor(id) => {
                let shape = self.graph.ty(*id).shape.clone();
                let int = |n: &usize| Value::Int(*n as i64);
                let mut fields = vec![
                    ("shape", Value::List(shape.iter().map(int).collect())),
                    ("rank", Value::Int(shape.len() as i64)),
                ];
                let axes: &[&str] = match shape.len() {
                    1 => &["channels"],
                    2 => &["channels", "length"],
                    3 => &["channels", "height", "width"],
                    4 => &["channels", "depth", "height", "width"],
                    _ => &[],
                };
                fields.extend(axes.iter().copied().zip(shape.iter().map(int)));
                (fields, format!("a tensor of shape {}", self.graph.ty(*id)))
            }
            other => (Vec::new(), other.show()),
        };
        if let Some((_, value)) = fields.iter().find(|(field, _)| *field == name.name) {
            return Ok(value.clone());
        }
        let names: Vec<String> = fields.iter().map(|(field, _)| format!("`.{field}`")).collect();
        let mut wrong = Diagnostic::new(name.span, format!("there is no `.{}` here", name.name)).found(found);
        if names.is_empty() {
            wrong = wrong.fits("fields belong to tensors and lists");
        } else {
            wrong = wrong.fits(names.join(", "));
        }
        if let Some(near) = nearest(&name.name, fields.iter().map(|(field, _)| *field)) {
            wrong = wrong.hint(format!("did you mean `.{near}`?"));
        }
        Err(self.report(wrong))
    }

    fn index(&mut self, scope: &Scope, of: &Expr, index: &Expr) -> Evaluated<Value> {
        let value = self.eval(scope, of)?;
        let place = self.integer(scope, index, "an index")?;
        let (Value::List(items) | Value::Tuple(items)) = &value else {
            let wrong = Diagnostic::new(of.span, "only lists and tuples have elements").found(value.show());
            return Err(self.report(wrong));
        };
        match usize::try_from(place).ok().and_then(|i| items.get(i)) {
            Some(item) => Ok(item.clone()),
            None => {
                let last = items.len().saturating_sub(1);
                let wrong = Diagnostic::new(index.span, "there is no such element")
                    .found(place.to_string())
                    .fits(if items.is_empty() { "nothing: it is empty".to_owned() } else { format!("0 to {last}") });
                Err(self.report(wrong))
            }
        }
    }

    /// `shared f(args)`: bound now, called later.
    fn shared(&mut self, scope: &Scope, what: &Expr, name: Option<String>) -> Evaluated<Value> {
        let (callee, args) = match &what.kind {
            ExprKind::Call(call) => (call.callee.clone(), call.args.as_slice()),
            ExprKind::Name(name) => (Ident { name: name.clone(), span: what.span }, &[][..]),
            _ => {
                let wrong = Diagnostic::new(what.span, "only blocks and operators can be shared")
                    .fits("`shared tower`, `shared conv(8, 3, pad: 1)`");
                return Err(self.report(wrong));
            }
        };
        self.known_callee(scope, &callee)?;
        let args = self.given(scope, &callee.name, args)?;
        let layer = self.layers.name(&callee.name, name.as_deref());
        Ok(Value::Shared(Rc::new(Shared { callee, args, layer, weights: RefCell::new(None) })))
    }

    fn unary(&mut self, scope: &Scope, sign: Unary, operand: &Expr, span: Span) -> Evaluated<Value> {
        let value = self.eval(scope, operand)?;
        let negated = match (sign, &value) {
            (Unary::Not, Value::Bool(v)) => Some(Value::Bool(!v)),
            (Unary::Negate, Value::Int(v)) => v.checked_neg().map(Value::Int),
            (Unary::Negate, Value::Float(v)) => Some(Value::Float(-v)),
            (Unary::Negate, Value::Tensor(id)) => {
                return self.operator_node(Scale { factor: -1.0, offset: 0.0 }.into(), &[*id], span);
            }
            _ => None,
        };
        negated.ok_or_else(|| {
            let (sign, fits) = match sign {
                Unary::Not => ("not", "a truth value"),
                Unary::Negate => ("-", "a number or a tensor"),
            };
            let wrong = Diagnostic::new(span, format!("`{sign}` does not fit {}", value.kind())).found(value.show());
            self.report(wrong.fits(fits))
        })
    }

    fn binary(&mut self, scope: &Scope, op: Binary, left: &Expr, right: &Expr, span: Span) -> Evaluated<Value> {
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
            Err(why) => {
                let wrong = Diagnostic::new(span, why)
                    .found(format!("{} and {}", l.show(), r.show()))
                    .also(left.span, l.kind())
                    .also(right.span, r.kind());
                Err(self.report(wrong))
            }
        }
    }

    /// Tensors with tensors and with numbers.
    fn tensor_arithmetic(&mut self, op: Binary, l: (&Value, Span), r: (&Value, Span), span: Span) -> Evaluated<Value> {
        let scaled = |factor: f64, offset: f64| Scale { factor, offset }.into();
        match (op, l.0, r.0) {
            (Binary::Add | Binary::Subtract | Binary::Multiply, Value::Tensor(a), Value::Tensor(b)) => {
                let name = match op {
                    Binary::Add => "add",
                    Binary::Subtract => "sub",
                    _ => "mul",
                };
                self.operator(name, &[(*a, l.1), (*b, r.1)], span)
            }
            (_, Value::Tensor(t), number) if number.number().is_some() => {
                let n = number.number().unwrap_or(1.0);
                match op {
                    Binary::Add => self.operator_node(scaled(1.0, n), &[*t], span),
                    Binary::Subtract => self.operator_node(scaled(1.0, -n), &[*t], span),
                    Binary::Multiply => self.operator_node(scaled(n, 0.0), &[*t], span),
                    Binary::Divide if n != 0.0 => self.operator_node(scaled(1.0 / n, 0.0), &[*t], span),
                    _ => Err(self.no_such_arithmetic(op, l, r, span)),
                }
            }
            (_, number, Value::Tensor(t)) if number.number().is_some() => {
                let n = number.number().unwrap_or(1.0);
                match op {
                    Binary::Add => self.operator_node(scaled(1.0, n), &[*t], span),
                    Binary::Subtract => self.operator_node(scaled(-1.0, n), &[*t], span),
                    Binary::Multiply => self.operator_node(scaled(n, 0.0), &[*t], span),
                    _ => Err(self.no_such_arithmetic(op, l, r, span)),
                }
            }
            _ => Err(self.no_such_arithmetic(op, l, r, span)),
        }
    }

    fn no_such_arithmetic(&mut self, op: Binary, l: (&Value, Span), r: (&Value, Span), span: Span) -> Poisoned {
        let mut wrong = Diagnostic::new(span, "this is not defined for tensors")
            .found(format!("{} and {}", l.0.kind(), r.0.kind()))
            .fits("`+`, `-` and `*` between tensors or with a number, and division by a number other than 0");
        if matches!(op, Binary::Equal | Binary::NotEqual | Binary::Less | Binary::Greater) {
            wrong =
                wrong.hint("the values of a tensor are not known when the net is compiled; its shape is: `x.shape`");
        }
        self.report(wrong)
    }
}

/// Arithmetic on what is known at compile time; the message says why there is none.
fn arithmetic(op: Binary, l: &Value, r: &Value) -> Result<Value, &'static str> {
    use Binary::{Add, Divide, Equal, Greater, GreaterEqual, Less, LessEqual, Multiply, NotEqual, Remainder, Subtract};
    let overflow = "the result does not fit 64 bits";
    match (op, l, r) {
        (Equal | NotEqual, _, _) => {
            let same = match (l.number(), r.number()) {
                (Some(a), Some(b)) => a == b,
                _ => match (l.argument(), r.argument()) {
                    (Some(a), Some(b)) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => a == b,
                    _ => return Err("these cannot be compared"),
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
            _ => Err("only numbers have an order"),
        },
        (Add, Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int).ok_or(overflow),
        (Subtract, Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int).ok_or(overflow),
        (Multiply, Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int).ok_or(overflow),
        (Divide | Remainder, _, Value::Int(0)) => Err("division by zero"),
        (Divide, Value::Int(a), Value::Int(b)) if a.checked_rem(*b) == Some(0) => Ok(Value::Int(a / b)),
        (Divide, Value::Int(_), Value::Int(_)) => Err("this division of whole numbers leaves a remainder"),
        (Remainder, Value::Int(a), Value::Int(b)) => a.checked_rem_euclid(*b).map(Value::Int).ok_or(overflow),
        (Add, Value::Str(a), Value::Str(b)) => Ok(Value::Str(format!("{a}{b}"))),
        (Add, Value::List(a), Value::List(b)) => Ok(Value::List(a.iter().chain(b.iter()).cloned().collect())),
        (Add | Subtract | Multiply | Divide | Remainder, _, _) => match (l.number(), r.number()) {
            (Some(a), Some(b)) => Ok(Value::Float(match op {
                Add => a + b,
                Subtract => a - b,
                Multiply => a * b,
                Divide => a / b,
                _ => a.rem_euclid(b),
            })),
            _ => Err("this needs two numbers"),
        },
        (Binary::And | Binary::Or, _, _) => Err("this needs two truth values"),
    }
}
