use super::*;
use crate::TargetKind;
use crate::augment::{Color, Mirror, Step};
use crate::data::{BatchData, Dataset, Part, each_batch};
use crate::testing::{SIDE, SPEC};
use std::ops::ControlFlow;

const fn value(name: &'static str, shape: &'static [usize], kind: TargetKind) -> ValueSpec {
    ValueSpec { name, shape, kind, ignore: None, infers: true }
}

fn spec(inputs: &'static [ValueSpec], targets: &'static [ValueSpec]) -> Spec {
    Spec { name: "Photos", inputs, targets, ..SPEC }
}

const IMAGE: ValueSpec = value("image", &[1, SIDE, SIDE], TargetKind::Float);

/// Pictures of brightness 10 times their number, of three classes.
fn collection(count: usize) -> Collection {
    let example = |i: usize| Example {
        class: Some(i as u32 % 3),
        boxes: vec![(Corners::from_corner(2.0, 0.0, 4.0, 8.0), i as u32 % 3)],
        points: vec![[4.0, 2.0]],
        ..Example::new(Pixels::Memory(Arc::new(Raster {
            width: 8,
            height: 8,
            channels: 1,
            bytes: vec![10 * i as u8; 64],
        })))
    };
    Collection { examples: (0..count).map(example).collect(), classes: Vec::new() }
}

fn dataset(spec: &Spec, plan: &Plan) -> Result<Dataset, String> {
    Dataset::photos(collection(20), spec, &Picture::default(), plan)
}

fn loaded(data: &Dataset, spec: &Spec, draw: Draw) -> BatchData {
    let mut batch = BatchData::new(spec, data.len());
    let numbers: Vec<usize> = (0..data.len()).collect();
    batch.load(data, &numbers, draw).expect("loaded");
    batch
}

