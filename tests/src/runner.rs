//! Runs networks on requests from standard input. Written by the tests; see their `build` module for the format.
use std::io::{Read, Write};

use cnnc_runtime::{Isa, Network, Options, Targets, TargetKind};

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
    for _ in 0..count(&mut rest) {
        let (index, images, threads) = (count(&mut rest), count(&mut rest), count(&mut rest));
        let len = count(&mut rest);
        let isa = Isa::named(std::str::from_utf8(take(&mut rest, len)).expect("a name"));
        let mut net = network(index, &Options { batch: images, threads, isa, ..Options::default() });
        net.params_mut().copy_from_slice(&floats(&mut rest));
        let inputs: Vec<Vec<f32>> = (0..count(&mut rest)).map(|_| floats(&mut rest)).collect();
        let targets: Vec<Vec<f32>> = (0..count(&mut rest)).map(|_| floats(&mut rest)).collect();
        run(&mut *net, images, &inputs, &targets, &mut answer);
    }
    std::io::stdout().write_all(&answer).expect("output");
}

fn run(net: &mut dyn Network, images: usize, inputs: &[Vec<f32>], targets: &[Vec<f32>], answer: &mut Vec<u8>) {
    let spec = net.spec();
    let slices: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    net.infer(images, &slices).expect("inference");
    put_count(answer, spec.outputs.len());
    for index in 0..spec.outputs.len() {
        put(answer, net.output(index));
    }
    if !spec.trains {
        put(answer, &[]);
        put(answer, &[]);
        put_count(answer, 0);
        put(answer, net.params());
        return;
    }
    let classes: Vec<Vec<u32>> = targets.iter().map(|t| t.iter().map(|c| *c as u32).collect()).collect();
    let given: Vec<Targets<'_>> = spec.targets.iter().zip(targets.iter().zip(&classes)).map(|(spec, (floats, classes))| match spec.kind {
        TargetKind::Class(_) => Targets::Classes(classes),
        TargetKind::Float => Targets::Floats(floats),
    }).collect();
    let loss = net.train(images, &slices, &given, None).expect("training");
    put(answer, &[loss]);
    put(answer, net.gradients());
    let gradients: Vec<&[f32]> = (0..inputs.len()).filter_map(|i| net.input_gradient(i)).collect();
    put_count(answer, gradients.len());
    for gradient in gradients {
        put(answer, gradient);
    }
    put(answer, net.params());
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(len);
    *bytes = tail;
    head
}

fn count(bytes: &mut &[u8]) -> usize {
    u64::from_le_bytes(take(bytes, 8).try_into().expect("eight bytes")) as usize
}

fn floats(bytes: &mut &[u8]) -> Vec<f32> {
    let len = count(bytes);
    take(bytes, 4 * len).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend((count as u64).to_le_bytes());
}

fn put(bytes: &mut Vec<u8>, floats: &[f32]) {
    put_count(bytes, floats.len());
    bytes.extend(floats.iter().flat_map(|f| f.to_le_bytes()));
}

