//! What is seen of an epoch while it goes on.

use super::pairs;
use super::scores::Scores;
use crate::{Network, TargetKind, Targets};

/// What was seen of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::train) struct Tally {
    pub(in crate::train) images: usize,
    pub(in crate::train) loss_sum: f64,
    /// How many were classified right, of how many, where there is something to classify: images, or of maps pixels.
    pub(in crate::train) correct: Option<(usize, usize)>,
}

impl Tally {
    /// Adds a training step, whose outputs the network still has.
    pub(in crate::train) fn add(&mut self, network: &dyn Network, targets: &[Targets<'_>], count: usize, loss: f32) {
        let first = self.images == 0;
        self.images += count;
        self.loss_sum += f64::from(loss) * count as f64;
        let spec = network.spec();
        let seen = pairs(spec).into_iter().find_map(|pair| {
            let (target, y) = (&spec.targets[pair.target], network.output(pair.output));
            let (TargetKind::Class(classes), Targets::Classes(labels)) = (target.kind, targets[pair.target]) else {
                return None;
            };
            // Some outputs are not computed in training.
            (!y.is_empty()).then(|| correct(Scores::of(target, classes).compared(y, labels, target.ignore)))
        });
        self.correct = seen.and_then(|(right, of)| {
            let (before, of_before) = if first { (0, 0) } else { self.correct? };
            Some((before + right, of_before + of))
        });
    }

    pub(in crate::train) fn images(&self) -> usize {
        self.images
    }

    pub(in crate::train) fn loss(&self) -> f64 {
        self.loss_sum / self.images.max(1) as f64
    }

    pub(in crate::train) fn accuracy(&self) -> Option<f64> {
        self.correct.map(|(right, of)| right as f64 / of.max(1) as f64)
    }
}

/// Of labels and what they were taken for, how many are the same, of how many.
fn correct(compared: impl Iterator<Item = (u32, u32)>) -> (usize, usize) {
    compared.fold((0, 0), |(right, of), (label, answer)| (right + usize::from(label == answer), of + 1))
}
