//! Every gradient rule against central differences of the reference, and every pass against the graph before it.

use cnnc::compile::{Compiled, Options};
use cnnc::graph::{Graph, verify};
use cnnc::ops::DEFINITIONS;
use cnnc::optimize::{self, INFERENCE, TRAINING_WITH_INPUTS};
use cnnc::reference::{Feed, Tensor, evaluate};
use cnnc_tests::compare::Case;
use cnnc_tests::generate::{Random, network};
use cnnc_tests::{compile_text, uses};

/// The loss of a training graph.
fn loss(graph: &Graph, feed: &Feed) -> f64 {
    evaluate(graph, feed)[graph.loss.expect("a loss").0 as usize].data[0]
}

/// Inputs of random networks that say where regions are, which have no gradient by definition (as in torchvision).
const REGIONS: [&str; 3] = ["corners", "scores", "moves"];

/// How many elements of gradients were looked at, and at how many of them there was no derivative to compare.
#[derive(Default)]
struct Looked {
    all: usize,
    kinks: usize,
}

impl Looked {
    /// Holds that what is left out is a small share, at most one in so many.
    fn leave_out_at_most_one_in(&self, many: usize, what: &str) {
        let Self { all, kinks } = self;
        assert!(kinks * many <= *all, "{kinks} of {all} elements were left out as kinks: {what}");
    }
}

/// Compares gradients with central differences at some elements of each weight and input; says where they differ.
///
/// Maxima and rectifiers have kinks: where the differences at two step sizes disagree, there is no derivative to compare.
fn differences(compiled: &Compiled, feed: &Feed, random: &mut Random, looked: &mut Looked) -> Vec<String> {
    let mut plain = None;
    optimize::run(TRAINING_WITH_INPUTS, compiled.graph.clone(), |pass, graph| {
        if pass.name == "differentiate" {
            plain = Some(graph.clone());
        }
    });
    let graph = plain.expect("the passes ran");
    let values = evaluate(&graph, feed);
    let mut wrong = Vec::new();
    let gradients = graph.gradients.iter().map(|(p, v)| (graph.param(*p).name.clone(), (true, p.0 as usize), *v));
    let inputs = graph.input_gradients.iter().map(|(i, v)| (graph.inputs[*i].name.clone(), (false, *i), *v));
    let inputs = inputs.filter(|(name, ..)| !REGIONS.contains(&name.as_str()));
    for (name, (is_param, index), value) in gradients.chain(inputs) {
        let gradient = &values[value.0 as usize];
        let scale = gradient.data.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
        for _ in 0..6 {
            let at = random.below(gradient.data.len());
            let slope = |step: f64| {
                let shifted = |by: f64| {
                    let mut feed = feed.clone();
                    let tensors: &mut Vec<Tensor> = if is_param { &mut feed.params } else { &mut feed.inputs };
                    tensors[index].data[at] += by;
                    loss(&graph, &feed)
                };
                (shifted(step) - shifted(-step)) / (2.0 * step)
            };
            let (wide, narrow) = (slope(1e-5), slope(2e-6));
            let kink = (wide - narrow).abs() > 1e-5 * scale.max(wide.abs());
            looked.all += 1;
            looked.kinks += usize::from(kink);
            if !kink && (narrow - gradient.data[at]).abs() > 2e-5 * scale {
                wrong.push(format!("{name}[{at}]: {} against a difference of {narrow}", gradient.data[at]));
            }
        }
    }
    wrong
}

fn check(text: &str, seed: u64, looked: &mut Looked) {
    let compiled = compile_text(text, &Options { input_gradients: true, ..Options::default() });
    let mut random = Random::new(seed);
    let mut case = Case::random(&compiled, 1 + random.below(3), &mut random);
    case.feed.dropout = Some((seed, 3));
    let wrong = differences(&compiled, &case.feed, &mut random, looked);
    assert!(wrong.is_empty(), "seed {seed}:\n{}\n{text}", wrong.join("\n"));
}

/// Losses of detectors decide which box answers for an object and how well it does, and by definition no gradient goes
/// through that: differences would see it. `each_operator` has them where nothing is decided anew.
#[test]
fn random_networks() {
    let mut looked = Looked::default();
    for (seed, text) in (0..200).map(|seed| (seed, network(seed))).filter(|(_, text)| !text.contains("objects")) {
        check(&text, seed, &mut looked);
    }
    looked.leave_out_at_most_one_in(50, "of random networks");
}

