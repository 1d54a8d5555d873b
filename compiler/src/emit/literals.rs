//! Numbers as people write them.

use proc_macro2::{Group, Literal, TokenStream, TokenTree};

/// `quote!` writes `64usize` and `1f32`; this makes `64` and `1.0` of them.
pub fn plain(tokens: TokenStream) -> TokenStream {
    let one = |tree: TokenTree| match tree {
        TokenTree::Group(group) => {
            let (delimiter, span, stream) = (group.delimiter(), group.span(), group.stream());
            // A stream without other owners is taken apart, not copied.
            drop(group);
            let mut new = Group::new(delimiter, plain(stream));
            new.set_span(span);
            TokenTree::Group(new)
        }
        TokenTree::Literal(literal) => TokenTree::Literal(unsuffixed(literal)),
        other => other,
    };
    tokens.into_iter().map(one).collect()
}

fn unsuffixed(literal: Literal) -> Literal {
    let text = literal.to_string();
    if let Some(Ok(number)) = text.strip_suffix("usize").map(str::parse) {
        return Literal::usize_unsuffixed(number);
    }
    if let Some(Ok(number)) = text.strip_suffix("f32").map(str::parse) {
        return Literal::f32_unsuffixed(number);
    }
    literal
}
