//! Rust tokens as text: the front end of `net! { ... }`.
//!
//! The macro sees tokens, not text. They are written out again so that the one parser can read them, and each keeps its place
//! in that text, so that a mistake finds its way back to the token.

use std::ops::Range;

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};

/// Which token each part of the text came from.
#[derive(Clone, Debug, Default)]
pub struct TokenMap {
    tokens: Vec<(Range<usize>, Span)>,
}

impl TokenMap {
    /// The place in the Rust source of a range of the text.
    pub fn span(&self, range: Range<usize>) -> Span {
        let meets =
            |token: &&(Range<usize>, Span)| token.0.start < range.end.max(range.start + 1) && token.0.end > range.start;
        let mut inside = self.tokens.iter().filter(meets).map(|(_, span)| *span);
        let last = || self.tokens.iter().rev().find(|(r, _)| r.start <= range.start).map(|(_, span)| *span);
        let Some(first) = inside.next().or_else(last) else { return Span::call_site() };
        // Stable compilers join spans only where they can; the first token is where the mistake starts.
        inside.next_back().and_then(|end| first.join(end)).unwrap_or(first)
    }
}

/// The text of a token stream, and where its parts came from.
pub fn from_tokens(tokens: TokenStream) -> (String, TokenMap) {
    let mut writer = Writer::default();
    writer.stream(tokens);
    (writer.text, writer.map)
}

#[derive(Default)]
struct Writer {
    text: String,
    map: TokenMap,
    /// Where the token before ended, as far as it is known: line and column.
    end: Option<(usize, usize)>,
    /// Whether the next token follows without a space, whatever its place.
    glued: bool,
}

impl Writer {
    fn stream(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                // `/// text` arrives as `#[doc = "text"]`.
                TokenTree::Punct(hash) if hash.as_char() == '#' => match tokens.peek() {
                    Some(TokenTree::Group(group)) if doc_text(group).is_some() => {
                        let docs = doc_text(group).unwrap_or_default();
                        for line in docs.lines() {
                            self.text.push_str("\n///");
                            self.word(line, hash.span(), true);
                        }
                        self.text.push('\n');
                        self.end = None;
                        tokens.next();
                    }
                    _ => self.word("#", hash.span(), false),
                },
                TokenTree::Punct(punct) => {
                    self.word(&punct.as_char().to_string(), punct.span(), false);
                    self.glued = punct.spacing() == Spacing::Joint;
                }
                TokenTree::Ident(ident) => self.word(&ident.to_string(), ident.span(), false),
                TokenTree::Literal(literal) => self.word(&literal.to_string(), literal.span(), false),
                TokenTree::Group(group) => self.group(&group),
            }
        }
    }

    fn group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.word(open, group.span_open(), false);
        self.stream(group.stream());
        self.glued = false;
        self.word(close, group.span_close(), false);
    }

    /// Writes a token, behind a space or a line break where the source has one.
    fn word(&mut self, word: &str, span: Span, glued: bool) {
        let (start, end) = (span.start(), span.end());
        let glued = std::mem::replace(&mut self.glued, false) || glued;
        let adjacent = self.end == Some((start.line, start.column));
        if !glued && !adjacent && !self.text.is_empty() {
            let new_line = self.end.is_some_and(|(line, _)| line != start.line);
            self.text.push(if new_line { '\n' } else { ' ' });
        }
        let from = self.text.len();
        self.text.push_str(word);
        self.map.tokens.push((from..self.text.len(), span));
        self.end = Some((end.line, end.column));
    }
}

/// The text of `[doc = "..."]`.
fn doc_text(group: &Group) -> Option<String> {
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let [TokenTree::Ident(name), TokenTree::Punct(equals), text] = tokens.as_slice() else { return None };
    let text: TokenStream = std::iter::once(text.clone()).collect();
    let text: syn::LitStr = syn::parse2(text).ok()?;
    (name == "doc" && equals.as_char() == '=').then(|| text.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_way_through_tokens() {
        let text = "/// Docs.\nnet A(n = 3) {\n    input x: [1, 28]\n    y = x |> conv(6, 5, pad: 2) as \"a.{n}\" |> relu\n    z = -y\n    output z = a[0].channels\n}";
        let (written, _) = from_tokens(text.parse().expect("tokens"));
        // Indentation is not kept: nothing depends on it.
        let lines = |text: &str| text.lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(written.trim_start()), lines(text));
    }

    #[test]
    fn places_lead_back_to_tokens() {
        let (text, map) = from_tokens("alpha beta(gamma)".parse().expect("tokens"));
        let at = text.find("gamma").expect("it is there");
        assert_eq!(map.span(at..at + 5).start().column, 11);
    }
}
