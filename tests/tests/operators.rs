//! Operators with all that their attributes can be: emitted code, on every instruction set and number of threads, against
//! the reference.

use cnnc::compile::{Compiled, Options};
use cnnc::diagnostics::{SourceMap, Span};
use cnnc::emit::Planned;
use cnnc::graph::{Graph, Init, Kind, Named, Param, ParamId, ParamKind, Role, Type, ValueId};
use cnnc::ops::elementwise::Arithmetic;
use cnnc::ops::loss::{BatchMean, Loss};
use cnnc::ops::source::{Input, ParamRef, Target};
use cnnc::ops::{Op, dropout};
use cnnc::optimize::{self, INFERENCE, TRAINING_WITH_INPUTS};
use cnnc::plan::plan;
use cnnc::reference::{Feed, Tensor, evaluate};
use cnnc_runtime::{Dropout, Isa};
use cnnc_tests::build::Program;
use cnnc_tests::compare::Case;
use cnnc_tests::generate::Random;
use cnnc_tests::{compile_text, uses};

/// Runs networks on random numbers: outputs must be within 1e-5 and gradients within 1e-4 of the largest, and results the
/// same bits on any number of threads.
fn agree(name: &str, networks: &[Compiled], texts: &[String]) {
    agree_within(1e-5, name, networks, texts);
}

/// The same with another bound of outputs.
fn agree_within(bound: f64, name: &str, networks: &[Compiled], texts: &[String]) {
    let program = Program::build(name, networks);
    for seed in 0..2 {
        // Numbers that follow from the text: another operator in the list does not give the others new ones, of which some
        // would put a rectifier on its kink.
        let random =
            |text: &str| Random::new(text.bytes().fold(seed, |sum, byte| sum * 31 % 999_983 + u64::from(byte)));
        let case = |(network, text): (_, &String)| Case::random(network, [1, 5][seed as usize], &mut random(text));
        let cases: Vec<Case<'_>> = networks.iter().zip(texts).map(case).collect();
        for isa in Isa::available().map(Isa::name) {
            let answers = |threads: usize| {
                let requests: Vec<_> =
                    cases.iter().enumerate().map(|(i, case)| case.request(i, threads, isa)).collect();
                program.run(&requests)
            };
            let one = answers(1);
            for ((case, answer), text) in cases.iter().zip(&one).zip(texts) {
                let wrong = case.differences(answer, bound, 1e-4);
                assert!(wrong.is_empty(), "seed {seed}, isa `{isa}`:\n{}\n{text}", wrong.join("\n"));
            }
            for ((a, b), text) in one.iter().zip(&answers(3)).zip(texts) {
                assert!(a == b, "seed {seed}, isa `{isa}`: results depend on the number of threads\n{text}");
            }
        }
    }
}

#[test]
fn emitted_operators_agree_with_the_reference() {
    let texts: Vec<String> = uses::networks().into_iter().chain(uses::blocked()).chain(uses::rescored()).collect();
    let options = Options { input_gradients: true, ..Options::default() };
    let networks: Vec<Compiled> = texts.iter().map(|text| compile_text(text, &options)).collect();
    agree("operators", &networks, &texts);
}

/// Shapes, and convolutions with a pool behind: of planes and of blocks, one strip and several, with padding and without, groups,
/// one axis, strips and both kinds of tiles of Winograd's, activations that tiles apply and others.
const POOLED: [(&str, &str, &str); 13] = [
    ("[3, 20, 30]", "conv(image, 24, 3, pad: 1) |> relu", "max_pool(2)"),
    ("[3, 416, 32]", "conv(image, 16, 3, pad: 1) |> leaky_relu(0.1)", "max_pool(2)"),
    ("[20, 12, 18]", "conv(image, 40, 5, pad: 2, stride: 2)", "avg_pool([2, 3])"),
    ("[20, 12, 18]", "conv(image, 40, 1) |> sigmoid", "max_pool([3, 2])"),
    ("[32, 12, 18]", "conv(image, 64, [1, 3], groups: 2) |> relu", "max_pool([2, 1])"),
    ("[20, 64]", "conv(image, 33, 5, pad: 2) |> relu", "max_pool(4)"),
    ("[32, 48, 60]", "conv(image, 40, 3, pad: 1) |> tanh", "avg_pool(2)"),
    ("[32, 18, 18]", "conv(image, 32, 5, pad: 2) |> relu", "max_pool(2)"),
    ("[256, 14, 14]", "conv(image, 256, 3, pad: 1) |> relu", "max_pool(2)"),
    ("[256, 12, 12]", "conv(image, 256, 3, pad: 1) |> tanh", "max_pool(4)"),
    ("[512, 4, 4]", "conv(image, 512, 3, pad: 1) |> relu", "max_pool(2)"),
    ("[64, 56, 48]", "conv(image, 64, 3, pad: 1, stride: 2) |> relu", "max_pool(2)"),
    ("[256, 24, 24]", "conv(image, 256, 3, pad: 1, stride: 2) |> tanh", "max_pool(2)"),
];

