use super::*;
use crate::augment::Pipeline;
use crate::data::{Part, Raster};
use crate::job::{Checkpoints, Eval, Files, Picture, Predict, Run, Show, Source, Suppression, Train};
use crate::optimizer::{DecayOn, Group, Sgd};
use crate::schedule::Schedule;
use crate::tensors::{Tensor, TensorFile, Values, write};
use crate::testing::{CLASSES, Folder, PIXELS, SIDE, SPEC, Tiny, pictures};
use crate::weights;
use std::vec;
use std::vec::Vec;

fn construct(options: &Options) -> Result<Box<dyn Network>, Error> {
    Ok(Box::new(Tiny::new(options)))
}

fn run(job: &Job) -> Result<String, Failure> {
    // As it goes through the file.
    let text = serde_json::to_string(job).expect("JSON");
    let job: Job = serde_json::from_str(&text).expect("a job");
    let mut out = Vec::new();
    Harness { construct: &construct, out: &mut out, terminal: false, color: false, start: std::time::Instant::now() }
        .run(&job)?;
    Ok(String::from_utf8(out).expect("text"))
}

/// Images and labels as IDX files.
fn idx(folder: &Folder, count: usize) -> Files {
    let (bytes, labels) = pictures(count, 1);
    let (images, answers) = (folder.path("images"), folder.path("labels"));
    let header = |dims: &[usize]| {
        let mut header = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|&dim| header.extend((dim as u32).to_be_bytes()));
        header
    };
    std::fs::write(&images, [header(&[count, SIDE, SIDE]), bytes].concat()).expect("written");
    std::fs::write(&answers, [header(&[count]), labels].concat()).expect("written");
    Files::Idx { images, labels: answers }
}

fn train_job(folder: &Folder) -> Train {
    let files = idx(folder, 300);
    Train {
        machine: Machine { threads: 2, isa: None },
        seed: 1,
        data: Source { files: files.clone(), part: Part::WithoutLast(100) },
        test: Some(Source { files, part: Part::Last(100) }),
        picture: Picture { mean: vec![0.5], std: vec![0.3], invert: false },
        classes: ["dark", "left", "top", "bright"].map(String::from).to_vec(),
        batch: 16,
        epochs: 3,
        optimizer: Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() }.into(),
        schedule: Schedule::default(),
        decay_on: DecayOn::All,
        groups: Vec::new(),
        clip: None,
        accumulate: 1,
        average: None,
        patience: None,
        init: None,
        augment: Pipeline::default(),
        targets: Vec::new(),
        checkpoints: Checkpoints {
            folder: folder.path("run"),
            resume: true,
            every_steps: 0,
            recipe: String::from("x"),
        },
        weights: None,
        transfer: None,
        output: folder.path("weights/tiny.safetensors"),
        show: Show::HeldOut,
    }
}

