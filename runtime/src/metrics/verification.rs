//! Verifiers, which tell by a distance whether two pictures show the same: ROC curve, AUC and equal error rate (Fawcett 2006,
//! "An introduction to ROC analysis").

/// A curve of true over false acceptances: what is accepted when the threshold goes from the strictest to the laxest (Fawcett
/// 2006; equal scores make one point).
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    points: Vec<RocPoint>,
}

/// What a threshold accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// Scores of at least this are accepted.
    pub threshold: f32,
    /// Of different pairs the share that is accepted.
    pub false_positive_rate: f64,
    /// Of same pairs the share that is accepted.
    pub true_positive_rate: f64,
}

impl Roc {
    /// The curve of scores that are high for same pairs, `true`. For distances take their negatives. `None` where one of the
    /// kinds is missing, or a score is NaN.
    pub fn new(scores: &[f32], same: &[bool]) -> Option<Self> {
        let mut pairs: Vec<(f32, bool)> = scores.iter().copied().zip(same.iter().copied()).collect();
        let all_same = pairs.iter().filter(|pair| pair.1).count() as f64;
        let all_different = pairs.len() as f64 - all_same;
        if all_same == 0.0 || all_different == 0.0 || scores.len() != same.len() || scores.iter().any(|s| s.is_nan()) {
            return None;
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut points = vec![RocPoint { threshold: f32::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
        let (mut accepted_same, mut accepted_different) = (0.0, 0.0);
        // Equal scores are accepted together.
        for equal in pairs.chunk_by(|a, b| a.0 == b.0) {
            let same = equal.iter().filter(|pair| pair.1).count() as f64;
            accepted_same += same;
            accepted_different += equal.len() as f64 - same;
            points.push(RocPoint {
                threshold: equal[0].0,
                false_positive_rate: accepted_different / all_different,
                true_positive_rate: accepted_same / all_same,
            });
        }
        Some(Self { points })
    }

    /// From (0, 0) to (1, 1).
    pub fn points(&self) -> &[RocPoint] {
        &self.points
    }

    /// The area under the curve: how probably a same pair has a higher score than a different one; equal scores count half
    /// (Fawcett 2006, section 7).
    pub fn auc(&self) -> f64 {
        let area = |pair: &[RocPoint]| {
            (pair[1].false_positive_rate - pair[0].false_positive_rate)
                * (pair[0].true_positive_rate + pair[1].true_positive_rate)
                / 2.0
        };
        self.points.windows(2).map(area).sum()
    }

    /// The equal error rate, as verifiers are compared by it: where as many same pairs are refused as different ones accepted, on the
    /// line between the two points of the curve around it. Also the threshold of the nearer of these.
    pub fn equal_error(&self) -> (f64, f32) {
        // From -1 at the strictest threshold to 1.
        let excess = |p: &RocPoint| p.false_positive_rate - (1.0 - p.true_positive_rate);
        let after = self.points.iter().position(|p| excess(p) >= 0.0).unwrap_or(self.points.len() - 1).max(1);
        let (a, b) = (&self.points[after - 1], &self.points[after]);
        let at = -excess(a) / (excess(b) - excess(a));
        let rate = a.false_positive_rate + at * (b.false_positive_rate - a.false_positive_rate);
        (rate, if at < 0.5 && a.threshold.is_finite() { a.threshold } else { b.threshold })
    }

    /// The threshold with the most right answers, if both kinds are equally frequent, and their share. It is that of a score, also where
    /// to call all different would be as right.
    pub fn best_threshold(&self) -> (f32, f64) {
        let accuracy = |p: &RocPoint| (p.true_positive_rate + 1.0 - p.false_positive_rate) / 2.0;
        // The first point, above all scores, has none.
        let (first, others) = (&self.points[1], &self.points[2..]);
        let best = others.iter().fold(first, |best, p| if accuracy(p) > accuracy(best) { p } else { best });
        (best.threshold, accuracy(best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn area_is_the_share_of_ordered_pairs(pairs in prop::collection::vec((0_u8..12, any::<bool>()), 2..60)) {
            let scores: Vec<f32> = pairs.iter().map(|pair| f32::from(pair.0)).collect();
            let same: Vec<bool> = pairs.iter().map(|pair| pair.1).collect();
            let of = |kind| pairs.iter().filter(move |pair| pair.1 == kind).map(|pair| pair.0);
            let all = of(true).count() * of(false).count();
            match Roc::new(&scores, &same) {
                None => prop_assert_eq!(all, 0),
                Some(roc) => {
                    let won = |a: u8, b: u8| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                    let sum: f64 = of(true).map(|a| of(false).map(|b| won(a, b)).sum::<f64>()).sum();
                    prop_assert!((roc.auc() - sum / all as f64).abs() < 1e-9);
                    let (rate, _) = roc.equal_error();
                    prop_assert!((0.0..=1.0).contains(&rate));
                }
            }
        }
    }

    #[test]
    fn errors_are_equal_where_the_curve_crosses() {
        // One of four same pairs below, one of four different pairs above.
        let scores = [0.9, 0.8, 0.7, 0.2, 0.75, 0.1, 0.15, 0.05];
        let same = [true, true, true, true, false, false, false, false];
        let roc = Roc::new(&scores, &same).expect("both kinds");
        assert_eq!(roc.equal_error(), (0.25, 0.7));
        assert_eq!(roc.best_threshold().1, 0.875);
        let perfect = Roc::new(&[1.0, 0.0], &[true, false]).expect("both kinds");
        assert_eq!((perfect.auc(), perfect.equal_error()), (1.0, (0.0, 1.0)));
        assert_eq!(Roc::new(&[1.0, f32::NAN], &[true, false]), None);
    }
}
