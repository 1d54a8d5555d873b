//! Random numbers that are the same on every machine and at any number of threads.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood 2014): a counter that advances by an odd constant, scrambled. The
//! counter makes it possible to jump, and to have a stream of its own for everything that has a name or a number. It has
//! passed BigCrush; it is not for secrets.

use core::ops::Range;

/// 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: a bijection of 64 bits in which every input bit changes half of the output bits.
#[inline]
pub const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A stream of random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    counter: u64,
}

impl Random {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { counter: mix(seed ^ STEP) }
    }

    /// The stream that a number has under a seed: epoch 3 of seed 7.
    pub const fn numbered(seed: u64, number: u64) -> Self {
        Self { counter: mix(mix(seed ^ STEP).wrapping_add(mix(number.wrapping_add(STEP)))) }
    }

    /// The stream that a name has under a seed. Other names have no influence on it.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a; `mix` in `numbered` does the rest.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self::numbered(seed, hash)
    }

    /// 64 random bits.
    #[inline]
    pub const fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(STEP);
        mix(self.counter)
    }

    /// From 0 up to, not including, 1, in steps of 2^-24.
    #[inline]
    pub const fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// From `range.start` up to `range.end`, which rounding may reach.
    #[inline]
    pub const fn uniform(&mut self, range: &Range<f32>) -> f32 {
        range.start + (range.end - range.start) * self.unit()
    }

    /// From 0 up to, not including, `bound`, which must not be 0; each equally often.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        // The high half of a 128-bit product (Lemire 2019); products whose low half is too small would favour some numbers.
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// Puts elements in random order, each order equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, elements: &mut [T]) {
        for i in (1..elements.len()).rev() {
            elements.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // Reference values of SplitMix64 for the state 0.
        let mut random = Random { counter: 0 };
        assert_eq!(random.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.bits(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(random.bits(), 0x06c4_5d18_8009_454f);
    }

    #[test]
    fn streams_differ() {
        let first = |mut random: Random| random.bits();
        let streams = [
            first(Random::new(0)),
            first(Random::new(1)),
            first(Random::numbered(0, 0)),
            first(Random::numbered(0, 1)),
            first(Random::numbered(1, 0)),
            first(Random::named(0, "conv1.weight")),
            first(Random::named(0, "conv1.bias")),
            first(Random::named(1, "conv1.bias")),
        ];
        for (i, a) in streams.iter().enumerate() {
            assert!(streams[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn uniform_numbers_fill_their_range() {
        let mut random = Random::new(3);
        let n = 100_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = f64::from(random.uniform(&(-2.0..2.0)));
            assert!((-2.0..=2.0).contains(&x));
            sum += x;
            squares += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.02);
        assert!((squares / f64::from(n) - 4.0 / 3.0).abs() < 0.02);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_fair() {
        let mut counts = [[0_u32; 5]; 5];
        let mut random = Random::new(9);
        for _ in 0..10_000 {
            let mut elements = [0, 1, 2, 3, 4];
            random.shuffle(&mut elements);
            let mut sorted = elements;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            elements.iter().enumerate().for_each(|(place, &element)| counts[place][element] += 1);
        }
        assert!(counts.as_flattened().iter().all(|&n| n.abs_diff(2000) < 200), "{counts:?}");
    }
}
