//! Targets: what is known in training only.

use super::value::Value;
use super::{Elaborator, Evaluated, Scope};
use crate::diagnostics::{Diagnostic, Span};
use crate::graph::{Kind, Named, show_shape};
use crate::ops::source;
use crate::syntax::ast::{self, Expr, ExprKind, Ident, Stmt};

impl Elaborator {
    /// `target names: kind`.
    pub(super) fn target(&mut self, scope: &mut Scope, stmt: &Stmt, names: &[Ident], kind: &Expr) {
        let kind = match &kind.kind {
            ExprKind::Call(call) if call.callee.name == "class" => self.classes(scope, call, kind.span),
            _ => self
                .shape(
                    scope,
                    kind,
                    "the number of classes, `class(10)`, or the shape of the wanted numbers, `[1, 28, 28]`",
                )
                .map(|shape| (shape, Kind::Float, None)),
        };
        for name in names {
            self.unused_name(name);
            let value = match &kind {
                Ok((shape, kind, ignore)) => {
                    let (index, shape) = (self.graph.targets.len(), shape.clone());
                    let op = source::Target { index, shape, kind: *kind, ignore: *ignore };
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

    /// `class(count)`, `class(count, [height, width], ignore: label)`: shape, kind, and the label of what has no class.
    fn classes(&mut self, scope: &Scope, call: &ast::Call, span: Span) -> Evaluated<(Vec<usize>, Kind, Option<u32>)> {
        let (mut count, mut shape, mut ignore) = (None, None, None);
        for (index, arg) in call.args.iter().enumerate() {
            match (index, &arg.name) {
                (0, None) => count = Some(self.eval(scope, &arg.value)?),
                (1, None) => shape = Some(self.space(scope, &arg.value)?),
                (_, Some(name)) if name.name == "ignore" && ignore.is_none() => {
                    ignore = Some(self.ignored(scope, &arg.value)?);
                }
                _ => {
                    let place = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
                    let wrong =
                        Diagnostic::new(place, "`class` takes the number of classes, the size of a map, and `ignore`")
                            .fits(
                                "`class(10)`, `class(21, [height, width])`, `class(21, [height, width], ignore: 255)`",
                            );
                    return Err(self.report(wrong));
                }
            }
        }
        let count = count.unwrap_or(Value::Poison);
        match count.whole() {
            Some(n) if (2..=1 << 24).contains(&n) => Ok((shape.unwrap_or_default(), Kind::Class(n as usize), ignore)),
            _ => {
                let wrong = Diagnostic::new(span, "`class` takes the number of classes")
                    .found(if count.argument().is_some() { self.show(&count) } else { "no number".to_owned() })
                    .fits("`class(10)`: at least 2, at most 16777216");
                Err(self.report(wrong))
            }
        }
    }

    /// The size of a map of classes: a shape without channels.
    fn space(&mut self, scope: &Scope, expr: &Expr) -> Evaluated<Vec<usize>> {
        let fits = "the size of the map, without channels: `[height, width]`";
        match self.shape(scope, expr, fits)? {
            space if space.len() < 4 => Ok(space),
            shape => {
                let wrong = Diagnostic::new(expr.span, "a map of classes has at most three axes")
                    .found(show_shape(&shape))
                    .fits(fits);
                Err(self.report(wrong))
            }
        }
    }

    /// The label of what has no class.
    fn ignored(&mut self, scope: &Scope, expr: &Expr) -> Evaluated<u32> {
        let label = self.eval(scope, expr)?;
        label.whole().filter(|label| (0..=1 << 24).contains(label)).map(|label| label as u32).ok_or_else(|| {
            let wrong = Diagnostic::new(expr.span, "`ignore` is the label of what has no class")
                .found(self.show(&label))
                .fits("a whole number from 0 to 16777216, as 255");
            self.report(wrong)
        })
    }
}
