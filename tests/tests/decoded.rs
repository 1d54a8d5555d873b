//! What people see of networks with published weights is what their authors' code (or a faithful copy of it) gave:
//! digits read, the five most probable classes, boxes behind suppression, likeness of faces, painted pictures. Everything begins
//! with the files: pictures are read and resized by the runtime. The variable `CNNC_DATA` names the folder that has weights,
//! pictures and, as `models/NAME/golden.json`, the expected results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cnnc_runtime::boxes::{Corners, Detection, Thresholds, nms, rows};
use cnnc_runtime::data::readers::Cifar;
use cnnc_runtime::data::{Idx, Picture, Raster, readers};
use cnnc_tests::command;
use cnnc_tests::tensors::tensors;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

/// The folder of weights and pictures; tests are skipped without it.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("CNNC_DATA").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        eprintln!("skipped: CNNC_DATA names no folder with weights");
    }
    folder.map(PathBuf::from)
}

/// A published network.
struct Model<'a> {
    data: &'a Path,
    name: &'static str,
    spec: &'static str,
    set: &'static [&'static str],
}

impl Model<'_> {
    /// What is expected.
    fn golden(&self) -> Value {
        let path = self.data.join("models").join(self.name).join("golden.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).expect("JSON")
    }

    /// The stored input, which reading and resizing of pictures has no part in.
    fn stored(&self) -> Vec<f32> {
        let all = tensors(&self.data.join("models").join(self.name).join("golden.safetensors"));
        all["input"].iter().map(|x| *x as f32).collect()
    }

    /// An output for images one after another, by `cnnc run`.
    fn run(&self, images: &[f32], shape: &[usize], output: &str) -> Vec<f64> {
        let folder = tempfile::tempdir().expect("a folder");
        let [input, outputs] = ["input", "output"].map(|n| folder.path().join(n).with_extension("safetensors"));
        let bytes: Vec<u8> = images.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut batch = vec![images.len() / shape.iter().product::<usize>()];
        batch.extend(shape);
        let view = TensorView::new(Dtype::F32, batch, &bytes).expect("whole images");
        std::fs::write(&input, safetensors::serialize([("image", view)], None).expect("tensors")).expect("a file");
        let mut run = command();
        run.args(["run", self.spec]);
        run.args(self.set.iter().flat_map(|value| ["--set", value]));
        run.arg("--weights").arg(self.data.join(format!("models/{0}/{0}.safetensors", self.name)));
        let done = run.arg("--input").arg(&input).arg("--output").arg(&outputs).output().expect("it starts");
        assert!(done.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&done.stderr));
        tensors(&outputs).remove(output).expect("the output")
    }

    fn photo(&self, name: &Value) -> Raster {
        let path = self.data.join(name.as_str().expect("a path"));
        Raster::read(&path).unwrap_or_else(|e| panic!("{e}")).with_channels(3)
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The position of the largest number.
fn best(values: &[f64]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).expect("numbers")
}

fn softmax(values: &[f64]) -> Vec<f64> {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|x| (x - most).exp()).sum();
    values.iter().map(|x| (x - most).exp() / sum).collect()
}

/// How many of the images have their largest number at the right class.
fn right(values: &[f64], labels: impl Iterator<Item = u32>, classes: usize) -> usize {
    values.chunks_exact(classes).zip(labels).filter(|(y, label)| best(y) == *label as usize).count()
}

/// As many are right as expected, but for two whose best classes rounding may exchange.
fn as_many(right: usize, expected: &Value, name: &str) {
    let expected = number(expected);
    assert!((right as f64 - expected).abs() <= 2.0, "{name}: {right} are right, {expected} were expected");
}

#[test]
fn digits_are_read() {
    let Some(data) = data() else { return };
    let model = Model { data: &data, name: "mnist_cntk", spec: "specs/zoo/mnist.net", set: &[] };
    let golden = model.golden();
    let images = Idx::read(&data.join("mnist/t10k-images-idx3-ubyte.gz")).expect("digits");
    let labels = Idx::read(&data.join("mnist/t10k-labels-idx1-ubyte.gz")).expect("labels");
    let pixels: Vec<f32> = images.bytes.iter().map(|byte| f32::from(*byte)).collect();
    let logits = model.run(&pixels, &[1, 28, 28], "logits");
    let right = right(&logits, labels.bytes.iter().map(|label| u32::from(*label)), 10);
    as_many(right, &golden["correct"], "mnist_cntk");
    for (expected, logits) in list(&golden["first_16"]).iter().zip(logits.chunks_exact(10)) {
        assert_eq!(best(logits) as f64, number(&expected["pred"]));
        for (a, b) in logits.iter().zip(list(&expected["logits"])) {
            assert!((a - number(b)).abs() < 0.1, "{a} should be {b}");
        }
    }
}

