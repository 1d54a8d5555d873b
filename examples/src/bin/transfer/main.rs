//! What a network has learnt of cars and frogs helps to tell blood cells apart:
//! `cargo run --release --package cnnc-examples --bin transfer`
//!
//! The published ResNet-20 for CIFAR-10 gets a new head for three kinds of cells, cut out of microscope pictures. With little data
//! all of it stays as it is and only the head learns, on features that are computed once and kept in `runs`; with some data the
//! last stage learns as well; with much data the published weights are where all begin. The bound: from three cells of each kind, a
//! head alone tells 82 % right, and all of the network, three percentage points more than from random weights. A head alone takes next
//! to no time and most often does better than random weights, too, but not for all draws of so few cells.
//! Yosinski, Clune, Bengio & Lipson 2014, "How transferable are features in deep neural networks?"

cnnc_macros::net!("nets/transfer.net", net = "Whole", classes = 3);
cnnc_macros::net!("nets/transfer.net", net = "LastStage", classes = 3);
cnnc_macros::net!("nets/transfer.net", net = "Head", classes = 3);

mod cells;
mod features;

use std::process::ExitCode;

use cells::Cells;
use clap::Parser;
use cnnc_examples::{Common, Result, Table, at_least, best, percent, say, shipped};
use cnnc_runtime::data::{Dataset, TargetValues};
use cnnc_runtime::draw::{self, Curve};
use cnnc_runtime::optimizer::{Adam, Rule, Sgd};
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{FitOptions, evaluate, fit};
use cnnc_runtime::weights::{self, Lenience};
use cnnc_runtime::{Network, Options};
use features::Features;

/// Numbers that the head takes.
const FEATURES: usize = 96;
/// Pictures of a batch.
const BATCH: usize = 32;

/// What a network has learnt of cars and frogs helps to tell blood cells apart
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// How much of the published network stays as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Regime {
    Scratch,
    Head,
    LastStage,
    All,
}

/// All, with what they are called.
const REGIMES: [(Regime, &str); 4] = [
    (Regime::Scratch, "from scratch"),
    (Regime::Head, "head alone"),
    (Regime::LastStage, "last stage"),
    (Regime::All, "all"),
];

/// Cells, and what the published network sees of them.
struct Data {
    train: Cells,
    test: Cells,
    of_train: Features,
    of_test: Features,
}

fn main() -> ExitCode {
    cnnc_examples::run(transfer)
}

fn transfer(Arguments { common }: &Arguments) -> Result<()> {
    common.refuse_data()?;
    let data = Data::read(common)?;
    // Small sets differ more, so that more of them are drawn.
    let sizes: &[(usize, u64)] = common.scaled(&[(3, 5), (20, 2), (150, 1)], &[(3, 1), (12, 1)]);
    let mut head = vec!["cells of each kind to learn from"];
    head.extend(REGIMES.map(|(_, name)| name));
    head.push("mean of draws");
    let mut table = Table::new(&head);
    let mut curves = REGIMES.map(|(_, name)| Curve { name: name.to_owned(), points: Vec::new() });
    let bar = cnnc_examples::progress(
        "learning",
        REGIMES.len() * sizes.iter().map(|(_, draws)| *draws as usize).sum::<usize>(),
    );
    for &(size, draws) in sizes {
        let mut row = vec![size.to_string()];
        for ((regime, _), curve) in REGIMES.iter().zip(&mut curves) {
            let mut sum = 0.0;
            for draw in 0..draws {
                sum += data.accuracy(*regime, size, common.seed * 100 + draw, common)?;
                bar.inc(1);
            }
            let mean = sum / draws as f64;
            row.push(percent(mean));
            curve.points.push((size as f64, 100.0 * mean));
        }
        row.push(draws.to_string());
        let cells: Vec<&dyn std::fmt::Display> = row.iter().map(|cell| cell as &dyn std::fmt::Display).collect();
        table.row(&cells);
    }
    bar.finish_and_clear();
    say!("\naccuracy on {} other cells:\n\n{table}", data.test.len());
    let title = "Accuracy (%) on cells by how much of the published network is trained";
    common.write_text("transfer.svg", &draw::curves(title, "cells of each kind", &curves), "the same as curves")?;
    data.write_sheet(common)?;
    let [scratch, head, _, all] = curves.each_ref().map(|curve| curve.points[0].1);
    common.check(&[
        at_least("a head alone, three cells of each kind, %", head, 82.0),
        at_least("gain of all over random weights, three of each kind, percentage points", all - scratch, 3.0),
    ])
}

impl Data {
    fn read(common: &Common) -> Result<Self> {
        let [train, test] = [("train", common.scaled(150, 12)), ("val", common.scaled(40, 10))]
            .map(|(split, most)| Cells::read(&shipped("cells"), split, most, common.seed));
        let (train, test) = (train?, test?);
        say!("{} cells to learn from, {} held out; {} of each kind", train.len(), test.len(), train.len() / 3);
        let mut net = Whole::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
        say!("published ResNet-20: {}", begin(&mut net)?);
        let [of_train, of_test] = [("train", &train), ("test", &test)].map(|(name, cells)| {
            Features::of(cells, &mut net, &common.output(&format!("transfer/{name}.safetensors"))?)
        });
        Ok(Self { of_train: of_train?, of_test: of_test?, train, test })
    }

