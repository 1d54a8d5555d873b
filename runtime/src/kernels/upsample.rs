//! More elements along the axes of space, and the gradient of that.

use crate::isa::per_isa;

/// Where new elements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The element at the same share of the axis, rounded down.
    Nearest,
    /// Linear between two; the outer borders of the outermost elements keep their places.
    Borders,
    /// Linear between two; the outermost elements keep their places.
    Corners,
}

/// Planes of three axes, of which each element is a run of `lanes` floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upsample {
    /// The shape of the smaller plane.
    pub input: [usize; 3],
    /// The shape of the larger one.
    pub output: [usize; 3],
    /// Floats of an element.
    pub lanes: usize,
    /// Where elements come from.
    pub mode: Interpolation,
}

/// Columns whose neighbours are worked out at once.
const COLUMNS: usize = 64;

/// Two neighbours and the weight of the second.
type Place = (usize, usize, f32);

impl Upsample {
    /// Where an element of the larger axis comes from. In whole numbers, so that nothing depends on rounding.
    #[inline(always)]
    fn place(&self, axis: usize, at: usize) -> Place {
        let (from, to) = (self.input[axis], self.output[axis]);
        let (numerator, denominator) = match self.mode {
            Interpolation::Nearest => return (at * from / to, at * from / to, 0.0),
            Interpolation::Corners => (at * (from - 1), (to - 1).max(1)),
            Interpolation::Borders => (((2 * at + 1) * from).saturating_sub(to), 2 * to),
        };
        let first = numerator / denominator;
        (first, (first + 1).min(from - 1), (numerator % denominator) as f32 / denominator as f32)
    }

    /// Calls `f(larger row, smaller row, weight)` for the rows of a plane that a row is made of.
    #[inline(always)]
    fn rows(&self, mut f: impl FnMut(usize, usize, f32)) {
        for i in 0..self.output[0] {
            for j in 0..self.output[1] {
                let (row, (i0, i1, wi), (j0, j1, wj)) = (i * self.output[1] + j, self.place(0, i), self.place(1, j));
                for (i, wi) in [(i0, 1.0 - wi), (i1, wi)] {
                    for (j, wj) in [(j0, 1.0 - wj), (j1, wj)] {
                        if wi * wj != 0.0 {
                            f(row, i * self.input[1] + j, wi * wj);
                        }
                    }
                }
            }
        }
    }

    /// Calls `f(first column, their places)` for runs of columns.
    #[inline(always)]
    fn columns(&self, mut f: impl FnMut(usize, &[Place])) {
        for first in (0..self.output[2]).step_by(COLUMNS) {
            let count = COLUMNS.min(self.output[2] - first);
            let mut places = [(0, 0, 0.0); COLUMNS];
            places[..count].iter_mut().enumerate().for_each(|(i, place)| *place = self.place(2, first + i));
            f(first, &places[..count]);
        }
    }

    /// Floats of a plane and of a row.
    #[inline(always)]
    fn floats(&self, shape: [usize; 3]) -> (usize, usize) {
        (shape.iter().product::<usize>() * self.lanes, shape[2] * self.lanes)
    }
}

