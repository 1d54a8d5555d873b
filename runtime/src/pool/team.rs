//! The threads themselves, and the only unsafe code of the pool.
//!
//! One word, [`Shared::state`], says everything: the number of the present call (its *epoch*), whether workers may still
//! join it, how many take part and how many are at work. To take part a worker must exchange the very word it has read
//! for one with one more at work, so that nobody joins a call that is over. When the caller has no part left to compute,
//! it closes the call and waits for those at work only; a worker that was asleep is not waited for.
//!
//! Every thread starts with parts of its own, so that the same images stay in the same caches from layer to layer, and
//! when these are done helps the others.

use std::any::Any;
use std::boxed::Box;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::vec::Vec;

use super::parts::{Parts, Task};
use crate::{BatchMut, Scratch};

/// A call is this function, made once by every thread that takes part, with the number of the thread.
type Job<'a> = dyn Fn(usize) + Sync + 'a;

/// How often a worker looks for a new call, and a caller for the end of one, before it sleeps: some tens of
/// microseconds, longer than it takes a network to get from one layer to the next.
const SPINS: usize = 2000;

// The fields of the state word.
const AT_WORK: u64 = (1 << 12) - 1;
const MEMBERS_SHIFT: u32 = 12;
const MEMBERS: u64 = AT_WORK << MEMBERS_SHIFT;
const OPEN: u64 = 1 << 24;
const CALLER_SLEEPS: u64 = 1 << 25;
const SHUTDOWN: u64 = 1 << 26;
const EPOCH_SHIFT: u32 = 32;

const MAX_THREADS: usize = AT_WORK as usize;

/// The first part of a thread's share that nobody has claimed.
#[repr(align(128))]
struct Share {
    next: AtomicUsize,
}

