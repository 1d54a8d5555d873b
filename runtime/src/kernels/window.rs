//! Windows over space: gathering the patches of output pixels, and the way back.

use crate::isa::per_isa;

/// A window over three axes: depth, height, width, of which leading ones are 1 where there are fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Size of the input.
    pub input: [usize; 3],
    /// Size of the output.
    pub output: [usize; 3],
    /// Size of the window.
    pub kernel: [usize; 3],
    /// Steps between windows.
    pub stride: [usize; 3],
    /// Padding before the input.
    pub pad: [usize; 3],
    /// Steps within a window.
    pub dilation: [usize; 3],
}

impl Window {
    /// Elements of one input plane.
    #[inline(always)]
    pub fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.input[2]
    }

    /// Elements of one output plane.
    #[inline(always)]
    pub fn output_len(&self) -> usize {
        self.output[0] * self.output[1] * self.output[2]
    }

    /// Elements of the window.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.kernel[2]
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The input index on one axis that an element of a window sees, if it is inside.
    #[inline(always)]
    pub(crate) fn at(&self, axis: usize, output: usize, element: usize) -> Option<usize> {
        let padded = output * self.stride[axis] + element * self.dilation[axis];
        if padded >= self.pad[axis] && padded - self.pad[axis] < self.input[axis] {
            Some(padded - self.pad[axis])
        } else {
            None
        }
    }

    /// The outputs on one axis whose window element lies inside the input: a range.
    #[inline(always)]
    pub(crate) fn inside(&self, axis: usize, element: usize) -> (usize, usize) {
        let offset = element * self.dilation[axis];
        let stride = self.stride[axis];
        let from = self.pad[axis].saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis] + self.pad[axis]).saturating_sub(offset).div_ceil(stride);
        (from.min(self.output[axis]), end.min(self.output[axis]))
    }
}

/// Walks the runs of output pixels `first..first + count` that lie in one output row: calls
/// `f(position in the panel, depth, row, first column, columns)`.
#[inline(always)]
fn runs(window: &Window, first: usize, count: usize, mut f: impl FnMut(usize, usize, usize, usize, usize)) {
    let [_, height, width] = window.output;
    let mut done = 0;
    while done < count {
        let pixel = first + done;
        let (row, column) = (pixel / width, pixel % width);
        let columns = (width - column).min(count - done);
        f(done, row / height, row % height, column, columns);
        done += columns;
    }
}

/// One element of the window over one run of pixels: copies what it sees, zero outside.
#[inline(always)]
fn gather_run(window: &Window, plane: &[f32], seen: Option<usize>, element: usize, column: usize, to: &mut [f32]) {
    let Some(row) = seen else {
        to.fill(0.0);
        return;
    };
    let (from, end) = window.inside(2, element);
    let from = from.clamp(column, column + to.len()) - column;
    let end = end.clamp(column + from, column + to.len()) - column;
    to[..from].fill(0.0);
    to[end..].fill(0.0);
    if from == end {
        return;
    }
    let stride = window.stride[2];
    let start = row + (column + from) * stride + element * window.dilation[2] - window.pad[2];
    let to = &mut to[from..end];
    if stride == 1 {
        to.copy_from_slice(&plane[start..start + to.len()]);
    } else {
        for (to, x) in to.iter_mut().zip(plane[start..].iter().step_by(stride)) {
            *to = *x;
        }
    }
}

/// The start of the input row that a window element sees, if it is inside.
#[inline(always)]
fn row(window: &Window, at: (usize, usize), element: (usize, usize)) -> Option<usize> {
    let depth = window.at(0, at.0, element.0)?;
    let height = window.at(1, at.1, element.1)?;
    Some((depth * window.input[1] + height) * window.input[2])
}

#[inline(always)]
fn gather_panel(
    window: &Window,
    channels: usize,
    x: &[f32],
    first: usize,
    count: usize,
    pitch: usize,
    panel: &mut [f32],
) {
    let [depths, heights, widths] = window.kernel;
    let mut rows = panel.chunks_mut(pitch);
    for plane in x.chunks_exact(window.input_len()).take(channels) {
        for d in 0..depths {
            for h in 0..heights {
                for w in 0..widths {
                    let out = rows.next().expect("a row for each weight");
                    runs(window, first, count, |position, depth, height, column, columns| {
                        let seen = row(window, (depth, height), (d, h));
                        gather_run(window, plane, seen, w, column, &mut out[position..position + columns]);
                    });
                }
            }
        }
    }
}

