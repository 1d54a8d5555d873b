//! Convolutions of stride 1 without gathering.
//!
//! In a plane whose rows are padded to one pitch, what an element of the window sees of all output pixels is one run of
//! memory, only shifted. So the patches need not be copied: each step of the product loads its row of them from the plane
//! itself. Between the rows of the result stand a few columns that mean nothing; they are left out when it is copied.

use super::extent;
use crate::Isa;
use crate::isa::{Level, per_isa};

/// A product of filters with shifted planes: c\[i, j\] = start + Σ a\[i, ch, e\] · x\[ch · plane + shift(e) + j\].
///
/// Elements of the window go over rows and columns; the weights of a filter are walked forwards or backwards.
#[derive(Clone, Copy, Debug)]
pub struct Shifted {
    /// Filters: rows of c.
    pub filters: usize,
    /// Channels that are summed over.
    pub channels: usize,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Floats from one row and one column of the window to the next in a plane.
    pub step: [usize; 2],
    /// Floats from one plane to the next.
    pub plane: usize,
    /// Columns of c, those between rows included.
    pub columns: usize,
    /// Floats from one filter's weights to the next.
    pub a_filter: usize,
    /// Floats from one channel's weights to the next.
    pub a_channel: usize,
    /// Whether the weights of a window are walked backwards, as the gradient by the input does.
    pub backwards: bool,
}

impl Shifted {
    /// Elements of the window.
    fn window(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Floats of the planes that are read.
    fn reach(&self) -> usize {
        let [rows, columns] = self.kernel.map(|size| size - 1);
        extent([[self.channels - 1, self.plane], [rows, self.step[0]], [columns, self.step[1]], [self.columns, 1]])
    }

    /// Floats of the weights that are read.
    fn weights(&self) -> usize {
        extent([[self.filters - 1, self.a_filter], [self.channels - 1, self.a_channel], self.kernel])
    }
}

impl Isa {
    /// The product. `bias` is added to each filter's row; rows of c are `g.columns` apart.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn shifted(self, g: &Shifted, a: &[f32], x: &[f32], bias: Option<&[f32]>, c: &mut [f32]) {
        assert!(
            a.len() >= g.weights() && x.len() >= g.reach() && c.len() >= extent([[g.filters, g.columns]]),
            "operands hold their parts"
        );
        assert!(bias.is_none_or(|b| b.len() >= g.filters), "a number for each filter");
        match self.0 {
            // SAFETY: the level proves the features; the slices hold what is read and written.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => unsafe { avx512::shifted(g, a, x, bias, c) },
            // SAFETY: as above.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx2 => unsafe { avx2::shifted(g, a, x, bias, c) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { vectors::shifted::<crate::simd::neon::F32x4, 6, 4>(g, a, x, bias, c) },
            Level::Portable => portable(g, a, x, bias, c),
        }
    }

    /// The gradient by the weights: dw\[i, ch, e\] += Σ dy\[i, j\] · x\[ch · plane + shift(e) + j\], with the numbers of the
    /// product; `dy` has zeros in the columns between rows.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn shifted_weights(self, g: &Shifted, dy: &[f32], x: &[f32], dw: &mut [f32]) {
        assert!(
            dw.len() >= g.weights() && x.len() >= g.reach() && dy.len() >= extent([[g.filters, g.columns]]),
            "operands hold their parts"
        );
        match self.0 {
            // SAFETY: the level proves the features; the slices hold what is read and written.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => unsafe { avx512::weights(g, dy, x, dw) },
            // SAFETY: as above.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx2 => unsafe { avx2::weights(g, dy, x, dw) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { vectors::weights::<crate::simd::neon::F32x4, 4, 4>(g, dy, x, dw) },
            Level::Portable => portable_weights(g, dy, x, dw),
        }
    }
}

