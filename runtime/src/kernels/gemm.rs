//! Matrix products: the register tiles under convolutions and dense layers.
//!
//! A tile keeps a few rows and a few vectors of the result in registers while it walks the whole inner dimension, so each
//! step loads a handful of values and does many multiply-adds (Goto & van de Geijn 2008). Callers choose blocks that fit the
//! cache; nothing is packed here.

use crate::Isa;
use crate::isa::Level;
use crate::simd::Vector;

/// Sizes and distances of c = start + a · b, in floats.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    /// Rows of a and c.
    pub m: usize,
    /// Columns of b and c, which are consecutive.
    pub n: usize,
    /// Columns of a, rows of b.
    pub k: usize,
    /// From one row of a to the next.
    pub a_row: usize,
    /// From one column of a to the next.
    pub a_col: usize,
    /// From one row of b to the next.
    pub b_row: usize,
    /// From one row of c to the next.
    pub c_row: usize,
}

/// Sizes and distances of c = start + a · bᵀ, in floats; columns of all three are consecutive.
#[derive(Clone, Copy, Debug)]
pub struct GemmNt {
    /// Rows of a and c.
    pub m: usize,
    /// Rows of b, columns of c.
    pub n: usize,
    /// Columns of a and b.
    pub k: usize,
    /// From one row of a to the next.
    pub a_row: usize,
    /// From one row of b to the next.
    pub b_row: usize,
    /// From one row of c to the next.
    pub c_row: usize,
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
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row + (cols - 1) * col + 1 }
}

fn check_start(start: Start<'_>, m: usize, n: usize) {
    match start {
        Start::Rows(bias) => assert!(bias.len() >= m, "a number for each row"),
        Start::Columns(bias) => assert!(bias.len() >= n, "a number for each column"),
        Start::Zero | Start::Add => {}
    }
}

/// Writes what a product is added to, for products that only accumulate.
fn begin(start: Start<'_>, m: usize, n: usize, c_row: usize, c: &mut [f32]) {
    for i in 0..m {
        let row = &mut c[i * c_row..][..n];
        match start {
            Start::Zero => row.fill(0.0),
            Start::Add => {}
            Start::Rows(bias) => row.fill(bias[i]),
            Start::Columns(bias) => row.copy_from_slice(&bias[..n]),
        }
    }
}

impl Isa {
    /// c\[i, j\] = start + Σ a\[i, k\] · b\[k, j\].
    ///
    /// # Panics
    /// If a slice is shorter than its matrix.
    pub fn gemm(self, g: &Gemm, a: &[f32], b: &[f32], start: Start<'_>, c: &mut [f32]) {
        assert!(a.len() >= span(g.m, g.a_row, g.k, g.a_col), "a holds its matrix");
        assert!(b.len() >= span(g.k, g.b_row, g.n, 1), "b holds its matrix");
        assert!(c.len() >= span(g.m, g.c_row, g.n, 1) && g.c_row >= g.n, "c holds its matrix");
        check_start(start, g.m, g.n);
        match self.0 {
            // SAFETY: the level proves the features; the slices hold their matrices.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => unsafe { avx512::gemm(g, a, b, start, c) },
            // SAFETY: as above.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx2 => unsafe { avx2::gemm(g, a, b, start, c) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { tiles::<crate::simd::neon::F32x4, 6, 4>(g, a, b, start, c) },
            Level::Portable => {
                begin(start, g.m, g.n, g.c_row, c);
                // SAFETY: the slices hold their matrices, checked above.
                unsafe {
                    matrixmultiply::sgemm(
                        g.m,
                        g.k,
                        g.n,
                        1.0,
                        a.as_ptr(),
                        g.a_row as isize,
                        g.a_col as isize,
                        b.as_ptr(),
                        g.b_row as isize,
                        1,
                        1.0,
                        c.as_mut_ptr(),
                        g.c_row as isize,
                        1,
                    );
                }
            }
        }
    }

