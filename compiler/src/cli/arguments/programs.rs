//! Commands that run the program of a network, without a recipe.

use std::path::PathBuf;

use clap::Args;

use super::shared::{MachineOptions, NetOptions, Which};
use crate::budget;

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
