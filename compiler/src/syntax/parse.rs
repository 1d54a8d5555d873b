//! The parser: the grammar of `net.pest`, and its refusals in words.

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};

use super::{ast, build, division, limits};
use crate::diagnostics::{Diagnostic, FileId, Outcome, SourceMap, Span, nearest};

#[derive(pest_derive::Parser)]
#[grammar = "syntax/net.pest"]
pub(super) struct Grammar;

/// Most mistakes that are looked for in one file.
const MAX_MISTAKES: usize = 20;

/// Parses a file of the map. Each top-level item is parsed apart, so that a mistake in one does not hide those in others.
///
/// # Errors
/// Its mistakes, up to a number, in order of their places.
pub fn parse(sources: &SourceMap, file: FileId) -> Outcome<ast::File> {
    let text = sources.text(file);
    limits::check(file, text).map_err(|d| vec![d])?;
    let (mut items, mut mistakes) = (Vec::new(), Vec::new());
    for (start, end) in item_ranges(text) {
        match Grammar::parse(Rule::file, &text[start..end]) {
            Ok(mut pairs) => {
                let pair = pairs.next().expect("a file has one root");
                match build::file(pair, file, start) {
                    Ok(parsed) => items.extend(parsed),
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            Err(error) => mistakes.push(explain(text, file, start, &error)),
        }
        if mistakes.len() >= MAX_MISTAKES {
            break;
        }
    }
    let tree = ast::File { items };
    if mistakes.is_empty() {
        mistakes = division::comments_that_divide(file, text, &tree);
    }
    if mistakes.is_empty() { Ok(tree) } else { Err(mistakes) }
}

/// Where top-level items start: at `net`, `block`, `use`, `const` outside brackets, with the doc lines before them.
fn item_ranges(text: &str) -> Vec<(usize, usize)> {
    let (mut starts, mut depth, mut docs, mut in_item) = (vec![0], 0_i32, None, false);
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let start = offset + line.len() - trimmed.len();
        if depth == 0 {
            let word: &str = trimmed.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
            if trimmed.starts_with("///") {
                docs.get_or_insert(start);
            } else if ["net", "block", "use", "const"].contains(&word) {
                let start = docs.take().unwrap_or(start);
                if in_item {
                    starts.push(start);
                }
                in_item = true;
            } else if !trimmed.is_empty() && !trimmed.starts_with("//") {
                docs = None;
                in_item = true;
            }
        }
        depth += bracket_balance(trimmed);
        offset += line.len();
    }
    let ends = starts[1..].iter().copied().chain([text.len()]);
    starts.iter().copied().zip(ends).collect()
}

fn bracket_balance(line: &str) -> i32 {
    let (mut balance, mut quoted) = (0, false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => {
                chars.next();
            }
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            '(' | '[' | '{' if !quoted => balance += 1,
            ')' | ']' | '}' if !quoted => balance -= 1,
            _ => {}
        }
    }
    balance
}

/// A refusal of the grammar: what stands there, and what would fit.
fn explain(text: &str, file: FileId, base: usize, error: &Error<Rule>) -> Diagnostic {
    let position = match error.location {
        InputLocation::Pos(p) | InputLocation::Span((p, _)) => base + p,
    };
    let found = token_at(&text[position..]);
    let span = Span { file, start: position as u32, end: (position + found.len()) as u32 };
    let shown = match found {
        "" => "the end of the file".to_owned(),
        _ if found.starts_with('\n') => "the end of the line".to_owned(),
        _ if found.trim().is_empty() => "a space".to_owned(),
        _ => format!("`{found}`"),
    };
    let expected: Vec<Rule> = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.clone(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    if let Some((title, fits)) = habit(&Place { text, position, found, expected: &expected }) {
        return Diagnostic::new(span, title).found(shown).fits(fits);
    }
    let words = phrases(&expected);
    let mut diagnostic = Diagnostic::new(span, format!("{shown} does not fit here")).fits(words.join(", "));
    if KEYWORDS.contains(&found) && expected.iter().any(|r| matches!(r, Rule::name | Rule::pattern)) {
        diagnostic = diagnostic.hint(format!("`{found}` is a word of the language and cannot be a name"));
    } else if let Some(word) = nearest(found, starts(&expected)).filter(|w| *w != found) {
        diagnostic = diagnostic.hint(format!("did you mean `{word}`?"));
    }
    diagnostic
}

const KEYWORDS: &[&str] = &[
    "net", "block", "use", "const", "input", "target", "output", "loss", "for", "in", "if", "else", "train", "freeze",
    "return", "shared", "as", "true", "false", "and", "or", "not",
];

/// Words that what is expected may start with.
fn starts(expected: &[Rule]) -> impl Iterator<Item = &'static str> {
    let words: &[&str] = if expected.iter().any(|r| phrase(*r) == Some("a statement")) {
        &["input", "target", "output", "loss", "for", "if", "train", "freeze", "return"]
    } else if expected.iter().any(|r| phrase(*r) == Some(ITEM)) {
        &["net", "block", "use", "const"]
    } else {
        &["for", "in", "if", "else", "shared", "as", "true", "false", "and", "or", "not"]
    };
    words.iter().copied()
}

