//! What the command hands to the program it has built: everything resolved, nothing to look up.
//!
//! `cnnc train RECIPE.yaml` parses and checks the recipe, compiles the network and starts it with the path of a JSON file
//! that holds a [`Job`]. Paths are absolute or relative to the folder the program is started in.

use std::boxed::Box;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::augment::Pipeline;
pub use crate::data::readers::{Cifar, Compared};
pub use crate::data::{Answer, Part, Picture};
use crate::init::Scheme;
use crate::optimizer::{Clip, DecayOn, Group, Rule};
use crate::schedule::Schedule;
pub use crate::train::Measures;

/// One run of a network's program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// Learn, then say how well, then classify one picture.
    Train(Box<Train>),
    /// Compute what the front half of a network sees, once.
    Features(Features),
    /// Loss and accuracy of given weights.
    Eval(Eval),
    /// Classify pictures, or find things in them.
    Predict(Predict),
    /// Tensors in, tensors out.
    Run(Run),
    /// Measure how fast it is.
    Bench(Bench),
}

/// Where and on what the network runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// Threads; 0 means one per core.
    pub threads: usize,
    /// An instruction set by name; the best one of this machine where it is missing.
    pub isa: Option<String>,
}

/// Learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Threads and instruction set.
    pub machine: Machine,
    /// Decides initial weights, order of images and dropout.
    pub seed: u64,
    /// What is learnt from.
    pub data: Source,
    /// What is held out to see how well it was learnt.
    pub test: Option<Source>,
    /// How pictures become inputs.
    pub picture: Picture,
    /// Names of the classes, in order; empty where there are none.
    pub classes: Vec<String>,
    /// Images of a batch. The last one of an epoch may have fewer.
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
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// The decay of a moving average of the weights.
    pub average: Option<f64>,
    /// Ends the run when so many epochs in a row were not the best.
    pub patience: Option<u64>,
    /// How weights start; as the network is compiled where it is missing.
    pub init: Option<Scheme>,
    /// How pictures that are learnt from change at random.
    pub augment: Pipeline,
    /// What targets hold, where their shapes do not say so.
    pub targets: Vec<(String, Answer)>,
    /// What answers to held-out images are measured by.
    pub measures: Measures,
    /// Where the run is saved.
    pub checkpoints: Checkpoints,
    /// Weights to start from instead of random ones.
    pub weights: Option<PathBuf>,
    /// Weights of another network to start from, as far as they fit.
    pub transfer: Option<PathBuf>,
    /// Where the weights go at the end: those of the best epoch.
    pub output: PathBuf,
    /// What is classified at the end.
    pub show: Show,
}

/// Where a run is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoints {
    /// The folder of `last.safetensors` and `best.safetensors`; created where missing.
    pub folder: PathBuf,
    /// Whether to go on from `last.safetensors` if there is one of the same recipe.
    pub resume: bool,
    /// Saves within an epoch, every so many steps; 0 for at the end of epochs only.
    pub every_steps: u64,
    /// Identifies recipe and network; a run of another one is not resumed.
    pub recipe: String,
}

/// What `train` classifies at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// Nothing.
    Nothing,
    /// One of the held-out images.
    #[default]
    HeldOut,
    /// A picture.
    File(PathBuf),
}

/// Compute what the front half of a network sees, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Threads and instruction set.
    pub machine: Machine,
    /// The weights, as far as they fit.
    pub weights: PathBuf,
    /// Identifies the network; features of another one are computed anew.
    pub network: String,
    /// Images, and the file for their features and targets.
    pub parts: Vec<(Source, PathBuf)>,
    /// How pictures become inputs.
    pub picture: Picture,
    /// Names of the classes, in order; empty where there are none.
    pub classes: Vec<String>,
    /// What targets hold, where their shapes do not say so.
    pub targets: Vec<(String, Answer)>,
    /// Images of a batch.
    pub batch: usize,
    /// How often all images are to be seen.
    pub epochs: u64,
}

/// Loss and accuracy of given weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// Threads and instruction set.
    pub machine: Machine,
    /// The weights, or checkpoints; of several the answers are averaged.
    pub weights: Vec<PathBuf>,
    /// Pieces of each picture that answers are averaged over: 1 for the whole picture, 5 or 10.
    pub crops: usize,
    /// The data.
    pub data: Source,
    /// What targets hold, where their shapes do not say so.
    #[serde(default)]
    pub targets: Vec<(String, Answer)>,
    /// What answers are measured by.
    #[serde(default)]
    pub measures: Measures,
    /// Names of the classes, in order; empty where there are none.
    #[serde(default)]
    pub classes: Vec<String>,
    /// How pictures become inputs; what the weights file says where it is missing.
    pub picture: Option<Picture>,
    /// Images of a batch.
    pub batch: usize,
    /// Where ROC curves are drawn, as SVG, of a network that tells same from different; the folder is made where missing.
    pub roc: PathBuf,
    /// Where it is drawn, as PNG, what a network that tells classes apart took for what; the folder is made where missing.
    pub confusion: PathBuf,
    /// Prints JSON.
    pub json: bool,
}

