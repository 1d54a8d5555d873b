//! Commands that look at specifications, and what they write: summaries, crates, plans, one style.

use super::{cnnc, folder, refused, said};

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
    assert_eq!((&json["parameters"][0]["numbers"], &json["targets"][0]["classes"]), (&150.into(), &26.into()));
    let weights = said(home.path(), &["summary", "resnet18", "--weights"]);
    let line = |start: &str| weights.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(
        words(line("layer2.0.downsample.0.weight")),
        "layer2.0.downsample.0.weight [128, 64, 1, 1] trained 8,192"
    );
    assert_eq!(words(line("bn1.running_mean")), "bn1.running_mean [64] buffer 64");
    assert_eq!(line("parameters"), "parameters  11,689,512, and 9,600 numbers in buffers");
    let heads = said(home.path(), &["summary", "googlenet"]);
    assert!(heads.contains(" for training only\n") && !summary.contains("training only"), "{heads}");
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
    std::fs::write(home.path().join("out/src/extra.rs"), "// by hand").expect("a file");
    assert!(refused(home.path(), 1, &["build", "lenet5", "--out", "out"]).contains("holds `src/extra.rs`, which cnnc"));
    assert!(home.path().join("out/src/extra.rs").is_file());
    said(home.path(), &["build", "lenet5", "--out", "out", "--force"]);
    assert!(!home.path().join("out/src/extra.rs").exists());
    assert!(refused(home.path(), 1, &["build", "lenet5", "--out", "mine/notes.txt"]).contains("a file, not a folder"));
    assert!(refused(home.path(), 1, &["build", "lenet5", "--out", "."]).contains("a folder by its name"));
    assert!(refused(home.path(), 3, &["build", "lenet5", "--out", "mine/notes.txt/out"]).contains("cannot write"));
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
fn operators_are_explained() {
    let home = folder();
    let list = said(home.path(), &["operators"]);
    let json: serde_json::Value = serde_json::from_str(&said(home.path(), &["operators", "--json"])).expect("JSON");
    let all = json.as_array().expect("a list");
    assert!(all.len() > 20 && list.lines().count() >= all.len(), "{list}");
    for operator in all {
        let name = operator["name"].as_str().expect("a name");
        assert!(list.contains(&format!("{name}(")), "{name}");
        let page = said(home.path(), &["operators", name]);
        for text in ["summary", "shapes", "source", "example"].map(|key| &operator[key]) {
            assert!(page.contains(text.as_str().expect("a text")), "{page}");
        }
    }
    let page = said(home.path(), &["operators", "conv"]);
    assert!(page.starts_with("conv(x, filters, kernel, stride: 1, pad: 0,"), "{page}");
    let one: serde_json::Value =
        serde_json::from_str(&said(home.path(), &["operators", "conv", "--json"])).expect("JSON");
    assert_eq!((&one["operands"][0], &one["attributes"][2]["default"]), (&"x".into(), &"1".into()));
    assert!(refused(home.path(), 1, &["operators", "convv"]).contains("did you mean `conv`?"));
    let swish = refused(home.path(), 1, &["operators", "swish"]);
    assert!(swish.contains("did you mean `silu`?") && !swish.contains("conv_transpose"), "{swish}");
}

#[test]
fn easy_mistakes_are_explained() {
    let home = folder();
    std::fs::write(home.path().join("a.yaml"), "spec: lenet5\n").expect("a file");
    std::fs::write(home.path().join("a.net"), "net A { input x: [1] output y = relu(x) }").expect("a file");
    let cases: &[(i32, &[&str], &str)] = &[
        (2, &["summry", "lenet5"], "a similar subcommand exists: 'summary'"),
        (1, &["train", "lenet5"], "lenet5.yaml`?"),
        (1, &["train", "b.yaml"], "there is no such file\nhelp: did you mean `a.yaml`?"),
        (1, &["train", "a.net"], "`a.net` is a network, not a recipe"),
        (1, &["summary", "a.yaml"], "`a.yaml` is a recipe, not a network"),
        (1, &["summary", "b.net"], "did you mean `a.net`?"),
        (1, &["fmt", "b.net"], "there is no such file\nhelp: did you mean `a.net`?"),
        (1, &["bench", "a.net", "--weights", "w.safetensors"], "no file `w.safetensors` with the weights"),
        (1, &["run", "a.net", "--input", "i.safetensors", "--output", "o"], "no file `i.safetensors` with the inputs"),
        (1, &["run", "a.net", "--input", "a.net", "--output", "no/o"], "there is no folder `no`"),
        (2, &["bench", "a.net", "--isa", "sse"], "this machine has"),
        (2, &["bench", "a.net", "--threads", "100000"], "0..=1024"),
        (1, &["dump", "a.net", "--after", "foo"], "fits: elaborate,"),
        (3, &["new", "a.net/b"], "a file is in the way"),
    ];
    for (code, arguments, expected) in cases {
        let error = refused(home.path(), *code, arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert!(!error.contains("os error"), "{arguments:?}: {error}");
    }
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
    let plan = |workload: &str, strips: usize| {
        format!(
            "format: 2\ncompiler: 0.1.0\ninference:\n  cpu: any\n  isa: any\n  threads: 1\n  batch: 1\n  model_ms: 2\n  ms: 1\n  \
             convolutions:\n    {workload}: {{ algorithm: direct, strips: {strips}, planes: 1, us: 1, model_us: 2 }}\n"
        )
    };
    let dump = |more: &[&str]| said(home.path(), &[&["dump", "small.net", "--after", "lower"], more].concat());
    let model = dump(&[]);
    file("small.plan.yaml", &plan("1x1, 16x12x12 to 16x12x12", 5));
    assert!(!model.contains("strips: 5") && dump(&[]).contains("strips: 5"), "{}", dump(&[]));
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
