//! The reference against numbers that were worked out by hand (or by PyTorch, where it says so).

use cnnc::compile::Options;
use cnnc::graph::Graph;
use cnnc::optimize::{self, TRAINING_WITH_INPUTS};
use cnnc::reference::{Feed, Tensor, evaluate, full_shape};
use cnnc_tests::compile_text;

/// The graph of a text, for training where it has a loss, and its values on these images; parameters as they start.
fn values(text: &str, batch: usize, inputs: &[&[f64]], targets: &[&[f64]]) -> (Graph, Vec<Tensor>) {
    let graph = compile_text(text, &Options { input_gradients: true, ..Options::default() }).graph;
    let graph = match graph.loss {
        Some(_) => optimize::run(TRAINING_WITH_INPUTS, graph, |_, _| ()),
        None => graph,
    };
    let tensors = |named: &[cnnc::graph::Named], data: &[&[f64]]| -> Vec<Tensor> {
        named.iter().zip(data).map(|(n, d)| Tensor::new(&full_shape(graph.ty(n.value), batch), d.to_vec())).collect()
    };
    let start = |init: &cnnc::graph::Init| match init {
        cnnc::graph::Init::Constant(value) => *value,
        cnnc::graph::Init::Uniform { .. } => 1.0,
    };
    let params = graph.params.iter().map(|p| Tensor::zeros(&p.shape).map(|_| start(&p.init))).collect();
    let feed = Feed {
        batch,
        inputs: tensors(&graph.inputs, inputs),
        targets: tensors(&graph.targets, targets),
        params,
        dropout: None,
    };
    let values = evaluate(&graph, &feed);
    (graph, values)
}

#[track_caller]
fn assert_close(got: &[f64], expected: &[f64]) {
    let close = got.len() == expected.len() && got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-6);
    assert!(close, "{got:?}\ninstead of\n{expected:?}");
}

/// `output y = EXPRESSION` of one image x.
#[track_caller]
fn check(shape: &str, expression: &str, x: &[f64], expected: &[f64]) {
    let (graph, values) = values(&format!("net A {{ input x: {shape}\n output y = {expression} }}"), 1, &[x], &[]);
    assert_close(&values[graph.outputs[0].value.0 as usize].data, expected);
}

/// `loss LOSS` of a batch of x with a target: the loss and its gradient by x.
#[track_caller]
fn check_loss(target: &str, loss: &str, x: &[f64], t: &[f64], expected: f64, gradient: &[f64]) {
    let text = format!("net A {{ input x: [2]\n output y = x\n target t: {target}\n loss {loss} }}");
    let (graph, values) = values(&text, x.len() / 2, &[x], &[t]);
    assert_close(&values[graph.loss.expect("a loss").0 as usize].data, &[expected]);
    assert_close(&values[graph.input_gradients[0].1.0 as usize].data, gradient);
}

const NINE: [f64; 9] = [1., 2., 3., 4., 5., 6., 7., 8., 9.];

#[test]
fn pools() {
    check("[1, 3, 3]", "max_pool(x, 2, stride: 1)", &NINE, &[5., 6., 8., 9.]);
    check("[1, 3, 3]", "max_pool(x, 2)", &NINE, &[5.]);
    check("[1, 3, 3]", "max_pool(x, 2, ceil: true)", &NINE, &[5., 6., 8., 9.]);
    check("[1, 3, 3]", "max_pool(x, 2, stride: 1, dilation: 2)", &NINE, &[9.]);
    // Padding never wins, not even over negative numbers.
    check("[1, 3]", "max_pool(x, 3, stride: 2, pad: 1)", &[-5., -7., -6.], &[-5., -6.]);
    check("[1, 3, 3]", "avg_pool(x, 2, stride: 1)", &NINE, &[3., 4., 6., 7.]);
    check("[1, 3]", "avg_pool(x, 3, stride: 2, pad: 1)", &[3., 6., 9.], &[3., 5.]);
    check("[1, 3]", "avg_pool(x, 3, stride: 2, pad: 1, count_pad: false)", &[3., 6., 9.], &[4.5, 7.5]);
    // PyTorch: what `ceil` adds beyond the padding does not count, with or without `count_pad`.
    check("[1, 4]", "avg_pool(x, 3, stride: 3, ceil: true)", &[3., 6., 9., 4.], &[6., 4.]);
    check("[1, 5]", "avg_pool(x, 3, stride: 3, pad: 1, ceil: true)", &[3., 6., 9., 4., 8.], &[3., 7.]);
    check("[2, 2, 2]", "global_avg_pool(x)", &[1., 2., 3., 6., -1., -2., -3., -6.], &[3., -3.]);
    check("[2, 2, 2]", "global_max_pool(x)", &[1., 2., 3., 6., -1., -2., -3., -6.], &[6., -1.]);
}