per_isa! {
    /// Each element as the mean of its neighbours in the smaller planes `x`.
    pub fn upsample(u: &Upsample, x: &[f32], y: &mut [f32]) {
        let ((from, short), (to, long)) = (u.floats(u.input), u.floats(u.output));
        y.fill(0.0);
        u.columns(|first, places| {
            for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
                u.rows(|row, source, weight| {
                    let x = &x[source * short..][..short];
                    let y = &mut y[row * long + first * u.lanes..][..places.len() * u.lanes];
                    for ((a, b, w), y) in places.iter().zip(y.chunks_exact_mut(u.lanes)) {
                        let (a, b) = (&x[a * u.lanes..][..u.lanes], &x[b * u.lanes..][..u.lanes]);
                        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                            *y += weight * if *w == 0.0 { *a } else { a + (b - a) * w };
                        }
                    }
                });
            }
        });
    }

    /// The gradient of [`upsample`](Self::upsample): what arrives goes to the neighbours by their weights.
    pub fn upsample_grad(u: &Upsample, dy: &[f32], dx: &mut [f32]) {
        let ((to, short), (from, long)) = (u.floats(u.input), u.floats(u.output));
        dx.fill(0.0);
        u.columns(|first, places| {
            for (dy, dx) in dy.chunks_exact(from).zip(dx.chunks_exact_mut(to)) {
                u.rows(|row, source, weight| {
                    let dx = &mut dx[source * short..][..short];
                    let dy = &dy[row * long + first * u.lanes..][..places.len() * u.lanes];
                    for ((a, b, w), dy) in places.iter().zip(dy.chunks_exact(u.lanes)) {
                        for (to, weight) in [(a, weight * (1.0 - w)), (b, weight * w)] {
                            let dx = &mut dx[to * u.lanes..][..u.lanes];
                            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += weight * dy);
                        }
                    }
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers};
    use super::*;
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// The weights of all elements of a small axis in one of the large axis, by the formulas of PyTorch.
    fn weights(mode: Interpolation, at: usize, from: usize, to: usize) -> Vec<f64> {
        let (at, last) = (at as f64, (from - 1) as f64);
        let ratio = from as f64 / to as f64;
        let source = match mode {
            Interpolation::Nearest => (at * ratio + 1e-9).floor(),
            Interpolation::Borders => ((at + 0.5) * ratio - 0.5).max(0.0),
            Interpolation::Corners if to == 1 => 0.0,
            Interpolation::Corners => at * last / (to as f64 - 1.0),
        };
        (0..from).map(|i| (1.0 - (source.min(last) - i as f64).abs()).max(0.0)).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_loops(
            input in [1_usize..3, 1_usize..4, 1_usize..7],
            output in [1_usize..4, 1_usize..6, 1_usize..80],
            planes in 1_usize..3,
            lanes in prop_oneof![Just(1_usize), Just(16)],
            seed: u64,
        ) {
            for mode in [Interpolation::Nearest, Interpolation::Borders, Interpolation::Corners] {
                let u = Upsample { input, output, lanes, mode };
                let (small, large) = (input.iter().product::<usize>(), output.iter().product::<usize>());
                let (x, dy) = (numbers(seed, planes * small * lanes), numbers(seed ^ 1, planes * large * lanes));
                let (mut value, mut gradient) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
                for to in 0..large {
                    let at = [to / (output[1] * output[2]), to / output[2] % output[1], to % output[2]];
                    let axes = [0, 1, 2].map(|axis| weights(mode, at[axis], input[axis], output[axis]));
                    for from in 0..small {
                        let at = [from / (input[1] * input[2]), from / input[2] % input[1], from % input[2]];
                        let weight: f64 = (0..3).map(|axis| axes[axis][at[axis]]).product();
                        for (plane, lane) in (0..planes).flat_map(|p| (0..lanes).map(move |l| (p, l))) {
                            let (to, from) = ((plane * large + to) * lanes + lane, (plane * small + from) * lanes + lane);
                            value[to] += weight * f64::from(x[from]);
                            gradient[from] += weight * f64::from(dy[to]);
                        }
                    }
                }
                for (isa, edge) in everywhere() {
                    let (mut y, mut dx) = (edge.unset(dy.len()), edge.unset(x.len()));
                    isa.upsample(&u, &edge.of(&x), &mut y);
                    assert_within(&y, &value, 1e-6, 1.0, &format!("{isa:?} {u:?}"));
                    isa.upsample_grad(&u, &edge.of(&dy), &mut dx);
                    let many = 1.0 + large as f64 / small as f64;
                    assert_within(&dx, &gradient, 1e-6, many, &format!("{isa:?} {u:?}"));
                }
            }
        }
    }
}
