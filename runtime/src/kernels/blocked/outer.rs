//! Sums over pixels of products of sixteen output channels with input channels: the gradient of weights.

use super::{BLOCK, per_vector};
use crate::simd::Vector;

/// Which pixels and which inputs.
#[derive(Clone, Copy, Debug)]
pub struct Outer<'a> {
    /// Rows and columns of the output.
    pub rows: usize,
    /// Columns of the output.
    pub columns: usize,
    /// Floats between what neighbouring rows see.
    pub x_row: usize,
    /// Floats between what neighbouring columns see.
    pub x_column: usize,
    /// Where each run of inputs begins, in floats from what the first pixel's first weight sees.
    pub runs: &'a [usize],
    /// Weights of a run: their inputs are neighbours.
    pub run: usize,
}

impl Outer<'_> {
    fn check(&self, x: &[f32], dy: &[f32], y: &[f32]) {
        assert!(self.rows > 0 && self.columns > 0 && self.run > 0, "products of something");
        let farthest = self.runs.iter().max().expect("a run")
            + (self.rows - 1) * self.x_row
            + (self.columns - 1) * self.x_column
            + self.run;
        assert!(x.len() >= farthest, "input of {} floats, {farthest} are read", x.len());
        assert!(dy.len() >= self.rows * self.columns * BLOCK, "upstream gradient");
        assert!(y.len() >= self.runs.len() * self.run * BLOCK, "weights");
    }
}

per_vector! {
    /// Adds Σ dy\[pixel\] · x\[what weight w sees at that pixel\] to the sixteen numbers of each weight: `y` is
    /// `[runs][run][16]`, `dy` is `[rows][columns][16]`.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn outer(outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) = runs, where outer.check(x, dy, y);
}

/// # Safety
/// The vector's instructions are there, and the slices hold what [`Outer::check`] asks for.
#[inline(always)]
unsafe fn runs<V: Vector, const G: usize>(outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) {
    let mut y = y.as_mut_ptr();
    for start in outer.runs {
        let mut x = x.as_ptr().wrapping_add(*start);
        let mut left = outer.run;
        // SAFETY: the weights of this run and what they see exist.
        unsafe {
            while left > 0 {
                let now = match left {
                    16.. if V::PIXELS >= 16 => sums::<V, G, 16>(outer, x, dy, y),
                    8.. if V::PIXELS >= 16 => sums::<V, G, 8>(outer, x, dy, y),
                    7 if V::PIXELS >= 16 => sums::<V, G, 7>(outer, x, dy, y),
                    5 => sums::<V, G, 5>(outer, x, dy, y),
                    4.. => sums::<V, G, 4>(outer, x, dy, y),
                    3 => sums::<V, G, 3>(outer, x, dy, y),
                    _ => sums::<V, G, 1>(outer, x, dy, y),
                };
                left -= now;
                x = x.wrapping_add(now);
                y = y.add(now * BLOCK);
            }
        }
    }
}

/// The sums of `N` weights; returns how many those are.
///
/// # Safety
/// As [`runs`], for these weights.
#[inline(always)]
unsafe fn sums<V: Vector, const G: usize, const N: usize>(
    outer: &Outer<'_>,
    x: *const f32,
    dy: &[f32],
    y: *mut f32,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::zero(); G]; N];
        let (mut row, mut dy) = (x, dy.as_ptr());
        for _ in 0..outer.rows {
            let mut x = row;
            for _ in 0..outer.columns {
                let up: [V; G] = core::array::from_fn(|g| V::load(dy.add(g * V::LANES)));
                for (n, acc) in acc.iter_mut().enumerate() {
                    let x = V::splat(*x.add(n));
                    for (acc, up) in acc.iter_mut().zip(up) {
                        *acc = acc.fma(x, up);
                    }
                }
                x = x.wrapping_add(outer.x_column);
                dy = dy.add(BLOCK);
            }
            row = row.wrapping_add(outer.x_row);
        }
        for (n, acc) in acc.iter().enumerate() {
            for (g, acc) in acc.iter().enumerate() {
                let at = y.add(n * BLOCK + g * V::LANES);
                V::load(at).add(*acc).store(at);
            }
        }
    }
    N
}
