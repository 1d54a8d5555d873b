//! Networks with the weights that their authors published, on stored inputs, against stored outputs. Weights and
//! tensors are no part of this repository: the variable `CNNC_DATA` names the folder that has them under `models`.

use std::path::Path;

use cnnc_tests::command;
use cnnc_tests::tensors::{furthest, tensors};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// Published weights and what a network makes of them.
struct Model {
    /// The folder and the file of the weights.
    name: &'static str,
    /// The spec as the command takes it, and a value of a parameter of it.
    spec: &'static str,
    set: Option<&'static str>,
    /// Outputs that are stored.
    outputs: &'static [&'static str],
}

const fn model(
    name: &'static str,
    spec: &'static str,
    set: Option<&'static str>,
    outputs: &'static [&'static str],
) -> Model {
    Model { name, spec, set, outputs }
}

const MODELS: &[Model] = &[
    model("mnist_cntk", "specs/zoo/mnist.net", None, &["logits"]),
    model("mobileface_v1", "specs/zoo/mobileface.net", None, &["embedding"]),
    model("resnet20_cifar10", "resnet20", None, &["logits"]),
    model("resnet56_cifar10", "resnet56", None, &["logits"]),
    model("squeezenet1_0", "specs/zoo/squeezenet.net", None, &["logits"]),
    model("style_scream", "specs/zoo/style.net", Some("size=64"), &["pixels"]),
    model("style_wave", "specs/zoo/style.net", Some("size=64"), &["pixels"]),
    model("tiny_face_yolov2", "specs/zoo/tiny_face.net", None, &["head"]),
    model("vww_mobilenet_v1_025", "specs/zoo/visual_wake_words.net", None, &["logits"]),
    model("yolo_fastest_1_1_coco", "specs/zoo/yolo_fastest.net", None, &["head0", "head1"]),
    model("yolov3_nano_voc", "specs/zoo/yolov3_nano.net", None, &["head0", "head1"]),
];

/// Writes the stored inputs as one batch under the name that the specs have for it, and returns what their names end with: "", or
/// ".dog", ".person" where they were stored one by one.
fn write_input(golden: &Path, to: &Path) -> Vec<String> {
    let bytes = std::fs::read(golden).unwrap_or_else(|e| panic!("{}: {e}", golden.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut inputs: Vec<_> = file
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| Some((name.strip_prefix("input")?.to_owned(), view)))
        .collect();
    inputs.sort_by(|a, b| a.0.cmp(&b.0));
    let mut shape = inputs[0].1.shape().to_vec();
    shape[0] = inputs.iter().map(|(_, view)| view.shape()[0]).sum();
    let data = inputs.iter().flat_map(|(_, view)| view.data()).copied().collect::<Vec<u8>>();
    let batch = TensorView::new(inputs[0].1.dtype(), shape, &data).expect("inputs of one shape");
    std::fs::write(to, safetensors::serialize([("image", batch)], None).expect("tensors")).expect("a file");
    inputs.into_iter().map(|(end, _)| end).collect()
}

/// How far each stored output is from what the network makes of the stored input, relative to the largest number in it.
fn differences(model: &Model, folder: &Path) -> Vec<(&'static str, f64)> {
    let temporary = tempfile::tempdir().expect("a folder");
    let [input, output] = ["input", "output"].map(|n| temporary.path().join(n).with_extension("safetensors"));
    let golden = folder.join("golden.safetensors");
    let ends = write_input(&golden, &input);
    let mut run = command();
    run.args(["run", model.spec]);
    run.args(model.set.iter().flat_map(|value| ["--set", value]));
    run.arg("--weights").arg(folder.join(model.name).with_extension("safetensors"));
    let done = run.arg("--input").arg(&input).arg("--output").arg(&output).output().expect("cargo runs");
    assert!(done.status.success(), "{}: {}", model.name, String::from_utf8_lossy(&done.stderr));

    let (golden, outputs) = (tensors(&golden), tensors(&output));
    let difference = |name: &&'static str| {
        let expected: Vec<f64> = ends.iter().flat_map(|end| golden[&format!("{name}{end}")].clone()).collect();
        let got = &outputs[*name];
        // Of some inputs more outputs are stored than inputs.
        assert!(!got.is_empty() && got.len() <= expected.len(), "{}: length of `{name}`", model.name);
        (*name, furthest(got, &expected[..got.len()]))
    };
    model.outputs.iter().map(difference).collect()
}

#[test]
fn published_weights_give_published_results() {
    let Some(data) = std::env::var_os("CNNC_DATA").filter(|folder| !folder.is_empty()) else {
        eprintln!("skipped: CNNC_DATA names no folder with weights");
        return;
    };
    for model in MODELS {
        for (output, difference) in differences(model, &Path::new(&data).join("models").join(model.name)) {
            println!("{}: `{output}` is off by {difference:.1e} of its largest element", model.name);
            assert!(difference <= 1e-3, "{}: `{output}` is off by {difference:.1e} of its largest", model.name);
        }
    }
}
