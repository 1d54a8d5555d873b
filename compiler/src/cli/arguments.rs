//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use cnnc_runtime::Isa;

use crate::budget::{self, Budget};
use crate::cut::Half;
use crate::tuning::Tuning;

const EXAMPLES: &str = "\
Examples:
  cnnc train specs/lenet5.yaml                         learn to read digits
  cnnc summary lenet5                                  layers, shapes, parameters, MACs
  cnnc graph lenet5 -o lenet5.svg                      draw the network
  cnnc build specs/lenet5.net --out lenet5             write the network as a crate
  cnnc operators conv                                  what one may write, with defaults and an example
  cnnc dump lenet5 --after fuse_activation             look at the graph behind a pass

A spec is named by its path, or, if it ships with cnnc, by its bare name.

train, eval, predict, run, bench and tune compile the network to a program the first time, which
takes a minute or two, and keep it: in the folder that CNNC_CACHE names, else in the target folder
of the checkout, else in the user's cache folder.";

/// A compiler for convolutional networks: `.net` text in, specialised Rust out.
#[derive(Debug, Parser)]
#[command(name = "cnnc", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a folder with a first network and a recipe
    New(New),
    /// Look for mistakes in specs
    Check(Check),
    /// Bring specs into the one style
    Fmt(Fmt),
    /// Show layers, shapes, parameters, MACs and memory
    Summary(SummaryArguments),
    /// Draw the network
    Graph(Graph),
    /// Write the network as a Rust crate
    Build(Build),
    /// Train a network by a recipe
    Train(Train),
    /// Draw a sheet of the pictures of a recipe as they are augmented
    Augment(Augment),
    /// Find typical sizes of the boxes of a recipe, for the spec of a detector
    Anchors(Anchors),
    /// Say how good weights are on data
    Eval(Eval),
    /// Say what pictures show, or find things in them
    Predict(Predict),
    /// Run a network on tensors from a file
    Run(Run),
    /// Measure how fast a network is
    Bench(Bench),
    /// Measure how this machine computes convolutions best, and write a plan file beside the spec
    Tune(Tune),
    /// Show the graph behind a pass, or the plan, as YAML
    Dump(Dump),
    /// List the operators of the language, or explain one
    Operators(Operators),
}

/// Which net of a file, with which values.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// A value for a parameter of the net, `classes=100`; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_set)]
    pub set: Vec<(String, String)>,
    /// Which net of the file, where it has several; by default the last one that is no variant of another
    #[arg(long, value_name = "NAME")]
    pub net: Option<String>,
}

/// Which net, and how it is compiled.
#[derive(Args, Clone, Debug, Default)]
pub struct NetOptions {
    #[command(flatten)]
    pub which: Which,
    /// Only algorithms that round as plain sums do: no Winograd
    #[arg(long)]
    pub exact: bool,
    /// Leave the plan file beside the spec out, if `cnnc tune` has written one
    #[arg(long)]
    pub untuned: bool,
    /// Weights that are not trained, beside those that the net freezes.
    #[arg(skip)]
    pub freeze: Vec<String>,
    /// Only a half of the net.
    #[arg(skip)]
    pub half: Option<Half>,
    /// Choices in the place of the plan file.
    #[arg(skip)]
    pub tuning: Option<Tuning>,
    /// The memory it may take.
    #[arg(skip)]
    pub budget: Option<Budget>,
}

/// How much memory a network may take, and for what.
#[derive(Args, Clone, Debug)]
pub struct Room {
    /// Plan within so much memory, `512MiB`, at the cost of speed: weights, gradients, and all that a pass needs, but for an
    /// optimizer's and what each thread works in
    #[arg(long, value_name = "SIZE", value_parser = budget::bytes)]
    pub memory: Option<usize>,
    /// Images of a pass that --memory is for
    #[arg(long, value_name = "N", default_value_t = 1, requires = "memory", value_parser = within::<usize>(1, 65_536))]
    pub batch: usize,
}

impl Room {
    /// What a network is compiled with.
    pub fn of(&self, net: &NetOptions) -> NetOptions {
        let budget = |bytes| Budget { bytes, images: self.batch, vectors: 0, copies: 0 };
        NetOptions { budget: self.memory.map(budget), ..net.clone() }
    }
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write NAME=VALUE, as in `--set classes=100`".to_owned()),
    }
}

/// A whole number from `least` to `most`.
fn within<T: TryFrom<u64>>(least: u64, most: u64) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(least..=most)
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    let number = text.parse::<f32>().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}

/// An instruction set that this machine has: known before anything is built.
fn parse_isa(text: &str) -> Result<String, String> {
    let names: Vec<&str> = Isa::available().map(Isa::name).collect();
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("this machine has {}", names.join(", "))),
    }
}

/// How many pieces there can be of a picture.
fn parse_crops(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ (1 | 5 | 10)) => Ok(count),
        _ => Err("1 is the whole picture, 5 the middle and the corners, 10 these and their mirror images".to_owned()),
    }
}

/// Threads and instruction set.
#[derive(Args, Clone, Debug, Default)]
pub struct MachineOptions {
    /// Threads; 0 for one on each core
    #[arg(long, default_value_t = 0, value_parser = within::<usize>(0, 1024))]
    pub threads: usize,
    /// Instruction set instead of the best: avx512, avx2, neon, portable
    #[arg(long, value_parser = parse_isa)]
    pub isa: Option<String>,
}

/// `cnnc new`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cnnc new digits && cnnc summary digits/digits.net")]
pub struct New {
    /// The folder to make; its name is the name of the network
    pub folder: PathBuf,
}

/// `cnnc check`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cnnc check specs/*.net")]
pub struct Check {
    /// Specs: their paths, or the bare names of those that ship
    #[arg(required = true)]
    pub specs: Vec<String>,
    #[command(flatten)]
    pub options: NetOptions,
}

