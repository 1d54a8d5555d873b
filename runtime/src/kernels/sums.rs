//! Sums and maxima of long runs: in lanes, so that they vectorise, and in `f64` above blocks, so that they stay exact.

/// Lanes of a sum; a compiler can keep them in registers at every vector width.
const LANES: usize = 16;
/// Elements that are summed in `f32` before `f64` takes over: 32 for each lane.
const BLOCK: usize = 32 * LANES;

/// Σ f(x).
#[inline(always)]
pub(crate) fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0;
    for block in x.chunks(BLOCK) {
        let mut lanes = [0.0_f32; LANES];
        let runs = block.chunks_exact(LANES);
        let rest: f32 = runs.remainder().iter().map(|x| f(*x)).sum();
        for run in runs {
            for (lane, x) in lanes.iter_mut().zip(run) {
                *lane += f(*x);
            }
        }
        total += f64::from(rest) + lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
    }
    total
}

/// Σ f(x, y) over two runs of one length.
#[inline(always)]
pub(crate) fn sum_pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let mut lanes = [0.0_f32; LANES];
        let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        let rest: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| f(*x, *y)).sum();
        for (x, y) in xs.zip(ys) {
            for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
                *lane += f(*x, *y);
            }
        }
        total += f64::from(rest) + lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
    }
    total
}

/// The larger one; NaN wins, so that it is not lost.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// The largest element, NaN if there is one.
#[inline(always)]
pub(crate) fn largest(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let runs = x.chunks_exact(LANES);
    let rest = runs.remainder().iter().fold(f32::NEG_INFINITY, |most, x| larger(most, *x));
    for run in runs {
        for (lane, x) in lanes.iter_mut().zip(run) {
            *lane = larger(*lane, *x);
        }
    }
    lanes.iter().fold(rest, |most, lane| larger(most, *lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn long_sums_stay_exact() {
        // One tenth is not a binary fraction: a single accumulator would be off by 1e-3 after so many.
        let x: Vec<f32> = (0..1_000_003).map(|i| 100.1 + (i % 7) as f32).collect();
        let exact: f64 = x.iter().map(|x| f64::from(*x)).sum();
        for sum in [sum(&x, |x| x), sum_pairs(&x, &x, |x, _| x)] {
            assert!((sum / exact - 1.0).abs() < 5e-7, "{}", sum / exact - 1.0);
        }
    }

    #[test]
    fn maxima_keep_nan() {
        let mut x: Vec<f32> = (0..37).map(|i| -(i as f32)).collect();
        assert_eq!(largest(&x), 0.0);
        for at in [0, 5, 36] {
            let before = core::mem::replace(&mut x[at], f32::NAN);
            assert!(largest(&x).is_nan());
            x[at] = before;
        }
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
    }
}
