//! The network's own type: its interface, typed by the shapes and names of the specification.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::graph_module::GraphModule;
use super::kernels::many_arguments;
use super::names::{Names, camel, ident};
use crate::graph::{Graph, Kind, Named, Type};
use crate::plan::ParamLayout;

/// What the interface is made of.
pub struct Api<'a> {
    /// The graph as elaborated: names and shapes.
    pub graph: &'a Graph,
    /// What it calls what the specification names.
    pub names: &'a Names,
    /// Where parameters are.
    pub params: &'a ParamLayout,
    /// The inference half.
    pub inference: &'a GraphModule<'a>,
    /// The training half, where there is one.
    pub training: Option<&'a GraphModule<'a>>,
}

impl Api<'_> {
    /// The struct, its methods, and its implementation of `rt::Network`.
    pub fn items(&self) -> Vec<TokenStream> {
        vec![self.structure(), self.outputs(), self.methods(), self.network()]
    }

    fn structure(&self) -> TokenStream {
        let (name, docs) = (self.name(), &self.graph.docs);
        let docs: Vec<String> = docs.iter().map(|d| format!(" {d}")).collect();
        let prepared = self.inference.prepares().then(|| {
            quote! {
                /// Whether what follows from the weights is up to date.
                prepared: bool,
            }
        });
        quote! {
            #(#[doc = #docs])*
            pub struct #name {
                params: rt::Params,
                memory: rt::Memory,
                /// Number of images of the last pass.
                n: usize,
                /// Which pass it was: outputs are where it left them.
                last: rt::Mode,
                #prepared
            }
        }
    }

    /// The type's name.
    pub fn name(&self) -> Ident {
        ident(&camel(&self.graph.name))
    }

    fn len(&self, named: &Named) -> usize {
        self.graph.ty(named.value).len()
    }

    /// `[f32; 784]` with the shape in its doc line.
    fn image_type(&self, named: &Named) -> TokenStream {
        let len = self.len(named);
        quote!([f32; #len])
    }

    /// The structs that outputs are returned in.
    fn outputs(&self) -> TokenStream {
        let fields = |batch: bool| -> Vec<TokenStream> {
            let field = |(output, name): (&Named, &Ident)| {
                let ty = self.image_type(output);
                let own: Vec<String> = output.docs.iter().map(|d| format!(" {d}")).collect();
                let shape = crate::graph::show_shape(&self.graph.ty(output.value).shape);
                let doc = if batch { format!(" `{shape}`, one per image.") } else { format!(" `{shape}`.") };
                let ty = if batch { quote!([#ty]) } else { ty };
                quote! {
                    #(#[doc = #own])*
                    #[doc = #doc]
                    pub #name: &'a #ty
                }
            };
            self.graph.outputs.iter().zip(&self.names.outputs).map(field).collect()
        };
        let (one, many) = (fields(false), fields(true));
        quote! {
            /// What the network says of one image.
            #[derive(Clone, Copy, Debug)]
            pub struct Output<'a> { #(#one),* }

            /// What the network says of a batch.
            #[derive(Clone, Copy, Debug)]
            pub struct Outputs<'a> { #(#many),* }
        }
    }

    fn methods(&self) -> TokenStream {
        let name = self.name();
        let (construct, infer, train) = (self.construction(), self.inference_methods(), self.training_methods());
        quote! {
            impl #name {
                #construct
                #infer
                #train
            }
        }
    }

    fn construction(&self) -> TokenStream {
        let sizes = self.sizes();
        let prepared = self.inference.prepares().then(|| quote!(, prepared: false));
        quote! {
            /// A network with random weights that works on one image at a time, on all cores.
            pub fn new(seed: u64) -> Self {
                Self::with_options(&rt::Options { seed, ..rt::Options::default() })
            }

            /// A network with random weights or blank ones: seed, largest batch, threads and instruction set as the options say.
            ///
            /// All memory is allocated here.
            pub fn with_options(options: &rt::Options) -> Self {
                let params = rt::Params::new(&SPEC, options);
                let memory = rt::Memory::new(options, &#sizes);
                Self { params, memory, n: 0, last: rt::Mode::Inference #prepared }
            }

            /// A weight or buffer by its name in the specification, such as `conv1.weight`, if weights are kept.
            pub fn param(&self, name: &str) -> Option<&[f32]> {
                SPEC.param(name).and_then(|param| self.params.kept().get(param.range.clone()))
            }

            /// A weight or buffer by name, to be written, likewise.
            pub fn param_mut(&mut self, name: &str) -> Option<&mut [f32]> {
                let range = SPEC.param(name)?.range.clone();
                self.params.kept().get(range.clone())?;
                Some(&mut rt::Network::params_mut(self)[range])
            }
        }
    }

    fn sizes(&self) -> TokenStream {
        let i = self.inference.plan.sizes;
        let t = self.training.map(|t| t.plan.sizes).unwrap_or_default();
        let apart = self.inference.plan.front.as_ref().map(|front| (i.arena, front.floats, front.rest));
        let (front, kept, batch) = apart.unwrap_or((0, 0, i.arena));
        let (arena, fixed, prepared) = (batch.max(t.arena), i.fixed.max(t.fixed), i.prepared);
        let (scratch, partials) = (i.scratch.max(t.scratch), i.partials.max(t.partials));
        let gradients = if self.training.is_some() { self.params.trained } else { 0 };
        let (late, piece) = self.training.map_or((0, 0), |t| (t.plan.behind.late_floats, t.plan.behind.piece));
        quote! {
            rt::Sizes {
                arena: #arena,
                front: #front,
                kept: #kept,
                fixed: #fixed,
                prepared: #prepared,
                gradients: #gradients,
                late: #late,
                piece: #piece,
                scratch: #scratch,
                partials: #partials,
            }
        }
    }

    /// `image: &[f32; 784], ...` and how they become slices.
    fn inference_methods(&self) -> TokenStream {
        let (names, types): (Vec<&Ident>, Vec<TokenStream>) =
            self.inference_inputs().map(|(name, input)| (name, self.image_type(input))).unzip();
        let outputs = &self.names.outputs;
        let shapes = self.shapes_doc();
        let (prepare, pass) = (self.prepare_call(), self.inference.pass_value(&ident("inference")));
        let n = self.inference.takes(&ident("n")).then(|| quote!(let n = count;));
        let dropout = self.inference.takes(&ident("dropout")).then(|| quote!(let dropout = None;));
        let first = names.first();
        let all_inputs = self.all_inputs();
        let allow = many_arguments(names.len() + 2, "input");
        quote! {
            /// The forward pass over one image.
            ///
            #[doc = #shapes]
            #allow
            pub fn infer(&mut self, #(#names: &#types),*) -> Output<'_> {
                self.run_inference(1, #(#names),*);
                let outputs = self.outputs();
                Output { #(#outputs: &outputs.#outputs[0]),* }
            }

            /// The forward pass over a batch: no more images than the network was constructed for.
            ///
            #[doc = #shapes]
            #allow
            pub fn infer_batch(&mut self, #(#names: &[#types]),*) -> Result<Outputs<'_>, rt::Error> {
                let count = #first.len();
                #(let #names = #names.as_flattened();)*
                rt::check_inputs(&SPEC, self.memory.capacity(), count, &[#(#all_inputs),*])?;
                self.run_inference(count, #(#names),*);
                Ok(self.outputs())
            }

            /// The outputs of the last pass.
            pub fn outputs(&self) -> Outputs<'_> {
                Outputs { #(#outputs: rt::Network::output(self, OutputIndex::#outputs as usize).as_chunks().0),* }
            }

            #allow
            fn run_inference(&mut self, count: usize, #(#names: &[f32]),*) {
                #n
                #dropout
                #prepare
                inference::run(&mut self.memory, &#pass);
                self.n = count;
                self.last = rt::Mode::Inference;
            }
        }
    }

    /// The inputs that inference needs.
    fn inference_inputs(&self) -> impl Iterator<Item = (&Ident, &Named)> {
        self.inference.inputs().map(|(index, _)| (&self.names.inputs[index], &self.graph.inputs[index]))
    }

    /// Every input in order: the given ones, and nothing for those that inference does not need.
    fn all_inputs(&self) -> Vec<TokenStream> {
        let given = |name: &Ident| if self.inference.takes(name) { quote!(#name) } else { quote!(&[]) };
        self.names.inputs.iter().map(given).collect()
    }

    fn shapes_doc(&self) -> String {
        let shape = |(name, input): (&Ident, &Named)| format!("`{name}` is `{}`", self.graph.ty(input.value));
        let shapes: Vec<String> = self.inference_inputs().map(shape).collect();
        format!(" {}, row-major.", shapes.join(", "))
    }

    fn prepare_call(&self) -> Option<TokenStream> {
        self.inference.prepares().then(|| {
            quote! {
                if !self.prepared {
                    inference::prepare(&mut self.memory, &mut self.params);
                    self.prepared = true;
                }
            }
        })
    }

    fn training_methods(&self) -> Option<TokenStream> {
        let training = self.training?;
        let (inputs, targets) = (&self.graph.inputs, &self.graph.targets);
        let (input_names, target_names) = (&self.names.inputs, &self.names.targets);
        let names: Vec<&Ident> = input_names.iter().chain(target_names).collect();
        let images: Vec<TokenStream> = inputs.iter().map(|i| self.image_type(i)).collect();
        let classes = targets.iter().map(|t| {
            let ty = self.graph.ty(t.value);
            match (ty.kind, ty.len()) {
                (Kind::Class(_), _) if ty.shape.is_empty() => quote!(u32),
                (Kind::Class(_), len) => quote!([u32; #len]),
                (Kind::Float, _) => self.image_type(t),
            }
        });
        let types: Vec<TokenStream> = images.iter().cloned().chain(classes).collect();
        let target_values: Vec<TokenStream> = targets
            .iter()
            .zip(target_names)
            .map(|(t, name)| match self.graph.ty(t.value) {
                Type { kind: Kind::Class(_), shape, .. } if shape.is_empty() => quote!(rt::Targets::Classes(#name)),
                Type { kind: Kind::Class(_), .. } => quote!(rt::Targets::Classes(#name.as_flattened())),
                Type { kind: Kind::Float, .. } => quote!(rt::Targets::Floats(#name.as_flattened())),
            })
            .collect();
        let first = names.first();
        let run = self.run_training(training);
        let allow = many_arguments(names.len() + 3, "input and target");
        Some(quote! {
            /// Forward and backward over a batch: returns the loss and leaves the gradients, see
            /// [`gradient`](Self::gradient).
            #allow
            pub fn forward_backward(&mut self, #(#names: &[#types],)* dropout: Option<(u64, u64)>) -> Result<f32, rt::Error> {
                let count = #first.len();
                rt::Network::train(self, count, &[#(#input_names.as_flattened()),*], &[#(#target_values),*], dropout)
            }

            /// One training step: forward, backward, update. Returns the loss before the update.
            #allow
            pub fn train_step(&mut self, #(#names: &[#types],)* optimizer: &mut rt::Optimizer) -> Result<f32, rt::Error> {
                let count = #first.len();
                optimizer.train_step(self, count, &[#(#input_names.as_flattened()),*], &[#(#target_values),*])
            }

            /// The gradient of a trained weight after the last pass of training, where gradients are kept.
            pub fn gradient(&self, name: &str) -> Option<&[f32]> {
                SPEC.param(name).and_then(|param| self.memory.kept_gradients().get(param.range.clone()))
            }

            #run
        })
    }

    fn run_training(&self, training: &GraphModule<'_>) -> TokenStream {
        let inputs = training.inputs().map(|(index, _)| {
            let name = &self.names.inputs[index];
            quote!(#name: &[f32])
        });
        let targets = training.targets().map(|(index, target)| {
            let name = &self.names.targets[index];
            match training.graph.ty(target.value).kind {
                Kind::Class(_) => quote!(#name: &[u32]),
                Kind::Float => quote!(#name: &[f32]),
            }
        });
        let dropout = training.takes(&ident("dropout")).then(|| quote!(dropout: Option<(u64, u64)>));
        let behind = training.learns().then(|| quote!(behind: Option<&mut rt::Optimizer>));
        let parameters = inputs.chain(targets).chain(dropout).chain(behind);
        let pass = training.pass_value(&ident("training"));
        let reference = if training.learns() { quote!(&mut) } else { quote!(&) };
        let learner = training
            .learns()
            .then(|| quote!(let params = rt::Learner::new(&mut self.params, self.memory.isa, behind);));
        let n = training.takes(&ident("n")).then(|| quote!(let n = count;));
        let updates = training.graph.updates.iter().map(|(param, value)| {
            let name = &self.names.params[param.0 as usize];
            let result = training.result(*value);
            quote!(self.params[params::#name].copy_from_slice(#result);)
        });
        let loss = training.result(training.graph.loss.expect("training graphs have a loss"));
        let stale = self.inference.prepares().then(|| quote!(self.prepared = false;));
        let allow = many_arguments(self.names.inputs.len() + self.names.targets.len() + 4, "input and target");
        quote! {
            #allow
            fn run_training(&mut self, count: usize, #(#parameters),*) -> f32 {
                #n
                #learner
                training::run(&mut self.memory, #reference #pass);
                self.n = count;
                self.last = rt::Mode::Training;
                #(#updates)*
                #stale
                (#loss)[0]
            }
        }
    }

    fn network(&self) -> TokenStream {
        let name = self.name();
        let stale = self.inference.prepares().then(|| quote!(self.prepared = false;));
        let (infer, train, output) = (self.network_infer(), self.network_train(), self.network_output());
        let input_gradient = self.network_input_gradient();
        let indices = &self.names.outputs;
        quote! {
            /// Positions of the outputs.
            #[allow(non_camel_case_types, reason = "named as the outputs are")]
            enum OutputIndex { #(#indices),* }

            impl rt::Network for #name {
                fn spec(&self) -> &'static rt::Spec {
                    &SPEC
                }

                fn memory(&self) -> &rt::Memory {
                    &self.memory
                }

                fn params(&self) -> &[f32] {
                    self.params.kept()
                }

                fn params_mut(&mut self) -> &mut [f32] {
                    #stale
                    self.params.to_write()
                }

                fn params_and_memory(&mut self) -> (&mut [f32], &mut rt::Memory) {
                    #stale
                    (self.params.to_write(), &mut self.memory)
                }

                #infer
                #output
                #train
                #input_gradient
            }
        }
    }

    fn network_infer(&self) -> TokenStream {
        let given = self.inference.inputs().map(|(index, _)| quote!(inputs[#index]));
        quote! {
            fn infer(&mut self, count: usize, inputs: &[&[f32]]) -> Result<(), rt::Error> {
                rt::check_inputs(&SPEC, self.memory.capacity(), count, inputs)?;
                self.run_inference(count, #(#given),*);
                Ok(())
            }
        }
    }

    fn network_train(&self) -> TokenStream {
        let Some(training) = self.training else {
            return quote! {
                fn pass(
                    &mut self,
                    _count: usize,
                    _inputs: &[&[f32]],
                    _targets: &[rt::Targets<'_>],
                    _dropout: Option<(u64, u64)>,
                    _behind: Option<&mut rt::Optimizer>,
                ) -> Result<f32, rt::Error> {
                    Err(rt::Error::NoTraining)
                }
            };
        };
        let inputs = training.inputs().map(|(index, _)| quote!(inputs[#index]));
        let targets = training.targets().map(|(index, target)| match training.graph.ty(target.value).kind {
            Kind::Class(_) => quote!(targets[#index].classes()),
            Kind::Float => quote!(targets[#index].floats()),
        });
        let takes_dropout = training.takes(&ident("dropout"));
        let dropout = takes_dropout.then(|| quote!(dropout));
        let behind = training.learns().then(|| quote!(behind));
        let parameter = if takes_dropout { ident("dropout") } else { ident("_dropout") };
        let arguments = inputs.chain(targets).chain(dropout).chain(behind);
        quote! {
            fn pass(
                &mut self,
                count: usize,
                inputs: &[&[f32]],
                targets: &[rt::Targets<'_>],
                #parameter: Option<(u64, u64)>,
                behind: Option<&mut rt::Optimizer>,
            ) -> Result<f32, rt::Error> {
                rt::check_training(&SPEC, &self.memory, count, inputs, targets, behind.as_deref())?;
                Ok(self.run_training(count, #(#arguments),*))
            }
        }
    }

    fn network_output(&self) -> TokenStream {
        let arms = self.graph.outputs.iter().enumerate().map(|(index, output)| {
            let inference = self.inference.result(self.inference.graph.outputs[index].value);
            let training = self.training.map(|training| {
                let value = training.graph.outputs.iter().find(|o| o.name == output.name).expect("same outputs").value;
                let result = training.result(value);
                quote!((#index, rt::Mode::Training) => #result,)
            });
            quote! {
                (#index, rt::Mode::Inference) => #inference,
                #training
            }
        });
        quote! {
            fn output(&self, index: usize) -> &[f32] {
                match (index, self.last) {
                    #(#arms)*
                    _ => &[],
                }
            }
        }
    }

    fn network_input_gradient(&self) -> TokenStream {
        let gradients = self.training.map(|t| t.graph.input_gradients.as_slice()).unwrap_or_default();
        let arms: Vec<TokenStream> = gradients
            .iter()
            .map(|(index, value)| {
                let result = self.training.expect("it has gradients").result(*value);
                quote!((#index, rt::Mode::Training) => Some(#result),)
            })
            .collect();
        if arms.is_empty() {
            return quote! {
                fn input_gradient(&self, _index: usize) -> Option<&[f32]> {
                    None
                }
            };
        }
        quote! {
            fn input_gradient(&self, index: usize) -> Option<&[f32]> {
                match (index, self.last) {
                    #(#arms)*
                    _ => None,
                }
            }
        }
    }
}
