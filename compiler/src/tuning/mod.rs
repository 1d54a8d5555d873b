//! What measuring has taught about a machine: the plan file beside a specification.
//!
//! `optimize/lower` decides by a model how each convolution is computed. `cnnc tune` measures the alternatives and writes
//! those that are faster to `NAME.plan.yaml`, beside `NAME.net`; from then on they stand above the model.

mod file;
mod workload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Diagnostic, FileId, Outcome, SourceMap, Span};
use crate::elaborate::Loader;
use crate::emit::short_name;
use crate::ops::tile_conv::{Algorithm, TileConv};
pub use file::{Entry, PlanFile, Section, read};
pub use workload::Workload;

/// Which of the two graphs of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One image at a time is what counts, and weights come from memory every time.
    Inference,
    /// Weights are read once for all images of a batch.
    Training,
}

/// How a convolution is computed, and how its work is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Strips that an image is cut into, of about as many rows of pixels or of Winograd's tiles each; a task computes one.
    pub strips: usize,
    /// Images of a task.
    pub images: usize,
    /// Blocks of filters that a task computes.
    pub planes: usize,
}

impl From<&TileConv> for Choice {
    fn from(conv: &TileConv) -> Self {
        let TileConv { algorithm, strips, images, planes, .. } = *conv;
        Self { algorithm, strips, images, planes }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, strips {}, ", self.algorithm.name(), self.strips)?;
        if self.images > 1 {
            write!(f, "images {}, ", self.images)?;
        }
        write!(f, "planes {}", self.planes)
    }
}

/// Choices by workload.
pub type Choices = BTreeMap<Workload, Choice>;

/// Choices that stand above those of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// For deployment.
    pub inference: Choices,
    /// For training.
    pub training: Choices,
}

impl Tuning {
    /// Those for one of the graphs alone.
    pub fn for_mode(mode: Mode, choices: Choices) -> Self {
        match mode {
            Mode::Inference => Self { inference: choices, ..Self::default() },
            Mode::Training => Self { training: choices, ..Self::default() },
        }
    }

    /// Those for one of the graphs.
    pub fn of(&self, mode: Mode) -> &Choices {
        match mode {
            Mode::Inference => &self.inference,
            Mode::Training => &self.training,
        }
    }
}

/// Where the plan file of a specification is: `lenet5.plan.yaml` beside `lenet5.net`, and `resnet50.plan.yaml` beside `resnet.net`
/// where the net `ResNet50` of that file is asked for.
pub fn path(spec: &Path, net: Option<&str>) -> PathBuf {
    match net {
        Some(net) => spec.with_file_name(short_name(net)).with_extension("plan.yaml"),
        None => spec.with_extension("plan.yaml"),
    }
}

/// What the plan file beside a specification says, if there is one. A text that is no file (`net! { ... }`) has none.
///
/// # Errors
/// The mistakes of the plan file; or there is one that cannot be read.
pub fn beside(sources: &mut SourceMap, loader: &dyn Loader, spec: FileId, net: Option<&str>) -> Outcome<Tuning> {
    let from = sources.path(spec);
    let path = path(from, net);
    let is_file = from.extension().is_some_and(|e| e == "net");
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    if !is_file || !name.is_some_and(|name| loader.siblings(&path).contains(&name)) {
        return Ok(Tuning::default());
    }
    let text = loader.read(&path).map_err(|why| {
        let start = Span { file: spec, start: 0, end: 0 };
        let title = format!("cannot read the plan file `{}`", path.display());
        vec![Diagnostic::new(start, title).found(why).fits("what `cnnc tune` writes, or no such file")]
    })?;
    let file = sources.add(&path, text);
    read(sources, file).map(|plan| plan.tuning())
}
