//! Batches prepared ahead, by several threads.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::{BatchData, Dataset, Draw};
use crate::Spec;
use crate::files::FileError;

/// Batches that are ready or being made, for each thread.
const AHEAD: usize = 2;

/// Passes the images with these `numbers` on in batches of `size`, in order, until `f` breaks off. Photos are read and augmented
/// by `threads` threads ahead of their use; what is in a batch does not depend on how many these are.
///
/// # Errors
///
/// A photo cannot be read; its file is named, when its batch is due.
pub fn each_batch<B>(
    data: &Dataset,
    spec: &Spec,
    numbers: &[usize],
    size: usize,
    draw: Draw,
    threads: usize,
    mut f: impl FnMut(&BatchData, &[usize]) -> ControlFlow<B>,
) -> Result<Option<B>, FileError> {
    let batches: Vec<&[usize]> = numbers.chunks(size.max(1)).collect();
    if !data.is_slow() || threads == 0 || batches.is_empty() {
        let mut batch = BatchData::new(spec, size);
        for numbers in batches {
            batch.load(data, numbers, draw)?;
            if let ControlFlow::Break(value) = f(&batch, numbers) {
                return Ok(Some(value));
            }
        }
        return Ok(None);
    }
    let queue = Queue::default();
    std::thread::scope(|scope| {
        // Also where `f` panics the threads come to an end.
        let _stop = Stop(&queue);
        for _ in 0..threads.min(batches.len()) {
            scope.spawn(|| prepare(&queue, data, spec, &batches, size, draw, AHEAD * threads));
        }
        for (number, numbers) in batches.iter().enumerate() {
            let batch = queue.take(number)?;
            if let ControlFlow::Break(value) = f(&batch, numbers) {
                return Ok(Some(value));
            }
            queue.give_back(batch);
        }
        Ok(None)
    })
}

/// What the threads share.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The next batch that nobody makes yet.
    next: usize,
    /// Batches that were used.
    used: usize,
    ready: BTreeMap<usize, Result<BatchData, FileError>>,
    /// Memory to be used again.
    free: Vec<BatchData>,
    stopped: bool,
}

struct Stop<'a>(&'a Queue);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self, number: usize) -> Result<BatchData, FileError> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.ready.remove(&number) {
                return batch;
            }
            if state.stopped {
                return Err(FileError::new("images", "a thread that prepares them has failed"));
            }
            state = self.wait(state);
        }
    }

    fn give_back(&self, batch: BatchData) {
        let mut state = self.lock();
        state.used += 1;
        state.free.push(batch);
        drop(state);
        self.changed.notify_all();
    }
}

/// What each thread does: the next batch that nobody makes, as long as not too many are ahead.
fn prepare(queue: &Queue, data: &Dataset, spec: &Spec, batches: &[&[usize]], size: usize, draw: Draw, ahead: usize) {
    // Where this thread panics, nobody is to wait for it.
    struct Alarm<'a>(&'a Queue);
    impl Drop for Alarm<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                drop(Stop(self.0));
            }
        }
    }
    let _alarm = Alarm(queue);
    loop {
        let mut state = queue.lock();
        while !state.stopped && state.next < batches.len() && state.next >= state.used + ahead {
            state = queue.wait(state);
        }
        if state.stopped || state.next >= batches.len() {
            return;
        }
        let number = state.next;
        state.next += 1;
        let memory = state.free.pop();
        drop(state);
        let mut batch = memory.unwrap_or_else(|| BatchData::new(spec, size));
        let loaded = batch.load(data, batches[number], draw);
        queue.lock().ready.insert(number, loaded.map(|()| batch));
        queue.changed.notify_all();
    }
}