    /// c\[i, j\] = start + Σ a\[i, k\] · b\[j, k\]: products of rows with rows.
    ///
    /// # Panics
    /// If a slice is shorter than its matrix.
    pub fn gemm_nt(self, g: &GemmNt, a: &[f32], b: &[f32], start: Start<'_>, c: &mut [f32]) {
        assert!(a.len() >= span(g.m, g.a_row, g.k, 1), "a holds its matrix");
        assert!(b.len() >= span(g.n, g.b_row, g.k, 1), "b holds its matrix");
        assert!(c.len() >= span(g.m, g.c_row, g.n, 1) && g.c_row >= g.n, "c holds its matrix");
        check_start(start, g.m, g.n);
        begin(start, g.m, g.n, g.c_row, c);
        match self.0 {
            // SAFETY: the level proves the features; the slices hold their matrices.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => unsafe { avx512::gemm_nt(g, a, b, c) },
            // SAFETY: as above.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx2 => unsafe { avx2::gemm_nt(g, a, b, c) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { dots::<crate::simd::neon::F32x4, 4, 4>(g, a, b, c) },
            // SAFETY: the slices hold their matrices, checked above.
            Level::Portable => unsafe {
                matrixmultiply::sgemm(
                    g.m,
                    g.k,
                    g.n,
                    1.0,
                    a.as_ptr(),
                    g.a_row as isize,
                    1,
                    b.as_ptr(),
                    1,
                    g.b_row as isize,
                    1.0,
                    c.as_mut_ptr(),
                    g.c_row as isize,
                    1,
                );
            },
        }
    }
}

