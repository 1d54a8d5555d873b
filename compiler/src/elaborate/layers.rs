//! Names of layers.
//!
//! A layer is named by `as`, else after its operator or block and a number: `conv1`, `conv2`, `bottleneck1`. Numbers count
//! the unnamed calls of one operator in one block call, so an activation more or less does not rename convolutions. Names
//! nest with dots: `bottleneck1.conv1.weight`.

use std::collections::HashMap;

/// The names given so far and the block calls under way.
#[derive(Debug, Default)]
pub struct Layers {
    counts: HashMap<(String, String), usize>,
    prefix: String,
}

impl Layers {
    /// The full name of a call of `callee`.
    pub fn name(&mut self, callee: &str, given: Option<&str>) -> String {
        let last = match given {
            Some(name) => name.to_owned(),
            None => {
                let count = self.counts.entry((self.prefix.clone(), callee.to_owned())).or_insert(0);
                *count += 1;
                format!("{callee}{count}")
            }
        };
        if self.prefix.is_empty() { last } else { format!("{}.{last}", self.prefix) }
    }

    /// Enters a block call with this full name; returns what [`leave`](Self::leave) needs.
    pub fn enter(&mut self, name: &str) -> String {
        std::mem::replace(&mut self.prefix, name.to_owned())
    }

    /// Leaves it.
    pub fn leave(&mut self, before: String) {
        self.prefix = before;
    }

    /// Forgets the numbers under a name, for a further call of a `shared` instance.
    pub fn restart(&mut self, name: &str) {
        let below = format!("{name}.");
        self.counts.retain(|(prefix, _), _| prefix != name && !prefix.starts_with(&below));
    }
}
