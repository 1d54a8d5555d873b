//! Functions that vectorise: no branches, no calls.

/// e^x within 1e-7 relative, 0 below −103 and infinite above 88.7; NaN stays NaN.
///
/// x = n · ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 7; 2^n by the bits of the exponent, in two
/// steps, so that results below the normal range come out right.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let clamped = x.clamp(-104.0, 89.0);
    // Adding and taking away 1.5 · 2^23 rounds to the nearest whole number.
    let n = (clamped * core::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = clamped - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let n = n as i32;
    let (half, rest) = (n >> 1, n - (n >> 1));
    let two = |n: i32| f32::from_bits(((n + 127) as u32) << 23);
    let y = p * two(half) * two(rest);
    let y = if x > 88.722_84 { f32::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// Hyperbolic tangent within 4e-7 relative, never beyond ±1; NaN stays NaN.
///
/// x · P(x²) / Q(x²) with the two polynomials of degree 4 whose largest relative error up to 9.02, from where on the
/// nearest float is ±1, is smallest (2e-8): one division, and nothing cancels.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let x = x.clamp(-9.02, 9.02);
    let square = x * x;
    let mut p = 1.338_427_95e-8;
    p = p * square + 2.063_581_3e-5;
    p = p * square + 3.497_457_1e-3;
    p = p * square + 0.133_826_87;
    p = p * square + 1.0;
    let mut q = 7.790_244_5e-7;
    q = q * square + 3.288_516_3e-4;
    q = q * square + 2.588_435_8e-2;
    q = q * square + 0.467_160_08;
    q = q * square + 1.0;
    (x * p / q).clamp(-1.0, 1.0)
}

/// 1 / (1 + e^−x) within 2e-7 relative.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// e^x − 1 for x up to 0, without cancelling near zero: tanh(x/2) = (e^x − 1) / (e^x + 1).
#[inline(always)]
pub(crate) fn exp_m1(x: f32) -> f32 {
    tanh(0.5 * x) * (exp(x) + 1.0)
}

/// ln(1 + x) for x from 0, without losing small ones: what rounding takes from 1 + x is given back as a factor.
#[inline(always)]
pub(crate) fn ln_1p(x: f32) -> f32 {
    let one_more = 1.0 + x;
    if one_more == 1.0 { x } else { ln(one_more) * x / (one_more - 1.0) }
}

/// Φ(x), the distribution function of the normal distribution, within 1e-6 relative.
///
/// Φ(−a) = e^(−a²/2) · R(1 / (1 + 0.3 a)) with R a minimax polynomial of degree 8 for a from 0 to 14.
#[inline(always)]
pub(crate) fn normal(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.3 * a);
    let mut p = 3.840_784_3e-2;
    p = p * t - 1.693_095_6e-1;
    p = p * t + 2.289_559e-1;
    p = p * t - 7.684_411e-2;
    p = p * t + 1.427_681_6e-1;
    p = p * t + 9.458_472e-2;
    p = p * t + 1.219_455_3e-1;
    p = p * t + 1.194_841_7e-1;
    p = p * t + 7.374_223e-6;
    let tail = exp(-0.5 * a * a) * p;
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The nearest whole number below; what does not fit 64 bits becomes the largest of them, NaN zero.
#[inline(always)]
pub(crate) fn floor(x: f32) -> i64 {
    let whole = x as i64;
    if whole as f32 > x { whole - 1 } else { whole }
}

/// The nearest whole number above, likewise.
#[inline(always)]
pub(crate) fn ceil(x: f32) -> i64 {
    let whole = x as i64;
    if (whole as f32) < x { whole + 1 } else { whole }
}

/// The nearest whole number, halves away from zero, likewise.
#[inline(always)]
pub(crate) fn round(x: f32) -> i64 {
    let whole = x as i64;
    let rest = x - whole as f32;
    whole + i64::from(rest >= 0.5) - i64::from(rest <= -0.5)
}

/// √x without the standard library: the bit trick and Newton's method, exact to the last bits.
#[inline(always)]
pub(crate) fn sqrt(x: f32) -> f32 {
    #[cfg(feature = "std")]
    return x.sqrt();
    #[cfg(not(feature = "std"))]
    {
        if x <= 0.0 || !x.is_finite() {
            return if x == 0.0 || x == f32::INFINITY { x } else { f32::NAN };
        }
        let x = f64::from(x);
        let mut y = f64::from_bits((x.to_bits() >> 1) + 0x1ff7_a3be_a91d_9b1b);
        for _ in 0..5 {
            y = 0.5 * (y + x / y);
        }
        y as f32
    }
}

/// ln x within 2e-7 relative: −∞ at zero, NaN below, and NaN stays NaN.
///
/// x = 2^n · m with m from √½ to √2; ln m by the polynomial of Cephes (S. Moshier) in m − 1, which is exact.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // Numbers below the normal range have their exponent in the mantissa: first make them larger.
    let small = x < f32::MIN_POSITIVE;
    let bits = (if small { x * 8_388_608.0 } else { x }).to_bits();
    // So that the mantissa is split at √½, not at 1.
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let n = (shifted as i32 >> 23) as f32 - if small { 23.0 } else { 0.0 };
    let f = f32::from_bits((shifted & 0x007f_ffff) + 0x3f35_04f3) - 1.0;
    let mut p = 7.037_683_6e-2;
    p = p * f - 1.151_461e-1;
    p = p * f + 1.167_699_9e-1;
    p = p * f - 1.242_014_1e-1;
    p = p * f + 1.424_932_3e-1;
    p = p * f - 1.666_805_7e-1;
    p = p * f + 2.000_071_5e-1;
    p = p * f - 2.499_999_4e-1;
    p = p * f + 0.333_333_3;
    let square = f * f;
    let tail = f * square * p - n * 2.121_944_4e-4 - 0.5 * square;
    let y = f + tail + n * 0.693_359_4;
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, from: f32, to: f32) -> f64 {
        (0..200_000)
            .map(|i| from + (to - from) * i as f32 / 200_000.0)
            .map(|x| {
                let e = exact(f64::from(x));
                (f64::from(f(x)) - e).abs() / e.abs().max(1e-30)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_close() {
        assert!(worst(exp, f64::exp, -80.0, 88.0) < 2e-7, "{}", worst(exp, f64::exp, -80.0, 88.0));
        assert!(worst(tanh, f64::tanh, -12.0, 12.0) < 4e-7, "{}", worst(tanh, f64::tanh, -12.0, 12.0));
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert!(worst(ln, f64::ln, 1e-3, 0.99) < 2e-7, "{}", worst(ln, f64::ln, 1e-3, 0.99));
        assert!(worst(ln, f64::ln, 1.0001, 1e4) < 2e-7, "{}", worst(ln, f64::ln, 1.0001, 1e4));
        for x in [1e-45_f32, 1e-40, 1.2e-38, 3e38] {
            assert!((f64::from(ln(x)) / f64::from(x).ln() - 1.0).abs() < 2e-7, "{x}: {}", ln(x));
        }
        assert!(worst(sigmoid, logistic, -60.0, 60.0) < 4e-7, "{}", worst(sigmoid, logistic, -60.0, 60.0));
    }

    #[test]
    fn whole_numbers_are_those_of_the_standard_library() {
        for x in (-4000..4000).map(|i| i as f32 / 64.0).chain([0.499_999_97, -0.499_999_97, 1e9, -1e9]) {
            let expected = (x.floor() as i64, x.ceil() as i64, x.round() as i64);
            assert_eq!((floor(x), ceil(x), round(x)), expected, "{x}");
        }
    }

    #[test]
    fn ends_are_right() {
        assert_eq!((exp(f32::NEG_INFINITY), exp(f32::INFINITY), exp(0.0)), (0.0, f32::INFINITY, 1.0));
        assert_eq!((tanh(f32::NEG_INFINITY), tanh(f32::INFINITY), tanh(0.0)), (-1.0, 1.0, 0.0));
        assert_eq!((sigmoid(f32::NEG_INFINITY), sigmoid(f32::INFINITY), sigmoid(0.0)), (0.0, 1.0, 0.5));
        assert_eq!(
            (ln(0.0), ln(-0.0), ln(1.0), ln(f32::INFINITY)),
            (f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0, f32::INFINITY)
        );
        assert!(ln(-1.0).is_nan() && ln(f32::NAN).is_nan());
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
    }
}