#[test]
fn small_pictures_are_told_apart() {
    let Some(data) = data() else { return };
    let picture = Picture { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225], invert: false };
    let read = |file: &str| {
        let all = readers::cifar(&data.join("cifar10").join(file), Cifar::Ten).expect("pictures").examples;
        let input = |e: &cnnc_runtime::data::Example| {
            e.read().expect("a picture").raster.to_input(&[3, 32, 32], &picture).expect("an input")
        };
        let pixels: Vec<f32> = all.iter().flat_map(input).collect();
        (pixels, all.into_iter().filter_map(|e| e.class).collect::<Vec<u32>>())
    };
    let (test, lossless) = (read("test_2000.bin.gz"), read("train_lossless_100.bin.gz"));
    for (name, spec) in [("resnet20_cifar10", "resnet20"), ("resnet56_cifar10", "resnet56")] {
        let model = Model { data: &data, name, spec, set: &[] };
        let golden = model.golden();
        let count = |(pixels, labels): &(Vec<f32>, Vec<u32>)| {
            right(&model.run(pixels, &[3, 32, 32], "logits"), labels.iter().copied(), 10)
        };
        as_many(count(&test), &golden["correct"], name);
        as_many(count(&lossless), &golden["train_lossless_100"]["correct"], name);
    }
}

/// The middle of a photo whose shorter side is 256, as SqueezeNet wants it: blue first, less the mean.
fn middle(photo: &Raster) -> Vec<f32> {
    let short = photo.width.min(photo.height) as f64;
    let side = |n: usize| (n as f64 * 256.0 / short).round() as usize;
    let photo = photo.stretched(side(photo.width), side(photo.height));
    let (left, top) = ((photo.width - 227) / 2, (photo.height - 227) / 2);
    let mean = [123.0, 117.0, 104.0];
    let value =
        |c: usize, y: usize, x: usize| f32::from(photo.bytes[((top + y) * photo.width + left + x) * 3 + c]) - mean[c];
    let plane = |c: usize| (0..227 * 227).map(move |i| value(c, i / 227, i % 227));
    [2, 1, 0].into_iter().flat_map(plane).collect()
}

#[test]
fn the_five_most_probable_classes() {
    let Some(data) = data() else { return };
    let model = Model { data: &data, name: "squeezenet1_0", spec: "specs/zoo/squeezenet.net", set: &[] };
    let golden = model.golden();
    let photos = list(&golden["images"]);
    let mut inputs = model.stored();
    inputs.extend(photos.iter().flat_map(|photo| middle(&model.photo(&photo["image"]))));
    let logits = model.run(&inputs, &[3, 227, 227], "logits");
    // The stored input is that of the first photo.
    for (i, logits) in logits.chunks_exact(1000).enumerate() {
        let (photo, exact) = (&photos[i.saturating_sub(1)], i == 0);
        let probabilities = softmax(logits);
        let mut order: Vec<usize> = (0..1000).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        let top5 = list(&photo["top5"]);
        let expected: Vec<usize> = top5.iter().map(|class| number(&class["index"]) as usize).collect();
        // JPEG decoders and resizing differ by a grey level here and there, which moves classes of nearly the same probability.
        let tolerance = if exact { 1e-3 } else { 0.06 };
        let best = probabilities[order[0]] - probabilities[expected[0]];
        assert!(best < tolerance, "{photo}: {} is more probable by {best}", order[0]);
        assert!(!exact || order[..5] == expected, "{:?} should be {expected:?}", &order[..5]);
        for class in top5 {
            let (p, wanted) = (probabilities[number(&class["index"]) as usize], number(&class["prob"]));
            assert!((p - wanted).abs() < tolerance, "{}: {p} should be {class}", photo["image"]);
        }
    }
}

#[test]
fn people_are_seen() {
    let Some(data) = data() else { return };
    let model = Model { data: &data, name: "vww_mobilenet_v1_025", spec: "specs/zoo/visual_wake_words.net", set: &[] };
    let golden = model.golden();
    let photos = list(&golden["images"]);
    let input = |photo: &Value| model.photo(&photo["image"]).to_input(&[3, 96, 96], &Picture::default());
    let inputs: Vec<f32> = photos.iter().flat_map(|photo| input(photo).expect("an input")).collect();
    let logits = model.run(&inputs, &[3, 96, 96], "logits");
    for (photo, logits) in photos.iter().zip(logits.chunks_exact(2)) {
        let (p, wanted) = (softmax(logits)[1], number(&photo["prob_person"]));
        assert!((p - wanted).abs() < 0.02, "{p} should be {photo}");
    }
}