/// Classify pictures, or find things in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predict {
    /// Threads and instruction set.
    pub machine: Machine,
    /// The weights, or a checkpoint.
    pub weights: PathBuf,
    /// Pictures: PNG, JPEG, GIF, BMP, PNM or WebP files.
    pub files: Vec<PathBuf>,
    /// How pictures become inputs; what the weights file says where it is missing.
    pub picture: Option<Picture>,
    /// Names of the classes; what the weights file says where there are none.
    pub classes: Vec<String>,
    /// How many classes are printed per picture.
    pub top: usize,
    /// Boxes of a detector whose score is above this one are shown.
    pub score: f32,
    /// Of boxes that share this or more, only the most certain one is shown.
    pub iou: f32,
    /// Which boxes suppress which, and how.
    pub suppression: Suppression,
    /// Where the picture goes with these boxes drawn; for detectors and one picture only.
    pub output: Option<PathBuf>,
    /// Prints JSON.
    pub json: bool,
}

/// Which boxes suppress which, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// Those of the same class: [`nms`](crate::boxes::nms()).
    #[default]
    OfClass,
    /// Those of any class: [`nms_agnostic`](crate::boxes::nms_agnostic).
    Agnostic,
    /// Those of the same class, by fading scores: [`soft_nms`](crate::boxes::soft_nms) with [`Fading::PAPER`](crate::boxes::Fading::PAPER).
    Soft,
}

/// Tensors in, tensors out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Threads and instruction set.
    pub machine: Machine,
    /// The weights; those of the seed where they are missing.
    pub weights: Option<PathBuf>,
    /// Decides the weights where no file does.
    pub seed: u64,
    /// A safetensors, `.npz` or `.npy` file, or a folder of `.npy` files: tensors named like the inputs and targets, batch first, classes
    /// as integers.
    pub input: PathBuf,
    /// Where outputs are written under their names.
    pub output: PathBuf,
    /// Where `loss` and the gradients of weights and inputs are written under their names. Needs targets.
    pub gradients: Option<PathBuf>,
}

/// Measure how fast a network is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// Threads and instruction set.
    pub machine: Machine,
    /// The weights; random ones where they are missing.
    pub weights: Option<PathBuf>,
    /// Whether a training step is measured: forward, backward, SGD with momentum.
    pub train: bool,
    /// Images of a pass.
    pub batch: usize,
    /// How long to measure, in seconds.
    pub seconds: f64,
    /// Whether steps are reported, too; the network must have been built for it.
    pub layers: bool,
    /// Prints JSON.
    pub json: bool,
    /// Floats of the arena that no plan can do without, per image.
    pub lower_bound: usize,
    /// The steps of a pass, in order.
    pub steps: Vec<Step>,
}

/// What the plan says of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The layer.
    pub name: String,
    /// The operator.
    pub op: String,
    /// The kernel, which names the algorithm.
    pub kernel: String,
    /// Multiply-adds per image.
    pub macs: u64,
    /// Bytes that are read and written for each image.
    pub bytes_per_image: usize,
    /// Bytes that are read and written once: weights.
    pub bytes_once: usize,
}

/// Images and what they show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The files.
    pub files: Files,
    /// Which of the images.
    #[serde(default)]
    pub part: Part,
}

impl Files {
    /// The files and folders, in order.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Tensors { path } | Self::Folders { root: path } => vec![path],
            Self::Cifar { files, .. } => files.iter().map(PathBuf::as_path).collect(),
            Self::Idx { images, labels: other }
            | Self::Voc { images, annotations: other }
            | Self::Coco { images, annotations: other }
            | Self::Yolo { images, labels: other }
            | Self::Boxes { images, table: other, .. }
            | Self::Landmarks { images, points: other }
            | Self::Comparisons { images, list: other, .. } => vec![images, other],
        }
    }
}

/// Files of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Files {
    /// The format of MNIST, plain or `.gz`.
    Idx {
        /// Bytes, `[images, height, width]` or `[images, channels, height, width]`.
        images: PathBuf,
        /// Bytes, `[images]`.
        labels: PathBuf,
    },
    /// A safetensors or `.npz` file, or a folder of `.npy` files: tensors named like the inputs and targets, batch first, classes as
    /// integers.
    Tensors {
        /// The file or the folder.
        path: PathBuf,
    },
    /// A folder of pictures for each class.
    Folders {
        /// The folder of these folders.
        root: PathBuf,
    },
    /// The binary files of CIFAR, plain or `.gz`.
    Cifar {
        /// Which of the two.
        kind: Cifar,
        /// One after another.
        files: Vec<PathBuf>,
    },
    /// Pascal VOC.
    Voc {
        /// The folder of the XML files.
        annotations: PathBuf,
        /// The folder of the pictures.
        images: PathBuf,
    },
    /// COCO.
    Coco {
        /// The JSON file.
        annotations: PathBuf,
        /// The folder of the pictures.
        images: PathBuf,
    },
    /// Darknet.
    Yolo {
        /// The folder of the text files.
        labels: PathBuf,
        /// The folder of the pictures.
        images: PathBuf,
    },
    /// A table of boxes.
    Boxes {
        /// The CSV file.
        table: PathBuf,
        /// The folder of the pictures.
        images: PathBuf,
        /// Which rows, by their column `split`; all where it is missing.
        split: Option<String>,
    },
    /// Points of pictures.
    Landmarks {
        /// The CSV file.
        points: PathBuf,
        /// The folder of the pictures.
        images: PathBuf,
    },
    /// A list of pairs or triplets of pictures.
    Comparisons {
        /// Which of the two.
        compared: Compared,
        /// The CSV file.
        list: PathBuf,
        /// The folder of the pictures.
        images: PathBuf,
    },
}
