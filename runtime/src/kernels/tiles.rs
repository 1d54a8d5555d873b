//! The register tiles of [`gemm`](super::gemm), written once over the vectors of all instruction sets.

use super::gemm::{Gemm, GemmNt, Start, Target};
use crate::simd::Vector;

/// Covers c with tiles of `MR` rows and `NV` vectors, smaller ones at the edges.
///
/// Columns outermost: a panel of b stays in the cache while all rows of a pass over it.
///
/// # Safety
/// The vector's instructions are there, the slices and `c` hold their matrices, and nobody else has those rows of `c`.
#[inline(always)]
pub(super) unsafe fn tiles<V: Vector, const MR: usize, const NV: usize>(
    g: &Gemm,
    a: &[f32],
    b: &[f32],
    start: Start<'_>,
    c: Target,
) {
    let mut j = 0;
    while j < c.n {
        let vectors = (c.n - j).div_ceil(V::LANES).min(NV);
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
    c: Target,
    j: usize,
) {
    let mut i = 0;
    while i + MR <= c.m {
        // SAFETY: rows i..i + MR are in range.
        unsafe { tile::<V, MR, NV>(g, a, b, start, c, i, j) };
        i += MR;
    }
    while i + 2 <= c.m {
        // SAFETY: rows i..i + 2 are in range.
        unsafe { tile::<V, 2, NV>(g, a, b, start, c, i, j) };
        i += 2;
    }
    if i < c.m {
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
    c: Target,
    i: usize,
    j: usize,
) {
    let columns = (c.n - j).min(NV * V::LANES);
    // Lanes of the last vector that are columns.
    let last = columns - (NV - 1) * V::LANES;
    // SAFETY: all pointers stay in their matrices: rows i..i + MR, columns j..j + columns, and the last vector is read and
    // written in part only.
    unsafe {
        let mut acc = [[V::zero(); NV]; MR];
        let (c, c_row) = (c.start.add(i * c.row + j), c.row);
        match start {
            Start::Zero => {}
            Start::Add => {
                for (r, acc) in acc.iter_mut().enumerate() {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let from = c.add(r * c_row + v * V::LANES);
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
                let to = c.add(r * c_row + v * V::LANES);
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
/// Rows of b outermost: they are the weights of dense layers, which come from memory once.
///
/// # Safety
/// The vector's instructions are there, the slices and `c` hold their matrices, and nobody else has those rows of `c`.
#[inline(always)]
pub(super) unsafe fn dots<V: Vector, const MR: usize, const NR: usize>(g: &GemmNt, a: &[f32], b: &[f32], c: Target) {
    if c.m == 1 {
        // SAFETY: the caller's promises.
        return unsafe { dots_of_one::<V>(g, a, b, c) };
    }
    let mut j = 0;
    while j < c.n {
        let columns = if j + NR <= c.n { NR } else { 1 };
        let mut i = 0;
        while i < c.m {
            let rows = if i + MR <= c.m { MR } else { 1 };
            // SAFETY: rows i..i + rows of a and j..j + columns of b exist.
            unsafe {
                let (a, b) = (a.as_ptr().add(i * g.a_row), b.as_ptr().add(j * g.b_row));
                let to = c.start.add(i * c.row + j);
                match (rows == MR, columns == NR) {
                    (true, true) => dot_tile::<V, MR, NR>(g, a, b, to, c.row),
                    (true, false) => dot_tile::<V, MR, 1>(g, a, b, to, c.row),
                    (false, true) => dot_tile::<V, 1, NR>(g, a, b, to, c.row),
                    (false, false) => dot_tile::<V, 1, 1>(g, a, b, to, c.row),
                }
            }
            i += rows;
        }
        j += columns;
    }
}

/// Vectors of a row that are multiplied at a time, each with a sum of its own: two rows of four hide how long a multiply-add takes.
const ABREAST: usize = 4;

/// [`dots`] of a single row of a: two rows of b at a time, streams that memory gives together faster than one.
///
/// # Safety
/// As [`dots`].
#[inline(always)]
unsafe fn dots_of_one<V: Vector>(g: &GemmNt, a: &[f32], b: &[f32], c: Target) {
    for j in (0..c.n).step_by(2) {
        // SAFETY: the rows of b exist.
        unsafe {
            let (b, to) = (b.as_ptr().add(j * g.b_row), c.start.add(j));
            if j + 1 < c.n {
                long_dots::<V, 2>(g, a.as_ptr(), b, to);
            } else {
                long_dots::<V, 1>(g, a.as_ptr(), b, to);
            }
        }
    }
}

/// Adds the products of a row with `NR` rows of b.
///
/// # Safety
/// As [`dots`]; the pointers stand at rows of which that many exist.
#[inline(always)]
unsafe fn long_dots<V: Vector, const NR: usize>(g: &GemmNt, a: *const f32, b: *const f32, c: *mut f32) {
    // SAFETY: columns 0..k of the rows exist; the last vector is read in part only.
    unsafe {
        let mut sums = [[V::zero(); ABREAST]; NR];
        let mut k = 0;
        while k + ABREAST * V::LANES <= g.k {
            for i in 0..ABREAST {
                let at = k + i * V::LANES;
                let a = V::load(a.add(at));
                for (j, sums) in sums.iter_mut().enumerate() {
                    sums[i] = sums[i].fma(a, V::load(b.add(j * g.b_row + at)));
                }
            }
            k += ABREAST * V::LANES;
        }
        while k + V::LANES <= g.k {
            let a = V::load(a.add(k));
            for (j, sums) in sums.iter_mut().enumerate() {
                sums[0] = sums[0].fma(a, V::load(b.add(j * g.b_row + k)));
            }
            k += V::LANES;
        }
        if k < g.k {
            let rest = g.k - k;
            let a = V::load_part(a.add(k), rest);
            for (j, sums) in sums.iter_mut().enumerate() {
                sums[1] = sums[1].fma(a, V::load_part(b.add(j * g.b_row + k), rest));
            }
        }
        for (j, [one, two, three, four]) in sums.into_iter().enumerate() {
            *c.add(j) += one.add(two).add(three.add(four)).sum();
        }
    }
}

/// `MR` rows with `NR` rows.
///
/// # Safety
/// As [`dots`]; the pointers stand at rows of which that many exist.
#[inline(always)]
unsafe fn dot_tile<V: Vector, const MR: usize, const NR: usize>(
    g: &GemmNt,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    c_row: usize,
) {
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
                *c.add(i * c_row + j) += acc.sum();
            }
        }
    }
}
