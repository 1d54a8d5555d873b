//! Pools and their gradients.
//!
//! All of them go through the output in runs of one row and through each run one element of the window after another, so
//! that the inner loop is over neighbouring outputs and vectorises.

use core::ops::Range;

use super::Window;
use super::sums::{larger, largest, sum};
use crate::isa::per_isa;

/// By what the sum over a window is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divisor {
    /// Whether padding counts.
    pub count_pad: bool,
    /// End of the padded input on each axis, counted from the start of the padding.
    pub end: [usize; 3],
}

impl Divisor {
    /// How many elements count in the window of an output.
    #[inline(always)]
    pub(super) fn of(&self, window: &Window, at: [usize; 3]) -> usize {
        (0..3).map(|axis| self.counted(window, axis, at[axis])).product()
    }

    /// How many elements count on one axis of the window of an output. Windows of means have no dilation.
    #[inline(always)]
    fn counted(&self, window: &Window, axis: usize, output: usize) -> usize {
        let start = output * window.stride[axis];
        if self.count_pad {
            return (start + window.kernel[axis]).min(self.end[axis]) - start;
        }
        let pad = window.pad[axis];
        (start + window.kernel[axis]).saturating_sub(pad).min(window.input[axis]) - start.saturating_sub(pad)
    }
}

/// Outputs of a run at most.
const RUN: usize = 64;

/// Neighbouring outputs of one row.
#[derive(Clone, Copy)]
struct Run {
    /// The first one's position in the plane.
    first: usize,
    /// The first one's place on each axis.
    at: [usize; 3],
    /// How many.
    len: usize,
}

impl Run {
    #[inline(always)]
    fn range(&self) -> Range<usize> {
        self.first..self.first + self.len
    }
}

/// Calls `f` for runs that make up the output plane.
#[inline(always)]
fn runs(window: &Window, mut f: impl FnMut(Run)) {
    let [depths, heights, widths] = window.output;
    for depth in 0..depths {
        for height in 0..heights {
            for width in (0..widths).step_by(RUN) {
                let first = (depth * heights + height) * widths + width;
                f(Run { first, at: [depth, height, width], len: RUN.min(widths - width) });
            }
        }
    }
}

/// Calls `f(outputs, input)` for each element of the window that some outputs of the run see inside the input: which of
/// the run's outputs, and what the first of them sees; the others see inputs that are `stride[2]` apart.
///
/// Elements come in the order of the window.
#[inline(always)]
fn taps(window: &Window, run: Run, mut f: impl FnMut(Range<usize>, usize)) {
    let [depth, height, width] = run.at;
    for d in (0..window.kernel[0]).filter_map(|k| window.at(0, depth, k)) {
        for h in (0..window.kernel[1]).filter_map(|k| window.at(1, height, k)) {
            let row = (d * window.input[1] + h) * window.input[2];
            for w in 0..window.kernel[2] {
                let (from, end) = window.inside(2, w);
                let (from, end) = (from.max(width), end.min(width + run.len));
                if from < end {
                    let input = row + from * window.stride[2] + w * window.dilation[2] - window.pad[2];
                    f(from - width..end - width, input);
                }
            }
        }
    }
}

/// y\[i\] = f(y\[i\], x\[i · stride\]).
#[inline(always)]
fn gather(y: &mut [f32], x: &[f32], stride: usize, f: impl Fn(f32, f32) -> f32) {
    match stride {
        1 => y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*y, *x)),
        2 => {
            // The last output may see the last input, which has no neighbour to make a pair with.
            let last = y.len() - 1;
            y[last] = f(y[last], x[2 * last]);
            y[..last].iter_mut().zip(x.chunks_exact(2)).for_each(|(y, x)| *y = f(*y, x[0]));
        }
        _ => y.iter_mut().zip(x.iter().step_by(stride)).for_each(|(y, x)| *y = f(*y, *x)),
    }
}

/// Whether windows are 2×2, side by side: by far the most frequent pool.
#[inline(always)]
fn halves(window: &Window) -> bool {
    window.kernel == [1, 2, 2]
        && window.stride[1..] == [2, 2]
        && window.pad == [0, 0, 0]
        && window.dilation == [1, 1, 1]
        && window.output[0] == window.input[0]
        && window.output[1] * 2 <= window.input[1]
        && window.output[2] * 2 <= window.input[2]
}

/// Whether there is one window and it is the whole plane.
#[inline(always)]
fn whole(window: &Window) -> bool {
    window.kernel == window.input
        && window.output == [1, 1, 1]
        && window.pad == [0, 0, 0]
        && window.dilation == [1, 1, 1]
}

/// Where the upper and the lower row of the windows of an output row start, for windows of 2×2.
#[inline(always)]
fn half_rows(window: &Window, row: usize) -> (usize, usize) {
    let [_, height, width] = window.input;
    let upper = (row / window.output[1] * height + row % window.output[1] * 2) * width;
    (upper, upper + width)
}

