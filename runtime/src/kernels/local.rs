//! Convolutions whose filters differ from place to place. Weights are `[filters, depth, places]`, where `depth` is the rows of
//! a patch, so that neighbouring places are neighbours in all operands.

use crate::Strip;
use crate::isa::per_isa;

/// Places whose patches are gathered at a time, into rows of as many numbers.
const PANEL: usize = 64;

/// acc\[p\] += a\[p\] · b\[p\].
#[inline(always)]
fn multiply_add(acc: &mut [f32], a: &[f32], b: &[f32]) {
    for ((acc, a), b) in acc.iter_mut().zip(a).zip(b) {
        *acc += a * b;
    }
}

per_isa! {
    /// y\[f, p\] = Σ w\[f, k, p\] · patch\[k, p\] at the places of a strip of at most 64, whose patches are `panel`.
    pub fn local_conv(depth: usize, w: &[f32], panel: &[f32], y: &mut Strip<'_>) {
        let (places, first) = (y.pitch(), y.offset());
        for filter in y.planes() {
            let y = y.plane(filter);
            y.fill(0.0);
            for (row, patch) in panel.chunks(PANEL).take(depth).enumerate() {
                multiply_add(y, &w[(filter * depth + row) * places + first..], patch);
            }
        }
    }

    /// The gradient of [`local_conv`](Self::local_conv) by the patches of `count` places from `first`:
    /// patch\[k, p\] = Σ w\[f, k, p\] · dy\[f, p\].
    pub fn local_conv_grad_patches(
        depth: usize,
        places: usize,
        first: usize,
        count: usize,
        w: &[f32],
        dy: &[f32],
        panel: &mut [f32],
    ) {
        for (row, patch) in panel.chunks_mut(PANEL).take(depth).enumerate() {
            let patch = &mut patch[..count];
            patch.fill(0.0);
            for (filter, dy) in dy.chunks_exact(places).enumerate() {
                multiply_add(patch, &w[(filter * depth + row) * places + first..], &dy[first..]);
            }
        }
    }

    /// Adds the gradient by the weights of one filter, of `count` places from `first` of one image:
    /// dw\[k, p\] += dy\[p\] · patch\[k, p\].
    pub fn local_conv_grad_weight(
        places: usize,
        first: usize,
        count: usize,
        panel: &[f32],
        dy: &[f32],
        dw: &mut [f32],
    ) {
        for (dw, patch) in dw.chunks_exact_mut(places).zip(panel.chunks(PANEL)) {
            multiply_add(&mut dw[first..first + count], patch, &dy[first..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers, wide};
    use super::*;
    use alloc::format;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_loops(filters in 1_usize..4, depth in 1_usize..6, places in 1_usize..150, seed: u64) {
            let (w, patches) = (numbers(seed, filters * depth * places), numbers(seed ^ 1, depth * places));
            let dy = numbers(seed ^ 2, filters * places);
            let (wide_w, wide_patches, wide_dy) = (wide(&w), wide(&patches), wide(&dy));
            let mut value = vec![0.0; filters * places];
            let (mut by_patches, mut by_weight) = (vec![0.0; depth * places], vec![1.0; depth * places]);
            for (at, w) in wide_w.iter().enumerate() {
                let (filter, row, place) = (at / places / depth, at / places % depth, at % places);
                value[filter * places + place] += w * wide_patches[row * places + place];
                by_patches[row * places + place] += w * wide_dy[filter * places + place];
                if filter == 0 {
                    by_weight[row * places + place] += wide_patches[row * places + place] * wide_dy[place];
                }
            }
            for (isa, edge) in everywhere() {
                let (w, dy) = (edge.of(&w), edge.of(&dy));
                let (mut y, mut dw) = (edge.unset(filters * places), edge.of(&vec![1.0; depth * places]));
                let mut found = vec![0.0; depth * places];
                for first in (0..places).step_by(PANEL) {
                    let count = PANEL.min(places - first);
                    // The last row ends with its last place.
                    let mut panel = edge.unset((depth - 1) * PANEL + count);
                    isa.local_conv_grad_patches(depth, places, first, count, &w, &dy, &mut panel);
                    for (row, panel) in panel.chunks(PANEL).enumerate() {
                        found[row * places + first..][..count].copy_from_slice(&panel[..count]);
                    }
                    for (row, panel) in panel.chunks_mut(PANEL).enumerate() {
                        panel[..count].copy_from_slice(&patches[row * places + first..][..count]);
                    }
                    isa.local_conv(depth, &w, &panel, &mut Strip::of(&mut y, places, first..first + count));
                    isa.local_conv_grad_weight(places, first, count, &panel, &dy[..places], &mut dw);
                }
                assert_within(&y, &value, 2e-6, 1.0, &format!("{isa:?}"));
                assert_within(&found, &by_patches, 2e-6, 1.0, &format!("{isa:?} by patches"));
                assert_within(&dw, &by_weight, 2e-6, 1.0, &format!("{isa:?} by weights"));
            }
        }
    }
}
