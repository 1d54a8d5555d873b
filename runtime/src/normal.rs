//! Normally distributed numbers, the same bits on every machine.

use crate::random::Random;

/// Numbers of mean 0 and variance 1, by the polar method (Marsaglia & Bray 1964).
pub(crate) struct Normal<'a> {
    random: &'a mut Random,
    second: Option<f64>,
}

impl<'a> Normal<'a> {
    pub(crate) fn new(random: &'a mut Random) -> Self {
        Self { random, second: None }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> f64 {
        if let Some(second) = self.second.take() {
            return second;
        }
        loop {
            let mut side = || f64::from(self.random.unit()) * 2.0 - 1.0;
            let (x, y) = (side(), side());
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = root(-2.0 * logarithm(square) / square);
                self.second = Some(y * factor);
                return x * factor;
            }
        }
    }
}

/// The square root by Newton's method from above, since `core` has none.
pub(crate) fn root(x: f64) -> f64 {
    let mut root = x.max(1.0);
    loop {
        let next = 0.5 * (root + x / root);
        if next >= root {
            return root;
        }
        root = next;
    }
}

/// The natural logarithm of a number above 0: of its power of two, and of the rest `m` by the series of
/// `2 artanh((m - 1) / (m + 1))`. Libraries differ in the last bit from machine to machine, this one does not.
fn logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut rest = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if rest > core::f64::consts::SQRT_2 {
        rest *= 0.5;
        exponent += 1;
    }
    let z = (rest - 1.0) / (rest + 1.0);
    // Below 0.172: thirteen terms are good to the last bits.
    let sum = (0..13).rev().fold(0.0, |sum, i| sum * z * z + 1.0 / f64::from(2 * i + 1));
    2.0 * z * sum + exponent as f64 * core::f64::consts::LN_2
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_good_to_the_last_bits() {
        for i in 1..5000 {
            let x = f64::from(i) * 1.3e-3;
            assert!((logarithm(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "{x}");
        }
        assert!((root(2.0) - 2.0_f64.sqrt()).abs() < 1e-15 && (root(1e-9) - 1e-9_f64.sqrt()).abs() < 1e-18);
    }

    #[test]
    fn a_third_lies_beyond_one() {
        let mut random = Random::new(1);
        let mut normal = Normal::new(&mut random);
        let beyond = (0..100_000).filter(|_| normal.next().abs() > 1.0).count();
        assert!((beyond as f64 / 1e5 - 0.3173).abs() < 0.005, "{beyond}");
    }
}