/// `f(a, b, c, d)` of each 2×2 window.
#[inline(always)]
fn each_half(window: &Window, x: &[f32], y: &mut [f32], f: impl Fn(f32, f32, f32, f32) -> f32) {
    let out = window.output[2];
    for (row, y) in y.chunks_exact_mut(out).enumerate() {
        let (upper, lower) = half_rows(window, row);
        let upper = x[upper..upper + 2 * out].chunks_exact(2);
        let lower = x[lower..lower + 2 * out].chunks_exact(2);
        for (y, (a, b)) in y.iter_mut().zip(upper.zip(lower)) {
            *y = f(a[0], a[1], b[0], b[1]);
        }
    }
}

/// The gradient of each 2×2 window: `f(its elements, what arrives)`. Windows do not overlap.
#[inline(always)]
fn each_half_grad(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32], f: impl Fn([f32; 4], f32) -> [f32; 4]) {
    let out = window.output[2];
    for (row, dy) in dy.chunks_exact(out).enumerate() {
        let (upper, lower) = half_rows(window, row);
        let (a, b) = (&x[upper..upper + 2 * out], &x[lower..lower + 2 * out]);
        // Even without overlap the two rows have to be split off one after the other.
        let (head, tail) = dx.split_at_mut(lower);
        let (da, db) = (&mut head[upper..upper + 2 * out], &mut tail[..2 * out]);
        let elements = a.chunks_exact(2).zip(b.chunks_exact(2));
        let gradients = da.chunks_exact_mut(2).zip(db.chunks_exact_mut(2));
        for ((dy, (a, b)), (da, db)) in dy.iter().zip(elements).zip(gradients) {
            [da[0], da[1], db[0], db[1]] = f([a[0], a[1], b[0], b[1]], *dy);
        }
    }
}

/// Whether an element takes the place of the largest so far: equal ones do not, NaN does.
#[inline(always)]
fn beats(x: f32, best: f32) -> bool {
    x > best || x.is_nan()
}

/// The largest elements so far of the windows of a run, and their places.
struct Best {
    value: [f32; RUN],
    place: [u32; RUN],
}

impl Best {
    const NOWHERE: u32 = u32::MAX;

    /// Takes in what some of the outputs see: the elements of `x`, of which the first is at `place` and the others follow
    /// `stride` apart.
    #[inline(always)]
    fn take(&mut self, outputs: Range<usize>, x: impl Iterator<Item = f32>, place: usize, stride: usize) {
        let (place, stride) = (place as u32, stride as u32);
        let best = self.value[outputs.clone()].iter_mut().zip(&mut self.place[outputs]);
        for (i, ((value, at), x)) in (0_u32..).zip(best.zip(x)) {
            // The first element of a window counts even where it is minus infinity.
            let take = (*at == Self::NOWHERE) | (x > *value) | x.is_nan();
            *value = if take { x } else { *value };
            *at = if take { place + i * stride } else { *at };
        }
    }
}

/// The places of the largest elements of the windows of a run.
#[inline(always)]
fn switches(window: &Window, run: Run, x: &[f32]) -> [u32; RUN] {
    let stride = window.stride[2];
    let mut best = Best { value: [f32::NEG_INFINITY; RUN], place: [Best::NOWHERE; RUN] };
    taps(window, run, |outputs, input| {
        let x = &x[input..input + (outputs.len() - 1) * stride + 1];
        match stride {
            1 => best.take(outputs, x.iter().copied(), input, 1),
            2 => best.take(outputs, x.chunks(2).map(|x| x[0]), input, 2),
            _ => best.take(outputs, x.iter().step_by(stride).copied(), input, stride),
        }
    });
    best.place
}

#[inline(always)]
fn max_pool_grad_plane(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    runs(window, |run| {
        for (place, dy) in switches(window, run, x).iter().zip(&dy[run.range()]) {
            // Beyond the plane is only what saw nothing.
            if let Some(dx) = dx.get_mut(*place as usize) {
                *dx += dy;
            }
        }
    });
}

