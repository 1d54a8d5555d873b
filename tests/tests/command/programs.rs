//! The programs that commands compile, and `cnnc run`.

use super::{cnnc, folder, refused, repository};

#[test]
fn programs_are_compiled_once() {
    let home = folder();
    // A network that no earlier run of this test has compiled.
    let net = format!("net Once {{ input x: [1] output y = x * {} }}", std::process::id());
    std::fs::write(home.path().join("once.net"), net).expect("a file");
    let x = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 1], &[0; 8]).expect("a tensor");
    let bytes = safetensors::serialize([("x", x)], None).expect("a file");
    std::fs::write(home.path().join("x.safetensors"), bytes).expect("a file");
    let run = || {
        let output = cnnc(home.path(), &["run", "once.net", "--input", "x.safetensors", "--output", "y.safetensors"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        error
    };
    let said = run();
    assert!(said.starts_with("compiling Once, once: its program is kept as `"), "{said}");
    assert!(!run().contains("kept as"));
    let program = said.split('`').nth(1).expect("a path");
    std::fs::remove_file(program).expect("it is there");
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
