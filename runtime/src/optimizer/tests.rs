mod bowl;

use super::steps::newton_root;
use super::*;
use crate::schedule::{Decay, Schedule};
use crate::{Fans, Init, ParamKind, Role};
use bowl::Bowl;
use proptest::prelude::*;

const SPECS: [ParamSpec; 2] = [
    ParamSpec {
        name: "weight",
        shape: &[3, 4],
        kind: ParamKind::Weight(Fans { fan_in: 4, fan_out: 3, places: 1 }),
        role: Role::Trained,
        init: Init::Constant(0.0),
        range: 0..12,
    },
    ParamSpec {
        name: "bias",
        shape: &[3],
        kind: ParamKind::Bias,
        role: Role::Trained,
        init: Init::Constant(0.0),
        range: 16..19,
    },
];
const LEN: usize = 32;
const START_OF_BIAS: [f32; 3] = [0.5, -0.25, 0.1];

/// A weight of 12 numbers and a bias of 3, with padding behind each.
fn padded(row: &[f32]) -> Vec<f32> {
    let mut all = vec![0.0; LEN];
    all[..12].copy_from_slice(&row[..12]);
    all[16..19].copy_from_slice(&row[12..]);
    all
}

/// A stored tensor of PyTorch, see `tests/parity/runtime/trajectories.py`: the weights of each step.
fn stored(name: &str) -> Vec<Vec<f32>> {
    tensor(name).chunks_exact(15).map(padded).collect()
}

fn tensor(name: &str) -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/parity/runtime/trajectories.safetensors");
    let mut file = crate::tensors::TensorFile::open(path.as_ref()).expect("the stored trajectories");
    let entry = file.entry(name).expect("a stored tensor").clone();
    let mut values = vec![0.0; entry.len()];
    file.floats(&entry, &mut values).expect("floats");
    values
}

/// Where trajectories begin.
fn start() -> Vec<f32> {
    let row: Vec<f32> = (0..12).map(|i| -1.5 + i as f32 * (3.0 / 11.0)).chain(START_OF_BIAS).collect();
    padded(&row)
}

fn assert_near(name: &str, step: usize, weights: &[f32], expected: &[f32]) {
    for (i, (w, e)) in weights.iter().zip(expected).enumerate() {
        assert!((w - e).abs() < 2e-6 * e.abs().max(1.0), "{name}, step {step}, weight {i}: {w} instead of {e}");
    }
}

/// Every step of a stored trajectory.
fn check(name: &str, rule: impl Into<Rule>, decay_on: DecayOn, clip: Option<Clip>, factors: &[f64]) {
    let course = |step| (factors.get(step).copied().unwrap_or(1.0), None);
    check_course(name, rule.into(), (decay_on, &[]), clip, course);
}

/// Of the two parameters.
fn optimizer(rule: Rule, decay_on: DecayOn, groups: &[Group]) -> Optimizer {
    Optimizer::with(rule, decay_on, groups, &SPECS, LEN, 1).expect("a rule and its groups")
}

/// The same with groups, and a factor and a momentum for each step.
fn check_course(
    name: &str,
    rule: Rule,
    (decay_on, groups): (DecayOn, &[Group]),
    clip: Option<Clip>,
    course: impl Fn(usize) -> (f64, Option<f64>),
) {
    let (pool, mut weights) = (Pool::new(1), start());
    let mut optimizer = optimizer(rule, decay_on, groups).clipping(clip);
    let steps = stored(&format!("{name}.gradients")).into_iter().zip(stored(&format!("{name}.weights")));
    for (step, (mut gradients, expected)) in steps.enumerate() {
        let (factor, momentum) = course(step);
        optimizer.set_factor(factor);
        optimizer.set_momentum(momentum);
        optimizer.update(Isa::detect(), &pool, &mut weights, &mut gradients);
        assert_near(name, step, &weights, &expected);
    }
}