#[test]
fn filters_see_edges() {
    // Bright on the left, dark on the right: four windows of three columns, two of which see the edge.
    let x: Vec<f64> = (0..36).map(|i| if i % 6 < 3 { 10.0 } else { 0.0 }).collect();
    check("[1, 6, 6]", "filter(x, vertical)", &x, &[0.0, 30.0, 30.0, 0.0].repeat(4));
    check("[1, 6, 6]", "filter(x, horizontal)", &x, &[0.0; 16]);
    check("[1, 6, 6]", "filter(x, sobel_x, stride: 3)", &x, &[0.0, 0.0, 0.0, 0.0]);
    check("[1, 6, 6]", "filter(x, [[1, -1]], stride: [5, 2])", &x, &[0.0, 10.0, 0.0, 0.0, 10.0, 0.0]);
    // All channels see the same filter, and their results add up; or each its own.
    check("[2, 2]", "filter(x, [1, 2])", &[1.0, 2.0, 3.0, 4.0], &[16.0]);
    check("[2, 2]", "filter(x, [[1, 2], [0, 1]])", &[1.0, 2.0, 3.0, 4.0], &[9.0]);
    check("[2, 2]", "filter(x, [1, 2], per_channel: true)", &[1.0, 2.0, 3.0, 4.0], &[5.0, 11.0]);
    check("[2, 2]", "filter(x, [[[1, 2], [0, 1]], [[0, 0], [0, 3]]])", &[1.0, 2.0, 3.0, 4.0], &[9.0, 12.0]);
}

