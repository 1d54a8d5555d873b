//! Networks allocate when they are constructed, and never again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use cnnc_runtime::optimizer::{Optimizer, Sgd};

cnnc_macros::net!("../specs/lenet5.net");

/// The system's allocator, with a count.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn only_construction_allocates() {
    if cnnc_runtime::Isa::detect().name() == "portable" {
        // The portable product packs its operands in memory it allocates.
        return;
    }
    let mut net = LeNet5::with_options(&cnnc_runtime::Options { batch: 8, threads: 2, ..Default::default() });
    let mut optimizer = Optimizer::new(Sgd { momentum: 0.9, ..Sgd::default() }, &net);
    let (images, labels) = (vec![[0.5_f32; 784]; 8], [3_u32; 8]);
    // Threads that start and the test harness allocate at times of their own; a network that did would do so each time.
    let mut round = || {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        net.infer(&images[0]);
        net.infer_batch(&images).expect("a batch that fits");
        net.train_step(&images, &labels, &mut optimizer).expect("a batch that fits");
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    assert_eq!((0..10).map(|_| round()).min(), Some(0));
}