/// A convolution that pools its own value computes what it would if that were written first, bit for bit.
#[test]
fn pools_in_convolutions_agree() {
    let net = |(shape, conv, pool): &(&str, &str, &str), more: &str| {
        format!("net Pooled {{\n    input image: {shape}\n    map = {conv}\n    output y = map |> {pool}\n{more}}}\n")
    };
    let fused: Vec<String> = POOLED.iter().map(|pooled| net(pooled, "")).collect();
    let apart: Vec<String> = POOLED.iter().map(|pooled| net(pooled, "    output map\n")).collect();
    let compiled = |texts: &[String]| -> Vec<Compiled> {
        texts.iter().map(|text| compile_text(text, &Options::default())).collect()
    };
    let both = [compiled(&fused), compiled(&apart)].concat();
    let pools = |network: &Compiled| network.inference.graph.nodes.iter().any(|node| matches!(node.op, Op::Pool(_)));
    for (index, network) in both.iter().enumerate() {
        assert_eq!(pools(network), index >= fused.len(), "{}", [&fused[..], &apart[..]].concat()[index]);
    }
    let texts = [fused.clone(), apart].concat();
    // Winograd's tiles over hundreds of channels round more than the few channels of other tests.
    agree_within(1e-4, "pooled", &both, &texts);
    let program = Program::build("pooled", &both);
    for isa in Isa::available().map(Isa::name) {
        let request = |index: usize| Case::random(&both[index], 3, &mut Random::new(7)).request(index, 2, isa);
        let requests: Vec<_> = (0..both.len()).map(request).collect();
        let answers = program.run(&requests);
        let (together, apart) = answers.split_at(fused.len());
        for ((a, b), text) in together.iter().zip(apart).zip(&fused) {
            assert!(a.outputs[0] == b.outputs[0], "isa `{isa}`:\n{text}");
        }
    }
}

/// A network by hand: `loss = mse(x op weight, wanted)` with a weight that all images share and that is repeated to the
/// shape of x, which no specification can say yet.
fn shared_operand(op: Arithmetic, weight: &[usize], weight_first: bool) -> Compiled {
    let mut graph = Graph { name: "Shared".into(), ..Graph::default() };
    let push = |graph: &mut Graph, op: Op, inputs: &[ValueId]| {
        graph.push(op, inputs, "layer", Span::default()).expect("operands fit")
    };
    let shape = vec![3, 4, 5];
    let named = |name: &str, value| Named { name: name.into(), docs: vec![], value, span: Span::default() };
    let x = push(&mut graph, Input { index: 0, shape: shape.clone() }.into(), &[]);
    let wanted = push(&mut graph, Target { index: 0, shape, kind: Kind::Float, ignore: None }.into(), &[]);
    let (kind, init, role, span) = (ParamKind::Other, Init::Constant(0.0), Role::Trained, Span::default());
    graph.params.push(Param { name: "layer.weight".into(), shape: weight.to_vec(), kind, init, role, span });
    let w = push(&mut graph, ParamRef { id: ParamId(0), shape: weight.to_vec() }.into(), &[]);
    let operands = if weight_first { [w, x] } else { [x, w] };
    let y = push(&mut graph, op.into(), &operands);
    let loss = push(&mut graph, Loss::Mse.into(), &[y, wanted]);
    let mean = push(&mut graph, BatchMean.into(), &[loss]);
    graph.inputs.push(named("x", x));
    graph.targets.push(named("wanted", wanted));
    graph.outputs.push(named("y", y));
    graph.loss = Some(mean);
    let planned = |passes, prepare| {
        let graph = optimize::run(passes, graph.clone(), |_, _| ());
        let plan = plan(&graph, prepare);
        Planned { graph, plan }
    };
    let (inference, training) = (planned(INFERENCE, true), Some(planned(TRAINING_WITH_INPUTS, false)));
    Compiled { sources: SourceMap::default(), graph: graph.clone(), inference, training }
}

