//! What is checked before the grammar sees a text, so that no text can exhaust the stack or the patience.

use crate::diagnostics::{Diagnostic, FileId, Span};

/// Largest text in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of brackets.
pub const MAX_NESTING: usize = 64;

/// Checks size, nesting and that brackets match.
pub fn check(file: FileId, text: &str) -> Result<(), Diagnostic> {
    let at = |start: usize, end: usize| Span { file, start: start as u32, end: end as u32 };
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::new(at(0, 0), "the file is too large")
            .found(format!("{} bytes", text.len()))
            .fits(format!("at most {MAX_BYTES} bytes")));
    }
    let mut open: Vec<(usize, u8)> = Vec::new();
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'/' if bytes[i..].starts_with(b"//") => {
                i += text[i..].find('\n').unwrap_or(text.len() - i);
                continue;
            }
            b'"' => {
                i = string_end(bytes, i);
                continue;
            }
            bracket @ (b'(' | b'[' | b'{') => {
                open.push((i, bracket));
                if open.len() > MAX_NESTING {
                    return Err(Diagnostic::new(at(i, i + 1), "brackets are nested too deeply")
                        .found(format!("{} open brackets", open.len()))
                        .fits(format!("at most {MAX_NESTING}"))
                        .hint("move a part into a block or a binding of its own"));
                }
            }
            bracket @ (b')' | b']' | b'}') => close(&mut open, i, bracket, at)?,
            _ => {}
        }
        i += 1;
    }
    match open.pop() {
        None => Ok(()),
        Some((start, bracket)) => Err(Diagnostic::new(at(start, start + 1), "this bracket is never closed")
            .fits(format!("`{}` to match `{}`", partner(bracket) as char, bracket as char))),
    }
}

/// One past the closing quote; braces inside strings belong to templates and are checked by the grammar.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() && bytes[i] != b'"' && bytes[i] != b'\n' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

fn close(
    open: &mut Vec<(usize, u8)>,
    i: usize,
    bracket: u8,
    at: impl Fn(usize, usize) -> Span,
) -> Result<(), Diagnostic> {
    match open.pop() {
        Some((_, start)) if partner(start) == bracket => Ok(()),
        Some((place, start)) => {
            let expected = partner(start) as char;
            Err(Diagnostic::new(
                at(i, i + 1),
                format!("`{}` closes a bracket that was not opened here", bracket as char),
            )
            .also(at(place, place + 1), "this one is open")
            .fits(format!("`{expected}`")))
        }
        None => Err(Diagnostic::new(at(i, i + 1), format!("`{}` without an opening bracket", bracket as char))),
    }
}

fn partner(bracket: u8) -> u8 {
    match bracket {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