struct Shared {
    state: AtomicU64,
    /// The job of the present call. Written only by the caller that holds `Team::busy`, and only while the call is
    /// closed and nobody is at work; read only by threads counted as at work.
    job: UnsafeCell<Option<&'static Job<'static>>>,
    /// Workers that sleep, or are about to.
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake_workers: Condvar,
    wake_caller: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: all fields but `job` are `Sync`. `job` is written while no thread is at work and the call is closed (see the
// field), and the store that opens the call (release) comes before every exchange by which a worker joins it (acquire);
// the job itself is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above: a reference to a `Sync` function may go to any thread.
unsafe impl Send for Shared {}

pub(super) struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    shares: Vec<Share>,
    /// Held for the duration of a call.
    busy: AtomicBool,
    /// The number of the last call. Written by the holder of `busy`.
    epoch: AtomicU64,
}

impl Team {
    pub(super) fn new(threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake_workers: Condvar::new(),
            wake_caller: Condvar::new(),
            panic: Mutex::new(None),
        });
        let workers: Vec<_> = (1..threads.min(MAX_THREADS))
            .map_while(|thread| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new().name(std::format!("cnnc-{thread}")).spawn(move || shared.work(thread)).ok()
            })
            .collect();
        let shares = (0..=workers.len()).map(|_| Share { next: AtomicUsize::new(0) }).collect();
        Self { shared, workers, shares, busy: AtomicBool::new(false), epoch: AtomicU64::new(0) }
    }

    pub(super) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(part, its slice, a scratch slot)` once for every part.
    pub(super) fn run<const N: usize>(&self, parts: Parts<'_, N>, scratch: &mut Scratch, task: &Task<'_, N>) {
        let division = parts.division;
        let count = division.count();
        let members = self.threads().min(count).min(scratch.slots());
        if members <= 1 || self.busy.swap(true, Ordering::Acquire) {
            parts.in_order(scratch, task);
            return;
        }
        let _busy = Release(&self.busy);
        let bound = |thread: usize| thread * count / members;
        for (thread, share) in self.shares[..members].iter().enumerate() {
            share.next.store(bound(thread), Ordering::Relaxed);
        }
        let shares = &self.shares[..members];
        let slots = Disjoint::new(scratch.parts());
        let data = parts.data.map(Disjoint::whole);
        self.call(members, &|thread| {
            // SAFETY: `call` runs this once per thread at most, with numbers below `members`, which is at most the
            // number of slots; so no two threads have the same slot.
            let scratch = unsafe { slots.image(thread) };
            for victim in 0..members {
                let owner = (thread + victim) % members;
                let (share, end) = (&shares[owner], bound(owner + 1));
                loop {
                    // `fetch_add` gives every number to one thread only; the shares are disjoint ranges of parts.
                    let part = share.next.fetch_add(1, Ordering::Relaxed);
                    if part >= end {
                        break;
                    }
                    let range = division.range(part);
                    // SAFETY: this thread alone has claimed `part`, which is below `count`, and ranges of different
                    // parts are disjoint and within the slices, as `Division::range` says.
                    let slices = data.each_ref().map(|slice| unsafe { slice.slice(range.clone()) });
                    task(part, slices, scratch);
                }
            }
        });
    }

    /// Has `job` run by this thread as number 0 and by those of the workers `1..members` that are awake in time, each
    /// at most once, and returns when nobody runs it any longer. The caller must hold `busy`.
    fn call(&self, members: usize, job: &Job<'_>) {
        let shared = &*self.shared;
        let epoch = self.epoch.load(Ordering::Relaxed).wrapping_add(1);
        self.epoch.store(epoch, Ordering::Relaxed);
        // SAFETY: only the lifetime changes. Workers use the job between joining and leaving the call, and below the call
        // is closed and all of them are waited for before this function returns; nothing in between unwinds.
        let job: &'static Job<'static> = unsafe { core::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        // SAFETY: we hold `busy`, and the last call is closed with nobody at work, so nobody else touches the cell.
        unsafe { *shared.job.get() = Some(job) };
        let word = epoch << EPOCH_SHIFT | (members as u64) << MEMBERS_SHIFT | OPEN;
        shared.state.store(word, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            drop(shared.lock());
            shared.wake_workers.notify_all();
        }
        let ours = catch_unwind(AssertUnwindSafe(|| job(0)));
        shared.close();
        let theirs = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = ours.err().or(theirs) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.state.fetch_or(SHUTDOWN, Ordering::SeqCst);
        drop(self.shared.lock());
        self.shared.wake_workers.notify_all();
        for worker in self.workers.drain(..) {
            // Workers catch the panics of tasks and have none of their own.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.sleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a worker.
    fn work(&self, thread: usize) {
        let mut seen = 0;
        while let Some(epoch) = self.join(thread, seen) {
            seen = epoch;
            // SAFETY: this thread is counted as at work, so the call goes on and the cell is not written.
            let job = unsafe { *self.job.get() };
            if let Some(job) = job
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(thread)))
            {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            self.leave();
        }
    }

    /// Waits for a call other than `seen`, joins it and returns its epoch; `None` at shutdown.
    fn join(&self, thread: usize, seen: u64) -> Option<u64> {
        let is_new = |word: u64| {
            word & SHUTDOWN != 0
                || (word & OPEN != 0
                    && word >> EPOCH_SHIFT != seen
                    && (thread as u64) < (word & MEMBERS) >> MEMBERS_SHIFT)
        };
        loop {
            let word = self.wait(is_new);
            if word & SHUTDOWN != 0 {
                return None;
            }
            if self.state.compare_exchange(word, word + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(word >> EPOCH_SHIFT);
            }
        }
    }

    /// Spins, then sleeps, until the state is such that `ready`.
    fn wait(&self, ready: impl Fn(u64) -> bool) -> u64 {
        for _ in 0..SPINS {
            let word = self.state.load(Ordering::Acquire);
            if ready(word) {
                return word;
            }
            core::hint::spin_loop();
        }
        let mut guard = self.lock();
        // A caller opens a call and then looks for sleepers; we count ourselves and then look for a call. In the single
        // order of these four one of us sees the other, and the caller's wake-up needs the lock that we hold until we wait.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let word = loop {
            let word = self.state.load(Ordering::SeqCst);
            if ready(word) {
                break word;
            }
            guard = self.wake_workers.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        word
    }

    fn leave(&self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & AT_WORK == 1 && before & CALLER_SLEEPS != 0 {
            drop(self.lock());
            self.wake_caller.notify_all();
        }
    }

    /// Lets nobody join any more and waits for those at work.
    fn close(&self) {
        if self.state.fetch_and(!OPEN, Ordering::AcqRel) & AT_WORK == 0 {
            return;
        }
        for _ in 0..SPINS {
            if self.state.load(Ordering::Acquire) & AT_WORK == 0 {
                return;
            }
            core::hint::spin_loop();
        }
        let mut guard = self.lock();
        self.state.fetch_or(CALLER_SLEEPS, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) & AT_WORK != 0 {
            guard = self.wake_caller.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Gives `busy` back.
struct Release<'a>(&'a AtomicBool);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A slice of which several threads have disjoint parts.
struct Disjoint<'a> {
    start: *mut f32,
    len: usize,
    pitch: usize,
    image_len: usize,
    _slice: core::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]`, which may go to any thread; the unsafe methods have the caller keep the parts of
// different threads apart.
unsafe impl Sync for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    fn new(batch: BatchMut<'a>) -> Self {
        let (data, pitch, _, image_len) = batch.into_raw();
        Self { start: data.as_mut_ptr(), len: data.len(), pitch, image_len, _slice: core::marker::PhantomData }
    }

    fn whole(data: &'a mut [f32]) -> Self {
        let len = data.len();
        Self::new(BatchMut::dense(data, len))
    }

    /// # Safety
    /// No other slice that overlaps this one may live at the same time.
    #[allow(clippy::mut_from_ref, reason = "the caller keeps the parts apart, as the safety section demands")]
    unsafe fn slice(&self, range: core::ops::Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range lies within the slice this was made of, which is borrowed for `'a`; the caller says that
        // nobody else has these elements.
        unsafe { core::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// # Safety
    /// As for [`slice`](Self::slice).
    #[allow(clippy::mut_from_ref, reason = "the caller keeps the parts apart, as the safety section demands")]
    unsafe fn image(&self, index: usize) -> &mut [f32] {
        // SAFETY: passed on to the caller.
        unsafe { self.slice(index * self.pitch..index * self.pitch + self.image_len) }
    }
}
