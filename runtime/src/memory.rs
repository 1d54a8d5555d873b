//! The memory a network runs in.

use crate::{Buffer, GROUPS, Isa, Pool, Scratch};

/// How to construct a network.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the random weights.
    pub seed: u64,
    /// Leaves all weights zero: for a network whose weights are loaded anyway, which starts faster without random ones.
    pub blank: bool,
    /// The largest batch it will be given; memory grows with it.
    pub batch: usize,
    /// Threads, or 0 for one on each core. Results do not depend on it.
    pub threads: usize,
    /// The instruction set, or `None` for the best this machine has.
    pub isa: Option<Isa>,
}

impl Default for Options {
    /// Random weights of seed 0, one image at a time, all cores, the best instruction set.
    fn default() -> Self {
        Self { seed: 0, blank: false, batch: 1, threads: 0, isa: None }
    }
}

/// Floats of each kind of memory, as planned by the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Batched values, per image.
    pub arena: usize,
    /// Values that the batch shares.
    pub fixed: usize,
    /// Values derived from weights.
    pub prepared: usize,
    /// Gradients of trained weights.
    pub gradients: usize,
    /// Working memory per thread.
    pub scratch: usize,
    /// One set of partial sums.
    pub partials: usize,
}

/// All memory of a network but its weights, its threads and its instruction set.
///
/// Emitted code borrows disjoint parts of it, see [`views`].
#[derive(Debug)]
pub struct Memory {
    /// The instruction set, chosen once.
    pub isa: Isa,
    /// The threads.
    pub pool: Pool,
    /// Batched values.
    pub arena: Buffer,
    /// Values that the batch shares.
    pub fixed: Buffer,
    /// Values derived from weights.
    pub prepared: Buffer,
    /// Gradients of trained weights.
    pub gradients: Buffer,
    /// Working memory per thread.
    pub scratch: Scratch,
    /// Partial sums of [`GROUPS`] groups of images.
    pub partials: Buffer,
    /// Times of steps, for code emitted to be profiled.
    #[cfg(feature = "harness")]
    pub profile: crate::Profile,
    capacity: usize,
}

impl Memory {
    /// Allocates everything.
    pub fn new(options: &Options, sizes: &Sizes) -> Self {
        let pool = Pool::new(options.threads);
        let capacity = options.batch.max(1);
        let scratch = Scratch::new(pool.threads(), sizes.scratch);
        Self {
            isa: options.isa.unwrap_or_else(Isa::detect),
            pool,
            arena: Buffer::zeroed(sizes.arena * capacity),
            fixed: Buffer::zeroed(sizes.fixed),
            prepared: Buffer::zeroed(sizes.prepared),
            gradients: Buffer::zeroed(sizes.gradients),
            scratch,
            partials: Buffer::zeroed(sizes.partials * GROUPS),
            #[cfg(feature = "harness")]
            profile: crate::Profile::default(),
            capacity,
        }
    }

    /// The largest batch.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of the arena.
    pub fn arena_bytes(&self) -> usize {
        size_of_val::<[f32]>(&self.arena)
    }
}

/// Which pass ran last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forward, for deployment.
    Inference,
    /// Forward and backward.
    Training,
}

/// A region of memory that holds `count` images, given per image: floats `count * start..count * end`.
pub fn view(memory: &[f32], count: usize, region: core::ops::Range<usize>) -> &[f32] {
    &memory[count * region.start..count * region.end]
}

/// A region to be written; see [`view`].
pub fn view_mut(memory: &mut [f32], count: usize, region: core::ops::Range<usize>) -> &mut [f32] {
    &mut memory[count * region.start..count * region.end]
}

/// Several regions at once, all to be written; see [`view`].
///
/// # Panics
/// If regions overlap, which the compiler's plan rules out.
pub fn views<const N: usize>(
    memory: &mut [f32],
    count: usize,
    regions: [core::ops::Range<usize>; N],
) -> [&mut [f32]; N] {
    memory
        .get_disjoint_mut(regions.map(|r| count * r.start..count * r.end))
        .expect("regions of a plan lie in its memory and do not overlap")
}
