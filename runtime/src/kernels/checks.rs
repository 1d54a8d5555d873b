//! For tests of kernels: numbers, memory that may not be left, windows, and comparison with loops in `f64`.

use alloc::vec::Vec;

use crate::Isa;

mod guarded;
mod windows;

pub use guarded::{Edge, Guarded};
pub use windows::{pool_windows, seen, windows};

/// Every instruction set of this machine, with memory guarded at either end.
pub fn everywhere() -> impl Iterator<Item = (Isa, Edge)> {
    Isa::available().flat_map(|isa| [Edge::Start, Edge::End].map(|edge| (isa, edge)))
}

/// Numbers between −1 and 1, the same ones for the same seed.
pub fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((state >> 40) as f32 / 8_388_608.0) - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// As `f64`.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Panics where a result is further than `tolerance` of the largest from what it should be.
#[track_caller]
pub fn assert_close(got: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_within(got, expected, tolerance, 1e-3, what);
}

/// The same where results are differences of numbers of about `size`, whose digits cancel.
#[track_caller]
pub fn assert_within(got: &[f32], expected: &[f64], tolerance: f64, size: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(size, |m, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (f64::from(*got) - expected).abs() / largest;
        assert!(off <= tolerance, "{what}[{i}]: {got} instead of {expected} ({off:.1e} of the largest)");
    }
}
