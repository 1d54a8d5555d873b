//! Convolutions with a stride that become those of the stride's phases, and those that stay.

mod alone;

use alone::Alone;
use cnnc::compile::{Options, elaborate};
use cnnc::diagnostics::SourceMap;
use cnnc::graph::{Graph, verify};
use cnnc::ops::Op;
use cnnc::optimize::{self, INFERENCE, TRAINING};
use cnnc::reference::{Feed, Tensor, evaluate};

/// The graph of a convolution of `[channels, height, width]`, as elaborated.
fn graph(shape: [usize; 3], conv: &str, exact: bool) -> Graph {
    let mut sources = SourceMap::default();
    let text = format!(
        "net A {{ input x: {shape:?} output y = x |> {conv} target t: [5] loss mse(y |> flatten |> dense(5), t) }}"
    );
    let entry = sources.add("a.net", text);
    match elaborate(sources, &Alone, entry, &Options { exact, ..Options::default() }) {
        Ok((_, graph)) => graph,
        Err(failure) => panic!("{}", failure.render(false)),
    }
}

/// Numbers without a pattern, the same each time.
fn numbers(shape: &[usize], start: usize) -> Tensor {
    let len = shape.iter().product::<usize>();
    Tensor::new(shape, (0..len).map(|i| ((i + start) as f64 * 0.73).sin()).collect())
}

fn output(graph: &Graph, shape: [usize; 3]) -> Tensor {
    let params = graph.params.iter().enumerate().map(|(i, param)| numbers(&param.shape, i)).collect();
    let inputs = vec![numbers(&[2, shape[0], shape[1], shape[2]], 7)];
    let feed = Feed { batch: 2, inputs, targets: vec![numbers(&[2, 5], 3)], params, ..Feed::default() };
    let values = evaluate(graph, &feed);
    values[graph.outputs[0].value.0 as usize].clone()
}

/// The multiply-adds of a graph's convolutions, whose fused forms there are only behind lowering.
fn macs(graph: &Graph) -> u64 {
    let convolutions = graph.nodes.iter().filter(|node| matches!(node.op, Op::Conv(_) | Op::TileConv(_)));
    let macs = convolutions.map(|node| {
        let types: Vec<_> = node.inputs.iter().map(|value| graph.ty(*value)).collect();
        node.op.macs(&types, &node.ty)
    });
    macs.sum()
}

/// The windows of convolutions behind lowering, which changes no value and counts as many multiply-adds.
fn windows(shape: [usize; 3], conv: &str, exact: bool) -> Vec<Vec<usize>> {
    let whole = graph(shape, conv, exact);
    let lowered = optimize::run(INFERENCE, whole.clone(), |_, _| {});
    verify(&lowered).unwrap_or_else(|why| panic!("{why}: {conv}"));
    let (wanted, got) = (output(&whole, shape), output(&lowered, shape));
    let off = wanted.data.iter().zip(&got.data).fold(0.0_f64, |off, (a, b)| off.max((a - b).abs()));
    assert!(wanted.data.len() == got.data.len() && off < 1e-12, "{conv} is off by {off}");
    assert_eq!(macs(&whole), macs(&lowered), "{conv}");
    let trained = optimize::run(TRAINING, whole, |_, _| {});
    assert!(!trained.nodes.iter().any(|node| matches!(node.op, Op::Phases(_))), "training is as it is written: {conv}");
    let windows = lowered.nodes.iter().filter_map(|node| match &node.op {
        Op::TileConv(conv) => Some(conv.window.kernel.clone()),
        _ => None,
    });
    windows.collect()
}

#[test]
fn windows_with_a_stride_are_smaller_over_phases() {
    for (shape, conv, window) in [
        ([3, 32, 32], "conv(64, 7, stride: 2, pad: 3)", 4),
        ([3, 33, 40], "conv(64, 7, stride: 2, pad: 3, bias: false) |> relu", 4),
        // The last column is seen by no window.
        ([2, 42, 45], "conv(64, 8, stride: 2)", 4),
        ([4, 43, 41], "conv(64, 9, stride: 2, pad: 1)", 5),
        ([3, 63, 64], "conv(64, 11, stride: 4, pad: 2)", 4),
        ([1, 66, 66], "conv(64, 11, stride: 4, pad: 2)", 4),
        ([4, 40, 41], "conv(48, 5, stride: 2, pad: 2)", 3),
        ([4, 40, 41], "conv(48, 5, stride: 2, pad: [(2, 1), (2, 3)])", 3),
    ] {
        assert_eq!(windows(shape, conv, false), [vec![window; 2]], "{conv}");
    }
}

#[test]
fn others_stay_as_they_are() {
    for (conv, exact, window) in [
        ("conv(32, 7, stride: 2, pad: 3)", true, [7, 7]),
        ("conv(32, 7, pad: 3)", false, [7, 7]),
        ("conv(32, 7, stride: [2, 1], pad: 3)", false, [7, 7]),
        ("conv(32, 7, stride: 2, pad: [3, 2])", false, [7, 7]),
        ("conv(32, 7, stride: 2, pad: 3, dilation: 2)", false, [7, 7]),
        ("conv(32, [7, 5], stride: 2, pad: 3)", false, [7, 5]),
        // Too much padding for Winograd's algorithm, and too small a window for it.
        ("conv(32, 7, stride: 2, pad: 6)", false, [7, 7]),
        ("conv(32, 3, stride: 2, pad: 1)", false, [3, 3]),
    ] {
        assert_eq!(windows([3, 32, 32], conv, exact), [window.to_vec()], "{conv}");
    }
}
