//! Expressions: on one line where they fit, else over several. What breaks a line, and where, follows from the tree alone; only in
//! pipelines of statements it is also the author who does.

use super::{INDENT, Printer, WIDTH};
use crate::diagnostics::Span;
use crate::syntax::ast::{Arg, Binary, Expr, ExprKind, Unary};

/// Where an expression goes, in columns of its statement.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Where it starts.
    pub column: usize,
    /// How far the lines are indented that close what it opens.
    pub indent: usize,
    /// How many characters follow on its last line.
    pub after: usize,
}

impl Printer<'_> {
    /// `head` and an expression, over several lines where the author broke a pipeline or one line is too short.
    pub(super) fn assign(&mut self, head: &str, value: &Expr) {
        let stages = if self.wrapped(value) { vec![(value, false)] } else { self.stages(value) };
        let broken = stages.iter().any(|(_, broken)| *broken);
        let column = head.chars().count();
        let whole = Place { column, indent: 0, after: 0 };
        if stages.len() == 1 || !broken && self.fits(&self.flat(value), whole) {
            let text = match self.two_cases(head, value) {
                Some(text) => text,
                None => format!("{head}{}", self.laid(value, whole)),
            };
            return self.line(&text);
        }
        let mut out = format!("{head}{}", self.laid(stages[0].0, whole));
        for (stage, breaks) in &stages[1..] {
            let last = out.rsplit('\n').next().unwrap_or("").chars().count();
            // Where the author broke no line, each stage gets its own.
            if !breaks && broken && self.fits(&self.flat(stage), Place { column: last + 4, ..whole }) {
                out += " |> ";
                out += &self.flat(stage);
            } else {
                out += &self.stage(stage, 0, 0);
            }
        }
        self.line(&out);
    }

    /// `if` with each of its two cases on a line, where one is too short for both but two are not.
    fn two_cases(&self, head: &str, value: &Expr) -> Option<String> {
        let ExprKind::If { cond, then, .. } = &value.kind else { return None };
        let (flat, first) = (self.flat(value), format!("if {} {{ {} }}", self.flat(cond), self.flat(then)));
        let rest = flat.strip_prefix(&first)?.trim_start();
        let at = |column| Place { column, indent: 0, after: 0 };
        let whole = self.fits(&flat, at(head.chars().count()));
        let halves = self.fits(&first, at(head.chars().count())) && self.fits(rest, at(INDENT));
        (!whole && halves).then(|| format!("{head}{first}\n{}{rest}", " ".repeat(INDENT)))
    }

    /// The stages of a pipeline, without brackets around it, and whether the author broke the line before each.
    fn stages<'e>(&self, value: &'e Expr) -> Vec<(&'e Expr, bool)> {
        let (mut stages, mut expr) = (Vec::new(), value);
        while let ExprKind::Pipe(left, stage) = &expr.kind {
            let between = &self.text[left.span.end as usize..stage.span.start as usize];
            stages.push((&**stage, between.contains('\n')));
            expr = left;
            if self.wrapped(expr) {
                break;
            }
        }
        stages.push((expr, false));
        stages.reverse();
        stages
    }

    /// A stage of a pipeline on a line of its own.
    fn stage(&self, stage: &Expr, indent: usize, after: usize) -> String {
        let indent = indent + INDENT;
        format!("{}|> {}", newline(indent), self.laid(stage, Place { column: indent + 3, indent, after }))
    }

    /// Whether a text of one line fits there.
    pub(super) fn fits(&self, flat: &str, place: Place) -> bool {
        self.level * INDENT + place.column + flat.chars().count() + place.after <= WIDTH
    }

    /// An expression, over several lines where it does not fit on one.
    pub(super) fn laid(&self, expr: &Expr, place: Place) -> String {
        let flat = self.flat(expr);
        if self.fits(&flat, place) {
            return flat;
        }
        if self.wrapped(expr) {
            return self.bracketed(expr, place);
        }
        self.broken(expr, place).unwrap_or(flat)
    }

    /// An expression of several lines in the author's brackets, which have lines of their own where what is in them would
    /// reach too far to the right beside them.
    fn bracketed(&self, expr: &Expr, place: Place) -> String {
        let within = |place| self.broken(expr, place).unwrap_or_else(|| self.bare(expr));
        let beside = within(Place { column: place.column + 1, after: place.after + 1, ..place });
        let last = beside.lines().count() - 1;
        let fits = beside.lines().enumerate().all(|(index, line)| {
            let column = if index == 0 { place.column + 1 } else { 0 };
            let after = if index == last { place.after + 1 } else { 0 };
            self.fits(line, Place { column, after, ..place })
        });
        if fits {
            return format!("({beside})");
        }
        let indent = place.indent + INDENT;
        let own = Place { column: indent, indent, after: 0 };
        let flat = self.bare(expr);
        let text = if self.fits(&flat, own) { flat } else { within(own) };
        format!("({}{text}{})", newline(indent), newline(place.indent))
    }

    /// An expression over several lines, without the brackets around it; nothing where it has no place to break.
    fn broken(&self, expr: &Expr, place: Place) -> Option<String> {
        let Place { column, indent, after } = place;
        let inner = indent + INDENT;
        let at = |column, after| Place { column, indent, after };
        let own = |column, after| Place { column, indent: inner, after };
        Some(match &expr.kind {
            ExprKind::Call(call) if !call.args.is_empty() => {
                let item = |arg: &Arg| {
                    let name = arg.name.as_ref().map_or(String::new(), |name| format!("{}: ", name.name));
                    let value = self.laid(&arg.value, own(inner + name.chars().count(), 1));
                    format!("{}{name}{value},", newline(inner))
                };
                let items: String = call.args.iter().map(item).collect();
                format!("{}({items}{})", call.callee.name, newline(indent))
            }
            ExprKind::List(items) if !items.is_empty() => format!("[{}{}]", self.items(items, inner), newline(indent)),
            ExprKind::Tuple(items) => format!("({}{})", self.items(items, inner), newline(indent)),
            // Where one stage has a line of its own, all have.
            ExprKind::Pipe(..) => {
                let stages = self.stages(expr);
                let last = stages.len() - 1;
                let others = stages.iter().enumerate().skip(1);
                let others = others.map(|(i, (stage, _))| self.stage(stage, indent, if i == last { after } else { 0 }));
                self.laid(stages[0].0, at(column, 0)) + &others.collect::<String>()
            }
            ExprKind::Named(named, _, span) => {
                let name = format!(" as {}", self.snippet(*span));
                self.laid(named, at(column, after + name.chars().count())) + &name
            }
            ExprKind::Binary(op, left, right) => {
                let sign = sign(*op);
                let first = self.laid(left, at(column, 0));
                let rest = self.laid(right, own(inner + sign.len() + 1, after));
                format!("{first}{}{sign} {rest}", newline(inner))
            }
            ExprKind::If { cond, then, otherwise } => {
                let cond = self.laid(cond, at(column + 3, 2));
                let case =
                    |value: &Expr| format!("{}{}{}", newline(inner), self.laid(value, own(inner, 0)), newline(indent));
                let rest = if self.chains(otherwise) {
                    self.broken(otherwise, at(indent + 7, after)).unwrap_or_else(|| self.flat(otherwise))
                } else {
                    format!("{{{}}}", case(otherwise))
                };
                format!("if {cond} {{{}}} else {rest}", case(then))
            }
            ExprKind::Shared(what) => format!("shared {}", self.laid(what, at(column + 7, after))),
            ExprKind::Unary(Unary::Negate, operand) => format!("-{}", self.laid(operand, at(column + 1, after))),
            ExprKind::Unary(Unary::Not, operand) => format!("not {}", self.laid(operand, at(column + 4, after))),
            ExprKind::Field(of, name) => {
                let name = format!(".{}", name.name);
                self.laid(of, at(column, after + name.chars().count())) + &name
            }
            ExprKind::Index(of, index) => {
                let index = format!("[{}]", self.flat(index));
                self.laid(of, at(column, after + index.chars().count())) + &index
            }
            _ => return None,
        })
    }

    /// What is in a list or a tuple: a line for each, but as many numbers to a line as fit.
    fn items(&self, items: &[Expr], indent: usize) -> String {
        if items.len() > 1 && items.iter().all(is_number) {
            let numbers: Vec<String> = items.iter().map(|item| self.flat(item)).collect();
            return format!(
                "{}{},",
                newline(indent),
                self.filled(&numbers, Place { column: indent, indent, after: 0 })
            );
        }
        let item = |item: &Expr| {
            format!("{}{},", newline(indent), self.laid(item, Place { column: indent, indent, after: 1 }))
        };
        items.iter().map(item).collect()
    }

    /// Texts behind one another with commas between them, from a column, on further lines where one is too short.
    pub(super) fn filled(&self, texts: &[String], Place { column, indent, after }: Place) -> String {
        let (mut out, mut column) = (String::new(), column);
        for (index, text) in texts.iter().enumerate() {
            let len = text.chars().count() + if index + 1 == texts.len() { after } else { 0 };
            if index > 0 && self.level * INDENT + column + 1 + len < WIDTH {
                out.push(' ');
                column += 1;
            } else if index > 0 {
                out += &newline(indent);
                column = indent;
            }
            out += text;
            column += len + 1;
            if index + 1 < texts.len() {
                out.push(',');
            }
        }
        out
    }

    fn snippet(&self, span: Span) -> &str {
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
    pub(super) fn flat(&self, expr: &Expr) -> String {
        let text = self.bare(expr);
        if self.wrapped(expr) { format!("({text})") } else { text }
    }

    fn bare(&self, expr: &Expr) -> String {
        let list = |items: &[Expr]| items.iter().map(|e| self.flat(e)).collect::<Vec<_>>().join(", ");
        match &expr.kind {
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Str(_) => {
                self.snippet(expr.span).trim_matches(|c: char| c.is_whitespace() || "()".contains(c)).to_owned()
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
                let rest = match self.chains(otherwise) {
                    true => self.flat(otherwise),
                    false => format!("{{ {} }}", self.flat(otherwise)),
                };
                format!("if {} {{ {} }} else {rest}", self.flat(cond), self.flat(then))
            }
            ExprKind::Shared(what) => format!("shared {}", self.flat(what)),
            ExprKind::Unary(Unary::Negate, operand) => format!("-{}", self.flat(operand)),
            ExprKind::Unary(Unary::Not, operand) => format!("not {}", self.flat(operand)),
            ExprKind::Binary(op, left, right) => format!("{} {} {}", self.flat(left), sign(*op), self.flat(right)),
        }
    }

    /// Whether an expression is an `if` right behind `else`, not in braces of its own.
    fn chains(&self, expr: &Expr) -> bool {
        let follows = || self.text[..expr.span.start as usize].trim_end().ends_with("else");
        matches!(expr.kind, ExprKind::If { .. }) && !self.wrapped(expr) && follows()
    }

    fn arg(&self, arg: &Arg) -> String {
        match &arg.name {
            Some(name) => format!("{}: {}", name.name, self.flat(&arg.value)),
            None => self.flat(&arg.value),
        }
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

/// Whether an expression is a number as it is written, with its sign.
fn is_number(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Unary(Unary::Negate, operand) => is_number(operand),
        kind => matches!(kind, ExprKind::Int(_) | ExprKind::Float(_)),
    }
}

fn newline(indent: usize) -> String {
    format!("\n{}", " ".repeat(indent))
}