const ITEM: &str = "`net`, `block`, `const` or `use`";

/// The word or sign at the start of a text.
fn token_at(text: &str) -> &str {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    match text.chars().next() {
        None => "",
        Some(_) if word > 0 => &text[..word],
        Some(c) => {
            let two =
                text.get(..2).filter(|t| ["|>", "==", "!=", "<=", ">=", "&&", "||", "->", "=>", "+="].contains(t));
            two.unwrap_or(&text[..c.len_utf8()])
        }
    }
}

/// Where the grammar refused.
struct Place<'a> {
    text: &'a str,
    position: usize,
    /// The word or sign there.
    found: &'a str,
    expected: &'a [Rule],
}

/// What stands for powers.
const POWER: &str = "`square(x)` of a tensor, `n * n` of a number";

/// What people write who come from elsewhere: a title and what would fit.
fn habit(place: &Place<'_>) -> Option<(String, String)> {
    let found = place.found;
    let (title, fits) = match found {
        "#" => ("comments start with `//`", "`// ...`"),
        "?" => ("`?` is not of this language", "`if condition { a } else { b }`"),
        "^" => ("`^` is not of this language", POWER),
        "*" if place.before().ends_with('*') => ("`**` is not of this language", POWER),
        ";" => ("statements do not end in `;`", "a new line, or nothing"),
        "&&" => ("`&&` is not of this language", "`and`"),
        "||" => ("`||` is not of this language", "`or`"),
        "!" => ("`!` is not of this language", "`not`"),
        "->" | "=>" => ("arrows are not of this language", "`|>` to pass a value on, `return` to give one back"),
        "+=" => ("there is no `+=`", "`x = x + ...`"),
        "'" => ("strings stand in double quotes", "`\"...\"`"),
        "\"" if place.in_template() => {
            ("a `{` in a string starts a value, and this one does not end", "`}` after the value, or `{{` for a brace")
        }
        "let" | "var" | "def" | "fn" | "mut" | "func" | "function" => {
            ("bindings need no keyword, and blocks start with `block`", "`name = value`, or `block name(x) { ... }`")
        }
        _ if place.expected.contains(&Rule::kw_else) && !place.expects("a statement") => {
            ("this `if` stands for a value, and has none for the other case", "`else { ... }`")
        }
        _ if found.chars().next().is_some_and(|c| !c.is_ascii()) => {
            ("only strings and comments may have letters outside ASCII", "letters a-z, digits and `_`")
        }
        _ => {
            let found = place.statement().or_else(|| place.dots_in_a_name()).or_else(|| place.method());
            return found.or_else(|| place.sign()).or_else(|| place.gap());
        }
    };
    Some((title.to_owned(), fits.to_owned()))
}

