//! The specs that ship, emitted, against the reference: residual blocks, branches, shared towers, several inputs and outputs,
//! frozen parts, one axis of space.

use cnnc::compile::{Compiled, Options};
use cnnc::loader::{Network, networks};
use cnnc_tests::build::Program;
use cnnc_tests::compare::Case;
use cnnc_tests::generate::Random;
use cnnc_tests::{compile_text, specs};

/// Values of parameters that make a net small enough for the reference.
fn smaller(name: &str) -> Vec<(String, String)> {
    let set: &[(&str, &str)] = match name {
        "resnet_cifar" | "resnet20" | "resnet56" | "preact_resnet" => &[("units", "1")],
        "siamese" => &[("dim", "10")],
        "transfer" => &[("width", "8")],
        "unet" => &[("width", "2"), ("size", "188")],
        _ => &[],
    };
    set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Multiply-adds of an image beyond which the reference takes too long; `tests/parity/full_size.py` compares those networks
/// with PyTorch.
const MOST: u64 = 50_000_000;

/// How far outputs may be off, as a share of the largest.
fn outputs_within(name: &str) -> f64 {
    // The logistic function of weighted differences, near zero in these cases: rounding of its operand counts several times.
    if name == "siamese" { 2e-5 } else { 1e-5 }
}

fn compiled(network: &Network) -> Compiled {
    let text = std::fs::read_to_string(&network.path).expect("a spec");
    let elaborate =
        cnnc::elaborate::Options { net: network.net.clone(), set: smaller(&network.name), ..Default::default() };
    compile_text(&text, &Options { input_gradients: true, elaborate, ..Options::default() })
}

fn macs(compiled: &Compiled) -> u64 {
    let graph = &compiled.graph;
    let of = |node: &cnnc::graph::Node| {
        let types: Vec<_> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
        node.op.macs(&types, &node.ty)
    };
    graph.nodes.iter().map(of).sum()
}

#[test]
fn specs_agree_with_the_reference() {
    let (names, networks): (Vec<String>, Vec<Compiled>) = networks(&specs())
        .into_iter()
        .map(|network| (compiled(&network), network.name))
        .filter(|(c, _)| macs(c) <= MOST)
        .map(|(c, n)| (n, c))
        .unzip();
    assert!(names.iter().any(|name| name == "resnet20"), "{names:?}");
    let program = Program::build("shipped_specs", &networks);
    let mut random = Random::new(11);
    let cases: Vec<Case<'_>> = networks.iter().map(|compiled| Case::random(compiled, 2, &mut random)).collect();
    let requests: Vec<_> = cases.iter().enumerate().map(|(i, case)| case.request(i, 2, "")).collect();
    let answers = program.run(&requests);
    let wrong: Vec<String> = cases
        .iter()
        .zip(&answers)
        .zip(&names)
        .map(|((case, answer), name)| (name, case.differences(answer, outputs_within(name), 1e-4)))
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(name, wrong)| format!("{name}:\n{}", wrong.join("\n")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
