//! Names that mean something in Rust or in emitted code: such networks compile without a warning and compute what they say.

use std::path::Path;
use std::process::Command;

use cnnc::compile::{Compiled, Options};
use cnnc::emit::{CrateOptions, Runtime};
use cnnc_tests::build::Program;
use cnnc_tests::compare::Case;
use cnnc_tests::generate::Random;
use cnnc_tests::{compile_text, repository};

/// Keywords of Rust, variables, types and modules of emitted code, and names that differ in nothing that Rust may keep.
const NASTY: &str = r#"
const arena = 4
block fn(x, type, match = 1) {
    pass = x |> conv(type, match) as run |> batch_norm as memory
    return pass
}
block unsafe(x, y) { return add(x |> conv(4, 1, bias: false) as "a.b", y |> conv(4, 1, bias: false) as a_b) }
/// Not an `Option`, and not [one](of) `Result`s.
net Option(crate = 4, where = true) {
    input self, count, n, params, Params: [2, 3, 3]
    input optimizer: [1, 3, 3]
    kernels = concat(self, count, n) |> fn(crate) as conv |> relu as prepare
    inference = concat(params, Params, optimizer) |> fn(arena) as rt |> dropout(0.25) as dropout
    if where { isa = unsafe(kernels, inference) as "b-{1}" } else { isa = kernels }
    Self = isa |> conv(4, 3, pad: 1) as a__b |> max_pool(3) |> flatten |> dense(3) as "Dense-1.0"
    output outputs = isa
    output Output = isa |> tanh
    output output_2 = isa |> relu
    output memory = Self |> softmax
    output type = Self
    target dropout: class(3)
    target loop, Loop, gen: [4, 3, 3]
    loss cross_entropy(Self, dropout) + mse(kernels, loop) + mse(inference, Loop) + mse(isa, gen)
}
"#;

fn nasty(net: &str) -> Compiled {
    compile_text(
        &NASTY.replace("Option(", &format!("{net}(")),
        &Options { input_gradients: true, ..Options::default() },
    )
}

#[test]
fn names_of_rust_and_of_emitted_code() {
    let names = ["Option", "Output", "_1"];
    let networks: Vec<Compiled> = names.iter().map(|net| nasty(net)).collect();
    let types: Vec<String> = networks.iter().map(|n| n.emit().type_name).collect();
    assert_eq!(types, ["OptionNet", "OutputNet", "Net1"]);
    let program = Program::build("nasty_names", &networks);
    let case = Case::random(&networks[0], 3, &mut Random::new(7));
    let answers = program.run(&[case.request(0, 2, "")]);
    let wrong = case.differences(&answers[0], 1e-5, 1e-4);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn equal_specs_give_equal_code() {
    assert_eq!(nasty("Option").emit().inline_text(), nasty("Option").emit().inline_text());
}

/// A crate inside of a workspace that does not know it.
fn crate_in_a_workspace(home: &Path, network: &Compiled) {
    let options = CrateOptions {
        spec: "nasty.net".into(),
        options: "--set sizes=[1,\n2]".into(),
        digest: 0,
        runtime: Runtime::Path(repository().join("runtime")),
        features: Vec::new(),
    };
    std::fs::write(home.join("Cargo.toml"), "[workspace]\nmembers = []\n").expect("a file");
    std::fs::create_dir_all(home.join("net/src")).expect("a folder");
    for file in network.emit().files(&options) {
        std::fs::write(home.join("net").join(file.path), file.text).expect("a file");
    }
    std::fs::copy(repository().join("Cargo.lock"), home.join("net/Cargo.lock")).expect("a file");
}

fn has_no_lints(network: &Compiled) {
    let home = tempfile::tempdir().expect("a folder");
    crate_in_a_workspace(home.path(), network);
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--quiet", "--manifest-path"])
        .arg(home.path().join("net/Cargo.toml"))
        .args(["--", "-D", "warnings"])
        .env("CARGO_TARGET_DIR", cnnc_tests::build::target().join("clippy"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn crates_have_no_lints() {
    has_no_lints(&nasty("Loop"));
    // Deployment alone, with steps in front.
    let text = "net Deployed {
        input images, n: [3, 96, 96]
        map = concat(images, n) |> conv(16, 3, pad: 1) as front |> relu |> conv(16, 3, pad: 1) as run |> max_pool(4)
        output scores = map |> flatten |> dense(10)
    }";
    let deployed = compile_text(text, &Options { infer_only: true, ..Options::default() });
    assert!(deployed.inference.plan.front.is_some(), "steps in front");
    has_no_lints(&deployed);
}