#[test]
fn trajectories_are_those_of_pytorch() {
    let factors = [0.1, 0.2, 0.5, 1.0, 1.0, 0.5, 0.25, 0.1];
    let plain = |name: &str, rule: Rule| check(name, rule, DecayOn::All, None, &[]);
    let with_factors = |name: &str, rule: Rule| check(name, rule, DecayOn::All, None, &factors);

    let sgd = Sgd { learning_rate: 0.1, ..Sgd::default() };
    let momentum = Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 0.01, ..sgd };
    plain("sgd", Sgd { weight_decay: 0.01, ..sgd }.into());
    with_factors("sgd_momentum", momentum.into());
    plain("sgd_dampening", Sgd { momentum: 0.8, dampening: 0.3, ..sgd }.into());
    plain("sgd_nesterov", Sgd { nesterov: true, weight_decay: 5e-4, ..momentum }.into());
    let decayed = Sgd { momentum: 0.9, weight_decay: 0.1, ..sgd };
    check("sgd_groups", decayed, DecayOn::Weights, None, &[]);

    let rmsprop = RmsProp { learning_rate: 0.01, alpha: 0.9, ..RmsProp::default() };
    let slower = RmsProp { learning_rate: 0.02, weight_decay: 0.01, ..RmsProp::default() };
    with_factors("rmsprop", slower.into());
    plain("rmsprop_momentum", RmsProp { momentum: 0.8, ..rmsprop }.into());
    plain("rmsprop_centered", RmsProp { centered: true, epsilon: 1e-3, ..rmsprop }.into());

    plain("adagrad", Adagrad { learning_rate: 0.1, ..Adagrad::default() }.into());
    let decayed =
        Adagrad { learning_rate: 0.2, rate_decay: 0.1, initial: 0.5, weight_decay: 0.01, ..Adagrad::default() };
    plain("adagrad_decay", decayed.into());

    let adam = Adam { learning_rate: 0.05, ..Adam::default() };
    with_factors("adam", adam.into());
    plain("adam_decay", Adam { beta1: 0.8, beta2: 0.99, epsilon: 1e-3, weight_decay: 0.02, ..adam }.into());
    let adamw = AdamW { learning_rate: 0.05, weight_decay: 0.1, ..AdamW::default() };
    with_factors("adamw", adamw.into());
    check("adamw_groups", AdamW { weight_decay: 0.5, ..adamw }, DecayOn::Weights, None, &[]);

    plain("lars", Lars { learning_rate: 1.0, trust: 0.05, weight_decay: 0.01, ..Lars::default() }.into());
    plain("lbfgs", Lbfgs { learning_rate: 0.5, history: 3, line_search: false }.into());

    check("clip_value", sgd, DecayOn::All, Some(Clip::Value(0.5)), &[]);
    check("clip_norm", Sgd { momentum: 0.9, ..sgd }, DecayOn::All, Some(Clip::Norm(1.0)), &[]);
}

fn group(pattern: &str, decay: f64, learning_rate: f64) -> Group {
    Group { pattern: pattern.into(), decay, learning_rate }
}

#[test]
fn groups_are_those_of_pytorch() {
    let factors = [0.1, 0.2, 0.5, 1.0, 1.0, 0.5, 0.25, 0.1];
    let named = |name: &str, rule: Rule| {
        let groups = [group("w*", 0.5, 0.25), group("*", 3.0, 2.0)];
        check_course(name, rule, (DecayOn::All, &groups), None, |step| (factors[step], None));
    };
    named("sgd_named", Sgd { learning_rate: 0.05, weight_decay: 0.1, ..Sgd::default() }.into());
    let momentum = Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 0.1, ..Sgd::default() };
    named("sgd_momentum_named", momentum.into());
    named("adamw_named", AdamW { learning_rate: 0.05, weight_decay: 0.2, ..AdamW::default() }.into());
    let rmsprop = RmsProp { learning_rate: 0.01, weight_decay: 0.1, ..RmsProp::default() };
    named("rmsprop_named", rmsprop.into());
    named("rmsprop_centered_named", RmsProp { centered: true, momentum: 0.5, ..rmsprop }.into());
    named("adagrad_named", Adagrad { learning_rate: 0.1, weight_decay: 0.1, ..Adagrad::default() }.into());
    let lars = Lars { learning_rate: 1.0, trust: 0.05, weight_decay: 0.01, ..Lars::default() };
    named("lars_named", lars.into());
}

