//! How good a network is.

use std::ops::ControlFlow;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::data::{BatchData, Dataset, Draw, each_batch};
use crate::metrics::{Confusion, top_k};
use crate::{Error, Network, Spec, TargetKind, Targets, ValueSpec};

/// How well one output matches one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The output's name.
    pub output: String,
    /// The target's name.
    pub target: String,
    /// For classes the mean cross-entropy, for floats the mean squared error.
    pub loss: f64,
    /// For classes, the fraction of images whose largest output is the right one.
    pub accuracy: Option<f64>,
    /// How many these are.
    pub correct: Option<usize>,
    /// For more than five classes, the fraction of images whose right class is among the five largest outputs.
    pub top5: Option<f64>,
    /// For classes, what was taken for what.
    pub confusion: Option<Confusion>,
}

/// How well a network does on a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Number of images.
    pub images: usize,
    /// One per target that an output has the shape of.
    pub metrics: Vec<Metric>,
}

impl Metrics {
    /// The accuracy of the first output that has one.
    pub fn accuracy(&self) -> Option<f64> {
        self.metrics.iter().find_map(|metric| metric.accuracy)
    }

    /// The sum of the losses of all outputs that have a target.
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

/// For every target the first output of its shape that no target before has: `[classes]` for a class.
fn pairs(spec: &Spec) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for (target, value) in spec.targets.iter().enumerate() {
        let fits = |shape: &[usize]| match value.kind {
            TargetKind::Class(classes) => value.image_len() == 1 && *shape == [classes],
            TargetKind::Float => shape == value.shape,
        };
        let taken = |output: usize| pairs.iter().any(|pair| pair.output == output);
        let output = (0..spec.outputs.len()).find(|&output| fits(spec.outputs[output].shape) && !taken(output));
        pairs.extend(output.map(|output| Pair { output, target }));
    }
    pairs
}

/// Runs inference over a whole data set, at most `size` images at a time, and compares outputs with targets.
///
/// An output of classes that is nowhere negative and sums to 1 is taken for probabilities, any other for their
/// logarithms up to a constant ("logits").
pub fn evaluate(network: &mut dyn Network, data: &Dataset, size: usize) -> Result<Metrics, Error> {
    let spec = network.spec();
    let pairs = pairs(spec);
    let mut sums: Vec<Sums> = pairs.iter().map(|pair| Sums::new(&spec.targets[pair.target])).collect();
    let numbers: Vec<usize> = (0..data.len()).collect();
    let threads = network.memory().pool.threads();
    let mut compare = |batch: &BatchData, numbers: &[usize]| -> Result<(), Error> {
        network.infer(numbers.len(), &batch.inputs())?;
        let targets = batch.targets();
        for (pair, sum) in pairs.iter().zip(&mut sums) {
            let y = network.output(pair.output);
            match targets.get(pair.target) {
                Some(Targets::Classes(classes)) => {
                    let of_classes = y.len() / numbers.len();
                    sum.loss += cross_entropy(y, classes, of_classes);
                    sum.top5 += top_k(y, of_classes, classes, 5);
                    for (y, &class) in y.chunks_exact(of_classes).zip(*classes) {
                        sum.confusion.add(class as usize, largest(y));
                    }
                }
                Some(Targets::Floats(floats)) => {
                    let squares = y.iter().zip(*floats).map(|(y, t)| f64::from(y - t).powi(2));
                    sum.loss += squares.sum::<f64>() / (y.len() / numbers.len()) as f64;
                }
                None => {}
            }
        }
        Ok(())
    };
    let failed = each_batch(data, spec, &numbers, size, Draw::default(), threads, |batch, numbers| {
        compare(batch, numbers).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let n = data.len().max(1) as f64;
    let metric = |(pair, sums): (&Pair, Sums)| {
        let target = &spec.targets[pair.target];
        let Sums { loss, top5, confusion } = sums;
        let classes = confusion.classes();
        let is_class = target.kind != TargetKind::Float;
        let correct = is_class.then(|| (0..classes).map(|class| confusion.count(class, class) as usize).sum::<usize>());
        Metric {
            output: spec.outputs[pair.output].name.to_string(),
            target: target.name.to_string(),
            loss: loss / n,
            accuracy: correct.map(|correct| correct as f64 / n),
            correct,
            top5: (is_class && classes > 5).then_some(top5 as f64 / n),
            confusion: is_class.then_some(confusion),
        }
    };
    let metrics = if data.has_targets() { pairs.iter().zip(sums).map(metric).collect() } else { Vec::new() };
    Ok(Metrics { images: data.len(), metrics })
}

/// What is added up over the images for one target.
struct Sums {
    loss: f64,
    top5: usize,
    confusion: Confusion,
}

impl Sums {
    fn new(target: &ValueSpec) -> Self {
        let classes = if let TargetKind::Class(classes) = target.kind { classes } else { 0 };
        Self { loss: 0.0, top5: 0, confusion: Confusion::new(classes) }
    }
}

/// Whether every row is a distribution.
fn are_probabilities(y: &[f32], classes: usize) -> bool {
    y.chunks_exact(classes)
        .all(|y| y.iter().all(|&y| y >= 0.0) && (y.iter().map(|&y| f64::from(y)).sum::<f64>() - 1.0).abs() < 1e-3)
}

/// The sum over the images.
fn cross_entropy(y: &[f32], labels: &[u32], classes: usize) -> f64 {
    let probabilities = are_probabilities(y, classes);
    let of_image = |(y, &label): (&[f32], &u32)| {
        let right = y[label as usize];
        if probabilities {
            return -f64::from(right.max(f32::MIN_POSITIVE)).ln();
        }
        let most = f64::from(y.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = y.iter().map(|&y| (f64::from(y) - most).exp()).sum();
        sum.ln() + most - f64::from(right)
    };
    y.chunks_exact(classes).zip(labels).map(of_image).sum()
}

/// How many images have their largest output at the right class.
fn correct(y: &[f32], labels: &[u32], classes: usize) -> usize {
    y.chunks_exact(classes).zip(labels).filter(|&(y, &label)| largest(y) == label as usize).count()
}

/// The position of the largest value, the first one if there are several.
pub(crate) fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, value)| if *value > values[best] { i } else { best })
}

