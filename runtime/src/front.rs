//! The steps in front of a deployed network that each thread does for images of its own.
//!
//! Layers near the input have large values and few weights. Done for a whole batch, each would write to memory what the next
//! reads back from there; done for an image by one thread, values stay in its caches, and no thread waits for another.

#[cfg(feature = "harness")]
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::vec::Vec;

use crate::memory::{Memory, Options, Prepared, Sizes, Steps};
use crate::{BatchMut, Buffer, Pool, Scratch};

/// Memory of an image for each thread, and what the steps leave of all images.
#[derive(Debug)]
pub(crate) struct Front {
    threads: Vec<Mutex<Memory>>,
    /// Image after image.
    kept: Buffer,
    /// How long each step of the last pass took, all threads at it.
    #[cfg(feature = "harness")]
    pub(crate) times: Vec<Duration>,
}

impl Front {
    /// `None` where all threads have each step of a whole batch: in a network without such steps, and for batches so small
    /// that memory for each thread would be more in all.
    pub(crate) fn new(options: &Options, sizes: &Sizes, threads: usize) -> Option<Self> {
        if sizes.front == 0 || options.batch < 2 * threads {
            return None;
        }
        let kept = Buffer::zeroed(sizes.kept * options.batch);
        let options = Options { batch: 1, threads: 1, ..options.clone() };
        let sizes = Sizes { arena: sizes.front, scratch: sizes.scratch, ..Sizes::default() };
        let threads = (0..threads).map(|_| Mutex::new(Memory::new(&options, &sizes))).collect();
        Some(Self {
            threads,
            kept,
            #[cfg(feature = "harness")]
            times: Vec::new(),
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        let own: usize = self.threads.iter().map(|thread| lock(thread).arena_bytes()).sum();
        own + size_of_val::<[f32]>(&self.kept)
    }

    /// See [`Memory::front`].
    pub(crate) fn run(
        &mut self,
        (pool, scratch, prepared): (&mut Pool, &mut Scratch, &Prepared),
        arena: &mut [f32],
        count: usize,
        regions: &[[usize; 2]],
        work: &Steps<'_>,
    ) {
        let len: usize = regions.iter().map(|[start, end]| end - start).sum();
        for thread in &mut self.threads {
            own(thread).prepared = prepared.lent();
        }
        // What is lent comes back whatever happens: the caller may go on after a panic.
        let done = catch_unwind(AssertUnwindSafe(|| self.steps(pool, scratch, (count, len), regions, work)));
        for thread in &mut self.threads {
            own(thread).prepared = Prepared::default();
        }
        if let Err(panic) = done {
            resume_unwind(panic);
        }
        for (image, mut kept) in self.kept[..count * len].chunks(len).enumerate() {
            for [start, end] in regions {
                let (values, rest) = kept.split_at(end - start);
                arena[count * start + image * values.len()..][..values.len()].copy_from_slice(values);
                kept = rest;
            }
        }
    }

    /// Does the steps for `count` images, of which `len` floats each are kept.
    fn steps(
        &mut self,
        pool: &mut Pool,
        scratch: &mut Scratch,
        (count, len): (usize, usize),
        regions: &[[usize; 2]],
        work: &Steps<'_>,
    ) {
        let Self { threads, kept, .. } = self;
        let (alone, together) = kept[..count * len].split_at_mut(count / threads.len() * threads.len() * len);
        pool.images(BatchMut::dense(alone, len), scratch, &|image, kept, _| {
            let mut memory = free(threads);
            work(&mut memory, image..image + 1);
            keep(kept, &memory.arena, regions);
        });
        #[cfg(feature = "harness")]
        {
            self.times.clear();
            let count = threads.len();
            threads.iter_mut().for_each(|thread| take_times(&mut self.times, own(thread), count));
        }
        // Too few images for all threads: all threads for each image.
        let first = alone.len() / len;
        let memory = own(&mut threads[0]);
        let mut exchange = |memory: &mut Memory| {
            core::mem::swap(&mut memory.pool, pool);
            core::mem::swap(&mut memory.scratch, scratch);
        };
        for (index, kept) in together.chunks_mut(len).enumerate() {
            let image = first + index;
            exchange(memory);
            let done = catch_unwind(AssertUnwindSafe(|| work(memory, image..image + 1)));
            exchange(memory);
            if let Err(panic) = done {
                resume_unwind(panic);
            }
            keep(kept, &memory.arena, regions);
        }
        #[cfg(feature = "harness")]
        take_times(&mut self.times, memory, 1);
    }
}

/// Adds how long each step took of what one of `threads` threads did for itself, and forgets it.
#[cfg(feature = "harness")]
fn take_times(times: &mut Vec<Duration>, memory: &mut Memory, threads: usize) {
    let threads = u32::try_from(threads).unwrap_or(u32::MAX);
    times.resize(times.len().max(memory.profile.steps().count()), Duration::ZERO);
    for (time, more) in times.iter_mut().zip(memory.profile.steps()) {
        *time += more / threads;
    }
    memory.profile.start();
}

/// Copies the regions of an image to one behind the other.
fn keep(mut kept: &mut [f32], arena: &[f32], regions: &[[usize; 2]]) {
    for [start, end] in regions {
        let (values, rest) = kept.split_at_mut(end - start);
        values.copy_from_slice(&arena[*start..*end]);
        kept = rest;
    }
}

/// Memory that no thread uses: there is one for each of them.
fn free(threads: &[Mutex<Memory>]) -> MutexGuard<'_, Memory> {
    loop {
        for thread in threads {
            match thread.try_lock() {
                Ok(memory) => return memory,
                Err(TryLockError::Poisoned(memory)) => return memory.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
    }
}

fn lock(thread: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    thread.lock().unwrap_or_else(PoisonError::into_inner)
}

fn own(thread: &mut Mutex<Memory>) -> &mut Memory {
    thread.get_mut().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 5;

    /// Steps that write the image's number where they are told to keep it, with a weight that was made ready.
    fn numbers(memory: &mut Memory, images: core::ops::Range<usize>) {
        let weight = memory.prepared[0];
        memory.arena[images.len() * 2..images.len() * 3].copy_from_slice(&[weight * images.start as f32]);
    }

    #[test]
    fn after_a_panic_all_is_as_before() {
        let sizes = Sizes { arena: 3, front: 8, kept: 1, prepared: 1, scratch: 1, ..Sizes::default() };
        let mut memory = Memory::new(&Options { batch: BATCH, threads: 2, ..Options::default() }, &sizes);
        // The last image is left over, for both threads.
        for bad in 0..BATCH {
            let mut pass = || {
                memory.front(BATCH, &[[2, 3]], &|memory, images| {
                    assert!(images.start != bad, "the bad image");
                    numbers(memory, images);
                });
            };
            assert!(catch_unwind(AssertUnwindSafe(&mut pass)).is_err(), "image {bad}");
            assert_eq!(memory.pool.threads(), 2, "the pool is back");
            memory.prepared[0] = bad as f32 + 2.0;
            memory.front(BATCH, &[[2, 3]], &numbers);
            let expected: Vec<f32> = (0..BATCH).map(|image| image as f32 * (bad as f32 + 2.0)).collect();
            assert_eq!(memory.arena[2 * BATCH..3 * BATCH], expected);
        }
    }
}
