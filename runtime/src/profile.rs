//! Times of the steps of a pass, for `cnnc bench --layers`.

use std::time::{Duration, Instant};
use std::vec::Vec;

/// When each step of the last pass ended.
///
/// Only code emitted for profiling calls [`lap`](Self::lap).
#[derive(Clone, Debug)]
pub struct Profile {
    start: Instant,
    ends: Vec<Duration>,
}

impl Default for Profile {
    fn default() -> Self {
        // Passes of more steps than this would allocate once while they are timed.
        Self { start: Instant::now(), ends: Vec::with_capacity(4096) }
    }
}

impl Profile {
    /// A pass begins.
    pub fn start(&mut self) {
        self.ends.clear();
        self.start = Instant::now();
    }

    /// A step has ended.
    #[inline]
    pub fn lap(&mut self) {
        self.ends.push(self.start.elapsed());
    }

    /// How long each step took.
    pub fn steps(&self) -> impl Iterator<Item = Duration> + '_ {
        let starts = core::iter::once(Duration::ZERO).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| *end - start)
    }
}
