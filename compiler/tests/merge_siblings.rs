//! Convolutions of one value that become one, and those that stay apart.

mod alone;

use alone::Alone;
use cnnc::compile::{Options, elaborate};
use cnnc::diagnostics::SourceMap;
use cnnc::graph::{Graph, verify};
use cnnc::ops::Op;
use cnnc::ops::shape::Concat;
use cnnc::optimize::{self, INFERENCE};
use cnnc::plan::{Area, Root, plan};
use cnnc::reference::{Feed, Tensor, evaluate};

/// The graph as elaborated, before the pass, behind it, and at the end.
fn stages(body: &str) -> [Graph; 4] {
    let mut sources = SourceMap::default();
    let entry = sources.add("a.net", format!("net A {{ input x: [20, 6, 5] {body} }}"));
    let whole = match elaborate(sources, &Alone, entry, &Options::default()) {
        Ok((_, graph)) => graph,
        Err(failure) => panic!("{}", failure.render(false)),
    };
    let mut seen = vec![whole.clone()];
    let end = optimize::run(INFERENCE, whole.clone(), |pass, graph| match pass.name {
        "merge_siblings" => seen.push(graph.clone()),
        _ if seen.len() == 1 => seen[0] = graph.clone(),
        _ => {}
    });
    let [before, behind] = seen.try_into().expect("the pass is in the list");
    [whole, before, behind, end]
}

/// Numbers without a pattern, the same each time.
fn numbers(shape: &[usize], start: usize) -> Tensor {
    let len = shape.iter().product::<usize>();
    Tensor::new(shape, (0..len).map(|i| ((i + start) as f64 * 0.73).sin() + 1.1).collect())
}

fn outputs(graph: &Graph) -> Vec<Tensor> {
    let params = graph.params.iter().enumerate().map(|(i, param)| numbers(&param.shape, i)).collect();
    let feed = Feed { batch: 2, inputs: vec![numbers(&[2, 20, 6, 5], 7)], params, ..Feed::default() };
    let values = evaluate(graph, &feed);
    graph.outputs.iter().map(|output| values[output.value.0 as usize].clone()).collect()
}

/// The layers of the convolutions behind the pass, which changes no number.
fn layers(body: &str) -> Vec<String> {
    let [_, before, behind, end] = stages(body);
    for graph in [&behind, &end] {
        verify(graph).unwrap_or_else(|why| panic!("{why}: {body}"));
        assert_eq!(outputs(&before), outputs(graph), "{body}");
    }
    let convolutions = behind.nodes.iter().filter(|node| matches!(node.op, Op::Conv(_)));
    convolutions.map(|node| node.layer.clone()).collect()
}

/// Three branches, with what stands behind the first convolution of each.
fn branches(a: &str, b: &str, c: &str) -> String {
    format!(
        "one = x |> {a} |> global_max_pool two = x |> {b} |> global_max_pool three = x |> {c} |> global_max_pool \
         output y = concat(one, two, three)"
    )
}

#[test]
fn what_is_alike_is_merged() {
    let alike = branches("conv(16, 1) as a |> relu", "conv(32, 1) as b |> relu", "conv(48, 1) as c |> relu");
    assert_eq!(layers(&alike), ["a + b + c"]);
    let bare = branches("conv(16, 1) as a", "conv(32, 1) as b", "conv(32, 3, pad: 1) as c");
    assert_eq!(layers(&bare), ["a + b", "c"]);
    let strided = branches("conv(16, 1, stride: 2) as a", "conv(16, 1, stride: 2) as b", "conv(16, 1) as c");
    assert_eq!(layers(&strided), ["a + b", "c"]);
}

#[test]
fn weights_further_down_are_brought_up() {
    let normalised = |name: &str| format!("conv(16, 1, bias: false) as {name} |> batch_norm as {name}n |> relu");
    let [a, b, c] = ["a", "b", "c"].map(normalised);
    assert_eq!(layers(&branches(&a, &b, &c)), ["a + b + c"]);
}

#[test]
fn one_may_end_within_a_block() {
    let ragged = branches("conv(24, 1) as a |> relu", "conv(16, 1) as b |> relu", "conv(8, 1) as c |> relu");
    assert_eq!(layers(&ragged), ["b + a", "c"], "the ragged one goes last");
}

#[test]
fn what_differs_stays_apart() {
    let activations = branches("conv(16, 1) as a |> relu", "conv(16, 1) as b |> tanh", "conv(16, 1) as c");
    assert_eq!(layers(&activations), ["a", "b", "c"]);
    let biases = branches("conv(16, 1, bias: false) as a", "conv(16, 1) as b", "conv(20, 1, groups: 20) as c");
    assert_eq!(layers(&biases), ["a", "b", "c"]);
}

#[test]
fn what_would_be_copied_stays_apart() {
    let joined = "output y = concat(x |> conv(16, 1) as a |> relu, x |> conv(16, 1) as b |> relu |> max_pool(1),
                                    x |> conv(16, 1) as c |> relu |> max_pool(1))";
    assert_eq!(layers(joined), ["a", "b + c"], "`a` is written where the concatenation is");
    let output = "output y = x |> conv(16, 1) as a |> relu output z = x |> conv(16, 1) as b |> relu |> max_pool(2)";
    assert_eq!(layers(output), ["a", "b"], "an output lies in memory of its own");
}

#[test]
fn sums_stay_in_registers() {
    let sum = "one = x |> conv(32, 1) as a two = x |> conv(32, 1) as b |> conv(32, 3, pad: 1) as c
               output y = relu(one + two)";
    assert_eq!(layers(sum), ["a", "b", "c"], "`a` would be added by what makes it");
    let activated = sum.replace("as a", "as a |> relu").replace("as b", "as b |> relu");
    assert_eq!(layers(&activated), ["a + b", "c"]);
}

#[test]
fn weights_of_all_are_packed_once() {
    let alike = branches("conv(16, 1) as a |> relu", "conv(32, 1) as b |> relu", "conv(48, 1) as c |> relu");
    let [.., end] = stages(&alike);
    let plan = plan(&end, true);
    let run: Vec<&str> = plan.run.iter().map(|step| end.node(step.value).op.name()).collect();
    assert_eq!(run.iter().filter(|name| **name == "conv").count(), 1, "{run:?}");
    assert!(!run.contains(&"slice"), "{run:?}");
    let is_weights =
        |value: &_| end.node(*value).op == Op::Concat(Concat { axis: 0 }) && end.ty(*value).shape.len() == 4;
    let weights = end.values().find(is_weights).expect("weights of three");
    let Root::Buffer(index) = plan.places[weights.0 as usize].root else { panic!("they are computed") };
    assert_eq!(plan.buffers[index].area, Area::Fixed, "only their packed form is kept");
    assert_eq!(plan.sizes.prepared, 96 * 32 + 96, "of twenty channels, which are two blocks, and biases");
}
