use super::*;
use crate::augment::Pipeline;
use crate::data::{Part, Raster};
use crate::job::{Checkpoints, Eval, Features, Files, Picture, Predict, Run, Show, Source, Suppression, Train};
use crate::optimizer::{DecayOn, Group, Sgd};
use crate::schedule::Schedule;
use crate::tensors::{Tensor, TensorFile, Values, write};
use crate::testing::points::{MAPS, PLACED, Points};
use crate::testing::{CLASSES, Folder, PIXELS, SIDE, SPEC, Tiny, pictures};
use crate::train::Measures;
use crate::weights;
use std::vec;
use std::vec::Vec;

fn construct(options: &Options) -> Result<Box<dyn Network>, Error> {
    Ok(Box::new(Tiny::new(options)))
}

fn run(job: &Job) -> Result<String, Failure> {
    run_with(&construct, job)
}

fn run_with(construct: &Construct<'_>, job: &Job) -> Result<String, Failure> {
    let mut out = Vec::new();
    run_into(&mut out, construct, job)?;
    Ok(String::from_utf8(out).expect("text"))
}

fn run_into(out: &mut Vec<u8>, construct: &Construct<'_>, job: &Job) -> Result<(), Failure> {
    // As it goes through the file.
    let text = serde_json::to_string(job).expect("JSON");
    let job: Job = serde_json::from_str(&text).expect("a job");
    Harness { construct, out, terminal: false, color: false, start: std::time::Instant::now() }.run(&job)
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
        measures: Measures::default(),
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

fn eval_job(folder: &Folder, weights: &std::path::Path, data: Source) -> Eval {
    Eval {
        machine: Machine::default(),
        weights: vec![weights.into()],
        crops: 1,
        data,
        targets: Vec::new(),
        measures: Measures::default(),
        classes: Vec::new(),
        picture: None,
        batch: 2,
        roc: folder.path("none/roc.svg"),
        confusion: folder.path("drawn/confusion.png"),
        json: false,
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

    // A run that fails at once leaves the files of the one before where they are; the next one puts them aside.
    let new = Checkpoints { resume: false, ..job.checkpoints.clone() };
    let new = Train { checkpoints: new, output: folder.path("new.safetensors"), epochs: 1, ..job.clone() };
    let earlier = job.checkpoints.folder.join("earlier-1");
    let lost = Train { weights: Some(folder.path("none.safetensors")), ..new.clone() };
    assert!(run(&Job::Train(Box::new(lost))).is_err_and(|e| e.message.contains("no such file")) && !earlier.exists());
    run(&Job::Train(Box::new(new))).expect("trained");
    assert!(earlier.join("last.safetensors").is_file() && earlier.join("epochs.csv").is_file());
    std::fs::rename(earlier.join("last.safetensors"), job.checkpoints.folder.join("last.safetensors")).expect("moved");

    let eval = |json| Eval {
        measures: Measures { top: vec![2, 3], ..Measures::default() },
        batch: 32,
        json,
        ..eval_job(&folder, &job.output, job.test.clone().expect("held-out data"))
    };
    let text = run(&Job::Eval(eval(false))).expect("evaluated");
    assert!(text.starts_with("loss: 0.") && text.contains("accuracy: 100.00 % (100 of 100)\n"), "{text}");
    assert!(text.contains("\ntop-2 accuracy: 100.00 %\ntop-3 accuracy: 100.00 %\nmean "), "{text}");
    let classes = "mean over classes: precision 100.00 %, recall 100.00 %, F1 100.00 %\nwhat is (a row) was taken for what (a column):\n";
    let (_, matrix) = text.split_once(classes).expect("what was taken for what");
    assert!(matrix.starts_with("        dark  left  top  bright\n  dark  "), "{matrix}");
    let drawn = folder.path("drawn/confusion.png");
    assert!(matrix.ends_with(&std::format!("\nconfusion matrix: {}\n", drawn.display())), "{matrix}");
    assert!(Raster::read(&drawn).is_ok_and(|picture| picture.width > picture.height));
    let json: serde_json::Value = serde_json::from_str(&run(&Job::Eval(eval(true))).expect("evaluated")).expect("JSON");
    assert_eq!(
        (&json["accuracy"], &json["images"], &json["outputs"][0]["correct"]),
        (&1.0.into(), &100.into(), &100.into())
    );
    let matrix: Vec<Vec<u64>> = serde_json::from_value(json["outputs"][0]["confusion"].clone()).expect("a matrix");
    assert_eq!((matrix.concat().iter().sum::<u64>(), matrix[0][1]), (100, 0));

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
fn maps_of_classes_are_measured_by_pixel() {
    let folder = Folder::new("maps");
    let weights = folder.path("none.safetensors");
    write(&weights, &[], None).expect("written");
    // Three classes at four places of two images; the highest score is that of class 1, but for the first place.
    let scores: Vec<f32> =
        (0..24).map(|i| if i % 12 / 4 == 1 || i == 0 { 5.0 } else { i as f32 / 10.0 - 1.0 }).collect();
    let labels = [0, 1, 1, 255, 1, 2, 1, 255];
    let (images, path) = ([2, 3, 2, 2], folder.path("maps.safetensors"));
    let map = Tensor { name: String::from("map"), shape: vec![2, 2, 2], values: Values::Classes(&labels) };
    write(&path, &[Tensor::new("scores", &images, &scores), map], None).expect("written");
    let source = Source { files: Files::Tensors { path: path.clone() }, part: Part::All };
    let classes = ["sky", "tree", "road"].map(String::from).to_vec();
    let eval = |json| Eval { classes: classes.clone(), json, ..eval_job(&folder, &weights, source.clone()) };
    let construct =
        |options: &Options| -> Result<Box<dyn Network>, Error> { Ok(Box::new(Points::new(&MAPS, options.batch))) };
    let text = run_with(&construct, &Job::Eval(eval(false))).expect("evaluated");
    assert!(text.contains("\naccuracy: 83.33 % (5 of 6 pixels)\n"), "{text}");
    // Of class 0 all, of class 1 four fifths, of class 2 nothing.
    assert!(text.contains("\nmean IoU: 60.00 %\n"), "{text}");
    assert!(text.contains("\n      sky  tree  road\n sky    1     0     0\n"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&run_with(&construct, &Job::Eval(eval(true))).expect("evaluated")).expect("JSON");
    let output = &json["outputs"][0];
    assert_eq!((&output["classes"][1]["iou"], &output["confusion"][2][1]), (&0.8.into(), &1.into()));
    assert_eq!((&output["classes"][1]["pixels"], &output["classes"][1]["images"]), (&4.into(), &().into()));

    // Where no picture can be written, here into a file, the figures are out.
    let blocked = |json| Job::Eval(Eval { confusion: weights.join("confusion.png"), ..eval(json) });
    let mut out = Vec::new();
    let failure = run_into(&mut out, &construct, &blocked(true)).expect_err("no folder");
    assert!(failure.message.starts_with(&weights.display().to_string()), "{}", failure.message);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).expect("JSON"), json);
    out.clear();
    run_into(&mut out, &construct, &blocked(false)).expect_err("no folder");
    assert!(text.starts_with(&*String::from_utf8(out).expect("text")) && text.contains("\nconfusion matrix: "));
}

#[test]
fn points_are_compared_in_whole_pictures() {
    let home = annotated();
    let weights = home.path("none.safetensors");
    write(&weights, &[], None).expect("written");
    let files = Files::Landmarks { points: home.path("points.csv"), images: home.path("images") };
    let eval = eval_job(&home, &weights, Source { files, part: Part::All });
    let construct =
        |options: &Options| -> Result<Box<dyn Network>, Error> { Ok(Box::new(Points::new(&PLACED, options.batch))) };
    let json = run_with(&construct, &Job::Eval(Eval { json: true, ..eval.clone() })).expect("evaluated");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let pck = &json["outputs"][0]["pck"];
    assert!(pck["near"] == 0.1 && pck["found"].is_number(), "{json}");
    // Of several networks the mean is a place, of several pieces it is not.
    let weights = vec![weights.clone(), weights];
    let several = Eval { weights, ..eval.clone() };
    assert!(run_with(&construct, &Job::Eval(several)).is_ok_and(|text| text.starts_with("mean of 2 networks\n")));
    let pieces = run_with(&construct, &Job::Eval(Eval { crops: 5, ..eval })).expect_err("places").message;
    assert!(pieces.starts_with("`places` says where things are") && pieces.ends_with("without `--crops`"), "{pieces}");
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

/// Two pictures with all that the readers of data sets read beside them.
fn annotated() -> Folder {
    let folder = Folder::new("annotated");
    for (name, bytes) in [("a", vec![90; 1200]), ("b", (0..1200).map(|i| (i % 200) as u8).collect())] {
        let raster = Raster { width: 40, height: 30, channels: 1, bytes };
        for class in ["images", "classes/first", "classes/second"] {
            std::fs::create_dir_all(folder.path(class)).expect("made");
            raster.write_png(&folder.path(format!("{class}/{name}.png"))).expect("written");
        }
    }
    let voc = "<annotation><filename>b.png</filename><size><width>40</width><height>30</height></size><object><name>thing</name>\
               <bndbox><xmin>3</xmin><ymin>5</ymin><xmax>22</xmax><ymax>24</ymax></bndbox></object></annotation>";
    let coco = r#"{"images": [{"id": 1, "file_name": "b.png", "width": 40, "height": 30}], "categories": [{"id": 9,
               "name": "thing"}], "annotations": [{"image_id": 1, "category_id": 9, "bbox": [2, 4, 20, 20]}]}"#;
    let (cifar10, cifar100) = ([2; 3073], [3; 3074]);
    let files: [(&str, &[u8]); 9] = [
        ("voc/b.xml", voc.as_bytes()),
        ("coco.json", coco.as_bytes()),
        ("yolo/a.txt", b"1 0.5 0.5 0.25 0.25"),
        ("yolo/b.txt", b"0 0.3 0.4 0.5 0.5"),
        ("boxes.csv", b"file,class,xmin,ymin,xmax,ymax\nb.png,thing,2,4,22,24\n"),
        ("points.csv", b"a.png,10,15,20,15\nb.png,20,3,10,6\n"),
        ("pairs.csv", b"first,second,same\na.png,a.png,1\na.png,b.png,0\n"),
        ("cifar10.bin", &cifar10),
        ("cifar100.bin", &cifar100),
    ];
    for (name, bytes) in files {
        let path = folder.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }
    folder
}

