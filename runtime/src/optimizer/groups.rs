//! Weights, by name, whose learning rate or weight decay is another than that of the others.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use super::rule::not_negative;

/// Trained weights with factors of their own, as parameter groups of `torch.optim` have numbers of their own. A weight belongs
/// to the first group that it fits.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Group {
    /// Which weights, see [`fits`].
    #[cfg_attr(feature = "harness", serde(rename = "match"))]
    pub pattern: String,
    /// Times the rule's weight decay; 0 or more. Beside that, [`DecayOn`](super::DecayOn) holds.
    #[cfg_attr(feature = "harness", serde(default = "one"))]
    pub decay: f64,
    /// Times the rule's learning rate; 0 or more.
    #[cfg_attr(feature = "harness", serde(default = "one"))]
    pub learning_rate: f64,
}

#[cfg(feature = "harness")]
fn one() -> f64 {
    1.0
}

impl Group {
    /// Whether both factors are in their ranges.
    ///
    /// # Errors
    /// Says which is not and what would fit.
    pub fn check(&self) -> Result<(), String> {
        not_negative("decay", self.decay)?;
        not_negative("learning_rate", self.learning_rate)
    }

    /// The group of a weight.
    pub fn of<'g>(groups: &'g [Self], name: &str) -> Option<&'g Self> {
        groups.iter().find(|group| fits(&group.pattern, name))
    }

    /// A group that none of these weights belongs to.
    pub fn without<'g, 'n>(groups: &'g [Self], names: impl Iterator<Item = &'n str>) -> Option<&'g Self> {
        let found: Vec<Option<&Self>> = names.map(|name| Self::of(groups, name)).collect();
        groups.iter().find(|group| !found.iter().flatten().any(|found| core::ptr::eq(*found, *group)))
    }
}

/// Whether a weight's name fits a pattern: `*` stands for any characters, and what a pattern names has all that is below it,
/// so that `features` fits `features.0.weight`, as `*.bias` fits all biases.
pub fn fits(pattern: &str, name: &str) -> bool {
    // Bytes do as well as characters: none of a character's later ones is the first of another.
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of_name) = (0, 0);
    // Behind the last `*`, and what it stands for ends there. What earlier ones stand for need not change: each is as short as
    // it can be, which leaves the most to those behind.
    let mut star = None;
    loop {
        match (pattern.get(at), name.get(of_name)) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, of_name));
            }
            (None, None | Some(b'.')) => return true,
            (Some(wanted), Some(found)) if wanted == found => (at, of_name) = (at + 1, of_name + 1),
            _ => match star {
                Some((behind, end)) if end < name.len() => {
                    (at, of_name) = (behind, end + 1);
                    star = Some((at, of_name));
                }
                _ => return false,
            },
        }
    }
}
