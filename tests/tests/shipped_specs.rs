//! The specs that ship, emitted, against the reference: residual blocks, branches, shared towers, several inputs and outputs,
//! frozen parts, one axis of space.

use cnnc::compile::{Compiled, Options};
use cnnc::loader::{Network, networks};
use cnnc_tests::build::Program;
use cnnc_tests::compare::Case;
use cnnc_tests::generate::Random;
use cnnc_tests::{command, compile_text, specs};

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

/// What is said of parameters beside their defaults, in the specs' own words.
const OPTIONS: &[(&str, &[&str])] = &[
    ("alexnet", &["--set", "classes=10"]),
    ("c3d", &["--set", "classes=101"]),
    ("deconvnet", &["--set", "layer=1", "--set", "feature=95"]),
    ("deconvnet", &["--set", "layer=2"]),
    ("deconvnet", &["--set", "layer=3"]),
    ("deconvnet", &["--set", "layer=4"]),
    ("deepface", &["--net", "DeepFaceSiamese"]),
    ("densenet121", &["--set", "layers=[6, 12, 32, 32]"]),
    ("edges", &["--set", "middle=1", "--set", "border=0"]),
    ("edges", &["--set", "side=3", "--set", "middle=10", "--set", "stride=2"]),
    ("fast_rcnn", &["--set", "align=true"]),
    ("faster_rcnn", &["--set", "trunk=\"resnet50\""]),
    ("faster_rcnn", &["--set", "align=true"]),
    ("googlenet", &["--set", "heads=0", "--set", "transform_input=true"]),
    ("heartbeat", &["--set", "class_weights=[1.0, 2.0, 1.0, 3.0, 1.0]"]),
    ("inception_v3", &["--set", "heads=0", "--set", "transform_input=true"]),
    ("lenet5", &["--set", "published=true"]),
    ("overfeat_fast", &["--set", "size=263"]),
    ("resnet", &["--set", "units=[1, 1, 1, 1]", "--set", "deep=false"]),
    ("shufflenet_v2", &["--set", "widths=[48, 96, 192]"]),
    ("squeezenet", &["--set", "size=227", "--set", "border=1"]),
    ("vgg", &["--set", "size=256", "--set", "norm=true"]),
    ("yolo_v3", &["--set", "size=320"]),
];

#[test]
fn options_of_specs_compile() {
    for (name, options) in OPTIONS {
        let output = command().arg("check").arg(name).args(*options).output().expect("it starts");
        assert!(output.status.success(), "{name} {options:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
