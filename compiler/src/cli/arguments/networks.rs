//! Commands that look at specifications and write code.

use std::path::PathBuf;

use clap::Args;

use super::shared::{NetOptions, Room};

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
#[command(
    after_help = "Examples:\n  cnnc operators\n  cnnc operators conv\n  cnnc operators max_pool --json\n  cnnc operators --markdown > operators.md"
)]
pub struct Operators {
    /// The operator to explain; all are listed by default
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print a page that explains all
    #[arg(long, conflicts_with_all = ["name", "json"])]
    pub markdown: bool,
}
