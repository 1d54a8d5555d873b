//! Tuning changes speed, not results: whatever may be chosen for a convolution agrees with the reference and does not depend
//! on the number of threads.

use cnnc::compile::{Compiled, Options};
use cnnc::graph::Graph;
use cnnc::optimize::candidates;
use cnnc::tuning::{Choices, Mode, Tuning, Workload};
use cnnc_tests::build::Program;
use cnnc_tests::compare::Case;
use cnnc_tests::compile_text;
use cnnc_tests::generate::Random;

/// Planes, strides, groups, a shortcut, a bias, activations, one axis.
const PLANE: &str = "\
net Plane {
    input image: [3, 37, 30]
    a = image |> conv(40, 3, stride: 2, pad: 1) |> relu
    b = a |> conv(48, 3, pad: 1) |> relu
    c = (b |> conv(48, 3, pad: 1)) + b
    d = relu(c) |> conv(64, 3, stride: 2, pad: 1) |> conv(64, 3, pad: 1, groups: 2) |> leaky_relu
    output y = d |> conv(32, 1) |> tanh
    target t: [32, 10, 8]
    loss mse(y, t)
}
";
/// Channels that do not go into one portion of transformed weights, blocks of filters without a partner, a shortcut, a pool, and
/// an activation that tiles do not apply themselves.
const DEEP: &str = "\
net Deep {
    input image: [20, 12, 10]
    a = image |> conv(340, 1) |> conv(40, 3, pad: 1) |> tanh
    b = a |> conv(144, 1) |> conv(144, 3, pad: 1)
    c = concat((b |> conv(144, 3, pad: 1)) + b, b |> conv(48, 3, pad: 1))
    d = relu(c) |> conv(72, 3, pad: 1) |> relu |> max_pool(2)
    output y = d |> conv(72, 3, pad: 1) |> conv(16, 5, pad: 2)
    target t: [16, 6, 5]
    loss mse(y, t)
}
";
/// A first layer that is computed over the phases of its stride, and a window 4×4 as it is written.
const FIRST: &str = "\
net First {
    input image: [3, 41, 38]
    a = image |> conv(40, 7, stride: 2, pad: 3) |> relu
    output y = a |> conv(24, 4, pad: [1, (2, 1)]) |> max_pool(2)
    target t: [24, 10, 9]
    loss mse(y, t)
}
";
const LINE: &str = "\
net Line {
    input signal: [2, 300]
    output y = signal |> conv(32, 9, stride: 2) |> relu |> conv(48, 5, dilation: 2)
    target t: [48, 138]
    loss mse(y, t)
}
";

fn choices(graph: &Graph, mode: Mode, round: usize) -> Choices {
    let workloads = graph.values().filter_map(|value| Workload::of(graph, value));
    workloads.filter_map(|w| Some((w.clone(), *candidates(&w, mode, false).get(round)?))).collect()
}

/// The network with every candidate of each convolution, round by round.
fn variants(text: &str) -> Vec<Compiled> {
    let options = |tuning| Options { input_gradients: true, tuning: Some(tuning), ..Options::default() };
    let model = compile_text(text, &options(Tuning::default()));
    let training = model.training.as_ref().expect("it trains");
    let tuning = |round| Tuning {
        inference: choices(&model.inference.graph, Mode::Inference, round),
        training: choices(&training.graph, Mode::Training, round),
    };
    let rounds = (0..).map(tuning).take_while(|t| !t.inference.is_empty() || !t.training.is_empty());
    rounds.map(|tuning| compile_text(text, &options(tuning))).collect()
}

#[test]
fn all_that_may_be_chosen_computes_the_same() {
    let variants: Vec<(usize, Compiled)> = [PLANE, DEEP, FIRST, LINE]
        .into_iter()
        .enumerate()
        .flat_map(|(net, text)| variants(text).into_iter().map(move |variant| (net, variant)))
        .collect();
    assert!(variants.len() >= 12, "{} variants", variants.len());
    let mut codes: Vec<String> = variants.iter().map(|(_, n)| n.emit().inline_text()).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), variants.len(), "each round gives other code");
    // The same numbers for all variants of a network, so that the reference is asked once.
    let cases: [Case<'_>; 4] = std::array::from_fn(|net| {
        let (_, model) = variants.iter().find(|(of, _)| *of == net).expect("the model's choices");
        // More images than a task of the lean algorithms has.
        Case::random(model, if net == 1 { 9 } else { 2 }, &mut Random::new(5))
    });
    let networks: Vec<Compiled> = variants.iter().map(|(_, n)| n.clone()).collect();
    let program = Program::build("tuned", &networks);
    for isa in ["", "portable"] {
        let requests = |threads| {
            variants.iter().enumerate().map(|(i, (net, _))| cases[*net].request(i, threads, isa)).collect::<Vec<_>>()
        };
        let (one, three) = (program.run(&requests(1)), program.run(&requests(3)));
        for (round, (((net, _), one), three)) in variants.iter().zip(&one).zip(&three).enumerate() {
            // Winograd's algorithm, three times over.
            let wrong = cases[*net].differences(one, 5e-5, 2e-4);
            assert!(wrong.is_empty(), "variant {round}, isa `{isa}`:\n{}", wrong.join("\n"));
            assert!(one == three, "variant {round}, isa `{isa}`: results depend on the number of threads");
        }
    }
}
