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
/// Columns j are those of the rows of the result, one after another as far apart as the rows of planes; what lies between rows is
/// undefined. Elements of the window go over rows and columns; the weights of a filter are walked forwards or backwards.
#[derive(Clone, Copy, Debug)]
pub struct Shifted {
    /// Filters: rows of c.
    pub filters: usize,
    /// Channels that are summed over.
    pub channels: usize,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Rows and columns of a plane from one element of the window to the next.
    pub dilation: [usize; 2],
    /// Floats from one plane to the next.
    pub plane: usize,
    /// Floats from one row of a plane to the next.
    pub pitch: usize,
    /// Rows of the result, and columns of a row that count.
    pub output: [usize; 2],
    /// The rows of planes that are not zero: from the first to before the last.
    pub filled: [usize; 2],
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

    /// Floats from one row and one column of the window to the next in a plane.
    fn step(&self) -> [usize; 2] {
        [self.dilation[0].saturating_mul(self.pitch), self.dilation[1]]
    }

    /// Columns of c, those between rows included.
    fn columns(&self) -> usize {
        let [rows, width] = self.output;
        extent([[rows.saturating_sub(1), self.pitch], [width, 1]])
    }

    /// Floats of the planes that are read.
    fn reach(&self) -> usize {
        let ([rows, columns], step) = (self.kernel.map(|size| size - 1), self.step());
        extent([[self.channels - 1, self.plane], [rows, step[0]], [columns, step[1]], [self.columns(), 1]])
    }

    /// Floats of the weights that are read.
    fn weights(&self) -> usize {
        extent([[self.filters - 1, self.a_filter], [self.channels - 1, self.a_channel], self.kernel])
    }
}

impl Isa {
    /// The product. `bias` is added to each filter's row; rows of c are as far apart as they are long, gaps included.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn shifted(self, g: &Shifted, a: &[f32], x: &[f32], bias: Option<&[f32]>, c: &mut [f32]) {
        assert!(
            a.len() >= g.weights() && x.len() >= g.reach() && c.len() >= extent([[g.filters, g.columns()]]),
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
    /// product, over some images whose `dy` and planes lie one behind the other; `dy` has zeros in the columns between rows.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn shifted_weights(self, g: &Shifted, images: usize, dy: &[f32], x: &[f32], dw: &mut [f32]) {
        if images == 0 {
            return;
        }
        assert!(
            dw.len() >= g.weights()
                && x.len() >= extent([[images - 1, g.channels, g.plane], [g.reach(), 1, 1]])
                && dy.len() >= extent([[images, g.filters, g.columns()]]),
            "operands hold their parts"
        );
        match self.0 {
            // SAFETY: the level proves the features; the slices hold what is read and written.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => unsafe { avx512::weights(g, images, dy, x, dw) },
            // SAFETY: as above.
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx2 => unsafe { avx2::weights(g, images, dy, x, dw) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { vectors::weights::<crate::simd::neon::F32x4, 4, 4>(g, images, dy, x, dw) },
            Level::Portable => {
                for image in 0..images {
                    let (dy, x) = (&dy[image * g.filters * g.columns()..], &x[image * g.channels * g.plane..]);
                    portable_weights(g, dy, x, dw);
                }
            }
        }
    }
}

/// One shifted row of patches after another through the portable product.
fn portable(g: &Shifted, a: &[f32], x: &[f32], bias: Option<&[f32]>, c: &mut [f32]) {
    let columns = g.columns();
    for (i, row) in c.chunks_exact_mut(columns).take(g.filters).enumerate() {
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
                columns,
                1.0,
                a[weight..].as_ptr(),
                g.a_filter as isize,
                1,
                x[from..].as_ptr(),
                1,
                1,
                1.0,
                c.as_mut_ptr(),
                columns as isize,
                1,
            );
        }
    });
}

