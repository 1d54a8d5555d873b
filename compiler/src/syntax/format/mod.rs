//! `cnnc fmt`: one style.
//!
//! The tree decides the layout; comments come from the text. A statement with comments inside an expression keeps its lines as
//! they are, only indented anew: where the author broke the line there says more than a rule could.

mod comments;
mod expression;

use super::ast::{Binding, Definition, Expr, ExprKind, File, Ident, Item, Param, Pattern, Stmt, StmtKind, Variant};
use super::parse;
use comments::{Comment, comments};
use expression::Place;

use crate::diagnostics::{Diagnostic, SourceMap, Span};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns of a level.
const INDENT: usize = 4;

/// A text in the one style.
///
/// # Errors
/// The mistakes of a text that does not parse, which they call `name`.
pub fn format(name: &str, text: &str) -> Result<String, (SourceMap, Vec<Diagnostic>)> {
    let text = text.replace("\r\n", "\n");
    let mut sources = SourceMap::default();
    let file = sources.add(name, text.clone());
    match parse(&sources, file) {
        Ok(tree) => Ok(Printer::new(&text).file(&tree)),
        Err(mistakes) => Err((sources, mistakes)),
    }
}

struct Printer<'a> {
    text: &'a str,
    comments: Vec<Comment>,
    /// Comments written so far.
    done: usize,
    out: String,
    level: usize,
    /// End in the text of what was written last.
    at: usize,
}

