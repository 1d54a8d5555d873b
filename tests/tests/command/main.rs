//! The command as a process: exit codes, messages, files that appear whole or not at all.

mod recipes;
mod runs;

use std::path::Path;
use std::process::Output;

use cnnc_tests::{command, repository};

fn cnnc(folder: &Path, arguments: &[&str]) -> Output {
    command().args(arguments).current_dir(folder).output().expect("it starts")
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
        for text in [&operator["summary"], &operator["example"]] {
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
fn options_for_boxes_are_for_detectors() {
    let path = |name: &str| repository().join(name).display().to_string();
    let (home, recipe, digit) = (folder(), path("specs/lenet5.yaml"), path("data/digit.png"));
    for option in ["--agnostic", "--soft-nms", "--score=0.3", "--iou=0.3", "--output=found.png"] {
        let error = refused(home.path(), 1, &["predict", &recipe, &digit, "--weights", &digit, option]);
        let name = option.split('=').next().unwrap_or_default();
        assert!(error.contains("no output of boxes") && error.contains(name), "{error}");
    }
    let jpeg = refused(home.path(), 1, &["predict", &recipe, &digit, "--weights", &digit, "-o", "found.jpg"]);
    assert!(jpeg.contains("fits: `found.png`"), "{jpeg}");
    let range = refused(home.path(), 2, &["predict", &recipe, &digit, "--iou", "-1"]);
    assert!(range.contains("a number from 0 to 1 is needed"), "{range}");
}

/// A small network with batch-norm.
const SMALL: &str = "net Small(classes = 10) {
    input image: [1, 28, 28]
    x = image |> conv(4, 5, stride: 2) as first |> batch_norm as norm |> relu |> max_pool(2)
    logits = x |> flatten |> dense(classes) as head
    output logits
    target label: class(classes)
    loss cross_entropy(logits, label)
}
";

/// The digits that ship; 300 to learn from, 200 held out.
fn digits(net: &str, classes: usize, more: &str) -> String {
    let data = repository().join("data/mnist").display().to_string();
    let part = |part: &str| {
        format!("{{ images: t10k-images-idx3-ubyte.gz, labels: t10k-labels-idx1-ubyte.gz, part: {{ {part} }} }}")
    };
    format!(
        "spec: small.net\nnet: {net}\nset: {{ classes: {classes} }}\ndata:\n  folder: {data}\n  train: {}\n  test: {}\n\
         picture: {{ mean: [0.13], std: [0.31] }}\nepochs: 2\noptimizer: {{ adam: {{ learning_rate: 0.01 }} }}\n{more}",
        part("first: 300"),
        part("last: 200")
    )
}

#[test]
fn learning_goes_on_from_other_weights_and_networks_are_averaged() {
    let home = folder();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
    file("small.net", SMALL);
    file("old.yaml", &digits("Small", 10, ""));
    file("head.yaml", &digits("Small", 12, "transfer: { from: runs/old/weights.safetensors }\n"));
    let picture = repository().join("data/digit.png");
    let train = |recipe: &str| said(home.path(), &["train", recipe]);
    let accuracy = |text: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix("accuracy: ")).unwrap_or_else(|| panic!("{text}"));
        line.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    train("old.yaml");
    let text = train("head.yaml");
    assert!(text.contains("6 of 8 weights fit by name and shape: 120 numbers\n  new: "), "{text}");
    assert!(text.contains("head.weight [12, 144], in the file [10, 144]"), "{text}");
    assert!(text.contains("1,740 trained parameters and 112 frozen ones"), "{text}");
    let values = |run: &str, name: &str| {
        let bytes = std::fs::read(home.path().join(format!("runs/{run}/weights.safetensors"))).expect("weights");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        tensors.tensor(name).expect("a tensor").data().to_vec()
    };
    for name in ["first.weight", "norm.running_mean"] {
        assert_eq!(values("old", name), values("head", name), "{name} is frozen");
    }

    // Features that are computed once lead to the same, but for rounding; the whole network is what is evaluated.
    let cached = "transfer: { from: runs/old/weights.safetensors, features: cached }\n";
    file("cached.yaml", &(digits("Small", 12, cached) + &format!("show: {}\n", picture.display())));
    let first = train("cached.yaml");
    let features = home.path().join("runs/cached/features-train.safetensors");
    assert!(first.contains("features of 300 images, computed in ") && first.contains("save about "), "{first}");
    assert!((accuracy(&first) - accuracy(&text)).abs() < 4.0, "{first} {text}");
    assert!(first.contains("digit.png"), "{first}");
    assert_eq!(values("old", "norm.running_mean"), values("cached", "norm.running_mean"));
    assert_eq!(accuracy(&said(home.path(), &["eval", "cached.yaml"])), accuracy(&first));
    let time = || features.metadata().and_then(|about| about.modified()).expect("features");
    let before = time();
    train("cached.yaml");
    assert_eq!(time(), before, "they are kept");
    std::fs::copy(home.path().join("runs/head/weights.safetensors"), home.path().join("runs/old/weights.safetensors"))
        .expect("other weights");
    train("cached.yaml");
    assert_ne!(time(), before, "other weights see other features");
    train("old.yaml");

    // Another seed is another member of an ensemble of the first network.
    file("other.yaml", &(digits("Small", 10, "seed: 1\n")));
    train("other.yaml");
    let files = ["runs/old/weights.safetensors", "runs/other/weights.safetensors"];
    let eval = |more: &[&str]| said(home.path(), &[&["eval", "old.yaml"], more].concat());
    let both = eval(&["--weights", files[0], files[1]]);
    assert!(both.starts_with("mean of 2 networks\nloss: "), "{both}");
    let alone = files.map(|file| accuracy(&eval(&["--weights", file])));
    assert!(accuracy(&both) > (alone[0] + alone[1]) / 2.0 - 2.0, "{both} {alone:?}");
    let crops = eval(&["--crops", "5"]);
    assert!(crops.starts_with("mean of 5 pieces of each picture\nloss: ") && accuracy(&crops) > 30.0, "{crops}");
    refused(home.path(), 2, &["eval", "old.yaml", "--crops", "3"]);
    assert!(
        refused(home.path(), 1, &["eval", "old.yaml", "--weights", files[0], "none"]).contains("no weights at `none`")
    );
}