fn portable_weights(g: &Shifted, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let columns = g.columns();
    each(g, |channel, e, from| {
        let weight = channel * g.a_channel + e;
        // SAFETY: the sizes were checked by the caller.
        unsafe {
            matrixmultiply::sgemm(
                g.filters,
                columns,
                1,
                1.0,
                dy.as_ptr(),
                columns as isize,
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
    let step = g.step();
    for channel in 0..g.channels {
        for h in 0..g.kernel[0] {
            for w in 0..g.kernel[1] {
                let e = h * g.kernel[1] + w;
                let e = if g.backwards { g.window() - 1 - e } else { e };
                f(channel, e, channel * g.plane + h * step[0] + w * step[1]);
            }
        }
    }
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
macro_rules! shells {
    ($module:ident, $features:literal, $vector:ty, $rows:literal, $vectors:literal, $wide_rows:literal, $narrow_rows:literal) => {
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
            pub(super) unsafe fn weights(g: &Shifted, images: usize, dy: &[f32], x: &[f32], dw: &mut [f32]) {
                // SAFETY: the caller's promise.
                unsafe { vectors::weights::<$vector, $wide_rows, $narrow_rows>(g, images, dy, x, dw) }
            }
        }
    };
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
shells!(avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", crate::simd::avx512::F32x16, 6, 4, 4, 4);
#[cfg(all(feature = "std", target_arch = "x86_64"))]
shells!(avx2, "avx2,fma", crate::simd::avx2::F32x8, 6, 2, 2, 4);

/// The tiles, written once over the vectors of all instruction sets.
#[cfg(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64"))]
mod vectors {
    use super::Shifted;
    use crate::simd::Vector;

    impl Shifted {
        /// The rows of the window that meet rows of planes that are not zero, for a row of the result.
        fn rows_of_window(&self, row: usize) -> core::ops::Range<usize> {
            let [first, end] =
                self.filled.map(|at| at.saturating_sub(row).div_ceil(self.dilation[0]).min(self.kernel[0]));
            first..end.max(first)
        }

        /// Whether clearly fewer vectors are multiplied where each row of the result is for itself, without the rows of the window that
        /// meet padding alone, than where all of them are one run.
        fn row_by_row(&self, lanes: usize) -> bool {
            let [rows, width] = self.output;
            let taps: usize = (0..rows).map(|row| self.rows_of_window(row).len()).sum();
            8 * taps * width.div_ceil(lanes) < 7 * self.kernel[0] * self.columns().div_ceil(lanes)
        }
    }

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
        let [rows, width] = g.output;
        let by_rows = g.row_by_row(V::LANES);
        for row in 0..if by_rows { rows } else { 1 } {
            let (mut from, end, taps) = match by_rows {
                true => (row * g.pitch, row * g.pitch + width, g.rows_of_window(row)),
                false => (0, g.columns(), 0..g.kernel[0]),
            };
            while from < end {
                let run = Run { from, end, taps: [taps.start, taps.end] };
                let vectors = (end - from).div_ceil(V::LANES).min(NV);
                // SAFETY: columns from..end are in range, the caller promises the rest.
                unsafe {
                    match vectors {
                        1 => filters::<V, MR, 1>(g, a, x, bias, c, run),
                        2 => filters::<V, MR, 2>(g, a, x, bias, c, run),
                        3 => filters::<V, MR, 3>(g, a, x, bias, c, run),
                        _ => filters::<V, MR, NV>(g, a, x, bias, c, run),
                    }
                }
                from += vectors * V::LANES;
            }
        }
    }

    /// Columns of the result, and the rows of the window that they are computed with.
    #[derive(Clone, Copy)]
    struct Run {
        from: usize,
        end: usize,
        taps: [usize; 2],
    }

    /// # Safety
    /// As [`shifted`]; the columns exist.
    #[inline(always)]
    unsafe fn filters<V: Vector, const MR: usize, const NV: usize>(
        g: &Shifted,
        a: &[f32],
        x: &[f32],
        bias: Option<&[f32]>,
        c: &mut [f32],
        run: Run,
    ) {
        let mut i = 0;
        // SAFETY: filters i.. are in range.
        unsafe {
            while i + MR <= g.filters {
                tile::<V, MR, NV>(g, a, x, bias, c, i, run);
                i += MR;
            }
            while i + 2 <= g.filters {
                tile::<V, 2, NV>(g, a, x, bias, c, i, run);
                i += 2;
            }
            if i < g.filters {
                tile::<V, 1, NV>(g, a, x, bias, c, i, run);
            }
        }
    }

    /// `MR` filters from `i` on, up to `NV` vectors of columns.
    ///
    /// # Safety
    /// As [`shifted`]; the filters and the columns exist.
    #[inline(always)]
    unsafe fn tile<V: Vector, const MR: usize, const NV: usize>(
        g: &Shifted,
        a: &[f32],
        x: &[f32],
        bias: Option<&[f32]>,
        c: &mut [f32],
        i: usize,
        Run { from: j, end, taps }: Run,
    ) {
        let columns = (end - j).min(NV * V::LANES);
        let last = columns - (NV - 1) * V::LANES;
        let whole = last == V::LANES;
        let (step, all) = (g.step(), g.columns());
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
                let mut e = taps[0] * g.kernel[1];
                for h in taps[0]..taps[1] {
                    for w in 0..g.kernel[1] {
                        let from = plane.add(h * step[0] + w * step[1]);
                        let mut row = [V::zero(); NV];
                        for (v, row) in row.iter_mut().enumerate() {
                            let from = from.add(v * V::LANES);
                            *row = if whole || v + 1 < NV { V::load(from) } else { V::load_part(from, last) };
                        }
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
            let c = c.as_mut_ptr().add(i * all + j);
            for (r, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    let to = c.add(r * all + v * V::LANES);
                    if v + 1 < NV { acc.store(to) } else { acc.store_part(to, last) }
                }
            }
        }
    }

    /// Columns that are summed over at a time, so that their rows stay in the cache.
    const RUN: usize = 2048;
    /// Neighbouring columns of the window that share what is loaded of `dy`, at most.
    const COLUMNS: usize = 5;
    /// Columns that are few: more filters are done together with them.
    const FEW: usize = 3;

    /// Sums over `images` images. `WR` filters are done together with four or five columns of the window, `NR` with fewer.
    ///
    /// # Safety
    /// The vector's instructions are there, and the slices hold what is read and written.
    #[inline(always)]
    pub(super) unsafe fn weights<V: Vector, const WR: usize, const NR: usize>(
        g: &Shifted,
        images: usize,
        dy: &[f32],
        x: &[f32],
        dw: &mut [f32],
    ) {
        let (step, all) = (g.step(), g.columns());
        // Parts of a row of the window, of about the same length.
        let part = g.kernel[1].div_ceil(g.kernel[1].div_ceil(COLUMNS));
        let most = if part > FEW { WR } else { NR };
        for from in (0..all).step_by(RUN) {
            let run = Dots { images, columns: RUN.min(all - from) };
            let mut i = 0;
            while i < g.filters {
                let rows = if i + most <= g.filters { most } else { 1 };
                for (channel, h) in (0..g.channels).flat_map(|channel| (0..g.kernel[0]).map(move |h| (channel, h))) {
                    for w in (0..g.kernel[1]).step_by(part) {
                        // SAFETY: filters i..i + rows and columns w.. of the window exist.
                        unsafe {
                            let dy = dy.as_ptr().add(i * all + from);
                            let x = x.as_ptr().add(channel * g.plane + h * step[0] + w * step[1] + from);
                            let at = i * g.a_filter + channel * g.a_channel + h * g.kernel[1] + w;
                            let dw = dw.as_mut_ptr().add(at);
                            let columns = part.min(g.kernel[1] - w);
                            match (rows == 1, part > FEW) {
                                (true, _) => columns_of::<V, 1, COLUMNS>(g, run, columns, dy, x, dw),
                                (false, true) => columns_of::<V, WR, COLUMNS>(g, run, columns, dy, x, dw),
                                (false, false) => columns_of::<V, NR, FEW>(g, run, columns, dy, x, dw),
                            }
                        }
                    }
                }
                i += rows;
            }
        }
    }

    /// `MR` filters with so many neighbouring columns of the window, of which there are `MOST` at most.
    ///
    /// # Safety
    /// As [`dots`], of that many columns.
    #[inline(always)]
    unsafe fn columns_of<V: Vector, const MR: usize, const MOST: usize>(
        g: &Shifted,
        run: Dots,
        columns: usize,
        dy: *const f32,
        x: *const f32,
        dw: *mut f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match columns {
                1 => dots::<V, MR, 1>(g, run, dy, x, dw),
                2 => dots::<V, MR, 2>(g, run, dy, x, dw),
                _ if columns == FEW || MOST == FEW => dots::<V, MR, FEW>(g, run, dy, x, dw),
                4 => dots::<V, MR, 4>(g, run, dy, x, dw),
                _ => dots::<V, MR, COLUMNS>(g, run, dy, x, dw),
            }
        }
    }

    /// What is summed over: some columns of each of some images.
    #[derive(Clone, Copy)]
    struct Dots {
        images: usize,
        columns: usize,
    }

    /// `MR` filters with `NR` neighbouring columns of the window.
    ///
    /// # Safety
    /// As [`weights`]; the pointers stand at rows of the first image of which that many exist, as long as the run.
    #[inline(always)]
    unsafe fn dots<V: Vector, const MR: usize, const NR: usize>(
        g: &Shifted,
        run: Dots,
        dy: *const f32,
        x: *const f32,
        dw: *mut f32,
    ) {
        let (column, all) = (g.dilation[1], g.columns());
        // SAFETY: the caller's promise; the last vector is read in part only.
        unsafe {
            let mut acc = [[V::zero(); NR]; MR];
            for image in 0..run.images {
                let (dy, x) = (dy.add(image * g.filters * all), x.add(image * g.channels * g.plane));
                macro_rules! add {
                    ($j:expr, $load:expr) => {
                        let row: [V; NR] = core::array::from_fn(|w| $load(x.add(w * column + $j)));
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let dy = $load(dy.add(r * all + $j));
                            for (acc, x) in acc.iter_mut().zip(row) {
                                *acc = acc.fma(dy, x);
                            }
                        }
                    };
                }
                let whole = run.columns / V::LANES * V::LANES;
                for j in (0..whole).step_by(V::LANES) {
                    add!(j, |from: *const f32| V::load(from));
                }
                if whole < run.columns {
                    add!(whole, |from: *const f32| V::load_part(from, run.columns - whole));
                }
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
