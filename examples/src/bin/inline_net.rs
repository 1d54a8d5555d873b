//! A network where it is used: `cargo run --release --package cnnc-examples --bin inline_net`
//!
//! It learns which half of a small picture is brighter.

cnnc_macros::net! {
    /// One filter for each half, and a decision.
    net Halves {
        input image: [1, 8, 8]
        scores = image |> conv(4, 3, pad: 1) |> relu |> flatten |> dense(2)
        output sides = softmax(scores)
        target side: class(2)
        loss cross_entropy(scores, side)
    }
}

use cnnc_examples::{percent, say};
use cnnc_runtime::optimizer::{Optimizer, Sgd};
use cnnc_runtime::random::Random;

/// Noise that is a little brighter on one side.
fn picture(random: &mut Random) -> ([f32; 64], u32) {
    let side = random.below(2) as u32;
    let pixels = std::array::from_fn(|i| {
        let bright = u32::from(i % 8 >= 4) == side;
        random.below(2001) as f32 / 1000.0 - 1.0 + if bright { 0.2 } else { 0.0 }
    });
    (pixels, side)
}

fn main() -> Result<(), cnnc_runtime::Error> {
    let mut random = Random::named(1, "pictures");
    let mut net = Halves::with_options(&cnnc_runtime::Options { seed: 1, batch: 32, ..Default::default() });
    let rule = Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() };
    let mut optimizer = Optimizer::new(rule, &net);
    for step in 0..=600 {
        let (pictures, sides): (Vec<_>, Vec<_>) = (0..32).map(|_| picture(&mut random)).unzip();
        let loss = net.train_step(&pictures, &sides, &mut optimizer)?;
        if step % 200 == 0 {
            say!("step {step:3}: loss {loss:.3}");
        }
    }
    let right = (0..1000)
        .filter(|_| {
            let (pixels, side) = picture(&mut random);
            let answer = net.infer(&pixels).sides;
            u32::from(answer[1] > answer[0]) == side
        })
        .count();
    say!("accuracy: {}", percent(right as f64 / 1000.0));
    Ok(())
}
