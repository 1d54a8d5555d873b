//! Nets that are others with other defaults: `net ResNet50 = ResNet(units: [3, 4, 6, 3])`.

use super::kinds::written_like_default;
use crate::diagnostics::{Diagnostic, Outcome, nearest};
use crate::syntax::ast::{Arg, Definition, Expr, ExprKind, Param, Variant};

/// The net that a variant stands for: the body of one of `nets`, those above it, with the variant's name, docs and defaults.
pub(super) fn written_out(variant: &Variant, nets: &[Definition]) -> Outcome<Definition> {
    let callee = &variant.call.callee;
    let Some(base) = nets.iter().find(|net| net.name.name == callee.name) else {
        let title = format!("there is no net `{}` above this one", callee.name);
        let names = || nets.iter().map(|net| net.name.name.as_str());
        let listed: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        let fits = if listed.is_empty() { "a net that stands above".to_owned() } else { listed.join(", ") };
        let wrong = Diagnostic::new(callee.span, title).fits(fits);
        return Err(vec![match nearest(&callee.name, names()) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        }]);
    };
    let mut params = base.params.clone();
    let mut given = vec![None; params.len()];
    let mut mistakes = Vec::new();
    for (position, arg) in variant.call.args.iter().enumerate() {
        match slot(base, position, arg) {
            Err(wrong) => mistakes.push(wrong),
            Ok(slot) => match given[slot].replace(arg.value.span) {
                Some(first) => {
                    let title = format!("the parameter `{}` is given twice", params[slot].name.name);
                    mistakes.push(Diagnostic::new(arg.value.span, title).also(first, "first here").fits("one value"));
                }
                None => {
                    mistakes.extend(other_kind(&params[slot], &arg.value));
                    match written_like_default(&params[slot], &arg.value) {
                        Ok(value) => params[slot].default = Some(value),
                        Err(wrong) => mistakes.push(wrong),
                    }
                }
            },
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let (name, span) = (variant.name.clone(), variant.span);
    Ok(Definition { docs: both(&variant.docs, &base.docs), name, params, body: base.body.clone(), span })
}

/// What is said of the variant, then of the net it is a variant of, as two paragraphs.
fn both(docs: &[String], of_base: &[String]) -> Vec<String> {
    let between = if docs.is_empty() || of_base.is_empty() { None } else { Some(String::new()) };
    docs.iter().cloned().chain(between).chain(of_base.iter().cloned()).collect()
}

/// Which parameter an argument is for.
fn slot(base: &Definition, position: usize, arg: &Arg) -> Result<usize, Diagnostic> {
    let known: Vec<&str> = base.params.iter().map(|p| p.name.name.as_str()).collect();
    let fits = if known.is_empty() { "nothing: it has no parameters".to_owned() } else { known.join(", ") };
    let Some(name) = &arg.name else {
        let title = format!("the net `{}` has no further parameter", base.name.name);
        let wrong = || Diagnostic::new(arg.value.span, title).also(base.name.span, "this net").fits(fits);
        return if position < known.len() { Ok(position) } else { Err(wrong()) };
    };
    known.iter().position(|known| *known == name.name).ok_or_else(|| {
        let title = format!("the net `{}` has no parameter `{}`", base.name.name, name.name);
        let wrong = Diagnostic::new(name.span, title).also(base.name.span, "this net").fits(fits);
        match nearest(&name.name, known.iter().copied()) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        }
    })
}

/// A value that is plainly of another kind than the default it replaces.
fn other_kind(param: &Param, value: &Expr) -> Option<Diagnostic> {
    let default = param.default.as_ref()?;
    let (Some(wanted), Some(found)) = (kind(default), kind(value)) else { return None };
    let title = format!("the parameter `{}` is of another kind", param.name.name);
    (wanted != found).then(|| Diagnostic::new(value.span, title).also(default.span, "its default").fits(wanted))
}

/// What an expression is, where that can be told without its value.
fn kind(expr: &Expr) -> Option<&'static str> {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float(_) => Some("a number"),
        ExprKind::Bool(_) => Some("`true` or `false`"),
        ExprKind::Str(_) => Some("a string in double quotes"),
        ExprKind::List(_) => Some("a list: `[1, 2]`"),
        _ => None,
    }
}