impl Place<'_> {
    fn before(&self) -> &str {
        self.text[..self.position].trim_end()
    }

    fn word_before(&self) -> &str {
        self.before().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
    }

    fn line_before(&self) -> &str {
        self.before().rsplit('\n').next().unwrap_or("")
    }

    fn expects(&self, what: &str) -> bool {
        self.expected.iter().any(|r| phrase(*r) == Some(what))
    }

    /// Whether a `{` of a string on this line is open.
    fn in_template(&self) -> bool {
        let last = self.line_before().rsplit('"').next().unwrap_or("");
        last.rfind('{').is_some_and(|open| last.rfind('}').is_none_or(|close| close < open))
    }

    /// What is behind, up to the end of the line.
    fn rest_of_line(&self) -> &str {
        self.text[self.position + self.found.len()..].lines().next().unwrap_or("").trim()
    }

    /// The sign that is refused and what is behind it, with the space in front.
    fn sign_and_rest(&self) -> &str {
        self.text[self.before().len()..].lines().next().unwrap_or("").split("//").next().unwrap_or("").trim_end()
    }

    /// Statements as other languages write them.
    fn statement(&self) -> Option<(String, String)> {
        let named = self.output_without_name().or_else(|| self.pattern_of_a_loop());
        named.or_else(
            || if self.starts_a_statement() { self.update().or_else(|| self.value_at_the_end()) } else { None },
        )
    }

    /// Whether a name stands where a statement may start.
    fn starts_a_statement(&self) -> bool {
        let name = self.found.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        name && !KEYWORDS.contains(&self.found) && self.expects("a statement")
    }

    /// `output x |> relu`
    fn output_without_name(&self) -> Option<(String, String)> {
        let value = self.line_before().trim_start().strip_prefix("output ")?;
        let same_line = !self.text[self.before().len()..self.position].contains('\n');
        let sign = ["|>", "+", "-", "*", "/", "%", "(", "[", ".", "as"].contains(&self.found);
        (same_line && sign && value == self.word_before())
            .then(|| ("an output has a name".to_owned(), format!("`output y = {value}{}`", self.sign_and_rest())))
    }

    /// `for i, n in`
    fn pattern_of_a_loop(&self) -> Option<(String, String)> {
        let first = self.line_before().trim_start().strip_prefix("for ")?;
        let others = self.rest_of_line().split(" in ").next()?;
        (self.found == "," && self.expected.contains(&Rule::kw_in))
            .then(|| ("a pattern stands in brackets".to_owned(), format!("`for ({first}, {others}) in ...`")))
    }

    /// `n += 1`, or `a, b = f(x)`
    fn update(&self) -> Option<(String, String)> {
        let (name, rest) = (self.found, self.rest_of_line());
        if let Some((names, _)) = rest.strip_prefix(',').and_then(|names| names.split_once('=')) {
            return Some(("a pattern stands in brackets".to_owned(), format!("`({name}, {}) = ...`", names.trim())));
        }
        let (sign, value) = rest.split_once('=').filter(|(sign, _)| ["+", "-", "*", "/"].contains(sign))?;
        let value = value.split("//").next().unwrap_or("").trim();
        Some((format!("there is no `{sign}=`"), format!("`{name} = {name} {sign} {value}`")))
    }

    /// A value that stands where a statement should.
    fn value_at_the_end(&self) -> Option<(String, String)> {
        let found = self.found;
        let behind = &self.text[self.position + found.len()..];
        let value = match behind.trim_start() {
            rest if rest.starts_with('}') => found.to_owned(),
            _ if behind.starts_with('(') => format!("{found}(...)"),
            _ => return None,
        };
        let item = self.before().lines().rev().find(|line| line.starts_with("net ") || line.starts_with("block "));
        Some(if item.is_some_and(|line| line.starts_with("net ")) {
            ("a value alone is no statement".to_owned(), format!("`output y = {value}`, or `name = {value}`"))
        } else {
            ("a block gives its value with `return`".to_owned(), format!("`return {value}`, or `name = {value}`"))
        })
    }

    /// `as stem.conv`
    fn dots_in_a_name(&self) -> Option<(String, String)> {
        let name = self.word_before();
        let front = self.before().strip_suffix(name)?;
        let signs = |c: char| !c.is_alphanumeric() && !"_.-".contains(c);
        let rest = self.rest_of_line().split(signs).next().filter(|rest| !rest.is_empty())?;
        (self.found == "." && front.trim_end().ends_with(" as"))
            .then(|| ("a name with dots stands in quotes".to_owned(), format!("`as \"{name}.{rest}\"`")))
    }

    /// `x.mean(1)`
    fn method(&self) -> Option<(String, String)> {
        let (value, operator) = self.before().strip_suffix('(')?.rsplit_once('.')?;
        let value = value.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())?;
        let word = operator.starts_with(|c: char| c.is_ascii_alphabetic());
        (word && operator.chars().all(|c| c.is_alphanumeric() || c == '_')).then(|| {
            let fits =
                format!("`{operator}({value})`, or `{value} |> {operator}`, with the other arguments in brackets");
            ("operators and blocks are not called with a point".to_owned(), fits)
        })
    }

    /// Signs of other languages, or in other places.
    fn sign(&self) -> Option<(String, String)> {
        let (before, word) = (self.before(), self.word_before());
        let (title, fits) = match self.found {
            "=" if in_brackets(before) && !word.is_empty() => {
                ("named arguments are given with `:`".to_owned(), "`name: value`, as in `pad: 2`".to_owned())
            }
            "=" if KEYWORDS.contains(&word) => (
                format!("`{word}` is a word of the language and cannot be a name"),
                format!("another name, as `{word}_` or `my_{word}`"),
            ),
            "=" if self.line_before().contains("if ") => ("conditions compare with `==`".to_owned(), "`==`".to_owned()),
            "<" | ">" | "<=" | ">=" | "==" | "!=" => (
                "comparisons do not follow one another".to_owned(),
                "`and` between two of them: `1 < n and n < 5`".to_owned(),
            ),
            "(" if !word.is_empty() && self.text[..self.position].ends_with(' ') => {
                ("the bracket of a call follows its name without a space".to_owned(), format!("`{word}(...)`"))
            }
            found if before.ends_with("|>") && !found.is_empty() => {
                ("a pipeline ends in an operator or a block".to_owned(), "a name or a call after `|>`".to_owned())
            }
            found if self.expects(ITEM) && self.text[self.position + found.len()..].trim_start().starts_with('=') => (
                "bindings stand in nets and blocks".to_owned(),
                format!("`const {found} = ...` for a value that all of them see"),
            ),
            _ => return None,
        };
        Some((title, fits))
    }

    /// A value right behind another in brackets.
    fn gap(&self) -> Option<(String, String)> {
        let value = self.found.starts_with(|c: char| c.is_alphanumeric() || "\"_([".contains(c));
        let after_value = self.before().ends_with(|c: char| c.is_alphanumeric() || "\"_)]}".contains(c));
        let list = matches!(open_bracket(self.before()), Some('(' | '['));
        (value && after_value && list && self.expects("an operator"))
            .then(|| (format!("something is missing before `{}`", self.found), "`,` between two values".to_owned()))
    }
}

