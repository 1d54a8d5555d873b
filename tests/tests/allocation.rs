//! Networks allocate when they are constructed, and never again.

use cnnc_runtime::optimizer::{Optimizer, Sgd};
use cnnc_tests::counting::{Counting, allocations};

cnnc_macros::net!("../specs/lenet5.net");

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
    let round = || {
        net.infer(&images[0]);
        net.infer_batch(&images).expect("a batch that fits");
        net.train_step(&images, &labels, &mut optimizer).expect("a batch that fits");
    };
    assert_eq!(allocations(round), 0);
}
