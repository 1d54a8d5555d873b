//! Commands that follow a recipe.

use std::path::PathBuf;

use clap::Args;

use super::shared::{MachineOptions, parse_isa, within};

/// A number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    let number = text.parse::<f32>().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}

/// How many pieces there can be of a picture.
fn parse_crops(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ (1 | 5 | 10)) => Ok(count),
        _ => Err("1 is the whole picture, 5 the middle and the corners, 10 these and their mirror images".to_owned()),
    }
}

/// `cnnc train`
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cnnc train specs/lenet5.yaml\n  cnnc train specs/lenet5.yaml --epochs 3 --threads 1\n  cnnc train specs/lenet5.yaml --resume"
)]
pub struct Train {
    /// The recipe
    pub recipe: PathBuf,
    /// Go on where an interrupted run of the same recipe stopped
    #[arg(long)]
    pub resume: bool,
    /// Epochs instead of those of the recipe
    #[arg(long, value_parser = within::<u64>(1, 1_000_000))]
    pub epochs: Option<u64>,
    /// Seed instead of that of the recipe
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder of the data, instead of the recipe's own, that file names of the recipe are looked up in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Threads instead of those of the recipe; 0 for one on each core
    #[arg(long, value_parser = within::<usize>(0, 1024))]
    pub threads: Option<usize>,
    /// Instruction set instead of the best: avx512, avx2, neon, portable
    #[arg(long, value_parser = parse_isa)]
    pub isa: Option<String>,
}

/// `cnnc augment`
#[derive(Args, Debug)]
#[command(after_help = "\
Each row shows a picture of those that are learnt from as it is, then after each step of the
recipe's `augment` alone, with its name, then after all of them in order; in the size of the
network's input, with boxes, points and classes. Alone, a step with a probability is sure.

Example:
  cnnc augment specs/lenet5.yaml -o sheet.png")]
pub struct Augment {
    /// The recipe
    pub recipe: PathBuf,
    /// The PNG file to write
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Pictures, a row for each
    #[arg(long, default_value_t = 6, value_parser = within::<usize>(1, 100))]
    pub pictures: usize,
    /// How often each is changed by all steps together
    #[arg(long, default_value_t = 4, value_parser = within::<usize>(0, 50))]
    pub variants: usize,
    /// Decides which pictures, and all that is random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder of the data, instead of the recipe's own, that file names of the recipe are looked up in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// `cnnc anchors`
#[derive(Args, Debug)]
#[command(after_help = "\
Anchors are found among the boxes that are learnt from, by k-means with the distance 1 - IoU (Redmon &
Farhadi 2017), in pixels of the network's input. The first line is for a spec.

Example:
  cnnc anchors examples/nets/detect.yaml --count 5")]
pub struct Anchors {
    /// The recipe
    pub recipe: PathBuf,
    /// How many; YOLOv2 has 5, YOLOv3 9 on its three maps
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = within::<usize>(1, 1000))]
    pub count: usize,
    /// Folder of the data, instead of the recipe's own, that file names of the recipe are looked up in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// `cnnc eval`
#[derive(Args, Debug)]
#[command(after_help = "\
Of several weights the answers are averaged: an ensemble. So are those to pieces of each picture, 7/8 of its
width and height: the middle and the four corners, with 10 also the mirror images of these. Digits and letters
are not to be mirrored.

In the folder of the recipe's checkpoints, `confusion.png` shows what was taken for what, and `roc.svg` how
well same and different are told apart, where the network does so; `confusion-other.png` and `roc-other.svg`
of other weights, of several, or with --crops.

Examples:
  cnnc eval specs/lenet5.yaml --weights runs/lenet5/weights.safetensors
  cnnc eval specs/lenet5.yaml --weights a.safetensors b.safetensors c.safetensors
  cnnc eval specs/lenet5.yaml --crops 5")]
pub struct Eval {
    /// The recipe, which names the network and the held-out data
    pub recipe: PathBuf,
    /// The weights; those the recipe's training wrote by default. The answers of several are averaged
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub weights: Vec<PathBuf>,
    /// Average the answers to so many pieces of each picture
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_crops)]
    pub crops: usize,
    /// Folder of the data, instead of the recipe's own
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineOptions,
}

/// `cnnc predict`
#[derive(Args, Debug)]
#[command(after_help = "\
Networks that tell classes apart say which it is; those that find boxes list them, and draw them
into the file of --output.

Examples:
  cnnc predict specs/lenet5.yaml data/digit.png
  cnnc predict examples/nets/detect.yaml photo.jpg --output found.png")]
pub struct Predict {
    /// The recipe, which names the network and how pictures become inputs
    pub recipe: PathBuf,
    /// Pictures: PNG, JPEG, GIF, BMP, PNM or WebP files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The weights; those the recipe's training wrote by default
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// How many classes to show
    #[arg(long, default_value_t = 3)]
    pub top: usize,
    /// The PNG file for the picture with the boxes drawn that a detector finds
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Boxes with a higher score than this are shown; 0.6 by default
    #[arg(long, value_parser = share, allow_negative_numbers = true)]
    pub score: Option<f32>,
    /// Of boxes of a class with this IoU or more, only the most certain one is shown; 0.5 by default
    #[arg(long, value_parser = share, allow_negative_numbers = true)]
    pub iou: Option<f32>,
    /// Of boxes of any classes with that IoU, only the most certain one is shown
    #[arg(long, conflicts_with = "soft_nms")]
    pub agnostic: bool,
    /// Boxes are not left out by --iou, but their scores fade by exp(-IoU² / 0.5) with each more certain one (soft-NMS)
    #[arg(long)]
    pub soft_nms: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineOptions,
}
