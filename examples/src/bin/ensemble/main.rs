//! Five networks together read digits better than they do one by one, and ten looks at a photo tell more than one:
//! `cargo run --release --package cnnc-examples --bin ensemble`
//!
//! LeNet-5 five times, which differ by their seeds only. They learn digits of 32×32 pixels that are turned, sheared and bent anew
//! each time, in pieces of 28×28 from anywhere in them, as AlexNet learnt 224×224 of 256×256, and are tested on the middle alone,
//! then on the mean over the middle and the four corners. They learn from a fifth of the digits that ship. The bound: on the
//! middle, no member is wrong less often than the mean of their answers.
//! Mirror images, which make ten of these five, are for photos: a mirrored digit is another sign, or none. So ten pieces are what a
//! residual network sees of pieces of photos (with `--data`: of CIFAR-10). The bound: half a percentage point fewer are wrong by
//! them than by the middle (with `--data`: no more).
//! Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", sections 4.1 and 5.

mod digits;
mod photos;

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Common, Result};
use cnnc_runtime::data::Dataset;
use cnnc_runtime::train::Answers;

/// Pictures of a batch.
const BATCH: usize = 32;

/// Five networks together read digits better than each of them alone, and ten looks at a photo tell more than one
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(ensemble)
}

fn ensemble(Arguments { common }: &Arguments) -> Result<()> {
    let digits = digits::ensemble(common)?;
    let photos = photos::ten_crops(common)?;
    common.check(&[digits, photos])
}

/// The share of the pictures whose mean answers are wrong.
fn wrong(answers: &Answers, data: &Dataset) -> Result<f64> {
    Ok(1.0 - answers.metrics(data, BATCH)?.accuracy().ok_or("nothing to compare")?)
}
