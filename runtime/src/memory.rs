//! The memory a network runs in.

use alloc::sync::Arc;
use core::ops::{Deref, DerefMut, Range};

#[cfg(feature = "std")]
use crate::front::Front;
use crate::{Buffer, GROUPS, Isa, Pool, Scratch};

/// How to construct a network.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the random weights.
    pub seed: u64,
    /// Leaves all weights zero: for a network whose weights are loaded anyway, which starts faster without random ones.
    pub blank: bool,
    /// The largest batch it will be given; memory grows with it, and from two images for each thread on with threads, too.
    pub batch: usize,
    /// Whether gradients are kept behind a pass of training, for whoever looks at them, clips or adds them up. Without, each exists until
    /// its weights are updated, which only [`Optimizer::train_step`](crate::Optimizer::train_step) does: less memory, and less of
    /// it is read and written.
    pub keep_gradients: bool,
    /// Whether weights stay as they were loaded. Without, a network that was compiled for inference alone gives those back to the
    /// system that it has made others of (folded, packed, transformed): up to a third of its memory. They cannot be looked at or
    /// saved any more, and are loaded all or not at all.
    pub keep_weights: bool,
    /// Threads, or 0 for one on each core. Results do not depend on it.
    pub threads: usize,
    /// The instruction set, or `None` for the best this machine has.
    pub isa: Option<Isa>,
}

impl Default for Options {
    /// Random weights of seed 0, one image at a time, weights and gradients kept, all cores, the best instruction set.
    fn default() -> Self {
        Self { seed: 0, blank: false, batch: 1, keep_gradients: true, keep_weights: true, threads: 0, isa: None }
    }
}

/// Floats of each kind of memory, as planned by the compiler.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Batched values, per image; where there are steps in front, without what only those use.
    pub arena: usize,
    /// Batched values, per image, while the steps in front are done; 0 where there are none. See [`Memory::front`].
    pub front: usize,
    /// What the steps in front leave of them, per image.
    pub kept: usize,
    /// Values that the batch shares.
    pub fixed: usize,
    /// Values derived from weights.
    pub prepared: usize,
    /// Gradients of trained weights.
    pub gradients: usize,
    /// Those of them that do not update their weights at once where gradients are not kept.
    pub late: usize,
    /// The largest piece of a gradient that does.
    pub piece: usize,
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
    /// Batched values, but for those of the steps in front where threads have them for themselves.
    pub arena: Buffer,
    /// Values that the batch shares.
    pub fixed: Buffer,
    /// Values derived from weights.
    pub prepared: Prepared,
    /// Gradients of trained weights; where they are not [kept](Self::keeps_gradients), those that updates come late for.
    pub gradients: Buffer,
    /// Working memory per thread.
    pub scratch: Scratch,
    /// Partial sums of [`GROUPS`] groups of images.
    pub partials: Buffer,
    /// Times of steps, for code emitted to be profiled.
    #[cfg(feature = "harness")]
    pub profile: crate::Profile,
    #[cfg(feature = "std")]
    front: Option<Front>,
    capacity: usize,
    keeps_gradients: bool,
}

impl Memory {
    /// Allocates everything.
    pub fn new(options: &Options, sizes: &Sizes) -> Self {
        let pool = Pool::new(options.threads);
        let capacity = options.batch.max(1);
        let piece = crate::optimizer::room(sizes.piece);
        let scratch = Scratch::new(pool.threads(), sizes.scratch + piece);
        #[cfg(feature = "std")]
        let front = Front::new(&Options { batch: capacity, ..options.clone() }, sizes, pool.threads());
        #[cfg(feature = "std")]
        let apart = front.is_some();
        #[cfg(not(feature = "std"))]
        let apart = false;
        let arena = if apart { sizes.arena } else { sizes.arena.max(sizes.front) };
        Self {
            isa: options.isa.unwrap_or_else(Isa::detect),
            pool,
            arena: Buffer::zeroed(arena * capacity),
            fixed: Buffer::zeroed(sizes.fixed),
            prepared: Prepared::zeroed(sizes.prepared),
            gradients: Buffer::zeroed(if options.keep_gradients { sizes.gradients } else { sizes.late }),
            scratch,
            partials: Buffer::zeroed(sizes.partials * GROUPS),
            #[cfg(feature = "harness")]
            profile: crate::Profile::default(),
            #[cfg(feature = "std")]
            front,
            capacity,
            keeps_gradients: options.keep_gradients,
        }
    }

    /// The largest batch.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether gradients are there behind a pass, see [`Options::keep_gradients`].
    pub fn keeps_gradients(&self) -> bool {
        self.keeps_gradients
    }

    /// Gradients of trained weights; none where they are not kept.
    pub fn kept_gradients(&self) -> &[f32] {
        if self.keeps_gradients { &self.gradients } else { &[] }
    }

    /// Bytes of the arena, with what threads have of it for themselves.
    pub fn arena_bytes(&self) -> usize {
        #[cfg(feature = "std")]
        let front = self.front.as_ref().map_or(0, Front::bytes);
        #[cfg(not(feature = "std"))]
        let front = 0;
        size_of_val::<[f32]>(&self.arena) + front
    }

    /// Has the steps in front of a pass done by `work`: for the whole batch or, in larger ones, for one image after the other by
    /// each thread. What is in the regions `kept`, starts and ends per image, is then where the steps behind expect it for all of
    /// `count` images.
    pub fn front(&mut self, count: usize, kept: &[[usize; 2]], work: &Steps<'_>) {
        #[cfg(feature = "std")]
        if let Some(front) = &mut self.front {
            front.run((&mut self.pool, &mut self.scratch, &self.prepared), &mut self.arena, count, kept, work);
            #[cfg(feature = "harness")]
            self.profile.lap_all(&front.times);
            return;
        }
        let _ = kept;
        work(self, 0..count);
    }
}

/// Steps for some images: the memory to do them in, and which images.
pub type Steps<'a> = dyn Fn(&mut Memory, Range<usize>) + Sync + 'a;

/// Values derived from weights, which a network lends to its threads while a pass lasts.
#[derive(Debug, Default)]
pub struct Prepared(Option<Arc<Buffer>>);

impl Prepared {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(Some(Arc::new(Buffer::zeroed(len))))
    }

    /// The same values, to read.
    #[cfg(feature = "std")]
    pub(crate) fn lent(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Prepared {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        self.0.as_deref().map_or(&[], |buffer| buffer)
    }
}

impl DerefMut for Prepared {
    fn deref_mut(&mut self) -> &mut [f32] {
        let buffer = self.0.as_mut().map(|buffer| Arc::get_mut(buffer).expect("threads give back what they are lent"));
        buffer.map_or(&mut [], |buffer| buffer)
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
pub fn view(memory: &[f32], count: usize, region: Range<usize>) -> &[f32] {
    &memory[count * region.start..count * region.end]
}

/// A region to be written; see [`view`].
pub fn view_mut(memory: &mut [f32], count: usize, region: Range<usize>) -> &mut [f32] {
    &mut memory[count * region.start..count * region.end]
}

/// Several regions at once, all to be written; see [`view`].
///
/// # Panics
/// If regions overlap, which the compiler's plan rules out.
pub fn views<const N: usize>(memory: &mut [f32], count: usize, regions: [Range<usize>; N]) -> [&mut [f32]; N] {
    memory
        .get_disjoint_mut(regions.map(|r| count * r.start..count * r.end))
        .expect("regions of a plan lie in its memory and do not overlap")
}