per_isa! {
    /// Gathers the patches of output pixels `first..first + count` over some channels into rows of 64: row
    /// `channel · window + element`, column pixel.
    ///
    /// `x` starts at the first of the channels.
    pub fn gather(window: &Window, channels: usize, x: &[f32], first: usize, count: usize, panel: &mut [f32]) {
        gather_panel(window, channels, x, first, count, 64, panel);
    }

    /// As [`gather`](Self::gather), into rows of `pitch`.
    #[allow(clippy::too_many_arguments, reason = "a window, what it sees and where that goes")]
    pub fn gather_rows(
        window: &Window,
        channels: usize,
        x: &[f32],
        first: usize,
        count: usize,
        pitch: usize,
        panel: &mut [f32],
    ) {
        gather_panel(window, channels, x, first, count, pitch, panel);
    }

    /// Adds patches back to where they were gathered from.
    pub fn scatter(window: &Window, channels: usize, panel: &[f32], first: usize, count: usize, x: &mut [f32]) {
        let [depths, heights, widths] = window.kernel;
        let mut rows = panel.chunks(64);
        for plane in x.chunks_exact_mut(window.input_len()).take(channels) {
            for d in 0..depths {
                for h in 0..heights {
                    for w in 0..widths {
                        let values = rows.next().expect("a row for each weight");
                        let (inside, end) = window.inside(2, w);
                        runs(window, first, count, |position, depth, height, column, columns| {
                            let Some(row) = row(window, (depth, height), (d, h)) else { return };
                            let from = inside.clamp(column, column + columns);
                            let end = end.clamp(from, column + columns);
                            if from == end {
                                return;
                            }
                            let start = row + from * window.stride[2] + w * window.dilation[2] - window.pad[2];
                            let values = &values[position + from - column..position + end - column];
                            if window.stride[2] == 1 {
                                for (x, v) in plane[start..start + values.len()].iter_mut().zip(values) {
                                    *x += v;
                                }
                            } else {
                                for (x, v) in plane[start..].iter_mut().step_by(window.stride[2]).zip(values) {
                                    *x += v;
                                }
                            }
                        });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{everywhere, seen, windows};
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gathering_and_scattering_visit_the_same_places(
            window in windows(), channels in 1_usize..3, extra in 0_usize..9,
        ) {
            let x: Vec<f32> = (0..channels * window.input_len()).map(|i| i as f32 + 1.0).collect();
            let rows = channels * window.len();
            for (isa, edge) in everywhere() {
                let (x, mut back) = (edge.of(&x), edge.of(&vec![0.0; x.len()]));
                let mut expected = vec![0.0; x.len()];
                for first in (0..window.output_len()).step_by(64) {
                    let count = 64.min(window.output_len() - first);
                    // The last row ends with its last pixel.
                    let mut panel = edge.unset((rows - 1) * 64 + count);
                    isa.gather(&window, channels, &x, first, count, &mut panel);
                    for r in 0..rows {
                        for p in 0..count {
                            let at = seen(&window, first + p, r % window.len()).map(|i| i + r / window.len() * window.input_len());
                            prop_assert_eq!(panel[r * 64 + p], at.map_or(0.0, |i| x[i]));
                            if let Some(i) = at {
                                expected[i] += x[i];
                            }
                        }
                    }
                    let pitch = count + extra;
                    let mut narrow = edge.unset((rows - 1) * pitch + count);
                    isa.gather_rows(&window, channels, &x, first, count, pitch, &mut narrow);
                    for (wide, narrow) in panel.chunks(64).zip(narrow.chunks(pitch)) {
                        prop_assert_eq!(&wide[..count], &narrow[..count]);
                    }
                    isa.scatter(&window, channels, &panel, first, count, &mut back);
                }
                prop_assert_eq!(&back[..], &expected);
            }
        }
    }
}
