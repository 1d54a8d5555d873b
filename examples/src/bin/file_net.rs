//! A network from a file, trained through its own interface on the digits that ship:
//! `cargo run --release --package cnnc-examples --bin file_net`

cnnc_macros::net!("../specs/lenet5.net", classes = 10);

use std::error::Error;
use std::path::Path;

use cnnc_runtime::data::Idx;
use cnnc_runtime::optimizer::{Optimizer, Sgd};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist");
    let images = Idx::read(&folder.join("t10k-images-idx3-ubyte.gz"))?;
    let labels = Idx::read(&folder.join("t10k-labels-idx1-ubyte.gz"))?;
    let scaled = |byte: &u8| (f32::from(*byte) / 255.0 - 0.1307) / 0.3081;
    let pixels: Vec<f32> = images.bytes.iter().map(scaled).collect();
    let digits: &[[f32; 784]] = pixels.as_chunks().0;
    let labels: Vec<u32> = labels.bytes.iter().map(|b| u32::from(*b)).collect();

    let mut net = LeNet5::with_options(&cnnc_runtime::Options { seed: 1, batch: 50, ..Default::default() });
    let rule = Sgd { learning_rate: 0.03, momentum: 0.9, ..Sgd::default() };
    let mut optimizer = Optimizer::new(rule, &net);
    for epoch in 1..=2 {
        let mut loss = 0.0;
        for (digits, labels) in digits[..9000].chunks(50).zip(labels.chunks(50)) {
            loss += net.train_step(digits, labels, &mut optimizer)?;
        }
        println!("epoch {epoch}: loss {:.3}", loss / 180.0);
    }
    let mut right = 0;
    for (digits, labels) in digits[9000..].chunks(50).zip(labels[9000..].chunks(50)) {
        let answers = net.infer_batch(digits)?.probabilities;
        let best = |p: &[f32; 10]| (0..10_u32).max_by(|a, b| p[*a as usize].total_cmp(&p[*b as usize]));
        right += answers.iter().zip(labels).filter(|(p, label)| best(p) == Some(**label)).count();
    }
    println!("accuracy: {:.1} %", right as f64 / 10.0);
    Ok(())
}