#[test]
fn groups_are_found_by_name() {
    for (pattern, name, expected) in [
        ("features", "features.0.weight", true),
        ("features", "features", true),
        ("features", "features2.weight", false),
        ("features.*", "features.0.weight", true),
        ("features.*", "features", false),
        ("*.bias", "layer1.0.bn.bias", true),
        ("*.bias", "bias", false),
        ("*bias", "layer.bias_table", false),
        ("layer*.conv?", "layer1.conv?", true),
        ("layer*.*.conv*", "layer1.0.conv2.weight", true),
        ("layer*.*.conv*", "layer1.conv2.weight", false),
        ("*", "fc.weight", true),
        ("", "fc.weight", false),
        ("größe*", "größe.weight", true),
    ] {
        assert_eq!(fits(pattern, name), expected, "`{pattern}` and `{name}`");
    }
    let with = |rule: Rule, groups: &[Group]| Optimizer::with(rule, DecayOn::All, groups, &SPECS, LEN, 1).map(|_| ());
    let wrong = |rule: Rule, groups: &[Group]| with(rule, groups).expect_err("a complaint");
    let sgd = Rule::from(Sgd::default());
    with(sgd, &[group("bias", 0.0, 0.0)]).expect("a group");
    let none = wrong(sgd, &[group("scale", 0.0, 1.0)]);
    assert_eq!(none, "no trained weight is for the group `scale`; there are weight, bias");
    assert!(wrong(sgd, &[group("*", 1.0, 1.0), group("bias", 0.0, 1.0)]).contains("`bias`"), "the first one has it");
    assert!(wrong(sgd, &[group("bias", -1.0, 1.0)]).contains("`decay` is -1"));
    assert!(wrong(sgd, &[group("bias", 1.0, f64::NAN)]).contains("`learning_rate` is NaN"));
    assert!(wrong(Lbfgs::default().into(), &[group("bias", 1.0, 1.0)]).contains("`lbfgs` has no `groups`"));
}

#[test]
fn patterns_of_many_stars_are_soon_tried() {
    let pattern = "*a".repeat(64) + "b";
    assert!(!fits(&pattern, &"a".repeat(4096)));
    assert!(fits(&pattern, &("a".repeat(4096) + "b.weight")));
}

/// Whether a name fits a pattern, by all that each `*` could stand for.
fn fits_somehow(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None | Some(('.', _))) => true,
        (Some(('*', pattern)), _) => (0..=name.len()).any(|at| fits_somehow(pattern, &name[at..])),
        (Some((wanted, pattern)), Some((found, name))) => wanted == found && fits_somehow(pattern, name),
        _ => false,
    }
}

proptest! {
    #[test]
    fn patterns_fit_where_something_fits_in_place_of_each_star(pattern in "[ab.é*]{0,8}", name in "[ab.éè]{0,10}") {
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        prop_assert_eq!(fits(&pattern, &name), fits_somehow(&chars(&pattern), &chars(&name)));
        // What the pattern is made from fits it.
        prop_assert!(fits(&pattern, &(pattern.replace('*', &name) + ".weight")));
    }
}

#[test]
fn cycles_of_momentum_are_those_of_pytorch() {
    let decay = Decay::OneCycle { rise: 0.4, start: 25.0, end: 1e4, momentum: Some([0.85, 0.95]) };
    let cycle = Schedule { warmup: 0.0, decay };
    let course = |step: usize| (cycle.factor(step as u64, 8, 1), cycle.momentum(step as u64, 8, 1));
    let sgd = Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() };
    check_course("sgd_one_cycle", sgd.into(), (DecayOn::All, &[]), None, course);
    let adamw = AdamW { learning_rate: 0.05, weight_decay: 0.1, ..AdamW::default() };
    check_course("adamw_one_cycle", adamw.into(), (DecayOn::All, &[]), None, course);
    let plain = Rule::from(Sgd::default());
    assert_eq!(plain.with_momentum(0.9), plain, "what has no momentum gets none");
}

