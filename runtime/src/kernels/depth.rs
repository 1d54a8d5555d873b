//! Squares of pixels as channels, and back.

use crate::isa::per_isa;

per_isa! {
    /// Channel c, row i and column j of each square become channel (c · size + i) · size + j of one pixel; `space` is the
    /// shape of `x`.
    pub fn space_to_depth(space: [usize; 3], size: usize, x: &[f32], y: &mut [f32]) {
        let [_, height, width] = space;
        let columns = width / size;
        let plane = height / size * columns;
        for (row, x) in x.chunks_exact(width).enumerate() {
            let (c, i, line) = (row / height, row % height % size, row % height / size);
            for j in 0..size {
                let y = &mut y[((c * size + i) * size + j) * plane + line * columns..][..columns];
                for (y, x) in y.iter_mut().zip(x[j..].iter().step_by(size)) {
                    *y = *x;
                }
            }
        }
    }

    /// Undoes [`space_to_depth`](Self::space_to_depth); `space` is the shape of `y`.
    pub fn depth_to_space(space: [usize; 3], size: usize, x: &[f32], y: &mut [f32]) {
        let [_, height, width] = space;
        let columns = width / size;
        let plane = height / size * columns;
        for (row, y) in y.chunks_exact_mut(width).enumerate() {
            let (c, i, line) = (row / height, row % height % size, row % height / size);
            for j in 0..size {
                let x = &x[((c * size + i) * size + j) * plane + line * columns..][..columns];
                for (y, x) in y[j..].iter_mut().step_by(size).zip(x) {
                    *y = *x;
                }
            }
        }
    }
}
