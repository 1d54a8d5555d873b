//! A detector learnt from scratch, and published ones:
//! `cargo run --release --package cnnc-examples --bin detect`
//!
//! A small YOLOv2 learns to find red cells, white cells and platelets in 160 pictures of blood, and is measured on 40 others: its
//! mAP@0.5 is to be 0.75 or more. Then two detectors with the weights of their authors look at photos. With `--data` the
//! first learns for longer, another one learns to find raccoons, and a third published one joins.

mod learnt;
mod published;

cnnc_macros::net!("nets/detect.net");

/// The same network for raccoons, square, with the anchors of their boxes.
mod raccoon {
    cnnc_macros::net!(
        "nets/detect.net",
        classes = 1,
        height = 192,
        width = 192,
        anchors = [[54.2, 64.8], [73.2, 110.0], [100.0, 164.6], [141.0, 129.9], [158.0, 176.2]]
    );
}

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::detection::Boxed;
use cnnc_examples::{Common, Result, at_least};
use cnnc_runtime::Options;
use learnt::Lesson;

/// A detector learnt from scratch, and published ones
#[derive(Parser)]
struct Arguments {
    /// Epochs to learn for, if not as many as the size of the run suggests
    #[arg(long)]
    epochs: Option<u64>,

    /// Learn from the pictures as they are
    #[arg(long)]
    plain: bool,

    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(detect)
}

fn detect(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let precision = cells(arguments)?;
    if let Some(data) = &common.data {
        raccoons(arguments, &data.join("detection/raccoon"))?;
    }
    published::show(common)?;
    // What is promised is promised of the recipe as it is.
    if arguments.epochs.is_some() || arguments.plain {
        return Ok(());
    }
    common.check(&[at_least("mAP@0.5 of cells", precision, 0.75)])
}

fn cells(arguments: &Arguments) -> Result<f64> {
    let common = &arguments.common;
    let pictures = Boxed::read(&common.larger_or("detection/bccd", "cells"), "val", 208, 160)?;
    let epochs = if common.data.is_some() { 120 } else { 40 };
    let epochs = arguments.epochs.unwrap_or(common.scaled(epochs, 2));
    let lesson = Lesson { name: "cells", epochs, arguments };
    let mut network = Detect::with_options(&Options { seed: common.seed, batch: learnt::BATCH, ..Options::default() });
    lesson.teach(&mut network, pictures)
}

fn raccoons(arguments: &Arguments, folder: &Path) -> Result<f64> {
    let common = &arguments.common;
    let pictures = Boxed::read(folder, "test", 192, 192)?;
    let epochs = arguments.epochs.unwrap_or(common.scaled(150, 2));
    let lesson = Lesson { name: "raccoon", epochs, arguments };
    let options = Options { seed: common.seed, batch: learnt::BATCH, ..Options::default() };
    lesson.teach(&mut raccoon::Detect::with_options(&options), pictures)
}
