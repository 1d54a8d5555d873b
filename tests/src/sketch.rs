//! Numbers for weights that need no file, and what is kept of tensors in place of all their numbers; `tests/parity/sketch.py` has
//! the same.
//!
//! Numbers are drawn by SplitMix64 (Steele, Lea & Flood 2014) from the name of what they are for.

/// How many samples a sketch has at most.
pub const SAMPLES: usize = 32;
/// Where the samples of a sketch begin: after the norm, the signed sum and the largest magnitude.
pub const FIRST_SAMPLE: usize = 3;

/// FNV-1a.
fn seed(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// The number at this place of SplitMix64's sequence from `start`.
fn mixed(start: u64, at: usize) -> u64 {
    let z = start.wrapping_add((at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Numbers that lie evenly within `reach` of `middle`.
pub fn drawn(name: &str, len: usize, middle: f32, reach: f32) -> Vec<f32> {
    let (start, middle, reach) = (seed(name), f64::from(middle), f64::from(reach));
    let unit = |at| (mixed(start, at) >> 40) as f64 / f64::from(1 << 24);
    (0..len).map(|at| (middle + reach * (2.0 * unit(at) - 1.0)) as f32).collect()
}

/// The norm, the sum with random signs, the largest magnitude, and samples (all numbers, where there are that few). What is no
/// number shows in the first two.
pub fn sketch(numbers: &[f32]) -> Vec<f32> {
    let (start, places) = (seed("signs"), seed("samples"));
    let (mut squares, mut signed, mut largest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (at, number) in numbers.iter().map(|x| f64::from(*x)).enumerate() {
        squares += number * number;
        signed += if mixed(start, at) >> 63 == 1 { number } else { -number };
        largest = largest.max(number.abs());
    }
    let few = numbers.len() <= SAMPLES;
    let place = |at| if few { at } else { (mixed(places, at) % numbers.len() as u64) as usize };
    let samples = (0..numbers.len().min(SAMPLES)).map(|at| numbers[place(at)]);
    [squares.sqrt(), signed, largest].into_iter().map(|x| x as f32).chain(samples).collect()
}
