//! Arguments of calls: by position, by name, by default.

use super::value::Value;
use super::{Elaborator, Evaluated};
use crate::diagnostics::{Diagnostic, Span};
use crate::syntax::ast;

/// An evaluated argument.
pub(super) type Given = (Option<ast::Ident>, Value, Span);

/// A parameter as the matching sees it.
pub(super) struct Slot<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it may be given by position.
    pub positional: bool,
    /// Whether it must be given.
    pub required: bool,
}

impl Elaborator {
    /// Which argument fills which slot; mistakes are reported with the signature.
    pub(super) fn fill(
        &mut self,
        what: &str,
        signature: &str,
        slots: &[Slot<'_>],
        given: Vec<Given>,
        call: Span,
    ) -> Evaluated<Vec<Option<(Value, Span)>>> {
        let mut filled: Vec<Option<(Value, Span)>> = vec![None; slots.len()];
        let mut poisoned = None;
        let mut next = 0;
        for (name, value, span) in given {
            let slot = match &name {
                Some(name) => slots
                    .iter()
                    .position(|s| s.name == name.name)
                    .ok_or_else(|| Diagnostic::new(name.span, format!("`{what}` has no argument `{}`", name.name))),
                None => {
                    let slot = (next..slots.len()).find(|i| slots[*i].positional);
                    next = slot.map_or(slots.len(), |i| i + 1);
                    slot.ok_or_else(|| {
                        let wrong = Diagnostic::new(span, format!("`{what}` takes no further argument by position"))
                            .found(self.show(&value));
                        let others = (0..slots.len()).find(|i| !slots[*i].positional && filled[*i].is_none());
                        match (others, value.argument()) {
                            (Some(other), Some(value)) => wrong
                                .hint(format!("the others are given by name, as in `{}: {value}`", slots[other].name)),
                            _ => wrong,
                        }
                    })
                }
            };
            let problem = match slot {
                Ok(slot) if filled[slot].is_none() => {
                    filled[slot] = Some((value, span));
                    continue;
                }
                Ok(slot) => {
                    // Arguments of a shared instance come last here, but stand further in front.
                    let other = filled[slot].as_ref().map_or(call, |f| f.1);
                    let (first, second) = if other.start < span.start { (other, span) } else { (span, other) };
                    Diagnostic::new(second, format!("`{}` of `{what}` is given twice", slots[slot].name))
                        .also(first, "first here")
                }
                Err(problem) => problem,
            };
            poisoned = Some(self.report(problem.fits(signature)));
        }
        let missing: Vec<String> = slots
            .iter()
            .zip(&filled)
            .filter(|(slot, filled)| slot.required && filled.is_none())
            .map(|(slot, _)| format!("`{}`", slot.name))
            .collect();
        if !missing.is_empty() && poisoned.is_none() {
            let title = format!("`{what}` needs {}", missing.join(" and "));
            poisoned = Some(self.report(Diagnostic::new(call, title).fits(signature)));
        }
        match poisoned {
            Some(poisoned) => Err(poisoned),
            None => Ok(filled),
        }
    }
}