/// One shifted row of patches after another through the portable product.
fn portable(g: &Shifted, a: &[f32], x: &[f32], bias: Option<&[f32]>, c: &mut [f32]) {
    for (i, row) in c.chunks_exact_mut(g.columns).take(g.filters).enumerate() {
        row.fill(bias.map_or(0.0, |b| b[i]));
    }
    each(g, |channel, e, from| {
        // A column of weights times a row of patches.
        let weight = channel * g.a_channel + e;
        // SAFETY: the sizes were checked by the caller: filters weights, columns patches, and the result.
        unsafe {
            matrixmultiply::sgemm(
                g.filters,
                1,
                g.columns,
                1.0,
                a[weight..].as_ptr(),
                g.a_filter as isize,
                1,
                x[from..].as_ptr(),
                1,
                1,
                1.0,
                c.as_mut_ptr(),
                g.columns as isize,
                1,
            );
        }
    });
}

fn portable_weights(g: &Shifted, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    each(g, |channel, e, from| {
        let weight = channel * g.a_channel + e;
        // SAFETY: the sizes were checked by the caller.
        unsafe {
            matrixmultiply::sgemm(
                g.filters,
                g.columns,
                1,
                1.0,
                dy.as_ptr(),
                g.columns as isize,
                1,
                x[from..].as_ptr(),
                1,
                1,
                1.0,
                dw[weight..].as_mut_ptr(),
                g.a_filter as isize,
                1,
            );
        }
    });
}