    /// How well a network does that learns from so many cells of each kind.
    fn accuracy(&self, regime: Regime, size: usize, seed: u64, common: &Common) -> Result<f64> {
        let chosen = self.train.draw(size, seed);
        let all: Vec<usize> = (0..self.test.len()).collect();
        let of = |cells: &Cells, features: &Features, chosen: &[usize], net: &dyn Network| {
            let input = match regime {
                Regime::Scratch | Regime::All => rows(&cells.pixels, 3 * 32 * 32, chosen),
                Regime::LastStage => rows(&features.middle, 32 * 16 * 16, chosen),
                Regime::Head => rows(&features.features, FEATURES, chosen),
            };
            let labels = chosen.iter().map(|i| cells.labels[*i]).collect();
            Dataset::in_memory(net.spec(), vec![input], vec![TargetValues::Classes(labels)])
        };
        let mut net = network(regime, seed)?;
        let (train, test) =
            (of(&self.train, &self.of_train, &chosen, &*net)?, of(&self.test, &self.of_test, &all, &*net)?);
        fit(&mut *net, &train, None, &options(regime, chosen.len(), seed, common), &mut ())?;
        let metrics = evaluate(&mut *net, &test, BATCH)?;
        Ok(metrics.accuracy().ok_or("a classifier has an accuracy")?)
    }

    /// Test cells with what the smallest of the heads says.
    fn write_sheet(&self, common: &Common) -> Result<()> {
        let (chosen, seed) = (self.train.draw(3, common.seed * 100), common.seed * 100);
        let mut head = Head::with_options(&Options { seed, batch: BATCH, ..Options::default() });
        let labels = chosen.iter().map(|i| self.train.labels[*i]).collect();
        let train = rows(&self.of_train.features, FEATURES, &chosen);
        let train = Dataset::in_memory(&head::SPEC, vec![train], vec![TargetValues::Classes(labels)])?;
        fit(&mut head, &train, None, &options(Regime::Head, chosen.len(), seed, common), &mut ())?;
        let mut pictures = Vec::new();
        for (i, features) in self.of_test.features.as_chunks::<FEATURES>().0.iter().enumerate() {
            let said = best(head.infer(features).logits);
            let color = if said == self.test.labels[i] as usize { [40, 110, 60] } else { [170, 40, 40] };
            let picture = self.test.pictures[i].stretched(64, 64);
            pictures.push(draw::captioned(&picture, cells::KINDS[said], color, 2));
        }
        let what = "held-out cells and what a head says that has seen three of each kind; red is wrong";
        common.write_picture("transfer.png", &draw::sheet(&pictures, 15, 4), what)
    }
}

/// Begins with the published weights as far as they fit, and says which.
fn begin(net: &mut dyn Network) -> Result<String> {
    let path = shipped("models/resnet20_cifar10/resnet20_cifar10.safetensors");
    Ok(weights::load_with(net, path, Lenience::TRANSFER)?.account(net.spec()))
}

/// A network before it learns.
fn network(regime: Regime, seed: u64) -> Result<Box<dyn Network>> {
    let options = Options { seed, batch: BATCH, ..Options::default() };
    let mut net: Box<dyn Network> = match regime {
        Regime::Scratch | Regime::All => Box::new(Whole::with_options(&options)),
        Regime::LastStage => Box::new(LastStage::with_options(&options)),
        Regime::Head => Box::new(Head::with_options(&options)),
    };
    if matches!(regime, Regime::LastStage | Regime::All) {
        begin(&mut *net)?;
    }
    Ok(net)
}

/// The same number of steps whatever the size of the training set; heads are cheap and take more of them.
fn options(regime: Regime, images: usize, seed: u64, common: &Common) -> FitOptions {
    let steps = if regime == Regime::Head { 600 } else { common.scaled(60, 12) };
    let sgd = |learning_rate| Sgd { learning_rate, momentum: 0.9, weight_decay: 5e-4, ..Sgd::default() };
    let optimizer: Rule = match regime {
        Regime::Scratch => sgd(0.05).into(),
        Regime::LastStage | Regime::All => sgd(0.01).into(),
        Regime::Head => Adam { learning_rate: 0.01, ..Adam::default() }.into(),
    };
    FitOptions {
        batch: BATCH,
        epochs: (steps / images.div_ceil(BATCH) as u64).max(1),
        optimizer,
        schedule: Schedule { decay: Decay::Cosine { end: 0.0 }, ..Schedule::default() },
        seed,
        ..FitOptions::default()
    }
}

/// Some rows of so many numbers each.
fn rows(values: &[f32], len: usize, chosen: &[usize]) -> Vec<f32> {
    chosen.iter().flat_map(|i| &values[i * len..][..len]).copied().collect()
}