#[test]
fn augmented_pictures_are_shown() {
    let home = folder();
    let data = repository().join("data/mnist").display().to_string();
    let recipe = format!(
        "spec: lenet5\ndata:\n  folder: {data}\n  train: {{ images: t10k-images-idx3-ubyte.gz, labels: t10k-labels-idx1-ubyte.gz }}\n\
         epochs: 1\naugment: [{{ rotate: 15 }}, {{ warp: {{ strength: 0.1 }} }}, {{ cutout: 8 }}]\n"
    );
    std::fs::write(home.path().join("r.yaml"), recipe).expect("a file");
    let sheet = ["augment", "r.yaml", "-o", "sheet.png", "--pictures", "2", "--variants", "3"];
    let text = said(home.path(), &sheet);
    assert_eq!(
        text,
        "sheet.png: 2 pictures, each as it is, after each step alone, and 3 times after all of them: rotate, warp, cutout\n"
    );
    let first = std::fs::read(home.path().join("sheet.png")).expect("a sheet");
    said(home.path(), &sheet);
    assert_eq!(first, std::fs::read(home.path().join("sheet.png")).expect("a sheet"));
    let picture = cnnc_runtime::data::Raster::read(&home.path().join("sheet.png")).expect("a sheet");
    // Seven columns of 28 pixels, eight times as large, over captions of 21.
    assert_eq!((picture.width, picture.height), (4 + 7 * 228, 4 + 2 * 249));
    refused(home.path(), 1, &["augment", "r.yaml", "-o", "none/sheet.png"]);
    assert!(refused(home.path(), 1, &["augment", "r.yaml", "-o", "sheet.jpg"]).contains("fits: `sheet.png`"));
}