/// Shells that give the tiles their target features.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
macro_rules! shells {
    ($module:ident, $features:literal, $vector:ty, $gemm:tt, $dots:tt) => {
        mod $module {
            use super::{Gemm, GemmNt, Start, dots, tiles};

            /// # Safety
            /// The features are there, and the slices hold their matrices.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn gemm(g: &Gemm, a: &[f32], b: &[f32], start: Start<'_>, c: &mut [f32]) {
                // SAFETY: the caller's promise.
                unsafe { shells!(@call tiles, $vector, $gemm)(g, a, b, start, c) }
            }

            /// # Safety
            /// The features are there, and the slices hold their matrices.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn gemm_nt(g: &GemmNt, a: &[f32], b: &[f32], c: &mut [f32]) {
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

/// Covers c with tiles of `MR` rows and `NV` vectors, smaller ones at the edges.
///
/// Columns outermost: a panel of b stays in the cache while all rows of a pass over it.
///
/// # Safety
/// The vector's instructions are there, and the slices hold their matrices.
#[inline(always)]
unsafe fn tiles<V: Vector, const MR: usize, const NV: usize>(
    g: &Gemm,
    a: &[f32],
    b: &[f32],
    start: Start<'_>,
    c: &mut [f32],
) {
    let mut j = 0;
    while j < g.n {
        let vectors = (g.n - j).div_ceil(V::LANES).min(NV);
        // SAFETY: columns j.. are in range, the caller promises the rest.
        unsafe {
            match vectors {
                1 => rows::<V, MR, 1>(g, a, b, start, c, j),
                2 => rows::<V, MR, 2>(g, a, b, start, c, j),
                3 => rows::<V, MR, 3>(g, a, b, start, c, j),
                _ => rows::<V, MR, NV>(g, a, b, start, c, j),
            }
        }
        j += vectors * V::LANES;
    }
}

/// All rows of the panel of columns that starts at `j`.
///
/// # Safety
/// As [`tiles`]; `j` is less than `n`.
#[inline(always)]
unsafe fn rows<V: Vector, const MR: usize, const NV: usize>(
    g: &Gemm,
    a: &[f32],
    b: &[f32],
    start: Start<'_>,
    c: &mut [f32],
    j: usize,
) {
    let mut i = 0;
    while i + MR <= g.m {
        // SAFETY: rows i..i + MR are in range.
        unsafe { tile::<V, MR, NV>(g, a, b, start, c, i, j) };
        i += MR;
    }
    while i + 2 <= g.m {
        // SAFETY: rows i..i + 2 are in range.
        unsafe { tile::<V, 2, NV>(g, a, b, start, c, i, j) };
        i += 2;
    }
    if i < g.m {
        // SAFETY: row i is in range.
        unsafe { tile::<V, 1, NV>(g, a, b, start, c, i, j) };
    }
}

/// One tile: `MR` rows from `i`, up to `NV` vectors of columns from `j`.
///
/// # Safety
/// As [`tiles`]; rows `i..i + MR` and column `j` exist.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "three matrices and a place")]
unsafe fn tile<V: Vector, const MR: usize, const NV: usize>(
    g: &Gemm,
    a: &[f32],
    b: &[f32],
    start: Start<'_>,
    c: &mut [f32],
    i: usize,
    j: usize,
) {
    let columns = (g.n - j).min(NV * V::LANES);
    // Lanes of the last vector that are columns.
    let last = columns - (NV - 1) * V::LANES;
    // SAFETY: all pointers stay in their matrices: rows i..i + MR, columns j..j + columns, and the last vector is read and
    // written in part only.
    unsafe {
        let mut acc = [[V::zero(); NV]; MR];
        let c = c.as_mut_ptr().add(i * g.c_row + j);
        match start {
            Start::Zero => {}
            Start::Add => {
                for (r, acc) in acc.iter_mut().enumerate() {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let from = c.add(r * g.c_row + v * V::LANES);
                        *acc = if v + 1 < NV { V::load(from) } else { V::load_part(from, last) };
                    }
                }
            }
            Start::Rows(bias) => {
                for (r, acc) in acc.iter_mut().enumerate() {
                    *acc = [V::splat(bias[i + r]); NV];
                }
            }
            Start::Columns(bias) => {
                for acc in &mut acc {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let from = bias.as_ptr().add(j + v * V::LANES);
                        *acc = if v + 1 < NV { V::load(from) } else { V::load_part(from, last) };
                    }
                }
            }
        }
        let mut a = a.as_ptr().add(i * g.a_row);
        let mut b = b.as_ptr().add(j);
        if last == V::LANES {
            for _ in 0..g.k {
                step::<V, MR, NV>(&mut acc, a, g.a_row, core::array::from_fn(|v| V::load(b.add(v * V::LANES))));
                a = a.wrapping_add(g.a_col);
                b = b.wrapping_add(g.b_row);
            }
        } else {
            for _ in 0..g.k {
                let row = core::array::from_fn(|v| {
                    let from = b.add(v * V::LANES);
                    if v + 1 < NV { V::load(from) } else { V::load_part(from, last) }
                });
                step::<V, MR, NV>(&mut acc, a, g.a_row, row);
                a = a.wrapping_add(g.a_col);
                b = b.wrapping_add(g.b_row);
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            for (v, acc) in acc.iter().enumerate() {
                let to = c.add(r * g.c_row + v * V::LANES);
                if v + 1 < NV { acc.store(to) } else { acc.store_part(to, last) }
            }
        }
    }
}

/// One step of the inner dimension: a column of a times a row of b.
///
/// # Safety
/// `a` points to `MR` rows.
#[inline(always)]
unsafe fn step<V: Vector, const MR: usize, const NV: usize>(
    acc: &mut [[V; NV]; MR],
    a: *const f32,
    a_row: usize,
    b: [V; NV],
) {
    for (r, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let a = V::splat(*a.add(r * a_row));
            for (acc, b) in acc.iter_mut().zip(b) {
                *acc = acc.fma(a, b);
            }
        }
    }
}

/// Adds products of rows with rows to c, `MR` × `NR` at a time.
///
/// # Safety
/// The vector's instructions are there, and the slices hold their matrices.
#[inline(always)]
unsafe fn dots<V: Vector, const MR: usize, const NR: usize>(g: &GemmNt, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut i = 0;
    while i < g.m {
        let rows = if i + MR <= g.m { MR } else { 1 };
        let mut j = 0;
        while j < g.n {
            let columns = if j + NR <= g.n { NR } else { 1 };
            // SAFETY: rows i..i + rows of a and j..j + columns of b exist.
            unsafe {
                let (a, b) = (a.as_ptr().add(i * g.a_row), b.as_ptr().add(j * g.b_row));
                let c = c.as_mut_ptr().add(i * g.c_row + j);
                match (rows == MR, columns == NR) {
                    (true, true) => dot_tile::<V, MR, NR>(g, a, b, c),
                    (true, false) => dot_tile::<V, MR, 1>(g, a, b, c),
                    (false, true) => dot_tile::<V, 1, NR>(g, a, b, c),
                    (false, false) => dot_tile::<V, 1, 1>(g, a, b, c),
                }
            }
            j += columns;
        }
        i += rows;
    }
}

