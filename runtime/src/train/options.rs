//! How a network learns, and where the run is saved.

use std::path::PathBuf;
use std::string::String;
use std::vec::Vec;

use super::Measures;
use crate::optimizer::{Clip, DecayOn, Group, Rule, needs_all};
use crate::schedule::Schedule;

/// How a network learns.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Images of a batch, at most the network's capacity. The last batch of an epoch may have fewer.
    pub batch: usize,
    /// How often all images are seen.
    pub epochs: u64,
    /// How weights are updated.
    pub optimizer: Rule,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Which parameters weight decay applies to.
    pub decay_on: DecayOn,
    /// Weights with factors of their own.
    pub groups: Vec<Group>,
    /// How gradients that are too large are cut.
    pub clip: Option<Clip>,
    /// Batches whose gradients make one step, each image with the same weight; at least 1. At the end of an epoch fewer do.
    pub accumulate: usize,
    /// The decay of a moving average of the weights, which is evaluated and saved as the best in their place.
    pub average: Option<f64>,
    /// Ends the run when so many epochs in a row were not the best.
    pub patience: Option<u64>,
    /// Decides the order of the images and which units drop.
    pub seed: u64,
    /// What answers to held-out data are measured by.
    pub measures: Measures,
    /// Where the run is saved, if at all.
    pub checkpoints: Option<Checkpoints>,
}

impl FitOptions {
    /// What needs the gradients of all weights at once, if anything does: then the network must be one that
    /// [keeps](crate::Options::keep_gradients) them.
    pub fn needs_gradients(&self) -> Option<&'static str> {
        needs_all(&self.optimizer, self.clip.as_ref(), self.accumulate)
    }
}

impl Default for FitOptions {
    /// Ten epochs of batches of 64 with Adam.
    fn default() -> Self {
        Self {
            batch: 64,
            epochs: 10,
            optimizer: Rule::Adam(crate::optimizer::Adam::default()),
            schedule: Schedule::default(),
            decay_on: DecayOn::All,
            groups: Vec::new(),
            clip: None,
            accumulate: 1,
            average: None,
            patience: None,
            seed: 0,
            measures: Measures::default(),
            checkpoints: None,
        }
    }
}

/// Where a run is saved: `last.safetensors` with all that is needed to go on, `best.safetensors` with the weights of the
/// best epoch. Both are written whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// The folder; created where missing.
    pub folder: PathBuf,
    /// Goes on from `last.safetensors` if there is one. To bitwise the same result as if never interrupted.
    pub resume: bool,
    /// Saves within an epoch, every so many steps; 0 for at the end of epochs only.
    pub every_steps: u64,
    /// Identifies data, options and network: a run of another one is not resumed.
    pub recipe: String,
    /// What the files say of themselves: a JSON object, or nothing.
    pub about: String,
}

impl Checkpoints {
    /// The file with all that is needed to go on.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The weights of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }
}
