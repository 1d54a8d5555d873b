//! Tables of a network: the ranges of its parameters, and the static `SPEC` for programs that work with any network.

use std::ops::Range;

use proc_macro2::Ident;

use super::code::Code;
use super::graph_module::GraphModule;
use super::names::Names;
use crate::graph::{Graph, Init, Kind, Named, Param, ParamKind, Role, show_shape};
use crate::ops::source::ignored;
use crate::plan::ParamLayout;

/// Writes tables.
pub struct SpecWriter<'a> {
    /// The graph as elaborated: names and shapes.
    pub graph: &'a Graph,
    /// What the interface calls what the specification names.
    pub names: &'a Names,
    /// Where parameters are.
    pub params: &'a ParamLayout,
    /// The inference half.
    pub inference: &'a GraphModule<'a>,
    /// Whether there is a training half.
    pub trains: bool,
}

impl SpecWriter<'_> {
    /// The ranges of parameters as constants.
    pub fn constants(&self) -> Code {
        let constant = |((param, name), range): ((&Param, &Ident), &Range<usize>)| {
            let role = match param.role {
                Role::Trained => "",
                Role::Frozen => ", frozen",
                Role::Buffer => ", not trained",
            };
            let shape = show_shape(&param.shape);
            format!("/// `{}`: `{shape}`{role}.\npub const {name}: Range<usize> = {range:?};\n", param.name)
        };
        let constants: String = self.params().zip(&self.params.ranges).map(constant).collect();
        let imports = if constants.is_empty() { "" } else { "use core::ops::Range;\n\n" };
        Code::Text(format!("{imports}{constants}"))
    }

    fn params(&self) -> impl Iterator<Item = (&Param, &Ident)> {
        self.graph.params.iter().zip(&self.names.params)
    }

    /// `static SPEC`: names, shapes, ranges.
    pub fn code(&self) -> Code {
        let (graph, compiler) = (self.graph, env!("CARGO_PKG_VERSION"));
        let inputs = graph.inputs.iter().zip(&self.names.inputs);
        let inputs = table(inputs.map(|(input, name)| self.value(input, self.inference.takes(name))));
        let targets = table(graph.targets.iter().map(|target| self.value(target, false)));
        let outputs = table(graph.outputs.iter().map(|output| self.value(output, true)));
        let params = table(self.params().map(|(param, constant)| parameter(param, constant)));
        let version = compiler.replace(['.', '-', '+'], "_");
        Code::Text(format!(
            "/// Names, shapes and ranges, for programs that work with any network.\n\
             pub static SPEC: rt::Spec = rt::Spec {{\n    \
             name: {:?},\n    compiler: {compiler:?},\n    inputs: {inputs},\n    targets: {targets},\n    \
             outputs: {outputs},\n    params: {params},\n    trained: {},\n    param_floats: {},\n    \
             trains: {},\n}};\n\n\
             // The runtime must be of the compiler's version.\n\
             const _: () = rt::EMITTED_FOR_{version};\n",
            graph.name, self.params.trained, self.params.len, self.trains,
        ))
    }

    fn value(&self, named: &Named, infers: bool) -> String {
        let ty = self.graph.ty(named.value);
        let kind = match ty.kind {
            Kind::Float => "rt::TargetKind::Float".to_owned(),
            Kind::Class(classes) => format!("rt::TargetKind::Class({classes})"),
        };
        let (name, shape, ignore) = (&named.name, &ty.shape, ignored(self.graph, named.value));
        format!(
            "        rt::ValueSpec {{ name: {name:?}, shape: &{shape:?}, kind: {kind}, ignore: {ignore:?}, infers: {infers} }},\n"
        )
    }
}

fn parameter(param: &Param, constant: &Ident) -> String {
    let kind = match param.kind {
        ParamKind::Weight { fan_in, fan_out, places } => {
            format!("Weight(rt::Fans {{ fan_in: {fan_in}, fan_out: {fan_out}, places: {places} }})")
        }
        ParamKind::Bias => "Bias".to_owned(),
        ParamKind::Other => "Other".to_owned(),
    };
    let role = match param.role {
        Role::Trained => "Trained",
        Role::Frozen => "Frozen",
        Role::Buffer => "Buffer",
    };
    let init = match param.init {
        Init::Constant(value) => format!("Constant({:?})", value as f32),
        Init::Uniform { fan_in } => format!("Uniform {{ fan_in: {fan_in} }}"),
    };
    let (name, shape) = (&param.name, &param.shape);
    format!(
        "        rt::ParamSpec {{\n            name: {name:?},\n            shape: &{shape:?},\n            \
         kind: rt::ParamKind::{kind},\n            role: rt::Role::{role},\n            init: rt::Init::{init},\n            range: params::{constant},\n        }},\n"
    )
}

/// A slice with an entry a line.
fn table(entries: impl Iterator<Item = String>) -> String {
    let entries: String = entries.collect();
    if entries.is_empty() { "&[]".to_owned() } else { format!("&[\n{entries}    ]") }
}
