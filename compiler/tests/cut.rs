//! Networks that are cut where their frozen weights end.

mod alone;

use alone::Alone;
use cnnc::compile::{Options, compile, elaborate};
use cnnc::cut::{Half, cut};
use cnnc::diagnostics::SourceMap;
use cnnc::graph::{Graph, ValueId, verify};
use cnnc::reference::{Feed, Tensor, evaluate, full_shape};

fn graph(body: &str) -> Graph {
    let mut sources = SourceMap::default();
    let entry = sources.add("a.net", format!("net A {{ input image: [2, 8, 8] {body} }}"));
    match elaborate(sources, &Alone, entry, &Options::default()) {
        Ok((_, graph)) => graph,
        Err(failure) => panic!("{}", failure.render(false)),
    }
}

/// Two values go from what is frozen to what is trained, and a weight that is frozen is used on both sides.
const SKIPPING: &str = "
    low = image |> conv(4, 3, pad: 1) as first |> batch_norm as norm |> relu
    high = low |> conv(4, 3, pad: 1) as second |> dropout(0.5)
    freeze \"first\"
    freeze \"norm\"
    freeze \"second\"
    output seen = low |> global_avg_pool
    output scores = low + high |> flatten |> dense(3) as head
    target features: class(3)
    loss cross_entropy(scores, features)";

/// Numbers without a pattern, the same each time.
fn numbers(shape: &[usize], start: usize) -> Tensor {
    let len = shape.iter().product::<usize>();
    Tensor::new(shape, (0..len).map(|i| ((i + start) as f64 * 0.73).sin() + 1.1).collect())
}

fn feed(graph: &Graph, inputs: Vec<Tensor>) -> Feed {
    Feed {
        batch: 2,
        inputs,
        targets: vec![Tensor::new(&[2], vec![0.0, 2.0])],
        params: graph.params.iter().enumerate().map(|(i, param)| numbers(&param.shape, i)).collect(),
        dropout: None,
    }
}

#[test]
fn both_halves_together_are_the_whole() {
    let whole = graph(SKIPPING);
    let [front, rest] = [Half::Front, Half::Rest].map(|half| cut(&whole, half).expect("something is frozen"));
    for half in [&front, &rest] {
        verify(half).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(half.params.len(), whole.params.len(), "files of weights fit both");
        assert_eq!(half.targets.len(), 1);
    }
    let names = |all: &[cnnc::graph::Named]| all.iter().map(|named| named.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&front.outputs), ["features1", "features2"]);
    assert_eq!(names(&rest.inputs), names(&front.outputs));
    assert_eq!(names(&rest.outputs), ["scores"], "what is frozen is no output of the rest");
    assert!(front.loss.is_none() && rest.loss.is_some());

    let image = numbers(&full_shape(whole.ty(whole.inputs[0].value), 2), 0);
    let of_whole = evaluate(&whole, &feed(&whole, vec![image.clone()]));
    let of_front = evaluate(&front, &feed(&front, vec![image]));
    let features = front.outputs.iter().map(|output| of_front[output.value.0 as usize].clone()).collect();
    let of_rest = evaluate(&rest, &feed(&rest, features));
    let value = |values: &[Tensor], id: Option<ValueId>| values[id.expect("a value").0 as usize].clone();
    assert_eq!(value(&of_rest, rest.loss), value(&of_whole, whole.loss));
    assert_eq!(value(&of_rest, Some(rest.outputs[0].value)), value(&of_whole, Some(whole.outputs[1].value)));
}

#[test]
fn features_lie_in_front_of_dropout_and_behind_what_is_frozen() {
    let whole = graph(
        "y = image |> conv(4, 3) as first |> global_avg_pool |> flatten |> dropout(0.5) |> dense(3) as head
         freeze \"first\" output y target features: class(3) loss cross_entropy(y, features)",
    );
    let front = cut(&whole, Half::Front).expect("something is frozen");
    assert_eq!(front.outputs[0].name, "features_", "the target has that name");
    assert_eq!(front.ty(front.outputs[0].value).shape, [4]);
}

#[test]
fn a_net_that_is_trained_from_its_input_on_is_not_cut() {
    let body = "y = image |> conv(4, 3) as first |> flatten |> dense(3) as head
                output y target label: class(3) loss cross_entropy(y, label)";
    assert!(cut(&graph(body), Half::Front).is_none());
    let mut sources = SourceMap::default();
    let entry = sources.add("a.net", format!("net A {{ input image: [2, 8, 8] {body} }}"));
    let options = Options { half: Some(Half::Rest), ..Options::default() };
    let why = compile(sources, &Alone, entry, &options).expect_err("nothing to cut").render(false);
    assert!(why.contains("the net `A` has no features that stay the same while it learns"), "{why}");
}
