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
        let Some(Dropout { seed, step, image }) = state else { return };
        let stream = mix(seed ^ mix(step ^ mix(layer ^ mix(image as u64))));
        let limit = (f64::from(rate) * 4_294_967_296.0) as u64;
        let scale = 1.0 / (1.0 - rate);
        for (element, y) in y.iter_mut().enumerate() {
            let bits = mix(stream.wrapping_add(element as u64)) >> 32;
            *y = if bits < limit { 0.0 } else { *y * scale };
        }
    }
}
