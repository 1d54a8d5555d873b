//! Code, as tokens or as text.

use proc_macro2::TokenStream;

use super::literals::plain;

/// Items of a module: tokens where they use much of Rust and a printer lays them out; text where they are many and alike,
/// which takes a fraction of the time.
#[derive(Clone, Debug)]
pub enum Code {
    /// Item by item: trees of large networks as a whole would not stay in caches.
    Tokens(Vec<TokenStream>),
    /// Formatted.
    Text(String),
}

impl Code {
    /// Tokens, with numbers as people write them.
    pub fn of(items: impl IntoIterator<Item = TokenStream>) -> Self {
        Self::Tokens(items.into_iter().map(plain).collect())
    }

    /// For a macro.
    ///
    /// # Panics
    /// If the emitter wrote what is no Rust.
    pub fn tokens(self) -> TokenStream {
        match self {
            Self::Tokens(items) => items.into_iter().collect(),
            Self::Text(text) => text.parse().unwrap_or_else(|e| panic!("emitted code does not parse: {e}")),
        }
    }

    /// For a file: formatted, with blank lines between items.
    ///
    /// # Panics
    /// If the emitter wrote what is no Rust.
    pub fn text(self) -> String {
        let print = |item| {
            let file = syn::parse2(item).unwrap_or_else(|e| panic!("emitted code does not parse: {e}"));
            prettyplease::unparse(&file)
        };
        match self {
            Self::Tokens(items) => spaced(&items.into_iter().map(print).collect::<String>()),
            Self::Text(text) => text,
        }
    }
}

/// The printer puts items directly below each other; a blank line before each function, type and implementation reads
/// better.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = "";
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let starts = starts_item(line);
        let after_item = before.trim_start() == "}" && before.len() - before.trim_start().len() == indent;
        let apart = after_item && !line.trim_start().starts_with('}') && (indent == 0 || indent == 4 && starts);
        if apart || indent == 0 && starts && !before.is_empty() && !attached(before) && before != "}" {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
        before = line;
    }
    out
}

fn starts_item(line: &str) -> bool {
    let line = line.trim_start();
    ["///", "pub ", "fn ", "impl ", "#[", "enum "].iter().any(|start| line.starts_with(start))
}

/// Whether the next line belongs to this one: docs, attributes.
fn attached(line: &str) -> bool {
    line.starts_with("///") || line.starts_with("#[")
}
