//! Sums over pixels of products of output channels with input channels: the gradient of weights.

#![allow(clippy::needless_range_loop, reason = "numbers of registers are constants when loops are unrolled")]

use super::{BLOCK, extent};
use crate::isa::Level;
use crate::simd::Vector;

/// Which pixels and which inputs.
#[derive(Clone, Copy, Debug)]
pub struct Outer<'a> {
    /// Rows of the output.
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
    /// Blocks of output channels: 1 or 2.
    pub blocks: usize,
    /// Floats from one block of output channels to the next.
    pub dy_block: usize,
}

/// Pixels that all weights are summed over before the next ones: what is read of them stays in the first-level cache, and loading
/// and storing sums weighs little.
const PIXELS: usize = 192;

impl Outer<'_> {
    /// Calls `f(part, row, column)` for parts of some pixels, rows from `row` on, or columns from `column` on of one row that is
    /// long.
    fn parts(&self, mut f: impl FnMut(&Self, usize, usize)) {
        if self.rows * self.columns <= PIXELS {
            return f(self, 0, 0);
        }
        let columns = self.columns.div_ceil(self.columns.div_ceil(PIXELS));
        let rows = if columns < self.columns { 1 } else { (PIXELS / columns).min(self.rows) };
        let rows = self.rows.div_ceil(self.rows.div_ceil(rows));
        for row in (0..self.rows).step_by(rows) {
            for column in (0..self.columns).step_by(columns) {
                let (rows, columns) = (rows.min(self.rows - row), columns.min(self.columns - column));
                f(&Self { rows, columns, ..*self }, row, column);
            }
        }
    }

    /// Floats of the weights of one block.
    fn weights(&self) -> usize {
        extent([[self.runs.len(), self.run, BLOCK]])
    }

    fn check(&self, x: &[f32], dy: &[f32], y: &[f32]) {
        assert!(self.rows > 0 && self.columns > 0 && self.run > 0, "products of something");
        assert!(self.blocks == 1 || self.blocks == 2, "one block of output channels or two");
        let start = self.runs.iter().copied().max().expect("a run");
        let farthest =
            extent([[start, 1], [self.rows - 1, self.x_row], [self.columns - 1, self.x_column], [self.run, 1]]);
        assert!(x.len() >= farthest, "input of {} floats, {farthest} are read", x.len());
        let gradients = extent([[self.blocks - 1, self.dy_block, 1], [self.rows, self.columns, BLOCK]]);
        assert!(dy.len() >= gradients, "upstream gradient");
        assert!(y.len() >= extent([[self.blocks, self.weights()]]), "weights");
    }
}

impl crate::Isa {
    /// Adds Σ dy\[pixel\] · x\[what weight w sees at that pixel\] to the sixteen numbers of each weight: `y` is
    /// `[blocks][runs][run][16]`, `dy` holds `[rows][columns][16]` for each block.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn outer(self, outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) {
        outer.check(x, dy, y);
        outer.parts(|part, row, column| {
            let (x, dy) =
                (&x[row * outer.x_row + column * outer.x_column..], &dy[(row * outer.columns + column) * BLOCK..]);
            // SAFETY: an `Isa` of a level is only made where detection found its features; the slices hold what the pixels of the
            // part need, since they hold what all pixels do.
            unsafe {
                match self.0 {
                    #[cfg(all(feature = "std", target_arch = "x86_64"))]
                    Level::Avx512 => avx512(part, x, dy, y),
                    #[cfg(all(feature = "std", target_arch = "x86_64"))]
                    Level::Avx2 => avx2(part, x, dy, y),
                    #[cfg(target_arch = "aarch64")]
                    Level::Neon => narrow::<crate::simd::neon::F32x4, 4>(part, x, dy, y),
                    Level::Portable => narrow::<crate::simd::lanes::Lanes, 1>(part, x, dy, y),
                }
            }
        });
    }
}

/// # Safety
/// The processor has these features, and the slices hold what [`Outer::check`] asks for.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promises.
    unsafe {
        match outer.blocks {
            2 => wide::<2>(outer, x, dy, y),
            _ => wide::<1>(outer, x, dy, y),
        }
    }
}

/// # Safety
/// The processor has these features, and the slices hold what [`Outer::check`] asks for.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promises.
    unsafe { narrow::<crate::simd::avx2::F32x8, 2>(outer, x, dy, y) }
}