/// Whether the last open bracket is a `(`.
fn in_brackets(before: &str) -> bool {
    open_bracket(before) == Some('(')
}

/// The last open bracket.
fn open_bracket(before: &str) -> Option<char> {
    let mut depth = 0;
    for c in before.chars().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth > 0 => depth -= 1,
            '(' | '[' | '{' => return Some(c),
            _ => {}
        }
    }
    None
}

/// Rules as a reader would name them, each once.
fn phrases(rules: &[Rule]) -> Vec<&'static str> {
    let mut words: Vec<&'static str> = rules.iter().filter_map(|r| phrase(*r)).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn phrase(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::file | Rule::item | Rule::use_item | Rule::const_item | Rule::block_item | Rule::net_item => ITEM,
        Rule::variant => "`= Net(...)`",
        Rule::kw_net | Rule::kw_block | Rule::kw_use | Rule::kw_const => ITEM,
        Rule::stmt | Rule::input | Rule::target | Rule::output | Rule::loss | Rule::for_loop | Rule::branch => {
            "a statement"
        }
        Rule::train | Rule::freeze | Rule::give_back | Rule::binding => "a statement",
        Rule::expr | Rule::named | Rule::disjunction | Rule::conjunction | Rule::negation | Rule::comparison => {
            "an expression"
        }
        Rule::range | Rule::sum | Rule::product | Rule::unary | Rule::postfix | Rule::primary | Rule::call => {
            "an expression"
        }
        Rule::conditional | Rule::shared | Rule::list | Rule::tuple | Rule::number | Rule::truth => "an expression",
        Rule::float | Rule::integer => "an expression",
        Rule::name | Rule::label => "a name",
        Rule::pattern => "a name",
        Rule::param | Rule::params => "a parameter",
        Rule::argument => "an argument",
        Rule::arguments => "arguments in brackets: `(...)`",
        Rule::path => "a path in quotes",
        Rule::template | Rule::text | Rule::value => "a string",
        Rule::body => "`{ ... }`",
        Rule::comma => "`,`",
        Rule::pipe => "`|>`",
        Rule::plus | Rule::minus | Rule::times | Rule::over | Rule::modulo | Rule::compare | Rule::dots => {
            "an operator"
        }
        Rule::kw_and | Rule::kw_or | Rule::kw_not => "an operator",
        Rule::field | Rule::index => "`.` or `[`",
        Rule::kw_as => "`as`",
        Rule::kw_in => "`in`",
        Rule::kw_else => "`else`",
        Rule::EOI => "the end of the file",
        Rule::doc => return None,
        _ => return None,
    })
}
