//! Edges of a photo by filters that are given, not learnt:
//! `cargo run --release --package cnnc-examples --bin edges [PHOTO]`
//!
//! The lesson before networks learn filters: vertical and horizontal edges by Sobel's and by Scharr's, each a network of its own.

cnnc_macros::net!("../specs/edges.net", side = 1, middle = 2, size = 256);

/// The same network with Scharr's filter.
mod scharr {
    cnnc_macros::net!("../specs/edges.net", side = 3, middle = 10, size = 256);
}

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Common, Result, shipped};
use cnnc_runtime::data::{Picture, Raster};
use cnnc_runtime::draw;

/// Pixels of a side, as the networks above are compiled for.
const SIZE: usize = 256;

/// Edges of a photo by filters that are given, not learnt
#[derive(Parser)]
struct Arguments {
    /// A photo; a cat by default
    photo: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(edges)
}

fn edges(arguments: &Arguments) -> Result<()> {
    arguments.common.refuse_data()?;
    let photo = Raster::read(&arguments.photo.clone().unwrap_or_else(|| shipped("photos/chelsea.png")))?;
    let photo = photo.with_channels(3).stretched(SIZE, SIZE);
    let input = photo.to_input(&[3, SIZE, SIZE], &Picture::default())?;
    let input = input.as_slice().try_into()?;
    let (mut sobel, mut scharr) = (Edges::new(0), scharr::Edges::new(0));
    let (by_sobel, by_scharr) = (sobel.infer(input), scharr.infer(input));

    // Filters of three channels whose sides weigh 4 (Sobel) and 16 (Scharr) answer with at most 12 and 48.
    let shown = |values: &[f32], most: f32| Raster::from_tensor(values, &[1, SIZE, SIZE], (-most, most));
    let strength = |values: &[f32], most: f32| Raster::from_tensor(values, &[1, SIZE, SIZE], (0.0, most));
    let pictures = [
        photo,
        shown(by_sobel.vertical, 6.0)?,
        shown(by_sobel.horizontal, 6.0)?,
        strength(by_sobel.strength, 6.0)?,
        shown(by_scharr.vertical, 24.0)?,
        strength(by_scharr.strength, 24.0)?,
    ];
    let what =
        "the photo; its vertical and horizontal edges and their strength (Sobel); vertical and strength (Scharr)";
    arguments.common.write_picture("edges.png", &draw::sheet(&pictures, 3, 8), what)
}
