use super::*;
use crate::Options;
use crate::augment::{Color, Pipeline, Step, Warp};
use crate::data::{Collection, Example, Picture, Pixels, Plan, Raster, TargetValues};
use crate::optimizer::{Adam, AdamW, Clip, DecayOn, Lars, Lbfgs, RmsProp, Rule, Sgd};
use crate::random::Random;
use crate::schedule::{Decay, OnPlateau, Schedule};
use crate::testing::{Folder, PIXELS, SIDE, SPEC, Tiny, pictures};
use std::sync::Arc;
use std::vec;

fn data(count: usize, seed: u64) -> Dataset {
    let (bytes, labels) = pictures(count, seed);
    let x = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let y = TargetValues::Classes(labels.into_iter().map(u32::from).collect());
    Dataset::in_memory(&SPEC, vec![x], vec![y]).expect("a data set")
}

fn network(threads: usize) -> Tiny {
    Tiny::new(&Options { seed: 5, batch: 16, threads, ..Options::default() })
}

fn options() -> FitOptions {
    FitOptions {
        batch: 16,
        epochs: 4,
        optimizer: Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, ..Sgd::default() }.into(),
        schedule: Schedule { warmup: 0.5, decay: Decay::Cosine { end: 0.0 } },
        seed: 11,
        ..FitOptions::default()
    }
}

