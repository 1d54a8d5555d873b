use super::*;
use std::vec;

fn course(schedule: &Schedule) -> Vec<f64> {
    (0..12).map(|step| (schedule.factor(step, 3, 4) * 1e4).round() / 1e4).collect()
}

fn one_cycle(rise: f64, start: f64, end: f64) -> Decay {
    Decay::OneCycle { rise, start, end, momentum: Some([0.8, 0.97]) }
}

#[test]
fn steps_change_at_epochs() {
    let step = Schedule { warmup: 0.0, decay: Decay::Step { every: 2, factor: 0.1 } };
    assert_eq!(course(&step), [[1.0; 6], [0.1; 6]].concat());
    let multi = Schedule { warmup: 0.0, decay: Decay::MultiStep { at: vec![1, 3], factor: 0.5 } };
    assert_eq!(course(&multi), [[1.0; 3], [0.5; 3], [0.5; 3], [0.25; 3]].concat());
    assert_eq!(course(&Schedule::default()), [1.0; 12]);
}

#[test]
fn cosine_falls_to_its_end() {
    let cosine = Schedule { warmup: 0.0, decay: Decay::Cosine { end: 0.1 } };
    assert_eq!(cosine.factor(0, 3, 4), 1.0);
    assert!((cosine.factor(6, 3, 4) - 0.55).abs() < 1e-12);
    assert!((cosine.factor(12, 3, 4) - 0.1).abs() < 1e-12);
    assert!(course(&cosine).windows(2).all(|pair| pair[0] > pair[1]));
}

#[test]
fn warm_up_rises_in_front() {
    let warm = Schedule { warmup: 4.0 / 3.0, decay: Decay::Constant };
    assert_eq!(course(&warm)[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
}

#[test]
fn numbers_out_of_range_are_named() {
    let complaint = |decay| Schedule { warmup: 0.0, decay }.check().expect_err("a complaint");
    assert!(complaint(Decay::Step { every: 0, factor: 0.1 }).contains("`every` is 0"));
    assert!(complaint(Decay::Step { every: 1, factor: -0.1 }).contains("`factor` is -0.1"));
    assert!(complaint(Decay::MultiStep { at: vec![3, 3], factor: 0.1 }).contains("must ascend"));
    assert!(complaint(one_cycle(1.0, 25.0, 1e4)).contains("`rise` is 1"));
    assert!(complaint(one_cycle(0.3, 0.5, 1e4)).contains("`start` is 0.5"));
    let backwards = Decay::OneCycle { rise: 0.3, start: 25.0, end: 1e4, momentum: Some([0.95, 0.85]) };
    assert!(complaint(backwards).contains("`momentum` is [0.95, 0.85]"));
    assert!(complaint(Decay::OnPlateau(OnPlateau { factor: 1.0, ..OnPlateau::default() })).contains("`factor` is 1"));
    assert!(complaint(Decay::Cosine { end: f64::NAN }).contains("`end` is NaN"));
    assert_eq!(Schedule::default().check(), Ok(()));
}

#[test]
fn nonsense_gives_numbers() {
    let odd = Schedule { warmup: 1e9, decay: Decay::Step { every: 0, factor: 0.5 } };
    assert!(odd.factor(u64::MAX / 2, 0, 0).is_finite());
}

/// Stored runs of PyTorch, see `tests/parity/runtime/trajectories.py`.
#[cfg(feature = "weights")]
#[test]
fn courses_are_those_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/parity/runtime/schedules.json");
    let text = std::fs::read_to_string(path).expect("the stored courses");
    let stored: std::collections::BTreeMap<String, Vec<f64>> = serde_json::from_str(&text).expect("JSON");
    let check = |name: &str, factors: Vec<f64>| {
        assert_eq!(factors.len(), stored[name].len(), "{name}");
        for (step, (factor, expected)) in factors.iter().zip(&stored[name]).enumerate() {
            assert!((factor - expected).abs() < 1e-12, "{name}, step {step}: {factor} instead of {expected}");
        }
    };
    let cases = [
        ("step", Decay::Step { every: 2, factor: 0.3 }),
        ("multi_step", Decay::MultiStep { at: vec![1, 3], factor: 0.3 }),
        ("exponential", Decay::Exponential { factor: 0.7 }),
        ("cosine", Decay::Cosine { end: 0.1 }),
        ("polynomial", Decay::Polynomial { power: 2.0 }),
        ("one_cycle", one_cycle(0.3, 10.0, 100.0)),
    ];
    for (name, decay) in cases {
        let schedule = Schedule { warmup: 0.0, decay };
        assert_eq!(schedule.check(), Ok(()));
        check(name, (0..20).map(|step| schedule.factor(step, 5, 4)).collect());
    }
    let cycle = Schedule { warmup: 0.0, decay: one_cycle(0.3, 10.0, 100.0) };
    check("one_cycle_momentum", (0..20).filter_map(|step| cycle.momentum(step, 5, 4)).collect());
    let warm = Schedule { warmup: 1.4, decay: Decay::Constant };
    assert_eq!(warm.momentum(0, 5, 4), None);
    check("warmup", (0..20).map(|step| warm.factor(step, 5, 4)).collect());
    let rule = OnPlateau { factor: 0.5, patience: 1, threshold: 1e-3, cooldown: 1, end: 0.1 };
    let mut plateau = Plateau::default();
    let factors = stored["losses"].iter().map(|loss| {
        plateau.note(*loss, &rule);
        plateau.factor
    });
    check("on_plateau", factors.collect());
}
