//! Blocks of elements as channels, and back.

use crate::isa::per_isa;

per_isa! {
    /// Channel c and element (i, j, k) of each block become channel ((c · block\[0\] + i) · block\[1\] + j) · block\[2\] + k
    /// of one element; `space` is the shape of `x`, whose axes of space are multiples of those of the block.
    pub fn space_to_depth(space: [usize; 4], block: [usize; 3], x: &[f32], y: &mut [f32]) {
        for (row, x) in x.chunks_exact(space[3]).enumerate() {
            let (first, apart, run) = depth_of_row(space, block, row);
            for k in 0..block[2] {
                let y = &mut y[first + k * apart..][..run];
                for (y, x) in y.iter_mut().zip(x[k..].iter().step_by(block[2])) {
                    *y = *x;
                }
            }
        }
    }

    /// Undoes [`space_to_depth`](Self::space_to_depth); `space` is the shape of `y`.
    pub fn depth_to_space(space: [usize; 4], block: [usize; 3], x: &[f32], y: &mut [f32]) {
        for (row, y) in y.chunks_exact_mut(space[3]).enumerate() {
            let (first, apart, run) = depth_of_row(space, block, row);
            for k in 0..block[2] {
                let x = &x[first + k * apart..][..run];
                for (y, x) in y[k..].iter_mut().step_by(block[2]).zip(x) {
                    *y = *x;
                }
            }
        }
    }
}

/// Where the elements of a row in space lie in depth: index of the first, distance from a channel to the next, and how many
/// follow one another in a channel.
#[inline(always)]
fn depth_of_row([_, depth, height, width]: [usize; 4], block: [usize; 3], row: usize) -> (usize, usize, usize) {
    let (c, plane, line) = (row / (depth * height), row / height % depth, row % height);
    let [planes, lines, run] = [depth / block[0], height / block[1], width / block[2]];
    let apart = planes * lines * run;
    let channel = ((c * block[0] + plane % block[0]) * block[1] + line % block[1]) * block[2];
    (channel * apart + (plane / block[0] * lines + line / block[1]) * run, apart, run)
}

#[cfg(test)]
mod tests {
    use super::super::checks::{everywhere, numbers};
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_become_channels_and_blocks_again(
            channels in 1_usize..4,
            cells in [1_usize..4, 1_usize..5, 1_usize..9],
            block in [1_usize..4, 1_usize..4, 1_usize..4],
            seed: u64,
        ) {
            let [depth, height, width] = [cells[0] * block[0], cells[1] * block[1], cells[2] * block[2]];
            let x = numbers(seed, channels * depth * height * width);
            let mut expected = vec![0.0; x.len()];
            for (at, x) in x.iter().enumerate() {
                let (c, d) = (at / (depth * height * width), at / (height * width) % depth);
                let (h, w) = (at / width % height, at % width);
                let channel = ((c * block[0] + d % block[0]) * block[1] + h % block[1]) * block[2] + w % block[2];
                let cell = (d / block[0] * cells[1] + h / block[1]) * cells[2] + w / block[2];
                expected[channel * cells[0] * cells[1] * cells[2] + cell] = *x;
            }
            for (isa, edge) in everywhere() {
                let (x, mut y, mut back) = (edge.of(&x), edge.unset(x.len()), edge.unset(x.len()));
                let space = [channels, depth, height, width];
                isa.space_to_depth(space, block, &x, &mut y);
                prop_assert_eq!(&y[..], &expected);
                isa.depth_to_space(space, block, &y, &mut back);
                prop_assert_eq!(&back[..], &x[..]);
            }
        }
    }
}
