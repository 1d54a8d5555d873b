use super::super::checks::{assert_close, assert_within, everywhere, numbers};
use super::*;
use crate::Isa;
use alloc::format;
use alloc::vec::Vec;
use proptest::prelude::*;

const ALL: [Pointwise; 13] = [
    Pointwise::Elu(1.0),
    Pointwise::Elu(0.3),
    Pointwise::Silu,
    Pointwise::Gelu,
    Pointwise::GeluTanh,
    Pointwise::HardSigmoid,
    Pointwise::Softplus(2.0),
    Pointwise::Abs,
    Pointwise::Square,
    Pointwise::Sqrt,
    Pointwise::Exp,
    Pointwise::Log,
    Pointwise::Clamp(-0.5, 2.0),
];

/// Φ(x) by Simpson's rule from 0.
fn phi(x: f64) -> f64 {
    let (n, density) = (400, |t: f64| (-0.5 * t * t).exp() / core::f64::consts::TAU.sqrt());
    let h = x / f64::from(n);
    let weight = |i: i32| {
        if i == 0 || i == n {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    0.5 + (0..=n).map(|i| weight(i) * density(h * f64::from(i))).sum::<f64>() * h / 3.0
}

fn value(function: Pointwise, x: f64) -> f64 {
    match function {
        Pointwise::Elu(alpha) => {
            if x > 0.0 {
                x
            } else {
                f64::from(alpha) * x.exp_m1()
            }
        }
        Pointwise::Silu => x / (1.0 + (-x).exp()),
        Pointwise::Gelu => x * phi(x),
        Pointwise::GeluTanh => {
            0.5 * x * (1.0 + (core::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
        Pointwise::HardSigmoid => (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Pointwise::Softplus(beta) => (f64::from(beta) * x).exp().ln_1p() / f64::from(beta),
        Pointwise::Abs => x.abs(),
        Pointwise::Square => x * x,
        Pointwise::Sqrt => x.sqrt(),
        Pointwise::Exp => x.exp(),
        Pointwise::Log => x.ln(),
        Pointwise::Clamp(from, to) => x.clamp(f64::from(from), f64::from(to)),
    }
}

/// The slope by a difference of fourth order, which is exact enough for what `f32` can tell.
fn slope(function: Pointwise, x: f64) -> f64 {
    let (f, h) = (|by: f64| value(function, x + by), 1e-3 * x.abs().min(1.0));
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

fn positive(function: Pointwise) -> bool {
    matches!(function, Pointwise::Sqrt | Pointwise::Log)
}

/// Where a function is not smooth, and a difference would reach over it.
fn kink(function: Pointwise, x: f32) -> bool {
    let near = |at: f32| (x - at).abs() < 0.02;
    match function {
        Pointwise::HardSigmoid => near(-3.0) || near(3.0),
        Pointwise::Clamp(from, to) => near(from) || near(to),
        _ => near(0.0),
    }
}

proptest! {
    #[test]
    fn values_and_slopes_agree_with_loops(len in 0_usize..100, seed: u64) {
        for (function, (isa, edge)) in ALL.into_iter().flat_map(|f| everywhere().map(move |at| (f, at))) {
            let name = format!("{isa:?} {function:?}");
            let x = numbers(seed, len).into_iter().map(|x| if positive(function) { x.abs() * 6.0 + 0.1 } else { x * 6.0 });
            let x: Vec<f32> = x.map(|x| if kink(function, x) { x + 0.1 } else { x }).collect();
            let upstream = numbers(seed ^ 1, len);
            let (mut y, mut dx) = (edge.of(&x), edge.of(&upstream));
            isa.pointwise(function, &mut y);
            assert_close(&y, &x.iter().map(|x| value(function, f64::from(*x))).collect::<Vec<_>>(), 1e-6, &name);
            isa.pointwise_grad(function, &edge.of(&x), &mut dx);
            let of = |(x, dy): (&f32, &f32)| slope(function, f64::from(*x)) * f64::from(*dy);
            assert_within(&dx, &x.iter().zip(&upstream).map(of).collect::<Vec<_>>(), 2e-6, 1.0, &name);
        }
    }
}

#[test]
fn nan_is_not_lost() {
    for (isa, function) in Isa::available().flat_map(|isa| ALL.map(|f| (isa, f))) {
        let mut y = [f32::NAN; 20];
        isa.pointwise(function, &mut y);
        assert!(y.iter().all(|y| y.is_nan()), "{isa:?} {function:?}");
    }
}

#[test]
fn small_values_keep_their_digits() {
    for isa in Isa::available() {
        for (function, x, expected) in [
            (Pointwise::Elu(1.0), -1e-5_f32, (-1e-5_f64).exp_m1()),
            (Pointwise::Softplus(1.0), -20.0, (-20.0_f64).exp().ln_1p()),
            (Pointwise::Gelu, -6.0, -6.0 * 9.865_876e-10),
        ] {
            let mut y = [x];
            isa.pointwise(function, &mut y);
            assert!((f64::from(y[0]) / expected - 1.0).abs() < 3e-6, "{isa:?} {function:?}: {} not {expected}", y[0]);
        }
    }
}
