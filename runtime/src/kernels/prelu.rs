//! Rectifiers with a learned slope left of zero.

use super::sums::sum_pairs;
use crate::isa::per_isa;
use crate::kernels::BLOCK;

/// The slopes of a block of channels; lanes beyond the last channel have none.
#[inline(always)]
fn lanes(slopes: &[f32], block: usize) -> [f32; BLOCK] {
    let mut lanes = [0.0; BLOCK];
    let own = &slopes[block * BLOCK..];
    let count = own.len().min(BLOCK);
    lanes[..count].copy_from_slice(&own[..count]);
    lanes
}

per_isa! {
    /// x where positive, slope · x elsewhere; `places` elements for each slope.
    pub fn prelu(slopes: &[f32], places: usize, x: &[f32], y: &mut [f32]) {
        for ((slope, x), y) in slopes.iter().zip(x.chunks_exact(places)).zip(y.chunks_exact_mut(places)) {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = if *x > 0.0 { *x } else { slope * x });
        }
    }

    /// The gradient of [`prelu`](Self::prelu) by its input.
    pub fn prelu_grad(slopes: &[f32], places: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let planes = x.chunks_exact(places).zip(dy.chunks_exact(places)).zip(dx.chunks_exact_mut(places));
        for (slope, ((x, dy), dx)) in slopes.iter().zip(planes) {
            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = if *x > 0.0 { *dy } else { slope * dy };
            }
        }
    }

    /// Adds the gradient of [`prelu`](Self::prelu) by its slopes to `y`.
    pub fn prelu_grad_weight(places: usize, x: &[f32], dy: &[f32], y: &mut [f32]) {
        for ((y, x), dy) in y.iter_mut().zip(x.chunks_exact(places)).zip(dy.chunks_exact(places)) {
            *y += sum_pairs(x, dy, |x, dy| if x > 0.0 { 0.0 } else { x * dy }) as f32;
        }
    }

    /// [`prelu`](Self::prelu) of blocks of channels, with a slope for each channel.
    pub fn blocked_prelu(slopes: &[f32], places: usize, x: &[f32], y: &mut [f32]) {
        let step = places * BLOCK;
        for (block, (x, y)) in x.chunks_exact(step).zip(y.chunks_exact_mut(step)).enumerate() {
            let slopes = lanes(slopes, block);
            for (x, y) in x.chunks_exact(BLOCK).zip(y.chunks_exact_mut(BLOCK)) {
                for ((y, x), slope) in y.iter_mut().zip(x).zip(&slopes) {
                    *y = if *x > 0.0 { *x } else { slope * x };
                }
            }
        }
    }

    /// The gradient of [`blocked_prelu`](Self::blocked_prelu) by its input.
    pub fn blocked_prelu_grad(slopes: &[f32], places: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let step = places * BLOCK;
        let blocks = x.chunks_exact(step).zip(dy.chunks_exact(step)).zip(dx.chunks_exact_mut(step));
        for (block, ((x, dy), dx)) in blocks.enumerate() {
            let slopes = lanes(slopes, block);
            let rows = x.chunks_exact(BLOCK).zip(dy.chunks_exact(BLOCK)).zip(dx.chunks_exact_mut(BLOCK));
            for ((x, dy), dx) in rows {
                for (((dx, x), dy), slope) in dx.iter_mut().zip(x).zip(dy).zip(&slopes) {
                    *dx = if *x > 0.0 { *dy } else { slope * dy };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_close, assert_within, everywhere, numbers};
    use super::*;
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Channels in blocks, the last one filled up with zeros.
    fn blocked(channels: usize, places: usize, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; channels.div_ceil(BLOCK) * places * BLOCK];
        for (i, x) in x.iter().enumerate() {
            let (channel, place) = (i / places, i % places);
            y[(channel / BLOCK * places + place) * BLOCK + channel % BLOCK] = *x;
        }
        y
    }

    proptest! {
        #[test]
        fn agrees_with_loops(channels in 1_usize..40, places in 1_usize..40, seed: u64) {
            let (x, dy) = (numbers(seed, channels * places), numbers(seed ^ 1, channels * places));
            let slopes = numbers(seed ^ 2, channels);
            let slope = |i: usize| if x[i] > 0.0 { 1.0 } else { f64::from(slopes[i / places]) };
            let value: Vec<f64> = (0..x.len()).map(|i| slope(i) * f64::from(x[i])).collect();
            let gradient: Vec<f64> = (0..x.len()).map(|i| slope(i) * f64::from(dy[i])).collect();
            let mut weight = vec![0.0; channels];
            (0..x.len()).filter(|i| x[*i] <= 0.0).for_each(|i| weight[i / places] += f64::from(x[i]) * f64::from(dy[i]));
            for (isa, edge) in everywhere() {
                let (x, dy, slopes) = (edge.of(&x), edge.of(&dy), edge.of(&slopes));
                let (mut y, mut dx, mut dw) = (edge.unset(x.len()), edge.unset(x.len()), edge.of(&vec![0.0; channels]));
                isa.prelu(&slopes, places, &x, &mut y);
                assert_close(&y, &value, 1e-6, &format!("{isa:?}"));
                isa.prelu_grad(&slopes, places, &x, &dy, &mut dx);
                assert_close(&dx, &gradient, 1e-6, &format!("{isa:?} gradient"));
                isa.prelu_grad_weight(places, &x, &dy, &mut dw);
                assert_within(&dw, &weight, 1e-6, places as f64, &format!("{isa:?} slopes"));
                let (bx, bdy) = (edge.of(&blocked(channels, places, &x)), edge.of(&blocked(channels, places, &dy)));
                let (mut by, mut bdx) = (edge.unset(bx.len()), edge.unset(bx.len()));
                isa.blocked_prelu(&slopes, places, &bx, &mut by);
                prop_assert_eq!(&by[..], blocked(channels, places, &y));
                isa.blocked_prelu_grad(&slopes, places, &bx, &bdy, &mut bdx);
                prop_assert_eq!(&bdx[..], blocked(channels, places, &dx));
            }
        }
    }
}
