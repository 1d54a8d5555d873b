//! The command as a process: exit codes, messages, files that appear whole or not at all.

use std::path::Path;
use std::process::{Command, Output};

use cnnc_tests::repository;

fn cnnc(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "cnnc", "--manifest-path"])
        .arg(repository().join("Cargo.toml"))
        .arg("--")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("cargo runs")
}

/// Standard output of a command that succeeds.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = cnnc(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// The complaint of a command that fails with this exit code.
fn refused(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = cnnc(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    error
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn specs_are_found_by_name_and_by_path() {
    let home = folder();
    let summary = said(home.path(), &["summary", "lenet5"]);
    assert!(summary.contains("61,706") && summary.contains("416,520"), "{summary}");
    let json: serde_json::Value =
        serde_json::from_str(&said(home.path(), &["summary", "lenet5", "--json", "--set", "classes=26"]))
            .expect("JSON");
    assert_eq!(json["params"], 61_706 + 16 * 85);
    assert_eq!(json["parameters"][0]["name"], "conv1.weight");
    assert_eq!(json["parameters"][0]["shape"], serde_json::json!([6, 1, 5, 5]));
    assert!(refused(home.path(), 1, &["summary", "lenet6"]).contains("did you mean `lenet5`?"));
    assert!(refused(home.path(), 1, &["summary", "no/such.net"]).contains("cannot read the spec"));
    assert!(refused(home.path(), 1, &["summary", "lenet5", "--set", "clases=3"]).contains("did you mean `classes`?"));
    refused(home.path(), 2, &["summary"]);
    refused(home.path(), 2, &["summary", "lenet5", "--set", "classes"]);
}

#[test]
fn hostile_files_are_refused() {
    let home = folder();
    let write = |name: &str, bytes: &[u8]| std::fs::write(home.path().join(name), bytes).expect("a file");
    write("empty.net", b"");
    write("binary.net", &[0, 159, 146, 150, 255]);
    write("huge.net", &vec![b' '; 2 << 20]);
    std::fs::create_dir(home.path().join("folder.net")).expect("a folder");
    for name in ["empty.net", "binary.net", "huge.net", "folder.net"] {
        refused(home.path(), 1, &["check", name]);
    }
}

#[test]
fn crates_replace_only_crates() {
    let home = folder();
    said(home.path(), &["build", "lenet5", "--out", "out"]);
    assert!(home.path().join("out/src/training.rs").is_file());
    said(home.path(), &["build", "lenet5", "--out", "out", "--infer-only"]);
    assert!(!home.path().join("out/src/training.rs").exists(), "the old crate is gone as a whole");
    std::fs::create_dir(home.path().join("mine")).expect("a folder");
    std::fs::write(home.path().join("mine/notes.txt"), "keep").expect("a file");
    assert!(refused(home.path(), 1, &["build", "lenet5", "--out", "mine"]).contains("--force"));
    assert!(home.path().join("mine/notes.txt").is_file());
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "nothing temporary is left: {left:?}");
}

#[test]
fn one_style() {
    let home = folder();
    std::fs::write(home.path().join("a.net"), "net A{input x:[1] output y=relu(x)}").expect("a file");
    refused(home.path(), 1, &["fmt", "--check", "a.net"]);
    said(home.path(), &["fmt", "a.net"]);
    said(home.path(), &["fmt", "--check", "a.net"]);
    let text = std::fs::read_to_string(home.path().join("a.net")).expect("a file");
    assert_eq!(text, "net A {\n    input x: [1]\n    output y = relu(x)\n}\n");
}

#[test]
fn graphs_are_shown_behind_each_pass() {
    let home = folder();
    let dump = said(home.path(), &["dump", "lenet5", "--after", "training/differentiate"]);
    assert!(dump.contains("conv_grad_weight"), "{dump}");
    assert!(said(home.path(), &["dump", "lenet5", "--after", "inference/plan"]).contains("arena"));
    assert!(refused(home.path(), 1, &["dump", "lenet5", "--after", "fuse_activatoin"]).contains("did you mean"));
}

#[test]
fn tuning_writes_a_plan_or_nothing() {
    let home = folder();
    let net = "net Small {\n    input x: [16, 12, 12]\n    output y = x |> conv(16, 1) |> relu\n}\n";
    std::fs::write(home.path().join("small.net"), net).expect("a file");
    let said = said(home.path(), &["tune", "small.net", "--seconds", "0.01", "--threads", "1"]);
    let wrote = home.path().join("small.plan.yaml").is_file();
    assert!(said.contains(if wrote { "wrote `small.plan.yaml`" } else { "the compiler's choices stay" }), "{said}");
    let left = std::fs::read_dir(home.path()).expect("a folder").count();
    assert_eq!(left, 1 + usize::from(wrote), "nothing temporary is left");
    refused(home.path(), 1, &["tune", "small.net", "--train"]);
    refused(home.path(), 1, &["tune", "small.net", "--seconds", "0"]);
    let plan = home.path().join("small.plan.yaml");
    std::fs::write(&plan, "format: [").expect("a file");
    let why = refused(home.path(), 1, &["tune", "small.net", "--seconds", "0.01"]);
    assert!(why.contains("small.plan.yaml:1") && why.contains("remove `small.plan.yaml`"), "{why}");
    assert_eq!(std::fs::read_to_string(&plan).expect("it stays"), "format: [");
}

#[test]
fn plan_files_take_part() {
    let home = folder();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
    file("small.net", "net Small {\n    input x: [16, 12, 12]\n    output y = x |> conv(16, 1)\n}\n");
    let plan = |workload: &str, rows: usize| {
        format!(
            "format: 1\ncompiler: 0.1.0\ninference:\n  cpu: any\n  isa: any\n  threads: 1\n  batch: 1\n  model_ms: 2\n  ms: 1\n  \
             convolutions:\n    {workload}: {{ algorithm: direct, rows: {rows}, planes: 1, us: 1, model_us: 2 }}\n"
        )
    };
    let dump = |more: &[&str]| said(home.path(), &[&["dump", "small.net", "--after", "lower"], more].concat());
    let model = dump(&[]);
    file("small.plan.yaml", &plan("1x1, 16x12x12 to 16x12x12", 5));
    assert!(!model.contains("rows: 5") && dump(&[]).contains("rows: 5"), "{}", dump(&[]));
    assert_eq!(dump(&["--untuned"]), model);
    file("small.plan.yaml", &plan("1x1, 16x12x12 to 16x12x12", 13));
    assert!(refused(home.path(), 1, &["check", "small.net"]).contains("1 to 12"));
    file("small.plan.yaml", &plan("1x1, 8x12x12 to 16x12x12", 5));
    let check = cnnc(home.path(), &["check", "small.net"]);
    let note = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.status.success() && note.contains("1 of 1 choices of `small.plan.yaml`"), "{note}");
}

