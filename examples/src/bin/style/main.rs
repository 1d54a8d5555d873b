//! A photo in the style of a painting, by gradient on its pixels:
//! `cargo run --release --package cnnc-examples --bin style [PHOTO] [PAINTING]`
//!
//! Gatys, Ecker & Bethge 2015, with the part of SqueezeNet that ships to see by. The picture is the one weight that is trained, once by
//! Adam and once by L-BFGS; both are to end below a fifth of the loss that they start with. `examples/pytorch/style.py` compares the
//! losses with PyTorch's. With `--data` also the networks of Johnson et al. 2016, which paint in one pass, up to 2 of 255 as published.

cnnc_macros::net!("nets/style.net", height = 192, width = 256);

mod fast;
mod gatys;
// Lints look at it in any case, since no test waits for it to be compiled.
#[cfg_attr(not(feature = "vgg"), allow(dead_code, reason = "only lints see it"))]
#[cfg(any(feature = "vgg", clippy))]
mod vgg;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Common, Result, Table, at_most, caffe, say, shipped};
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw;
use cnnc_runtime::optimizer::{Adam, Lbfgs};
use cnnc_runtime::weights::{self, Lenience};

use gatys::{Painted, curves, paint};

/// Rows and columns, as the network above is compiled for.
const HEIGHT: usize = 192;
const WIDTH: usize = 256;

/// A photo in the style of a painting, by gradient on its pixels
#[derive(Parser)]
struct Arguments {
    /// A photo; a cat by default
    photo: Option<PathBuf>,

    /// A painting; The Great Wave off Kanagawa by default
    painting: Option<PathBuf>,

    /// Weights of VGG-19 under torchvision's names: paints by the network of the paper (needs `--features vgg`)
    #[arg(long, value_name = "FILE")]
    vgg: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(style)
}

fn style(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let read = |given: &Option<PathBuf>, ships: &str| Raster::read(&given.clone().unwrap_or_else(|| shipped(ships)));
    let photo = read(&arguments.photo, "photos/chelsea.png")?;
    let painting = read(&arguments.painting, "photos/great_wave.jpg")?;
    if let Some(file) = &arguments.vgg {
        return by_vgg(common, file, &photo, &painting);
    }
    let shares = by_squeezenet(common, &photo.filling(WIDTH, HEIGHT), &painting.filling(WIDTH, HEIGHT))?;
    let mut bounds = Vec::new();
    // Other pictures may have more in common, or less.
    if arguments.photo.is_none() && arguments.painting.is_none() {
        bounds.extend(shares.map(|(name, share)| at_most(&format!("share of the loss left by {name}"), share, 0.2)));
    }
    if let Some(data) = &common.data {
        bounds.push(at_most("difference to the published pictures, of 255", fast::paint(common, data)?.into(), 2.0));
    }
    if bounds.is_empty() { Ok(()) } else { common.check(&bounds) }
}

#[cfg(feature = "vgg")]
use vgg::program as by_vgg;

#[cfg(not(feature = "vgg"))]
fn by_vgg(_: &Common, _: &std::path::Path, _: &Raster, _: &Raster) -> Result<()> {
    Err("this was built without VGG-19, which takes minutes to compile: build with `--features vgg`".into())
}

/// Returns the share of the photo's loss that each optimizer leaves.
fn by_squeezenet(common: &Common, photo: &Raster, painting: &Raster) -> Result<[(&'static str, f64); 2]> {
    let mut net = Style::new(common.seed);
    weights::load_with(&mut net, caffe::squeezenet(), Lenience { missing: true, ..Lenience::default() })?;
    let inputs = [caffe::to_input(photo), caffe::to_input(painting)];
    let steps = common.scaled(150, 6);
    let adam = paint(&mut net, &inputs, Adam { learning_rate: 4.0, ..Adam::default() }, steps)?;
    let lbfgs = paint(&mut net, &inputs, Lbfgs::default(), steps)?;
    let runs = [("Adam", &adam), ("L-BFGS", &lbfgs)];

    let mut table = Table::new(&["optimizer", "steps", "loss of the photo", "loss at the end", "share", "seconds"]);
    for (name, run) in runs {
        let (first, last) = run.ends();
        let cells = [
            format!("{first:.3e}"),
            format!("{last:.3e}"),
            format!("{:.3}", last / first),
            format!("{:.1}", run.seconds),
        ];
        table.row(&[&name, &steps, &cells[0], &cells[1], &cells[2], &cells[3]]);
    }
    say!("{table}");

    let painted = |run: &Painted| caffe::to_picture(&run.image, HEIGHT, WIDTH);
    common.write_picture("style/photo.png", photo, "the photo, as the network sees it")?;
    common.write_picture("style/painting.png", painting, "the painting, as the network sees it")?;
    let pictures = [photo.clone(), painting.clone(), painted(&adam), painted(&lbfgs)];
    let what = "photo and painting; painted by Adam and by L-BFGS";
    common.write_picture("style/style.png", &draw::sheet(&pictures, 2, 8), what)?;
    common.write_text("style/losses.csv", &losses(&adam, &lbfgs), "the loss before each step")?;
    common.write_text("style/losses.svg", &curves(&runs), "how the losses fall")?;
    let share = |(first, last): (f32, f32)| f64::from(last / first);
    Ok(runs.map(|(name, run)| (name, share(run.ends()))))
}

/// A table of all losses, for comparison with other programs.
fn losses(adam: &Painted, lbfgs: &Painted) -> String {
    let rows = adam.losses.iter().zip(&lbfgs.losses).map(|(adam, lbfgs)| format!("{adam},{lbfgs}\n"));
    std::iter::once("Adam,L-BFGS\n".to_owned()).chain(rows).collect()
}
