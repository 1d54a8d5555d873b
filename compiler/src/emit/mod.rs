//! Plans as Rust code.
//!
//! Everything is decided before this stage: it writes down kernels (each text once), a function per step (what equal steps
//! do once), the functions that call them in order, and the network's interface. The same code becomes a crate on disk or
//! a macro's expansion.

mod api;
mod code;
mod files;
mod graph_module;
mod kernels;
mod layout;
mod literals;
mod names;
mod spec;
mod steps;

use proc_macro2::TokenStream;
use quote::quote;

use crate::graph::Graph;
use crate::plan::{ParamLayout, Plan};
use api::Api;
use graph_module::GraphModule;
use kernels::KernelBook;
use layout::indented;
use names::Names;
use spec::SpecWriter;

pub use code::Code;
pub use files::{CrateOptions, File, Runtime};
pub use names::{camel, module as short_name, snake};
pub use steps::grouped;

/// The code of a network.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The type's name, `LeNet5`.
    pub type_name: String,
    /// The module's (and crate's) name, `lenet5`.
    pub module_name: String,
    /// The interface.
    pub api: Code,
    /// The static `SPEC`.
    pub spec: Code,
    /// Submodules in the order in which they are declared.
    pub modules: Vec<Module>,
}

/// A submodule of a network.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name.
    pub name: &'static str,
    /// Its doc line.
    pub doc: &'static str,
    /// What is in it.
    pub code: Code,
}

impl Module {
    fn new(name: &'static str, doc: &'static str, code: Code) -> Self {
        Self { name, doc, code }
    }
}

/// A graph with its plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The graph.
    pub graph: Graph,
    /// How it is run.
    pub plan: Plan,
}

/// Emits a network; `training` is absent from deployment-only code. With `profile`, passes note when each step ends.
pub fn emit(graph: &Graph, inference: &Planned, training: Option<&Planned>, profile: bool) -> Emitted {
    let params = ParamLayout::of(graph);
    let names = Names::of(graph);
    let mut book = KernelBook::default();
    let infer = GraphModule::new(&inference.graph, &inference.plan, &names, &mut book, training.is_none());
    let train = training.map(|t| GraphModule::new(&t.graph, &t.plan, &names, &mut book, false));
    let api = Api { graph, names: &names, params: &params, inference: &infer, training: train.as_ref() };
    let spec = SpecWriter { graph, names: &names, params: &params, inference: &infer, trains: train.is_some() };
    let mut modules = vec![
        Module::new("params", "Where each weight is in the parameter vector.", spec.constants()),
        Module::new("kernels", "One function for each distinct kernel.", book.code()),
        Module::new(
            "inference",
            "The forward pass for deployment: batch-norm folded, dropout gone.",
            infer.code(profile),
        ),
    ];
    if let Some(train) = &train {
        modules.push(Module::new("training", "The forward and the backward pass.", train.code(profile)));
    }
    Emitted {
        type_name: api.name().to_string(),
        module_name: names::module(&graph.name),
        api: Code::of(api.items()),
        spec: spec.code(),
        modules,
    }
}

impl Emitted {
    /// The expansion of `net!`: a module of the network's name, and its type beside it.
    pub fn expansion(self) -> TokenStream {
        let (module, ty) = (names::ident(&self.module_name), names::ident(&self.type_name));
        let content = self.inline();
        quote! {
            #[doc(inline)]
            pub use #module::#ty;
            /// The network, as compiled by cnnc.
            pub mod #module {
                #content
            }
        }
    }

    /// The interface with the submodules inside, as one stream.
    fn inline(self) -> TokenStream {
        let modules = self.modules.into_iter().map(|Module { name, doc, code }| {
            let (name, doc, code) = (names::ident(name), format!(" {doc}"), code.tokens());
            quote! {
                #[doc = #doc]
                mod #name {
                    #code
                }
            }
        });
        let (api, spec) = (self.api.tokens(), self.spec.tokens());
        quote! {
            use ::cnnc_runtime as rt;
            #(#modules)*
            #api
            #spec
        }
    }

    /// The same as formatted text, for a file that is a module of another crate.
    pub fn inline_text(self) -> String {
        let module =
            |Module { name, doc, code }: Module| format!("/// {doc}\nmod {name} {{\n{}}}\n\n", indented(&code.text()));
        let modules: String = self.modules.into_iter().map(module).collect();
        format!("use ::cnnc_runtime as rt;\n\n{modules}{}\n{}", self.api.text(), self.spec.text())
    }
}
