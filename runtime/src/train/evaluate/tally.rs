//! What is seen of an epoch while it goes on.

use super::pairs;
use super::scores::{largest, rows};
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
            (!y.is_empty()).then(|| correct(&rows(y, classes, target.image_len()), labels, classes, target.ignore))
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

/// How many rows have their largest score at the right class, of how many that have a class.
fn correct(rows: &[f32], labels: &[u32], classes: usize, ignore: Option<u32>) -> (usize, usize) {
    let counted = rows.chunks_exact(classes).zip(labels).filter(|(_, label)| ignore != Some(**label));
    counted.fold((0, 0), |(right, of), (y, label)| (right + usize::from(largest(y) == *label as usize), of + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_a_class_do_not_count() {
        let logits = [1.0_f32, -2.0, 0.5, 3.0, 3.0, -1.0];
        assert_eq!(correct(&logits, &[0, 0], 3, None), (2, 2));
        assert_eq!(correct(&logits, &[0, 1], 3, None), (1, 2));
        assert_eq!(correct(&logits, &[0, 9], 3, Some(9)), (1, 1));
    }
}
