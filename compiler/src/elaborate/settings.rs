//! Values from outside for a net's parameters.

use std::collections::HashMap;
use std::rc::Rc;

use super::value::Value;
use super::{Elaborator, Freeze, Scope};
use crate::diagnostics::{Diagnostic, FileId, SourceMap, Span, nearest};
use crate::syntax::ast::{self, Expr, ExprKind};

/// Longest value from outside, in bytes.
const MAX_TEXT: usize = 4096;

impl Elaborator {
    /// The values that `--set`, `net!` and build scripts give to a net's parameters. Each is a text of its own, `classes=10`, so that mistakes have
    /// a place.
    pub(super) fn settings(
        &mut self,
        sources: &mut SourceMap,
        net: &ast::Definition,
        set: &[(String, String)],
    ) -> Vec<(String, Value)> {
        let mut values: Vec<(String, Value)> = Vec::new();
        for (name, text) in set {
            let file = sources.add(format!("parameter {name}"), format!("{name}={text}"));
            let at = |from: usize, to: usize| Span { file, start: from as u32, end: to as u32 };
            let (whole, given) = (name.len() + 1 + text.len(), at(name.len() + 1, name.len() + 1 + text.len()));
            let Some(param) = net.params.iter().find(|p| p.name.name == *name) else {
                let known: Vec<&str> = net.params.iter().map(|p| p.name.name.as_str()).collect();
                let title = format!("the net `{}` has no parameter `{name}`", net.name.name);
                let mut wrong = Diagnostic::new(at(0, name.len()), title)
                    .also(net.name.span, "this net")
                    .fits(if known.is_empty() { "nothing: it has no parameters".to_owned() } else { known.join(", ") });
                if let Some(near) = nearest(name, known.iter().copied()) {
                    wrong = wrong.hint(format!("did you mean `{near}`?"));
                }
                self.report(wrong);
                continue;
            };
            if values.iter().any(|(n, _)| n == name) {
                let title = format!("the parameter `{name}` is set twice");
                self.report(Diagnostic::new(at(0, whole), title).fits("one value"));
                continue;
            }
            let value = self.setting(file, text).unwrap_or_else(|| {
                let wrong = Diagnostic::new(given, format!("this is no value for the parameter `{name}`"))
                    .found(if text.is_empty() { "nothing" } else { text.as_str() })
                    .fits("a number, `true`, `false`, a string in double quotes, or a list of them: `[1, 2]`");
                self.report(wrong);
                Value::Poison
            });
            let fits = self.same_kind(param, &value, given);
            let value = if fits { self.given_for(param, value, given) } else { Value::Poison };
            values.push((name.clone(), value));
        }
        values
    }

    /// What is to be frozen beside what the net says. Each name is a text of its own, so that mistakes have a place.
    pub(super) fn freeze_from_outside(&mut self, sources: &mut SourceMap, names: &[String]) {
        for name in names {
            let file = sources.add("freeze", name.as_str());
            self.frozen.push((Freeze::Prefix(name.clone()), Span { file, start: 0, end: name.len() as u32 }));
        }
    }

    /// The value that a text stands for.
    fn setting(&mut self, file: FileId, text: &str) -> Option<Value> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut alone = SourceMap::default();
        let entry = alone.add("value", format!("const value = {text}"));
        let tree = crate::syntax::parse(&alone, entry).ok()?;
        let [ast::Item::Const { binding, .. }] = tree.items.as_slice() else { return None };
        if !is_literal(&binding.value) {
            return None;
        }
        let empty = Scope { file, names: HashMap::new(), consts: Rc::default(), train_only: HashMap::new() };
        self.eval(&empty, &binding.value).ok()
    }

    /// Reports a value of another kind than the default.
    fn same_kind(&mut self, param: &ast::Param, value: &Value, given: Span) -> bool {
        let Some(default) = &param.default else { return true };
        let fits = match (&default.kind, value) {
            (_, Value::Poison) => return true,
            (ExprKind::Int(_) | ExprKind::Float(_), v) if v.number().is_none() => "a number",
            (ExprKind::Bool(_), v) if !matches!(v, Value::Bool(_)) => "`true` or `false`",
            (ExprKind::Str(_), v) if !matches!(v, Value::Str(_)) => "a string in double quotes",
            (ExprKind::List(_), v) if !matches!(v, Value::List(_)) => "a list: `[1, 2]`",
            _ => return true,
        };
        let wrong = Diagnostic::new(given, format!("the parameter `{}` is of another kind", param.name.name))
            .also(default.span, "its default")
            .found(value.show())
            .fits(fits);
        self.report(wrong);
        false
    }
}

/// Whether an expression stands for itself.
fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) => true,
        ExprKind::Str(text) => text.0.iter().all(|part| matches!(part, ast::TemplatePart::Text(_))),
        ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().all(is_literal),
        ExprKind::Unary(_, operand) => is_literal(operand),
        _ => false,
    }
}
