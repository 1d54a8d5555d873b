//! What targets of floats are judged by, beside their squared error.

use std::vec::Vec;

use crate::data::{Answer, Dataset};
use crate::metrics::{Roc, pck};
use crate::{Spec, TargetKind};

/// Answers and truths of all images, of a target that is judged as a whole.
pub(super) enum Judge {
    /// A number that is to be 0 or 1.
    Same(Same),
    /// Points.
    Points(Points),
    /// By its error alone.
    Nothing,
}

impl Judge {
    /// Of a target, by position; a point is found within this share of the longer side of the box around the true points.
    pub(super) fn of(target: usize, spec: &Spec, data: &Dataset, share: f32) -> Self {
        let value = &spec.targets[target];
        let size = match spec.inputs {
            [input, ..] if input.shape.len() == 3 => [input.shape[2] as f32, input.shape[1] as f32],
            _ => [1.0, 1.0],
        };
        let points = |seen: bool| Points::new(seen, (value.image_len() - usize::from(seen)) / 2, size, share);
        match data.answer(target) {
            Some(Answer::Points) => Self::Points(points(false)),
            Some(Answer::SeenPoints) => Self::Points(points(true)),
            _ if value.kind == TargetKind::Float && value.image_len() == 1 => Self::Same(Same::default()),
            _ => Self::Nothing,
        }
    }

    /// Adds the answers to some images.
    pub(super) fn add(&mut self, answers: &[f32], targets: &[f32]) {
        match self {
            Self::Same(same) => same.add(answers, targets),
            Self::Points(points) => points.add(answers, targets),
            Self::Nothing => {}
        }
    }

    /// How well 0 and 1 are told apart, if the target is nothing else.
    pub(super) fn roc(&self) -> Option<Roc> {
        match self {
            Self::Same(Same { scores, same, other: false }) => Roc::new(scores, same),
            _ => None,
        }
    }

    /// How near is near enough, and the share of the points that are found, if there are any.
    pub(super) fn pck(&self) -> Option<(f32, f64)> {
        match self {
            Self::Points(p) if !p.lengths.is_empty() => {
                Some((p.share, pck(&p.found, &p.truth, p.points, &p.lengths, p.share)))
            }
            _ => None,
        }
    }
}

#[derive(Default)]
pub(super) struct Same {
    scores: Vec<f32>,
    same: Vec<bool>,
    /// Whether there was another number than 0 and 1: a quantity, not the answer to a question.
    other: bool,
}

impl Same {
    fn add(&mut self, answers: &[f32], targets: &[f32]) {
        self.other |= targets.iter().any(|&target| target != 0.0 && target != 1.0);
        self.scores.extend_from_slice(answers);
        self.same.extend(targets.iter().map(|&target| target == 1.0));
    }
}

/// Points in pixels of the network's input.
pub(super) struct Points {
    /// Whether a number in front of the points says that there are some.
    seen: bool,
    points: usize,
    /// Width and height of the input.
    size: [f32; 2],
    /// How near a point must be to count as found.
    share: f32,
    found: Vec<f32>,
    truth: Vec<f32>,
    /// The longer side of the box around the points of each picture.
    lengths: Vec<f32>,
}

impl Points {
    fn new(seen: bool, points: usize, size: [f32; 2], share: f32) -> Self {
        Self { seen, points, size, share, found: Vec::new(), truth: Vec::new(), lengths: Vec::new() }
    }

    fn add(&mut self, answers: &[f32], targets: &[f32]) {
        let (seen, len) = (usize::from(self.seen), usize::from(self.seen) + 2 * self.points);
        for (answer, target) in answers.chunks_exact(len).zip(targets.chunks_exact(len)) {
            let empty = if self.seen { target[0] == 0.0 } else { target.iter().all(|&x| x == 0.0) };
            if empty {
                continue;
            }
            let [width, height] = self.size;
            let pixels = |shares: &[f32]| -> Vec<f32> {
                shares.as_chunks::<2>().0.iter().flat_map(|[x, y]| [x * width, y * height]).collect()
            };
            let truth = pixels(&target[seen..]);
            self.lengths.push(longer_side(&truth));
            self.truth.extend(truth);
            self.found.extend(pixels(&answer[seen..]));
        }
    }
}

/// Of the box around points.
fn longer_side(points: &[f32]) -> f32 {
    let extent = |axis: usize| {
        let along = points.iter().copied().skip(axis).step_by(2);
        let (low, high) = along.fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
        high - low
    };
    extent(0).max(extent(1))
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::data::{Collection, Example, Picture, Pixels, Plan, Raster, TargetValues};
    use crate::testing::points::{PLACED, Points as Network, SCORES};
    use crate::train::{Measures, evaluate, evaluate_by};

    #[test]
    fn numbers_that_are_0_or_1_have_a_curve() {
        let data = |wanted: Vec<f32>| {
            let scores = vec![0.9, -0.5, 0.3, 0.1];
            Dataset::in_memory(&SCORES, vec![scores], vec![TargetValues::Floats(wanted)]).expect("four numbers")
        };
        let mut network = Network::new(&SCORES, 3);
        let metrics = evaluate(&mut network, &data(vec![1.0, 0.0, 0.0, 1.0]), 3).expect("metrics");
        assert_eq!(metrics.roc().expect("a curve").auc(), 0.75);
        let quantity = evaluate(&mut network, &data(vec![1.0, 0.0, 0.5, 1.0]), 3).expect("metrics");
        assert_eq!(quantity.roc(), None);
    }

    /// Pictures of five pixels, which the network takes for the answer: whether there are points, and x, y of two.
    fn pictures(answers: &[[u8; 5]], points: &[Vec<[f32; 2]>]) -> Dataset {
        let example = |(bytes, points): (&[u8; 5], &Vec<[f32; 2]>)| {
            let raster = Raster { width: 5, height: 1, channels: 1, bytes: bytes.to_vec() };
            let pixels = Pixels::Memory(std::sync::Arc::new(raster));
            Example { points: points.clone(), ..Example::new(pixels) }
        };
        let examples = answers.iter().zip(points).map(example).collect();
        let collection = Collection { examples, classes: Vec::new() };
        Dataset::photos_in_order(collection, &PLACED, &Picture::default(), &Plan::default()).expect("pictures")
    }

    #[test]
    fn points_within_a_tenth_of_their_extent_are_found() {
        // The points of the first picture are 4 pixels apart, so 0.4 pixels are near enough. One is found 0.1 pixels beside its
        // place, the other 0.5. The second picture has no points.
        let points = [vec![[0.5, 0.0], [4.5, 1.0]], Vec::new()];
        let answers = [[255, 31, 0, 204, 255], [255, 255, 255, 255, 255]];
        let metrics = evaluate(&mut Network::new(&PLACED, 2), &pictures(&answers, &points), 2).expect("metrics");
        assert_eq!(metrics.pck(), Some((0.1, 0.5)));
        let lax = Measures { pck: 0.2, ..Measures::default() };
        let metrics =
            evaluate_by(&mut Network::new(&PLACED, 2), &pictures(&answers, &points), 2, &lax).expect("metrics");
        assert_eq!(metrics.pck(), Some((0.2, 1.0)));
    }
}
