//! Dropout.

use crate::isa::per_isa;

/// What decides which elements of one image drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropout {
    /// The seed of the training.
    pub seed: u64,
    /// The step of the training.
    pub step: u64,
    /// The position of the image in the batch.
    pub image: usize,
}

impl Dropout {
    /// Which elements of the image drop in a layer.
    #[inline(always)]
    fn drops(self, rate: f32, layer: u64) -> impl Fn(usize) -> bool {
        let stream = mix(self.seed ^ mix(self.step ^ mix(layer ^ mix(self.image as u64))));
        let limit = (f64::from(rate) * 4_294_967_296.0) as u64;
        move |element| mix(stream.wrapping_add(element as u64)) >> 32 < limit
    }
}

/// The finaliser of splitmix64 (Steele et al. 2014).
#[inline(always)]
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

per_isa! {
    /// Sets elements to zero with probability `rate` and divides the others by 1 − rate; without a state, nothing.
    ///
    /// An element drops where 32 bits of a hash of seed, step, layer, image and element are below the rate. The compiler's
    /// reference has the same rule.
    pub fn dropout(state: Option<Dropout>, rate: f32, layer: u64, y: &mut [f32]) {
        let Some(state) = state else { return };
        let scale = 1.0 / (1.0 - rate);
        let drops = state.drops(rate, layer);
        for (element, y) in y.iter_mut().enumerate() {
            *y = if drops(element) { 0.0 } else { *y * scale };
        }
    }

    /// As [`dropout`](Self::dropout), where the elements of each run share their fate: that of the element with its number.
    pub fn dropout_runs(state: Option<Dropout>, rate: f32, layer: u64, run: usize, y: &mut [f32]) {
        let Some(state) = state else { return };
        let scale = 1.0 / (1.0 - rate);
        let drops = state.drops(rate, layer);
        for (number, y) in y.chunks_exact_mut(run).enumerate() {
            if drops(number) {
                y.fill(0.0);
            } else {
                y.iter_mut().for_each(|y| *y *= scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{everywhere, numbers};
    use super::*;
    use crate::Isa;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const STATE: Dropout = Dropout { seed: 1, step: 2, image: 3 };

    fn kept(isa: Isa, state: Dropout, rate: f32, layer: u64, len: usize) -> Vec<f32> {
        let mut y = vec![1.0; len];
        isa.dropout(Some(state), rate, layer, &mut y);
        y
    }

    #[test]
    fn the_share_that_drops_is_the_rate_and_the_mean_stays() {
        for (isa, rate) in Isa::available().flat_map(|isa| [0.0, 0.1, 0.5, 0.9].map(|r| (isa, r))) {
            let y = kept(isa, STATE, rate, 0, 100_000);
            let dropped = y.iter().filter(|y| **y == 0.0).count() as f32 / y.len() as f32;
            assert!((dropped - rate).abs() < 0.005, "{isa:?} {rate}: {dropped}");
            assert!(y.iter().all(|y| *y == 0.0 || *y == 1.0 / (1.0 - rate)));
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_drops_the_same(len in 0_usize..200, seed: u64, image in 0_usize..9, rate in 0_f32..0.95) {
            let (x, state) = (numbers(seed, len), Dropout { seed, step: 2, image });
            let stream = mix(seed ^ mix(2 ^ mix(4 ^ mix(image as u64))));
            let drops = |i: usize| (mix(stream.wrapping_add(i as u64)) >> 32) as f64 / 4_294_967_296.0 < f64::from(rate);
            let scale = 1.0 / (1.0 - rate);
            let expected: Vec<f32> = (0..len).map(|i| if drops(i) { 0.0 } else { x[i] * scale }).collect();
            for (isa, edge) in everywhere() {
                let mut y = edge.of(&x);
                isa.dropout(Some(state), rate, 4, &mut y);
                prop_assert_eq!(&y[..], &expected, "{:?}", isa);
                let runs: Vec<f32> = x.iter().flat_map(|x| [*x, 2.0 * x, 3.0 * x]).collect();
                let mut y = edge.of(&runs);
                isa.dropout_runs(Some(state), rate, 4, 3, &mut y);
                for (i, y) in y.iter().enumerate() {
                    prop_assert_eq!(*y, if drops(i / 3) { 0.0 } else { runs[i] * scale }, "{:?}", isa);
                }
            }
        }
    }

    #[test]
    fn seed_step_image_and_layer_each_matter() {
        let isa = Isa::detect();
        let first = kept(isa, STATE, 0.5, 4, 256);
        let others = [Dropout { seed: 2, ..STATE }, Dropout { step: 3, ..STATE }, Dropout { image: 4, ..STATE }];
        let others =
            others.map(|state| kept(isa, state, 0.5, 4, 256)).into_iter().chain([kept(isa, STATE, 0.5, 5, 256)]);
        for other in others {
            let same = first.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!((64..192).contains(&same), "{same} of 256 are the same");
        }
    }

    #[test]
    fn without_a_state_nothing_drops() {
        let mut y = [3.0; 20];
        Isa::detect().dropout(None, 0.5, 0, &mut y);
        assert_eq!(y, [3.0; 20]);
    }
}
