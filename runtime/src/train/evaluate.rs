//! How good a network is.

use std::ops::ControlFlow;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::judge::Judge;
use super::verify;
use crate::data::{BatchData, Dataset, Draw, each_batch};
use crate::metrics::{Confusion, Roc, top_k};
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
    /// For a number that is to be 0 or 1, how well the output tells them apart.
    pub roc: Option<Roc>,
    /// For points of photos, the share that is found: within a tenth of the longer side of the box around the true ones.
    pub pck: Option<f64>,
}

/// How well a network does on a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Number of images.
    pub images: usize,
    /// One per target that an output has the shape of.
    pub metrics: Vec<Metric>,
    /// How well distances of embeddings tell whether two pictures show the same; see [`verify()`].
    pub verification: Option<Roc>,
}

impl Metrics {
    /// The accuracy of the first output that has one.
    pub fn accuracy(&self) -> Option<f64> {
        self.metrics.iter().find_map(|metric| metric.accuracy)
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

    /// The share of the points that are found, of the first output that finds some.
    pub fn pck(&self) -> Option<f64> {
        self.metrics.iter().find_map(|metric| metric.pck)
    }

    /// What an epoch is rated by before its loss: a share of right answers.
    pub fn rating(&self) -> Option<f64> {
        self.accuracy().or_else(|| self.verification.as_ref().map(Roc::auc))
    }

    /// Whether nothing could be compared.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.verification.is_none()
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
    let mut sums = Sums::of(&pairs, spec, data);
    let threads = network.memory().pool.threads();
    each(data, spec, size, threads, |batch, numbers| {
        network.infer(numbers.len(), &batch.inputs())?;
        let targets = batch.targets();
        for (pair, sums) in pairs.iter().zip(&mut sums) {
            sums.add(network.output(pair.output), targets.get(pair.target), numbers.len());
        }
        Ok(())
    })?;
    Ok(Metrics { verification: verify(network, data, size)?, ..metrics(spec, data, &pairs, sums) })
}

/// Answers to the images of a data set, averaged: those of several networks of one kind (an ensemble), those to several
/// pieces of each picture ([`crops`](crate::augment::crops)), or both. Classes are averaged as probabilities, floats as they are.
#[derive(Clone, Debug)]
pub struct Answers {
    spec: &'static Spec,
    pairs: Vec<Pair>,
    /// For each pair the sum of the answers, image after image.
    sums: Vec<Vec<f32>>,
    added: usize,
}

impl Answers {
    /// None yet; `spec` is that of the networks.
    pub fn new(spec: &'static Spec) -> Self {
        let pairs = pairs(spec);
        Self { spec, sums: vec![Vec::new(); pairs.len()], pairs, added: 0 }
    }

    /// Adds the answers of a network to the images of a data set: the same images each time, in the same order.
    ///
    /// # Panics
    /// If there are more or fewer images than at the first time.
    pub fn add(&mut self, network: &mut dyn Network, data: &Dataset, size: usize) -> Result<(), Error> {
        let threads = network.memory().pool.threads();
        let mut answers: Vec<Vec<f32>> = vec![Vec::new(); self.pairs.len()];
        each(data, self.spec, size, threads, |batch, numbers| {
            network.infer(numbers.len(), &batch.inputs())?;
            for (pair, answers) in self.pairs.iter().zip(&mut answers) {
                let y = network.output(pair.output);
                match self.spec.targets[pair.target].kind {
                    TargetKind::Class(_) => answers.extend(probabilities(y, y.len() / numbers.len())),
                    TargetKind::Float => answers.extend_from_slice(y),
                }
            }
            Ok(())
        })?;
        self.add_sums(&answers, 1);
        Ok(())
    }

    /// Adds all answers that others are the mean of.
    ///
    /// # Panics
    /// If these are not answers to the same images, of networks of the same kind.
    pub fn join(&mut self, others: &Self) {
        self.add_sums(&others.sums, others.added);
    }

    fn add_sums(&mut self, answers: &[Vec<f32>], added: usize) {
        for (sums, answers) in self.sums.iter_mut().zip(answers) {
            assert!(self.added == 0 || sums.len() == answers.len(), "answers to the same images");
            sums.resize(answers.len(), 0.0);
            sums.iter_mut().zip(answers).for_each(|(sum, answer)| *sum += answer);
        }
        self.added += added;
    }

    /// The mean answers to the target at this position in [`Spec::targets`], image after image; empty where no output has its shape.
    pub fn mean(&self, target: usize) -> Vec<f32> {
        let of_target = self.pairs.iter().zip(&self.sums).find(|(pair, _)| pair.target == target);
        let sums = of_target.map_or(&[][..], |(_, sums)| sums);
        sums.iter().map(|sum| sum / self.added.max(1) as f32).collect()
    }