#[test]
fn train_eval_and_predict_go_together() {
    let folder = Folder::new("harness");
    let job = train_job(&folder);
    let text = run(&Job::Train(Box::new(job.clone()))).expect("trained");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("Tiny: 148 trained parameters and 36 frozen ones, "), "{text}");
    assert!(lines[1].starts_with("200 images to learn from, 100 held out; 3 epochs, batches of 16, SGD with momentum"));
    assert!(lines[2].starts_with("epoch 1/3  loss ") && lines[2].contains("held out: loss "), "{text}");
    assert!(text.contains("\naccuracy: 100.00 %\nweights: "), "{text}");
    assert!(lines.last().expect("a line").starts_with("a held-out image, which is "), "{text}");

    // Again: there is nothing left to do, and the answer is the same.
    let again = run(&Job::Train(Box::new(job.clone()))).expect("trained");
    assert!(again.contains("going on after 3 epochs") && again.contains("\naccuracy: 100.00 %\n"), "{again}");

    let eval = |json| Eval {
        machine: Machine::default(),
        weights: vec![job.output.clone()],
        crops: 1,
        data: job.test.clone().expect("held-out data"),
        targets: Vec::new(),
        classes: Vec::new(),
        picture: None,
        batch: 32,
        roc: folder.path("none/roc.svg"),
        json,
    };
    let text = run(&Job::Eval(eval(false))).expect("evaluated");
    assert!(text.starts_with("loss: 0.") && text.contains("accuracy: 100.00 % (100 of 100)\n"), "{text}");
    assert!(text.ends_with("mean over classes: precision 100.00 %, recall 100.00 %, F1 100.00 %\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&run(&Job::Eval(eval(true))).expect("evaluated")).expect("JSON");
    assert_eq!(
        (&json["accuracy"], &json["images"], &json["outputs"][0]["correct"]),
        (&1.0.into(), &100.into(), &100.into())
    );

    // Checkpoints are weights, too.
    let last = job.checkpoints.folder.join("last.safetensors");
    let last = Eval { weights: vec![last], ..eval(false) };
    assert!(run(&Job::Eval(last.clone())).expect("evaluated").contains("accuracy: 100.00 %"));

    // Several networks, and pieces of the pictures.
    let both =
        Eval { weights: [job.output.clone()].into_iter().chain(last.weights).collect(), crops: 5, ..eval(false) };
    let text = run(&Job::Eval(both.clone())).expect("evaluated");
    assert!(text.starts_with("mean of 2 networks and 5 pieces of each picture\nloss: 0."), "{text}");
    assert!(text.contains("accuracy: 100.00 %"), "{text}");
    let mirrored = run(&Job::Eval(Eval { crops: 10, ..both })).expect("evaluated");
    assert!(mirrored.starts_with("mean of 2 networks and 10 pieces of each picture\nloss: "), "{mirrored}");
    assert_ne!(mirrored.lines().nth(1), text.lines().nth(1), "left is not right");

    // A picture of the left class, twice as large.
    let path = folder.path("left.png");
    let bytes = (0..4 * PIXELS).map(|i| if i % (2 * SIDE) < SIDE { 200 } else { 50 }).collect();
    let raster = Raster { width: 2 * SIDE, height: 2 * SIDE, channels: 1, bytes };
    raster.write_png(&path).expect("written");
    let predict = |json| Predict {
        machine: Machine::default(),
        weights: job.output.clone(),
        files: vec![path.clone(), path.clone()],
        picture: None,
        classes: Vec::new(),
        top: 2,
        score: 0.5,
        iou: 0.5,
        suppression: Suppression::OfClass,
        output: None,
        json,
    };
    let text = run(&Job::Predict(predict(false))).expect("predicted");
    assert!(text.contains("left.png: left (9") && text.lines().count() == 6, "{text}");
    let text = run(&Job::Predict(predict(true))).expect("predicted");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&json[1]["name"], &json[1]["class"], json[1]["top"].as_array().map(Vec::len)),
        (&"left".into(), &1.into(), Some(2))
    );

    let shown = Train { show: Show::File(path), ..job };
    let text = run(&Job::Train(Box::new(shown))).expect("trained");
    assert!(text.contains("left.png: the network says left (9"), "{text}");
}

#[test]
fn transferred_weights_are_accounted_for() {
    let folder = Folder::new("transfer");
    let job = train_job(&folder);
    run(&Job::Train(Box::new(job.clone()))).expect("trained");
    let next = |weights: &std::path::Path| {
        let checkpoints = Checkpoints { folder: folder.path("next"), resume: false, ..job.checkpoints.clone() };
        run(&Job::Train(Box::new(Train { transfer: Some(weights.into()), epochs: 1, checkpoints, ..job.clone() })))
    };
    let text = next(&job.output).expect("trained");
    assert!(text.contains("tiny.safetensors: 4 of 4 weights fit by name and shape: 220 numbers"), "{text}");
    let checkpoints = Checkpoints { folder: folder.path("same"), resume: false, ..job.checkpoints.clone() };
    let same = Train { weights: Some(job.output.clone()), epochs: 1, checkpoints, ..job.clone() };
    let text = run(&Job::Train(Box::new(same))).expect("trained");
    assert!(text.contains("tiny.safetensors: 4 of 4 weights fit by name and shape: 220 numbers"), "{text}");
    // The head alone: what is frozen would be random.
    let head = [0.0; 4];
    let path = folder.path("head.safetensors");
    write(&path, &[Tensor::new("fc.bias", &[4], &head)], None).expect("written");
    let message = next(&path).expect_err("a frozen weight without a value").message;
    assert!(message.contains("`mean` does not come from it") && message.contains("transfer"), "{message}");
    write(&path, &[Tensor::new("other", &[4], &head)], None).expect("written");
    assert!(next(&path).expect_err("nothing fits").message.contains("none of its weights fits Tiny"));
}

#[test]
fn a_part_of_idx_files_stays_the_same_when_it_is_augmented() {
    let folder = Folder::new("order");
    let source = Source { files: idx(&folder, 40), part: Part::Last(10) };
    let plain = load(&source, &SPEC, Reading::default()).expect("loaded");
    let augment = Pipeline(vec![crate::augment::Step::RandomCrop { pad: 1 }]);
    let changed = load(&source, &SPEC, Reading { augment, ..Reading::default() }).expect("loaded");
    assert!((0..10).all(|image| plain.class(0, image) == changed.class(0, image)));
}

