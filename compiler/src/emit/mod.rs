//! Plans as Rust code.
//!
//! Everything is decided before this stage: it writes down kernels (each text once), a function per step, the functions
//! that call them in order, and the network's interface. The same tokens become a crate on disk or a macro's expansion.

mod api;
mod files;
mod graph_module;
mod kernels;
mod literals;
mod names;
mod steps;

use proc_macro2::TokenStream;
use quote::quote;

use crate::graph::Graph;
use crate::plan::{ParamLayout, Plan};
use api::Api;
use graph_module::GraphModule;
use kernels::KernelBook;
use names::Names;

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
    pub api: TokenStream,
    /// Submodules by name, in the order in which they are declared.
    pub modules: Vec<(&'static str, &'static str, TokenStream)>,
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
    let infer = GraphModule::new(&inference.graph, &inference.plan, &names, &mut book);
    let train = training.map(|t| GraphModule::new(&t.graph, &t.plan, &names, &mut book));
    let api = Api { graph, names: &names, params: &params, inference: &infer, training: train.as_ref() };
    let functions = book.tokens();
    let kernels = quote! {
        use super::rt;
        #functions
    };
    let mut modules = vec![
        ("params", "Where each weight is in the parameter vector.", api.param_constants()),
        ("kernels", "One function for each distinct kernel.", kernels),
        ("inference", "The forward pass for deployment: batch-norm folded, dropout gone.", infer.tokens(profile)),
    ];
    if let Some(train) = &train {
        modules.push(("training", "The forward and the backward pass.", train.tokens(profile)));
    }
    for (_, _, tokens) in &mut modules {
        *tokens = literals::plain(tokens.clone());
    }
    Emitted {
        type_name: api.name().to_string(),
        module_name: names::module(&graph.name),
        api: literals::plain(api.tokens()),
        modules,
    }
}

impl Emitted {
    /// The expansion of `net!`: a module of the network's name, and its type beside it.
    pub fn expansion(&self) -> TokenStream {
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

    /// [`inline`](Self::inline) as formatted text, for a file that is a module of another crate.
    pub fn inline_text(&self) -> String {
        files::pretty(self.inline())
    }

    /// The interface with the submodules inside, as one stream.
    pub fn inline(&self) -> TokenStream {
        let modules = self.modules.iter().map(|(name, doc, tokens)| {
            let (name, doc) = (names::ident(name), format!(" {doc}"));
            quote! {
                #[doc = #doc]
                mod #name {
                    #tokens
                }
            }
        });
        let api = &self.api;
        quote! {
            use ::cnnc_runtime as rt;
            #(#modules)*
            #api
        }
    }
}
