//! Five networks together read digits better than they do one by one, and ten looks at a photo tell more than one:
//! `cargo run --release --package cnnc-examples --bin ensemble`
//!
//! LeNet-5 five times, which differ by their seeds only. They learn digits of 32×32 pixels that are turned, sheared and bent anew
//! each time, in pieces of 28×28 from anywhere in them, as AlexNet learnt 224×224 of 256×256, and are tested on the middle alone,
//! then on the mean over the middle and the four corners. They learn from a fifth of the digits that ship; on the middle, the mean
//! answers must be right more often than each member is.
//! Mirror images, which make ten of these five, are for photos: a mirrored digit is another sign, or none. So ten pieces are what a
//! residual network sees of pieces of photos (with `--data`: of CIFAR-10), and must be right more often by them than by the middle.
//! Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", sections 4.1 and 5.

mod digits;
mod photos;

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Common, Result, percent};
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
    digits::ensemble(common)?;
    photos::ten_crops(common)
}

/// The share of the pictures whose mean answers are wrong.
fn wrong(answers: &Answers, data: &Dataset) -> Result<String> {
    let accuracy = answers.metrics(data, BATCH)?.accuracy().ok_or("nothing to compare")?;
    Ok(percent(1.0 - accuracy))
}