#[test]
fn no_picture_is_shown_twice_while_others_are_left() {
    let home = folder();
    for grey in [10, 90, 170, 250] {
        let picture = cnnc_runtime::data::Raster { width: 28, height: 28, channels: 1, bytes: vec![grey; 28 * 28] };
        let folder = home.path().join(format!("{grey}"));
        std::fs::create_dir(&folder).expect("a folder");
        picture.write_png(&folder.join("a.png")).expect("a picture");
    }
    std::fs::write(home.path().join("r.yaml"), "spec: lenet5\ndata: { train: { folders: . } }\nepochs: 1\n")
        .expect("a file");
    said(home.path(), &["augment", "r.yaml", "-o", "sheet.png", "--pictures", "4"]);
    let sheet = cnnc_runtime::data::Raster::read(&home.path().join("sheet.png")).expect("a sheet");
    let row = sheet.height / 4;
    let mut shown: Vec<u8> =
        (0..4).map(|i| sheet.bytes[((i * row + row / 3) * sheet.width + sheet.width / 2) * 3]).collect();
    shown.sort_unstable();
    assert_eq!(shown, [10, 90, 170, 250]);
}

/// A network that tells two photos apart by their pieces, and one that tells whether two pieces are of one photo.
const PHOTOS: &str = "block tower(x, dim) {
    return x |> conv(8, 5, stride: 2, pad: 2) |> relu |> conv(16, 3, stride: 2, pad: 1) |> relu |> global_avg_pool |> flatten |> dense(dim)
}

net Which {
    input image: [3, 24, 24]
    logits = image |> tower(2)
    output logits
    target label: class(2)
    loss cross_entropy(logits, label)
}

net Same {
    input left, right: [3, 24, 24]
    embed = shared tower(8) as tower
    a = embed(left)
    b = embed(right)
    output embedding = a
    target same: [1]
    loss binary_cross_entropy_with_logits(abs(a - b) |> dense(1) as head, same)
}
";

/// Pieces of two photos as files, in a folder for each photo of a folder for what is learnt from and one for what is held out.
fn pieces(home: &Path) {
    for name in ["coffee.png", "chelsea.png"] {
        let photo = cnnc_runtime::data::Raster::read(&repository().join("data/photos").join(name)).expect("a photo");
        for number in 0..60 {
            let (left, top) = (number * 37 % (photo.width - 40), number * 53 % (photo.height - 40));
            let row = |y: usize| photo.bytes[(y * photo.width + left) * 3..][..40 * 3].to_vec();
            let bytes = (top..top + 40).flat_map(row).collect();
            let folder = home.join(if number < 40 { "learnt" } else { "held_out" }).join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            let piece = cnnc_runtime::data::Raster { width: 40, height: 40, channels: 3, bytes };
            piece.write_png(&folder.join(format!("{number}.png"))).expect("a picture");
        }
    }
}