fn saved_in(folder: &Folder) -> Checkpoints {
    Checkpoints {
        folder: folder.path("run"),
        resume: true,
        every_steps: 3,
        recipe: String::from("a"),
        about: String::from(r#"{"classes":["dark","left","top","bright"]}"#),
    }
}

/// Breaks off after so many steps.
struct Break(u64);

impl Observer for Break {
    fn stepped(&mut self, _: &Progress) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn bits(network: &dyn Network) -> Vec<u32> {
    network.params().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_network_learns() {
    for rule in [options().optimizer, Adam { learning_rate: 0.02, ..Adam::default() }.into()] {
        let mut network = network(1);
        let (train, test) = (data(200, 1), data(100, 2));
        let before = evaluate(&mut network, &test, 16).expect("metrics");
        let options = FitOptions { optimizer: rule, ..options() };
        let outcome = fit(&mut network, &train, Some(&test), &options, &mut ()).expect("a run");
        assert!(outcome.finished && outcome.epochs.len() == 4);
        let last = outcome.epochs.last().expect("an epoch");
        let after = last.test.as_ref().expect("metrics");
        assert!(after.accuracy() > Some(0.95) && after.accuracy() > before.accuracy(), "{after:?}");
        assert!(after.loss() < before.loss());
        assert_eq!(after.metrics[0].correct(), Some((after.accuracy().expect("one") * 100.0).round() as u64));
        // The last batch has 8 images; none is left out.
        assert_eq!((last.train.step, last.train.steps, last.train.images), (13, 13, 200));
        assert!(last.train.accuracy > Some(0.9) && last.train.loss < outcome.epochs[0].train.loss);
        assert_eq!(evaluate(&mut network, &test, 7).expect("metrics").accuracy(), after.accuracy());
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (train, test) = (data(100, 1), data(40, 2));
    let results = [1, 2, 5].map(|threads| {
        let mut network = network(threads);
        let outcome = fit(&mut network, &train, Some(&test), &options(), &mut ()).expect("a run");
        (bits(&network), outcome)
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn an_interrupted_run_ends_at_the_same_bits() {
    let (train, test) = (data(100, 1), data(40, 2));
    let rules: [Rule; 3] = [
        options().optimizer,
        Sgd { learning_rate: 0.1, ..Sgd::default() }.into(),
        Adam { learning_rate: 0.02, ..Adam::default() }.into(),
    ];
    for optimizer in rules {
        let whole_folder = Folder::new("whole");
        let whole = FitOptions { optimizer, checkpoints: Some(saved_in(&whole_folder)), ..options() };
        let mut straight = network(1);
        let expected = fit(&mut straight, &train, Some(&test), &whole, &mut ()).expect("a run");

        let folder = Folder::new("resume");
        let checkpoints = saved_in(&folder);
        let options = FitOptions { checkpoints: Some(checkpoints.clone()), ..whole.clone() };
        let mut random = Random::new(3);
        let mut epochs = Vec::new();
        let mut interruptions = 0;
        let last = loop {
            // Each process is a new network; steps since the last checkpoint are lost.
            let mut network = network(1 + interruptions % 3);
            let steps = 4 + random.below(6);
            let outcome = fit(&mut network, &train, Some(&test), &options, &mut Break(steps)).expect("a run");
            epochs.extend(outcome.epochs);
            if outcome.finished {
                assert_eq!(outcome.best, expected.best);
                break network;
            }
            interruptions += 1;
        };
        assert!(interruptions > 2);
        assert_eq!(bits(&last), bits(&straight));
        assert_eq!(epochs, expected.epochs);
        let whole = whole.checkpoints.expect("checkpoints");
        for (a, b) in [(whole.last(), checkpoints.last()), (whole.best(), checkpoints.best())] {
            assert_eq!(std::fs::read(a).expect("a file"), std::fs::read(b).expect("a file"));
        }
    }
}

#[test]
fn a_finished_run_stays_finished() {
    let (folder, train) = (Folder::new("finished"), data(50, 1));
    let options = FitOptions { checkpoints: Some(saved_in(&folder)), ..options() };
    let mut first = network(1);
    let outcome = fit(&mut first, &train, None, &options, &mut ()).expect("a run");
    let mut second = network(1);
    let again = fit(&mut second, &train, None, &options, &mut ()).expect("a run");
    assert_eq!((again.epochs.len(), again.finished, again.best), (0, true, outcome.best));
    assert_eq!(bits(&first), bits(&second));
    let mut best = network(1);
    load_best(&mut best, &saved_in(&folder)).expect("weights");
}

#[test]
fn checkpoints_of_others_are_refused() {
    let (folder, train) = (Folder::new("others"), data(50, 1));
    let mut checkpoints = saved_in(&folder);
    let with = |checkpoints: &Checkpoints| FitOptions { checkpoints: Some(checkpoints.clone()), ..options() };
    fit(&mut network(1), &train, None, &with(&checkpoints), &mut ()).expect("a run");
    checkpoints.recipe = String::from("b");
    let message = |checkpoints: &Checkpoints| {
        fit(&mut network(1), &train, None, &with(checkpoints), &mut ()).expect_err("a refusal").to_string()
    };
    assert!(message(&checkpoints).contains("one of another recipe"));
    checkpoints.recipe = String::from("a");
    std::fs::copy(checkpoints.best(), checkpoints.last()).expect("a copy");
    assert!(message(&checkpoints).contains("this is no checkpoint of a run"));
    // What a version said that had accuracies and no ratings; a recipe that is not the same says so first.
    let old = r#"{"run": {"epoch": 1, "step": 0, "images": 0, "loss_sum": 0.0, "correct": 0, "plateau": {"factor": 1.0, "best": null,
                 "waited": 0, "cooling": 0}, "best": {"epoch": 0, "accuracy": 0.5, "loss": 1.0}, "recipe": "a", "steps": 4}}"#;
    checkpoint::save_weights(&network(1), &checkpoints.last(), old).expect("written");
    let text = message(&checkpoints);
    assert!(text.contains("written by another version of cnnc") && text.contains("`weights: FILE`"), "{text}");
    let other = Checkpoints { recipe: String::from("b"), ..checkpoints.clone() };
    assert!(message(&other).contains("one of another recipe"));
    std::fs::write(checkpoints.last(), b"garbage garbage garbage").expect("written");
    let text = message(&checkpoints);
    assert!(text.contains("no safetensors file") && text.contains("from its best epoch with `weights: "), "{text}");
    checkpoints.resume = false;
    fit(&mut network(1), &train, None, &with(&checkpoints), &mut ()).expect("a new run");
}

#[test]
fn divergence_is_caught_and_the_good_state_kept() {
    let (folder, train) = (Folder::new("diverged"), data(100, 1));
    let checkpoints = saved_in(&folder);
    let good = FitOptions { checkpoints: Some(checkpoints.clone()), epochs: 1, ..options() };
    fit(&mut network(1), &train, None, &good, &mut ()).expect("a run");
    let before = std::fs::read(checkpoints.last()).expect("a file");
    let bad = FitOptions {
        optimizer: Sgd { learning_rate: 1e38, momentum: 0.9, ..Sgd::default() }.into(),
        epochs: 3,
        ..good
    };
    let error = fit(&mut network(1), &train, None, &bad, &mut ()).expect_err("divergence");
    let TrainError::Diverged { epoch: 1, ref saved, .. } = error else { panic!("{error}") };
    assert_eq!(saved.as_ref(), Some(&checkpoints.last()));
    assert!(error.to_string().contains("training diverged: the loss is not finite in step"), "{error}");
    assert_eq!(std::fs::read(checkpoints.last()).expect("a file"), before);
}

#[test]
fn weights_that_are_not_finite_are_not_saved() {
    let (folder, train) = (Folder::new("infinite"), data(16, 1));
    let options = FitOptions {
        optimizer: Sgd { learning_rate: 3e38, weight_decay: 1e38, ..Sgd::default() }.into(),
        schedule: Schedule::default(),
        checkpoints: Some(saved_in(&folder)),
        epochs: 1,
        ..options()
    };
    let error = fit(&mut network(1), &train, None, &options, &mut ()).expect_err("divergence").to_string();
    assert!(error.contains("a weight is no longer a finite number in step 1 of epoch 1"), "{error}");
    assert!(!saved_in(&folder).last().exists() && !saved_in(&folder).best().exists());
}

#[test]
fn options_out_of_range_are_errors() {
    let train = data(20, 1);
    let message = |options: FitOptions| {
        fit(&mut network(1), &train, None, &options, &mut ()).expect_err("a complaint").to_string()
    };
    assert!(message(FitOptions { batch: 17, ..options() }).contains("at most 16"));
    assert!(message(FitOptions { batch: 0, ..options() }).contains("at least one"));
    let searching = Lbfgs { line_search: true, ..Lbfgs::default() }.into();
    assert!(message(FitOptions { optimizer: searching, accumulate: 2, ..options() }).contains("`line_search`"));
    let bad = Sgd { momentum: 2.0, ..Sgd::default() }.into();
    assert!(message(FitOptions { optimizer: bad, ..options() }).contains("`momentum` is 2"));
    let schedule = Schedule { warmup: -1.0, decay: Decay::Constant };
    assert!(message(FitOptions { schedule, ..options() }).contains("`warmup` is -1"));
}

/// Saves and ends the run behind so many steps.
struct StopAfter(u64);

impl Observer for StopAfter {
    fn stop(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 == 0
    }
}

/// Every option, with all the state that it has.
fn all_options() -> Vec<FitOptions> {
    let plateau = OnPlateau { factor: 0.5, patience: 0, threshold: 0.3, ..OnPlateau::default() };
    let falling = Schedule { warmup: 0.0, decay: Decay::OnPlateau(plateau) };
    let cycle = Decay::OneCycle { rise: 0.3, start: 25.0, end: 1e4, momentum: Some([0.85, 0.95]) };
    let one_cycle = Schedule { warmup: 0.0, decay: cycle };
    vec![
        FitOptions {
            optimizer: AdamW { learning_rate: 0.02, ..AdamW::default() }.into(),
            decay_on: DecayOn::Weights,
            average: Some(0.9),
            accumulate: 2,
            schedule: falling,
            ..options()
        },
        FitOptions { optimizer: Lbfgs { learning_rate: 0.1, history: 3, line_search: false }.into(), ..options() },
        FitOptions { optimizer: Lbfgs { history: 3, line_search: true, ..Lbfgs::default() }.into(), ..options() },
        FitOptions { schedule: one_cycle, ..options() },
        FitOptions {
            optimizer: Lars { trust: 0.02, ..Lars::default() }.into(),
            clip: Some(Clip::Norm(0.5)),
            ..options()
        },
        FitOptions { optimizer: RmsProp { centered: true, ..RmsProp::default() }.into(), accumulate: 3, ..options() },
    ]
}

#[test]
fn runs_that_are_stopped_go_on_to_the_same_bits() {
    let (train, test) = (data(100, 1), data(40, 2));
    for options in all_options() {
        let mut whole = network(2);
        fit(&mut whole, &train, Some(&test), &options, &mut ()).expect("a run");
        let folder = Folder::new("stopped");
        let saved = FitOptions { checkpoints: Some(saved_in(&folder)), ..options };
        let mut pieces = 0;
        let last = loop {
            let mut network = network(2);
            let outcome = fit(&mut network, &train, Some(&test), &saved, &mut StopAfter(3)).expect("a run");
            pieces += 1;
            if outcome.finished {
                break network;
            }
        };
        assert!(pieces > 3, "{pieces}");
        assert_eq!(bits(&last), bits(&whole), "{:?}", saved.optimizer);
    }
}

/// Photos that are made when they are needed, changed by steps of all kinds.
fn photos(count: usize) -> Dataset {
    let (bytes, labels) = pictures(count, 1);
    let example = |(pixels, &label): (&[u8], &u8)| {
        let raster = Raster { width: SIDE, height: SIDE, channels: 1, bytes: pixels.to_vec() };
        Example { class: Some(label.into()), ..Example::new(Pixels::Memory(Arc::new(raster))) }
    };
    let examples = bytes.chunks_exact(PIXELS).zip(&labels).map(example).collect();
    let color = Color { brightness: 0.3, contrast: 0.3, ..Color::default() };
    let steps = vec![
        Step::RandomCrop { pad: 1 },
        Step::Rotate(10.0),
        Step::Color(color),
        Step::Warp(Warp { strength: 0.02, places: 3 }),
        Step::Mosaic(0.2),
        Step::Cutout(2),
    ];
    let plan = Plan { augment: Pipeline(steps), ..Plan::default() };
    Dataset::photos(Collection { examples, classes: Vec::new() }, &SPEC, &Picture::default(), &plan).expect("photos")
}

#[test]
fn a_run_on_photos_goes_on_within_an_epoch_to_the_same_bits() {
    let (train, test) = (photos(100), data(40, 2));
    let mut whole = network(1);
    let straight = fit(&mut whole, &train, Some(&test), &options(), &mut ()).expect("a run");
    let folder = Folder::new("photos");
    let saved = FitOptions { checkpoints: Some(saved_in(&folder)), ..options() };
    let (mut pieces, mut epochs) = (0, Vec::new());
    let last = loop {
        // An epoch has seven steps; each process prepares batches by another number of threads.
        let mut network = network(1 + pieces % 4);
        let outcome = fit(&mut network, &train, Some(&test), &saved, &mut StopAfter(5)).expect("a run");
        epochs.extend(outcome.epochs);
        pieces += 1;
        if outcome.finished {
            break network;
        }
    };
    assert!(pieces > 4, "{pieces}");
    assert_eq!(bits(&last), bits(&whole));
    assert_eq!(epochs, straight.epochs);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_costs_nothing() {
    let (train, test) = (data(100, 1), data(40, 2));
    let mut whole = network(2);
    fit(&mut whole, &train, Some(&test), &options(), &mut ()).expect("a run");
    let folder = Folder::new("full");
    let saved = FitOptions { checkpoints: Some(saved_in(&folder)), ..options() };
    fit(&mut network(2), &train, Some(&test), &saved, &mut StopAfter(9)).expect("a part of a run");
    let before = std::fs::read(saved_in(&folder).last()).expect("a checkpoint");
    folder.fill_disk(&["run/last.safetensors", "run/best.safetensors"]);
    let full = fit(&mut network(2), &train, Some(&test), &saved, &mut ()).expect_err("a full disk").to_string();
    assert!(full.contains("safetensors: the disk is full\n  help: the run can go on from "), "{full}");
    assert_eq!(std::fs::read(saved_in(&folder).last()).expect("the checkpoint"), before);

    for link in std::fs::read_dir(folder.path("run")).expect("the folder").flatten() {
        if link.path().is_symlink() {
            std::fs::remove_file(link.path()).expect("there is room again");
        }
    }
    let mut network = network(2);
    fit(&mut network, &train, Some(&test), &saved, &mut ()).expect("the rest of the run");
    assert_eq!(bits(&network), bits(&whole));
}

#[test]
fn a_run_without_progress_ends_early() {
    let (train, test) = (data(100, 1), data(40, 2));
    let options = FitOptions {
        optimizer: Sgd { learning_rate: 0.0, ..Sgd::default() }.into(),
        epochs: 50,
        patience: Some(2),
        ..options()
    };
    let outcome = fit(&mut network(1), &train, Some(&test), &options, &mut ()).expect("a run");
    assert!(outcome.finished && outcome.early);
    assert_eq!((outcome.epochs.len(), outcome.best), (3, Some(0)));
}

#[test]
fn the_average_is_what_is_evaluated_and_kept() {
    let (train, test) = (data(100, 1), data(40, 2));
    let folder = Folder::new("average");
    let options = FitOptions { average: Some(0.95), checkpoints: Some(saved_in(&folder)), ..options() };
    let mut network = network(1);
    let outcome = fit(&mut network, &train, Some(&test), &options, &mut ()).expect("a run");
    let own = bits(&network);
    load_best(&mut network, &saved_in(&folder)).expect("weights");
    assert_ne!(bits(&network), own);
    let best = outcome.best.expect("one") as usize;
    let again = evaluate(&mut network, &test, 16).expect("metrics");
    assert_eq!(Some(&again), outcome.epochs[best].test.as_ref());
}

#[test]
fn a_run_is_the_same_without_keeping_gradients() {
    let (data, test) = (data(60, 1), data(20, 2));
    let options = FitOptions { average: Some(0.9), clip: Some(Clip::Value(0.1)), ..options() };
    let learnt = [true, false].map(|keep_gradients| {
        let mut network = Tiny::new(&Options { seed: 5, batch: 16, keep_gradients, ..Options::default() });
        let outcome = fit(&mut network, &data, Some(&test), &options, &mut ()).expect("a run");
        (outcome, bits(&network))
    });
    assert_eq!(learnt[0], learnt[1]);
    let mut network = Tiny::new(&Options { batch: 16, keep_gradients: false, ..Options::default() });
    for (needy, what) in [
        (FitOptions { accumulate: 2, ..options.clone() }, "`accumulate`"),
        (FitOptions { clip: Some(Clip::Norm(1.0)), ..options.clone() }, "clipping by the norm"),
        (FitOptions { optimizer: Lars::default().into(), ..options.clone() }, "LARS"),
    ] {
        let error = fit(&mut network, &data, None, &needy, &mut ()).expect_err("all gradients at once");
        assert!(error.to_string().starts_with(what), "{error}");
    }
}
