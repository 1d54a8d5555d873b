//! Fork-join over images, pieces and groups.
//!
//! How work is divided depends on the shapes alone, and every part is computed by one call that writes nothing else;
//! which thread makes the call is left to chance. So results are bitwise the same at any number of threads.

mod parts;
mod strip;
#[cfg(feature = "std")]
mod team;

use core::ops::Range;

use crate::{BatchMut, Scratch};
use parts::{Parts, Task};
use strip::Strips;
pub use strip::{Cut, Stack, Strip};

/// Into how many partial sums [`Pool::groups`] divides a batch.
pub const GROUPS: usize = 8;

/// What is done with an image, a block or a piece: its number, its elements, working memory.
///
/// Work is passed as an object: a network hands it over hundreds of times, and each function that is generic in it would be
/// compiled as often.
pub type Work<'a> = dyn Fn(usize, &mut [f32], &mut [f32]) + Sync + 'a;

/// What is done with a strip: the number of its image, the strip, working memory.
pub type StripWork<'a> = dyn Fn(usize, &mut Strip<'_>, &mut [f32]) + Sync + 'a;

/// What is done with a stack, which says where it is: the stack, working memory.
pub type StackWork<'a> = dyn Fn(&mut Stack<'_>, &mut [f32]) + Sync + 'a;

/// What is done with a group of images: which they are, the sums to add to, working memory.
pub type GroupWork<'a> = dyn Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync + 'a;

/// Elements of the pieces in which partial sums are added up.
pub(crate) const SUM_PIECE: usize = 4096;

/// Threads that work on one network.
///
/// The workers live as long as the pool. Between two calls they spin for some microseconds and then sleep; a call costs
/// well under a microsecond as long as they are awake, allocates nothing, and does not wait for workers that wake up
/// too late to help. A panic in a task reaches the caller when the other tasks are done. A call from within a task, or
/// from a second thread at the same time, runs on the calling thread alone.
///
/// Without the feature `std` there is one thread, the caller's.
pub struct Pool {
    #[cfg(feature = "std")]
    team: team::Team,
}

impl Pool {
    /// A pool of this many threads, the caller's among them; 0 means one per core. Fewer, where the system refuses to
    /// start more: see [`threads`](Self::threads).
    pub fn new(threads: usize) -> Self {
        #[cfg(not(feature = "std"))]
        let _ = threads;
        Self {
            #[cfg(feature = "std")]
            team: team::Team::new(threads),
        }
    }

    /// How many threads work, the caller's among them.
    pub fn threads(&self) -> usize {
        #[cfg(feature = "std")]
        return self.team.threads();
        #[cfg(not(feature = "std"))]
        1
    }

    /// Calls `work(image, y, scratch)` for every image of `y`.
    pub fn images(&self, y: BatchMut<'_>, scratch: &mut Scratch, work: &Work<'_>) {
        self.run(Parts::images(y), scratch, &|index, [y], scratch| work(index, y, scratch));
    }

    /// Calls `work(first image, y, scratch)` for blocks of `images_per_block` images of `image_len` floats each, which
    /// follow each other without gaps; the last block may have fewer images.
    pub fn blocks(
        &self,
        y: &mut [f32],
        image_len: usize,
        images_per_block: usize,
        scratch: &mut Scratch,
        work: &Work<'_>,
    ) {
        let parts = Parts::chunks([y], image_len * images_per_block);
        self.run(parts, scratch, &|block, [y], scratch| work(block * images_per_block, y, scratch));
    }

    /// Calls `work(piece, y, scratch)` for pieces of `piece_len` elements of `y`; the last piece may be shorter.
    pub fn pieces(&self, y: &mut [f32], piece_len: usize, scratch: &mut Scratch, work: &Work<'_>) {
        self.run(Parts::chunks([y], piece_len), scratch, &|piece, [y], scratch| work(piece, y, scratch));
    }

    /// Calls `work(piece, y, scratch)` for pieces of `piece_len` elements of several slices of equal length at once; the
    /// last piece may be shorter.
    pub fn zip<const N: usize>(&self, y: [&mut [f32]; N], piece_len: usize, scratch: &mut Scratch, work: &Task<'_, N>) {
        self.run(Parts::chunks(y, piece_len), scratch, work);
    }

