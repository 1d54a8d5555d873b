//! Names of layers.
//!
//! A layer is named by `as`, else after its operator or block and a number: `conv1`, `conv2`, `bottleneck1`. Numbers count
//! the unnamed calls of one operator in one block call, so an activation more or less does not rename convolutions. Names
//! nest with dots: `bottleneck1.conv1.weight`.

use std::collections::HashMap;

/// The block calls under way, innermost last; the first is the net itself.
#[derive(Debug, Default)]
pub struct Layers {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    prefix: String,
    counts: HashMap<String, usize>,
}

impl Layers {
    /// In the net itself.
    pub fn new() -> Self {
        Self { calls: vec![Call::default()] }
    }

    /// The full name of a call of `callee`.
    pub fn name(&mut self, callee: &str, given: Option<&str>) -> String {
        let call = self.calls.last_mut().expect("the net is never left");
        let last = match given {
            Some(name) => name.to_owned(),
            None => {
                let count = call.counts.entry(callee.to_owned()).or_insert(0);
                *count += 1;
                format!("{callee}{count}")
            }
        };
        if call.prefix.is_empty() { last } else { format!("{}.{last}", call.prefix) }
    }

    /// Enters a block call with this full name; numbers start anew, so a `shared` block finds the same names each time.
    pub fn enter(&mut self, name: &str) {
        self.calls.push(Call { prefix: name.to_owned(), counts: HashMap::new() });
    }

    /// Leaves it.
    pub fn leave(&mut self) {
        self.calls.pop();
    }
}