#[test]
fn run_writes_outputs_and_gradients() {
    let folder = Folder::new("run");
    let (bytes, labels) = pictures(70, 3);
    let x: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let y: Vec<u32> = labels.into_iter().map(u32::from).collect();
    let input = folder.path("in.safetensors");
    let image = Tensor::new("image", &[70, 1, SIDE, SIDE], &x);
    let label = Tensor { name: String::from("label"), shape: vec![70], values: Values::Classes(&y) };
    write(&input, &[image.clone(), label], None).expect("written");
    let mut network = Tiny::new(&Options { seed: 9, batch: 70, ..Options::default() });
    let path = folder.path("w.safetensors");
    weights::save(&network, &path, None).expect("saved");
    let job = Run {
        machine: Machine::default(),
        weights: Some(path),
        seed: 0,
        input: input.clone(),
        output: folder.path("out.safetensors"),
        gradients: Some(folder.path("grad.safetensors")),
    };
    run(&Job::Run(job.clone())).expect("run");
    network.infer(70, &[&x]).expect("inference");
    let mut file = TensorFile::open(&job.output).expect("outputs");
    assert_eq!(file.entries().len(), 1);
    let entry = file.entry("probabilities").expect("an output").clone();
    assert_eq!(entry.shape, [70, CLASSES]);
    let mut values = vec![0.0; 70 * CLASSES];
    file.floats(&entry, &mut values).expect("floats");
    assert_eq!(values, network.output(0));

    let loss = network.train(70, &[&x], &[crate::Targets::Classes(&y)], None).expect("a pass");
    let mut file = TensorFile::open(job.gradients.as_ref().expect("a path")).expect("gradients");
    let names: Vec<&str> = file.entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["loss", "fc.weight", "fc.bias", "image"]);
    let mut get = |name: &str, shape: &[usize]| {
        let entry = file.entry(name).expect("a tensor").clone();
        assert_eq!(entry.shape, shape);
        let mut values = vec![0.0; entry.len()];
        file.floats(&entry, &mut values).expect("floats");
        values
    };
    assert_eq!(get("loss", &[]), [loss]);
    assert_eq!(get("fc.weight", &[CLASSES, PIXELS]), network.gradients()[SPEC.params[0].range.clone()]);
    assert_eq!(get("image", &[70, 1, SIDE, SIDE]), network.input_gradient(0).expect("a gradient"));

    // Outputs need no targets, gradients do.
    write(&input, &[image], None).expect("written");
    run(&Job::Run(Run { gradients: None, ..job.clone() })).expect("run");
    let failure = run(&Job::Run(job)).expect_err("no targets");
    assert!(failure.message.contains("there is no tensor `label`"), "{}", failure.message);
}

#[test]
fn failures_say_what_is_wrong() {
    let folder = Folder::new("failures");
    let job = train_job(&folder);
    let failure = |job: Train| run(&Job::Train(Box::new(job))).expect_err("a failure");
    let isa = Train { machine: Machine { threads: 1, isa: Some(String::from("mmx")) }, ..job.clone() };
    assert!(failure(isa).message.contains("no instruction set `mmx`"));
    let mut part = job.clone();
    part.data.part = Part::First(301);
    assert!(failure(part).message.contains("images: the first 301 is more than there is: 300 images"));
    let shown = Train { show: Show::File(folder.path("none.png")), ..job.clone() };
    assert!(failure(shown).message.ends_with("none.png: there is no such file"));
    assert!(!folder.path("run").exists(), "found before anything is learnt");
    let group = Group { pattern: "conv".into(), decay: 0.0, learning_rate: 1.0 };
    let grouped = Train { groups: vec![group], ..job.clone() };
    let message = failure(grouped).message;
    assert_eq!(message, "no trained weight is for the group `conv`; there are fc.weight, fc.bias");
    let diverged = Train { optimizer: Sgd { learning_rate: 1e38, momentum: 0.9, ..Sgd::default() }.into(), ..job };
    let diverged = failure(diverged);
    assert_eq!((diverged.code, diverged.message.contains("training diverged")), (EXIT_DIVERGED, true));
}

#[test]
fn numbers_are_grouped() {
    assert_eq!([0, 999, 1000, 61_706, 1_234_567].map(thousands), ["0", "999", "1,000", "61,706", "1,234,567"]);
    assert_eq!((plural(1, "step"), plural(2000, "step")), ("1 step".into(), "2,000 steps".into()));
}
