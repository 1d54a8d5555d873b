//! Runs networks on requests from standard input. Written by the tests; see their `build` and `wire` modules for the format.
use std::io::{Read, Write};
use std::ops::Range;

use cnnc_runtime::optimizer::{Optimizer, Sgd};
use cnnc_runtime::{Isa, Network, Options, TargetKind, Targets};
use shared::sketch::sketch;
use shared::wire::{Numbers, put_many, take_count, take_text};

/// Weights and buffers of a network that is held against a twin, at most.
const LARGEST_TWIN: usize = 1 << 24;

fn network(index: usize, options: &Options) -> Box<dyn Network> {
    match index {
        // networks
        _ => panic!("no such network"),
    }
}

fn main() {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).expect("input");
    let mut rest = bytes.as_slice();
    let mut answer = Vec::new();
    for _ in 0..take_count(&mut rest) {
        let [index, images, threads] = [(); 3].map(|()| take_count(&mut rest));
        let isa = Isa::named(take_text(&mut rest));
        let sketched = take_text(&mut rest) == "sketches";
        let options = Options { batch: images, threads, isa, ..Options::default() };
        let mut net = network(index, &options);
        let params: Vec<Range<usize>> = (0..take_count(&mut rest)).map(|_| param(&mut *net, &mut rest)).collect();
        let [inputs, targets] = [(); 2].map(|()| (0..take_count(&mut rest)).map(|_| Numbers::take(&mut rest)).collect::<Vec<_>>());
        let mut say = |tensors: Vec<&[f32]>| match sketched {
            true => put_many(&mut answer, &tensors.into_iter().map(sketch).collect::<Vec<_>>()),
            false => put_many(&mut answer, &tensors),
        };
        let twin = || network(index, &Options { keep_gradients: false, keep_weights: false, ..options.clone() });
        run(&mut *net, &twin, images, &inputs, &targets, &params, &mut say);
    }
    std::io::stdout().write_all(&answer).expect("output");
}

/// Sets a parameter to what follows: where it begins, and its numbers. Gives its place.
fn param(net: &mut dyn Network, rest: &mut &[u8]) -> Range<usize> {
    let start = take_count(rest);
    let numbers = Numbers::take(rest);
    let place = start..start + numbers.len();
    net.params_mut()[place.clone()].copy_from_slice(&numbers);
    place
}

/// Says the outputs; the loss, the gradients of parameters and of inputs, where it trains; and what the parameters are then. Makes sure
/// that a twin, which does not keep its gradients, learns the same, or which does not keep its weights, says the same; not of the largest,
/// which take long.
fn run(net: &mut dyn Network, twin: &dyn Fn() -> Box<dyn Network>, images: usize, inputs: &[Vec<f32>], targets: &[Vec<f32>], params: &[Range<usize>], say: &mut dyn FnMut(Vec<&[f32]>)) {
    let spec = net.spec();
    let slices: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    net.infer(images, &slices).expect("inference");
    say((0..spec.outputs.len()).map(|index| net.output(index)).collect());
    if !spec.trains {
        if spec.param_floats <= LARGEST_TWIN {
            says_the_same(net, &mut *twin(), images, &slices);
        }
        return (0..4).for_each(|_| say(Vec::new()));
    }
    let classes: Vec<Vec<u32>> = targets.iter().map(|t| t.iter().map(|c| *c as u32).collect()).collect();
    let given: Vec<Targets<'_>> = spec.targets.iter().zip(targets.iter().zip(&classes)).map(|(spec, (floats, classes))| match spec.kind {
        TargetKind::Class(_) => Targets::Classes(classes),
        TargetKind::Float => Targets::Floats(floats),
    }).collect();
    let start = if spec.param_floats > LARGEST_TWIN { Vec::new() } else { net.params().to_vec() };
    let loss = net.train(images, &slices, &given, None).expect("training");
    say(vec![&[loss]]);
    say(parts(net.gradients(), params));
    say((0..inputs.len()).filter_map(|i| net.input_gradient(i)).collect());
    say(parts(net.params(), params));
    if spec.param_floats > LARGEST_TWIN {
        return;
    }
    let mut twin = twin();
    twin.params_mut().copy_from_slice(&start);
    let rule = Sgd { learning_rate: 0.125, momentum: 0.9, weight_decay: 0.01, ..Sgd::default() };
    let [mut kept, mut behind] = [(); 2].map(|()| Optimizer::new(rule, net));
    kept.step(net);
    let same = twin.pass(images, &slices, &given, None, Some(&mut behind)).expect("training");
    assert_eq!(same.to_bits(), loss.to_bits(), "the loss of {}", spec.name);
    for param in spec.params {
        let [a, b] = [net.params(), twin.params()].map(|all| all[param.range.clone()].iter().map(|x| x.to_bits()));
        assert!(a.eq(b), "{} of {} is not the same where gradients are not kept", param.name, spec.name);
    }
}

/// Makes sure that a twin says what a network has said, also with weights that are written once more.
fn says_the_same(net: &dyn Network, twin: &mut dyn Network, images: usize, inputs: &[&[f32]]) {
    for _ in 0..2 {
        twin.params_mut().copy_from_slice(net.params());
        for _ in 0..2 {
            twin.infer(images, inputs).expect("inference");
            for index in 0..net.spec().outputs.len() {
                let [a, b] = [net.output(index), twin.output(index)].map(|y| y.iter().map(|x| x.to_bits()));
                assert!(a.eq(b), "an output of {} is not the same where weights are not kept", net.spec().name);
            }
        }
    }
}

/// A vector in parts; nothing of those it does not reach: what is not trained has no gradients.
fn parts<'a>(vector: &'a [f32], places: &[Range<usize>]) -> Vec<&'a [f32]> {
    places.iter().map(|place| vector.get(place.clone()).unwrap_or_default()).collect()
}
