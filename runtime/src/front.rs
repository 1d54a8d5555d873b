//! The steps in front of a deployed network that each thread does for images of its own.
//!
//! Layers near the input have large values and few weights. Done for a whole batch, each would write to memory what the next
//! reads back from there; done for an image by one thread, values stay in its caches, and no thread waits for another.

use core::ops::Range;
#[cfg(feature = "harness")]
use core::time::Duration;
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
}

impl Front {
    /// `None` where all threads have each step of a whole batch: in a network without such steps, and for batches so small
    /// that memory for each thread would be more in all.
    pub(crate) fn new(options: &Options, sizes: &Sizes, threads: usize) -> Option<Self> {
        if sizes.front == 0 || options.batch < 2 * threads {
            return None;
        }
        let options = Options { batch: 1, threads: 1, ..options.clone() };
        let sizes = Sizes { arena: sizes.front, front: 0, scratch: sizes.scratch, ..Sizes::default() };
        let threads = (0..threads).map(|_| Mutex::new(Memory::new(&options, &sizes))).collect();
        Some(Self { threads, kept: Buffer::default() })
    }

    /// With room for what is kept of a batch.
    pub(crate) fn keeping(self, floats: usize) -> Self {
        Self { kept: Buffer::zeroed(floats), ..self }
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
        regions: &[Range<usize>],
        work: &Steps<'_>,
    ) {
        let Self { threads, kept } = self;
        for thread in threads.iter_mut() {
            own(thread).prepared = prepared.lent();
        }
        let len: usize = regions.iter().map(Range::len).sum();
        let (alone, together) = kept[..count * len].split_at_mut(count / threads.len() * threads.len() * len);
        pool.images(BatchMut::dense(alone, len), scratch, &|image, kept, _| {
            let mut memory = free(threads);
            work(&mut memory, image..image + 1);
            keep(kept, &memory.arena, regions);
        });
        // Too few images for all threads: all threads for each image.
        let first = alone.len() / len;
        let memory = own(&mut threads[0]);
        for (index, kept) in together.chunks_mut(len).enumerate() {
            let mut exchange = |memory: &mut Memory| {
                core::mem::swap(&mut memory.pool, pool);
                core::mem::swap(&mut memory.scratch, scratch);
            };
            exchange(memory);
            work(memory, first + index..first + index + 1);
            exchange(memory);
            keep(kept, &memory.arena, regions);
        }
        for thread in threads {
            own(thread).prepared = Prepared::default();
        }
        for (image, mut kept) in kept[..count * len].chunks(len).enumerate() {
            for region in regions {
                let (values, rest) = kept.split_at(region.len());
                arena[count * region.start + image * region.len()..][..region.len()].copy_from_slice(values);
                kept = rest;
            }
        }
    }

    /// How long each step took, if all threads had been at it.
    #[cfg(feature = "harness")]
    pub(crate) fn times(&mut self) -> Vec<Duration> {
        let mut times = Vec::new();
        let count = u32::try_from(self.threads.len()).unwrap_or(u32::MAX);
        for thread in &mut self.threads {
            let profile = &mut own(thread).profile;
            times.resize(times.len().max(profile.steps().count()), Duration::ZERO);
            for (time, more) in times.iter_mut().zip(profile.steps()) {
                *time += more / count;
            }
            profile.start();
        }
        times
    }
}

/// Copies the regions of an image to one behind the other.
fn keep(mut kept: &mut [f32], arena: &[f32], regions: &[Range<usize>]) {
    for region in regions {
        let (values, rest) = kept.split_at_mut(region.len());
        values.copy_from_slice(&arena[region.clone()]);
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