/// `MR` rows with `NR` rows.
///
/// # Safety
/// As [`dots`]; the pointers stand at rows of which that many exist.
#[inline(always)]
unsafe fn dot_tile<V: Vector, const MR: usize, const NR: usize>(g: &GemmNt, a: *const f32, b: *const f32, c: *mut f32) {
    // SAFETY: columns 0..k of the rows exist; the last vector is read in part only.
    unsafe {
        let mut acc = [[V::zero(); NR]; MR];
        let mut k = 0;
        while k + V::LANES <= g.k {
            let b: [V; NR] = core::array::from_fn(|j| V::load(b.add(j * g.b_row + k)));
            for (i, acc) in acc.iter_mut().enumerate() {
                let a = V::load(a.add(i * g.a_row + k));
                for (acc, b) in acc.iter_mut().zip(b) {
                    *acc = acc.fma(a, b);
                }
            }
            k += V::LANES;
        }
        if k < g.k {
            let rest = g.k - k;
            let b: [V; NR] = core::array::from_fn(|j| V::load_part(b.add(j * g.b_row + k), rest));
            for (i, acc) in acc.iter_mut().enumerate() {
                let a = V::load_part(a.add(i * g.a_row + k), rest);
                for (acc, b) in acc.iter_mut().zip(b) {
                    *acc = acc.fma(a, b);
                }
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                *c.add(i * g.c_row + j) += acc.sum();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn numbers(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| ((i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) % 1000) as f32 / 500.0 - 1.0)
            .collect()
    }

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
            let g = Gemm { m, n, k, a_row, a_col, b_row: n + extra, c_row: n + extra };
            let (a, b) = (numbers(m * (k + extra) + k * (m + extra), 1), numbers(k * (n + extra), 2));
            let bias = numbers(m.max(n), 3);
            for isa in Isa::available() {
                let old = numbers(m * (n + extra), 4);
                let mut c = old.clone();
                let start = [Start::Zero, Start::Add, Start::Rows(&bias), Start::Columns(&bias)][kind as usize];
                isa.gemm(&g, &a, &b, start, &mut c);
                for i in 0..m {
                    for j in 0..n + extra {
                        let at = i * g.c_row + j;
                        if j >= n {
                            prop_assert_eq!(c[at], old[at], "{:?} wrote beside the matrix", isa);
                            continue;
                        }
                        let sum: f64 = (0..k).map(|k| f64::from(a[i * a_row + k * a_col]) * f64::from(b[k * g.b_row + j])).sum();
                        let expected = started(start, old[at], i, j) + sum;
                        prop_assert!((f64::from(c[at]) - expected).abs() < 1e-4, "{:?} {} {}", isa, c[at], expected);
                    }
                }
            }
        }

        #[test]
        fn products_of_rows_equal_sums(m in 1_usize..12, n in 1_usize..12, k in 1_usize..70, extra in 0_usize..3) {
            let g = GemmNt { m, n, k, a_row: k + extra, b_row: k + extra, c_row: n + extra };
            let (a, b) = (numbers(m * (k + extra), 1), numbers(n * (k + extra), 2));
            for isa in Isa::available() {
                let mut c = vec![0.5; m * (n + extra)];
                isa.gemm_nt(&g, &a, &b, Start::Add, &mut c);
                for i in 0..m {
                    for j in 0..n {
                        let sum: f64 = (0..k).map(|k| f64::from(a[i * g.a_row + k]) * f64::from(b[j * g.b_row + k])).sum();
                        prop_assert!((f64::from(c[i * g.c_row + j]) - 0.5 - sum).abs() < 1e-4);
                    }
                }
            }
        }
    }
}
