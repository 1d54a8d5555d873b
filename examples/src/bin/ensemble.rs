//! Five networks together read digits better than one of them does on average; five looks at a digit beside one:
//! `cargo run --release --package cnnc-examples --bin ensemble`
//!
//! LeNet-5 five times, which differ by their seeds only. They learn pieces of 28×28 pixels from anywhere in digits of 32×32, as
//! AlexNet learnt 224×224 of 256×256, and are tested on the middle alone, then on the mean over the middle and the four corners.
//! Mirror images, which make ten of these five, are for photos: a mirrored digit is another sign, or none. Learns from half of the
//! digits that ship; the mean answers must be right more often than the members are on average.
//! Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", sections 4.1 and 5.

cnnc_macros::net!("../specs/lenet5.net", classes = 10);

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cnnc_examples::digits::{Digits, SIDE};
use cnnc_examples::{Common, Result, Table, best, percent, say};
use cnnc_runtime::augment::{Pipeline, ResizedCrop, Step, crops};
use cnnc_runtime::data::{Collection, Dataset, Example, Picture, Pixels, Plan};
use cnnc_runtime::draw;
use cnnc_runtime::optimizer::Sgd;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{Answers, FitOptions, fit};
use cnnc_runtime::{Network as _, Options};

/// How many networks.
const MEMBERS: u64 = 5;
/// Black pixels around a digit, so that pieces of its old size differ.
const MARGIN: usize = 2;
/// Sides of a piece as a share of those of the picture.
const SHARE: f32 = SIDE as f32 / (SIDE + 2 * MARGIN) as f32;
/// Digits of a batch.
const BATCH: usize = 32;

/// Five networks together read digits better than one of them does on average
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// Digits to learn from, and the same held-out ones seen in five places, the middle first.
struct Data {
    train: Dataset,
    views: Vec<Dataset>,
    test: Digits,
}

fn main() -> ExitCode {
    cnnc_examples::run(ensemble)
}

fn ensemble(Arguments { common }: &Arguments) -> Result<()> {
    let data = Data::read(common)?;
    say!("{MEMBERS} networks learn from {} digits; {} are held out", data.train.len(), data.test.len());
    let mut table = Table::new(&["wrong on what is held out", "the middle", "mean of 5 pieces"]);
    let [mut all_middle, mut all_pieces] = [(); 2].map(|()| Answers::new(&lenet5::SPEC));
    let mut members: Vec<Vec<usize>> = Vec::new();
    for member in 1..=MEMBERS {
        let mut net = data.learn(common, member)?;
        let [mut middle, mut pieces] = [(); 2].map(|()| Answers::new(net.spec()));
        for (place, view) in data.views.iter().enumerate() {
            let only_middle = if place == 0 { vec![&mut middle, &mut all_middle] } else { Vec::new() };
            for answers in only_middle.into_iter().chain([&mut pieces, &mut all_pieces]) {
                answers.add(&mut net, view, BATCH)?;
            }
        }
        table.row(&[&format!("network {member}"), &data.wrong(&middle), &data.wrong(&pieces)]);
        members.push(read(&middle));
    }
    table.row(&[&"their mean", &data.wrong(&all_middle), &data.wrong(&all_pieces)]);
    say!("\n{table}");
    data.write_saved(&members, &read(&all_middle), common)
}

impl Data {
    fn read(common: &Common) -> Result<Self> {
        let (train, test) = Digits::read(common, 5_000)?;
        let (train, test) =
            (train.part(0..common.scaled(train.len(), 600)), test.part(0..common.scaled(test.len(), 300)));
        // Pieces of exactly the size that the network takes.
        let anywhere = ResizedCrop { area: [SHARE * SHARE; 2], ratio: [1.0; 2] };
        let views = crops(SHARE, false).into_iter().map(|piece| dataset(&test, piece)).collect::<Result<_>>()?;
        Ok(Self { train: dataset(&train, Pipeline(vec![Step::ResizedCrop(anywhere)]))?, views, test })
    }

    /// A member of the ensemble.
    fn learn(&self, common: &Common, member: u64) -> Result<LeNet5> {
        let seed = common.seed * MEMBERS + member;
        let mut net = LeNet5::with_options(&Options { seed, batch: BATCH, ..Options::default() });
        let options = FitOptions {
            batch: BATCH,
            epochs: common.scaled(8, 2),
            optimizer: Sgd { learning_rate: 0.03, momentum: 0.9, weight_decay: 1e-4, ..Sgd::default() }.into(),
            schedule: Schedule { decay: Decay::Cosine { end: 0.01 }, ..Schedule::default() },
            seed,
            ..FitOptions::default()
        };
        fit(&mut net, &self.train, None, &options, &mut ())?;
        Ok(net)
    }

    fn wrong(&self, answers: &Answers) -> String {
        let right = read(answers).iter().zip(&self.test.labels).filter(|(a, b)| **a == **b as usize).count();
        percent(1.0 - right as f64 / self.test.len() as f64)
    }

    /// A sheet of digits that all read right together, but some of them alone did not.
    fn write_saved(&self, members: &[Vec<usize>], together: &[usize], common: &Common) -> Result<()> {
        let label = |i: usize| self.test.labels[i] as usize;
        let strayed = |i: usize| members.iter().filter(|read| read[i] != label(i)).count();
        let mut saved: Vec<usize> =
            (0..self.test.len()).filter(|i| together[*i] == label(*i) && strayed(*i) > 0).collect();
        saved.sort_by_key(|i| std::cmp::Reverse(strayed(*i)));
        let picture = |i: &usize| {
            let votes: Vec<String> = members.iter().map(|read| read[*i].to_string()).collect();
            draw::captioned(&self.test.picture(*i, 0).enlarged(3), &votes.join(" "), [40, 70, 110], 2)
        };
        let pictures: Vec<_> = saved.iter().take(40).map(picture).collect();
        if pictures.is_empty() {
            return Ok(());
        }
        let what = "digits that their mean reads right, over what each of the five reads";
        common.write_picture("ensemble.png", &draw::sheet(&pictures, 10, 6), what)
    }
}

/// Digits with a margin, of which the network sees what `piece` cuts out.
fn dataset(digits: &Digits, piece: Pipeline) -> Result<Dataset> {
    let example = |i: usize| Example {
        pixels: Pixels::Memory(Arc::new(digits.picture(i, MARGIN))),
        class: Some(digits.labels[i]),
        boxes: Vec::new(),
        points: Vec::new(),
    };
    let collection = Collection { examples: (0..digits.len()).map(example).collect(), ..Collection::default() };
    let picture = Picture { mean: vec![0.1307], std: vec![0.3081], ..Picture::default() };
    Ok(Dataset::photos_in_order(collection, &lenet5::SPEC, &picture, &Plan { augment: piece, ..Plan::default() })?)
}

/// The class that the mean answers say.
fn read(answers: &Answers) -> Vec<usize> {
    answers.mean(0).chunks_exact(10).map(best).collect()
}