/// Calls `f(channel, weight of the window, start in the planes)`.
fn each(g: &Shifted, mut f: impl FnMut(usize, usize, usize)) {
    for channel in 0..g.channels {
        for h in 0..g.kernel[0] {
            for w in 0..g.kernel[1] {
                let e = h * g.kernel[1] + w;
                let e = if g.backwards { g.window() - 1 - e } else { e };
                f(channel, e, channel * g.plane + h * g.step[0] + w * g.step[1]);
            }
        }
    }
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
macro_rules! shells {
    ($module:ident, $features:literal, $vector:ty, $rows:literal, $vectors:literal, $dot_rows:literal, $dot_columns:literal) => {
        mod $module {
            use super::{Shifted, vectors};

            /// # Safety
            /// The features are there, and the slices hold what is read and written.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn shifted(g: &Shifted, a: &[f32], x: &[f32], bias: Option<&[f32]>, c: &mut [f32]) {
                // SAFETY: the caller's promise.
                unsafe { vectors::shifted::<$vector, $rows, $vectors>(g, a, x, bias, c) }
            }

            /// # Safety
            /// The features are there, and the slices hold what is read and written.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn weights(g: &Shifted, dy: &[f32], x: &[f32], dw: &mut [f32]) {
                // SAFETY: the caller's promise.
                unsafe { vectors::weights::<$vector, $dot_rows, $dot_columns>(g, dy, x, dw) }
            }
        }
    };
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
shells!(avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", crate::simd::avx512::F32x16, 6, 4, 4, 5);
#[cfg(all(feature = "std", target_arch = "x86_64"))]
shells!(avx2, "avx2,fma", crate::simd::avx2::F32x8, 6, 2, 2, 4);

/// The tiles, written once over the vectors of all instruction sets.
#[cfg(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64"))]
mod vectors {
    use super::Shifted;
    use crate::simd::Vector;

    /// # Safety
    /// The vector's instructions are there, and the slices hold what is read and written.
    #[inline(always)]
    pub(super) unsafe fn shifted<V: Vector, const MR: usize, const NV: usize>(
        g: &Shifted,
        a: &[f32],
        x: &[f32],
        bias: Option<&[f32]>,
        c: &mut [f32],
    ) {
        let mut j = 0;
        while j < g.columns {
            let vectors = (g.columns - j).div_ceil(V::LANES).min(NV);
            // SAFETY: columns j.. are in range, the caller promises the rest.
            unsafe {
                match vectors {
                    1 => filters::<V, MR, 1>(g, a, x, bias, c, j),
                    2 => filters::<V, MR, 2>(g, a, x, bias, c, j),
                    3 => filters::<V, MR, 3>(g, a, x, bias, c, j),
                    _ => filters::<V, MR, NV>(g, a, x, bias, c, j),
                }
            }
            j += vectors * V::LANES;
        }
    }

    /// # Safety
    /// As [`shifted`]; `j` is a column.
    #[inline(always)]
    unsafe fn filters<V: Vector, const MR: usize, const NV: usize>(
        g: &Shifted,
        a: &[f32],
        x: &[f32],
        bias: Option<&[f32]>,
        c: &mut [f32],
        j: usize,
    ) {
        let mut i = 0;
        // SAFETY: filters i.. are in range.
        unsafe {
            while i + MR <= g.filters {
                tile::<V, MR, NV>(g, a, x, bias, c, [i, j]);
                i += MR;
            }
            while i + 2 <= g.filters {
                tile::<V, 2, NV>(g, a, x, bias, c, [i, j]);
                i += 2;
            }
            if i < g.filters {
                tile::<V, 1, NV>(g, a, x, bias, c, [i, j]);
            }
        }
    }

    /// `MR` filters, up to `NV` vectors of columns.
    ///
    /// # Safety
    /// As [`shifted`]; the filters and the first column of the place exist.
    #[inline(always)]
    unsafe fn tile<V: Vector, const MR: usize, const NV: usize>(
        g: &Shifted,
        a: &[f32],
        x: &[f32],
        bias: Option<&[f32]>,
        c: &mut [f32],
        [i, j]: [usize; 2],
    ) {
        let columns = (g.columns - j).min(NV * V::LANES);
        let last = columns - (NV - 1) * V::LANES;
        let whole = last == V::LANES;
        // SAFETY: filters i..i + MR and columns j..j + columns exist; the last vector is read and written in part only.
        unsafe {
            let mut acc = [[V::zero(); NV]; MR];
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = [V::splat(bias.map_or(0.0, |b| *b.get_unchecked(i + r))); NV];
            }
            let a = a.as_ptr().add(i * g.a_filter);
            let window = g.window();
            for channel in 0..g.channels {
                let plane = x.as_ptr().add(channel * g.plane + j);
                let weights = a.add(channel * g.a_channel);
                let mut e = 0;
                for h in 0..g.kernel[0] {
                    for w in 0..g.kernel[1] {
                        let from = plane.add(h * g.step[0] + w * g.step[1]);
                        let row: [V; NV] = core::array::from_fn(|v| {
                            let from = from.add(v * V::LANES);
                            if whole || v + 1 < NV { V::load(from) } else { V::load_part(from, last) }
                        });
                        let weight = weights.add(if g.backwards { window - 1 - e } else { e });
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let weight = V::splat(*weight.add(r * g.a_filter));
                            for (acc, x) in acc.iter_mut().zip(row) {
                                *acc = acc.fma(weight, x);
                            }
                        }
                        e += 1;
                    }
                }
            }
            let c = c.as_mut_ptr().add(i * g.columns + j);
            for (r, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    let to = c.add(r * g.columns + v * V::LANES);
                    if v + 1 < NV { acc.store(to) } else { acc.store_part(to, last) }
                }
            }
        }
    }

    /// Columns that are summed over at a time, so that their rows stay in the cache.
    const RUN: usize = 2048;

    /// # Safety
    /// The vector's instructions are there, and the slices hold what is read and written.
    #[inline(always)]
    pub(super) unsafe fn weights<V: Vector, const MR: usize, const NR: usize>(
        g: &Shifted,
        dy: &[f32],
        x: &[f32],
        dw: &mut [f32],
    ) {
        let mut from = 0;
        while from < g.columns {
            let run = RUN.min(g.columns - from);
            let mut i = 0;
            while i < g.filters {
                let rows = if i + MR <= g.filters { MR } else { 1 };
                for channel in 0..g.channels {
                    for h in 0..g.kernel[0] {
                        let mut w = 0;
                        while w < g.kernel[1] {
                            let columns = if w + NR <= g.kernel[1] { NR } else { 1 };
                            // SAFETY: filters i..i + rows and columns w..w + columns of the window exist.
                            unsafe {
                                let dy = dy.as_ptr().add(i * g.columns + from);
                                let x = x.as_ptr().add(channel * g.plane + h * g.step[0] + w * g.step[1] + from);
                                let at = i * g.a_filter + channel * g.a_channel + h * g.kernel[1] + w;
                                let dw = dw.as_mut_ptr().add(at);
                                match (rows == MR, columns == NR) {
                                    (true, true) => dots::<V, MR, NR>(g, dy, x, dw, run),
                                    (true, false) => dots::<V, MR, 1>(g, dy, x, dw, run),
                                    (false, true) => dots::<V, 1, NR>(g, dy, x, dw, run),
                                    (false, false) => dots::<V, 1, 1>(g, dy, x, dw, run),
                                }
                            }
                            w += columns;
                        }
                    }
                }
                i += rows;
            }
            from += run;
        }
    }

    /// `MR` filters with `NR` neighbouring columns of the window.
    ///
    /// # Safety
    /// As [`weights`]; the pointers stand at rows of which that many exist, `run` floats long.
    #[inline(always)]
    unsafe fn dots<V: Vector, const MR: usize, const NR: usize>(
        g: &Shifted,
        dy: *const f32,
        x: *const f32,
        dw: *mut f32,
        run: usize,
    ) {
        // SAFETY: the caller's promise; the last vector is read in part only.
        unsafe {
            let mut acc = [[V::zero(); NR]; MR];
            let mut j = 0;
            while j < run {
                let part = (run - j).min(V::LANES);
                let load = |from: *const f32| if part == V::LANES { V::load(from) } else { V::load_part(from, part) };
                let row: [V; NR] = core::array::from_fn(|w| load(x.add(w * g.step[1] + j)));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let dy = load(dy.add(r * g.columns + j));
                    for (acc, x) in acc.iter_mut().zip(row) {
                        *acc = acc.fma(dy, x);
                    }
                }
                j += V::LANES;
            }
            for (r, acc) in acc.iter().enumerate() {
                for (w, acc) in acc.iter().enumerate() {
                    *dw.add(r * g.a_filter + w) += acc.sum();
                }
            }
        }
    }
}

