//! Which photos make one item: one, or two or three that are compared.

use std::ops::Range;

use super::Collection;
use crate::random::Random;

/// Photos and a list of those that are compared with each other, as protocols of verification have it: `pairs.txt` of Labeled Faces
/// in the Wild (Huang, Ramesh, Berg & Learned-Miller 2007).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparisons {
    /// The photos, each once.
    pub photos: Collection,
    /// Numbers of photos; all pairs, or all triplets.
    pub list: Vec<Comparison>,
}

/// Photos that are compared, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Two, and whether they show the same.
    Pair([usize; 2], bool),
    /// An anchor, one that shows the same, and one that does not.
    Triplet([usize; 3]),
}

impl Comparison {
    fn photos(&self) -> &[usize] {
        match self {
            Self::Pair(photos, _) => photos,
            Self::Triplet(photos) => photos,
        }
    }
}

/// Where the photos of an item come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Each alone.
    One,
    /// Each with a second one, as often as not of the same class.
    Pair,
    /// Each with a second one of the same class and one of another.
    Triplet,
    /// From a list.
    Given(Vec<Comparison>),
}

impl Sampling {
    /// For a network that takes one, two or three photos.
    pub(super) fn by_class(inputs: usize, photos: &Collection, net: &str) -> Result<Self, String> {
        let sampling = match inputs {
            1 => return Ok(Self::One),
            2 => Self::Pair,
            _ => Self::Triplet,
        };
        match photos.examples.iter().all(|example| example.class.is_some()) {
            true => Ok(sampling),
            false => Err(format!("{net} compares photos by their class, but not all of them have one")),
        }
    }

    /// Of a list, each of whose comparisons must be of as many photos as the network takes, and only ones that are there.
    pub(super) fn given(list: Vec<Comparison>, inputs: usize, photos: usize, net: &str) -> Result<Self, String> {
        for comparison in &list {
            let count = comparison.photos().len();
            if count != inputs {
                let kind = if count == 2 { "pairs" } else { "triplets" };
                let takes = if inputs == 1 { "one photo".to_owned() } else { format!("{inputs} photos") };
                return Err(format!("the list is of {kind}, but {net} takes {takes}"));
            }
            if let Some(photo) = comparison.photos().iter().find(|photo| **photo >= photos) {
                return Err(format!("the list has photo {photo}, but there are {photos}"));
            }
        }
        Ok(Self::Given(list))
    }

    /// How many items a list has.
    pub(super) fn listed(&self) -> Option<usize> {
        match self {
            Self::Given(list) => Some(list.len()),
            _ => None,
        }
    }

    /// Whether two photos make an item.
    pub(super) fn is_of_pairs(&self) -> bool {
        match self {
            Self::Given(list) => list.first().is_some_and(|comparison| matches!(comparison, Comparison::Pair(..))),
            other => *other == Self::Pair,
        }
    }

    /// The number of the first photo of an item.
    pub(super) fn first(&self, position: usize) -> usize {
        match self {
            Self::Given(list) => list[position].photos()[0],
            _ => position,
        }
    }

    /// The other photos of an item, and whether the second one shows the same. `range` are the positions among which they are drawn.
    pub(super) fn others(
        &self,
        position: usize,
        range: &Range<usize>,
        class: impl Fn(usize) -> Option<u32>,
        random: &mut Random,
    ) -> (Vec<usize>, bool) {
        let as_often_as_not = random.bits() & 1 == 0;
        let mut find = |same: bool| {
            let fits = |other: &usize| *other != position && (class(*other) == class(position)) == same;
            let start = random.below(range.len() as u64) as usize;
            let mut around = (0..range.len()).map(|i| range.start + (start + i) % range.len());
            // A class of one photo only is compared with itself.
            around.find(fits).unwrap_or(position)
        };
        match self {
            Self::One => (Vec::new(), false),
            Self::Pair => {
                let other = find(as_often_as_not);
                (vec![other], class(other) == class(position))
            }
            Self::Triplet => (vec![find(true), find(false)], true),
            Self::Given(list) => match &list[position] {
                Comparison::Pair([_, other], same) => (vec![*other], *same),
                Comparison::Triplet([_, positive, negative]) => (vec![*positive, *negative], true),
            },
        }
    }
}
