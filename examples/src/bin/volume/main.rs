//! Where a digit moves to, by convolutions over time and space: `cargo run --release --package cnnc-examples --bin volume`
//!
//! Clips of eight frames are made of the digits that ship; those of 9,000 digits are learnt from, those of 1,000 others tested on.
//! No single frame tells a direction. The bound: of eight directions 90 % are told right, and of the same clips played backwards
//! 90 % are taken for the opposite. With `--data`, more clips of the whole of MNIST, and 99 % of both.

cnnc_macros::net!("nets/volume.net");

mod clips;

use std::process::ExitCode;

use clap::Parser;
use clips::{Clips, DIRECTIONS, FRAMES, SIZE, small};
use cnnc_examples::digits::Digits;
use cnnc_examples::{Common, Result, Table, Watch, at_least, best, percent, say};
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw;
use cnnc_runtime::optimizer::{Adam, Rule};
use cnnc_runtime::random::Random;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{FitOptions, evaluate, fit};
use cnnc_runtime::{Network as _, Options};

/// Clips of a batch.
const BATCH: usize = 32;

/// Where a digit moves to, by convolutions over time and space
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(volume)
}

fn volume(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let (train, test) = clips(common)?;
    say!("{} clips to learn from, {} of other digits held out", train.directions.len(), test.directions.len());
    let mut net = Volume::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    learn(&mut net, &train, common.scaled(6, 5), common.seed)?;

    let (held_out, turned) = (test.dataset(net.spec())?, test.backwards().dataset(net.spec())?);
    let forward = evaluate(&mut net, &held_out, BATCH)?;
    let backward = evaluate(&mut net, &turned, BATCH)?;
    let confusion = forward.metrics.iter().find_map(|metric| metric.confusion.as_ref()).ok_or("nothing to compare")?;
    let mut table = Table::new(&["direction", "clips", "told right"]);
    for (class, (name, ..)) in DIRECTIONS.iter().enumerate() {
        let metrics = confusion.class(class);
        table.row(&[name, &metrics.support, &percent(metrics.recall)]);
    }
    say!("{}", table.to_string().trim_end());
    let accuracy = forward.accuracy().ok_or("nothing to compare")?;
    let turned = backward.accuracy().ok_or("nothing to compare")?;
    say!("accuracy: {}", percent(accuracy));
    say!("played backwards, taken for the opposite: {}", percent(turned));
    let what = "film strips of held-out clips, and where the network says they move";
    common.write_picture("volume.png", &strips(&mut net, &test)?, what)?;
    let right = if common.data.is_some() { 99.0 } else { 90.0 };
    common.check(&[
        at_least("directions told right, %", 100.0 * accuracy, right),
        at_least("played backwards, taken for the opposite, %", 100.0 * turned, right),
    ])
}

/// Clips to learn from and clips of other digits.
fn clips(common: &Common) -> Result<(Clips, Clips)> {
    let random = &mut Random::named(common.seed, "clips");
    let (count, test_count) = match common.data {
        _ if common.small => (960, 128),
        Some(_) => (12_000, 4000),
        None => (4000, 1000),
    };
    let (digits, others) = Digits::read(common, 9000)?;
    Ok((Clips::of(&small(&digits), count, random), Clips::of(&small(&others), test_count, random)))
}

fn learn(net: &mut Volume, clips: &Clips, epochs: u64, seed: u64) -> Result<()> {
    let options = FitOptions {
        batch: BATCH,
        epochs,
        optimizer: Rule::Adam(Adam { learning_rate: 3e-3, ..Adam::default() }),
        schedule: Schedule { warmup: 0.2, decay: Decay::Cosine { end: 0.01 } },
        seed,
        ..FitOptions::default()
    };
    let data = clips.dataset(net.spec())?;
    fit(net, &data, None, &options, &mut Watch::epochs("learning", epochs))?;
    Ok(())
}

/// A clip of each direction with what the network says of it: green where it is right, red where it is not.
fn strips(net: &mut Volume, clips: &Clips) -> Result<Raster> {
    let mut strips = Vec::new();
    for direction in 0..DIRECTIONS.len() as u32 {
        let Some(number) = clips.directions.iter().position(|&other| other == direction) else { continue };
        let clip = clips.clip(number);
        net.infer(clip.try_into()?);
        let probabilities = net.outputs().probabilities[0];
        let answer = best(&probabilities);
        let frame = |pixels: &[f32]| Ok(Raster::from_tensor(pixels, &[1, SIZE, SIZE], (0.0, 1.0))?.enlarged(2));
        let frames = clip.chunks_exact(SIZE * SIZE).map(frame).collect::<std::result::Result<Vec<_>, String>>()?;
        let text = format!("{} {:.0} %", DIRECTIONS[answer].0, probabilities[answer] * 100.0);
        let color = if answer == direction as usize { [40, 120, 60] } else { [190, 40, 40] };
        strips.push(draw::captioned(&draw::sheet(&frames, FRAMES, 2), &text, color, 2));
    }
    Ok(draw::sheet(&strips, 2, 8))
}