/// Two blocks, up to twelve weights at a time: 24 of 32 registers hold sums.
///
/// # Safety
/// As [`avx512`]; there are `M` blocks.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[inline(always)]
unsafe fn wide<const M: usize>(outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) {
    for (index, start) in outer.runs.iter().enumerate() {
        let mut done = 0;
        while done < outer.run {
            // SAFETY: these weights and what they see exist.
            unsafe {
                let place = Place::of(x, dy, y, start + done, index * outer.run + done);
                done += match outer.run - done {
                    16 => sums512::<M, 8>(outer, place),
                    11.. => sums512::<M, 11>(outer, place),
                    8.. => sums512::<M, 8>(outer, place),
                    7 => sums512::<M, 7>(outer, place),
                    5.. => sums512::<M, 5>(outer, place),
                    3.. => sums512::<M, 3>(outer, place),
                    _ => sums512::<M, 1>(outer, place),
                };
            }
        }
    }
}

/// One block, up to six weights at a time, which are of equal size as far as that is possible.
///
/// # Safety
/// The vector's instructions are there, and the slices hold what [`Outer::check`] asks for.
#[inline(always)]
unsafe fn narrow<V: Vector, const G: usize>(outer: &Outer<'_>, x: &[f32], dy: &[f32], y: &mut [f32]) {
    for block in 0..outer.blocks {
        let dy = &dy[block * outer.dy_block..];
        for (index, start) in outer.runs.iter().enumerate() {
            let mut done = 0;
            while done < outer.run {
                let weight = (block * outer.runs.len() + index) * outer.run + done;
                // SAFETY: these weights and what they see exist.
                unsafe {
                    let place = Place::of(x, dy, y, start + done, weight);
                    let left = outer.run - done;
                    done += match left.div_ceil(left.div_ceil(6)) {
                        6.. => sums::<V, 1, G, 6>(outer, place),
                        5 => sums::<V, 1, G, 5>(outer, place),
                        4 => sums::<V, 1, G, 4>(outer, place),
                        3 => sums::<V, 1, G, 3>(outer, place),
                        2 => sums::<V, 1, G, 2>(outer, place),
                        _ => sums::<V, 1, G, 1>(outer, place),
                    };
                }
            }
        }
    }
}

/// Where some weights' inputs, the gradient and the sums are.
#[derive(Clone, Copy)]
struct Place {
    x: *const f32,
    dy: *const f32,
    y: *mut f32,
}

impl Place {
    #[inline(always)]
    fn of(x: &[f32], dy: &[f32], y: &mut [f32], input: usize, weight: usize) -> Self {
        let y = y.as_mut_ptr().wrapping_add(weight * BLOCK);
        Self { x: x.as_ptr().wrapping_add(input), dy: dy.as_ptr(), y }
    }
}

/// [`sums`] of AVX-512, a function of its own for the sake of compile time.
///
/// # Safety
/// As [`sums`]; the processor has these features.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
unsafe fn sums512<const M: usize, const N: usize>(outer: &Outer<'_>, place: Place) -> usize {
    // SAFETY: the caller's promises.
    unsafe { sums::<crate::simd::avx512::F32x16, M, 1, N>(outer, place) }
}

/// Weights of the widest tile.
const MOST: usize = 11;

/// Repeats code for each of the first `$n` weights, with the weight's number as a constant: see `tile`.
macro_rules! each_weight {
    ($n:expr, $weight:ident, $body:block) => {
        each_weight!(@ $n, $weight, $body, 0 1 2 3 4 5 6 7 8 9 10)
    };
    (@ $n:expr, $weight:ident, $body:block, $($i:literal)*) => {
        {
            $(if $i < $n {
                const $weight: usize = $i;
                $body
            })*
        }
    };
}

/// The sums of `N` weights of `M` blocks; returns `N`.
///
/// # Safety
/// The vector's instructions are there; these weights and what they see exist.
#[inline(always)]
unsafe fn sums<V: Vector, const M: usize, const G: usize, const N: usize>(outer: &Outer<'_>, place: Place) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[[V::zero(); G]; M]; MOST];
        let (mut row, mut dy) = (place.x, place.dy);
        for _ in 0..outer.rows {
            let mut x = row;
            for _ in 0..outer.columns {
                let up: [[V; G]; M] = core::array::from_fn(|m| {
                    core::array::from_fn(|g| V::load(dy.add(m * outer.dy_block + g * V::LANES)))
                });
                each_weight!(N, WEIGHT, {
                    let x = V::splat(*x.add(WEIGHT));
                    for m in 0..M {
                        for g in 0..G {
                            acc[WEIGHT][m][g] = acc[WEIGHT][m][g].fma(x, up[m][g]);
                        }
                    }
                });
                x = x.wrapping_add(outer.x_column);
                dy = dy.add(BLOCK);
            }
            row = row.wrapping_add(outer.x_row);
        }
        let weights = outer.weights();
        each_weight!(N, WEIGHT, {
            for m in 0..M {
                for g in 0..G {
                    let at = place.y.add(m * weights + WEIGHT * BLOCK + g * V::LANES);
                    V::load(at).add(acc[WEIGHT][m][g]).store(at);
                }
            }
        });
    }
    N
}
