//! Where a recipe says something: keys of its own, not those of the same name within others, and items of lists.

use std::ops::Range;

use super::page::Page;
use crate::diagnostics::Span;

impl Page<'_> {
    /// A key of the recipe itself; the start where there is none.
    pub(super) fn top(&self, key: &str) -> Span {
        let text = self.yaml.text;
        let is = |at: &usize| {
            (*at == 0 || text[..*at].ends_with('\n')) && text[at + key.len()..].trim_start().starts_with(':')
        };
        match text.match_indices(key).map(|(at, _)| at).find(is) {
            Some(at) => self.yaml.span(at, at + key.len()),
            // Not at the start of a line, as in a recipe in braces.
            None => self.yaml.key(key).unwrap_or_else(|| self.yaml.span(0, 0)),
        }
    }

    /// What stands behind a key of the recipe itself, up to the next one.
    pub(super) fn section(&self, key: &str) -> Span {
        let start = self.top(key).end as usize;
        let text = &self.yaml.text[start..];
        let ends = |(at, _): &(usize, &str)| text[at + 1..].starts_with(|c: char| c.is_alphabetic() || c == '"');
        let end = text.match_indices('\n').find(ends).map_or(text.len(), |(at, _)| at);
        self.yaml.span(start, start + end)
    }

    /// The value of a key, there in the text.
    pub(super) fn value_in(&self, place: Span, key: &str) -> Option<Span> {
        let key = self.yaml.key_from(key, place.start as usize).filter(|key| key.end <= place.end)?;
        Some(self.yaml.value(key))
    }

    /// The item of this number, from 0, of the list behind a key of the recipe itself; that key where it is not found.
    pub(super) fn item(&self, key: &str, number: usize) -> Span {
        let Span { start, end, .. } = self.section(key);
        let (start, end) = (start as usize, end as usize);
        match items(&self.yaml.text[start..end]).get(number) {
            Some(item) => self.yaml.span(start + item.start, start + item.end),
            None => self.top(key),
        }
    }
}

/// The items of a list behind the colon of a key: in brackets, or each behind a dash.
fn items(text: &str) -> Vec<Range<usize>> {
    let mut said = said(text).into_iter().skip_while(|said| said.c != ':').skip(1).peekable();
    let Some(first) = said.peek().copied().filter(|first| matches!(first.c, '[' | '-')) else { return Vec::new() };
    let indent = |said: Said| text[..said.at].rsplit('\n').next();
    let (mut items, mut item, mut depth) = (Vec::new(), None, 0);
    for said in said {
        match said.c {
            '[' | '{' if said.plain => depth += 1,
            ']' | '}' if said.plain => depth -= 1,
            _ => (),
        }
        let parts = match first.c {
            '-' => said.c == '-' && said.plain && indent(said) == indent(first),
            _ => said.at == first.at || depth == 0 || (depth == 1 && said.c == ',' && said.plain),
        };
        if parts {
            items.extend(item.take());
        } else {
            let end = said.at + said.c.len_utf8();
            item = Some(item.map_or(said.at, |item: Range<usize>| item.start)..end);
        }
        if depth == 0 && first.c == '[' {
            break;
        }
    }
    items.extend(item);
    items
}

/// A character that is no blank, and not in a comment.
#[derive(Clone, Copy)]
struct Said {
    at: usize,
    c: char,
    /// Whether it is not quoted.
    plain: bool,
}

fn said(text: &str) -> Vec<Said> {
    let (mut all, mut quote, mut comment, mut before) = (Vec::new(), None, false, ' ');
    for (at, c) in text.char_indices() {
        let begins = before.is_whitespace() || "[{,:'\"".contains(before);
        match quote {
            // As in `don't`, a quotation mark within a word is none.
            None if !comment && begins && matches!(c, '"' | '\'') => quote = Some(c),
            None => comment = if comment { c != '\n' } else { c == '#' && before.is_whitespace() },
            Some(mark) if c == mark && before != '\\' => {
                all.push(Said { at, c, plain: false });
                (quote, before) = (None, c);
                continue;
            }
            Some(_) => (),
        }
        if !comment && !c.is_whitespace() {
            all.push(Said { at, c, plain: quote.is_none() });
        }
        before = c;
    }
    all
}
