//! Classifiers: how often they are right, and what they take for what.

use super::total;

/// For how many rows of `scores`, `classes` numbers each, the right class is among the `k` largest; all others are ImageNet's
/// top-k errors (Russakovsky et al. 2015: k is 5). Of equal numbers the first ones count as larger.
pub fn top_k(scores: &[f32], classes: usize, labels: &[u32], k: usize) -> usize {
    let is_in = |(row, &label): (&[f32], &u32)| {
        let Some(&right) = row.get(label as usize) else { return false };
        let ahead = row.iter().enumerate().filter(|&(i, &x)| x > right || (x == right && i < label as usize)).count();
        !right.is_nan() && ahead < k
    };
    scores.chunks_exact(classes.max(1)).zip(labels).filter(|&pair| is_in(pair)).count()
}

/// How often what was taken for what: a confusion matrix, and what follows from it (Fawcett 2006, section 2; of maps of classes
/// Long, Shelhamer & Darrell 2015, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// How well one class is told from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassMetrics {
    /// How many are of this class.
    pub support: u64,
    /// Of those taken for it, the share that is; 0 where none was.
    pub precision: f64,
    /// Of those that are, the share taken for it; 0 where none is.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Confusion {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one answer.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn add(&mut self, truth: usize, answer: usize) {
        assert!(truth < self.classes && answer < self.classes, "one of {} classes", self.classes);
        self.counts[truth * self.classes + answer] += 1;
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often a class was taken for another, or for itself.
    pub fn count(&self, truth: usize, answer: usize) -> u64 {
        self.counts[truth * self.classes + answer]
    }

    /// All answers.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many answers are right.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// The share of right answers; 0 where there are none.
    pub fn accuracy(&self) -> f64 {
        share(self.correct(), self.total())
    }

    /// Of what is of this class or was taken for it, the share of which both are true: intersection over union. `None` where
    /// there is none of both.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let right = self.count(class, class);
        let union = self.class(class).support + self.taken(class) - right;
        (union > 0).then(|| share(right, union))
    }

    /// The mean intersection over union (Long, Shelhamer & Darrell 2015, section 5) of the classes that occur, in truth or in an
    /// answer; 0 where none does.
    pub fn mean_iou(&self) -> f64 {
        let ious: Vec<f64> = (0..self.classes).filter_map(|class| self.iou(class)).collect();
        total(ious.iter().copied()) / ious.len().max(1) as f64
    }

    /// How many were taken for a class.
    fn taken(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.count(truth, class)).sum()
    }

    /// Precision, recall and F1 of one class against all others.
    pub fn class(&self, class: usize) -> ClassMetrics {
        let right = self.count(class, class);
        let support = (0..self.classes).map(|answer| self.count(class, answer)).sum();
        let taken = self.taken(class);
        ClassMetrics {
            support,
            precision: share(right, taken),
            recall: share(right, support),
            f1: share(2 * right, taken + support),
        }
    }

    /// The mean over all classes, each with the same weight ("macro").
    pub fn mean(&self) -> ClassMetrics {
        self.mean_over(|_| true)
    }

    /// The same over the classes that there are examples of.
    pub fn mean_of_present(&self) -> ClassMetrics {
        self.mean_over(|metrics| metrics.support > 0)
    }

    fn mean_over(&self, counts: impl Fn(&ClassMetrics) -> bool) -> ClassMetrics {
        let classes: Vec<ClassMetrics> = (0..self.classes).map(|class| self.class(class)).filter(counts).collect();
        let mean = |f: fn(&ClassMetrics) -> f64| total(classes.iter().map(f)) / classes.len().max(1) as f64;
        ClassMetrics {
            support: self.total(),
            precision: mean(|m| m.precision),
            recall: mean(|m| m.recall),
            f1: mean(|m| m.f1),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_class_among_the_first() {
        let scores = [0.1, 0.5, 0.4, 0.3, 0.3, 0.4];
        assert_eq!([1, 2, 3].map(|k| top_k(&scores, 3, &[2, 1], k)), [0, 1, 2]);
        assert_eq!(top_k(&scores, 3, &[1, 2], 1), 2);
        assert_eq!(top_k(&[f32::NAN, f32::NAN], 2, &[0], 2), 0);
    }

    #[test]
    fn one_class_against_the_others() {
        let mut confusion = Confusion::new(3);
        for (truth, answer) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (1, 0), (1, 1)] {
            confusion.add(truth, answer);
        }
        assert_eq!(confusion.accuracy(), 4.0 / 7.0);
        let first = confusion.class(0);
        assert_eq!((first.support, first.precision, first.recall), (3, 0.5, 2.0 / 3.0));
        assert_eq!(first.f1, 4.0 / 7.0);
        assert_eq!(confusion.class(2), ClassMetrics { support: 0, precision: 0.0, recall: 0.0, f1: 0.0 });
        assert_eq!(confusion.mean().recall, (2.0 / 3.0 + 0.5) / 3.0);
        assert_eq!(confusion.mean_of_present().recall, (2.0 / 3.0 + 0.5) / 2.0);
        assert_eq!(Confusion::new(2).mean_of_present().f1, 0.0);
        assert_eq!([0, 1, 2].map(|class| confusion.iou(class)), [Some(2.0 / 5.0), Some(2.0 / 5.0), None]);
        assert_eq!((confusion.mean_iou(), Confusion::new(2).mean_iou()), (2.0 / 5.0, 0.0));
    }
}