#[test]
fn every_attribute() {
    for (index, text) in uses::networks().iter().enumerate() {
        let mut looked = Looked::default();
        (0..4).for_each(|seed| check(text, 100 * index as u64 + seed, &mut looked));
        looked.leave_out_at_most_one_in(10, text);
    }
}

/// A network around one use of each operator. Names as users write them.
const USES: &[(&str, &str)] = &[
    ("conv", "x |> conv(4, [3, 2], stride: [2, 1], pad: [(1, 0), (0, 2)], dilation: [1, 2], groups: 2)"),
    (
        "conv_transpose",
        "x |> conv(4, 1)\n    see = shared conv(3, [3, 2], bias: false)\n    y = tanh(see(y)) |> conv_transpose(4, [3, 2], weight: see)",
    ),
    (
        "conv_transpose",
        "x |> conv_transpose(6, [3, 2], stride: [2, 3], pad: [(1, 0), (0, 2)], dilation: [1, 2], output_pad: [1, 0], groups: 2)",
    ),
    ("filter", "filter(x, sobel_x, stride: 2, pad: same)"),
    ("local_conv", "local_conv(x, 3, [3, 2], stride: [2, 1], pad: [(1, 0), (0, 2)])"),
    ("convolutionalize", "convolutionalize(x, 3, [4, 3], stride: [1, 2])"),
    ("weight", "x * weight([4, 6, 5])"),
    ("dense", "x |> flatten |> dense(7)"),
    ("max_pool", "x |> max_pool(3, stride: 2, pad: 1, ceil: true)"),
    ("avg_pool", "x |> avg_pool(3, stride: 2, pad: 1, ceil: true, count_pad: false)"),
    ("space_to_depth", "x |> conv(2, [3, 2]) |> space_to_depth(4)"),
    ("depth_to_space", "x |> depth_to_space(2)"),
    ("global_avg_pool", "x |> global_avg_pool"),
    ("global_max_pool", "x |> global_max_pool"),
    ("adaptive_avg_pool", "adaptive_avg_pool(x, [4, 3])"),
    ("adaptive_max_pool", "adaptive_max_pool(x, [4, 3])"),
    ("max_unpool", "max_unpool(conv(max_pool(x, 2), 4, 1), x, 2)"),
    ("batch_norm", "x |> conv(4, 1) |> batch_norm(eps: 1e-3)"),
    ("lrn", "lrn(x, size: 3, alpha: 2, beta: 0.6, k: 0.7)"),
    ("dropout", "x |> conv(4, 1) |> dropout(0.4)"),
    ("drop_path", "x + (x |> conv(4, 1) |> drop_path(0.4))"),
    ("relu", "relu(x)"),
    ("leaky_relu", "leaky_relu(x, 0.2)"),
    ("tanh", "tanh(x)"),
    ("sigmoid", "sigmoid(x)"),
    ("hard_swish", "hard_swish(4 * x)"),
    ("relu6", "relu6(9 * x)"),
    ("prelu", "prelu(x)"),
    ("elu", "elu(2 * x, alpha: 0.7)"),
    ("hard_sigmoid", "hard_sigmoid(4 * x)"),
    ("silu", "silu(3 * x)"),
    ("gelu", "gelu(3 * x)"),
    ("softplus", "softplus(3 * x, beta: 0.5)"),
    ("abs", "abs(x)"),
    ("square", "square(x)"),
    ("sqrt", "sqrt(x + 2)"),
    ("exp", "exp(x)"),
    ("log", "log(2.5 - x)"),
    ("clamp", "clamp(x, min: -0.4, max: 0.3)"),
    ("softmax", "softmax(x, axis: 1)"),
    ("log_softmax", "log_softmax(x, axis: 2)"),
    ("add", "add(x, x |> global_avg_pool, x)"),
    ("sub", "sub(x |> conv(1, 1), x)"),
    ("mul", "mul(x, x |> global_max_pool |> flatten, sigmoid(x))"),
    ("div", "div(x |> conv(1, 1), 1.5 + sigmoid(x)) + x / (2 + global_max_pool(x) |> flatten) - 3 / (x + 2)"),
    ("scale", "scale(x, bias: true)"),
    ("layer_norm", "layer_norm(x, over: channels)"),
    ("group_norm", "group_norm(x, 2, eps: 1e-3)"),
    ("l2_normalize", "l2_normalize(x, axis: 1)"),
    ("sum", "sum(x, [0, 2])"),
    ("mean", "mean(x, [1, 2]) |> dense(3)"),
    ("max", "max(x, [2, 0], keep: true)"),
    ("gram", "gram(x)"),
    ("upsample", "upsample(x, [2, 3], mode: bilinear)"),
    ("transpose", "transpose(x, [2, 0, 1])"),
    ("channel_shuffle", "channel_shuffle(x, 2)"),
    ("slice", "slice(x, 1, 4, axis: 2) |> slice(0, 4, stride: 3)"),
    ("split", "add(split(x, [1, 3])[1], split(x, 4)[0])"),
    ("pad", "pad(x, [2, (1, 3)], channels: (0, 2), mode: reflect)"),
    ("concat", "concat(x, x |> conv(4, 1), axis: 2)"),
    ("flatten", "flatten(x)"),
    ("reshape", "reshape(x, [6, 20]) |> conv(2, 3)"),
    ("one_hot", "x"),
    ("cross_entropy", "x"),
    ("binary_cross_entropy", "x"),
    // Regions that follow from x in steps, so that they have no slope, as no gradient either.
    ("roi_pool", "roi_pool(x, 5 * (x |> flatten |> slice(0, 12) |> reshape([3, 4])) + 2, [2, 3])"),
    (
        "roi_align",
        "roi_align(x, clamp(999 * (x |> flatten |> slice(0, 8) |> reshape([2, 4])), min: 0.7, max: 4.2), 2, sampling_ratio: 2)",
    ),
    ("yolo_decode", "x |> conv(14, 3) |> yolo_decode(8, anchors: [(5, 9), (12.5, 7)], version: v2)"),
    (
        "proposals",
        "roi_pool(x, proposals(conv(x, 2, 1), conv(x, 8, 1), 8, count: 5, scales: [9, 14], ratios: [0.7], iou: 0.4), 2)",
    ),
    ("yolo_v1", "x"),
    ("yolo_v2", "x"),
    ("yolo_v3", "x"),
    ("rpn", "x"),
    ("fast_rcnn", "x"),
    ("binary_cross_entropy_with_logits", "x"),
    ("mse", "x"),
    ("l1", "x"),
    ("smooth_l1", "x"),
    ("triplet", "triplet(x, conv(x, 4, 1), 0.5 * x, margin: 30)"),
    ("contrastive", "contrastive(x, conv(x, 4, 1), sigmoid(mean(x)), margin: 30)"),
    ("landmark", "x"),
    ("localization", "x"),
    ("content", "content(x, conv(x, 4, 1))"),
    ("style", "40 * style(x, conv(x, 4, 1))"),
    ("total_variation", "total_variation(x)"),
];

