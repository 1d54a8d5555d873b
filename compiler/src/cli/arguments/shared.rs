//! What several commands take: which network, with what, on how much of the machine.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use cnnc_runtime::Isa;

use crate::budget::{self, Budget};
use crate::cut::Half;
use crate::tuning::Tuning;

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
    /// optimizer's and what each thread works in; of deployment alone, as if weights were given back that others are made of
    /// (`keep_weights: false`)
    #[arg(long, value_name = "SIZE", value_parser = budget::bytes)]
    pub memory: Option<usize>,
    /// Images of a pass that --memory is for
    #[arg(long, value_name = "N", default_value_t = 1, requires = "memory", value_parser = within::<usize>(1, 65_536))]
    pub batch: usize,
}

impl Room {
    /// What a network is compiled with.
    pub fn of(&self, net: &NetOptions) -> NetOptions {
        let budget = |bytes| Budget { bytes, images: self.batch, vectors: 0, copies: 0, keeps_gradients: true };
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
pub(super) fn within<T: TryFrom<u64>>(least: u64, most: u64) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(least..=most)
}

/// An instruction set that this machine has: known before anything is built.
pub(super) fn parse_isa(text: &str) -> Result<String, String> {
    let names: Vec<&str> = Isa::available().map(Isa::name).collect();
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("this machine has {}", names.join(", "))),
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