#[test]
fn targets_hold_what_they_are_to_hold() {
    static TARGETS: [ValueSpec; 7] = [
        value("label", &[], TargetKind::Class(3)),
        value("shares", &[3], TargetKind::Float),
        value("there", &[1], TargetKind::Float),
        value("place", &[4], TargetKind::Float),
        value("points", &[2], TargetKind::Float),
        value("map", &[8, 2, 2], TargetKind::Float),
        value("objects", &[2, 5], TargetKind::Float),
    ];
    let spec = spec(&[IMAGE], &TARGETS);
    let says = |name: &str, answer: Answer| (name.to_owned(), answer);
    let plan = Plan {
        targets: vec![
            says("shares", Answer::OneHot),
            says("there", Answer::Object),
            says("place", Answer::Box),
            says("map", Answer::Grid { anchors: vec![[3.0, 6.0]] }),
        ],
        ..Plan::default()
    };
    let data = dataset(&spec, &plan).expect("a data set").part(Part::First(5)).expect("a part");
    let batch = loaded(&data, &spec, Draw::default());
    let targets = batch.targets();
    for i in 0..5 {
        let class = data.class(0, i).expect("a class") as usize;
        assert_eq!(targets[0].classes()[i] as usize, class);
        assert_eq!(targets[1].floats()[3 * i + class], 1.0);
        assert_eq!(targets[2].floats()[i], 1.0);
        // The box is the middle half, in all of the height.
        assert_eq!(targets[3].floats()[4 * i..][..4], [0.5, 0.5, 1.0, 0.5]);
        assert_eq!(targets[4].floats()[2 * i..][..2], [0.5, 0.25]);
        let objects = &targets[6].floats()[10 * i..][..10];
        assert_eq!(objects, [class as f32, 3.0, 3.0, 3.0, 6.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
        let map = &targets[5].floats()[32 * i..][..32];
        // Its centre is the corner of the last cell.
        assert_eq!(
            (map[4 * 4 + 3], map[(5 + class) * 4 + 3], map.iter().filter(|x| **x == 1.0).count()),
            (1.0, 1.0, 2)
        );
    }
}

#[test]
fn boxes_without_a_row_are_counted() {
    static OBJECTS: [ValueSpec; 1] = [value("objects", &[2, 5], TargetKind::Float)];
    let spec = spec(&[IMAGE], &OBJECTS);
    let mut photos = collection(6);
    let crowded = |photos: &Collection| {
        Dataset::photos(photos.clone(), &spec, &Picture::default(), &Plan::default()).expect("a data set").crowded()
    };
    assert_eq!(crowded(&photos), None);
    for (photo, count) in [(1, 2), (2, 3), (4, 5)] {
        photos.examples[photo].boxes = vec![(Corners::from_corner(1.0, 1.0, 2.0, 2.0), 0); count];
    }
    assert_eq!(crowded(&photos), Some((2, 2, 5)));
}

#[test]
fn files_of_pictures_are_inverted_and_data_sets_are_not() {
    static LABEL: [ValueSpec; 1] = [value("label", &[], TargetKind::Class(3))];
    let spec = spec(&[IMAGE], &LABEL);
    let folder = crate::testing::Folder::new("inverted");
    let mut photos = collection(4);
    photos.examples.truncate(1);
    let first = |photos: &Collection| {
        let picture = Picture { invert: true, ..Picture::default() };
        let data = Dataset::photos(photos.clone(), &spec, &picture, &Plan::default()).expect("a data set");
        loaded(&data, &spec, Draw::default()).inputs()[0][0]
    };
    assert_eq!(first(&photos), 0.0);
    photos.examples[0].read().expect("a photo").raster.write_png(&folder.path("x.png")).expect("written");
    photos.examples[0].pixels = Pixels::File(folder.path("x.png"));
    assert_eq!(first(&photos), 1.0);
}

#[test]
fn what_does_not_fit_is_said() {
    let complaint =
        |targets: &'static [ValueSpec], plan: &Plan| dataset(&spec(&[IMAGE], targets), plan).expect_err("wrong");
    static TWO: [ValueSpec; 1] = [value("label", &[], TargetKind::Class(2))];
    static MAP: [ValueSpec; 1] = [value("map", &[8, 2, 2], TargetKind::Float)];
    static LABEL: [ValueSpec; 1] = [value("label", &[], TargetKind::Class(3))];
    assert!(complaint(&TWO, &Plan::default()).contains("there is a class 2, but it has room for 2 classes"));
    assert!(complaint(&MAP, &Plan::default()).contains("nothing says what the target `map`"));
    let grid = Plan { targets: vec![("map".into(), Answer::Grid { anchors: vec![[1.0; 2]; 3] })], ..Plan::default() };
    assert!(complaint(&MAP, &grid).contains("with 3 anchors"));
    let mixup = Plan { augment: Pipeline(vec![Step::Mixup(0.2)]), ..Plan::default() };
    assert!(complaint(&LABEL, &mixup).contains("`mixup` of `augment` gives pictures several classes"));
    assert!(complaint(&LABEL, &grid).contains("has no target `map`"));
}

#[test]
fn pairs_and_triplets_are_of_the_right_classes() {
    static SAME: [ValueSpec; 1] = [value("same", &[1], TargetKind::Float)];
    let pairs = spec(&[IMAGE, IMAGE], &SAME);
    let triplets = spec(&[IMAGE, IMAGE, IMAGE], &[]);
    let class = |pixel: f32| (pixel * 25.5).round() as u32 % 3;
    let pixels = SIDE * SIDE;
    let batch = loaded(&dataset(&pairs, &Plan::default()).expect("pairs"), &pairs, Draw { seed: 1, epoch: 2 });
    let (inputs, targets) = (batch.inputs(), batch.targets());
    let same = targets[0].floats();
    assert!((0..20).all(|i| (class(inputs[0][i * pixels]) == class(inputs[1][i * pixels])) == (same[i] == 1.0)));
    assert!(same.contains(&0.0) && same.contains(&1.0));
    let data = dataset(&triplets, &Plan::default()).expect("triplets");
    let batch = loaded(&data, &triplets, Draw { seed: 1, epoch: 2 });
    for i in 0..20 {
        let [anchor, positive, negative] = [0, 1, 2].map(|n| batch.inputs()[n][i * pixels]);
        assert_eq!(class(anchor), class(positive));
        assert_ne!(class(anchor), class(negative));
        assert_ne!(anchor, positive);
    }
}

#[test]
fn pairs_and_triplets_of_a_list_are_those() {
    static SAME: [ValueSpec; 1] = [value("same", &[1], TargetKind::Float)];
    let pairs = spec(&[IMAGE, IMAGE], &SAME);
    let triplets = spec(&[IMAGE, IMAGE, IMAGE], &[]);
    let mut photos = collection(20);
    photos.examples.iter_mut().for_each(|example| example.class = None);
    let all = |list: &[Comparison]| Comparisons { photos: photos.clone(), list: list.to_vec() };
    let dataset =
        |spec: &Spec, list: &[Comparison]| Dataset::comparisons(all(list), spec, &Picture::default(), &Plan::default());
    let number = |input: &[f32], i: usize| (input[i * SIDE * SIDE] * 25.5).round() as usize;

    let listed = [Comparison::Pair([3, 5], true), Comparison::Pair([5, 9], false), Comparison::Pair([7, 3], true)];
    let data = dataset(&pairs, &listed).expect("pairs");
    assert_eq!(data.len(), 3);
    let batch = loaded(&data, &pairs, Draw { seed: 4, epoch: 1 });
    let inputs = batch.inputs();
    assert_eq!([0, 1, 2].map(|i| [number(inputs[0], i), number(inputs[1], i)]), [[3, 5], [5, 9], [7, 3]]);
    assert_eq!(batch.targets()[0].floats(), [1.0, 0.0, 1.0]);
    // Parts are in the order of the list.
    let last = loaded(&data.part(Part::Last(1)).expect("a part"), &pairs, Draw::default());
    assert_eq!((number(last.inputs()[0], 0), last.targets()[0].floats()), (7, &[1.0][..]));

    let data = dataset(&triplets, &[Comparison::Triplet([1, 2, 3]), Comparison::Triplet([6, 4, 5])]).expect("triplets");
    let batch = loaded(&data, &triplets, Draw::default());
    assert_eq!([0, 1].map(|i| [0, 1, 2].map(|n| number(batch.inputs()[n], i))), [[1, 2, 3], [6, 4, 5]]);

    let complaint = |spec: &Spec, list: &[Comparison]| dataset(spec, list).expect_err("a misfit");
    assert_eq!(complaint(&triplets, &listed), "the list is of pairs, but Photos takes 3 photos");
    assert_eq!(complaint(&pairs, &[Comparison::Triplet([0; 3])]), "the list is of triplets, but Photos takes 2 photos");
    static LABEL: [ValueSpec; 1] = [value("label", &[], TargetKind::Class(3))];
    assert_eq!(complaint(&spec(&[IMAGE], &LABEL), &listed), "the list is of pairs, but Photos takes one photo");
    assert_eq!(complaint(&pairs, &[Comparison::Pair([0, 20], true)]), "the list has photo 20, but there are 20");
}

#[test]
fn points_are_those_of_one_picture_and_may_change_places() {
    static POINTS: [ValueSpec; 1] = [value("points", &[4], TargetKind::Float)];
    static SEEN: [ValueSpec; 1] = [value("points", &[5], TargetKind::Float)];
    static THERE: [ValueSpec; 1] = [value("there", &[1], TargetKind::Float)];
    let mut photos = collection(3);
    photos.examples.iter_mut().for_each(|example| example.points = vec![[1.0, 2.0], [6.0, 4.0]]);
    let dataset = |targets: &'static [ValueSpec], step: Step| {
        let there = [("there".to_owned(), Answer::Object)];
        let targets_of = if targets[0].name == "there" { there.to_vec() } else { Vec::new() };
        let plan = Plan { augment: Pipeline(vec![step]), targets: targets_of };
        Dataset::photos(photos.clone(), &spec(&[IMAGE], targets), &Picture::default(), &plan)
    };
    let mirror = |swap: &[[usize; 2]]| Step::Mirror(Mirror { share: 1.0, swap: swap.to_vec() });
    let points = |swap: &[[usize; 2]]| {
        let data = dataset(&POINTS, mirror(swap)).expect("a data set");
        loaded(&data, &spec(&[IMAGE], &POINTS), Draw::default()).targets()[0].floats()[..4].to_vec()
    };
    assert_eq!(points(&[]), [0.875, 0.25, 0.25, 0.5]);
    assert_eq!(points(&[[0, 1]]), [0.25, 0.5, 0.875, 0.25]);
    let said = dataset(&POINTS, mirror(&[[1, 2]])).expect_err("no such point");
    assert_eq!(said, "`swap` of `mirror` has point 2, but there is a picture with 2 points, numbers 0 to 1");
    for (targets, step, name) in [
        (&POINTS, Step::Mosaic(0.5), "mosaic"),
        (&SEEN, Step::Mixup(0.2), "mixup"),
        (&THERE, Step::Mosaic(0.1), "mosaic"),
    ] {
        let said = dataset(targets, step).expect_err("points of several pictures");
        assert!(
            said.starts_with(&format!("`{name}` of `augment` joins pictures, but `{}` holds points", targets[0].name)),
            "{said}"
        );
    }
}

#[test]
fn detectors_are_judged_by_marks_of_boxes_that_have_not_moved() {
    let mut photos = collection(2);
    let corners = |x1, x2| Corners { x1, y1: 1.0, x2, y2: 5.0 };
    for example in &mut photos.examples {
        example.boxes = vec![(corners(1.0, 3.0), 2)];
        example.truths = vec![TrueBox { difficult: true, ..TrueBox::new(0, 2, corners(1.0, 3.0)) }];
    }
    let spec = spec(&[IMAGE], &[]);
    let truths = |steps: Vec<Step>| {
        let plan = Plan { augment: Pipeline(steps), ..Plan::default() };
        let data = Dataset::photos(photos.clone(), &spec, &Picture::default(), &plan).expect("a data set");
        let mut batch = BatchData::new(&spec, 1);
        batch.load(&data, &[1], Draw::default()).expect("loaded");
        data.truths(1, &batch.photos()[0])
    };
    assert_eq!(truths(vec![]), [TrueBox { difficult: true, ..TrueBox::new(1, 2, corners(1.0, 3.0)) }]);
    let width = photos.examples[0].size().expect("a size").0;
    let moved = corners(width - 3.0, width - 1.0);
    assert_eq!(truths(vec![Step::Mirror(1.0.into())]), [TrueBox::new(1, 2, moved)]);
}

#[test]
fn batches_do_not_depend_on_threads() {
    static LABEL: [ValueSpec; 1] = [value("label", &[], TargetKind::Class(3))];
    let spec = spec(&[IMAGE], &LABEL);
    let color = Color { brightness: 0.5, ..Color::default() };
    let plan = Plan { augment: Pipeline(vec![Step::Mirror(0.5.into()), Step::Color(color)]), ..Plan::default() };
    let data = dataset(&spec, &plan).expect("a data set");
    let numbers: Vec<usize> = (0..20).rev().collect();
    let all = |threads: usize, epoch: u64| {
        let mut seen = Vec::new();
        let draw = Draw { seed: 5, epoch };
        let ended = each_batch(&data, &spec, &numbers, 3, draw, threads, |batch, numbers| {
            seen.push((batch.inputs()[0].to_vec(), batch.targets()[0].classes().to_vec(), numbers.to_vec()));
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(ended, Ok(None));
        seen
    };
    let one = all(0, 1);
    assert_eq!(one.len(), 7);
    assert!([1, 2, 5].iter().all(|&threads| all(threads, 1) == one));
    assert_ne!(all(2, 2), one, "another epoch has other changes");
    let broken = each_batch(&data, &spec, &numbers, 3, Draw::default(), 2, |_, numbers| ControlFlow::Break(numbers[0]));
    assert_eq!(broken, Ok(Some(19)));
}

#[test]
fn a_photo_that_cannot_be_read_is_named() {
    let folder = crate::testing::Folder::new("photos");
    let path = folder.path("cut.jpg");
    std::fs::write(&path, [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2]).expect("written");
    let mut collection = collection(4);
    collection.examples[2].pixels = Pixels::File(path);
    static LABEL: [ValueSpec; 1] = [value("label", &[], TargetKind::Class(3))];
    let spec = spec(&[IMAGE], &LABEL);
    let data = Dataset::photos(collection, &spec, &Picture::default(), &Plan::default()).expect("a data set");
    for threads in [0, 2] {
        let ended =
            each_batch(
                &data,
                &spec,
                &[0, 1, 2, 3],
                1,
                Draw::default(),
                threads,
                |_, _| ControlFlow::<()>::Continue(()),
            );
        let error = ended.expect_err("a broken photo").to_string();
        assert!(error.contains("cut.jpg: damaged JPEG: it is cut off"), "{error}");
    }
}
