//! A network from a build script, without training code:
//! `cargo run --release --package cnnc-examples --bin built_net`

use cnnc_examples::say;

#[allow(dead_code, reason = "this program has no use for all of the interface")]
mod lenet5 {
    include!(concat!(env!("OUT_DIR"), "/lenet5.rs"));
}

fn main() {
    let mut net = lenet5::LeNet5::new(42);
    let answer = net.infer(&[0.0; 784]);
    say!("an untrained network on an empty picture: {:.3?}", answer.probabilities);
}
