//! A recipe as written: its keys, what they are where they are missing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cnnc_runtime::augment::Pipeline;
use cnnc_runtime::data::{Answer, Picture};
use cnnc_runtime::init::Scheme;
use cnnc_runtime::job::Measures;
use cnnc_runtime::optimizer::{Clip, DecayOn, Group, Rule, Sgd};
use cnnc_runtime::schedule::Schedule;
use serde::Deserialize;

use super::data::Data;
use super::transfer::Transfer;
use crate::budget;

/// A recipe as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The network: a path, or the bare name of a spec that ships.
    pub(super) spec: String,
    /// Which net of the file.
    pub(super) net: Option<String>,
    /// Values for the net's parameters.
    #[serde(default)]
    pub(super) set: BTreeMap<String, serde_yaml::Value>,
    /// What is learnt from and what is held out.
    pub(super) data: Data,
    /// How pictures become inputs.
    #[serde(default)]
    pub(super) picture: Picture,
    /// Names of the classes.
    #[serde(default)]
    pub(super) classes: Vec<String>,
    /// Images of a batch.
    #[serde(default = "default_batch")]
    pub(super) batch: usize,
    /// How often all images are seen.
    pub(super) epochs: u64,
    /// How weights are updated.
    #[serde(default = "default_optimizer", with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) optimizer: Rule,
    /// How the learning rate changes.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) schedule: Schedule,
    /// Which parameters weight decay applies to.
    #[serde(default)]
    pub(super) decay_on: DecayOn,
    /// Weights, by name, with factors of their own.
    #[serde(default)]
    pub(super) groups: Vec<Group>,
    /// Weights, by name, that stay as they are, beside those that the net freezes.
    #[serde(default)]
    pub(super) freeze: Vec<String>,
    /// How gradients that are too large are cut.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) clip: Option<Clip>,
    /// Batches whose gradients make one step.
    #[serde(default = "one")]
    pub(super) accumulate: usize,
    /// The decay of a moving average of the weights.
    pub(super) average: Option<f64>,
    /// Epochs without a new best one before the run ends.
    pub(super) early_stopping: Option<u64>,
    /// How weights start.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) init: Option<Scheme>,
    /// How pictures that are learnt from change at random.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) augment: Pipeline,
    /// What targets hold.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) targets: BTreeMap<String, Answer>,
    /// What answers are measured by.
    #[serde(default)]
    pub(super) metrics: Measures,
    /// Decides initial weights, order of images and dropout.
    #[serde(default)]
    pub(super) seed: u64,
    /// Threads; 0 for one on each core.
    #[serde(default)]
    pub(super) threads: usize,
    /// The memory that the network and its training may take, as in `512MiB`.
    pub(super) memory: Option<Size>,
    /// The folder for checkpoints and weights.
    pub(super) checkpoints: Option<PathBuf>,
    /// Checkpoints within an epoch, every so many steps.
    #[serde(default)]
    pub(super) save_every: u64,
    /// Weights to start from.
    pub(super) weights: Option<PathBuf>,
    /// Weights of another network to start from, and which are trained.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) transfer: Option<Transfer>,
    /// A picture to classify at the end; one of the held-out images by default.
    pub(super) show: Option<PathBuf>,
}

fn default_batch() -> usize {
    64
}

fn one() -> usize {
    1
}

fn default_optimizer() -> Rule {
    Rule::Sgd(Sgd::default())
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "serde_yaml::Value")]
pub(super) struct Size(pub(super) usize);

impl TryFrom<serde_yaml::Value> for Size {
    type Error = String;

    fn try_from(value: serde_yaml::Value) -> Result<Self, String> {
        let text = match value {
            serde_yaml::Value::String(text) => text,
            other => serde_json::to_string(&other).unwrap_or_default(),
        };
        budget::bytes(&text).map(Self)
    }
}
