//! LeNet-5 learns to read handwritten digits, by a loop of its own:
//! `cargo run --release --package cnnc-examples --bin digits`
//!
//! Learns from 9,000 of the digits that ship and reads at least 96.5 % of the 1,000 others; with `--data`, from the 60,000 of MNIST,
//! and reads at least 98.8 % of its 10,000 test digits. `examples/pytorch/digits.py` is the same recipe in PyTorch.
//! LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", section II.

cnnc_macros::net!("../specs/lenet5.net", classes = 10);

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::digits::Digits;
use cnnc_examples::{Common, Result, at_least, best, percent, say};
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw::{self, Curve};
use cnnc_runtime::metrics::Confusion;
use cnnc_runtime::optimizer::{Optimizer, Sgd};
use cnnc_runtime::random::Random;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::{Network as _, Options};

/// Digits of a batch.
const BATCH: usize = 32;

/// LeNet-5 learns to read handwritten digits
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// What is known at the end of an epoch.
struct Epoch {
    loss: f64,
    held_out: f64,
}

fn main() -> ExitCode {
    cnnc_examples::run(digits)
}

fn digits(Arguments { common }: &Arguments) -> Result<()> {
    let (train, test) = Digits::read(common, 9_000)?;
    let (train, test) =
        (train.part(0..common.scaled(train.len(), 1_500)), test.part(0..common.scaled(test.len(), 300)));
    say!("{} digits to learn from, {} held out", train.len(), test.len());
    let mut net = LeNet5::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    let epochs = learn(&mut net, &train, &test, common)?;
    let read = answers(&mut net, &test)?;
    let mut confusion = Confusion::new(10);
    read.iter().zip(&test.labels).for_each(|(answer, label)| confusion.add(*label as usize, *answer));
    say!("accuracy: {}", percent(confusion.accuracy()));
    write_pictures(&net, &test, &read, &confusion, &epochs, common)?;
    let right = if common.data.is_some() { 98.8 } else { 96.5 };
    common.check(&[at_least("digits read right, %", 100.0 * confusion.accuracy(), right)])
}

/// SGD with momentum, whose learning rate falls along half a cosine.
fn learn(net: &mut LeNet5, train: &Digits, test: &Digits, common: &Common) -> Result<Vec<Epoch>> {
    let epochs = common.scaled(12, 3);
    let schedule = Schedule { decay: Decay::Cosine { end: 0.01 }, ..Schedule::default() };
    let rule = Sgd { learning_rate: 0.03, momentum: 0.9, weight_decay: 1e-4, ..Sgd::default() };
    let mut optimizer = Optimizer::new(rule, net);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let steps = train.len().div_ceil(BATCH) as u64;
    let bar = cnnc_examples::progress("learning", (epochs * steps) as usize);
    let mut known = Vec::new();
    for epoch in 0..epochs {
        Random::numbered(common.seed, epoch).shuffle(&mut order);
        let mut loss = 0.0;
        for (step, batch) in (epoch * steps..).zip(order.chunks(BATCH)) {
            let digits: Vec<[f32; 784]> = batch.iter().map(|i| train.pixels[*i]).collect();
            let labels: Vec<u32> = batch.iter().map(|i| train.labels[*i]).collect();
            optimizer.set_factor(schedule.factor(step, steps, epochs));
            loss += f64::from(net.train_step(&digits, &labels, &mut optimizer)?) * batch.len() as f64;
            bar.inc(1);
        }
        let right = answers(net, test)?.iter().zip(&test.labels).filter(|(a, b)| **a == **b as usize).count();
        let epoch = Epoch { loss: loss / train.len() as f64, held_out: right as f64 / test.len() as f64 };
        bar.suspend(|| {
            say!("epoch {:2}: loss {:.4}, held out {}", known.len() + 1, epoch.loss, percent(epoch.held_out));
        });
        known.push(epoch);
    }
    bar.finish_and_clear();
    Ok(known)
}

/// What the network reads.
fn answers(net: &mut LeNet5, digits: &Digits) -> Result<Vec<usize>> {
    let mut read = Vec::new();
    for batch in digits.pixels.chunks(BATCH) {
        read.extend(net.infer_batch(batch)?.probabilities.iter().map(|probabilities| best(probabilities)));
    }
    Ok(read)
}

fn write_pictures(
    net: &LeNet5,
    test: &Digits,
    read: &[usize],
    confusion: &Confusion,
    epochs: &[Epoch],
    common: &Common,
) -> Result<()> {
    let wrong = (0..test.len()).filter(|i| read[*i] != test.labels[*i] as usize);
    let misread: Vec<Raster> = wrong.take(60).map(|i| captioned(test, i, read[i])).collect();
    if !misread.is_empty() {
        common.write_picture(
            "digits/misread.png",
            &draw::sheet(&misread, 12, 6),
            "digits that were misread, and as what",
        )?;
    }
    let names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let what = "what (a row) was read as what (a column)";
    common.write_picture("digits/confusion.png", &draw::confusion(confusion, &names), what)?;
    let filters = net.spec().param("conv1.weight").ok_or("LeNet-5 has a first convolution")?;
    let filters = draw::filters(&net.params()[filters.range.clone()], filters.shape, 24)?;
    common.write_picture("digits/filters.png", &filters, "the filters of the first layer")?;
    let curve = |name: &str, of: fn(&Epoch) -> f64| Curve {
        name: name.to_owned(),
        points: (1..).map(f64::from).zip(epochs.iter().map(of)).collect(),
    };
    let curves = [curve("loss", |epoch| epoch.loss), curve("misread, held out", |epoch| 1.0 - epoch.held_out)];
    common.write_text("digits/curves.svg", &draw::curves("LeNet-5 learns digits", "epoch", &curves), "how it learnt")
}

/// A digit over what it is and what it was taken for.
fn captioned(digits: &Digits, number: usize, read: usize) -> Raster {
    let text = format!("{} as {read}", digits.labels[number]);
    draw::captioned(&digits.picture(number, 0).enlarged(2), &text, [120, 40, 40], 2)
}