#[test]
fn photos_are_seen_in_pieces_and_verifiers_are_drawn() {
    let home = folder();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
    file("photos.net", PHOTOS);
    pieces(home.path());
    for net in ["Which", "Same"] {
        let recipe = format!(
            "spec: photos.net\nnet: {net}\ndata:\n  train: {{ folders: learnt }}\n  test: {{ folders: held_out }}\n\
             picture: {{ mean: [0.5], std: [0.25] }}\nbatch: 8\nepochs: 12\noptimizer: {{ adam: {{ learning_rate: 0.003 }} }}\n"
        );
        file(&format!("{net}.yaml"), &recipe);
    }

    said(home.path(), &["train", "Which.yaml"]);
    let figure = |text: &str, words: &str| -> f64 {
        let rest = text.split_once(words).map_or("", |(_, rest)| rest);
        rest.split([' ', '\n']).next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    let eval = |more: &[&str]| said(home.path(), &[&["eval", "Which.yaml"], more].concat());
    let crops = ["1", "5", "10"].map(|crops| eval(&["--crops", crops]));
    assert!(crops[1].starts_with("mean of 5 pieces of each picture\n"), "{}", crops[1]);
    assert!(crops[2].starts_with("mean of 10 pieces of each picture\n"), "{}", crops[2]);
    for text in &crops {
        assert!(figure(text, "accuracy: ") > 70.0 && !text.contains("ROC"), "{text}");
    }
    assert_ne!(figure(&crops[1], "loss: "), figure(&crops[2], "loss: "), "mirror images are other pictures");

    let learnt = said(home.path(), &["train", "Same.yaml"]);
    let text = said(home.path(), &["eval", "Same.yaml"]);
    assert!(figure(&text, "embeddings: AUC: ") > 60.0, "{learnt}{text}");
    assert!(text.ends_with("\nROC curve: runs/Same/roc.svg\n"), "{text}");
    let drawn = std::fs::read_to_string(home.path().join("runs/Same/roc.svg")).expect("a picture");
    assert!(drawn.contains("Same: 40 images") && drawn.contains("embeddings (AUC 0."), "{drawn}");
    let report = std::fs::read_to_string(home.path().join("runs/Same/report.html")).expect("a page");
    assert!(report.contains("Same or different, last epoch"), "{report}");
    // Only JSON is printed where it is asked for.
    let json: serde_json::Value =
        serde_json::from_str(&said(home.path(), &["eval", "Same.yaml", "--json"])).expect("JSON");
    assert!((100.0 * json["embeddings"]["auc"].as_f64().expect("an area") - figure(&text, "AUC: ")).abs() < 0.01);
    // The curve belongs to weights that are kept aside with it.
    said(home.path(), &["train", "Same.yaml", "--epochs", "1"]);
    assert!(
        home.path().join("runs/Same/earlier-1/roc.svg").is_file() && !home.path().join("runs/Same/roc.svg").exists()
    );
    let both = refused(home.path(), 1, &["eval", "Same.yaml", "--crops", "10"]);
    assert!(both.contains("no output of Same has the shape of a target; embeddings are not averaged"), "{both}");
}

/// Bright squares on black, with their boxes in a table.
fn squares(folder: &Path) {
    let mut table = "file,split,class,xmin,ymin,xmax,ymax\n".to_owned();
    for number in 0..24 {
        let (x, y) = (4 + number * 7 % 36, 4 + number * 5 % 20);
        let inside = |i: usize| (x..x + 16).contains(&(i % 64)) && (y..y + 16).contains(&(i / 64));
        let bytes = (0..64 * 48).map(|i| if inside(i) { 255 } else { 0 }).collect();
        let picture = cnnc_runtime::data::Raster { width: 64, height: 48, channels: 1, bytes };
        picture.write_png(&folder.join(format!("{number}.png"))).expect("a picture");
        let split = if number < 20 { "train" } else { "test" };
        table += &format!("{number}.png,{split},square,{x},{y},{},{}\n", x + 16, y + 16);
    }
    std::fs::write(folder.join("boxes.csv"), table).expect("a table");
}

#[test]
fn detectors_find_boxes() {
    let home = folder();
    squares(home.path());
    let net = "net Squares {
    input image: [1, 48, 64]
    map = image |> conv(8, 5, stride: 2, pad: 2) |> relu |> conv(16, 5, stride: 2, pad: 2) |> relu |> conv(16, 3, stride: 2, pad: 1)
        |> relu |> conv(16, 3, pad: 1) |> relu |> conv(6, 1)
    output detections = yolo_decode(map, 8, anchors: [(16, 16)], version: v2)
    target objects: [4, 5]
    loss yolo_v2(map, objects, 8, anchors: [(16, 16)])
}";
    std::fs::write(home.path().join("squares.net"), net).expect("a net");
    let recipe = "spec: squares.net
data:
  train: { boxes: { images: ., annotations: boxes.csv, split: train } }
  test: { boxes: { images: ., annotations: boxes.csv, split: test } }
classes: [square]
batch: 4
epochs: 60
optimizer: { adam: { learning_rate: 0.005 } }
";
    std::fs::write(home.path().join("r.yaml"), recipe).expect("a recipe");
    let learnt = said(home.path(), &["train", "r.yaml"]);
    let precision = learnt.split("mAP@0.5: ").nth(1).and_then(|rest| rest.split(' ').next());
    let precision: f64 = precision.and_then(|text| text.parse().ok()).expect("a precision");
    assert!(precision > 75.0, "{learnt}");
    // What is held out is measured after each epoch, and decides which is the best one.
    let epochs = learnt.lines().filter(|line| line.starts_with("epoch ")).collect::<Vec<_>>();
    assert!(
        epochs.iter().all(|line| line.contains("  held out: mAP@0.5 ") && line.contains("  COCO mAP ")),
        "{learnt}"
    );
    let table = std::fs::read_to_string(home.path().join("runs/r/epochs.csv")).expect("a table");
    let column = table.lines().next().and_then(|heading| heading.split(',').position(|name| name == "held_out_map50"));
    let held_out = |line: &str| line.split(',').nth(column.expect("a column")).and_then(|x| x.parse::<f64>().ok());
    let precisions: Vec<f64> = table.lines().skip(1).filter_map(held_out).collect();
    let best = precisions.iter().copied().fold(0.0, f64::max);
    assert!(precisions.len() == 60 && (100.0 * best - precision).abs() < 0.01, "{table}");
    let report = std::fs::read_to_string(home.path().join("runs/r/report.html")).expect("a page");
    assert!(report.contains("Boxes found (%)"), "{report}");
    let measured = said(home.path(), &["eval", "r.yaml"]);
    assert!(measured.starts_with("mAP@0.5: ") && measured.contains(" % (4 boxes in 4 images)\nCOCO mAP"), "{measured}");
    let measured = said(home.path(), &["eval", "r.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&measured).expect("JSON");
    assert!((100.0 * json["map50"].as_f64().expect("a precision") - precision).abs() < 0.01, "{measured}");
    assert_eq!(
        (json["coco"].as_object().map(serde_json::Map::len), &json["coco"]["AP"]),
        (Some(12), &json["coco_map"])
    );

    let found = said(home.path(), &["predict", "r.yaml", "21.png", "-o", "found.png"]);
    assert!(found.starts_with("21.png: ") && found.contains(" % square, from ("), "{found}");
    let drawn = cnnc_runtime::data::Raster::read(&home.path().join("found.png")).expect("a picture");
    assert_eq!((drawn.width, drawn.height, drawn.channels), (640, 480, 3), "enlarged for labels");
    let none = said(home.path(), &["predict", "r.yaml", "21.png", "--score", "1"]);
    assert_eq!(none, "21.png: nothing\n");
    let two = refused(home.path(), 1, &["predict", "r.yaml", "21.png", "22.png", "-o", "found.png"]);
    assert!(two.contains("--output is for one picture"), "{two}");
    refused(home.path(), 2, &["predict", "r.yaml", "21.png", "--score", "2"]);

    // All the boxes there are, for suppression to choose from.
    let boxes = |more: &[&str]| {
        let all = ["predict", "r.yaml", "21.png", "--score", "0", "--json"];
        let answers: serde_json::Value =
            serde_json::from_str(&said(home.path(), &[&all, more].concat())).expect("JSON");
        answers[0]["boxes"].as_array().expect("boxes").len()
    };
    let kept = boxes(&[]);
    assert_eq!(boxes(&["--agnostic"]), kept, "there is one class");
    assert!(boxes(&["--soft-nms"]) > kept);
    refused(home.path(), 2, &["predict", "r.yaml", "21.png", "--agnostic", "--soft-nms"]);

    let anchors = said(home.path(), &["anchors", "r.yaml", "--count", "1"]);
    let expected = "const priors = [(16.0, 16.0)]\nmean IoU of 20 boxes with their anchors: 1.000, in pixels of the input of 64 by 48\n";
    assert_eq!(anchors, expected);
    let many = refused(home.path(), 1, &["anchors", "r.yaml"]);
    assert!(many.contains("too few different shapes for 5 anchors: 1\nfits: `--count 1`"), "{many}");
}

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
