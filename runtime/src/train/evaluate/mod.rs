//! How good a network is.

mod answers;
mod measures;
mod scores;
mod sums;
mod tally;

use std::ops::ControlFlow;
use std::string::String;
use std::vec::Vec;

use super::detect::{Finder, Precision};
use super::{Detected, verify};
use crate::data::{BatchData, Dataset, Draw, each_batch};
use crate::metrics::{Confusion, Roc};
use crate::{Error, Network, Spec, TargetKind};
use sums::Sums;

pub use answers::Answers;
pub use measures::Measures;
pub(super) use tally::Tally;

/// How well one output matches one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The output's name.
    pub output: String,
    /// The target's name.
    pub target: String,
    /// For classes the mean cross-entropy, for floats the mean squared error. Of maps of classes the mean over the images of the
    /// mean over their pixels, as losses have it.
    pub loss: f64,
    /// For classes of images, the fractions of images whose right class is among the k largest outputs, with k; see
    /// [`Measures::top`].
    pub top: Vec<(usize, f64)>,
    /// For maps of classes, the mean intersection over union of the classes that occur (Long, Shelhamer & Darrell 2015, section 5).
    pub mean_iou: Option<f64>,
    /// For classes, what was taken for what: of images, of maps of their pixels. What has no class, the label `ignore` of the target,
    /// does not count.
    pub confusion: Option<Confusion>,
    /// For a number that is to be 0 or 1, how well the output tells them apart.
    pub roc: Option<Roc>,
    /// For points of photos, how near is near enough, see [`Measures::pck`], and the share that is found.
    pub pck: Option<(f32, f64)>,
}

impl Metric {
    /// For classes, the fraction of images whose largest output is the right one; of maps, of pixels.
    pub fn accuracy(&self) -> Option<f64> {
        self.confusion.as_ref().map(Confusion::accuracy)
    }

    /// How many these are.
    pub fn correct(&self) -> Option<u64> {
        self.confusion.as_ref().map(Confusion::correct)
    }
}

/// How well a network does on a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Number of images.
    pub images: usize,
    /// One per target that an output has the shape of.
    pub metrics: Vec<Metric>,
    /// How well a detector finds the boxes of photos; see [`detect()`](super::detect()).
    pub boxes: Option<Precision>,
    /// How well distances of embeddings tell whether two pictures show the same; see [`verify()`].
    pub verification: Option<Roc>,
}

impl Metrics {
    /// What the sums of all images say.
    fn new(spec: &Spec, data: &Dataset, pairs: &[Pair], sums: Vec<Sums>) -> Self {
        let metrics = pairs.iter().zip(sums).map(|(pair, sums)| sums.metric(*pair, spec)).collect();
        Self { images: data.len(), metrics, boxes: None, verification: None }
    }

    /// The accuracy of the first output that has one.
    pub fn accuracy(&self) -> Option<f64> {
        self.metrics.iter().find_map(Metric::accuracy)
    }

    /// The mean intersection over union of the first output that is a map of classes.
    pub fn mean_iou(&self) -> Option<f64> {
        self.metrics.iter().find_map(|metric| metric.mean_iou)
    }

    /// How well a network tells same from different: by its outputs that answer this, with their names, then by its embeddings.
    pub fn rocs(&self) -> impl Iterator<Item = (&str, &Roc)> {
        let of_outputs = self.metrics.iter().filter_map(|metric| Some((&*metric.output, metric.roc.as_ref()?)));
        of_outputs.chain(self.verification.as_ref().map(|roc| ("embeddings", roc)))
    }

    /// The first of [`rocs`](Self::rocs).
    pub fn roc(&self) -> Option<&Roc> {
        self.rocs().next().map(|(_, roc)| roc)
    }

    /// How near is near enough, and the share of the points that are found, of the first output that is to find some.
    pub fn pck(&self) -> Option<(f32, f64)> {
        self.metrics.iter().find_map(|metric| metric.pck)
    }

