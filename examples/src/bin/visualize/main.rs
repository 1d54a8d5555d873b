//! What networks look at:
//! `cargo run --release --package cnnc-examples --bin visualize`
//!
//! Of SqueezeNet, the part that ships: its first filters, and for each layer the units that stand out, with the patches of photos to which
//! they answer the most and what in these they answer to (Zeiler & Fergus 2014). Of ResNet-20 for CIFAR-10, which pixels its answers
//! depend on (Simonyan et al. 2014). The bound: it names all four parts of photos right. With `--data` over more photos.

mod patches;
mod saliency;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Common, Result, shipped};
use cnnc_runtime::data::Raster;

/// What networks look at
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(visualize)
}

fn visualize(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let mut photos = pictures(&shipped("photos"))?;
    if let Some(data) = &common.data {
        photos.extend(pictures(&data.join("photos"))?);
        photos.extend(pictures(&data.join("detection/raccoon/images"))?);
    }
    photos.truncate(common.scaled(photos.len(), 3));
    patches::show(common, &photos)?;
    saliency::show(common)
}

/// All pictures of a folder, by name.
fn pictures(folder: &Path) -> Result<Vec<Raster>> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("cannot read the folder {}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "png" || kind == "jpg"));
    paths.sort();
    paths.iter().map(|path| Ok(Raster::read(path)?)).collect()
}
