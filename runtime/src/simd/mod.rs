//! Vectors of `f32`: one type per instruction set, one trait over them.

#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;

pub(crate) mod lanes;

/// A register of floats.
///
/// # Safety
/// The methods may only be called where the instruction set is available; pointers must be valid for the lanes that are
/// read or written. They are `inline(always)`, so that they take on the target features of the shell they end up in.
#[cfg_attr(
    not(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64")),
    allow(dead_code, reason = "portable code loads and stores whole blocks")
)]
pub(crate) trait Vector: Copy {
    /// Floats in a register.
    const LANES: usize;

    /// Asks for memory that is read next, into the first-level cache; any address will do.
    unsafe fn prefetch_first(at: *const f32);
    /// The same for memory that is read later, into the second-level cache: what waits for the first one would hold up loads.
    unsafe fn prefetch_second(at: *const f32);
    /// All zero.
    unsafe fn zero() -> Self;
    /// The same number in each lane.
    unsafe fn splat(x: f32) -> Self;
    /// Consecutive floats.
    unsafe fn load(from: *const f32) -> Self;
    /// The first `count` lanes from memory, the others zero; `count` is at most [`LANES`](Self::LANES).
    unsafe fn load_part(from: *const f32, count: usize) -> Self;
    /// To consecutive floats.
    unsafe fn store(self, to: *mut f32);
    /// The first `count` lanes to memory.
    unsafe fn store_part(self, to: *mut f32, count: usize);
    /// self + a · b, rounded once where there is an instruction for it.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// a + b.
    unsafe fn add(self, other: Self) -> Self;
    /// a − b.
    unsafe fn sub(self, other: Self) -> Self;
    /// a · b.
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger of each pair of lanes; what it is where one of them is NaN is left open.
    unsafe fn max(self, other: Self) -> Self;
    /// What it is where a equals b, zero elsewhere.
    unsafe fn where_equal(self, a: Self, b: Self) -> Self;
    /// What it is where a is larger than b, zero elsewhere.
    unsafe fn where_greater(self, a: Self, b: Self) -> Self;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
}