per_isa! {
    /// Copies planes of rows × columns `from` into planes of `to`, at row and column `at`, zero around them.
    pub fn pad_planes(from: [usize; 2], to: [usize; 2], at: [usize; 2], x: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks_exact(from[0] * from[1]).zip(y.chunks_exact_mut(to[0] * to[1])) {
            y.fill(0.0);
            for (row, x) in x.chunks_exact(from[1]).enumerate() {
                y[(at[0] + row) * to[1] + at[1]..][..from[1]].copy_from_slice(x);
            }
        }
    }

    /// Copies rows of `width` out of rows that are `pitch` apart, in planes of `columns` floats.
    pub fn drop_columns(width: usize, pitch: usize, columns: usize, x: &[f32], y: &mut [f32]) {
        let height = (columns - width) / pitch + 1;
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(height * width)) {
            for (row, y) in y.chunks_exact_mut(width).enumerate() {
                y.copy_from_slice(&x[row * pitch..][..width]);
            }
        }
    }

    /// The way back: zeros between the rows.
    pub fn insert_columns(width: usize, pitch: usize, columns: usize, x: &[f32], y: &mut [f32]) {
        let height = (columns - width) / pitch + 1;
        for (x, y) in x.chunks_exact(height * width).zip(y.chunks_exact_mut(columns)) {
            y.fill(0.0);
            for (row, x) in x.chunks_exact(width).enumerate() {
                y[row * pitch..][..width].copy_from_slice(x);
            }
        }
    }
}

#[cfg(test)]
mod tests;