    /// What an epoch is rated by before its loss, from 0 to 1: of the first output of classes the accuracy, or of maps the mean
    /// intersection over union, which a large background does not hide behind; where there is none the area under the curve of
    /// embeddings, then a detector's mAP at an IoU of 0.5.
    pub fn rating(&self) -> Option<f64> {
        let of_classes = self.metrics.iter().find_map(|metric| metric.mean_iou.or_else(|| metric.accuracy()));
        let of_embeddings = self.verification.as_ref().map(Roc::auc);
        of_classes.or(of_embeddings).or_else(|| self.boxes.as_ref().map(|boxes| boxes.map50))
    }

    /// Whether nothing could be compared.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.boxes.is_none() && self.verification.is_none()
    }

    /// The sum of the losses of all outputs that have a target. Boxes of detectors and embeddings have none.
    pub fn loss(&self) -> Option<f64> {
        (!self.metrics.is_empty()).then(|| self.metrics.iter().map(|metric| metric.loss).sum())
    }
}

/// An output and the target that it is compared to, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    output: usize,
    target: usize,
}

/// For every target the first output of its shape that no target before has: `[classes]` for a class, `[classes, places...]` for a map
/// of them.
fn pairs(spec: &Spec) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for (target, value) in spec.targets.iter().enumerate() {
        let fits = |shape: &[usize]| match value.kind {
            TargetKind::Class(classes) if value.image_len() == 1 => *shape == [classes],
            TargetKind::Class(classes) => shape.split_first() == Some((&classes, value.shape)),
            TargetKind::Float => shape == value.shape,
        };
        let taken = |output: usize| pairs.iter().any(|pair| pair.output == output);
        let output = (0..spec.outputs.len()).find(|&output| fits(spec.outputs[output].shape) && !taken(output));
        pairs.extend(output.map(|output| Pair { output, target }));
    }
    pairs
}

/// Runs inference over a whole data set, at most `size` images at a time, and compares outputs with targets, and boxes of
/// detectors with those of photos, by the default [`Measures`].
///
/// An output of classes that is nowhere negative and sums to 1 is taken for probabilities, any other for their
/// logarithms up to a constant ("logits").
///
/// # Errors
/// Where the network refuses an image, or a photo cannot be read.
pub fn evaluate(network: &mut dyn Network, data: &Dataset, size: usize) -> Result<Metrics, Error> {
    evaluate_by(network, data, size, &Measures::default())
}

/// The same by other measures.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_by(
    network: &mut dyn Network,
    data: &Dataset,
    size: usize,
    measures: &Measures,
) -> Result<Metrics, Error> {
    let spec = network.spec();
    let pairs = pairs(spec);
    let mut sums = Sums::of(&pairs, spec, data, measures);
    let mut finder = Finder::of(spec, Detected::THRESHOLDS).filter(|_| data.has_boxes());
    if !sums.is_empty() || finder.is_some() {
        let threads = network.memory().pool.threads();
        each(data, spec, size, threads, |batch, numbers| {
            network.infer(numbers.len(), &batch.inputs())?;
            let targets = batch.targets();
            for (pair, sums) in pairs.iter().zip(&mut sums) {
                sums.add(network.output(pair.output), &targets[pair.target], numbers.len());
            }
            if let Some(finder) = &mut finder {
                finder.add(&*network, data, batch, numbers);
            }
            Ok(())
        })?;
    }
    let boxes = finder.map(|finder| finder.detected.precision());
    Ok(Metrics { boxes, verification: verify(network, data, size)?, ..Metrics::new(spec, data, &pairs, sums) })
}

/// Passes all images on, in order, in batches of `size`.
pub(super) fn each(
    data: &Dataset,
    spec: &Spec,
    size: usize,
    threads: usize,
    mut f: impl FnMut(&BatchData, &[usize]) -> Result<(), Error>,
) -> Result<(), Error> {
    let numbers: Vec<usize> = (0..data.len()).collect();
    let failed = each_batch(data, spec, &numbers, size, Draw::default(), threads, |batch, numbers| {
        f(batch, numbers).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    })?;
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
