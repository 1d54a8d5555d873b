//! Local response normalisation across channels.

use super::math::{exp, ln};
use crate::isa::per_isa;

/// Neighbouring places that are worked on at once, so that each channel's share of them is one run in the cache.
const RUN: usize = 64;

/// y = x / (k + alpha · Σ x²)^beta, the sum over `size` neighbouring channels.
#[derive(Clone, Copy, Debug)]
pub struct Lrn {
    /// Channels that are summed over: ⌊size / 2⌋ before, the channel itself, and ⌊(size − 1) / 2⌋ after.
    pub size: usize,
    /// The factor of each square.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// What is added to the sum; positive.
    pub k: f32,
}

impl Lrn {
    /// Floats of working memory that the gradient needs.
    pub const fn scratch(channels: usize) -> usize {
        channels * RUN
    }

    /// What is taken to the power, for the places from `first` on of a channel.
    #[inline(always)]
    fn bases(&self, x: &[f32], places: usize, channel: usize, first: usize, bases: &mut [f32]) {
        let (before, after) = (self.size / 2, (self.size - 1) / 2);
        sum_near(x, places, channel, [before, after], first, bases, |x| x * x);
        for base in bases {
            *base = self.k + self.alpha * *base;
        }
    }
}

/// Sums of `f` of the channels from `reach[0]` before to `reach[1]` after, for the places from `first` on.
#[inline(always)]
fn sum_near(
    x: &[f32],
    places: usize,
    channel: usize,
    reach: [usize; 2],
    first: usize,
    sums: &mut [f32],
    f: impl Fn(f32) -> f32,
) {
    sums.fill(0.0);
    let near = channel.saturating_sub(reach[0])..(channel + reach[1] + 1).min(x.len() / places);
    for near in near {
        for (sum, x) in sums.iter_mut().zip(&x[near * places + first..]) {
            *sum += f(*x);
        }
    }
}

per_isa! {
    /// The normalised values of `channels` planes.
    pub fn lrn(lrn: &Lrn, channels: usize, x: &[f32], y: &mut [f32]) {
        let places = x.len() / channels;
        for first in (0..places).step_by(RUN) {
            let mut bases = [0.0_f32; RUN];
            let bases = &mut bases[..RUN.min(places - first)];
            for channel in 0..channels {
                lrn.bases(x, places, channel, first, bases);
                let at = channel * places + first;
                for ((y, x), base) in y[at..].iter_mut().zip(&x[at..]).zip(&*bases) {
                    *y = x * exp(-lrn.beta * ln(*base));
                }
            }
        }
    }

    /// The gradient by the input, from the input and the gradient that arrives. `scratch` holds [`Lrn::scratch`] floats.
    pub fn lrn_grad(lrn: &Lrn, channels: usize, dy: &[f32], x: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        let places = x.len() / channels;
        let reach = [(lrn.size - 1) / 2, lrn.size / 2];
        for first in (0..places).step_by(RUN) {
            let mut sums = [0.0_f32; RUN];
            let sums = &mut sums[..RUN.min(places - first)];
            // What each channel gives to the sums of its neighbours.
            let shares = &mut scratch[..channels * sums.len()];
            for (channel, shares) in shares.chunks_exact_mut(sums.len()).enumerate() {
                lrn.bases(x, places, channel, first, sums);
                let at = channel * places + first;
                let operands = dx[at..].iter_mut().zip(&dy[at..]).zip(&x[at..]);
                for ((share, base), ((dx, dy), x)) in shares.iter_mut().zip(&*sums).zip(operands) {
                    *dx = dy * exp(-lrn.beta * ln(*base));
                    *share = *dx * x / base;
                }
            }
            for channel in 0..channels {
                let run = sums.len();
                sum_near(shares, run, channel, reach, 0, sums, |share| share);
                let at = channel * places + first;
                for ((dx, x), sum) in dx[at..].iter_mut().zip(&x[at..]).zip(&*sums) {
                    *dx -= 2.0 * lrn.alpha * lrn.beta * x * sum;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_close, everywhere, numbers};
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// The sum's channels of one channel.
    fn near(lrn: &Lrn, channel: usize, channels: usize) -> core::ops::Range<usize> {
        channel.saturating_sub(lrn.size / 2)..(channel + (lrn.size - 1) / 2 + 1).min(channels)
    }

    proptest! {
        #[test]
        fn values_and_gradients_agree_with_loops(
            size in 1_usize..8, channels in 1_usize..9, places in prop_oneof![1_usize..20, 60_usize..140],
            alpha in 0.0_f32..2.0, beta in 0.1_f32..1.5, k in 0.2_f32..3.0, seed: u64,
        ) {
            let lrn = Lrn { size, alpha, beta, k };
            let (x, dy) = (numbers(seed, channels * places), numbers(seed ^ 1, channels * places));
            let at = |t: &[f32], c: usize, p: usize| f64::from(t[c * places + p]);
            let [alpha, beta, k] = [alpha, beta, k].map(f64::from);
            let base = |c: usize, p: usize| {
                k + alpha * near(&lrn, c, channels).map(|j| at(&x, j, p).powi(2)).sum::<f64>()
            };
            let each = || (0..channels).flat_map(|c| (0..places).map(move |p| (c, p)));
            let y: Vec<f64> = each().map(|(c, p)| at(&x, c, p) * base(c, p).powf(-beta)).collect();
            let dx: Vec<f64> = each().map(|(c, p)| {
                let seen = (0..channels).filter(|i| near(&lrn, *i, channels).contains(&c));
                let shares = seen.map(|i| at(&dy, i, p) * at(&x, i, p) * base(i, p).powf(-beta - 1.0));
                at(&dy, c, p) * base(c, p).powf(-beta) - 2.0 * alpha * beta * at(&x, c, p) * shares.sum::<f64>()
            }).collect();
            for (isa, edge) in everywhere() {
                let (x, dy) = (edge.of(&x), edge.of(&dy));
                let (mut got, mut got_dx) = (edge.unset(y.len()), edge.unset(y.len()));
                isa.lrn(&lrn, channels, &x, &mut got);
                assert_close(&got, &y, 1e-5, &format!("{isa:?} {lrn:?}"));
                let mut scratch = edge.unset(Lrn::scratch(channels));
                isa.lrn_grad(&lrn, channels, &dy, &x, &mut got_dx, &mut scratch);
                assert_close(&got_dx, &dx, 1e-5, &format!("{isa:?} {lrn:?} gradient"));
            }
        }
    }
}