    /// Calls `work(image, strip, scratch)` for the strips into which `cut` divides every image of `y`.
    ///
    /// Planes outermost: a thread that has a group of planes has it for all images, so that it reads their weights once.
    pub fn strips(&self, y: BatchMut<'_>, cut: &Cut, scratch: &mut Scratch, work: &StripWork<'_>) {
        let strips = Strips::new(y, cut);
        self.run(Parts::indices(strips.count()), scratch, &|index, [], scratch| {
            // SAFETY: every index below the count is passed to one call only.
            let (image, mut strip) = unsafe { strips.strip(index) };
            work(image, &mut strip, scratch);
        });
    }

    /// Calls `work(stack, scratch)` for stacks: the planes of a group of `cut`, whole, of `images` images or of
    /// what is left of them; of fewer where there would not be tasks enough for threads. What a task makes of the weights of its
    /// planes serves all of its images, and small images are computed together.
    pub fn stacks(&self, y: BatchMut<'_>, cut: &Cut, images: usize, scratch: &mut Scratch, work: &StackWork<'_>) {
        let strips = Strips::new(y, cut);
        let images = strips.images_of_stacks(images);
        self.run(Parts::indices(strips.stacks(images)), scratch, &|index, [], scratch| {
            // SAFETY: every index below the count is passed to one call only.
            work(&mut unsafe { strips.stack(index, images) }, scratch);
        });
    }

    /// Sums over images: divides `count` images into at most [`GROUPS`] ranges, calls `work(images, partial, scratch)`
    /// for each with zeroed memory of the length of `y` to add into, and writes the sum of the partial results,
    /// always in the same order, to `y`. `partials` must hold `GROUPS * y.len()` floats.
    pub fn groups(
        &self,
        count: usize,
        partials: &mut [f32],
        y: &mut [f32],
        scratch: &mut Scratch,
        work: &GroupWork<'_>,
    ) {
        let len = y.len();
        let partials = self.partial_sums(count, partials, len, scratch, work);
        self.pieces(y, SUM_PIECE, scratch, &|piece, y, _| add_up(partials, len, piece, y));
    }

    /// The first half of [`groups`](Self::groups): the partial sums, `len` floats each.
    pub(crate) fn partial_sums<'p>(
        &self,
        count: usize,
        partials: &'p mut [f32],
        len: usize,
        scratch: &mut Scratch,
        work: &GroupWork<'_>,
    ) -> &'p [f32] {
        let groups = GROUPS.min(count);
        assert!(partials.len() >= groups * len, "{} floats for {groups} partial sums of {len}", partials.len());
        let partials = &mut partials[..groups * len];
        self.run(Parts::chunks([&mut *partials], len), scratch, &|group, [partial], scratch| {
            partial.fill(0.0);
            work(group * count / groups..(group + 1) * count / groups, partial, scratch);
        });
        partials
    }

    #[cfg(feature = "std")]
    fn run<const N: usize>(&self, parts: Parts<'_, N>, scratch: &mut Scratch, task: &Task<'_, N>) {
        self.team.run(parts, scratch, task);
    }

    #[cfg(not(feature = "std"))]
    fn run<const N: usize>(&self, parts: Parts<'_, N>, scratch: &mut Scratch, task: &Task<'_, N>) {
        parts.in_order(scratch, task);
    }
}

/// A piece, of [`SUM_PIECE`] elements or fewer, of the sum of partial sums of `len` floats, always in the same order.
pub(crate) fn add_up(partials: &[f32], len: usize, piece: usize, y: &mut [f32]) {
    y.fill(0.0);
    for partial in partials.chunks_exact(len) {
        for (y, x) in y.iter_mut().zip(&partial[piece * SUM_PIECE..]) {
            *y += x;
        }
    }
}

impl Default for Pool {
    /// One thread per core.
    fn default() -> Self {
        Self::new(0)
    }
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish()
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
