use super::super::checks::{assert_close, assert_within, everywhere, numbers, wide};
use super::*;
use crate::Isa;
use alloc::format;
use alloc::vec::Vec;
use proptest::prelude::*;

/// The logarithm of the sum of exponentials.
fn log_sum(x: &[f64]) -> f64 {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    x.iter().map(|x| (x - most).exp()).sum::<f64>().ln() + most
}

fn cross_entropy_grad(x: &[f64], label: usize, upstream: f64) -> Vec<f64> {
    let sum = log_sum(x);
    x.iter().enumerate().map(|(i, x)| ((x - sum).exp() - f64::from(i == label)) * upstream).collect()
}

proptest! {
    #[test]
    fn cross_entropy_agrees_with_loops(classes in 1_usize..60, label: u32, seed: u64, scale in 0.1_f32..20.0) {
        let label = label % classes as u32;
        let x: Vec<f32> = numbers(seed, classes).iter().map(|x| x * scale).collect();
        let loss = log_sum(&wide(&x)) - f64::from(x[label as usize]);
        let expected = cross_entropy_grad(&wide(&x), label as usize, 0.7);
        for (isa, edge) in everywhere() {
            let (name, x) = (format!("{isa:?}"), edge.of(&x));
            assert_within(&[isa.cross_entropy(&x, label)], &[loss], 1e-6, 1.0, &name);
            let mut dx = edge.unset(classes);
            isa.cross_entropy_grad(&x, label, 0.7, &mut dx);
            assert_within(&dx, &expected, 1e-6, 1.0, &name);
            let mut both = edge.unset(classes + 1);
            isa.softmax_cross_entropy(&x, label, 0.7, &mut both);
            assert_within(&both[..classes], &expected, 1e-6, 1.0, &name);
            assert_within(&both[classes..], &[loss], 1e-6, 1.0, &name);
        }
    }

    #[test]
    fn losses_of_numbers_agree_with_loops(len in 1_usize..200, seed: u64) {
        let (x, t) = (numbers(seed, len), numbers(seed ^ 1, len));
        let pairs = || x.iter().zip(&t).map(|(x, t)| (f64::from(*x), f64::from(*t)));
        let n = len as f64;
        let mse = pairs().map(|(x, t)| (x - t) * (x - t)).sum::<f64>() / n;
        let mse_grad: Vec<f64> = pairs().map(|(x, t)| 2.0 * (x - t) / n * 0.3).collect();
        let unit = |x: &[f32]| x.iter().map(|x| 0.5 + x * 0.49).collect::<Vec<f32>>();
        let (p, q) = (unit(&x), unit(&t));
        let pairs = || p.iter().zip(&q).map(|(p, t)| (f64::from(*p), f64::from(*t)));
        let bce = -pairs().map(|(p, t)| t * p.ln() + (1.0 - t) * (1.0 - p).ln()).sum::<f64>() / n;
        let bce_grad: Vec<f64> = pairs().map(|(p, t)| (p - t) / (p * (1.0 - p)) / n * 0.3).collect();
        let target_grad: Vec<f64> = pairs().map(|(p, _)| ((1.0 - p).ln() - p.ln()) / n * 0.3).collect();
        for (isa, edge) in everywhere() {
            let name = format!("{isa:?}");
            let [x, t, p, q] = [&x, &t, &p, &q].map(|values| edge.of(values));
            let mut dx = edge.unset(len);
            assert_close(&[isa.mse(&x, &t)], &[mse], 1e-6, &name);
            isa.mse_grad(&x, &t, 0.3, &mut dx);
            assert_close(&dx, &mse_grad, 1e-6, &name);
            assert_close(&[isa.binary_cross_entropy(&p, &q)], &[bce], 1e-6, &name);
            isa.binary_cross_entropy_grad(&p, &q, 0.3, &mut dx);
            assert_close(&dx, &bce_grad, 3e-6, &name);
            isa.binary_cross_entropy_target_grad(&p, 0.3, &mut dx);
            assert_close(&dx, &target_grad, 3e-6, &name);
        }
    }
}

#[test]
fn a_small_loss_next_to_large_scores_keeps_its_digits() {
    // ln(1 + e^-9) = 1.234e-4; added to 5000 first, it would be rounded to nothing.
    let (x, expected) = ([5000.0, 4991.0], (-9.0_f64).exp().ln_1p());
    for isa in Isa::available() {
        assert!((f64::from(isa.cross_entropy(&x, 0)) - expected).abs() < 1e-7);
        let mut both = [0.0; 3];
        isa.softmax_cross_entropy(&x, 0, 1.0, &mut both);
        assert!((f64::from(both[2]) - expected).abs() < 1e-7);
    }
}

#[test]
fn certain_and_wrong_costs_a_hundred_and_nan_stays_nan() {
    for isa in Isa::available() {
        assert_eq!(isa.binary_cross_entropy(&[0.0, 1.0], &[1.0, 0.0]), 100.0);
        assert_eq!(isa.binary_cross_entropy(&[0.0, 1.0], &[0.0, 1.0]), 0.0);
        assert!(isa.binary_cross_entropy(&[f32::NAN], &[1.0]).is_nan());
        assert!(isa.mse(&[f32::NAN], &[1.0]).is_nan());
        assert!(isa.cross_entropy(&[f32::NAN, 0.0], 1).is_nan());
        let mut dx = [0.0; 2];
        isa.binary_cross_entropy_grad(&[0.0, 1.0], &[1.0, 1.0], 1.0, &mut dx);
        // PyTorch: (0 - 1) / 1e-12 / 2.
        assert_eq!(dx, [-1.0 / 1e-12 / 2.0, 0.0]);
    }
}

#[test]
fn means_over_the_batch_see_parts() {
    let x = [1.0, 9.0, 2.0, 9.0, 6.0, 9.0];
    assert_eq!(batch_mean(Batch::part(&x, 2, 0..1)), 3.0);
}
