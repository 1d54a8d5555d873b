//! Parts of data sets.

use std::ops::Range;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Some of the images of a data set, in the order of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Part {
    /// All of them.
    #[default]
    All,
    /// This many at the start.
    First(usize),
    /// This many at the end.
    Last(usize),
    /// All but this many at the start.
    WithoutFirst(usize),
    /// All but this many at the end.
    WithoutLast(usize),
    /// From one position up to, not including, another.
    Range(usize, usize),
}

impl Part {
    /// The positions among `len`.
    ///
    /// # Errors
    ///
    /// There are not so many, or none is left.
    pub fn range(self, len: usize) -> Result<Range<usize>, String> {
        let (start, end) = match self {
            Self::All => (0, len),
            Self::First(n) => (0, n),
            Self::Last(n) => (len.wrapping_sub(n), len),
            Self::WithoutFirst(n) => (n, len),
            Self::WithoutLast(n) => (0, len.wrapping_sub(n)),
            Self::Range(start, end) => (start, end),
        };
        if start > len || end > len {
            return Err(format!("{self} is more than there is: {len} images"));
        }
        if start >= end {
            return Err(format!("{self} of {len} images leaves none"));
        }
        Ok(start..end)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => write!(f, "all"),
            Self::First(n) => write!(f, "the first {n}"),
            Self::Last(n) => write!(f, "the last {n}"),
            Self::WithoutFirst(n) => write!(f, "all but the first {n}"),
            Self::WithoutLast(n) => write!(f, "all but the last {n}"),
            Self::Range(start, end) => write!(f, "number {start} up to {end}"),
        }
    }
}

/// Divides images so that each class is in both parts: of each, `share` (0 to 1) of the images, rounded, at random, are in the
/// first part, but at least one. Both parts ascend.
pub fn stratified(labels: &[u32], share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let classes = labels.iter().max().map_or(0, |most| most + 1);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for class in 0..classes {
        let mut images: Vec<usize> = (0..labels.len()).filter(|&image| labels[image] == class).collect();
        Random::numbered(seed, u64::from(class)).shuffle(&mut images);
        let count = ((images.len() as f64 * share).round() as usize).clamp(images.len().min(1), images.len());
        rest.extend(images.split_off(count));
        first.extend(images);
    }
    first.sort_unstable();
    rest.sort_unstable();
    (first, rest)
}

#[cfg(test)]
mod tests {
    use super::stratified;

    #[test]
    fn each_class_is_in_both_parts() {
        let labels: Vec<u32> = (0..113)
            .map(|i| {
                if i < 100 {
                    0
                } else if i < 110 {
                    3
                } else {
                    4
                }
            })
            .chain([7])
            .collect();
        let (first, rest) = stratified(&labels, 0.7, 1);
        let count = |part: &[usize], class: u32| part.iter().filter(|&&image| labels[image] == class).count();
        assert_eq!([0, 3, 4, 7].map(|class| count(&first, class)), [70, 7, 2, 1]);
        assert_eq!([0, 3, 4, 7].map(|class| count(&rest, class)), [30, 3, 1, 0]);
        let mut all = [first.clone(), rest].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..labels.len()));
        assert_eq!(stratified(&labels, 0.7, 1).0, first);
        assert_ne!(stratified(&labels, 0.7, 2).0, first);
        assert_eq!(stratified(&[], 0.7, 1), (vec![], vec![]));
    }
}
