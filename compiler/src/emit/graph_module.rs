//! The module of one graph: `inference` or `training`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;

use super::kernels::KernelBook;
use super::names::{Names, ident};
use super::steps::{StepWriter, WrittenStep};
use crate::graph::{Graph, Kind, Named, ValueId};
use crate::plan::{Area, Plan, Root};

/// A graph as a module of functions.
pub struct GraphModule<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its plan.
    pub plan: &'a Plan,
    names: &'a Names,
    prepare: Vec<WrittenStep>,
    run: Vec<WrittenStep>,
    fields: Vec<PassField>,
}

/// Something that a pass is given.
struct PassField {
    name: Ident,
    ty: TokenStream,
    doc: String,
}

impl<'a> GraphModule<'a> {
    /// Writes the steps; their kernels go into `book`.
    pub fn new(graph: &'a Graph, plan: &'a Plan, names: &'a Names, book: &mut KernelBook) -> Self {
        let mut writer = StepWriter::new(graph, plan, names, book);
        let prepare: Vec<WrittenStep> = plan.prepare.iter().map(|step| writer.write(step)).collect();
        let run: Vec<WrittenStep> = plan.run.iter().map(|step| writer.write(step)).collect();
        let mut module = Self { graph, plan, names, prepare, run, fields: Vec::new() };
        module.fields = module.pass_fields();
        module
    }

    /// Whether something is to be done after weights change.
    pub fn prepares(&self) -> bool {
        !self.prepare.is_empty()
    }

    /// Whether a pass is given this.
    pub fn takes(&self, name: &Ident) -> bool {
        self.fields.iter().any(|f| f.name == *name)
    }

    /// What a pass may be given, as far as a step makes use of it.
    fn pass_fields(&self) -> Vec<PassField> {
        let mut all = vec![
            (ident("n"), quote!(usize), "Number of images.".to_owned()),
            (ident("params"), quote!(&'a [f32]), "Weights and buffers.".to_owned()),
        ];
        for (input, name) in self.graph.inputs.iter().zip(&self.names.inputs) {
            all.push((name.clone(), quote!(&'a [f32]), format!("`{}`, image after image.", input.name)));
        }
        for (target, name) in self.graph.targets.iter().zip(&self.names.targets) {
            let ty = match self.graph.ty(target.value).kind {
                Kind::Class(_) => quote!(&'a [u32]),
                Kind::Float => quote!(&'a [f32]),
            };
            all.push((name.clone(), ty, format!("`{}`, image after image.", target.name)));
        }
        all.push((
            ident("dropout"),
            quote!(Option<(u64, u64)>),
            "Seed and step of dropout; `None` keeps every unit.".to_owned(),
        ));
        let steps = || self.prepare.iter().chain(&self.run);
        all.into_iter()
            .filter(|(name, ..)| steps().any(|s| reads_field(&s.tokens, "pass", name)))
            .map(|(name, ty, doc)| PassField { name, ty, doc: format!(" {doc}") })
            .collect()
    }

    /// The module's items; with `profile`, the pass notes when each step ends.
    pub fn tokens(&self, profile: bool) -> TokenStream {
        let steps: Vec<&TokenStream> = self.prepare.iter().chain(&self.run).map(|s| &s.tokens).collect();
        let params = steps.iter().any(|tokens| mentions(tokens, "params::")).then(|| quote!(params,));
        let (names, types, docs) = (
            self.fields.iter().map(|f| &f.name),
            self.fields.iter().map(|f| &f.ty),
            self.fields.iter().map(|f| &f.doc),
        );
        let prepare = self.prepares().then(|| {
            let names = self.prepare.iter().map(|s| &s.name);
            quote! {
                /// What follows from the weights alone, to be done once after they change.
                pub(super) fn prepare(memory: &mut rt::Memory, pass: &Pass<'_>) {
                    #(#names(memory, pass);)*
                }
            }
        });
        let run = self.run.iter().map(|s| &s.name);
        let (start, lap) = match profile {
            true => (quote!(memory.profile.start();), quote!(memory.profile.lap();)),
            false => (quote!(), quote!()),
        };
        quote! {
            use super::{kernels, #params rt};

            /// What a pass works on.
            pub(super) struct Pass<'a> {
                #(#[doc = #docs] pub(super) #names: #types,)*
            }

            #prepare

            /// All steps in order.
            pub(super) fn run(memory: &mut rt::Memory, pass: &Pass<'_>) {
                #start
                #(#run(memory, pass); #lap)*
            }

            #(#steps)*
        }
    }

    /// `Pass { n, params: &self.params, .. }` from variables in scope.
    pub fn pass_value(&self, module: &Ident) -> TokenStream {
        let fields = self.fields.iter().map(|f| &f.name).map(|name| match name.to_string().as_str() {
            "params" => quote!(params: &self.params),
            _ => quote!(#name),
        });
        quote!(#module::Pass { #(#fields),* })
    }

    /// The memory of a result, as an expression.
    pub fn result(&self, value: ValueId) -> TokenStream {
        let place = &self.plan.places[value.0 as usize];
        let Root::Buffer(index) = place.root else { unreachable!("results are materialized") };
        let buffer = &self.plan.buffers[index];
        let (start, end) = (buffer.offset + place.part.start, buffer.offset + place.part.end);
        match buffer.area {
            Area::Arena => {
                let (start, end) = (buffer.offset, buffer.offset + buffer.len);
                quote!(rt::view(&self.memory.arena, self.n, #start..#end))
            }
            Area::Fixed => quote!(&self.memory.fixed[#start..#end]),
            Area::Prepared => quote!(&self.memory.prepared[#start..#end]),
        }
    }

    /// Inputs that a pass is given, with their positions.
    pub fn inputs(&self) -> impl Iterator<Item = (usize, &'a Named)> + '_ {
        self.graph.inputs.iter().enumerate().filter(|(index, _)| self.takes(&self.names.inputs[*index]))
    }

    /// Targets that a pass is given, with their positions.
    pub fn targets(&self) -> impl Iterator<Item = (usize, &'a Named)> + '_ {
        self.graph.targets.iter().enumerate().filter(|(index, _)| self.takes(&self.names.targets[*index]))
    }
}

/// Whether `object.field` occurs.
fn reads_field(tokens: &TokenStream, object: &str, field: &Ident) -> bool {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let here = trees.windows(3).any(|w| {
        matches!(w, [TokenTree::Ident(a), TokenTree::Punct(dot), TokenTree::Ident(b)]
            if a == object && dot.as_char() == '.' && b == field)
    });
    here || trees.iter().any(|t| matches!(t, TokenTree::Group(g) if reads_field(&g.stream(), object, field)))
}

fn mentions(tokens: &TokenStream, text: &str) -> bool {
    let spaced = text.replace("::", " ::");
    tokens.to_string().contains(&spaced) || tokens.to_string().contains(text)
}
