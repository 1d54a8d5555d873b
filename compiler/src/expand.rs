//! What `net!` expands to.

use std::path::PathBuf;

use proc_macro2::{Span as TokenSpan, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};

use crate::compile::{Compiled, Failure, Options, compile};
use crate::diagnostics::{Diagnostic, SourceMap, render};
use crate::elaborate::Loader;
use crate::loader::Files;
use crate::syntax::tokens::{TokenMap, from_tokens};

/// The expansion of `net! { ... }` or `net!("path", name = value)`; mistakes become `compile_error!`s.
pub fn expand(input: TokenStream) -> TokenStream {
    let starts_with_text = matches!(input.clone().into_iter().next(), Some(TokenTree::Literal(_)));
    if starts_with_text {
        syn::parse2::<FileCall>(input).and_then(|call| call.expand()).unwrap_or_else(|e| e.to_compile_error())
    } else {
        expand_text(input)
    }
}

fn expand_text(input: TokenStream) -> TokenStream {
    let (text, map) = from_tokens(input);
    let mut sources = SourceMap::default();
    let entry = sources.add(package().join("net!"), text);
    match compile(sources, &Files, entry, &Options::default()) {
        Ok(compiled) => expansion(&compiled),
        Err(failure) => failure.diagnostics.iter().map(|d| at_token(&failure, d, &map, entry)).collect(),
    }
}

/// The mistake at its token; one in a file that the text uses is shown whole, at the start of the text.
fn at_token(
    failure: &Failure,
    diagnostic: &Diagnostic,
    map: &TokenMap,
    entry: crate::diagnostics::FileId,
) -> TokenStream {
    let span = diagnostic.span();
    if span.file == entry {
        error(map.span(span.start as usize..span.end as usize), &message(diagnostic))
    } else {
        error(TokenSpan::call_site(), &render(&failure.sources, std::slice::from_ref(diagnostic), false))
    }
}

fn error(span: TokenSpan, message: &str) -> TokenStream {
    quote_spanned!(span=> ::core::compile_error!(#message);)
}

/// A diagnostic without its place, which the compiler shows.
fn message(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.title.clone();
    if !diagnostic.code.is_empty() {
        text += &format!(" [{}]", diagnostic.code);
    }
    for (what, value) in [("found", &diagnostic.found), ("fits", &diagnostic.fits)] {
        if let Some(value) = value {
            text += &format!("\n{what}: {value}");
        }
    }
    for hint in &diagnostic.hints {
        text += &format!("\nhelp: {hint}");
    }
    text
}

/// The code, and a mention of every file that was read, so that cargo builds again when one changes.
fn expansion(compiled: &Compiled) -> TokenStream {
    let files = compiled.sources.files().map(|(_, path, _)| path).filter(|path| path.is_file());
    let files: Vec<String> = files.map(|path| path.display().to_string()).collect();
    let code = compiled.emit().expansion();
    quote::quote! {
        #(const _: &[u8] = ::core::include_bytes!(#files);)*
        #code
    }
}

/// The folder of the package that is being built.
fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from)
}

/// `"specs/lenet5.net", classes = 10`
struct FileCall {
    path: syn::LitStr,
    options: Options,
    /// Places of the values given, by name.
    set: Vec<(String, TokenSpan)>,
}

impl Parse for FileCall {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut call = Self { path: input.parse()?, options: Options::default(), set: Vec::new() };
        while !input.is_empty() {
            input.parse::<syn::Token![,]>()?;
            if input.is_empty() {
                break;
            }
            // A parameter may have the name of a keyword of Rust.
            let name = input.call(syn::Ident::parse_any)?;
            let flag = match name.to_string().as_str() {
                "exact" => Some(&mut call.options.exact),
                "infer_only" => Some(&mut call.options.infer_only),
                "input_gradients" => Some(&mut call.options.input_gradients),
                _ => None,
            };
            if let Some(flag) = flag.filter(|_| !input.peek(syn::Token![=])) {
                *flag = true;
                continue;
            }
            input.parse::<syn::Token![=]>()?;
            let value: TokenStream = std::iter::from_fn(|| {
                let more = !input.is_empty() && !input.peek(syn::Token![,]);
                more.then(|| input.parse::<TokenTree>())
            })
            .collect::<syn::Result<_>>()?;
            call.set.push((name.to_string(), name.span()));
            match syn::parse2::<syn::LitStr>(value.clone()) {
                Ok(text) if name == "net" => call.options.elaborate.net = Some(text.value()),
                _ => call.options.elaborate.set.push((name.to_string(), from_tokens(value).0.trim().to_owned())),
            }
        }
        Ok(call)
    }
}

impl FileCall {
    fn expand(&self) -> syn::Result<TokenStream> {
        let path = package().join(self.path.value());
        let mut sources = SourceMap::default();
        let text = Files.read(&path).map_err(|e| {
            let text =
                format!("cannot read `{}`: {e}\nhelp: paths are relative to the package's folder", self.path.value());
            syn::Error::new(self.path.span(), text)
        })?;
        let entry = sources.add(&path, text);
        match compile(sources, &Files, entry, &self.options) {
            Ok(compiled) => Ok(expansion(&compiled)),
            Err(failure) => Err(syn::Error::new(self.place(&failure), failure.render(false).trim_end())),
        }
    }

    /// The value that is at fault, or the path.
    fn place(&self, failure: &Failure) -> TokenSpan {
        let titles: Vec<&str> = failure.diagnostics.iter().map(|d| d.title.as_str()).collect();
        let blamed = self.set.iter().find(|(name, _)| titles.iter().any(|t| t.contains(&format!("`{name}`"))));
        blamed.map_or(self.path.span(), |(_, span)| *span)
    }
}
