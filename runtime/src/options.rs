//! How a network is constructed.

use crate::Isa;

/// What all constructors of emitted networks need to know.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest number of images of one call.
    pub batch: usize,
    /// From which the initial weights are drawn.
    pub seed: u64,
    /// Threads, the caller's among them; 0 means one per core.
    pub threads: usize,
    /// The instruction set.
    pub isa: Isa,
}

impl Default for Options {
    /// One image, seed 0, all cores, the best instruction set of this machine.
    fn default() -> Self {
        Self { batch: 1, seed: 0, threads: 0, isa: Isa::detect() }
    }
}