#[test]
fn line_searches_are_those_of_pytorch() {
    for (name, learning_rate) in [("lbfgs_wolfe", 1.0), ("lbfgs_wolfe_far", 40.0), ("lbfgs_wolfe_near", 0.15)] {
        let mut network = Bowl::new();
        let mut pass = |network: &mut dyn Network| network.train(1, &[], &[], None);
        let mut optimizer = Optimizer::new(Lbfgs { learning_rate, history: 3, line_search: true }, &network);
        for (step, expected) in stored(&format!("{name}.weights")).iter().enumerate() {
            let loss = pass(&mut network).expect("a loss");
            optimizer.step_searching(&mut network, loss, &mut pass).expect("a step");
            assert_near(name, step, network.params(), expected);
        }
    }
}

#[test]
fn averages_are_those_of_pytorch() {
    let mut network = crate::testing::Tiny::new(&crate::Options::default());
    let mut average = Average::new(0.8, &network);
    // Running statistics lie behind the trained weights.
    let buffer = 208..208 + LEN;
    let rows = stored("sgd_momentum.weights").into_iter().zip(stored("sgd_nesterov.weights"));
    let expected = stored("average").into_iter().zip(stored("average_buffer"));
    for ((weights, statistics), expected) in rows.zip(expected) {
        network.params_mut()[..LEN].copy_from_slice(&weights);
        network.params_mut()[buffer.clone()].copy_from_slice(&statistics);
        average.update(&mut network);
        let all = expected.0.iter().chain(&expected.1);
        for (a, e) in average.weights()[..LEN].iter().chain(&average.weights()[buffer.clone()]).zip(all) {
            assert!((a - e).abs() < 1e-6, "{a} instead of {e}");
        }
    }
    let (before, mean) = (network.params().to_vec(), average.weights().to_vec());
    average.swap(&mut network);
    assert_eq!(network.params(), mean);
    assert_eq!(network.params()[160..196], before[160..196], "what is frozen stays as it is");
    average.swap(&mut network);
    assert_eq!(network.params(), before);
}

