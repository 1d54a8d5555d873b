//! The phases of a stride as channels: every so many rows and columns of a plane, from each of the first ones on.
//!
//! What a window sees with a stride is what a smaller one sees without a stride of all phases, as channels of their own.

use super::{BLOCK, extent};
use crate::isa::per_isa;

/// How planes are taken apart. Channel (c · rows of the stride + i) · columns of the stride + j of the result has in row a and
/// column b what plane c has in row a · stride + i − before and in the column like it; zeros stand for what lies outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Planes that are read.
    pub planes: usize,
    /// Their rows and columns.
    pub input: [usize; 2],
    /// How many phases rows and columns have.
    pub stride: [usize; 2],
    /// Rows and columns of zeros in front.
    pub before: [usize; 2],
    /// Rows and columns of a phase.
    pub output: [usize; 2],
}

impl Phases {
    /// Channels of the result.
    fn channels(&self) -> usize {
        extent([[self.planes, self.stride[0], self.stride[1]]])
    }

    fn check(&self, x: &[f32]) {
        assert!(self.stride[0] > 0 && self.stride[1] > 0 && self.output[1] > 0, "phases of something");
        assert!(x.len() >= extent([[self.planes, self.input[0], self.input[1]]]), "planes");
    }

    /// What row `row` of a channel is taken from, if that is no row of zeros.
    #[inline(always)]
    fn source<'a>(&self, channel: usize, row: usize, x: &'a [f32]) -> Option<&'a [f32]> {
        let ([height, width], [down, across]) = (self.input, self.stride);
        let (plane, i) = (channel / across / down, channel / across % down);
        let row = (row * down + i).checked_sub(self.before[0]).filter(|row| *row < height && plane < self.planes)?;
        Some(&x[(plane * height + row) * width..][..width])
    }

    /// Row `row` of a channel into every `step`th float of `y`.
    #[inline(always)]
    fn row(&self, channel: usize, row: usize, x: &[f32], y: &mut [f32], step: usize) {
        let (across, j) = (self.stride[1], channel % self.stride[1]);
        let mut y = y.iter_mut().step_by(step).take(self.output[1]);
        if let Some(x) = self.source(channel, row, x) {
            // The first column that is no zero, and where in the plane that is.
            let zeros = self.before[1].saturating_sub(j).div_ceil(across);
            y.by_ref().take(zeros).for_each(|y| *y = 0.0);
            let x = x.iter().skip(zeros * across + j - self.before[1]).step_by(across);
            let count = x.len();
            y.by_ref().take(count).zip(x).for_each(|(y, x)| *y = *x);
        }
        y.for_each(|y| *y = 0.0);
    }

    /// Row `row` of as many channels as a row has phases, `A`, from `lane` on of every pixel of `y`: they are neighbours where they come from, too.
    #[inline(always)]
    fn neighbours<const A: usize>(&self, channel: usize, row: usize, x: &[f32], y: &mut [f32], lane: usize) {
        let x = self.source(channel, row, x).unwrap_or(&[]);
        let (pixels, last) = x.as_chunks::<A>();
        let mut y = y.chunks_exact_mut(BLOCK).take(self.output[1]).map(|y| &mut y[lane..lane + A]);
        y.by_ref().take(pixels.len()).zip(pixels).for_each(|(y, x)| y.copy_from_slice(x));
        for (index, y) in y.enumerate() {
            y.fill(0.0);
            if index == 0 && pixels.len() < self.output[1] {
                y[..last.len()].copy_from_slice(last);
            }
        }
    }
}

per_isa! {
    /// All channels as planes, one behind the other.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn phases(phases: &Phases, x: &[f32], y: &mut [f32]) {
        phases.check(x);
        let [rows, columns] = phases.output;
        assert!(y.len() >= extent([[phases.channels(), rows, columns]]), "phases");
        for (at, y) in y.chunks_exact_mut(columns).take(phases.channels() * rows).enumerate() {
            phases.row(at / rows, at % rows, x, y, 1);
        }
    }

    /// Rows of a block of channels from row `first` on, as many as `y` has. Lanes of channels that do not exist stay as they are.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn phases_of_block(phases: &Phases, block: usize, first: usize, x: &[f32], y: &mut [f32]) {
        phases.check(x);
        // Of strides whose phases of a row never lie in two blocks, all phases of a row are copied at once.
        let together = match (phases.stride[1], phases.before[1]) {
            (across @ (2 | 4), 0) => across,
            _ => 1,
        };
        let (from, lanes) = (block * BLOCK, phases.channels().saturating_sub(block * BLOCK).min(BLOCK));
        for (row, y) in y.chunks_exact_mut(phases.output[1] * BLOCK).enumerate() {
            let row = first + row;
            let mut lane = 0;
            while lane < lanes {
                let channel = from + lane;
                match together {
                    2 => phases.neighbours::<2>(channel, row, x, y, lane),
                    4 => phases.neighbours::<4>(channel, row, x, y, lane),
                    _ => phases.row(channel, row, x, &mut y[lane..], BLOCK),
                }
                lane += together;
            }
        }
    }
}