    /// Compares the means with the targets of the data set, `size` images at a time.
    pub fn metrics(&self, data: &Dataset, size: usize) -> Result<Metrics, Error> {
        let mut sums = Sums::of(&self.pairs, self.spec, data);
        let means: Vec<Vec<f32>> = self.pairs.iter().map(|pair| self.mean(pair.target)).collect();
        each(data, self.spec, size, 1, |batch, numbers| {
            let targets = batch.targets();
            for ((pair, mean), sums) in self.pairs.iter().zip(&means).zip(&mut sums) {
                let len = mean.len() / data.len();
                let y = &mean[numbers[0] * len..][..numbers.len() * len];
                sums.add(y, targets.get(pair.target), numbers.len());
            }
            Ok(())
        })?;
        Ok(metrics(self.spec, data, &self.pairs, sums))
    }
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

/// What is added up over the images for one target.
struct Sums {
    loss: f64,
    top5: usize,
    confusion: Confusion,
    judge: Judge,
}

impl Sums {
    fn new(target: &ValueSpec, judge: Judge) -> Self {
        let classes = if let TargetKind::Class(classes) = target.kind { classes } else { 0 };
        Self { loss: 0.0, top5: 0, confusion: Confusion::new(classes), judge }
    }

    fn of(pairs: &[Pair], spec: &Spec, data: &Dataset) -> Vec<Self> {
        let sums = |pair: &Pair| Self::new(&spec.targets[pair.target], Judge::of(pair.target, spec, data));
        pairs.iter().map(sums).collect()
    }

    /// Adds the answers `y` to `count` images.
    fn add(&mut self, y: &[f32], target: Option<&Targets<'_>>, count: usize) {
        let of_image = y.len() / count;
        match target {
            Some(Targets::Classes(classes)) => {
                self.loss += cross_entropy(y, classes, of_image);
                self.top5 += top_k(y, of_image, classes, 5);
                for (y, &class) in y.chunks_exact(of_image).zip(*classes) {
                    self.confusion.add(class as usize, largest(y));
                }
            }
            Some(Targets::Floats(floats)) => {
                let squares = y.iter().zip(*floats).map(|(y, t)| f64::from(y - t).powi(2));
                self.loss += squares.sum::<f64>() / of_image as f64;
                self.judge.add(y, floats);
            }
            None => {}
        }
    }
}

/// What the sums say; nothing where the data has no targets.
fn metrics(spec: &Spec, data: &Dataset, pairs: &[Pair], sums: Vec<Sums>) -> Metrics {
    let n = data.len().max(1) as f64;
    let metric = |(pair, sums): (&Pair, Sums)| {
        let target = &spec.targets[pair.target];
        let Sums { loss, top5, confusion, judge } = sums;
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
            pck: judge.pck(),
            roc: judge.roc(),
        }
    };
    let metrics = if data.has_targets() { pairs.iter().zip(sums).map(metric).collect() } else { Vec::new() };
    Metrics { images: data.len(), metrics, verification: None }
}

/// Each row as probabilities, which it may be already.
fn probabilities(y: &[f32], classes: usize) -> Vec<f32> {
    if are_probabilities(y, classes) {
        return y.to_vec();
    }
    let of_image = |y: &[f32]| {
        let most = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f32> = y.iter().map(|y| (y - most).exp()).collect();
        let sum: f32 = powers.iter().sum();
        powers.into_iter().map(move |power| power / sum)
    };
    y.chunks_exact(classes).flat_map(of_image).collect()
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
        for (y, p) in super::probabilities(&logits, 3).iter().zip(super::probabilities(&probabilities, 3)) {
            assert!((y - p).abs() < 1e-6, "{y} {p}");
        }
    }

    #[test]
    fn answers_of_several_networks_are_averaged() {
        use crate::Options;
        use crate::testing::{CLASSES, PIXELS, SPEC, Tiny};
        let images: Vec<f32> = (0..3 * PIXELS).map(|i| (i % 7) as f32 / 7.0).collect();
        let labels = crate::data::TargetValues::Classes(vec![0, 1, 2]);
        let data = Dataset::in_memory(&SPEC, vec![images.clone()], vec![labels]).expect("fits");
        let mut networks = [1, 2].map(|seed| Tiny::new(&Options { seed, batch: 2, ..Options::default() }));
        let mut answers = Answers::new(&SPEC);
        let mut sum = [0.0; 3 * CLASSES];
        for network in &mut networks {
            answers.add(network, &data, 2).expect("answers");
            for (image, sum) in images.chunks_exact(PIXELS).zip(sum.chunks_exact_mut(CLASSES)) {
                network.infer(1, &[image]).expect("an answer");
                sum.iter_mut().zip(network.output(0)).for_each(|(sum, y)| *sum += y);
            }
        }
        assert_eq!(answers.mean(0), sum.iter().map(|sum| sum / 2.0).collect::<Vec<f32>>());
        let loss = cross_entropy(&answers.mean(0), &[0, 1, 2], CLASSES) / 3.0;
        let metrics = answers.metrics(&data, 2).expect("metrics");
        assert!((metrics.loss().expect("a loss") - loss).abs() < 1e-12);
        let mut alone = Answers::new(&SPEC);
        alone.add(&mut networks[0], &data, 2).expect("answers");
        assert_eq!(alone.metrics(&data, 3), evaluate(&mut networks[0], &data, 2));
        let mut other = Answers::new(&SPEC);
        other.add(&mut networks[1], &data, 2).expect("answers");
        alone.join(&other);
        assert_eq!(alone.mean(0), answers.mean(0));
    }
}
