//! Scores of classes: which is highest, how probable the right one is.

use std::vec;
use std::vec::Vec;

use crate::ValueSpec;

/// How scores lie in memory: images `[classes, places]`, of a map all places of a class together; a class for each image is one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    pub(super) classes: usize,
    pub(super) places: usize,
}

impl Scores {
    /// Those for a target of so many classes.
    pub(super) fn of(target: &ValueSpec, classes: usize) -> Self {
        Self { classes, places: target.image_len() }
    }

    /// Numbers of an image.
    pub(super) fn image_len(self) -> usize {
        self.classes * self.places
    }

    /// Of a place of an image, class after class.
    pub(super) fn at(self, image: &[f32], place: usize) -> impl Iterator<Item = f32> + Clone {
        image[place..].iter().step_by(self.places).copied()
    }

    fn at_mut(self, image: &mut [f32], place: usize) -> impl Iterator<Item = &mut f32> {
        image[place..].iter_mut().step_by(self.places)
    }

    /// The class of the highest score of each place, the first one if there are several. Plane after plane, as they lie in memory.
    fn highest(self, y: &[f32]) -> Vec<u32> {
        let mut classes = vec![0; y.len() / self.classes];
        let mut scores = vec![0.0; self.places];
        for (image, classes) in y.chunks_exact(self.image_len()).zip(classes.chunks_exact_mut(self.places)) {
            let (first, others) = image.split_at(self.places);
            scores.copy_from_slice(first);
            for (class, plane) in (1..).zip(others.chunks_exact(self.places)) {
                for ((score, highest), answer) in plane.iter().zip(&mut scores).zip(&mut *classes) {
                    // Without a branch, many places at once.
                    (*highest, *answer) = if score > highest { (*score, class) } else { (*highest, *answer) };
                }
            }
        }
        classes
    }

    /// The label of each place and the class of its highest score, but for places whose label says that they have no class.
    pub(super) fn compared(self, y: &[f32], labels: &[u32], ignore: Option<u32>) -> impl Iterator<Item = (u32, u32)> {
        labels.iter().copied().zip(self.highest(y)).filter(move |(label, _)| ignore != Some(*label))
    }

    /// The scores as probabilities, which they may be already.
    pub(super) fn probabilities(self, y: &[f32]) -> Vec<f32> {
        let mut y = y.to_vec();
        if self.are_probabilities(&y) {
            return y;
        }
        for image in y.chunks_exact_mut(self.image_len()) {
            for place in 0..self.places {
                let most = self.at(image, place).fold(f32::NEG_INFINITY, f32::max);
                self.at_mut(image, place).for_each(|score| *score = (*score - most).exp());
                let sum: f32 = self.at(image, place).sum();
                self.at_mut(image, place).for_each(|score| *score /= sum);
            }
        }
        y
    }

    /// Whether the scores of every place are a distribution.
    pub(super) fn are_probabilities(self, y: &[f32]) -> bool {
        let is_distribution = |image: &[f32], place: usize| {
            let is_share = |score: f32| score >= 0.0;
            let sum = || self.at(image, place).map(f64::from).sum::<f64>();
            self.at(image, place).all(is_share) && (sum() - 1.0).abs() < 1e-3
        };
        let mut images = y.chunks_exact(self.image_len());
        images.all(|image| (0..self.places).all(|place| is_distribution(image, place)))
    }

    /// Of a place of an image: of probabilities, or of their logarithms up to a constant.
    pub(super) fn cross_entropy(self, image: &[f32], place: usize, label: u32, is_probability: bool) -> f64 {
        let right = image[label as usize * self.places + place];
        if is_probability {
            return -f64::from(right.max(f32::MIN_POSITIVE)).ln();
        }
        let most = f64::from(self.at(image, place).fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = self.at(image, place).map(|score| (f64::from(score) - most).exp()).sum();
        sum.ln() + most - f64::from(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_logits_give_the_same() {
        let logits = [1.0_f32, -2.0, 0.5, 3.0, 3.0, -1.0];
        let scores = Scores { classes: 3, places: 1 };
        let softmax = scores.probabilities(&logits);
        for (image, label) in [(0..3, 2), (3..6, 1)] {
            let a = scores.cross_entropy(&logits[image.clone()], 0, label, false);
            let b = scores.cross_entropy(&softmax[image], 0, label, true);
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert!(scores.are_probabilities(&softmax) && !scores.are_probabilities(&logits));
        assert_eq!(scores.probabilities(&softmax), softmax);
        assert!(Scores { classes: 2, ..scores }.cross_entropy(&[1.0, 0.0], 0, 1, true).is_finite());
        assert_eq!(scores.highest(&[3.0, 3.0, -1.0, f32::NAN, 1.0, 2.0]), [0, 0]);
    }

    #[test]
    fn maps_are_read_where_they_lie() {
        // Two images of two classes at three places, and the same as rows.
        let y = [0.0, 9.0, 1.0, 2.0, 3.0, 1.0, 5.0, -1.0, 7.0, 6.0, -2.0, 8.0_f32];
        let rows = [0.0, 2.0, 9.0, 3.0, 1.0, 1.0, 5.0, 6.0, -1.0, -2.0, 7.0, 8.0_f32];
        let (maps, alone) = (Scores { classes: 2, places: 3 }, Scores { classes: 2, places: 1 });
        assert_eq!(maps.highest(&y), [1, 0, 0, 1, 0, 1]);
        assert_eq!(alone.highest(&rows), maps.highest(&y));
        let labels = [1, 9, 1, 1, 0, 0];
        let compared: Vec<(u32, u32)> = maps.compared(&y, &labels, Some(9)).collect();
        assert_eq!(compared, [(1, 1), (1, 0), (1, 1), (0, 0), (0, 1)]);
        let (of_maps, of_rows) = (maps.probabilities(&y), alone.probabilities(&rows));
        assert!(maps.are_probabilities(&of_maps) && !maps.are_probabilities(&y));
        for (i, row) in of_rows.chunks_exact(2).enumerate() {
            let (image, place) = (&of_maps[i / 3 * 6..][..6], i % 3);
            assert_eq!(maps.at(image, place).collect::<Vec<_>>(), row);
            assert_eq!(maps.cross_entropy(image, place, 1, true), alone.cross_entropy(row, 0, 1, true));
        }
    }
}