/// Objects of three classes in a picture of 24 by 20 pixels.
const OBJECTS: &str = "target wanted: [3, 5]
    objects = concat(3 * slice(wanted, 0, 1, axis: 1) - 0.5, 20 * slice(wanted, 1, 5, axis: 1), axis: 1)";

fn around(name: &str, used: &str) -> String {
    let (target, loss) = match name {
        "cross_entropy" => (
            "target label: class(5)\n    target mask: class(4, [6, 5], ignore: 255)",
            "0.5 * cross_entropy(head, label) + 2 * cross_entropy(y |> flatten |> dense(5), label) + \
             cross_entropy(head, label, label_smoothing: 0.2, class_weights: [1, 2, 0.5, 3, 0]) + cross_entropy(x, mask) + \
             cross_entropy(x, mask, label_smoothing: 0.3, class_weights: [2, 0, 1, 0.5])",
        ),
        "one_hot" => (
            "target label: class(5)\n    target mask: class(4, [6, 5], ignore: 2)",
            "sum(square(softmax(head) - one_hot(label))) + sum(square(x - one_hot(mask)))",
        ),
        "binary_cross_entropy" => ("target wanted: [5]", "binary_cross_entropy(sigmoid(head), wanted)"),
        "yolo_v1" => (OBJECTS, "yolo_v1(conv(x, 13, 1), objects, 4, rescore: false)"),
        "yolo_v2" => (OBJECTS, "yolo_v2(conv(x, 16, 1), objects, 4, anchors: [(9, 9), (16, 12)], rescore: false)"),
        "yolo_v3" => (OBJECTS, "yolo_v3(conv(x, 16, 1), objects, 4, anchors: [(9, 9), (16, 12)])"),
        "rpn" => (OBJECTS, "rpn(conv(x, 2, 1), conv(x, 8, 1), objects, 4, scales: [8, 12], ratios: [0.8])"),
        "fast_rcnn" => (
            OBJECTS,
            "fast_rcnn(x |> flatten |> dense(12) |> reshape([3, 4]), x |> flatten |> dense(48) |> reshape([3, 16]), \
             concat(10 * slice(wanted, 1, 3, axis: 1), 10 * slice(wanted, 3, 5, axis: 1) + 10, axis: 1), objects)",
        ),
        "binary_cross_entropy_with_logits" => {
            ("target wanted: [5]", "binary_cross_entropy_with_logits(head, wanted, pos_weight: [1, 2, 0.5, 3, 0])")
        }
        "l1" => ("target wanted: [5]", "l1(head, wanted)"),
        "smooth_l1" => ("target wanted: [5]", "smooth_l1(head, wanted, beta: 0.5)"),
        "landmark" => ("target wanted: [5]", "landmark(head, wanted)"),
        "localization" => (
            "target wanted: [5]",
            "localization(head, wanted) + localization(concat(head, head), concat(wanted, wanted))",
        ),
        _ => ("target wanted: [5]", "mse(head, wanted)"),
    };
    format!(
        "net Use {{\n    input image: [4, 6, 5]\n    x = image |> conv(4, 1) |> tanh\n    y = {used}\n    head = y |> flatten |> dense(5)\n    output head\n    {target}\n    loss {loss}\n}}\n"
    )
}

