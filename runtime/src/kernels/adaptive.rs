//! Pools whose windows divide the input among a given number of outputs, evenly or nearly so.

use core::ops::Range;

use super::sums::larger;
use crate::isa::per_isa;

/// From which size to which, over depth, height and width, of which leading ones are 1 where there are fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptive {
    /// Size of the input.
    pub input: [usize; 3],
    /// Size of the output.
    pub output: [usize; 3],
}

impl Adaptive {
    /// The inputs that an output sees on one axis: from ⌊o · in / out⌋ to before ⌈(o + 1) · in / out⌉.
    #[inline(always)]
    fn seen(&self, axis: usize, output: usize) -> Range<usize> {
        let (input, outputs) = (self.input[axis], self.output[axis]);
        output * input / outputs..((output + 1) * input).div_ceil(outputs)
    }

    /// Elements of an input plane and of an output plane.
    #[inline(always)]
    fn lens(&self) -> (usize, usize) {
        (self.input.iter().product(), self.output.iter().product())
    }

    /// How many elements the window of an output has.
    #[inline(always)]
    fn count(&self, at: [usize; 3]) -> usize {
        (0..3).map(|axis| self.seen(axis, at[axis]).len()).product()
    }

    /// Calls `f(output, its place on each axis)`.
    #[inline(always)]
    fn outputs(&self, mut f: impl FnMut(usize, [usize; 3])) {
        let [depths, heights, widths] = self.output;
        for depth in 0..depths {
            for height in 0..heights {
                for width in 0..widths {
                    f((depth * heights + height) * widths + width, [depth, height, width]);
                }
            }
        }
    }

    /// Calls `f` for the runs of inputs that make up the window of an output.
    #[inline(always)]
    fn rows(&self, at: [usize; 3], mut f: impl FnMut(Range<usize>)) {
        let columns = self.seen(2, at[2]);
        for depth in self.seen(0, at[0]) {
            for height in self.seen(1, at[1]) {
                let row = (depth * self.input[1] + height) * self.input[2];
                f(row + columns.start..row + columns.end);
            }
        }
    }
}

per_isa! {
    /// The mean of each window.
    pub fn adaptive_avg_pool(pool: &Adaptive, x: &[f32], y: &mut [f32]) {
        let (len, out) = pool.lens();
        for (x, y) in x.chunks_exact(len).zip(y.chunks_exact_mut(out)) {
            pool.outputs(|output, at| {
                let mut sum = 0.0;
                pool.rows(at, |row| x[row].iter().for_each(|x| sum += x));
                y[output] = sum / pool.count(at) as f32;
            });
        }
    }

    /// The gradient of [`adaptive_avg_pool`](Self::adaptive_avg_pool): equal shares to each window.
    pub fn adaptive_avg_pool_grad(pool: &Adaptive, dy: &[f32], dx: &mut [f32]) {
        let (len, out) = pool.lens();
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(len).zip(dy.chunks_exact(out)) {
            pool.outputs(|output, at| {
                let share = dy[output] / pool.count(at) as f32;
                pool.rows(at, |row| dx[row].iter_mut().for_each(|dx| *dx += share));
            });
        }
    }

    /// The largest element of each window, NaN where there is one.
    pub fn adaptive_max_pool(pool: &Adaptive, x: &[f32], y: &mut [f32]) {
        let (len, out) = pool.lens();
        for (x, y) in x.chunks_exact(len).zip(y.chunks_exact_mut(out)) {
            pool.outputs(|output, at| {
                let mut most = f32::NEG_INFINITY;
                pool.rows(at, |row| x[row].iter().for_each(|x| most = larger(most, *x)));
                y[output] = most;
            });
        }
    }

    /// The gradient of [`adaptive_max_pool`](Self::adaptive_max_pool): to the first largest element of each window.
    pub fn adaptive_max_pool_grad(pool: &Adaptive, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (len, out) = pool.lens();
        dx.fill(0.0);
        let planes = dx.chunks_exact_mut(len).zip(dy.chunks_exact(out));
        for (x, (dx, dy)) in x.chunks_exact(len).zip(planes) {
            pool.outputs(|output, at| {
                let mut best = (None, f32::NEG_INFINITY);
                pool.rows(at, |row| {
                    for (place, x) in row.clone().zip(&x[row]) {
                        // The first element counts even where it is minus infinity; NaN wins.
                        if best.0.is_none() || *x > best.1 || x.is_nan() {
                            best = (Some(place), *x);
                        }
                    }
                });
                if let (Some(place), _) = best {
                    dx[place] += dy[output];
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers, wide};
    use super::Adaptive;
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// The inputs that an output sees, by the definition in real numbers.
    fn seen(pool: &Adaptive, output: usize) -> Vec<usize> {
        let [_, h, w] = pool.output;
        let at = [output / (h * w), output / w % h, output % w];
        let inside = |axis: usize, index: usize| {
            let scale = pool.input[axis] as f64 / pool.output[axis] as f64;
            let (from, end) = (at[axis] as f64 * scale, (at[axis] + 1) as f64 * scale);
            index as f64 > from - 1.0 + 1e-9 && (index as f64) < end - 1e-9
        };
        let [_, height, width] = pool.input;
        let places = |index: &usize| [index / (height * width), index / width % height, index % width];
        (0..pool.input.iter().product()).filter(|i| (0..3).all(|axis| inside(axis, places(i)[axis]))).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_loops(
            input in prop::array::uniform3(1_usize..8), output in prop::array::uniform3(1_usize..5), seed: u64,
        ) {
            let pool = Adaptive { input, output };
            let (len, out) = (input.iter().product::<usize>(), output.iter().product::<usize>());
            let (x, dy) = (numbers(seed, 2 * len), numbers(seed ^ 1, 2 * out));
            let (wide_x, wide_dy) = (wide(&x), wide(&dy));
            let (mut mean, mut most) = (vec![0.0; 2 * out], vec![0.0; 2 * out]);
            let (mut shares, mut firsts) = (vec![0.0; 2 * len], vec![0.0; 2 * len]);
            for o in 0..2 * out {
                let seen: Vec<usize> = seen(&pool, o % out).into_iter().map(|i| i + o / out * len).collect();
                let first = seen.iter().copied().reduce(|a, b| if wide_x[b] > wide_x[a] { b } else { a }).expect("one");
                mean[o] = seen.iter().map(|i| wide_x[*i]).sum::<f64>() / seen.len() as f64;
                most[o] = wide_x[first];
                firsts[first] += wide_dy[o];
                seen.iter().for_each(|i| shares[*i] += wide_dy[o] / seen.len() as f64);
            }
            for (isa, edge) in everywhere() {
                let (x, dy) = (edge.of(&x), edge.of(&dy));
                let check = |got: &[f32], expected: &[f64], what: &str| {
                    assert_within(got, expected, 2e-6, 1.0, &format!("{isa:?} {what}"));
                };
                let (mut y, mut dx) = (edge.unset(2 * out), edge.unset(2 * len));
                isa.adaptive_avg_pool(&pool, &x, &mut y);
                check(&y, &mean, "mean");
                isa.adaptive_avg_pool_grad(&pool, &dy, &mut dx);
                check(&dx, &shares, "shares");
                isa.adaptive_max_pool(&pool, &x, &mut y);
                check(&y, &most, "largest");
                isa.adaptive_max_pool_grad(&pool, &x, &dy, &mut dx);
                check(&dx, &firsts, "first largest");
            }
        }
    }
}