#[test]
fn each_kind_of_data_becomes_batches() {
    use crate::augment::{Color, Mirror, Piece, ResizedCrop, Step, Warp};
    const fn value(name: &'static str, shape: &'static [usize]) -> crate::ValueSpec {
        crate::ValueSpec { name, shape, kind: crate::TargetKind::Float, ignore: None, infers: false }
    }
    static POINTS: [crate::ValueSpec; 1] = [value("points", &[4])];
    static SAME: [crate::ValueSpec; 1] = [value("same", &[1])];
    static PAIR: [crate::ValueSpec; 2] = [value("left", &[1, SIDE, SIDE]), value("right", &[1, SIDE, SIDE])];
    let home = annotated();
    let of_points = crate::Spec { targets: &POINTS, ..SPEC };
    let of_pairs = crate::Spec { inputs: &PAIR, targets: &SAME, ..SPEC };
    let (at, images) = (|name: &str| home.path(name), home.path("images"));
    let cases = [
        (Files::Folders { root: at("classes") }, &SPEC, 4),
        (Files::Cifar { kind: crate::job::Cifar::Ten, files: vec![at("cifar10.bin"), at("cifar10.bin")] }, &SPEC, 2),
        (Files::Cifar { kind: crate::job::Cifar::Hundred, files: vec![at("cifar100.bin")] }, &SPEC, 1),
        (Files::Voc { annotations: at("voc"), images: images.clone() }, &SPEC, 1),
        (Files::Coco { annotations: at("coco.json"), images: images.clone() }, &SPEC, 1),
        (Files::Yolo { labels: at("yolo"), images: images.clone() }, &SPEC, 2),
        (Files::Boxes { table: at("boxes.csv"), images: images.clone(), split: None }, &SPEC, 1),
        (Files::Landmarks { points: at("points.csv"), images: images.clone() }, &of_points, 2),
        (Files::Comparisons { compared: crate::job::Compared::Pairs, list: at("pairs.csv"), images }, &of_pairs, 2),
    ];
    let alone = vec![
        Step::Mirror(0.5.into()),
        Step::RandomCrop { pad: 3 },
        Step::ResizedCrop(ResizedCrop { area: [0.8, 1.0], ..ResizedCrop::default() }),
        Step::Color(Color { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.1 }),
        Step::PcaColor(0.1),
        Step::Piece(Piece { share: 0.9, ..Piece::default() }),
        Step::Rotate(10.0),
        Step::Shear(10.0),
        Step::Warp(Warp::default()),
        Step::Cutout(5),
    ];
    for (files, spec, count) in cases {
        let source = Source { files, part: Part::All };
        let mut steps = alone.clone();
        steps.push(match source.files {
            Files::Landmarks { .. } => Step::Mirror(Mirror { share: 0.5, swap: vec![[0, 1]] }),
            _ => Step::Mosaic(0.5),
        });
        let loaded = |steps: Vec<Step>| {
            let reading = Reading { augment: Pipeline(steps), ..Reading::default() };
            let data = load(&source, spec, reading).unwrap_or_else(|why| panic!("{why}"));
            let mut batch = crate::data::BatchData::new(spec, data.len());
            let draw = crate::data::Draw { seed: 1, epoch: 2 };
            batch.load(&data, &(0..data.len()).collect::<Vec<_>>(), draw).expect("loaded");
            batch
        };
        let (plain, changed) = (loaded(Vec::new()), loaded(steps));
        assert_eq!(plain.count(), count, "{source:?}");
        assert_ne!(plain.inputs(), changed.inputs(), "{source:?}");
        assert!(changed.inputs().iter().all(|input| input.iter().all(|x| (0.0..=1.0).contains(x))), "{source:?}");
    }
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

/// The disk is full for some files: each is named, and what else there is to do is done.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_spoils_no_more_than_what_is_written() {
    let folder = Folder::new("full");
    let job = train_job(&folder);
    let train = || {
        let mut out = Vec::new();
        let failure = run_into(&mut out, &construct, &Job::Train(Box::new(job.clone()))).expect_err("a full disk");
        (failure, String::from_utf8(out).expect("text"))
    };
    std::fs::create_dir_all(folder.path("run")).expect("a folder");
    folder.fill_disk(&["run/epochs.csv"]);
    let (failure, text) = train();
    let said = "epochs.csv: the disk is full\n  help: all but this part of the log was written";
    assert!(failure.code == 1 && failure.message.ends_with(said), "{}", failure.message);
    assert!(text.contains("\naccuracy: 100.00 %\nweights: ") && text.contains("a held-out image"), "{text}");
    assert!(job.output.is_file() && folder.path("run/report.html").is_file());

    std::fs::create_dir_all(folder.path("drawn")).expect("a folder");
    folder.fill_disk(&["drawn/confusion.png", "features.safetensors", "weights/tiny.safetensors"]);
    let eval = eval_job(&folder, &job.output, job.test.clone().expect("held-out data"));
    let mut out = Vec::new();
    let failure = run_into(&mut out, &construct, &Job::Eval(eval)).expect_err("a full disk");
    assert!(failure.message.ends_with("confusion.png: the disk is full"), "{}", failure.message);
    assert!(String::from_utf8(out).expect("text").contains("accuracy: 100.00 % (100 of 100)\n"));

    let features = Features {
        machine: Machine::default(),
        weights: job.output.clone(),
        network: String::from("tiny"),
        parts: vec![(job.data.clone(), folder.path("features.safetensors"))],
        picture: job.picture.clone(),
        classes: Vec::new(),
        targets: Vec::new(),
        batch: 16,
        epochs: 1,
    };
    let failure = run(&Job::Features(features)).expect_err("a full disk");
    assert!(failure.message.ends_with("features.safetensors: the disk is full"), "{}", failure.message);
    assert!(!folder.path("features.safetensors").exists());

    // Of weights the old file stays.
    let before = std::fs::read(&job.output).expect("weights");
    let (failure, _) = train();
    assert!(failure.message.contains("tiny.safetensors: the disk is full"), "{}", failure.message);
    assert_eq!(std::fs::read(&job.output).expect("weights"), before);
}

#[test]
fn numbers_are_grouped() {
    assert_eq!([0, 999, 1000, 61_706, 1_234_567].map(thousands), ["0", "999", "1,000", "61,706", "1,234,567"]);
    assert_eq!((plural(1, "step"), plural(2000, "step")), ("1 step".into(), "2,000 steps".into()));
}