/// Boxes by the corners that a JSON list has.
fn corners(value: &Value) -> Corners {
    let sides: Vec<f32> = list(value).iter().map(|side| number(side) as f32).collect();
    Corners { x1: sides[0], y1: sides[1], x2: sides[2], y2: sides[3] }
}

/// Each expected box is found, of its class, with its score and in its place, and the other way round; boxes whose score is as
/// near to the threshold as scores may differ need not be.
fn same_boxes(found: &[Detection], expected: &[Detection], threshold: f32, off: f32, iou: f32, what: &str) {
    let like = |a: &Detection, b: &Detection| {
        a.class == b.class && (a.score - b.score).abs() <= off && a.corners.iou(&b.corners) >= iou
    };
    for (these, those) in [(found, expected), (expected, found)] {
        for one in these.iter().filter(|d| d.score > threshold + off) {
            assert!(those.iter().any(|other| like(one, other)), "{what}: {one:?} in\n{found:#?}\n{expected:#?}");
        }
    }
}

#[test]
fn boxes_are_those_of_the_authors() {
    let Some(data) = data() else { return };
    let models = [
        ("yolo_fastest_1_1_coco", "specs/zoo/yolo_fastest.net", 80),
        ("yolov3_nano_voc", "specs/zoo/yolov3_nano.net", 20),
    ];
    for (name, spec, classes) in models {
        let model = Model { data: &data, name, spec, set: &[] };
        let golden = model.golden();
        let photos = list(&golden["images"]);
        let rasters: Vec<Raster> = photos.iter().map(|photo| model.photo(&photo["image"])).collect();
        let mut inputs = model.stored();
        inputs.extend(rasters.iter().flat_map(|r| r.to_input(&[3, 320, 320], &Picture::default()).expect("an input")));
        let detections = model.run(&inputs, &[3, 320, 320], "detections");
        let len = detections.len() / (1 + photos.len());
        for (i, image) in detections.chunks_exact(len).enumerate() {
            let (photo, raster, exact) = (&photos[i.saturating_sub(1)], &rasters[i.saturating_sub(1)], i == 0);
            let image: Vec<f32> = image.iter().map(|x| *x as f32).collect();
            let thresholds = Thresholds { score: 0.25, iou: 0.45, ..Thresholds::default() };
            let scaled = |d: Detection| Detection {
                corners: d.corners.scaled(raster.width as f32 / 320.0, raster.height as f32 / 320.0),
                ..d
            };
            let found: Vec<Detection> =
                nms(&rows(&image, classes, 0.25), &thresholds).into_iter().map(scaled).collect();
            let expected = |d: &Value| Detection {
                corners: corners(&d["box_xyxy_px"]),
                score: number(&d["prob"]) as f32,
                class: number(&d["cls"]) as u32,
            };
            let expected: Vec<Detection> = list(&photo["detections"]).iter().map(expected).collect();
            // Of photos prepared here, cells of nearly the same score may change places.
            let (off, iou) = if exact { (1e-3, 0.999) } else { (0.06, 0.7) };
            same_boxes(&found, &expected, 0.25, off, iou, &format!("{name}, {}", photo["image"]));
        }
    }
}

#[test]
fn faces_are_found() {
    let Some(data) = data() else { return };
    let model = Model { data: &data, name: "tiny_face_yolov2", spec: "specs/zoo/tiny_face.net", set: &[] };
    let golden = model.golden();
    let photos = list(&golden["images"]);
    let mean = [117.001, 114.697, 97.404].map(|mean: f32| mean / 255.0).to_vec();
    let picture = Picture { mean, std: vec![256.0 / 255.0], invert: false };
    let rasters: Vec<Raster> = photos.iter().map(|photo| model.photo(&photo["image"])).collect();
    let scale = |raster: &Raster| raster.width.max(raster.height) as f32 / 416.0;
    let mut inputs = model.stored();
    for raster in &rasters {
        let side = |n: usize| (n as f32 / scale(raster)).round() as usize;
        let small = raster.stretched(side(raster.width), side(raster.height)).part(0, 0, 416, 416);
        inputs.extend(small.to_input(&[3, 416, 416], &picture).expect("an input"));
    }
    let detections = model.run(&inputs, &[3, 416, 416], "detections");
    for (i, image) in detections.chunks_exact(13 * 13 * 5 * 5).enumerate() {
        let (photo, exact) = (&photos[i.saturating_sub(1)], i == 0);
        let scale = scale(&rasters[i.saturating_sub(1)]);
        let image: Vec<f32> = image.iter().map(|x| *x as f32).collect();
        let thresholds = Thresholds { score: 0.5, iou: 0.4, ..Thresholds::default() };
        let scaled = |d: Detection| Detection { corners: d.corners.scaled(scale, scale), ..d };
        let found: Vec<Detection> = nms(&rows(&image, 0, 0.5), &thresholds).into_iter().map(scaled).collect();
        let expected = |face: &Value| Detection {
            corners: corners(&face["box_xyxy_px"]),
            score: number(&face["score"]) as f32,
            class: 0,
        };
        let expected: Vec<Detection> = list(&photo["faces"]).iter().map(expected).collect();
        assert_eq!(found.len(), expected.len(), "{photo}");
        let (off, iou) = if exact { (1e-3, 0.999) } else { (0.02, 0.95) };
        same_boxes(&found, &expected, 0.5, off, iou, &photo["image"].to_string());
    }
}