/// What was seen of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) images: usize,
    pub(super) loss_sum: f64,
    /// Images classified right, where there is something to classify.
    pub(super) correct: Option<usize>,
}

impl Tally {
    /// Adds a training step, whose outputs the network still has.
    pub(super) fn add(&mut self, network: &dyn Network, targets: &[Targets<'_>], count: usize, loss: f32) {
        let first = self.images == 0;
        self.images += count;
        self.loss_sum += f64::from(loss) * count as f64;
        let right = pairs(network.spec()).into_iter().find_map(|pair| {
            let Targets::Classes(labels) = targets[pair.target] else { return None };
            let y = network.output(pair.output);
            // Some outputs are not computed in training.
            (!y.is_empty()).then(|| correct(y, labels, y.len() / count))
        });
        self.correct = right.and_then(|right| if first { Some(right) } else { Some(self.correct? + right) });
    }

    pub(super) fn images(&self) -> usize {
        self.images
    }

    pub(super) fn loss(&self) -> f64 {
        self.loss_sum / self.images.max(1) as f64
    }

    pub(super) fn accuracy(&self) -> Option<f64> {
        self.correct.map(|correct| correct as f64 / self.images.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_logits_give_the_same() {
        let logits = [1.0_f32, -2.0, 0.5, 3.0, 3.0, -1.0];
        let mut probabilities = logits;
        for y in probabilities.chunks_exact_mut(3) {
            let sum: f32 = y.iter().map(|y| y.exp()).sum();
            y.iter_mut().for_each(|y| *y = y.exp() / sum);
        }
        let (a, b) = (cross_entropy(&logits, &[2, 1], 3), cross_entropy(&probabilities, &[2, 1], 3));
        assert!((a - b).abs() < 1e-6, "{a} {b}");
        assert_eq!(correct(&logits, &[0, 0], 3), 2);
        assert_eq!(correct(&logits, &[0, 1], 3), 1);
        assert!(cross_entropy(&[1.0, 0.0], &[1], 2).is_finite());
        assert_eq!(largest(&[f32::NAN, 1.0]), 0);
    }
}
