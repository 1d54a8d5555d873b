//! What is added up over the images, and what it says at the end.

use std::string::ToString;
use std::vec::Vec;

use super::scores::Scores;
use super::{Measures, Metric, Pair};
use crate::data::Dataset;
use crate::metrics::{Confusion, top_k};
use crate::train::judge::Judge;
use crate::{Spec, TargetKind, Targets, ValueSpec};

/// What is added up over the images for one target.
pub(super) struct Sums {
    images: usize,
    loss: f64,
    answers: Answers,
}

enum Answers {
    Classes(Classes),
    Floats(Judge),
}

/// Of a target of classes.
struct Classes {
    scores: Scores,
    /// The label of what has no class.
    ignore: Option<u32>,
    /// For each k how many have their right class among the k largest.
    top: Vec<(usize, usize)>,
    confusion: Confusion,
}

impl Sums {
    /// For each pair; none where the data has no targets.
    pub(super) fn of(pairs: &[Pair], spec: &Spec, data: &Dataset, measures: &Measures) -> Vec<Self> {
        let sums = |pair: &Pair| {
            let target = &spec.targets[pair.target];
            let answers = match target.kind {
                TargetKind::Class(classes) => Answers::Classes(Classes::new(target, classes, measures)),
                TargetKind::Float => Answers::Floats(Judge::of(pair.target, spec, data, measures.pck)),
            };
            Self { images: 0, loss: 0.0, answers }
        };
        if data.has_targets() { pairs.iter().map(sums).collect() } else { Vec::new() }
    }

    /// Adds the answers `y` to `count` images.
    pub(super) fn add(&mut self, y: &[f32], target: &Targets<'_>, count: usize) {
        self.images += count;
        match (&mut self.answers, target) {
            (Answers::Classes(classes), Targets::Classes(labels)) => self.loss += classes.add(y, labels),
            (Answers::Floats(judge), Targets::Floats(floats)) => {
                let squares = y.iter().zip(*floats).map(|(y, t)| f64::from(y - t).powi(2));
                self.loss += squares.sum::<f64>() / (y.len() / count).max(1) as f64;
                judge.add(y, floats);
            }
            _ => {}
        }
    }

    /// What the sums say.
    pub(super) fn metric(self, pair: Pair, spec: &Spec) -> Metric {
        let empty = Metric {
            output: spec.outputs[pair.output].name.to_string(),
            target: spec.targets[pair.target].name.to_string(),
            loss: self.loss / self.images.max(1) as f64,
            top: Vec::new(),
            mean_iou: None,
            confusion: None,
            roc: None,
            pck: None,
        };
        match self.answers {
            Answers::Floats(judge) => Metric { pck: judge.pck(), roc: judge.roc(), ..empty },
            Answers::Classes(Classes { scores, top, confusion, .. }) => Metric {
                top: top.into_iter().map(|(k, among)| (k, among as f64 / confusion.total().max(1) as f64)).collect(),
                mean_iou: (scores.places > 1).then(|| confusion.mean_iou()),
                confusion: Some(confusion),
                ..empty
            },
        }
    }
}

impl Classes {
    fn new(target: &ValueSpec, classes: usize, measures: &Measures) -> Self {
        let (scores, ignore) = (Scores::of(target, classes), target.ignore);
        // Of pixels nobody asks for it.
        let top = measures.top.iter().filter(|k| scores.places == 1 && **k < classes).map(|k| (*k, 0)).collect();
        Self { scores, ignore, top, confusion: Confusion::new(classes) }
    }

    /// Counts the answers, and returns the sum over the images of the mean cross-entropy of their places, as losses have it.
    fn add(&mut self, y: &[f32], labels: &[u32]) -> f64 {
        for (label, answer) in self.scores.compared(y, labels, self.ignore) {
            self.confusion.add(label as usize, answer as usize);
        }
        let has_class = |label: u32| self.ignore != Some(label);
        let Scores { classes, places } = self.scores;
        for (k, among) in &mut self.top {
            let images = y.chunks_exact(classes).zip(labels).filter(|(_, label)| has_class(**label));
            *among += images.map(|(image, label)| top_k(image, classes, &[*label], *k)).sum::<usize>();
        }
        let is_probability = self.scores.are_probabilities(y);
        let of_image = |(image, labels): (&[f32], &[u32])| {
            let counted = (0..).zip(labels).filter(|(_, label)| has_class(**label));
            let (sum, count) = counted.fold((0.0, 0_usize), |(sum, count), (place, label)| {
                (sum + self.scores.cross_entropy(image, place, *label, is_probability), count + 1)
            });
            sum / count.max(1) as f64
        };
        y.chunks_exact(self.scores.image_len()).zip(labels.chunks_exact(places)).map(of_image).sum()
    }
}
