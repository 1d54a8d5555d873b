//! Padding with zeros, mirror images or outermost elements, and its gradient.

use crate::isa::per_isa;

/// What stands around a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// Zeros.
    Zero,
    /// Its elements as in a mirror that stands on the outermost ones.
    Reflect,
    /// Its outermost elements.
    Replicate,
}

/// A tensor of four axes, of which each element is a run of `lanes` floats, with others around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Its shape.
    pub input: [usize; 4],
    /// Elements before it on each axis.
    pub before: [usize; 4],
    /// Its shape with what is around it.
    pub output: [usize; 4],
    /// Floats of an element.
    pub lanes: usize,
    /// What is around it.
    pub mode: PadMode,
}

impl Padding {
    /// Which element of an axis stands at `at` of the padded axis; `None` is zero.
    #[inline(always)]
    fn source(&self, axis: usize, at: usize) -> Option<usize> {
        let (before, size) = (self.before[axis], self.input[axis]);
        let (at, last) = (at as isize - before as isize, size as isize - 1);
        match self.mode {
            PadMode::Zero => (0 <= at && at <= last).then_some(at as usize),
            PadMode::Replicate => Some(at.clamp(0, last) as usize),
            PadMode::Reflect => Some((last - (last - at.abs()).abs()) as usize),
        }
    }

    /// Calls `f(padded row, row)` for every row of the last axis; no row is zeros.
    #[inline(always)]
    fn rows(&self, mut f: impl FnMut(usize, Option<usize>)) {
        let mut row = 0;
        for i in 0..self.output[0] {
            for j in 0..self.output[1] {
                for k in 0..self.output[2] {
                    let at = self.source(0, i).zip(self.source(1, j)).zip(self.source(2, k));
                    f(row, at.map(|((i, j), k)| (i * self.input[1] + j) * self.input[2] + k));
                    row += 1;
                }
            }
        }
    }

    /// Calls `f(place, source)` for each place of a padded row that is not of the row itself.
    #[inline(always)]
    fn ends(&self, mut f: impl FnMut(usize, Option<usize>)) {
        let behind = self.before[3] + self.input[3];
        for at in (0..self.before[3]).chain(behind..self.output[3]) {
            f(at, self.source(3, at));
        }
    }
}

per_isa! {
    /// Copies a tensor and what is around it.
    pub fn pad(p: &Padding, x: &[f32], y: &mut [f32]) {
        let (len, padded, start) = (p.input[3] * p.lanes, p.output[3] * p.lanes, p.before[3] * p.lanes);
        p.rows(|row, from| {
            let y = &mut y[row * padded..][..padded];
            let Some(from) = from else { return y.fill(0.0) };
            let x = &x[from * len..][..len];
            y[start..start + len].copy_from_slice(x);
            p.ends(|at, source| {
                let y = &mut y[at * p.lanes..][..p.lanes];
                match source {
                    Some(source) => y.copy_from_slice(&x[source * p.lanes..][..p.lanes]),
                    None => y.fill(0.0),
                }
            });
        });
    }

    /// The gradient of [`pad`](Self::pad): what arrives at each element and its copies, added up.
    pub fn pad_grad(p: &Padding, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let (len, padded, start) = (p.input[3] * p.lanes, p.output[3] * p.lanes, p.before[3] * p.lanes);
        p.rows(|row, to| {
            let Some(to) = to else { return };
            let (dy, dx) = (&dy[row * padded..][..padded], &mut dx[to * len..][..len]);
            dx.iter_mut().zip(&dy[start..]).for_each(|(dx, dy)| *dx += dy);
            p.ends(|at, source| {
                let Some(source) = source else { return };
                let dx = &mut dx[source * p.lanes..][..p.lanes];
                dx.iter_mut().zip(&dy[at * p.lanes..]).for_each(|(dx, dy)| *dx += dy);
            });
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

    /// The place in the tensor of each place of the padded one, both in elements.
    fn sources(p: &Padding) -> Vec<Option<usize>> {
        let mut all = Vec::new();
        for index in 0..p.output.iter().product::<usize>() {
            let (mut rest, mut step, mut from) = (index, 1, Some(0));
            for axis in (0..4).rev() {
                let (size, before) = (p.input[axis], p.before[axis]);
                let line: Vec<usize> = (0..size).collect();
                let at = rest % p.output[axis];
                let source = if (before..before + size).contains(&at) {
                    Some(line[at - before])
                } else {
                    let beyond = if at < before { before - at } else { at - before - size + 1 };
                    match (p.mode, at < before) {
                        (PadMode::Zero, _) => None,
                        (PadMode::Replicate, true) => Some(0),
                        (PadMode::Replicate, false) => Some(size - 1),
                        (PadMode::Reflect, true) => Some(line[beyond]),
                        (PadMode::Reflect, false) => Some(line[size - 1 - beyond]),
                    }
                };
                from = from.zip(source).map(|(from, source)| from + source * step);
                step *= size;
                rest /= p.output[axis];
            }
            all.push(from);
        }
        all
    }

    proptest! {
        #[test]
        fn agrees_with_loops(
            input in [1_usize..3, 1_usize..4, 2_usize..5, 2_usize..20],
            pads in [(0_usize..2, 0_usize..2), (0..2, 0..2), (0..4, 0..4), (0..4, 0..4)],
            lanes in prop_oneof![Just(1_usize), Just(16)],
            seed: u64,
        ) {
            for mode in [PadMode::Zero, PadMode::Reflect, PadMode::Replicate] {
                let most = |axis: usize, n: usize| if mode == PadMode::Reflect { n.min(input[axis] - 1) } else { n };
                let before = [0, 1, 2, 3].map(|axis| most(axis, pads[axis].0));
                let output = [0, 1, 2, 3].map(|axis| input[axis] + before[axis] + most(axis, pads[axis].1));
                let p = Padding { input, before, output, lanes, mode };
                let x = numbers(seed, input.iter().product::<usize>() * lanes);
                let dy = numbers(seed ^ 1, output.iter().product::<usize>() * lanes);
                let (mut value, mut gradient) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
                for (to, from) in sources(&p).into_iter().enumerate() {
                    let Some(from) = from else { continue };
                    for lane in 0..lanes {
                        value[to * lanes + lane] = x[from * lanes + lane];
                        gradient[from * lanes + lane] += f64::from(dy[to * lanes + lane]);
                    }
                }
                for (isa, edge) in everywhere() {
                    let (mut y, mut dx) = (edge.unset(dy.len()), edge.unset(x.len()));
                    isa.pad(&p, &edge.of(&x), &mut y);
                    prop_assert_eq!(&y[..], &value, "{:?} {:?}", isa, p);
                    isa.pad_grad(&p, &edge.of(&dy), &mut dx);
                    assert_within(&dx, &gradient, 1e-6, 1.0, &format!("{isa:?} {p:?}"));
                }
            }
        }
    }
}