#[test]
fn each_operator() {
    for definition in DEFINITIONS {
        let name = definition.name;
        let uses: Vec<_> = USES.iter().filter(|(used, _)| *used == name).collect();
        assert!(!uses.is_empty(), "`{name}` has no gradient check: add one to USES");
        let mut looked = Looked::default();
        uses.iter().for_each(|(_, used)| (0..12).for_each(|seed| check(&around(name, used), seed, &mut looked)));
        looked.leave_out_at_most_one_in(50, name);
        assert!(!definition.example.is_empty() && !definition.summary.is_empty(), "`{name}` has no example");
    }
}

/// Results of a graph by name.
fn results(graph: &Graph, feed: &Feed) -> Vec<(String, Tensor)> {
    let values = evaluate(graph, feed);
    let of = |v: cnnc::graph::ValueId| values[v.0 as usize].clone();
    let outputs = graph.outputs.iter().map(|o| (o.name.clone(), of(o.value)));
    let weights = graph.gradients.iter().map(|(p, v)| (format!("gradient of {}", graph.param(*p).name), of(*v)));
    let inputs = graph.input_gradients.iter().map(|(i, v)| (format!("gradient of input {i}"), of(*v)));
    let updates = graph.updates.iter().map(|(p, v)| (graph.param(*p).name.clone(), of(*v)));
    let loss = graph.loss.map(|v| ("loss".to_owned(), of(v)));
    outputs.chain(weights).chain(inputs).chain(updates).chain(loss).collect()
}

#[test]
fn passes_change_nothing_that_counts() {
    for seed in 0..60 {
        let text = network(seed);
        let compiled = compile_text(&text, &Options::default());
        let mut random = Random::new(seed);
        let case = Case::random(&compiled, 2, &mut random);
        for (passes, first) in [(INFERENCE, "inference"), (TRAINING_WITH_INPUTS, "differentiate")] {
            let mut before: Option<Vec<(String, Tensor)>> = None;
            optimize::run(passes, compiled.graph.clone(), |pass, graph| {
                verify(graph).unwrap_or_else(|broken| panic!("seed {seed}, after {}: {broken}", pass.name));
                if before.is_none() && pass.name != first {
                    return;
                }
                let now = results(graph, &case.feed);
                for (name, tensor) in before.iter().flatten() {
                    let (_, new) =
                        now.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{} lost {name}", pass.name));
                    let scale = tensor.data.iter().fold(1e-6_f64, |m, x| m.max(x.abs()));
                    let same = tensor.data.iter().zip(&new.data).all(|(a, b)| (a - b).abs() <= 1e-9 * scale);
                    assert!(same, "seed {seed}: {} changed {name}\n{text}", pass.name);
                }
                before = Some(now);
            });
        }
    }
}