#[test]
fn accumulated_gradients_are_those_of_one_batch() {
    let mut network = crate::testing::Tiny::new(&crate::Options { batch: 8, ..crate::Options::default() });
    let images: Vec<f32> = (0..8 * crate::testing::PIXELS).map(|i| (i as f32 * 0.37).sin()).collect();
    let labels = [0, 1, 2, 3, 3, 2, 1, 1];
    network.train(8, &[&images], &[crate::Targets::Classes(&labels)], None).expect("a pass");
    let whole = network.gradients().to_vec();
    let mut accumulator = Accumulator::new(&network);
    for range in [0..5, 5..8] {
        let (x, y) =
            (&images[range.start * crate::testing::PIXELS..range.end * crate::testing::PIXELS], &labels[range.clone()]);
        network.train(range.len(), &[x], &[crate::Targets::Classes(y)], None).expect("a pass");
        accumulator.add(&mut network, range.len());
    }
    accumulator.finish(&mut network);
    assert!(accumulator.is_empty());
    assert!(network.gradients().iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn accumulated_steps_are_those_of_pytorch() {
    use crate::testing::PIXELS;
    let mut network = crate::testing::Tiny::new(&crate::Options { batch: 8, ..crate::Options::default() });
    let (images, weights) = (tensor("accumulated.images"), tensor("accumulated.weights"));
    let mut weights = weights.chunks_exact(148);
    network.params_mut()[..148].copy_from_slice(weights.next().expect("the start"));
    let mut optimizer = Optimizer::new(Adam { learning_rate: 0.05, ..Adam::default() }, &network);
    let mut accumulator = Accumulator::new(&network);
    for (step, (images, expected)) in images.chunks_exact(8 * PIXELS).zip(weights).enumerate() {
        let label = |image: usize| ((8 * step + image) * 7 % 11 % 4) as u32;
        for range in [0..5, 5..8] {
            let labels: Vec<u32> = range.clone().map(label).collect();
            let x = &images[range.start * PIXELS..range.end * PIXELS];
            network.train(range.len(), &[x], &[crate::Targets::Classes(&labels)], None).expect("a pass");
            accumulator.add(&mut network, range.len());
        }
        accumulator.finish(&mut network);
        optimizer.step(&mut network);
        // Adam divides small gradients by their size, so that their rounding shows.
        for (w, e) in network.params().iter().zip(expected) {
            assert!((w - e).abs() < 1e-5, "step {step}: {w} instead of {e}");
        }
    }
}

/// One rule of each kind, with all of its state.
fn all_rules() -> Vec<Rule> {
    vec![
        Sgd { weight_decay: 1e-3, ..Sgd::default() }.into(),
        Sgd { momentum: 0.9, nesterov: true, ..Sgd::default() }.into(),
        RmsProp::default().into(),
        RmsProp { centered: true, ..RmsProp::default() }.into(),
        Adagrad::default().into(),
        Adam::default().into(),
        AdamW::default().into(),
        Lars::default().into(),
        Lbfgs { history: 2, ..Lbfgs::default() }.into(),
    ]
}

/// A layer norm's scale over all axes, a local convolution's bias and its weight: three axes each.
#[test]
fn what_decays_and_has_a_rate_of_its_own_is_not_told_by_axes() {
    let of = |kind, range| ParamSpec { shape: &[2, 2, 2], kind, range, ..SPECS[0] };
    let fans = Fans { fan_in: 2, fan_out: 2, places: 2 };
    let specs = [of(ParamKind::Other, 0..8), of(ParamKind::Bias, 8..16), of(ParamKind::Weight(fans), 16..24)];
    let moved = |rule: Rule, gradient: f32| {
        let mut weights = [1.0_f32; 24];
        let mut optimizer = Optimizer::with(rule, DecayOn::Weights, &[], &specs, 24, 1).expect("a rule");
        optimizer.update(Isa::detect(), &Pool::new(1), &mut weights, &mut [gradient; 24]);
        [weights[0], weights[8], weights[16]]
    };
    assert_eq!(moved(Sgd { learning_rate: 0.5, weight_decay: 0.5, ..Sgd::default() }.into(), 0.0), [1.0, 1.0, 0.75]);
    let [scale, bias, weight] = moved(Lars { momentum: 0.0, trust: 0.25, ..Lars::default() }.into(), 0.5);
    // |w| / |g| is 2, so the rate of the layer is half.
    assert_eq!([scale, bias, weight], [0.5, 0.5, 0.75]);
}

/// Parameters that end within pieces.
const LARGE: [ParamSpec; 2] =
    [ParamSpec { range: 0..40_003, ..SPECS[0] }, ParamSpec { range: 40_016..50_001, ..SPECS[1] }];

#[test]
fn neither_threads_nor_instruction_sets_change_a_bit() {
    for rule in all_rules() {
        let detected = [1, 2, 5].map(|threads| (threads, Isa::detect()));
        let results: Vec<Vec<u32>> = Isa::available()
            .map(|isa| (2, isa))
            .chain(detected)
            .map(|(threads, isa)| {
                let pool = Pool::new(threads);
                let mut weights: Vec<f32> = (0..50_001).map(|i| (i as f32).sin()).collect();
                let mut optimizer = Optimizer::with(rule, DecayOn::Weights, &[], &LARGE, weights.len(), threads)
                    .expect("a valid rule")
                    .clipping(Some(Clip::Norm(10.0)));
                optimizer.set_factor(0.5);
                for step in 0..3 {
                    let mut gradients: Vec<f32> = (0..weights.len()).map(|i| ((i + step) as f32).cos()).collect();
                    optimizer.update(isa, &pool, &mut weights, &mut gradients);
                }
                weights.iter().map(|w| w.to_bits()).collect()
            })
            .collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn padding_stays_zero() {
    for rule in all_rules() {
        let pool = Pool::new(1);
        let mut weights = [0.0; LEN];
        let mut optimizer = optimizer(rule, DecayOn::All, &[]);
        optimizer.update(Isa::detect(), &pool, &mut weights, &mut [0.0; LEN]);
        assert_eq!(weights, [0.0; LEN]);
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
    assert!(complaint(RmsProp { alpha: -0.1, ..RmsProp::default() }.into()).contains("`alpha` is -0.1"));
    assert!(complaint(Adagrad { initial: -1.0, ..Adagrad::default() }.into()).contains("`initial` is -1"));
    assert!(complaint(Lars { trust: 0.0, ..Lars::default() }.into()).contains("`trust` is 0"));
    assert!(complaint(Lbfgs { history: 101, ..Lbfgs::default() }.into()).contains("`history` is 101"));
    assert!(Clip::Norm(0.0).check().expect_err("a complaint").contains("`norm` is 0"));
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

/// Rules that treat each weight alone, with a group and gradients that are cut.
fn alone() -> [Rule; 7] {
    let sgd = Sgd { learning_rate: 0.1, weight_decay: 0.01, ..Sgd::default() };
    [
        sgd.into(),
        Sgd { momentum: 0.9, ..sgd }.into(),
        RmsProp::default().into(),
        RmsProp { momentum: 0.8, centered: true, ..RmsProp::default() }.into(),
        Adagrad::default().into(),
        Adam::default().into(),
        AdamW::default().into(),
    ]
}

#[test]
fn weights_are_the_same_whether_gradients_are_kept_or_not() {
    let images: Vec<f32> = (0..8 * crate::testing::PIXELS).map(|i| (i as f32 * 0.37).sin()).collect();
    let targets = [crate::Targets::Classes(&[0, 1, 2, 3, 3, 2, 1, 1])];
    for (rule, threads) in alone().into_iter().flat_map(|rule| [(rule, 1), (rule, 3)]) {
        let learnt = [true, false].map(|keep_gradients| {
            let options = crate::Options { batch: 8, threads, keep_gradients, ..crate::Options::default() };
            let mut network = crate::testing::Tiny::new(&options);
            let groups = [group("fc.bias", 0.5, 3.0)];
            let optimizer = Optimizer::grouped(rule, DecayOn::Weights, &groups, &network).expect("a rule");
            let mut optimizer = optimizer.clipping(Some(Clip::Value(0.05)));
            for _ in 0..5 {
                optimizer.train_step(&mut network, 8, &[&images], &targets).expect("a pass");
            }
            assert_eq!(network.gradients().len(), if keep_gradients { 160 } else { 0 });
            let state: Vec<Vec<f32>> = optimizer.state().map(|(_, state)| state.to_vec()).collect();
            (network.params().to_vec(), state)
        });
        assert_eq!(learnt[0], learnt[1], "{}", rule.name());
    }
}

#[test]
fn what_needs_all_gradients_says_so_where_they_are_not_kept() {
    let options = crate::Options { batch: 1, keep_gradients: false, ..crate::Options::default() };
    let mut network = crate::testing::Tiny::new(&options);
    let before = network.params().to_vec();
    let (image, targets) = ([0.5; crate::testing::PIXELS], [crate::Targets::Classes(&[0])]);
    let sgd = Rule::from(Sgd::default());
    let cases = [
        (Lars::default().into(), None, "LARS"),
        (Lbfgs::default().into(), None, "L-BFGS"),
        (sgd, Some(Clip::Norm(1.0)), "clipping by the norm"),
    ];
    for (rule, clip, what) in cases {
        let mut optimizer = Optimizer::new(rule, &network).clipping(clip);
        let error = optimizer.train_step(&mut network, 1, &[&image], &targets).expect_err("all at once");
        assert_eq!(error, crate::Error::Gradients(what));
        assert_eq!(optimizer.steps(), 0);
    }
    assert!(network.train(1, &[&image], &targets, None).is_err());
    assert_eq!(network.params(), before);
}
