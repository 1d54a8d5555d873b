//! Input rows with their padding, laid out so that every tap of neighbouring outputs is one run of memory.

use crate::isa::per_isa;

/// How rows of planes are copied.
///
/// Columns that a stride keeps apart become neighbours: a row holds first the columns 0, s, 2s, .. of the padded input,
/// then 1, s + 1, .. as far as the window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Blocks of channels, or channels where each is a plane.
    pub planes: usize,
    /// Channels that are neighbours in memory.
    pub lanes: usize,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Padding above and on the left.
    pub pad: [usize; 2],
    /// From one copied row to the next, in rows of the padded input.
    pub row_step: usize,
    /// Distance of outputs along a row.
    pub stride: usize,
    /// How many of the `stride` kinds of columns are copied.
    pub phases: usize,
    /// Columns of each kind.
    pub columns: usize,
    /// Floats from one plane of the copy to the next.
    pub plane: usize,
}

impl Stage {
    /// Floats of a copied row.
    #[inline(always)]
    fn row(&self) -> usize {
        self.phases * self.columns * self.lanes
    }
}

#[inline(always)]
fn copy_row(stage: &Stage, x: &[f32], y: &mut [f32]) {
    let (lanes, stride, left, width) = (stage.lanes, stage.stride, stage.pad[1], stage.input[1]);
    for (phase, y) in y.chunks_exact_mut(stage.columns * lanes).enumerate() {
        // Column c of this kind is column c · stride + phase − left of the input.
        let from = left.saturating_sub(phase).div_ceil(stride).min(stage.columns);
        let end = (width + left).saturating_sub(phase).div_ceil(stride).clamp(from, stage.columns);
        y[..from * lanes].fill(0.0);
        y[end * lanes..].fill(0.0);
        if from == end {
            continue;
        }
        let x = &x[(from * stride + phase - left) * lanes..];
        let y = &mut y[from * lanes..end * lanes];
        match (stride, lanes) {
            (1, _) => y.copy_from_slice(&x[..y.len()]),
            (_, 1) => y.iter_mut().zip(x.iter().step_by(stride)).for_each(|(y, x)| *y = *x),
            _ => {
                for (i, y) in y.chunks_exact_mut(super::BLOCK).enumerate() {
                    y.copy_from_slice(&x[i * stride * super::BLOCK..][..super::BLOCK]);
                }
            }
        }
    }
}

per_isa! {
    /// Copies `rows` rows of every plane, the first of them row `first` of the padded input.
    pub fn stage(stage: &Stage, x: &[f32], first: usize, rows: usize, y: &mut [f32]) {
        let [height, width] = stage.input;
        let (row, len) = (stage.row(), width * stage.lanes);
        for plane in 0..stage.planes {
            let (x, y) = (&x[plane * height * len..][..height * len], &mut y[plane * stage.plane..][..rows * row]);
            for (i, y) in y.chunks_exact_mut(row).enumerate() {
                match (first + i * stage.row_step).checked_sub(stage.pad[0]).filter(|r| *r < height) {
                    Some(r) => copy_row(stage, &x[r * len..][..len], y),
                    None => y.fill(0.0),
                }
            }
        }
    }
}
