//! Pairs of the grammar to the syntax tree.

use std::cell::Cell;
use std::collections::VecDeque;

use pest::iterators::Pair;

use super::ast::*;
use super::parse::Rule;
use crate::diagnostics::{Diagnostic, FileId, Span};

type Built<T> = Result<T, Diagnostic>;

/// Longest pipeline, sum or chain of signs in one expression, and of all that stand inside one another together: the tree
/// is as deep as they are long.
const MAX_CHAIN: usize = 256;

/// The items of a text that starts at `base` in its file.
pub fn file(pair: Pair<'_, Rule>, file: FileId, base: usize) -> Built<Vec<Item>> {
    let builder = Builder { file, base: base as u32, depth: Cell::new(0) };
    pair.into_inner().filter(|p| p.as_rule() == Rule::item).map(|p| builder.item(p)).collect()
}

struct Builder {
    file: FileId,
    base: u32,
    /// Length of all chains under way.
    depth: Cell<usize>,
}

impl Builder {
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let start = self.base + pair.as_span().start() as u32;
        Span { file: self.file, start, end: start + code_len(pair.as_str()) as u32 }
    }

    fn item(&self, pair: Pair<'_, Rule>) -> Built<Item> {
        let mut docs = Vec::new();
        let mut inner = pair.into_inner();
        let item = loop {
            let part = inner.next().expect("an item after its docs");
            match part.as_rule() {
                Rule::doc => docs.push(doc(&part)),
                _ => break part,
            }
        };
        let span = self.span(&item);
        Ok(match item.as_rule() {
            Rule::use_item => {
                let path = item.into_inner().find(|p| p.as_rule() == Rule::path).expect("a path");
                let span = self.span(&path);
                Item::Use { docs, path: path.as_str().trim_matches('"').to_owned(), span }
            }
            Rule::const_item => {
                let mut parts = item.into_inner().filter(|p| p.as_rule() != Rule::kw_const);
                let name = self.ident(&parts.next().expect("a name"));
                let value = self.expr(parts.next().expect("a value"))?;
                Item::Const { docs, binding: Binding { pattern: Pattern::Name(name), value } }
            }
            Rule::block_item => Item::Block(self.definition(docs, item, span)?),
            _ => match item.clone().into_inner().find(|p| p.as_rule() == Rule::variant) {
                Some(variant) => Item::Variant(self.variant(docs, &item, variant, span)?),
                None => Item::Net(self.definition(docs, item, span)?),
            },
        })
    }

    fn variant(&self, docs: Vec<String>, item: &Pair<'_, Rule>, variant: Pair<'_, Rule>, span: Span) -> Built<Variant> {
        let name = item.clone().into_inner().find(|p| p.as_rule() == Rule::name).expect("a name");
        let call = self.call(variant.into_inner().next().expect("a call"))?;
        Ok(Variant { docs, name: self.ident(&name), call, span })
    }

    fn definition(&self, docs: Vec<String>, pair: Pair<'_, Rule>, span: Span) -> Built<Definition> {
        let (mut name, mut params, mut body) = (None, Vec::new(), Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::params => params = part.into_inner().map(|p| self.param(p)).collect::<Built<_>>()?,
                Rule::body => body = self.body(part)?,
                _ => {}
            }
        }
        Ok(Definition { docs, name: name.expect("a name"), params, body, span })
    }

    fn param(&self, pair: Pair<'_, Rule>) -> Built<Param> {
        let mut parts = pair.into_inner();
        let name = self.ident(&parts.next().expect("a name"));
        let default = parts.next().map(|p| self.expr(p)).transpose()?;
        Ok(Param { name, default })
    }

    fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Ident { name: pair.as_str().to_owned(), span: self.span(pair) }
    }

    fn body(&self, pair: Pair<'_, Rule>) -> Built<Vec<Stmt>> {
        pair.into_inner().map(|p| self.stmt(p)).collect()
    }

    fn stmt(&self, pair: Pair<'_, Rule>) -> Built<Stmt> {
        let mut docs = Vec::new();
        let mut inner = pair.into_inner();
        let stmt = loop {
            let part = inner.next().expect("a statement after its docs");
            match part.as_rule() {
                Rule::doc => docs.push(doc(&part)),
                _ => break part,
            }
        };
        let span = self.span(&stmt);
        Ok(Stmt { docs, kind: self.stmt_kind(stmt)?, span })
    }

    fn stmt_kind(&self, pair: Pair<'_, Rule>) -> Built<StmtKind> {
        let rule = pair.as_rule();
        let (mut names, mut exprs, mut bodies, mut patterns, mut branch) = (vec![], vec![], vec![], vec![], None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => names.push(self.ident(&part)),
                Rule::expr => exprs.push(self.expr(part)?),
                Rule::body => bodies.push(self.body(part)?),
                Rule::pattern => patterns.push(self.pattern(part)?),
                Rule::branch => {
                    let span = self.span(&part);
                    branch = Some(Stmt { docs: Vec::new(), kind: self.stmt_kind(part)?, span });
                }
                _ => {}
            }
        }
        let mut exprs = exprs.into_iter();
        let mut bodies = bodies.into_iter();
        let mut expr = || exprs.next().expect("the grammar has an expression here");
        Ok(match rule {
            Rule::input => StmtKind::Input { names, shape: expr() },
            Rule::target => StmtKind::Target { names, kind: expr() },
            Rule::output => StmtKind::Output { name: names.remove(0), value: exprs.next() },
            Rule::loss => StmtKind::Loss(expr()),
            Rule::for_loop => StmtKind::For {
                pattern: patterns.remove(0),
                iter: expr(),
                body: bodies.next().expect("a loop has a body"),
            },
            Rule::branch => StmtKind::If {
                cond: expr(),
                then: bodies.next().expect("a branch has a body"),
                otherwise: branch.map(|b| vec![b]).or_else(|| bodies.next()).unwrap_or_default(),
            },
            Rule::train => StmtKind::Train(bodies.next().expect("it has a body")),
            Rule::freeze => StmtKind::Freeze(exprs.collect()),
            Rule::give_back => StmtKind::Return(expr()),
            _ => StmtKind::Let(Binding { pattern: patterns.remove(0), value: expr() }),
        })
    }

    fn pattern(&self, pair: Pair<'_, Rule>) -> Built<Pattern> {
        let span = self.span(&pair);
        let tuple = pair.as_str().starts_with('(');
        let mut parts: Vec<Pattern> = pair
            .into_inner()
            .map(|p| if p.as_rule() == Rule::name { Ok(Pattern::Name(self.ident(&p))) } else { self.pattern(p) })
            .collect::<Built<_>>()?;
        Ok(if tuple { Pattern::Tuple(parts, span) } else { parts.remove(0) })
    }

    fn expr(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let mut stages: VecDeque<_> = pair.into_inner().filter(|p| p.as_rule() != Rule::pipe).collect();
        self.chain(stages.len() - 1, "pipeline", span, || {
            let first = self.named(stages.pop_front().expect("an expression"))?;
            stages.into_iter().try_fold(first, |left, stage| {
                let stage = self.named(stage)?;
                let span = left.span.to(stage.span);
                Ok(Expr { kind: ExprKind::Pipe(Box::new(left), Box::new(stage)), span })
            })
        })
    }

    /// Builds a chain of so many parts, if it is not too long together with those around it.
    fn chain(&self, len: usize, what: &str, span: Span, build: impl FnOnce() -> Built<Expr>) -> Built<Expr> {
        let outer = self.depth.get();
        if outer + len > MAX_CHAIN {
            return Err(Diagnostic::new(span, format!("this {what} is too long"))
                .found(format!("{} parts, with those it stands in", outer + len))
                .fits(format!("at most {MAX_CHAIN}"))
                .hint("give a part a name of its own: `part = ...`"));
        }
        self.depth.set(outer + len);
        let built = build();
        self.depth.set(outer);
        built
    }

    fn named(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let expr = self.level(parts.next().expect("an expression"))?;
        let Some(name) = parts.find(|p| p.as_rule() != Rule::kw_as) else { return Ok(expr) };
        let place = self.span(&name);
        let template = match name.as_rule() {
            Rule::template => self.template(name)?,
            _ => Template(vec![TemplatePart::Text(name.as_str().to_owned())]),
        };
        Ok(Expr { kind: ExprKind::Named(Box::new(expr), template, place), span })
    }

    /// The levels between `as` and signs: left-associative chains of operators.
    fn level(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let (rule, span) = (pair.as_rule(), self.span(&pair));
        match rule {
            Rule::negation | Rule::unary => return self.prefix(pair),
            Rule::postfix => return self.postfix(pair),
            _ => {}
        }
        let mut parts: VecDeque<_> = pair.into_inner().collect();
        self.chain(parts.len() / 2, "expression", span, || {
            let mut left = self.level(parts.pop_front().expect("an operand"))?;
            while let Some(operator) = parts.pop_front() {
                let right = self.level(parts.pop_front().expect("an operand after an operator"))?;
                let span = left.span.to(right.span);
                let (l, r) = (Box::new(left), Box::new(right));
                let kind = match operator.as_rule() {
                    Rule::dots => ExprKind::Range(l, r),
                    _ => ExprKind::Binary(binary(operator.as_str()), l, r),
                };
                left = Expr { kind, span };
            }
            Ok(left)
        })
    }

    fn prefix(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let parts: Vec<_> = pair.into_inner().collect();
        self.chain(parts.len() - 1, "chain of signs", span, || {
            let mut signs = parts.into_iter().rev();
            let mut expr = self.level(signs.next().expect("an operand"))?;
            for sign in signs {
                let span = self.span(&sign).to(expr.span);
                let unary = if sign.as_rule() == Rule::minus { Unary::Negate } else { Unary::Not };
                expr = Expr { kind: ExprKind::Unary(unary, Box::new(expr)), span };
            }
            Ok(expr)
        })
    }

    fn postfix(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let mut parts: VecDeque<_> = pair.into_inner().collect();
        self.chain(parts.len() - 1, "expression", span, || {
            let mut expr = self.primary(parts.pop_front().expect("a primary"))?;
            for part in parts {
                let span = expr.span.to(self.span(&part));
                let rule = part.as_rule();
                let inner = part.into_inner().next().expect("a name or an index");
                let kind = match rule {
                    Rule::field => ExprKind::Field(Box::new(expr), self.ident(&inner)),
                    _ => ExprKind::Index(Box::new(expr), Box::new(self.expr(inner)?)),
                };
                expr = Expr { kind, span };
            }
            Ok(expr)
        })
    }

    fn primary(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let pair = pair.into_inner().next().expect("a primary has one part");
        self.atom(pair)
    }

    fn atom(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::conditional => return self.conditional(pair),
            Rule::shared => {
                let inner = pair.into_inner().find(|p| p.as_rule() != Rule::kw_shared).expect("what is shared");
                ExprKind::Shared(Box::new(self.atom(inner)?))
            }
            Rule::template => ExprKind::Str(self.template(pair)?),
            Rule::number => self.number(pair.as_str(), span)?,
            Rule::truth => ExprKind::Bool(pair.as_str() == "true"),
            Rule::call => ExprKind::Call(self.call(pair)?),
            Rule::list => ExprKind::List(pair.into_inner().map(|p| self.expr(p)).collect::<Built<_>>()?),
            Rule::tuple => {
                let parts: Vec<_> = pair.into_inner().collect();
                let comma = parts.iter().any(|p| p.as_rule() == Rule::comma);
                let exprs = parts.into_iter().filter(|p| p.as_rule() == Rule::expr).map(|p| self.expr(p));
                let mut exprs: Vec<Expr> = exprs.collect::<Built<_>>()?;
                if !comma {
                    // Brackets around one expression only group; its place includes them.
                    return Ok(Expr { kind: exprs.remove(0).kind, span });
                }
                ExprKind::Tuple(exprs)
            }
            _ => ExprKind::Name(pair.as_str().to_owned()),
        };
        Ok(Expr { kind, span })
    }

    fn call(&self, pair: Pair<'_, Rule>) -> Built<Call> {
        let mut parts = pair.into_inner();
        let callee = self.ident(&parts.next().expect("a name"));
        let arguments = parts.next().expect("arguments").into_inner();
        Ok(Call { callee, args: arguments.map(|a| self.argument(a)).collect::<Built<_>>()? })
    }

    fn conditional(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let mut exprs = pair.into_inner().filter(|p| matches!(p.as_rule(), Rule::expr | Rule::conditional));
        let mut next = || exprs.next().expect("a condition and two values");
        let (cond, then, otherwise) = (self.expr(next())?, self.expr(next())?, next());
        let otherwise =
            if otherwise.as_rule() == Rule::expr { self.expr(otherwise)? } else { self.conditional(otherwise)? };
        let kind = ExprKind::If { cond: Box::new(cond), then: Box::new(then), otherwise: Box::new(otherwise) };
        Ok(Expr { kind, span })
    }

    fn argument(&self, pair: Pair<'_, Rule>) -> Built<Arg> {
        let (mut name, mut value) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                _ => value = Some(self.expr(part)?),
            }
        }
        Ok(Arg { name, value: value.expect("an argument has a value") })
    }

    fn number(&self, text: &str, span: Span) -> Built<ExprKind> {
        let digits = text.replace('_', "");
        if let Ok(value) = digits.parse::<i64>() {
            return Ok(ExprKind::Int(value));
        }
        let float = digits.contains(['.', 'e', 'E']);
        match digits.parse::<f64>() {
            Ok(value) if float && value.is_finite() => Ok(ExprKind::Float(value)),
            _ => Err(Diagnostic::new(span, "this number is too large").found(text).fits(if float {
                "at most 1.7e308"
            } else {
                "at most 9223372036854775807"
            })),
        }
    }

    fn template(&self, pair: Pair<'_, Rule>) -> Built<Template> {
        let parts = pair.into_inner().map(|part| {
            Ok(match part.as_rule() {
                Rule::text => TemplatePart::Text(unescape(part.as_str())),
                _ => TemplatePart::Value(self.expr(part.into_inner().next().expect("a value"))?),
            })
        });
        Ok(Template(parts.collect::<Built<_>>()?))
    }
}

