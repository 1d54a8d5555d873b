//! Epochs as a bar.

use cnnc_runtime::train::{Epoch, Observer};
use indicatif::ProgressBar;

/// Shows how many epochs of a run are done.
pub struct Watch(ProgressBar);

impl Watch {
    /// A bar for a run of so many epochs.
    pub fn epochs(what: &str, epochs: u64) -> Self {
        Self(crate::progress(what, epochs as usize))
    }
}

impl Observer for Watch {
    fn epoch(&mut self, _epoch: &Epoch) {
        self.0.inc(1);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