/// `cnnc fmt`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cnnc fmt specs/*.net\n  cnnc fmt --check specs/*.net\n  cnnc fmt - < draft.net")]
pub struct Fmt {
    /// Files, or `-` for standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; fail where something would change
    #[arg(long)]
    pub check: bool,
}

/// `cnnc summary`
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cnnc summary lenet5\n  cnnc summary resnet18 --weights\n  cnnc summary specs/lenet5.net --set classes=26 --json"
)]
pub struct SummaryArguments {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// List all weights by name, with their shapes, as files of weights have them
    #[arg(long)]
    pub weights: bool,
    /// Print JSON, weights included
    #[arg(long)]
    pub json: bool,
    /// Of deployment alone
    #[arg(long)]
    pub infer_only: bool,
    #[command(flatten)]
    pub room: Room,
    #[command(flatten)]
    pub options: NetOptions,
}

/// `cnnc graph`
#[derive(Args, Debug)]
#[command(after_help = "\
Blocks are boxes, or shown by what is inside of them: by default as deep as fits on a page. Equal blocks in a row are one
box with their number.

Examples:
  cnnc graph resnet50 -o resnet50.svg
  cnnc graph resnet50 -o resnet50.svg --unfold --fold unit
  cnnc graph googlenet -o googlenet.svg --unfold inception")]
pub struct Graph {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// The picture to write, in SVG; else it goes to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How many blocks inside one another are opened
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Open all calls of this block, or of all blocks; may be repeated
    #[arg(long, value_name = "BLOCK", num_args = 0..=1, default_missing_value = "")]
    pub unfold: Vec<String>,
    /// Leave the calls of this block one box; may be repeated
    #[arg(long, value_name = "BLOCK")]
    pub fold: Vec<String>,
    #[command(flatten)]
    pub options: NetOptions,
}

/// `cnnc build`
#[derive(Args, Debug)]
#[command(after_help = "\
A folder that is there already is replaced if it is empty or holds an emitted crate and nothing else.

Example:
  cnnc build lenet5 --out lenet5 --infer-only
  cargo build --release --manifest-path lenet5/Cargo.toml")]
pub struct Build {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// The folder to write the crate to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Leave all training code out
    #[arg(long)]
    pub infer_only: bool,
    /// Replace the folder, whatever is in it
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub room: Room,
    #[command(flatten)]
    pub options: NetOptions,
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

/// `cnnc run`
#[derive(Args, Debug)]
#[command(after_help = "\
Tensors are named like the spec's inputs and targets, batch first; class labels are integers.
With --gradients the training graph runs, too (batch statistics, dropout off), and `loss` and the
gradient of every trained weight and every input are written under their names.

Example:
  cnnc run lenet5 --weights w.safetensors --input digits.safetensors --output answer.safetensors")]
pub struct Run {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// The weights; random ones by default
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The inputs: a safetensors, .npz or .npy file, or a folder of .npy files
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The safetensors file to write outputs to
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// The safetensors file to write loss and gradients to
    #[arg(long, value_name = "FILE")]
    pub gradients: Option<PathBuf>,
    /// Decides random weights
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub options: NetOptions,
}

/// `cnnc bench`
#[derive(Args, Debug)]
#[command(after_help = "\
Reports the median time of a pass over random numbers, how that compares with the fastest
multiply-adds and reads that this machine does beside it, and memory. With --train a pass is
forward, backward and an update by SGD with momentum.

Examples:
  cnnc bench lenet5
  cnnc bench resnet50 --threads 1 --layers
  cnnc bench resnet18 --train --batch 16 --json
  cnnc bench resnet50 --train --batch 8 --memory 768MiB")]
pub struct Bench {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// Measure a training step
    #[arg(long)]
    pub train: bool,
    /// Images of a pass
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
    /// Report every step, too
    #[arg(long)]
    pub layers: bool,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Plan within so much memory, `512MiB`, at the cost of speed: weights, gradients, and all that a pass needs
    #[arg(long, value_name = "SIZE", value_parser = budget::bytes)]
    pub memory: Option<usize>,
    /// The weights; random ones by default
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub options: NetOptions,
}

/// `cnnc tune`
#[derive(Args, Debug)]
#[command(after_help = "\
Builds the network with other algorithms and other divisions of work, measures each convolution
where it stands, and writes those that are faster than what the compiler chose to `NAME.plan.yaml`
beside the spec, where every command, build scripts and `net!` find it. It is written only if the
network as a whole gets faster; results change by rounding only. Nothing else should run meanwhile.
`--untuned` leaves the file out.

Examples:
  cnnc tune resnet18
  cnnc tune resnet18 --train --batch 16")]
pub struct Tune {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// Measure a training step
    #[arg(long)]
    pub train: bool,
    /// Images of a pass
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
    /// How long one measurement takes; there are ten for each alternative
    #[arg(long, default_value_t = 0.25)]
    pub seconds: f64,
    /// Show every alternative that was measured, not only those that are taken
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub which: Which,
}

/// `cnnc dump`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cnnc dump lenet5 --after elaborate\n  cnnc dump lenet5 --after training/plan")]
pub struct Dump {
    /// The spec: its path, or the bare name of one that ships
    pub spec: String,
    /// A pass (`fold_batch_norm`, `training/fuse_activation`, ...), `elaborate`, `inference/plan` or `training/plan`
    #[arg(long)]
    pub after: String,
    #[command(flatten)]
    pub options: NetOptions,
}

/// `cnnc operators`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cnnc operators\n  cnnc operators conv\n  cnnc operators max_pool --json")]
pub struct Operators {
    /// The operator to explain; all are listed by default
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
