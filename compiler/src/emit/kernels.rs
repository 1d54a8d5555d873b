//! The kernels of a network, each text once.

use std::collections::HashMap;
use std::fmt::Write;
use std::mem::{Discriminant, discriminant};
use std::rc::Rc;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::code::Code;
use super::names::Unique;
use crate::graph::{Kind, Type};
use crate::ops::{Kernel, Split};

/// Collects the kernels that steps ask for.
#[derive(Debug, Default)]
pub struct KernelBook {
    names: Unique,
    /// By name, how work reaches a function, and types of operands and body.
    by_text: HashMap<(String, Discriminant<Split>, String), usize>,
    /// By kernel and whether it works in place: steps of one plan share equal kernels.
    known: HashMap<(*const Kernel, bool), usize>,
    functions: Vec<Function>,
}

/// A kernel function: its name and which of its possible parameters it has.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Ident,
    /// Whether it takes the instruction set.
    pub isa: bool,
    /// Whether it takes the index of its share: `piece`, `images`, `first`.
    pub share: bool,
    /// Which operands it takes.
    pub operands: Vec<bool>,
    /// Whether it takes working memory.
    pub scratch: bool,
    /// Whether it takes the state of dropout.
    pub dropout: bool,
    tokens: TokenStream,
}

impl KernelBook {
    /// The function for a kernel on operands of these types.
    pub fn function(&mut self, kernel: &Rc<Kernel>, in_place: bool, inputs: &[&Type]) -> Function {
        let key = (Rc::as_ptr(kernel), in_place);
        let index = match self.known.get(&key) {
            Some(index) => *index,
            None => self.by_text(kernel, in_place, inputs),
        };
        self.known.insert(key, index);
        self.functions[index].clone()
    }

    /// The place of the function with the text of a kernel.
    fn by_text(&mut self, kernel: &Kernel, in_place: bool, inputs: &[&Type]) -> usize {
        let body = match &kernel.in_place_body {
            Some(body) if in_place => body,
            _ => &kernel.body,
        };
        let types: Vec<&str> = inputs.iter().map(|ty| parameter_type(kernel.split, ty)).collect();
        let name = if in_place { format!("{}_in_place", kernel.name) } else { kernel.name.clone() };
        let mut text = types.join(", ");
        let start = text.len();
        write!(text, " {body}").expect("strings take all");
        let text = (name, discriminant(&kernel.split), text);
        if let Some(index) = self.by_text.get(&text) {
            return *index;
        }
        let name = self.names.take(&super::names::snake(&text.0));
        let function = make(name, kernel, body, &types, &text.2[start..]);
        self.by_text.insert(text, self.functions.len());
        self.functions.push(function);
        self.functions.len() - 1
    }

    /// The module's code: all functions.
    pub fn code(self) -> Code {
        let imports = quote! {
            use super::rt;
        };
        Code::of([imports].into_iter().chain(self.functions.into_iter().map(|f| f.tokens)))
    }
}

/// How an operand reaches a kernel, see [`Split`].
fn parameter_type(split: Split, ty: &Type) -> &'static str {
    match (split, ty.kind, ty.batched) {
        (Split::Images | Split::Strips(_), Kind::Class(_), _) if ty.shape.is_empty() => "u32",
        (_, Kind::Class(_), _) => "&[u32]",
        (Split::Images | Split::Strips(_), Kind::Float, _) | (_, Kind::Float, false) => "&[f32]",
        (_, Kind::Float, true) => "rt::Batch<'_>",
    }
}

fn make(name: Ident, kernel: &Kernel, body: &TokenStream, types: &[&str], text: &str) -> Function {
    let used = |name: &str| mentions(text, name);
    let operands: Vec<bool> = (0..types.len()).map(|i| used(&format!("x{i}"))).collect();
    let share = match kernel.split {
        Split::Images | Split::Strips(_) => Some(("image", quote!(usize))),
        Split::Pieces(_) => Some(("piece", quote!(usize))),
        Split::Groups => Some(("images", quote!(core::ops::Range<usize>))),
        Split::Blocks(_) => Some(("first", quote!(usize))),
        // They say which images they have.
        Split::Rectangles { .. } | Split::Stacks { .. } => None,
    };
    let share = share.filter(|(name, _)| used(name));
    let (isa, scratch) = (used("isa"), used("scratch"));
    let dropout = used("dropout");
    let mut params = Vec::new();
    if isa {
        params.push(quote!(isa: rt::Isa));
    }
    if dropout {
        params.push(quote!(dropout: Option<rt::Dropout>));
    }
    if let Some((share_name, share_type)) = &share {
        let share_name = format_ident!("{share_name}");
        params.push(quote!(#share_name: #share_type));
    }
    for (index, ty) in types.iter().enumerate().filter(|(i, _)| operands[*i]) {
        let operand = format_ident!("x{index}");
        let ty: TokenStream = ty.parse().expect("a type");
        params.push(quote!(#operand: #ty));
    }
    params.push(match kernel.split {
        Split::Strips(_) | Split::Rectangles { .. } => quote!(y: &mut rt::Strip<'_>),
        Split::Stacks { .. } => quote!(y: &mut rt::Stack<'_>),
        _ => quote!(y: &mut [f32]),
    });
    if scratch {
        params.push(quote!(scratch: &mut [f32]));
    }
    let allow = many_arguments(params.len(), "operand of the layer");
    // Shapes are code, not links.
    let docs: Vec<String> = kernel.docs.iter().map(|d| d.replace('[', "`[").replace(']', "]`")).collect();
    let tokens = quote! {
        #(#[doc = #docs])*
        #allow
        pub(super) fn #name(#(#params),*) {
            #body
        }
    };
    Function { name, isa, share: share.is_some(), operands, scratch, dropout, tokens }
}

/// Excuses a function for the number of its parameters: there is one for each of something.
pub(super) fn many_arguments(count: usize, what: &str) -> Option<TokenStream> {
    let reason = format!("one for each {what}");
    (count > 7).then(|| quote!(#[allow(clippy::too_many_arguments, reason = #reason)]))
}

/// Whether a name occurs in the text of a body, which is quicker looked through than its tokens are.
fn mentions(body: &str, name: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    body.match_indices(name).any(|(at, _)| {
        let (before, behind) = (&body[..at], &body[at + name.len()..]);
        !before.ends_with(in_word) && !behind.starts_with(in_word)
    })
}
