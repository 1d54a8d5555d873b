//! What answers are measured by, where people choose.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

/// Numbers that answers are measured by.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Measures {
    /// Top-k accuracies: for each k the share of images whose right class is among the k largest outputs, where there are more
    /// classes.
    pub top: Vec<usize>,
    /// How near a point must be to count as found (PCK, Yang & Ramanan 2013), as a share of the longer side of the box around
    /// the true points of the picture.
    pub pck: f32,
}

impl Default for Measures {
    /// Top-5 accuracy, and points within a tenth.
    fn default() -> Self {
        Self { top: vec![5], pck: 0.1 }
    }
}

impl Measures {
    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    /// Says which is not, and what would fit.
    pub fn check(&self) -> Result<(), String> {
        if self.top.contains(&0) {
            return Err(String::from("`top` has 0, but all its numbers must be at least 1"));
        }
        match self.pck > 0.0 && self.pck <= 1.0 {
            true => Ok(()),
            false => Err(format!("`pck` is {}, but it must be above 0 and at most 1", self.pck)),
        }
    }
}
