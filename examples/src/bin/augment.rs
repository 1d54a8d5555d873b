//! What augmentation makes of pictures, and what it is good for: `cargo run --release --package cnnc-examples --bin augment`
//!
//! A contact sheet shows every step on a picture of blood cells; the boxes of cells and a point in each follow the pixels. Then
//! LeNet-5 learns 500 digits as they are and changed by several pipelines, each from several seeds, and is tested on 2,000 others.
//! The bound: all steps together make it right more often, by three percentage points or more. With `--data`, tested on 10,000 digits.

cnnc_macros::net!("../specs/lenet5.net");

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::digits::Digits;
use cnnc_examples::{Common, Result, Table, at_least, percent, progress, say, shipped};
use cnnc_runtime::augment::{Color, Piece, Pipeline, ResizedCrop, Sample, Step, Warp};
use cnnc_runtime::data::{Collection, Dataset, Example, Picture, Plan, Raster, readers};
use cnnc_runtime::draw;
use cnnc_runtime::optimizer::{Adam, Rule};
use cnnc_runtime::random::Random;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{FitOptions, evaluate, fit};
use cnnc_runtime::{Network as _, Options};

/// Digits that are learnt from.
const FEW: usize = 500;
/// Digits of a batch.
const BATCH: usize = 50;

/// What augmentation makes of pictures, and what it is good for
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(augment)
}

fn augment(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let sheet = contact_sheet(&shipped("cells"), common.seed)?;
    common.write_picture("augment.png", &sheet, "every step of augmentation; boxes and points follow the pixels")?;

    let (train, test) = digits(common)?;
    let sheet = digits_sheet(&train, common.seed)?;
    common.write_picture("augment_digits.png", &sheet, "digits as they are (left) and as they are learnt from")?;
    let (epochs, seeds) = common.scaled((60, 3), (4, 1));
    let pipelines = pipelines();
    let bar = progress("learning", pipelines.len() * seeds);
    say!(
        "{} digits to learn from, {} others to test on, mean of {seeds} runs",
        train.examples.len(),
        test.examples.len()
    );
    let mut table = Table::new(&["augmentation", "right", "gain"]);
    let (mut without, mut gain) = (None, 0.0);
    for (name, steps) in pipelines {
        let mut sum = 0.0;
        for seed in (common.seed..).take(seeds) {
            sum += accuracy(&train, &test, &steps, epochs, seed)?;
            bar.inc(1);
        }
        let right = sum / seeds as f64;
        gain = 100.0 * (right - *without.get_or_insert(right));
        table.row(&[&name, &percent(right), &format!("{gain:+.2}")]);
    }
    bar.finish_and_clear();
    say!("{}", table.to_string().trim_end());
    common.check(&[at_least("gain by all steps, percentage points", gain, 3.0)])
}

/// What digits are learnt with. They are not mirrored: a mirrored 2 is none.
fn pipelines() -> Vec<(&'static str, Vec<Step>)> {
    let (crop, rotate, shear) = (Step::RandomCrop { pad: 2 }, Step::Rotate(12.0), Step::Shear(12.0));
    let warp = Step::Warp(Warp { strength: 0.06, places: 5 });
    vec![
        ("none", vec![]),
        ("shifted", vec![crop.clone()]),
        ("turned and slanted", vec![rotate.clone(), shear.clone()]),
        ("bent", vec![warp.clone()]),
        ("all of these", vec![crop, rotate, shear, warp]),
    ]
}

/// How many held-out digits LeNet-5 tells right when it has learnt from a few.
fn accuracy(train: &Collection, test: &Collection, steps: &[Step], epochs: u64, seed: u64) -> Result<f64> {
    let mut net = LeNet5::with_options(&Options { seed, batch: BATCH, ..Options::default() });
    let picture = Picture { mean: vec![0.1307], std: vec![0.3081], ..Picture::default() };
    let plan = Plan { augment: Pipeline(steps.to_vec()), ..Plan::default() };
    let data = Dataset::photos(train.clone(), net.spec(), &picture, &plan)?;
    let held_out = Dataset::photos(test.clone(), net.spec(), &picture, &Plan::default())?;
    let options = FitOptions {
        batch: BATCH,
        epochs,
        optimizer: Rule::Adam(Adam { learning_rate: 2e-3, ..Adam::default() }),
        schedule: Schedule { warmup: 0.0, decay: Decay::Cosine { end: 0.02 } },
        seed,
        ..FitOptions::default()
    };
    fit(&mut net, &data, None, &options, &mut ())?;
    Ok(evaluate(&mut net, &held_out, BATCH)?.accuracy().ok_or("nothing to compare")?)
}

