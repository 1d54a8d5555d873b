//! Expressions.

use std::cell::RefCell;
use std::rc::Rc;

use super::value::{Shared, Value};
use super::{Elaborator, Evaluated, MAX_LIST, MAX_LIST_DEPTH, MAX_NAME, Poisoned, Scope};
use crate::diagnostics::{Diagnostic, Span, nearest};
use crate::ops;
use crate::syntax::ast::{Expr, ExprKind, Ident, Template, TemplatePart};

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
    pub(super) fn sized(&mut self, value: Value, span: Span) -> Evaluated<Value> {
        let wrong = match &value {
            Value::List(_) | Value::Tuple(_) => {
                let (count, depth) = value.extent();
                self.steps += count / 8;
                if depth > MAX_LIST_DEPTH {
                    Some((
                        "lists are nested too deeply",
                        format!("{depth} levels"),
                        format!("at most {MAX_LIST_DEPTH} levels"),
                    ))
                } else if count > MAX_LIST {
                    Some((
                        "this list is too long",
                        format!("{count} values"),
                        format!("at most {MAX_LIST} values, counting those of inner lists"),
                    ))
                } else {
                    None
                }
            }
            Value::Str(text) if text.len() > MAX_NAME => Some((
                "this string is too long",
                format!("{} characters", text.len()),
                format!("at most {MAX_NAME} characters"),
            )),
            _ => None,
        };
        let Some((title, found, fits)) = wrong else { return Ok(value) };
        Err(self.report(Diagnostic::new(span, title).found(found).fits(fits)))
    }

    fn lookup(&mut self, scope: &Scope, name: &str, span: Span) -> Evaluated<Value> {
        match scope.get(name) {
            Some(Value::Poison) => return Err(Poisoned),
            Some(value) => return Ok(value.clone()),
            None => {}
        }
        let wrong = Diagnostic::new(span, format!("`{name}` is not defined here"));
        if let Some(place) = scope.train_only.get(name) {
            let wrong = wrong
                .also(*place, "defined in this `train { }`, to whose end it lives")
                .fits("a binding before the `train { }`");
            return Err(self.report(wrong));
        }
        let operator = crate::ops::definition(name).is_some();
        if operator || self.files.block(scope.file, name).is_some() {
            let title = format!(
                "`{name}` is {}, which is called and is no value",
                if operator { "an operator" } else { "a block" }
            );
            return Err(self.report(Diagnostic::new(span, title).fits(format!("`{name}(x)`, or `x |> {name}`"))));
        }
        let known = scope.known();
        let truth = ["true", "false"].into_iter().find(|truth| name.eq_ignore_ascii_case(truth));
        let mut wrong = match truth.or_else(|| nearest(name, known.iter().copied())) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => wrong.fits("a value: nothing has a name yet"),
            None => wrong.fits(format!("a name defined above: {}", known.join(", "))),
        };
        if ops::DEFINITIONS.iter().any(|d| d.attributes.iter().any(|a| a.words.contains(&name))) {
            wrong = wrong.hint(format!("outside of the call of an operator, a word stands in quotes: `{name:?}`"));
        }
        if !self.calls.is_empty() {
            wrong =
                wrong.hint("a block sees its parameters and the constants of its file, not the names of its caller");
        }
        Err(self.report(wrong))
    }

    fn named(&mut self, scope: &Scope, inner: &Expr, name: (String, Span)) -> Evaluated<Value> {
        match &inner.kind {
            ExprKind::Call(_) => self.call_expr(scope, inner, Some(name.0)),
            ExprKind::Shared(what) => self.shared(scope, what, Some(name.0)),
            _ => {
                let mut wrong = Diagnostic::new(name.1, "`as` names a call, and this is none")
                    .also(inner.span, "this")
                    .fits("`conv(x, 6, 5) as conv1`, `x |> conv(6, 5) as conv1`, `shared tower as tower`");
                if let ExprKind::Binary(_, _, last) | ExprKind::Unary(_, last) = &inner.kind
                    && matches!(last.kind, ExprKind::Call(_))
                {
                    wrong = wrong
                        .hint("a call within an expression has its name in brackets: `y + (conv(x, 6, 5) as conv1)`");
                }
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
                            let title = format!("{} cannot be part of a string", value.kind());
                            let wrong = Diagnostic::new(expr.span, title)
                                .found(self.show(&value))
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
                    .found(self.show(&other))
                    .fits("a comparison such as `stride == 1`; conditions are decided when the net is compiled");
                Err(self.report(wrong))
            }
        }
    }

    /// A whole number.
    fn integer(&mut self, scope: &Scope, expr: &Expr, what: &str) -> Evaluated<i64> {
        let value = self.eval(scope, expr)?;
        value.whole().ok_or_else(|| {
            let wrong = Diagnostic::new(expr.span, format!("{what} is a whole number"))
                .found(self.show(&value))
                .fits("a whole number: `floor`, `ceil` and `round` make one");
            self.report(wrong)
        })
    }

    fn range(&mut self, scope: &Scope, from: &Expr, to: &Expr) -> Evaluated<Value> {
        let from = self.integer(scope, from, "the start of a range")?;
        let to = self.integer(scope, to, "the end of a range")?;
        Ok(Value::Range(from, to))
    }

    fn field(&mut self, scope: &Scope, of: &Expr, name: &Ident) -> Evaluated<Value> {
        let value = self.eval(scope, of)?;
        let fields: Vec<(&str, Value)> = match &value {
            Value::List(items) | Value::Tuple(items) => vec![("len", Value::Int(items.len() as i64))],
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
                fields
            }
            _ => Vec::new(),
        };
        if let Some((_, value)) = fields.iter().find(|(field, _)| *field == name.name) {
            return Ok(value.clone());
        }
        let names: Vec<String> = fields.iter().map(|(field, _)| format!("`.{field}`")).collect();
        let mut wrong =
            Diagnostic::new(name.span, format!("there is no `.{}` here", name.name)).found(self.show(&value));
        if names.is_empty() {
            wrong = wrong.fits("a tensor or a list before the dot");
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
            let mut wrong = Diagnostic::new(of.span, "only lists and tuples have elements").found(self.show(&value));
            wrong = match value {
                Value::Tensor(_) => wrong.fits("a list, such as the shape of a tensor: `x.shape[0]`"),
                _ => wrong.fits("a list or a tuple"),
            };
            return Err(self.report(wrong));
        };
        match usize::try_from(place).ok().and_then(|i| items.get(i)) {
            Some(item) => Ok(item.clone()),
            None => {
                let last = items.len().saturating_sub(1);
                let mut wrong = Diagnostic::new(index.span, "there is no such element")
                    .also(of.span, format!("{} values", items.len()))
                    .found(place.to_string())
                    .fits(if items.is_empty() { "nothing: it is empty".to_owned() } else { format!("0 to {last}") });
                if place < 0 {
                    wrong = wrong.hint(format!("elements are not counted from the end; the last one is `[{last}]`"));
                }
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
        if let Some(other) = scope.get(&callee.name).filter(|v| !matches!(v, Value::Poison)) {
            let wrong = Diagnostic::new(callee.span, "only blocks and operators can be shared")
                .found(self.show(other))
                .fits("the name of a block or an operator: `shared tower`, `shared conv(8, 3, pad: 1)`");
            return Err(self.report(wrong));
        }
        self.known_callee(scope, &callee)?;
        if self.calls_function(scope.file, &callee, &[]) {
            let wrong = Diagnostic::new(callee.span, "only blocks and operators can be shared")
                .found("a function of numbers")
                .fits("`shared tower`, `shared conv(8, 3, pad: 1)`");
            return Err(self.report(wrong));
        }
        let operands = ops::definition(&callee.name).map_or(0, |d| d.operands.len());
        let args = self.given(scope, &callee, args, operands)?;
        let layer = self.layers.name(&callee.name, name.as_deref());
        let file = scope.file;
        Ok(Value::Shared(Rc::new(Shared { file, callee, args, layer, weights: RefCell::new(None) })))
    }
}
