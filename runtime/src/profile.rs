//! Times of the steps of a pass, for `cnnc bench --layers`.

use std::time::{Duration, Instant};
use std::vec::Vec;

/// How long each step of the last pass took.
///
/// Only code emitted for profiling calls [`start`](Self::start) and [`lap`](Self::lap).
#[derive(Clone, Debug)]
pub struct Profile {
    /// When the last step ended.
    end: Instant,
    /// The step that is at work.
    step: usize,
    times: Vec<Duration>,
}

impl Default for Profile {
    fn default() -> Self {
        // Passes of more steps than this would allocate once while they are timed.
        Self { end: Instant::now(), step: 0, times: Vec::with_capacity(4096) }
    }
}

impl Profile {
    /// A pass begins.
    pub fn start(&mut self) {
        self.times.clear();
        self.again();
    }

    /// The first steps begin, for some images of a pass or for more of them.
    pub fn again(&mut self) {
        self.step = 0;
        self.end = Instant::now();
    }

    /// A step has ended.
    #[inline]
    pub fn lap(&mut self) {
        let now = Instant::now();
        let took = now - self.end;
        match self.times.get_mut(self.step) {
            Some(time) => *time += took,
            None => self.times.push(took),
        }
        self.end = now;
        self.step += 1;
    }

    /// Steps have ended that took so long.
    pub(crate) fn lap_all(&mut self, times: &[Duration]) {
        self.times.extend_from_slice(times);
        self.step += times.len();
        self.end = Instant::now();
    }

    /// How long each step took.
    pub fn steps(&self) -> impl Iterator<Item = Duration> + '_ {
        self.times.iter().copied()
    }
}