#[test]
fn switches_remember_where_the_largest_were() {
    check("[1, 4]", "max_unpool(10 * max_pool(x, 2), x, 2)", &[1.0, 5.0, 4.0, 2.0], &[0.0, 50.0, 40.0, 0.0]);
    // Windows that overlap and agree: both values.
    check("[1, 3]", "max_unpool(max_pool(x, 2, stride: 1), x, 2, stride: 1)", &[1.0, 5.0, 4.0], &[0.0, 10.0, 0.0]);
    check("[1, 5]", "adaptive_avg_pool(x, 3)", &[1.0, 2.0, 3.0, 4.0, 5.0], &[1.5, 3.0, 4.5]);
    check("[1, 5]", "adaptive_max_pool(x, 2)", &[1.0, 2.0, 3.0, 0.0, 1.0], &[3.0, 3.0]);
    check("[5]", "slice(x, 0, 5, stride: 2)", &[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 3.0, 5.0]);
    check("[5]", "slice(x, 1, 4, stride: 2)", &[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0]);
    check("[1, 2]", "pad(x, channels: (1, 0))", &[1.0, 2.0], &[0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn the_first_of_equal_maxima_has_the_gradient() {
    let text = "net A { input x: [1, 4]\n output y = x |> max_pool(4) |> flatten\n target t: [1]\n loss mse(y, t) }";
    let (graph, values) = values(text, 1, &[&[1., 7., 7., 0.]], &[&[5.]]);
    assert_close(&values[graph.input_gradients[0].1.0 as usize].data, &[0., 4., 0., 0.]);
}

#[test]
fn shapes_and_arithmetic() {
    let six = [1., 2., 3., 4., 5., 6.];
    check("[2, 3]", "reshape(x, [3, 2]) |> max_pool(2)", &six, &[2., 4., 6.]);
    check("[2, 3]", "concat(x, 10 * x)", &six, &[1., 2., 3., 4., 5., 6., 10., 20., 30., 40., 50., 60.]);
    check("[2, 3]", "concat(x, 10 * x, axis: 1)", &six, &[1., 2., 3., 10., 20., 30., 4., 5., 6., 40., 50., 60.]);
    check("[2, 3]", "x - global_max_pool(x)", &six, &[-2., -1., 0., -2., -1., 0.]);
    check("[2, 3]", "global_avg_pool(x) * x", &six, &[2., 4., 6., 20., 25., 30.]);
    check("[2, 3]", "add(x, x, global_max_pool(x))", &six, &[5., 7., 9., 14., 16., 18.]);
    check("[2, 3]", "2 - x", &six, &[1., 0., -1., -2., -3., -4.]);
}

#[test]
fn softmax_is_over_channels() {
    let third = [0.0, 2.0_f64.ln()];
    check("[2]", "softmax(x)", &third, &[1. / 3., 2. / 3.]);
    // Two places beside each other: channels are two apart.
    check("[2, 2]", "softmax(x)", &[0., 800., 0., 800. + 3.0_f64.ln()], &[0.5, 0.25, 0.5, 0.75]);
}

#[test]
fn losses() {
    let e = std::f64::consts::E;
    let (p, ln2) = (e / (1. + e), 2.0_f64.ln());
    // Two images: scores 0 and 0, class 1; scores 1 and 0, class 0.
    let loss = (ln2 + (1. + 1. / e).ln()) / 2.;
    check_loss(
        "class(2)",
        "cross_entropy(x, t)",
        &[0., 0., 1., 0.],
        &[1., 0.],
        loss,
        &[0.25, -0.25, (p - 1.) / 2., (1. - p) / 2.],
    );
    check_loss("[2]", "mse(x, t)", &[1., 2., 3., 4.], &[0., 4., 3., 3.], 1.5, &[0.5, -1., 0., 0.5]);
    // A loss of each image is a mean over its elements; the loss is their mean over the images.
    check_loss(
        "[2]",
        "binary_cross_entropy(x, t)",
        &[0.5, 0.25],
        &[1., 0.],
        (ln2 + (4. / 3.0_f64).ln()) / 2.,
        &[-1., 2. / 3.],
    );
    // PyTorch's limits: logarithms count down to -100.
    let (graph, values) = values(
        "net A { input x: [2]\n output y = x\n target t: [2]\n loss binary_cross_entropy(x, t) }",
        1,
        &[&[0., 0.5]],
        &[&[1., 0.5]],
    );
    assert_close(&values[graph.loss.expect("a loss").0 as usize].data, &[(100. + ln2) / 2.]);
}

#[test]
fn batch_norm_in_training() {
    // One channel of two places, two images: mean 4, variance 5; the unbiased variance is 20 / 3.
    let text =
        "net A { input x: [1, 2]\n y = batch_norm(x, eps: 1e-12)\n output y\n target t: [1, 2]\n loss mse(y, t) }";
    let (graph, values) = values(text, 2, &[&[1., 3., 5., 7.]], &[&[0., 0., 0., 0.]]);
    let root = 5.0_f64.sqrt();
    assert_close(&values[graph.outputs[0].value.0 as usize].data, &[-3. / root, -1. / root, 1. / root, 3. / root]);
    let update = |name: &str| {
        let (_, value) = graph.updates.iter().find(|(p, _)| graph.param(*p).name.ends_with(name)).expect("an update");
        values[value.0 as usize].data.clone()
    };
    assert_close(&update("running_mean"), &[0.1 * 4.]);
    assert_close(&update("running_var"), &[0.9 + 0.1 * 20. / 3.]);
    let gradient = |name: &str| {
        let (_, value) =
            graph.gradients.iter().find(|(p, _)| graph.param(*p).name.ends_with(name)).expect("a gradient");
        values[value.0 as usize].data.clone()
    };
    // The loss is weight² times the variance of what was normalised, which is 1.
    assert_close(&gradient("weight"), &[2.]);
    assert_close(&gradient("bias"), &[0.]);
}
