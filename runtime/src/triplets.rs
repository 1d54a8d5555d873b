//! Which triplets of a batch teach something: mining for the triplet loss.

use alloc::vec::Vec;

/// Positions in a batch of an anchor, another picture of its class and one of another class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triplet {
    /// What the others are compared with.
    pub anchor: usize,
    /// One of the same class.
    pub positive: usize,
    /// One of another class.
    pub negative: usize,
}

/// A triplet for each anchor and positive of a batch, with a semi-hard negative (Schroff, Kalenichenko & Philbin 2015, section 3.2): the
/// nearest to the anchor of those that are farther than the positive, since nearer ones let early training collapse. Where none is
/// farther, the farthest. `distance` is that of two positions; `classes` has the class at each. A batch without two of a class, or
/// of one class only, has no triplets.
pub fn semi_hard(classes: &[u32], distance: impl Fn(usize, usize) -> f32) -> Vec<Triplet> {
    let all = 0..classes.len();
    let mut triplets = Vec::new();
    for anchor in all.clone() {
        let mut others: Vec<(f32, usize)> = all
            .clone()
            .filter(|other| classes[*other] != classes[anchor])
            .map(|other| (distance(anchor, other), other))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        for positive in all.clone().filter(|other| *other != anchor && classes[*other] == classes[anchor]) {
            let near = distance(anchor, positive);
            let semi_hard = others.iter().find(|other| other.0 > near).or(others.last());
            triplets.extend(semi_hard.map(|&(_, negative)| Triplet { anchor, positive, negative }));
        }
    }
    triplets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_are_just_farther_than_positives() {
        let places = [0.0_f32, 2.0, 1.0, 3.0, 9.0];
        let distance = |a: usize, b: usize| (places[a] - places[b]).abs();
        let found = semi_hard(&[0, 0, 1, 1, 1], distance);
        let negative = |anchor, positive| {
            found.iter().find(|t| (t.anchor, t.positive) == (anchor, positive)).map(|triplet| triplet.negative)
        };
        assert_eq!(found.len(), 2 + 6);
        // The one at 1 is nearer than the positive at 2.
        assert_eq!(negative(0, 1), Some(3));
        // Nothing is farther from the place 9 than its positive at 1 but the place 0.
        assert_eq!(negative(4, 2), Some(0));
        assert_eq!(negative(2, 4), Some(1));
        assert!(semi_hard(&[0, 1, 2], distance).is_empty());
        assert!(semi_hard(&[0, 0], distance).is_empty());
    }
}
