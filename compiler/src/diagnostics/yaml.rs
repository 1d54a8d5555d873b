//! Mistakes in texts that are YAML: recipes and plan files.

use super::{Diagnostic, FileId, Span, nearest};

/// A text in YAML, for mistakes to point at.
#[derive(Clone, Copy, Debug)]
pub struct Yaml<'a> {
    /// The file.
    pub file: FileId,
    /// Its text.
    pub text: &'a str,
    /// What it is to users: `recipe`.
    pub what: &'static str,
    /// How a key that is missing would be written.
    pub example: fn(&str) -> &'static str,
}

impl Yaml<'_> {
    /// A range of the text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    /// A mistake that the YAML reader found: its message says what fits; the place is its own.
    pub fn unreadable(&self, error: &serde_yaml::Error) -> Diagnostic {
        let start = error.location().map_or(0, |l| l.index().min(self.text.len()));
        let start = (0..=start).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0);
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let unknown = message.split("unknown field `").nth(1).and_then(|t| t.split('`').next());
        if let Some(name) = unknown {
            let known: Vec<&str> =
                message.split("expected").nth(1).unwrap_or("").split('`').skip(1).step_by(2).collect();
            let place = self.key(name).unwrap_or_else(|| self.span(start, self.end_of_word(start)));
            let d = Diagnostic::new(place, format!("a {} has no `{name}` here", self.what)).fits(known.join(", "));
            return match nearest(name, known.iter().copied()) {
                Some(near) => d.hint(format!("did you mean `{near}`?")),
                None => d,
            };
        }
        if let Some(name) = message.split("duplicate field `").nth(1).and_then(|t| t.split('`').next()) {
            return self.twice(name, start);
        }
        let (field, found) = split(message);
        // What begins with a quotation is about what is quoted.
        let quoted = found.strip_prefix('`').and_then(|t| t.split('`').next());
        let quoted = quoted.and_then(|text| Some((self.text.find(text)?, text.len())));
        let place = match (quoted, field.rsplit('.').next().filter(|f| !f.is_empty()).and_then(|f| self.key(f))) {
            (Some((at, len)), _) => self.span(at, at + len),
            (None, Some(key)) => self.value(key),
            (None, None) => self.span(start, self.end_of_word(start)),
        };
        match message.split("missing field `").nth(1).and_then(|t| t.split('`').next()) {
            Some(missing) => {
                Diagnostic::new(place, format!("the {} needs `{missing}`", self.what)).fits((self.example)(missing))
            }
            None => self.misread(place, found),
        }
    }

    /// A key that stands twice in the section that begins here: shown are the first two as far from the start of their lines, which
    /// belong together.
    fn twice(&self, name: &str, start: usize) -> Diagnostic {
        let next = |key: &Span| self.key_from(name, key.end as usize);
        let keys: Vec<Span> = std::iter::successors(self.key_from(name, start), next).collect();
        let column = |key: &Span| self.text[..key.start as usize].rsplit('\n').next().map(str::len);
        let alike = |first: &Span| {
            Some((*first, keys.iter().find(|key| key.start > first.start && column(key) == column(first))?))
        };
        // In braces on one line they are one behind the other.
        let pair = keys.iter().find_map(alike).or_else(|| Some((*keys.first()?, keys.get(1)?)));
        let title = format!("the {} says `{name}` twice", self.what);
        match pair {
            Some((first, second)) => Diagnostic::new(*second, title).also(first, "the first time"),
            None => Diagnostic::new(self.at(name), title),
        }
        .fits("one of them")
    }

    /// A value of the wrong kind, in words that do not come from Rust.
    fn misread(&self, place: Span, message: &str) -> Diagnostic {
        let title = format!("the {} cannot be read", self.what);
        let Some((found, expected)) = message.rsplit_once(", expected ") else {
            return Diagnostic::new(place, title).found(message);
        };
        let unknown = found.strip_prefix("unknown variant `").map(|name| name.trim_end_matches('`'));
        let place = unknown.and_then(|name| self.key_from(name, place.start as usize)).unwrap_or(place);
        let d = Diagnostic::new(place, title).found(shortened(found)).fits(wanted(expected));
        let known = expected.split('`').skip(1).step_by(2);
        match unknown.and_then(|name| nearest(name, known)) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None => d,
        }
    }

    fn end_of_word(&self, start: usize) -> usize {
        let rest = &self.text[start..];
        start + rest.find(|c: char| c.is_whitespace() || [',', '}', ']'].contains(&c)).unwrap_or(rest.len())
    }

    /// The first place where a key stands.
    pub fn key(&self, name: &str) -> Option<Span> {
        self.key_from(name, 0)
    }

    /// The first place from a byte on where a key stands.
    pub fn key_from(&self, name: &str, mut from: usize) -> Option<Span> {
        if name.is_empty() {
            return None;
        }
        while let Some(at) = self.text[from..].find(name).map(|i| from + i) {
            let before = self.text[..at].chars().next_back();
            let after = self.text[at + name.len()..].trim_start();
            let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
            let in_comment = self.text[..at].rsplit('\n').next().is_some_and(|line| line.contains('#'));
            if starts && after.starts_with(':') && !in_comment {
                return Some(self.span(at, at + name.len()));
            }
            from = at + name.len();
        }
        None
    }

    /// What stands behind a key, to the end of its line.
    pub fn value(&self, key: Span) -> Span {
        let from = key.end as usize;
        let line = self.text[from..].split('\n').next().unwrap_or("");
        let value = line.trim_start_matches([':', ' ']);
        let value = value.split([',', '}', '#']).next().unwrap_or(value).trim_end();
        if value.is_empty() {
            return key;
        }
        let start = from + line.find(value).unwrap_or(0);
        self.span(start, start + value.len())
    }

    /// The value of the first key of a name, or the start of the text.
    pub fn at(&self, name: &str) -> Span {
        self.key(name).map_or_else(|| self.span(0, 0), |key| self.value(key))
    }
}

/// A message as the field that it is about and what it says. Of a wrong type the reader knows the very place, also where
/// there are several fields of that name.
fn split(message: &str) -> (&str, &str) {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    match kinds.iter().find_map(|kind| message.split_once(kind)) {
        Some((_, found)) => ("", found),
        None => message.rsplit_once(": ").unwrap_or(("", message)),
    }
}

/// What the YAML reader expected, as one would say it.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" => "a text",
        "path string" => "a path",
        "a sequence" => "a list: `[a, b]`",
        "newtype variant" | "struct variant" => "a name with what belongs to it: `{ name: { key: value } }`",
        "unit variant" => "a name alone",
        "a map" => "keys with values: `{ key: value }`",
        _ if expected.starts_with("struct ") => "keys with values: `{ key: value }`",
        _ => expected,
    }
}

/// The start of what was found: a text without colons is one long value to YAML.
fn shortened(found: &str) -> String {
    const MOST: usize = 80;
    match found.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &found[..end]),
        None => found.to_owned(),
    }
}
