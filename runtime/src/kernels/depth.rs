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

#[cfg(test)]
mod tests {
    use super::super::checks::{everywhere, numbers};
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn squares_become_channels_and_squares_again(
            channels in 1_usize..4, rows in 1_usize..5, columns in 1_usize..9, size in 1_usize..4, seed: u64,
        ) {
            let (height, width) = (rows * size, columns * size);
            let x = numbers(seed, channels * height * width);
            let mut expected = vec![0.0; x.len()];
            for (at, x) in x.iter().enumerate() {
                let (c, row, column) = (at / (height * width), at / width % height, at % width);
                let channel = (c * size + row % size) * size + column % size;
                expected[(channel * rows + row / size) * columns + column / size] = *x;
            }
            for (isa, edge) in everywhere() {
                let (x, mut y, mut back) = (edge.of(&x), edge.unset(x.len()), edge.unset(x.len()));
                isa.space_to_depth([channels, height, width], size, &x, &mut y);
                prop_assert_eq!(&y[..], &expected);
                isa.depth_to_space([channels, height, width], size, &y, &mut back);
                prop_assert_eq!(&back[..], &x[..]);
            }
        }
    }
}
