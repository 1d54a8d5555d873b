//! Hard swish, and its gradient from its operand.

use crate::isa::per_isa;

per_isa! {
    /// x · min(max(x + 3, 0), 6) / 6 of every element, in place.
    pub fn hard_swish(y: &mut [f32]) {
        for y in y {
            // So written, -∞ becomes 0 and NaN stays NaN.
            *y = if *y <= -3.0 { 0.0 } else if *y >= 3.0 { *y } else { *y * (*y + 3.0) * (1.0 / 6.0) };
        }
    }

    /// Multiplies the gradient `dy` by the slope of [`hard_swish`](Self::hard_swish) at `x`: 0 at -3 and 1 at 3, as PyTorch has it.
    pub fn hard_swish_grad(x: &[f32], dy: &mut [f32]) {
        assert_eq!(x.len(), dy.len());
        for (dy, x) in dy.iter_mut().zip(x) {
            *dy *= if *x <= -3.0 { 0.0 } else if *x >= 3.0 { 1.0 } else { (2.0 * x + 3.0) * (1.0 / 6.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_close, everywhere, numbers, wide};
    use crate::Isa;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn values_and_slopes_agree_with_loops() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let x: Vec<f32> = numbers(len as u64, len).iter().map(|x| x * 6.0).collect();
            let upstream = numbers(9, len);
            let value = |x: &f64| x * (x + 3.0).clamp(0.0, 6.0) / 6.0;
            let slope = |x: f64| if x.abs() < 3.0 { (2.0 * x + 3.0) / 6.0 } else { f64::from(x > 0.0) };
            for (isa, edge) in everywhere() {
                let (x, mut y, mut dx) = (edge.of(&x), edge.of(&x), edge.of(&upstream));
                isa.hard_swish(&mut y);
                assert_close(&y, &wide(&x).iter().map(value).collect::<Vec<f64>>(), 1e-6, &format!("{isa:?}"));
                isa.hard_swish_grad(&x, &mut dx);
                let expected = x.iter().zip(&upstream).map(|(x, dy)| slope(f64::from(*x)) * f64::from(*dy));
                assert_close(&dx, &expected.collect::<Vec<f64>>(), 1e-6, &format!("{isa:?} gradient"));
            }
        }
    }

    #[test]
    fn kinks_and_what_is_not_finite() {
        for isa in Isa::available() {
            let x = [-3.0, 3.0, f32::NEG_INFINITY, f32::INFINITY, f32::NAN];
            let (mut y, mut dx) = (x, [1.0; 5]);
            isa.hard_swish(&mut y);
            assert_eq!(y[..4], [0.0, 3.0, 0.0, f32::INFINITY], "{isa:?}");
            isa.hard_swish_grad(&x, &mut dx);
            assert_eq!(dx[..4], [0.0, 1.0, 0.0, 1.0], "{isa:?}");
            assert!(y[4].is_nan() && dx[4].is_nan(), "{isa:?}");
        }
    }
}
