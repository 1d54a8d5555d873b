use super::super::checks::{assert_close, assert_within, everywhere, numbers, wide};
use crate::Isa;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn naive(channels: usize, x: &[f64]) -> Vec<f64> {
    let places = x.len() / channels;
    let mut y = vec![0.0; x.len()];
    for place in 0..places {
        let column = || (0..channels).map(|c| c * places + place);
        let most = column().fold(f64::NEG_INFINITY, |m, i| m.max(x[i]));
        let sum: f64 = column().map(|i| (x[i] - most).exp()).sum();
        column().for_each(|i| y[i] = (x[i] - most).exp() / sum);
    }
    y
}

fn naive_grad(channels: usize, y: &[f64], dy: &[f64]) -> Vec<f64> {
    let places = y.len() / channels;
    let mut dx = vec![0.0; y.len()];
    for place in 0..places {
        let column = || (0..channels).map(|c| c * places + place);
        let dot: f64 = column().map(|i| y[i] * dy[i]).sum();
        column().for_each(|i| dx[i] = y[i] * (dy[i] - dot));
    }
    dx
}

fn naive_log_grad(channels: usize, y: &[f64], dy: &[f64]) -> Vec<f64> {
    let places = y.len() / channels;
    let total = |place: usize| dy.iter().skip(place).step_by(places).sum::<f64>();
    (0..y.len()).map(|i| dy[i] - y[i].exp() * total(i % places)).collect()
}

proptest! {
    #[test]
    fn agrees_with_loops(channels in 1_usize..40, places in prop_oneof![Just(1_usize), 1..80_usize], seed: u64) {
        let x: Vec<f32> = numbers(seed, channels * places).iter().map(|x| x * 20.0 + 3.0).collect();
        let dy = numbers(seed ^ 1, x.len());
        for (isa, edge) in everywhere() {
            let (mut y, mut dx) = (edge.of(&x), edge.of(&dy));
            isa.softmax(channels, &mut y);
            assert_close(&y, &naive(channels, &wide(&x)), 2e-6, &format!("{isa:?}"));
            isa.softmax_grad(channels, &y, &mut dx);
            assert_within(&dx, &naive_grad(channels, &wide(&y), &wide(&dy)), 1e-6, 1.0, &format!("{isa:?}"));
            let (mut y, mut dx) = (edge.of(&x), edge.of(&dy));
            isa.log_softmax(channels, &mut y);
            let expected: Vec<f64> = naive(channels, &wide(&x)).iter().map(|y| y.ln()).collect();
            assert_within(&y, &expected, 2e-6, 1.0, &format!("{isa:?} logarithm"));
            isa.log_softmax_grad(channels, &y, &mut dx);
            let expected = naive_log_grad(channels, &wide(&y), &wide(&dy));
            assert_within(&dx, &expected, 3e-6, channels as f64, &format!("{isa:?} logarithm"));
        }
    }
}

#[test]
fn large_scores_do_not_overflow_and_minus_infinity_is_never_chosen() {
    for isa in Isa::available() {
        let mut y = [1e30, 1e30, f32::NEG_INFINITY, -1e30];
        isa.softmax(4, &mut y);
        assert_eq!(y, [0.5, 0.5, 0.0, 0.0]);
        // The same in each of three places.
        let mut y = [1e30, 7.0, 0.0, 1e30, 7.0, 0.0, -1e30, f32::NEG_INFINITY, -1e9];
        isa.softmax(3, &mut y);
        assert_eq!(y, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn many_classes_sum_to_one() {
    let x = numbers(5, 100_000);
    for isa in Isa::available() {
        let mut y = x.clone();
        isa.softmax(x.len(), &mut y);
        assert!((wide(&y).iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn nan_is_not_lost() {
    for isa in Isa::available() {
        let mut y = [1.0, f32::NAN, 2.0];
        isa.softmax(3, &mut y);
        assert!(y.iter().all(|y| y.is_nan()));
        let mut y = [1.0, 1.0, f32::NAN, 1.0];
        isa.softmax(2, &mut y);
        assert!(y[0].is_nan() && y[2].is_nan() && y[1] == 0.5 && y[3] == 0.5);
    }
}
