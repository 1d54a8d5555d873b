//! Parts of data sets.

use std::ops::Range;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

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
    /// The positions among `len`; an error where there are not so many, or none is left.
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
