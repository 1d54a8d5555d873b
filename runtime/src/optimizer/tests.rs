use super::*;
use std::vec::Vec;

const START: [f32; 3] = [0.5, -1.25, 2.0];
const GRADIENTS: [[f32; 3]; 5] =
    [[0.262, -0.2, -0.1], [-0.025, -0.4, -0.05], [-0.197, -0.6, 0.0], [-0.096, -0.8, 0.05], [0.185, -1.0, 0.1]];

/// Five steps against numbers that the algorithms of the documentation of `torch.optim` give in double precision.
fn check(rule: Rule, expected: [f32; 3]) {
    rule.check().expect("a valid rule");
    let pool = Pool::new(1);
    let mut weights = START;
    let mut optimizer = Optimizer::with(rule, 3, 1);
    for gradients in &GRADIENTS {
        optimizer.update(Isa::detect(), &pool, &mut weights, gradients);
    }
    for (w, e) in weights.iter().zip(expected) {
        assert!((w - e).abs() < 4e-7, "{weights:?} instead of {expected:?}");
    }
}

#[test]
fn sgd_is_that_of_pytorch() {
    let sgd = Sgd { learning_rate: 0.1, ..Sgd::default() };
    check(Rule::Sgd(sgd), [0.4871, -0.95, 2.0]);
    let sgd = Sgd { weight_decay: 0.01, ..sgd };
    check(Rule::Sgd(sgd), [0.484_653_17, -0.944_162_2, 1.989_970_1]);
    check(Rule::Sgd(Sgd { momentum: 0.9, ..sgd }), [0.448_218_83, -0.600_558_65, 2.012_208]);
    let nesterov = Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4, ..sgd };
    check(Rule::Sgd(nesterov), [0.445_699_3, -0.378_412_9, 2.033_077_5]);
    let damped = Sgd { momentum: 0.8, dampening: 0.3, weight_decay: 0.0, ..sgd };
    check(Rule::Sgd(damped), [0.449_885_68, -0.826_832, 2.030_648]);
}

#[test]
fn adam_is_that_of_pytorch() {
    let adam = Adam { learning_rate: 0.01, ..Adam::default() };
    check(Rule::Adam(adam), [0.484_619_76, -1.201_491_7, 2.028_056_4]);
    let other = Adam { learning_rate: 0.05, beta1: 0.8, beta2: 0.99, epsilon: 1e-3, weight_decay: 0.02 };
    check(Rule::Adam(other), [0.425_949_8, -0.999_215_95, 2.024_467]);
}

#[test]
fn neither_threads_nor_instruction_sets_change_a_bit() {
    let rules = [
        Rule::Sgd(Sgd { weight_decay: 1e-3, ..Sgd::default() }),
        Rule::Sgd(Sgd { momentum: 0.9, nesterov: true, ..Sgd::default() }),
        Rule::Adam(Adam::default()),
    ];
    for rule in rules {
        let detected = [1, 2, 5].map(|threads| (threads, Isa::detect()));
        let results: Vec<Vec<u32>> = Isa::available()
            .map(|isa| (2, isa))
            .chain(detected)
            .map(|(threads, isa)| {
                let pool = Pool::new(threads);
                let mut weights: Vec<f32> = (0..50_001).map(|i| (i as f32).sin()).collect();
                let mut optimizer = Optimizer::with(rule, weights.len(), threads);
                optimizer.set_factor(0.5);
                for step in 0..3 {
                    let gradients: Vec<f32> = (0..weights.len()).map(|i| ((i + step) as f32).cos()).collect();
                    optimizer.update(isa, &pool, &mut weights, &gradients);
                }
                weights.iter().map(|w| w.to_bits()).collect()
            })
            .collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn padding_stays_zero() {
    for rule in [Rule::Sgd(Sgd { momentum: 0.9, ..Sgd::default() }), Rule::Adam(Adam::default())] {
        let pool = Pool::new(1);
        let mut weights = [0.0; 4];
        Optimizer::with(rule, 4, 1).update(Isa::detect(), &pool, &mut weights, &[0.0; 4]);
        assert_eq!(weights, [0.0; 4]);
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    let complaint = |rule: Rule| rule.check().expect_err("a complaint");
    assert!(complaint(Rule::Sgd(Sgd { momentum: 1.0, ..Sgd::default() })).contains("`momentum` is 1"));
    assert!(complaint(Rule::Sgd(Sgd { nesterov: true, ..Sgd::default() })).contains("needs a `momentum`"));
    assert!(complaint(Rule::Sgd(Sgd { learning_rate: f64::NAN, ..Sgd::default() })).contains("learning_rate"));
    assert!(complaint(Rule::Adam(Adam { beta2: 1.0, ..Adam::default() })).contains("`beta2`"));
    assert!(complaint(Rule::Adam(Adam { epsilon: 0.0, ..Adam::default() })).contains("above 0"));
}

#[test]
fn steps_count_and_carry_the_seed() {
    let mut network = crate::testing::Tiny::new(&crate::Options::default());
    let mut optimizer = Optimizer::new(Sgd::default(), &network).seeded(7);
    assert_eq!(optimizer.dropout(), (7, 0));
    optimizer.step(&mut network);
    assert_eq!((optimizer.dropout(), optimizer.steps()), ((7, 1), 1));
}

#[test]
fn roots_without_a_library_are_good_to_a_bit() {
    for i in 1..2000 {
        let x = 1e-30 * (i as f32 * 0.03).exp();
        let error = (newton_root(x) - x.sqrt()).abs() / x.sqrt();
        assert!(error < 2e-7, "{x}: {error}");
    }
    assert_eq!(newton_root(0.0), 0.0);
}