#[test]
fn faces_are_as_alike() {
    let Some(data) = data() else { return };
    let model = Model { data: &data, name: "mobileface_v1", spec: "specs/zoo/mobileface.net", set: &[] };
    let golden = model.golden();
    let images = Idx::read(&data.join("faces/lfw_aligned_100pairs-images-idx3-ubyte.gz")).expect("faces");
    let pixels: Vec<f32> = images.bytes.iter().map(|byte| (f32::from(*byte) - 127.5) / 127.5).collect();
    let embeddings = model.run(&pixels, &[1, 100, 100], "embedding");
    let faces: Vec<&[f64]> = embeddings.chunks_exact(256).collect();
    let cosine = |a: usize, b: usize| faces[a].iter().zip(faces[b]).map(|(x, y)| x * y).sum::<f64>();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for a in 0..faces.len() {
        for b in a + 1..faces.len() {
            if b == a + 1 && a % 2 == 0 { same.push(cosine(a, b)) } else { different.push(cosine(a, b)) }
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let most = different.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // How often the nearest of all other pictures is of the same person.
    let nearest =
        |a: usize| best(&(0..faces.len()).map(|b| if a == b { -1.0 } else { cosine(a, b) }).collect::<Vec<_>>());
    let found = (0..faces.len()).filter(|a| nearest(*a) / 2 == a / 2).count();
    let expected = number(&golden["rank1_identification"]) * faces.len() as f64;
    assert!((found as f64 - expected).abs() <= 1.0, "{found} people are found, {expected} were expected");
    let got = [("mean_same", mean(&same)), ("mean_different", mean(&different)), ("max_different", most)];
    for (name, value) in got {
        let expected = number(&golden[name]);
        assert!((value - expected).abs() < 1e-3, "{name} is {value}, expected {expected}");
    }
}

#[test]
fn pictures_are_painted_the_same() {
    let Some(data) = data() else { return };
    for name in ["style_wave", "style_scream"] {
        let model = Model { data: &data, name, spec: "specs/zoo/style.net", set: &["size=256"] };
        let content = Raster::read(&data.join("style/content_stata_256.png")).expect("a picture");
        let of_255 = Picture { std: vec![1.0 / 255.0], ..Picture::default() };
        let input = content.to_input(&[3, 256, 256], &of_255).expect("an input");
        let pixels: Vec<f32> = model.run(&input, &[3, 256, 256], "pixels").iter().map(|x| *x as f32).collect();
        let painted = Raster::from_tensor(&pixels, &[3, 256, 256], (0.0, 255.0)).expect("a picture");
        let expected = Raster::read(&data.join("models").join(name).join("golden_256.png")).expect("a picture");
        let far = painted.bytes.iter().zip(&expected.bytes).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        assert_eq!(far, 0, "{name}: {far} bytes are off by more than rounding");
    }
}

/// The expected results of all networks are looked at above.
#[test]
fn no_network_is_left_out() {
    let Some(data) = data() else { return };
    let known = BTreeMap::from([
        ("mnist_cntk", "digits_are_read"),
        ("resnet20_cifar10", "small_pictures_are_told_apart"),
        ("resnet56_cifar10", "small_pictures_are_told_apart"),
        ("squeezenet1_0", "the_five_most_probable_classes"),
        ("vww_mobilenet_v1_025", "people_are_seen"),
        ("yolo_fastest_1_1_coco", "boxes_are_those_of_the_authors"),
        ("yolov3_nano_voc", "boxes_are_those_of_the_authors"),
        ("tiny_face_yolov2", "faces_are_found"),
        ("mobileface_v1", "faces_are_as_alike"),
        ("style_wave", "pictures_are_painted_the_same"),
        ("style_scream", "pictures_are_painted_the_same"),
    ]);
    for entry in std::fs::read_dir(data.join("models")).expect("models") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(known.contains_key(&*name), "{name} has expected results that no test looks at");
    }
}