#[test]
fn operands_that_all_images_share_have_gradients() {
    let all = [Arithmetic::Add, Arithmetic::Sub, Arithmetic::Mul, Arithmetic::Div];
    let shapes: [&[usize]; 5] = [&[3, 4, 5], &[3, 1, 1], &[1, 4, 5], &[1, 1, 5], &[]];
    let cases = all.iter().flat_map(|op| shapes.iter().flat_map(|w| [false, true].map(|first| (*op, *w, first))));
    let (networks, texts): (Vec<Compiled>, Vec<String>) =
        cases.map(|(op, w, first)| (shared_operand(op, w, first), format!("{op:?} {w:?} {first}"))).unzip();
    // The rules against central differences, then the code against the rules.
    for (network, text) in networks.iter().zip(&texts) {
        let mut random = Random::new(7);
        let mut case = Case::random(network, 3, &mut random);
        if text.starts_with("Div") {
            // Near a divisor of zero quotients bend too much for differences.
            let away = |numbers: &mut Tensor| numbers.data.iter_mut().for_each(|n| *n += 1_f64.copysign(*n));
            case.feed.inputs.iter_mut().chain(&mut case.feed.params).for_each(away);
        }
        let graph = &network.training.as_ref().expect("it has a loss").graph;
        let gradient = evaluate(graph, &case.feed)[graph.gradients[0].1.0 as usize].clone();
        for at in 0..gradient.data.len() {
            let loss = |by: f64| {
                let mut feed = case.feed.clone();
                feed.params[0].data[at] += by;
                evaluate(graph, &feed)[graph.loss.expect("a loss").0 as usize].data[0]
            };
            let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
            assert!((slope - gradient.data[at]).abs() < 1e-8, "{text}[{at}]: {} against {slope}", gradient.data[at]);
        }
    }
    agree("shared_operands", &networks, &texts);
}

#[test]
fn reference_and_runtime_drop_the_same_elements() {
    let cases = [(0.0, 0), (0.25, 1), (0.5, 2), (0.999, 3)];
    let units = [dropout::Unit::Element, dropout::Unit::Channel, dropout::Unit::Image];
    for ((rate, id), unit) in cases.into_iter().flat_map(|case| units.map(|unit| (case, unit))) {
        let mut graph = Graph::default();
        let mut push = |op: Op, inputs: &[ValueId]| graph.push(op, inputs, "", Span::default()).expect("operands fit");
        let x = push(Input { index: 0, shape: vec![7, 11] }.into(), &[]);
        push(dropout::Dropout { rate, id, unit }.into(), &[x]);
        assert_eq!(*graph.ty(x), Type::batched([7, 11]));
        let (seed, step, images) = (u64::MAX - 5, 12, 6);
        let feed = Feed {
            batch: images,
            inputs: vec![Tensor::new(&[images, 7, 11], vec![1.0; images * 77])],
            dropout: Some((seed, step)),
            ..Feed::default()
        };
        let expected = &evaluate(&graph, &feed)[1];
        for (isa, image) in Isa::available().flat_map(|isa| (0..images).map(move |image| (isa, image))) {
            let mut y = [1.0; 77];
            let state = Some(Dropout { seed, step, image });
            match unit {
                dropout::Unit::Element => isa.dropout(state, rate as f32, id, &mut y),
                dropout::Unit::Channel => isa.dropout_runs(state, rate as f32, id, 11, &mut y),
                dropout::Unit::Image => isa.dropout_runs(state, rate as f32, id, 77, &mut y),
            }
            let got: Vec<f64> = y.iter().map(|y| f64::from(*y)).collect();
            assert_eq!(got, expected.image(image), "{isa:?}, rate {rate}, image {image}");
        }
    }
}