/// The length of a text without the space and the comments at its end, which the grammar takes along.
fn code_len(text: &str) -> usize {
    let mut len = text.trim_end().len();
    loop {
        let line = text[..len].rfind('\n').map_or(0, |i| i + 1);
        let mut quoted = false;
        let comment = text[line..len].char_indices().find(|(at, c)| {
            quoted ^= *c == '"';
            !quoted && text[line + at..len].starts_with("//")
        });
        match comment {
            // A doc line is code.
            Some((at, _)) if !text[line + at..len].starts_with("///") => len = text[..line + at].trim_end().len(),
            _ => return len,
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("{{", "{").replace("}}", "}").replace("\\\"", "\"").replace("\\\\", "\\")
}

/// A doc line without its slashes and one leading space.
fn doc(pair: &Pair<'_, Rule>) -> String {
    let text = pair.as_str().trim_start_matches("///").trim_end();
    text.strip_prefix(' ').unwrap_or(text).to_owned()
}

fn binary(sign: &str) -> Binary {
    match sign {
        "or" => Binary::Or,
        "and" => Binary::And,
        "==" => Binary::Equal,
        "!=" => Binary::NotEqual,
        "<" => Binary::Less,
        "<=" => Binary::LessEqual,
        ">" => Binary::Greater,
        ">=" => Binary::GreaterEqual,
        "+" => Binary::Add,
        "-" => Binary::Subtract,
        "*" => Binary::Multiply,
        "/" => Binary::Divide,
        _ => Binary::Remainder,
    }
}
