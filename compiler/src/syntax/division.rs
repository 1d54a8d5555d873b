//! `a // b`, which is a division elsewhere, and here a value with a comment behind it.

use super::ast::{Binding, Definition, Expr, ExprKind, File, Item, Pattern, Stmt, StmtKind, Unary};
use crate::diagnostics::{Diagnostic, FileId, Span};

/// What is meant by it.
pub(super) const WHOLE_PART: &str = "`//` starts a comment; the whole part of a division is `floor(a / 2.0)`";

/// Bindings of arithmetic behind which, at most a space apart, a comment is a number or a name of the file and nothing else:
/// the value would silently be another than what was meant.
pub(super) fn comments_that_divide(file: FileId, text: &str, tree: &File) -> Vec<Diagnostic> {
    let mut found = Search { file, text, bindings: Vec::new(), names: Vec::new() };
    for item in &tree.items {
        match item {
            Item::Const { binding, .. } => found.binding(binding),
            Item::Block(definition) | Item::Net(definition) => found.definition(definition),
            Item::Use { .. } | Item::Variant(_) => {}
        }
    }
    found.bindings.iter().filter_map(|value| found.divides(value)).collect()
}

struct Search<'a> {
    file: FileId,
    text: &'a str,
    /// Values of bindings.
    bindings: Vec<&'a Expr>,
    /// All names that something is bound to.
    names: Vec<&'a str>,
}

impl<'a> Search<'a> {
    fn definition(&mut self, definition: &'a Definition) {
        self.names.extend(definition.params.iter().map(|param| param.name.name.as_str()));
        self.statements(&definition.body);
    }

    fn statements(&mut self, body: &'a [Stmt]) {
        for stmt in body {
            match &stmt.kind {
                StmtKind::Let(binding) => self.binding(binding),
                StmtKind::For { pattern, body, .. } => {
                    self.pattern(pattern);
                    self.statements(body);
                }
                StmtKind::If { then, otherwise, .. } => {
                    self.statements(then);
                    self.statements(otherwise);
                }
                StmtKind::Train(body) => self.statements(body),
                _ => {}
            }
        }
    }

    fn binding(&mut self, binding: &'a Binding) {
        self.pattern(&binding.pattern);
        self.bindings.push(&binding.value);
    }

    fn pattern(&mut self, pattern: &'a Pattern) {
        match pattern {
            Pattern::Name(name) => self.names.push(&name.name),
            Pattern::Tuple(parts, _) => parts.iter().for_each(|part| self.pattern(part)),
        }
    }

    fn divides(&self, value: &Expr) -> Option<Diagnostic> {
        let end = value.span.end as usize;
        let line = self.text[end..].lines().next()?;
        let comment = line.strip_prefix(' ').unwrap_or(line).strip_prefix("//")?;
        let divisor = comment.trim();
        let is_number = divisor.starts_with(|c: char| c.is_ascii_digit())
            && divisor.chars().all(|c| c.is_ascii_digit() || "_.".contains(c));
        (arithmetic(value) && (is_number || self.names.contains(&divisor))).then(|| {
            let start = end + line.len() - line.trim_start().len();
            let span = Span { file: self.file, start: start as u32, end: (end + line.trim_end().len()) as u32 };
            Diagnostic::new(span, "this comment looks like a division")
                .found(format!("`//` and `{divisor}` right behind a number"))
                .fits("a comment of more words, or further away")
                .hint(WHOLE_PART)
        })
    }
}

/// Whether a value is made of names and numbers by signs alone.
fn arithmetic(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Name(_) | ExprKind::Field(..) | ExprKind::Index(..) => true,
        ExprKind::Binary(_, left, right) => arithmetic(left) && arithmetic(right),
        ExprKind::Unary(Unary::Negate, operand) => arithmetic(operand),
        _ => false,
    }
}
