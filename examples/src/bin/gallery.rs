//! Runs the programs and makes the pictures of `examples/README.md` anew:
//! `cargo run --release --package cnnc-examples --bin gallery`

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use cnnc_examples::{Result, say};
use cnnc_runtime::data::Raster;

/// The programs with pictures, and which of their pictures are shown.
const SHOWN: [(&str, &[&str]); 17] = [
    ("edges", &["edges.png"]),
    ("step_by_step", &["step_by_step.svg"]),
    ("digits", &["digits/misread.png", "digits/confusion.png"]),
    ("residual", &["residual.svg"]),
    ("transfer", &["transfer.png", "transfer.svg"]),
    ("augment", &["augment.png"]),
    ("ensemble", &["ensemble.png"]),
    ("sliding_window", &["sliding_window.png"]),
    ("localize", &["localize.png"]),
    ("landmarks", &["landmarks.png"]),
    ("detect", &["detect_cells.png", "detect_photos.png"]),
    ("rcnn", &["rcnn.png"]),
    ("faces", &["faces/omniglot.png", "faces/omniglot.svg"]),
    ("style", &["style/style.png"]),
    ("visualize", &["visualize/filters.png", "visualize/fire3.png", "visualize/saliency.png"]),
    ("heartbeat", &["heartbeat.svg"]),
    ("volume", &["volume.png"]),
];

/// Pixels of the longest side of a picture.
const LONGEST: usize = 640;

/// Run the programs and make the pictures of their page anew
#[derive(Parser)]
struct Arguments {
    /// The folder that the programs write to
    #[arg(long, default_value = "runs")]
    runs: PathBuf,

    /// The folder of the pictures
    #[arg(long, default_value = "examples/gallery")]
    out: PathBuf,

    /// Take what the programs have written already
    #[arg(long)]
    written: bool,
}

fn main() -> ExitCode {
    cnnc_examples::run(gallery)
}

fn gallery(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.out).map_err(|e| format!("cannot make {}: {e}", arguments.out.display()))?;
    for (program, pictures) in SHOWN {
        if !arguments.written {
            run(program, arguments)?;
        }
        pictures.iter().try_for_each(|picture| take(picture, arguments))?;
    }
    Ok(())
}

/// Lets cargo build and run a program.
fn run(program: &str, arguments: &Arguments) -> Result<()> {
    say!("{program}");
    let mut command = Command::new("cargo");
    command.args(["run", "--release", "--quiet", "--package", "cnnc-examples", "--bin", program, "--", "--out"]);
    let status = command.arg(&arguments.runs).status().map_err(|e| format!("cargo cannot be run: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}").into()) }
}

/// Copies a picture, smaller where it is large.
fn take(picture: &str, arguments: &Arguments) -> Result<()> {
    let (from, to) = (arguments.runs.join(picture), arguments.out.join(picture.replace('/', "_")));
    if picture.ends_with(".svg") {
        std::fs::copy(&from, &to).map_err(|e| format!("cannot copy {}: {e}", from.display()))?;
        return Ok(());
    }
    let raster = Raster::read(&from)?;
    let longest = raster.width.max(raster.height);
    if longest <= LONGEST {
        return Ok(raster.write_png(&to)?);
    }
    let scaled = |side: usize| (side * LONGEST / longest).max(1);
    Ok(raster.stretched(scaled(raster.width), scaled(raster.height)).write_png(&to)?)
}
