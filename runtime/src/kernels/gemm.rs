//! Matrix products: the register tiles under convolutions and dense layers.
//!
//! A tile keeps a few rows and a few vectors of the result in registers while it walks the whole inner dimension, so each
//! step loads a handful of values and does many multiply-adds (Goto & van de Geijn 2008). Callers choose blocks that fit the
//! cache; nothing is packed here.

use super::extent;
use crate::isa::Level;
use crate::{Isa, Strip};

/// Sizes and distances of c = start + a · b, in floats. Rows of c are the planes of a strip.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    /// Columns of a, rows of b.
    pub k: usize,
    /// From one row of a to the next.
    pub a_row: usize,
    /// From one column of a to the next.
    pub a_col: usize,
    /// From one row of b to the next, whose columns are consecutive.
    pub b_row: usize,
}

/// Sizes and distances of c = start + a · bᵀ, in floats; columns of all three are consecutive, and rows of c are the planes
/// of a strip.
#[derive(Clone, Copy, Debug)]
pub struct GemmNt {
    /// Columns of a and b.
    pub k: usize,
    /// From one row of a to the next.
    pub a_row: usize,
    /// From one row of b to the next.
    pub b_row: usize,
}

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// What c holds.
    Add,
    /// A number for each row.
    Rows(&'a [f32]),
    /// A number for each column.
    Columns(&'a [f32]),
}

/// Floats that `rows` rows of `cols` consecutive columns span.
fn span(rows: usize, row: usize, cols: usize, col: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { extent([[rows - 1, row], [cols - 1, col], [1, 1]]) }
}

fn check_start(start: Start<'_>, m: usize, n: usize) {
    match start {
        Start::Rows(bias) => assert!(bias.len() >= m, "a number for each row"),
        Start::Columns(bias) => assert!(bias.len() >= n, "a number for each column"),
        Start::Zero | Start::Add => {}
    }
}

/// Writes what a product is added to, for products that only accumulate.
fn begin(start: Start<'_>, c: &mut Strip<'_>) {
    for (i, plane) in c.planes().enumerate() {
        let row = c.plane(plane);
        match start {
            Start::Zero => row.fill(0.0),
            Start::Add => {}
            Start::Rows(bias) => row.fill(bias[i]),
            Start::Columns(bias) => row.copy_from_slice(&bias[..row.len()]),
        }
    }
}

impl Isa {
    /// c\[i, j\] = start + Σ a\[i, k\] · b\[k, j\].
    ///
    /// # Panics
    /// If a slice is shorter than its matrix.
    pub fn gemm(self, g: &Gemm, a: &[f32], b: &[f32], start: Start<'_>, c: &mut Strip<'_>) {
        let (m, n) = (c.planes().len(), c.len());
        assert!(a.len() >= span(m, g.a_row, g.k, g.a_col), "a holds its matrix");
        assert!(b.len() >= span(g.k, g.b_row, n, 1), "b holds its matrix");
        check_start(start, m, n);
        if self.0 == Level::Portable {
            begin(start, c);
        }
        let c = Target { m, n, start: c.start(), row: c.pitch() };
        // SAFETY: the level proves the features; `c` lends its planes to this call alone, and the slices hold their matrices.
        unsafe {
            match self.0 {
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Level::Avx512 => avx512::gemm(g, a, b, start, c),
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Level::Avx2 => avx2::gemm(g, a, b, start, c),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => super::tiles::tiles::<crate::simd::neon::F32x4, 6, 4>(g, a, b, start, c),
                Level::Portable => portable(g.k, (a, g.a_row, g.a_col), (b, g.b_row, 1), c),
            }
        }
    }

    /// c\[i, j\] = start + Σ a\[i, k\] · b\[j, k\]: products of rows with rows.
    ///
    /// # Panics
    /// If a slice is shorter than its matrix.
    pub fn gemm_nt(self, g: &GemmNt, a: &[f32], b: &[f32], start: Start<'_>, c: &mut Strip<'_>) {
        let (m, n) = (c.planes().len(), c.len());
        assert!(a.len() >= span(m, g.a_row, g.k, 1), "a holds its matrix");
        assert!(b.len() >= span(n, g.b_row, g.k, 1), "b holds its matrix");
        check_start(start, m, n);
        begin(start, c);
        let c = Target { m, n, start: c.start(), row: c.pitch() };
        // SAFETY: the level proves the features; `c` lends its planes to this call alone, and the slices hold their matrices.
        unsafe {
            match self.0 {
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Level::Avx512 => avx512::gemm_nt(g, a, b, c),
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Level::Avx2 => avx2::gemm_nt(g, a, b, c),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => super::tiles::dots::<crate::simd::neon::F32x4, 4, 4>(g, a, b, c),
                Level::Portable => portable(g.k, (a, g.a_row, 1), (b, 1, g.b_row), c),
            }
        }
    }
}

/// Where a product goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// Rows.
    pub(super) m: usize,
    /// Columns, which are consecutive.
    pub(super) n: usize,
    /// The first row.
    pub(super) start: *mut f32,
    /// Floats from one row to the next.
    pub(super) row: usize,
}

/// A matrix: its floats, from one row to the next, from one column to the next.
type Strided<'a> = (&'a [f32], usize, usize);

