//! What is checked before the grammar sees a text, so that no text can exhaust the stack or the patience.

use super::division::WHOLE_PART;
use crate::diagnostics::{Diagnostic, FileId, Span};

/// Largest text in bytes.
pub const MAX_BYTES: usize = 1 << 18;
/// Deepest nesting of brackets.
pub const MAX_NESTING: usize = 64;
/// Longest chain of `else if`.
const MAX_ELSE: usize = 64;

/// Checks size, nesting and that brackets match.
///
/// # Errors
/// The place where the text goes beyond a limit, or of a bracket without its partner.
pub fn check(file: FileId, text: &str) -> Result<(), Diagnostic> {
    let at = |start: usize, end: usize| Span { file, start: start as u32, end: end as u32 };
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::new(at(0, 0), "the file is too large")
            .found(format!("{} bytes", text.len()))
            .fits(format!("at most {MAX_BYTES} bytes")));
    }
    let mut open: Vec<(usize, u8)> = Vec::new();
    // How many `else` are in a row, in each bracket that is open and outside of all.
    let mut elses = vec![0_usize];
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'/' if bytes[i..].starts_with(b"//") => {
                i += text[i..].find('\n').unwrap_or(text.len() - i);
                continue;
            }
            b'"' => {
                let end = string_end(bytes, i);
                if bytes[end - 1] != b'"' || end == i + 1 {
                    return Err(Diagnostic::new(
                        at(i, i + text[i..end].trim_end().len()),
                        "this string is never closed",
                    )
                    .fits("`\"` at its end, on the same line"));
                }
                i = end;
                continue;
            }
            bracket @ (b'(' | b'[' | b'{') => {
                open.push((i, bracket));
                elses.push(0);
                if open.len() > MAX_NESTING {
                    return Err(Diagnostic::new(at(i, i + 1), "brackets are nested too deeply")
                        .found(format!("{} open brackets", open.len()))
                        .fits(format!("at most {MAX_NESTING}"))
                        .hint("move a part into a block or a binding of its own"));
                }
            }
            bracket @ (b')' | b']' | b'}') => {
                close(text, &mut open, i, bracket, at)?;
                elses.pop();
                let row = elses.last_mut().expect("the outermost stays");
                *row = if continues(&text[i + 1..]) { *row + 1 } else { 0 };
                if *row > MAX_ELSE {
                    return Err(Diagnostic::new(at(i, i + 1), "too many `else` in a row")
                        .fits(format!("at most {MAX_ELSE}"))
                        .hint("a list with one entry for each case, and an index: `widths[i]`"));
                }
            }
            _ => {}
        }
        i += 1;
    }
    match open.pop() {
        None => Ok(()),
        Some((start, bracket)) => {
            let error = Diagnostic::new(at(start, start + 1), "this bracket is never closed").fits(format!(
                "`{}` to match `{}`",
                partner(bracket) as char,
                bracket as char
            ));
            Err(closed_in_comment(error, text, start, bracket))
        }
    }
}

/// Whether `else` follows.
fn continues(text: &str) -> bool {
    let mut rest = text.trim_start();
    while rest.starts_with("//") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest.strip_prefix("else").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// One past the closing quote, or past the line; braces inside strings belong to templates and are checked by the grammar.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() && bytes[i] != b'"' && bytes[i] != b'\n' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

fn close(
    text: &str,
    open: &mut Vec<(usize, u8)>,
    i: usize,
    bracket: u8,
    at: impl Fn(usize, usize) -> Span,
) -> Result<(), Diagnostic> {
    match open.pop() {
        Some((_, start)) if partner(start) == bracket => Ok(()),
        Some((place, start)) => {
            let expected = partner(start) as char;
            let error = Diagnostic::new(
                at(i, i + 1),
                format!("`{}` closes a bracket that was not opened here", bracket as char),
            )
            .also(at(place, place + 1), "this one is open")
            .fits(format!("`{expected}`"));
            Err(closed_in_comment(error, text, place, start))
        }
        None => Err(Diagnostic::new(at(i, i + 1), format!("`{}` without an opening bracket", bracket as char))),
    }
}

/// Where what would close a bracket stands behind `//` on its line, as in `(n // 2)`, says so.
fn closed_in_comment(error: Diagnostic, text: &str, open: usize, bracket: u8) -> Diagnostic {
    let line = text[open..].lines().next().unwrap_or_default();
    match line.split_once("//") {
        Some((_, comment)) if comment.contains(partner(bracket) as char) => error.hint(WHOLE_PART),
        _ => error,
    }
}

fn partner(bracket: u8) -> u8 {
    match bracket {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