#[test]
fn a_new_project_checks() {
    let home = folder();
    said(home.path(), &["new", "digits"]);
    said(home.path(), &["check", "digits/digits.net"]);
    said(home.path(), &["fmt", "--check", "digits/digits.net"]);
    assert!(refused(home.path(), 1, &["new", "digits"]).contains("exists already"));
    assert!(refused(home.path(), 1, &["new", "1st"]).contains("cannot be the name"));
    assert!(refused(home.path(), 1, &["train", "digits/digits.yaml"]).contains("there is no such file"));
}

#[test]
fn wrong_recipes_are_explained() {
    let home = folder();
    let good = "spec: lenet5\ndata: { train: { images: a, labels: b } }\nepochs: 1\n";
    for name in ["a", "b"] {
        std::fs::write(home.path().join(name), "x").expect("a file");
    }
    let cases = [
        ("unknown key", good.replace("epochs", "epoch"), "did you mean `epochs`?"),
        ("missing key", good.replace("epochs: 1\n", ""), "the recipe needs `epochs`"),
        ("wrong type", good.replace("epochs: 1", "epochs: many"), "epochs"),
        ("out of range", good.replace("epochs: 1", "epochs: 0"), "from 1 to 1000000"),
        ("batch", good.to_owned() + "batch: 0\n", "from 1 to 65536"),
        ("negative", good.to_owned() + "seed: -1\n", "seed"),
        ("no such file", good.replace("images: a", "images: c"), "there is no such file"),
        ("half a data set", good.replace(", labels: b", ""), "does not say where its data is"),
        ("no data", "spec: lenet5\nepochs: 1\n".to_owned(), "the recipe needs `data`"),
        ("unknown optimizer", good.to_owned() + "optimizer: { sgdd: {} }\n", "sgd"),
        ("optimizer key", good.to_owned() + "optimizer: { sgd: { lr: 1 } }\n", "learning_rate"),
        ("momentum", good.to_owned() + "optimizer: { sgd: { momentum: 2 } }\n", "momentum"),
        ("schedule", good.to_owned() + "schedule: { decay: { step: { every: 0, factor: 0.1 } } }\n", "every"),
        ("unknown spec", good.replace("lenet5", "lenet6"), "did you mean `lenet5`?"),
        ("not YAML", "spec: [\n".to_owned(), "cannot be read"),
        ("a list", "- 1\n".to_owned(), "cannot be read"),
        ("empty", String::new(), "error"),
        ("unknown parameter", good.to_owned() + "set: { clases: 3 }\n", "did you mean `classes`?"),
    ];
    for (what, text, expected) in cases {
        std::fs::write(home.path().join("r.yaml"), text).expect("a file");
        let error = refused(home.path(), 1, &["train", "r.yaml"]);
        assert!(error.contains(expected), "{what}: {error}");
    }
    refused(home.path(), 1, &["train", "none.yaml"]);
}

#[test]
fn run_refuses_what_does_not_fit() {
    let home = folder();
    let stored = |name: &str| repository().join("tests/parity").join(name).display().to_string();
    let (input, weights) = (stored("lenet5.input.safetensors"), stored("lenet5.weights.safetensors"));
    let run = |weights: &str, input: &str, output: &str| {
        refused(home.path(), 1, &["run", "lenet5", "--weights", weights, "--input", input, "--output", output])
    };
    assert!(run(&stored("plain.weights.safetensors"), &input, "o.safetensors").contains("conv1.weight"));
    assert!(run(&weights, &stored("plain.input.safetensors"), "o.safetensors").contains("image"));
    std::fs::write(home.path().join("cut.safetensors"), [255; 40]).expect("a file");
    run("cut.safetensors", &input, "o.safetensors");
    run(&weights, "cut.safetensors", "o.safetensors");
    run(&weights, &input, "no/such/folder/o.safetensors");
    assert!(!home.path().join("o.safetensors").exists());
}