/// Adds a · b to c.
///
/// # Safety
/// The slices and `c` hold their matrices, and nobody else has those rows of `c`.
unsafe fn portable(k: usize, a: Strided<'_>, b: Strided<'_>, c: Target) {
    let ((a, a_row, a_col), (b, b_row, b_col)) = (a, b);
    // SAFETY: the caller's promises.
    unsafe {
        matrixmultiply::sgemm(
            c.m,
            k,
            c.n,
            1.0,
            a.as_ptr(),
            a_row as isize,
            a_col as isize,
            b.as_ptr(),
            b_row as isize,
            b_col as isize,
            1.0,
            c.start,
            c.row as isize,
            1,
        );
    }
}

/// Shells that give the tiles their target features.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
macro_rules! shells {
    ($module:ident, $features:literal, $vector:ty, $gemm:tt, $dots:tt) => {
        mod $module {
            use super::{Gemm, GemmNt, Start, Target};
            use crate::kernels::tiles::{dots, tiles};

            /// # Safety
            /// The features are there, the slices and `c` hold their matrices, and nobody else has those rows of `c`.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn gemm(g: &Gemm, a: &[f32], b: &[f32], start: Start<'_>, c: Target) {
                // SAFETY: the caller's promise.
                unsafe { shells!(@call tiles, $vector, $gemm)(g, a, b, start, c) }
            }

            /// # Safety
            /// The features are there, the slices and `c` hold their matrices, and nobody else has those rows of `c`.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn gemm_nt(g: &GemmNt, a: &[f32], b: &[f32], c: Target) {
                // SAFETY: the caller's promise.
                unsafe { shells!(@call dots, $vector, $dots)(g, a, b, c) }
            }
        }
    };
    (@call $function:ident, $vector:ty, ($rows:literal, $vectors:literal)) => {
        $function::<$vector, $rows, $vectors>
    };
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
shells!(avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", crate::simd::avx512::F32x16, (6, 4), (4, 4));
#[cfg(all(feature = "std", target_arch = "x86_64"))]
shells!(avx2, "avx2,fma", crate::simd::avx2::F32x8, (6, 2), (3, 2));

#[cfg(test)]
mod tests {
    use super::super::checks::{everywhere, numbers};
    use super::*;
    use proptest::prelude::*;

    fn started(start: Start<'_>, old: f32, i: usize, j: usize) -> f64 {
        f64::from(match start {
            Start::Zero => 0.0,
            Start::Add => old,
            Start::Rows(b) => b[i],
            Start::Columns(b) => b[j],
        })
    }

    proptest! {
        #[test]
        fn products_equal_sums(m in 1_usize..20, n in 1_usize..140, k in 0_usize..40, extra in 0_usize..3, flip: bool, kind in 0..4) {
            let (a_row, a_col) = if flip { (1, m + extra) } else { (k + extra, 1) };
            let (g, c_row) = (Gemm { k, a_row, a_col, b_row: n + extra }, n + extra);
            let (a, b) = (numbers(1, span(m, a_row, k, a_col)), numbers(2, span(k, g.b_row, n, 1)));
            let (rows, columns, old) = (numbers(3, m), numbers(4, n), numbers(5, m * c_row));
            for (isa, edge) in everywhere() {
                let [a, b, rows, columns] = [&a, &b, &rows, &columns].map(|values| edge.of(values));
                let mut c = edge.of(&old);
                let start = [Start::Zero, Start::Add, Start::Rows(&rows), Start::Columns(&columns)][kind as usize];
                isa.gemm(&g, &a, &b, start, &mut Strip::of(&mut c, c_row, 0..n));
                for (at, (c, old)) in c.iter().zip(&old).enumerate() {
                    let (i, j) = (at / c_row, at % c_row);
                    if j >= n {
                        prop_assert_eq!(c, old, "{:?} wrote beside the matrix", isa);
                        continue;
                    }
                    let sum: f64 = (0..k).map(|k| f64::from(a[i * a_row + k * a_col]) * f64::from(b[k * g.b_row + j])).sum();
                    let expected = started(start, *old, i, j) + sum;
                    prop_assert!((f64::from(*c) - expected).abs() < 1e-4, "{:?} {} {}", isa, c, expected);
                }
            }
        }

        #[test]
        fn products_of_rows_equal_sums(m in 1_usize..12, n in 1_usize..12, k in 1_usize..70, extra in 0_usize..3) {
            let (g, c_row) = (GemmNt { k, a_row: k + extra, b_row: k + extra }, n + extra);
            let (a, b) = (numbers(1, span(m, g.a_row, k, 1)), numbers(2, span(n, g.b_row, k, 1)));
            let old = numbers(3, m * c_row);
            for (isa, edge) in everywhere() {
                let (a, b, mut c) = (edge.of(&a), edge.of(&b), edge.of(&old));
                isa.gemm_nt(&g, &a, &b, Start::Add, &mut Strip::of(&mut c, c_row, 0..n));
                for (at, (c, old)) in c.iter().zip(&old).enumerate() {
                    let (i, j) = (at / c_row, at % c_row);
                    if j >= n {
                        prop_assert_eq!(c, old, "{:?} wrote beside the matrix", isa);
                        continue;
                    }
                    let sum: f64 = (0..k).map(|k| f64::from(a[i * g.a_row + k]) * f64::from(b[j * g.b_row + k])).sum();
                    prop_assert!((f64::from(*c) - f64::from(*old) - sum).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a holds its matrix")]
    fn distances_beyond_memory_are_refused() {
        // Twice this distance a `usize` does not count; a product that wraps around would be zero.
        let g = Gemm { k: 1, a_row: usize::MAX / 2 + 1, a_col: 1, b_row: 1 };
        Isa::detect().gemm(&g, &[0.0], &[0.0], Start::Zero, &mut Strip::of(&mut [0.0; 3], 1, 0..1));
    }
}