/// A few digits to learn from and others to test on.
fn digits(common: &Common) -> Result<(Collection, Collection)> {
    let (train, test) = Digits::read(common, FEW)?;
    let tested = if common.data.is_some() { test.len() } else { common.scaled(2000, 200) };
    let test = test.part(test.len() - tested.min(test.len())..test.len());
    Ok((train.part(0..FEW).collection(0), test.collection(0)))
}

/// Digits, each as it is and as three epochs would see it.
fn digits_sheet(digits: &Collection, seed: u64) -> Result<Raster> {
    let (_, steps) = pipelines().pop().ok_or("there is no pipeline")?;
    let pipeline = Pipeline(steps);
    let mut pictures = Vec::new();
    for (number, example) in digits.examples.iter().take(8).enumerate() {
        let sample = example.read()?;
        pictures.push(sample.raster.enlarged(2));
        for epoch in 0..7 {
            let random = &mut Random::numbered(seed + epoch, number as u64);
            let changed = pipeline.apply(sample.clone(), random, &mut |_| example.read())?;
            pictures.push(changed.raster.enlarged(2));
        }
    }
    Ok(draw::sheet(&pictures, 8, 4))
}

/// A picture of blood cells as it is and after each step.
fn contact_sheet(folder: &Path, seed: u64) -> Result<Raster> {
    let samples = cells(folder)?;
    let mut another = |random: &mut Random| -> Result<Sample> {
        Ok(samples[1 + random.below(samples.len() as u64 - 1) as usize].clone())
    };
    // Frames are told apart by their colours, so that cells need no names.
    let unnamed = vec![String::new(); CELLS.len()];
    let pipeline = Pipeline(every_step().to_vec());
    let steps = draw::Steps { pipeline: &pipeline, together: 0, size: (320, 240), classes: &unnamed };
    Ok(draw::sheet(&steps.row(&samples[0], seed, &mut another)?, 5, 8))
}

/// All there are, strong enough to be seen.
fn every_step() -> [Step; 12] {
    [
        Step::Mirror(1.0.into()),
        Step::RandomCrop { pad: 60 },
        Step::ResizedCrop(ResizedCrop { area: [0.3, 0.5], ..ResizedCrop::default() }),
        Step::Piece(Piece { share: 0.6, ..Piece::default() }),
        Step::Color(Color { brightness: 0.4, contrast: 0.4, saturation: 0.6, hue: 0.3 }),
        Step::PcaColor(0.6),
        Step::Rotate(40.0),
        Step::Shear(25.0),
        Step::Warp(Warp { strength: 0.12, places: 5 }),
        Step::Cutout(90),
        Step::Mixup(4.0),
        Step::Mosaic(1.0),
    ]
}

/// Kinds of cells.
const CELLS: [&str; 3] = ["RBC", "WBC", "Platelets"];

/// A few pictures of blood with their boxes, and the middle of each box as a point.
fn cells(folder: &Path) -> Result<Vec<Sample>> {
    const PICTURES: usize = 8;
    let all = readers::boxes(&folder.join("boxes.csv"), &folder.join("images"), None, &CELLS.map(str::to_owned))?;
    let sample = |example: &Example| {
        let sample = example.read()?;
        let points = sample.boxes.iter().map(|(b, _)| [(b.x1 + b.x2) / 2.0, (b.y1 + b.y2) / 2.0]).collect();
        Ok(Sample { points, ..sample })
    };
    all.examples.iter().take(PICTURES).map(sample).collect()
}
