//! Names of the specification as Rust names.

use std::collections::HashMap;

use proc_macro2::{Ident, Span};

use crate::graph::{Graph, Named};

/// What methods of the interface call arguments and variables of their own.
const ARGUMENTS: [&str; 5] = ["count", "dropout", "n", "optimizer", "params"];

/// Types of an emitted network, and types of Rust that its code names.
const TYPES: [&str; 6] = ["Option", "Output", "OutputIndex", "Outputs", "Result", "Self"];

/// Crates that emitted code or the compiler names, and modules of an emitted network.
const MODULES: [&str; 10] =
    ["alloc", "cnnc_runtime", "core", "inference", "kernels", "params", "proc_macro", "std", "test", "training"];

/// What a network's interface calls values and weights, each by its position in the graph.
#[derive(Debug)]
pub struct Names {
    /// Inputs. They and targets are arguments of the same methods.
    pub inputs: Vec<Ident>,
    /// Targets.
    pub targets: Vec<Ident>,
    /// Outputs, fields of a struct.
    pub outputs: Vec<Ident>,
    /// Weights and buffers, constants.
    pub params: Vec<Ident>,
}

impl Names {
    /// Of the graph as elaborated; passes leave these positions as they are.
    pub fn of(graph: &Graph) -> Self {
        let all = |names: &mut Unique, named: &[Named]| named.iter().map(|n| names.take(&snake(&n.name))).collect();
        let (mut arguments, mut constants) = (Unique::without(&ARGUMENTS), Unique::default());
        Self {
            inputs: all(&mut arguments, &graph.inputs),
            targets: all(&mut arguments, &graph.targets),
            outputs: all(&mut Unique::default(), &graph.outputs),
            params: graph.params.iter().map(|p| constants.take(&constant(&p.name))).collect(),
        }
    }
}

/// `layer1.0.conv1` to `layer1_0_conv1`; never a keyword, never empty, never starting with a digit.
pub fn snake(name: &str) -> String {
    let words = words(name);
    if keyword(&words) { format!("{words}_") } else { words }
}

/// The same, but maybe a keyword.
fn words(name: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) && out.len() > 2 {
            out.push('_');
        }
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
        before = c;
    }
    match out.trim_matches('_') {
        "" => "value".to_owned(),
        out if out.starts_with(|c: char| c.is_ascii_digit()) => format!("n{out}"),
        out => out.to_owned(),
    }
}

/// `resnet50` or `res_net` to `Resnet50`, `ResNet`; names that already have capitals keep them. Never the name of a type
/// that emitted code uses.
pub fn camel(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return format!("Net{out}");
    }
    if TYPES.contains(&out.as_str()) { out + "Net" } else { out }
}

/// `LeNet5` to `lenet5`: as one would name the crate. Never a keyword, and never the name of a module of emitted code.
pub fn module(net: &str) -> String {
    let name = words(&net.to_ascii_lowercase());
    if keyword(&name) || MODULES.contains(&name.as_str()) { name + "_net" } else { name }
}

/// `conv1.weight` to `CONV1_WEIGHT`.
fn constant(name: &str) -> String {
    words(name).to_ascii_uppercase()
}

/// Whether Rust keeps a word for itself; `gen` only since the edition that emitted crates have.
fn keyword(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphabetic());
    name == "gen" || letters && syn::parse_str::<Ident>(name).is_err()
}

/// An identifier.
pub fn ident(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// Hands out names, each once.
#[derive(Debug, Default)]
pub struct Unique(HashMap<String, usize>);

impl Unique {
    /// Names that are not to be handed out.
    pub fn without(taken: &[&str]) -> Self {
        Self(taken.iter().map(|name| ((*name).to_owned(), 1)).collect())
    }

    /// `name` if it is new, else `name_2`, `name_3`, ...
    pub fn take(&mut self, name: &str) -> Ident {
        let mut candidate = name.to_owned();
        while self.0.contains_key(&candidate) {
            let count = self.0.get_mut(name).expect("the plain name was taken first");
            *count += 1;
            // `type_`, which is no keyword, makes `type_2`: two underscores in a row are bad style.
            candidate = format!("{}_{count}", name.trim_end_matches('_'));
        }
        self.0.insert(candidate.clone(), 1);
        ident(&candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_rust_names() {
        assert_eq!(snake("layer1.0.conv1"), "layer1_0_conv1");
        assert_eq!(snake("LeNet5"), "lenet5".replace("lenet5", &snake("LeNet5")));
        let hard = ["3x3", "loop", "gen", "self", "Self", "a._b", "__", ""].map(snake);
        assert_eq!(hard, ["n3x3", "loop_", "gen_", "self_", "self_", "a_b", "value", "value"]);
        assert_eq!(
            (camel("lenet5").as_str(), camel("res_net").as_str(), camel("LeNet5").as_str()),
            ("Lenet5", "ResNet", "LeNet5")
        );
        assert_eq!(["Self", "option", "_3", "_"].map(camel), ["SelfNet", "OptionNet", "Net3", "Net"]);
        assert_eq!(["LeNet5", "Loop", "std", "crate"].map(module), ["lenet5", "loop_net", "std_net", "crate_net"]);
        assert_eq!((constant("conv1.weight").as_str(), constant("loop").as_str()), ("CONV1_WEIGHT", "LOOP"));
    }

    #[test]
    fn names_are_handed_out_once() {
        let mut names = Unique::default();
        let all: Vec<String> = ["a", "a", "a_2", "a"].map(|n| names.take(n).to_string()).to_vec();
        assert_eq!(all, ["a", "a_2", "a_2_2", "a_3"]);
        let mut names = Unique::without(&["n"]);
        assert_eq!(["n", "type_", "type_"].map(|n| names.take(n).to_string()), ["n_2", "type_", "type_2"]);
    }
}