per_isa! {
    /// The largest element of each window, NaN where there is one.
    pub fn max_pool(window: &Window, x: &[f32], y: &mut [f32]) {
        let stride = window.stride[2];
        for (x, y) in x.chunks_exact(window.input_len()).zip(y.chunks_exact_mut(window.output_len())) {
            if halves(window) {
                each_half(window, x, y, |a, b, c, d| larger(larger(a, b), larger(c, d)));
            } else if whole(window) {
                y[0] = largest(x);
            } else {
                runs(window, |run| {
                    let y = &mut y[run.range()];
                    y.fill(f32::NEG_INFINITY);
                    taps(window, run, |outputs, input| gather(&mut y[outputs], &x[input..], stride, larger));
                });
            }
        }
    }

    /// The gradient of [`max_pool`](Self::max_pool): to the first largest element of each window.
    pub fn max_pool_grad(window: &Window, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let planes = dx.chunks_exact_mut(window.input_len()).zip(dy.chunks_exact(window.output_len()));
        for (x, (dx, dy)) in x.chunks_exact(window.input_len()).zip(planes) {
            if halves(window) {
                each_half_grad(window, x, dy, dx, |x, dy| {
                    let right = beats(x[1], x[0]);
                    let lower_right = beats(x[3], x[2]);
                    let (upper, lower) =
                        (if right { x[1] } else { x[0] }, if lower_right { x[3] } else { x[2] });
                    let below = beats(lower, upper);
                    let give = |to: bool| if to { dy } else { 0.0 };
                    [give(!below & !right), give(!below & right), give(below & !lower_right), give(below & lower_right)]
                });
            } else if whole(window) {
                let most = largest(x);
                let place = x.iter().position(|x| *x == most || x.is_nan()).expect("planes are not empty");
                dx[place] = dy[0];
            } else {
                max_pool_grad_plane(window, x, dy, dx);
            }
        }
    }

    /// The gradient of unpooling: the element of `from` that stands where the largest of each window of `x` does.
    pub fn switched(window: &Window, x: &[f32], from: &[f32], y: &mut [f32]) {
        let planes = x.chunks_exact(window.input_len()).zip(from.chunks_exact(window.input_len()));
        for ((x, from), y) in planes.zip(y.chunks_exact_mut(window.output_len())) {
            runs(window, |run| {
                for (place, y) in switches(window, run, x).iter().zip(&mut y[run.range()]) {
                    // Beyond the plane is only what saw nothing.
                    *y = from.get(*place as usize).copied().unwrap_or(0.0);
                }
            });
        }
    }

    /// The mean of each window.
    pub fn avg_pool(window: &Window, divisor: &Divisor, x: &[f32], y: &mut [f32]) {
        let stride = window.stride[2];
        for (x, y) in x.chunks_exact(window.input_len()).zip(y.chunks_exact_mut(window.output_len())) {
            if halves(window) {
                each_half(window, x, y, |a, b, c, d| (a + b + c + d) * 0.25);
            } else if whole(window) {
                y[0] = (sum(x, |x| x) / x.len() as f64) as f32;
            } else {
                runs(window, |run| {
                    let y = &mut y[run.range()];
                    y.fill(0.0);
                    taps(window, run, |outputs, input| gather(&mut y[outputs], &x[input..], stride, |y, x| y + x));
                    let count = divisor.counted(window, 0, run.at[0]) * divisor.counted(window, 1, run.at[1]);
                    for (i, y) in y.iter_mut().enumerate() {
                        *y /= (count * divisor.counted(window, 2, run.at[2] + i)) as f32;
                    }
                });
            }
        }
    }

    /// The gradient of [`avg_pool`](Self::avg_pool).
    pub fn avg_pool_grad(window: &Window, divisor: &Divisor, dy: &[f32], dx: &mut [f32]) {
        let stride = window.stride[2];
        if !whole(window) {
            dx.fill(0.0);
        }
        for (dx, dy) in dx.chunks_exact_mut(window.input_len()).zip(dy.chunks_exact(window.output_len())) {
            if halves(window) {
                for (row, dy) in dy.chunks_exact(window.output[2]).enumerate() {
                    let (upper, lower) = half_rows(window, row);
                    for start in [upper, lower] {
                        for (dx, dy) in dx[start..start + 2 * dy.len()].chunks_exact_mut(2).zip(dy) {
                            dx.fill(dy * 0.25);
                        }
                    }
                }
            } else if whole(window) {
                dx.fill(dy[0] / dx.len() as f32);
            } else {
                runs(window, |run| {
                    let mut shares = [0.0; RUN];
                    let count = divisor.counted(window, 0, run.at[0]) * divisor.counted(window, 1, run.at[1]);
                    for (i, (share, dy)) in shares.iter_mut().zip(&dy[run.range()]).enumerate() {
                        *share = dy / (count * divisor.counted(window, 2, run.at[2] + i)) as f32;
                    }
                    taps(window, run, |outputs, input| {
                        let (dx, shares) = (&mut dx[input..], &shares[outputs]);
                        match stride {
                            1 => dx.iter_mut().zip(shares).for_each(|(dx, share)| *dx += share),
                            2 => dx.chunks_mut(2).zip(shares).for_each(|(dx, share)| dx[0] += share),
                            _ => dx.iter_mut().step_by(stride).zip(shares).for_each(|(dx, share)| *dx += share),
                        }
                    });
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