impl<'a> Printer<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, comments: comments(text), done: 0, out: String::new(), level: 0, at: 0 }
    }

    fn file(mut self, tree: &File) -> String {
        for item in &tree.items {
            let (span, docs) = match item {
                Item::Use { span, docs, .. } => (*span, docs.as_slice()),
                Item::Const { binding, docs } => (binding.value.span, docs.as_slice()),
                Item::Block(d) | Item::Net(d) => (d.span, d.docs.as_slice()),
                Item::Variant(v) => (v.span, v.docs.as_slice()),
            };
            let start = self.item_start(span, item);
            self.lead(self.docs_start(start, docs));
            self.docs(docs);
            match item {
                Item::Use { path, .. } => self.line(&format!("use \"{path}\"")),
                Item::Const { binding, .. } => self.binding("const ", binding),
                Item::Block(d) => self.definition("block", d),
                Item::Net(d) => self.definition("net", d),
                Item::Variant(v) => self.variant(v),
            }
            self.at = span.end as usize;
            self.trail();
        }
        self.lead(self.text.len());
        let out = self.out.trim_end().to_owned();
        if out.is_empty() { out } else { out + "\n" }
    }

    /// Where an item's own text starts: definitions know, `use` and `const` start at their keyword.
    fn item_start(&self, span: Span, item: &Item) -> usize {
        let keyword = match item {
            Item::Use { .. } => "use",
            Item::Const { .. } => "const",
            Item::Block(_) | Item::Net(_) | Item::Variant(_) => return span.start as usize,
        };
        self.text[..span.start as usize].rfind(keyword).unwrap_or(span.start as usize)
    }

    /// Where the doc lines before `start` begin.
    fn docs_start(&self, start: usize, docs: &[String]) -> usize {
        let mut begin = start;
        for _ in docs {
            begin = self.text[..begin].rfind("///").unwrap_or(begin);
        }
        begin
    }

    fn docs(&mut self, docs: &[String]) {
        for doc in docs {
            self.line(format!("/// {doc}").trim_end());
        }
    }

    fn line(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 || !line.is_empty() {
                if !line.trim().is_empty() {
                    self.out.push_str(&" ".repeat(self.level * INDENT));
                }
                self.out.push_str(line.trim_end());
            }
            self.out.push('\n');
        }
    }

    /// Own-line comments and a blank line before what starts at `start`.
    fn lead(&mut self, start: usize) {
        while let Some(comment) = self.comments.get(self.done).filter(|c| c.start < start) {
            let (from, text, trails) = (comment.start, comment.text.clone(), comment.trails);
            self.done += 1;
            if trails && self.out.ends_with('\n') && !self.out.ends_with("\n\n") {
                self.out.pop();
                self.out.push_str("    ");
                self.out.push_str(&text);
                self.out.push('\n');
            } else {
                self.blank(from);
                self.line(&text);
            }
            self.at = from + text.len();
        }
        self.blank(start);
    }

    /// A blank line, if the author left one between what was written and `start`.
    fn blank(&mut self, start: usize) {
        let between = self.text.get(self.at..start).unwrap_or("");
        let opens = self.out.is_empty() || self.out.ends_with("{\n") || self.out.ends_with("\n\n");
        if between.matches('\n').count() > 1 && !opens {
            self.out.push('\n');
        }
    }

    /// A comment behind what was written, on its line.
    fn trail(&mut self) {
        let Some(comment) = self.comments.get(self.done) else { return };
        let between = self.text.get(self.at..comment.start).unwrap_or("\n");
        if comment.trails && !between.contains('\n') {
            let text = format!("    {}\n", comment.text);
            self.at = comment.start + comment.text.len();
            self.done += 1;
            self.out.pop();
            self.out.push_str(&text);
        }
    }

    fn definition(&mut self, keyword: &str, d: &Definition) {
        let params: Vec<String> = d.params.iter().map(|p| self.param(p)).collect();
        let head = format!("{keyword} {}", d.name.name);
        let flat = format!("{head}({}) {{", params.join(", "));
        self.line(&match d.params.is_empty() && keyword == "net" {
            true => format!("{head} {{"),
            false if flat.chars().count() <= WIDTH && !flat.contains('\n') => flat,
            false => {
                let lines: String = params.iter().map(|param| format!("\n{}{param},", " ".repeat(INDENT))).collect();
                format!("{head}({lines}\n) {{")
            }
        });
        let last = d.params.last().map(|p| p.default.as_ref().map_or(p.name.span, |default| default.span));
        self.open(last.unwrap_or(d.name.span).end as usize);
        self.body(&d.body, d.span.end as usize - 1);
    }

    fn variant(&mut self, variant: &Variant) {
        let span = Span { start: variant.call.callee.span.start, ..variant.span };
        let call = Expr { kind: ExprKind::Call(variant.call.clone()), span };
        self.assign(&format!("net {} = ", variant.name.name), &call);
    }

    fn param(&self, p: &Param) -> String {
        match &p.default {
            Some(default) => {
                let head = format!("{} = ", p.name.name);
                // As if on a line of its own, which is where it goes if it is long.
                let place = Place { column: INDENT + head.chars().count(), indent: INDENT, after: 1 };
                head + &self.laid(default, place)
            }
            None => p.name.name.clone(),
        }
    }

    /// Statements and the closing brace at `end`.
    fn body(&mut self, body: &[Stmt], end: usize) {
        self.level += 1;
        for stmt in body {
            let start = stmt.span.start as usize;
            self.lead(self.docs_start(start, &stmt.docs));
            self.docs(&stmt.docs);
            self.at = start;
            self.stmt(stmt);
            self.at = stmt.span.end as usize;
            self.trail();
        }
        self.lead(end);
        while self.out.ends_with("\n\n") {
            self.out.pop();
        }
        self.level -= 1;
        self.line("}");
    }

    fn stmt(&mut self, stmt: &Stmt) {
        let nested = matches!(stmt.kind, StmtKind::For { .. } | StmtKind::If { .. } | StmtKind::Train(_));
        let (start, end) = (stmt.span.start as usize, stmt.span.end as usize);
        if !nested && self.comments.get(self.done).is_some_and(|c| c.start < end) {
            return self.verbatim(start, end);
        }
        match &stmt.kind {
            StmtKind::Input { names, shape } => self.declaration("input ", names, shape),
            StmtKind::Target { names, kind } => self.declaration("target ", names, kind),
            StmtKind::Output { name, value: None } => self.line(&format!("output {}", name.name)),
            StmtKind::Output { name, value: Some(value) } => self.assign(&format!("output {} = ", name.name), value),
            StmtKind::Loss(value) => self.assign("loss ", value),
            StmtKind::Let(binding) => self.binding("", binding),
            StmtKind::Return(value) => self.assign("return ", value),
            StmtKind::Freeze(what) => {
                let flat: Vec<String> = what.iter().map(|e| self.flat(e)).collect();
                let place = Place { column: "freeze ".len(), indent: INDENT, after: 1 };
                let what = match self.fits(&flat.join(", "), place) {
                    true => flat.join(", "),
                    false => what.iter().map(|e| self.laid(e, place)).collect::<Vec<_>>().join(",\n    "),
                };
                self.line(&format!("freeze {what}"));
            }
            StmtKind::For { pattern, iter, body } => {
                let head = format!("for {} in ", show(pattern));
                let place = Place { column: head.chars().count(), indent: 0, after: 2 };
                self.line(&format!("{head}{} {{", self.laid(iter, place)));
                self.open(iter.span.end as usize);
                self.body(body, end - 1);
            }
            StmtKind::Train(body) => {
                self.line("train {");
                self.open(start);
                self.body(body, end - 1);
            }
            StmtKind::If { .. } => self.branch("if ", stmt),
        }
    }

    /// Moves behind the next opening brace.
    fn open(&mut self, from: usize) {
        self.at = from + self.text[from..].find('{').map_or(0, |i| i + 1);
        self.trail();
    }

    fn branch(&mut self, keyword: &str, stmt: &Stmt) {
        let StmtKind::If { cond, then, otherwise } = &stmt.kind else { return };
        let place = Place { column: keyword.len(), indent: 0, after: 2 };
        self.line(&format!("{keyword}{} {{", self.laid(cond, place)));
        self.open(cond.span.end as usize);
        let end = stmt.span.end as usize;
        if otherwise.is_empty() {
            return self.body(then, end - 1);
        }
        let last = then.last().map_or(self.at, |s| s.span.end as usize);
        let close = last + self.text[last..].find('}').unwrap_or(0);
        self.body(then, close);
        // `}` and `else` share a line.
        self.out.pop();
        match otherwise.as_slice() {
            [inner @ Stmt { kind: StmtKind::If { .. }, .. }]
                if self.text[close..inner.span.start as usize].trim_end().ends_with("else") =>
            {
                let indent = self.level;
                self.level = 0;
                let before = self.out.len();
                self.out.push(' ');
                self.branch_inline(inner, indent);
                debug_assert!(self.out.len() > before);
            }
            _ => {
                self.out.push_str(" else {\n");
                self.open(close + 1);
                self.body(otherwise, end - 1);
            }
        }
    }

    /// `else if`, on the line of the brace before it.
    fn branch_inline(&mut self, stmt: &Stmt, level: usize) {
        let line = self.out.len();
        self.level = level;
        self.branch("else if ", stmt);
        let indent = " ".repeat(level * INDENT);
        if self.out[line..].starts_with(&indent) {
            self.out.replace_range(line..line + indent.len(), "");
        }
    }

    /// `input a, b: shape`
    fn declaration(&mut self, keyword: &str, names: &[Ident], value: &Expr) {
        let names: Vec<String> = names.iter().map(|name| name.name.clone()).collect();
        let head = format!(
            "{keyword}{}: ",
            self.filled(&names, Place { column: keyword.len(), indent: INDENT, after: ": ".len() })
        );
        let column = head.rsplit('\n').next().unwrap_or("").chars().count();
        let indent = if head.contains('\n') { INDENT } else { 0 };
        let value = self.laid(value, Place { column, indent, after: 0 });
        self.line(&(head + &value));
    }

    fn binding(&mut self, keyword: &str, binding: &Binding) {
        self.assign(&format!("{keyword}{} = ", show(&binding.pattern)), &binding.value);
    }

    /// A line of a statement as it stands, with its further lines indented as they were relative to it.
    fn verbatim(&mut self, start: usize, end: usize) {
        let column = start - self.text[..start].rfind('\n').map_or(0, |i| i + 1);
        let lines: Vec<&str> = self.text[start..end].split('\n').collect();
        let mut out = lines[0].trim_end().to_owned();
        for line in &lines[1..] {
            let indent = line.len() - line.trim_start().len();
            out.push('\n');
            out.push_str(&" ".repeat(indent.saturating_sub(column).max(INDENT)));
            out.push_str(line.trim());
        }
        self.line(&out);
        while self.comments.get(self.done).is_some_and(|c| c.start < end) {
            self.done += 1;
        }
    }
}

fn show(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Name(name) => name.name.clone(),
        Pattern::Tuple(parts, _) => format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests;
