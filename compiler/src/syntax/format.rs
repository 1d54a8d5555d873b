//! `cnnc fmt`: one style.
//!
//! The tree decides the layout; comments come from the text. A statement with comments inside an expression keeps its lines as
//! they are, only indented anew: where the author broke the line there says more than a rule could.

use super::ast::{
    Arg, Binary, Binding, Definition, Expr, ExprKind, File, Item, Param, Pattern, Stmt, StmtKind, Unary, Variant,
};
use super::parse;
use crate::diagnostics::{Diagnostic, SourceMap, Span};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns of a level.
const INDENT: usize = 4;

/// A text in the one style; its mistakes if it does not parse. `name` is what they call it.
pub fn format(name: &str, text: &str) -> Result<String, (SourceMap, Vec<Diagnostic>)> {
    let text = text.replace("\r\n", "\n");
    let mut sources = SourceMap::default();
    let file = sources.add(name, text.clone());
    match parse(&sources, file) {
        Ok(tree) => Ok(Printer::new(&text).file(&tree)),
        Err(mistakes) => Err((sources, mistakes)),
    }
}

/// A `//` comment.
struct Comment {
    start: usize,
    text: String,
    /// Whether code stands before it on its line.
    trails: bool,
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
        let params =
            if d.params.is_empty() && keyword == "net" { String::new() } else { format!("({})", params.join(", ")) };
        self.line(&format!("{keyword} {}{params} {{", d.name.name));
        let open = self.text[d.name.span.end as usize..d.span.end as usize].find('{').unwrap_or(0);
        self.at = d.name.span.end as usize + open + 1;
        self.trail();
        self.body(&d.body, d.span.end as usize - 1);
    }

    fn variant(&mut self, variant: &Variant) {
        let span = Span { start: variant.call.callee.span.start, ..variant.span };
        let call = Expr { kind: ExprKind::Call(variant.call.clone()), span };
        self.assign(&format!("net {} = ", variant.name.name), &call);
    }

    fn param(&self, p: &Param) -> String {
        match &p.default {
            Some(default) => format!("{} = {}", p.name.name, self.flat(default)),
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
        let names = |names: &[super::ast::Ident]| names.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
        match &stmt.kind {
            StmtKind::Input { names: n, shape } => self.line(&format!("input {}: {}", names(n), self.flat(shape))),
            StmtKind::Target { names: n, kind } => self.line(&format!("target {}: {}", names(n), self.flat(kind))),
            StmtKind::Output { name, value: None } => self.line(&format!("output {}", name.name)),
            StmtKind::Output { name, value: Some(value) } => self.assign(&format!("output {} = ", name.name), value),
            StmtKind::Loss(value) => self.assign("loss ", value),
            StmtKind::Let(binding) => self.binding("", binding),
            StmtKind::Return(value) => self.assign("return ", value),
            StmtKind::Freeze(what) => {
                let what: Vec<String> = what.iter().map(|e| self.flat(e)).collect();
                self.line(&format!("freeze {}", what.join(", ")));
            }
            StmtKind::For { pattern, iter, body } => {
                let head = format!("for {} in ", show(pattern));
                let room = (WIDTH - self.level * INDENT).saturating_sub(head.chars().count() + 2);
                self.line(&format!("{head}{} {{", self.fitted(iter, room, 0)));
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
        self.line(&format!("{keyword}{} {{", self.flat(cond)));
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

    /// `head` and an expression, over several lines where the author broke a pipeline or one line is too short.
    fn assign(&mut self, head: &str, value: &Expr) {
        let room = WIDTH - self.level * INDENT;
        let stages = self.stages(value);
        let broken = stages.iter().skip(1).any(|s| s.1);
        let flat = format!("{head}{}", self.flat(value));
        if flat.chars().count() <= room && !broken {
            return self.line(&flat);
        }
        if let (1, ExprKind::If { cond, then, .. }) = (stages.len(), &value.kind) {
            // `else` on a line of its own.
            let first = format!("if {} {{ {} }}", self.flat(cond), self.flat(then));
            let rest = self.flat(value).split_off(first.len()).trim_start().to_owned();
            return self.line(&format!("{head}{first}\n{}{rest}", " ".repeat(INDENT)));
        }
        if stages.len() == 1 {
            let text = format!("{head}{}", self.fitted(value, room, 0));
            return self.line(&text);
        }
        let mut lines = vec![format!("{head}{}", stages[0].0)];
        for (text, breaks) in &stages[1..] {
            let last = lines.last_mut().expect("there is the first");
            // Where the author broke no line, each stage gets its own.
            if *breaks || !broken || last.chars().count() + text.chars().count() + 4 > room {
                lines.push(format!("{}|> {text}", " ".repeat(INDENT)));
            } else {
                last.push_str(" |> ");
                last.push_str(text);
            }
        }
        self.line(&lines.join("\n"));
    }

    /// The stages of a pipeline, and whether the author broke the line before each.
    fn stages(&self, value: &Expr) -> Vec<(String, bool)> {
        let (mut stages, mut expr) = (Vec::new(), value);
        while let ExprKind::Pipe(left, stage) = &expr.kind {
            if self.wrapped(expr) {
                break;
            }
            let between = &self.text[left.span.end as usize..stage.span.start as usize];
            stages.push((self.flat(stage), between.contains('\n')));
            expr = left;
        }
        stages.push((self.flat(expr), false));
        stages.reverse();
        stages
    }

    /// A call or list with an argument on each line where it does not fit on one.
    fn fitted(&self, expr: &Expr, room: usize, indent: usize) -> String {
        let flat = self.flat(expr);
        let (open, items, close) = match &expr.kind {
            ExprKind::Call(call) if !call.args.is_empty() => {
                let items: Vec<(String, &Expr)> = call
                    .args
                    .iter()
                    .map(|a| (a.name.as_ref().map_or(String::new(), |n| format!("{}: ", n.name)), &a.value))
                    .collect();
                (format!("{}(", call.callee.name), items, ")")
            }
            ExprKind::List(items) => ("[".to_owned(), items.iter().map(|e| (String::new(), e)).collect(), "]"),
            _ => return flat,
        };
        if flat.chars().count() + indent <= room {
            return flat;
        }
        let inner = indent + INDENT;
        let mut out = open;
        for (name, value) in items {
            out += &format!("\n{}{name}{},", " ".repeat(inner), self.fitted(value, room, inner));
        }
        out + "\n" + &" ".repeat(indent) + close
    }

    fn snippet(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// Whether the author put an expression in brackets of its own.
    fn wrapped(&self, expr: &Expr) -> bool {
        if matches!(expr.kind, ExprKind::Tuple(_)) {
            return false;
        }
        let text = self.snippet(expr.span);
        let (mut depth, mut quoted) = (0, false);
        for (index, c) in text.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return index > 0 && index + 1 == text.len() && text.starts_with('(');
            }
        }
        false
    }

    /// An expression on one line.
    fn flat(&self, expr: &Expr) -> String {
        let text = self.bare(expr);
        if self.wrapped(expr) { format!("({text})") } else { text }
    }

    fn bare(&self, expr: &Expr) -> String {
        let list = |items: &[Expr]| items.iter().map(|e| self.flat(e)).collect::<Vec<_>>().join(", ");
        match &expr.kind {
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Str(_) => {
                self.snippet(expr.span).trim_matches(['(', ')', ' ']).to_owned()
            }
            ExprKind::Name(name) => name.clone(),
            ExprKind::List(items) => format!("[{}]", list(items)),
            ExprKind::Tuple(items) if items.len() == 1 => format!("({},)", list(items)),
            ExprKind::Tuple(items) => format!("({})", list(items)),
            ExprKind::Range(from, to) => format!("{}..{}", self.flat(from), self.flat(to)),
            ExprKind::Field(of, name) => format!("{}.{}", self.flat(of), name.name),
            ExprKind::Index(of, index) => format!("{}[{}]", self.flat(of), self.flat(index)),
            ExprKind::Call(call) => {
                let args: Vec<String> = call.args.iter().map(|a| self.arg(a)).collect();
                format!("{}({})", call.callee.name, args.join(", "))
            }
            ExprKind::Pipe(left, stage) => format!("{} |> {}", self.flat(left), self.flat(stage)),
            ExprKind::Named(inner, _, span) => format!("{} as {}", self.flat(inner), self.snippet(*span)),
            ExprKind::If { cond, then, otherwise } => {
                let rest = match otherwise.kind {
                    ExprKind::If { .. } if !self.wrapped(otherwise) && self.follows_else(otherwise) => {
                        self.flat(otherwise)
                    }
                    _ => format!("{{ {} }}", self.flat(otherwise)),
                };
                format!("if {} {{ {} }} else {rest}", self.flat(cond), self.flat(then))
            }
            ExprKind::Shared(what) => format!("shared {}", self.flat(what)),
            ExprKind::Unary(Unary::Negate, operand) => format!("-{}", self.flat(operand)),
            ExprKind::Unary(Unary::Not, operand) => format!("not {}", self.flat(operand)),
            ExprKind::Binary(op, left, right) => format!("{} {} {}", self.flat(left), sign(*op), self.flat(right)),
        }
    }

    /// Whether an expression stands right behind `else`, not in braces of its own.
    fn follows_else(&self, expr: &Expr) -> bool {
        self.text[..expr.span.start as usize].trim_end().ends_with("else")
    }

    fn arg(&self, arg: &Arg) -> String {
        match &arg.name {
            Some(name) => format!("{}: {}", name.name, self.flat(&arg.value)),
            None => self.flat(&arg.value),
        }
    }
}

fn show(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Name(name) => name.name.clone(),
        Pattern::Tuple(parts, _) => format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

fn sign(op: Binary) -> &'static str {
    match op {
        Binary::Or => "or",
        Binary::And => "and",
        Binary::Equal => "==",
        Binary::NotEqual => "!=",
        Binary::Less => "<",
        Binary::LessEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterEqual => ">=",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Remainder => "%",
    }
}

/// All `//` comments of a text that are not `///` docs.
fn comments(text: &str) -> Vec<Comment> {
    let (mut found, mut offset) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let mut quoted = false;
        for (index, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '/' if !quoted && line[index..].starts_with("//") => {
                    if !line[index..].starts_with("///") {
                        let trails = !line[..index].trim().is_empty();
                        found.push(Comment {
                            start: offset + index,
                            text: line[index..].trim_end().to_owned(),
                            trails,
                        });
                    }
                    break;
                }
                _ => {}
            }
        }
        offset += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        format("text", text)
            .unwrap_or_else(|(sources, d)| panic!("{}", crate::diagnostics::render(&sources, &d, false)))
    }

    #[test]
    fn docs_stay_in_front_of_every_item() {
        let text = "/// Where blocks are.\nuse \"blocks/vgg.net\"\n\n/// How wide.\nconst width = 8\n\n/// Small.\nnet A {\n    input x: [width]\n    output y = relu(x)\n}\n";
        let once = formatted(text);
        for docs in ["/// Where blocks are.\nuse", "/// How wide.\nconst", "/// Small.\nnet"] {
            assert!(once.contains(docs), "{once}");
        }
        assert_eq!(formatted(&once), once);
    }

    #[test]
    fn one_style() {
        let text = "// first\n\n\n/// Docs.\nnet   A( n=3 ){ // why\n  input x:[1,28]\n\n\n  y=x|>conv( 6,5,pad:2 ) as   c1\n     |> relu // end\n\n  // before\n  output z=(y+1)*-2\n}";
        let good = "// first\n\n/// Docs.\nnet A(n = 3) {    // why\n    input x: [1, 28]\n\n    y = x |> conv(6, 5, pad: 2) as c1\n        |> relu    // end\n\n    // before\n    output z = (y + 1) * -2\n}\n";
        assert_eq!(formatted(text), good);
        assert_eq!(formatted(good), good);
    }

    #[test]
    fn branches_and_loops() {
        let good = "block b(x, k) {\n    if k == 1 {\n        y = x\n    } else if k == 2 {\n        y = -x\n    } else {\n        y = x + x    // twice\n    }\n    for (i, w) in [(1, 2), (3, 4)] {\n        y = y |> conv(w, 1) as \"c{i}\"\n    }\n    return if k > 2 { y } else { x }\n}\n";
        assert_eq!(formatted(good), good);
    }

    #[test]
    fn long_lines_are_broken() {
        let stage = " |> conv(16, 3, pad: 1)".repeat(6);
        let once = formatted(&format!("net A {{ y = x{stage} }}"));
        assert!(once.lines().all(|l| l.len() <= WIDTH), "{once}");
        assert_eq!(formatted(&once), once);
    }
}
