use super::*;
use crate::data::BatchData;
use crate::testing::{CLASSES, Folder, PIXELS, SIDE, SPEC, pictures};
use crate::{TargetKind, Targets, ValueSpec};

/// Images and labels as IDX files.
fn idx_files(folder: &Folder, images: &[u8], labels: &[u8]) -> (std::path::PathBuf, std::path::PathBuf) {
    let header = |dims: &[usize]| {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|&dim| bytes.extend((dim as u32).to_be_bytes()));
        bytes
    };
    let (x, y) = (folder.path("images"), folder.path("labels"));
    std::fs::write(&x, [&header(&[images.len() / PIXELS, SIDE, SIDE]), images].concat()).expect("written");
    std::fs::write(&y, [&header(&[labels.len()]), labels].concat()).expect("written");
    (x, y)
}

#[test]
fn idx_images_become_normalised_batches() {
    let folder = Folder::new("dataset");
    let (images, labels) = pictures(20, 1);
    let (x, y) = idx_files(&folder, &images, &labels);
    let picture = Picture { mean: vec![0.1], std: vec![0.3], invert: true };
    let data = Dataset::idx(&x, &y, &SPEC, &picture).expect("a data set").part(Part::Last(15)).expect("a part");
    assert_eq!(data.len(), 15);
    let mut batch = BatchData::new(&SPEC, 4);
    batch.load(&data, &[14, 0, 3], Draw::default()).expect("loaded");
    assert_eq!((batch.count(), batch.inputs().len(), batch.inputs()[0].len()), (3, 1, 3 * PIXELS));
    for (place, image) in [19, 5, 8].into_iter().enumerate() {
        let x = &batch.inputs()[0][place * PIXELS..][..PIXELS];
        for (x, &byte) in x.iter().zip(&images[image * PIXELS..]) {
            assert!((x - (f32::from(byte) / 255.0 - 0.1) / 0.3).abs() < 1e-5);
        }
        let [Targets::Classes(classes)] = batch.targets()[..] else { panic!("classes") };
        assert_eq!(classes[place], u32::from(labels[image]));
        assert_eq!(data.class(0, [14, 0, 3][place]), Some(u32::from(labels[image])));
    }
}

#[test]
fn files_that_do_not_fit_are_named() {
    let folder = Folder::new("misfit");
    let (images, mut labels) = pictures(20, 1);
    let message = |images: &[u8], labels: &[u8], spec: &Spec| {
        let (x, y) = idx_files(&folder, images, labels);
        let error = Dataset::idx(&x, &y, spec, &Picture::default()).expect_err("a misfit");
        (error.path.file_name().expect("a name").to_os_string(), error.message)
    };
    let (file, text) = message(&images, &labels[..19], &SPEC);
    assert!(file == "labels" && text.starts_with("19 labels, but") && text.ends_with("has 20 images"), "{text}");
    labels[3] = CLASSES as u8;
    let (file, text) = message(&images, &labels, &SPEC);
    assert!(file == "labels" && text == "byte 11: image 3 is class 4, but there are 4 classes", "{text}");
    static WIDE: &[ValueSpec] =
        &[ValueSpec { name: "image", shape: &[3, 9, 9], kind: TargetKind::Float, ignore: None, infers: true }];
    let spec = Spec { inputs: WIDE, params: &[], ..SPEC };
    let (file, text) = message(&images, &labels, &spec);
    assert!(file == "images" && text == "images of [6, 6], but `image` is [3, 9, 9]", "{text}");
    let spec = Spec { targets: &[], params: &[], ..SPEC };
    let (_, text) = message(&images, &labels, &spec);
    assert!(text.ends_with("Tiny has 1 input and 0 targets"), "{text}");
    let (_, text) = message(&images, &labels, &Spec { targets: MASK, params: &[], ..SPEC });
    assert!(text.contains("one class for each image as its target"), "{text}");
}

/// A class at each of six pixels, or none.
static MASK: &[ValueSpec] =
    &[ValueSpec { name: "mask", shape: &[2, 3], kind: TargetKind::Class(4), ignore: Some(255), infers: false }];

#[test]
fn maps_of_classes_are_data() {
    let spec = Spec { targets: MASK, params: &[], ..SPEC };
    let data = |labels: &[u32]| {
        Dataset::in_memory(&spec, vec![vec![0.5; 2 * PIXELS]], vec![TargetValues::Classes(labels.to_vec())])
    };
    let maps = data(&[0, 1, 2, 3, 255, 0, 1, 1, 1, 1, 1, 2]).expect("a data set");
    assert_eq!((maps.len(), maps.class(0, 0)), (2, None));
    let mut batch = BatchData::new(&spec, 2);
    batch.load(&maps, &[1, 0], Draw::default()).expect("loaded");
    assert!(matches!(batch.targets()[..], [Targets::Classes([1, 1, 1, 1, 1, 2, 0, 1, 2, 3, 255, 0])]));
    let text = |labels| data(labels).expect_err("a misfit").to_string();
    assert!(text(&[0, 1, 2, 3, 255, 0, 1, 1, 4, 1, 1, 2]).starts_with("`mask` of image 1 is class 4"));
    assert_eq!(text(&[0; 6]), "`mask` has 6 elements, needed are 12");
}

#[test]
fn values_in_memory_are_checked() {
    let x = || vec![vec![0.5; 2 * PIXELS]];
    let y = |labels: &[u32]| vec![TargetValues::Classes(labels.to_vec())];
    assert_eq!(Dataset::in_memory(&SPEC, x(), y(&[1, 3])).expect("a data set").len(), 2);
    let text = |x, y| Dataset::in_memory(&SPEC, x, y).expect_err("a misfit").to_string();
    assert_eq!(text(x(), y(&[1])), "`label` has 1 elements, needed are 2");
    assert_eq!(text(vec![], y(&[1])), "`inputs` has 0 elements, needed are 1");
    assert!(text(x(), y(&[1, 4])).starts_with("`label` of image 1 is class 4"));
    assert!(Dataset::in_memory(&SPEC, x(), vec![TargetValues::Floats(vec![0.0; 2])]).is_err());
}

#[test]
fn parts_are_checked() {
    assert_eq!(Part::All.range(10), Ok(0..10));
    assert_eq!(Part::First(3).range(10), Ok(0..3));
    assert_eq!(Part::Last(3).range(10), Ok(7..10));
    assert_eq!(Part::WithoutFirst(3).range(10), Ok(3..10));
    assert_eq!(Part::WithoutLast(3).range(10), Ok(0..7));
    assert_eq!(Part::Range(3, 5).range(10), Ok(3..5));
    for part in [Part::First(11), Part::Last(11), Part::WithoutFirst(11), Part::WithoutLast(11), Part::Range(0, 11)] {
        assert!(part.range(10).expect_err("too many").ends_with("is more than there is: 10 images"));
    }
    for part in [Part::First(0), Part::WithoutFirst(10), Part::Range(5, 5), Part::Range(5, 2)] {
        assert!(part.range(10).expect_err("none").ends_with("of 10 images leaves none"));
    }
    assert!(Part::All.range(0).is_err());
}

#[test]
fn orders_depend_on_seed_and_epoch() {
    let folder = Folder::new("order");
    let (images, labels) = pictures(50, 1);
    let (x, y) = idx_files(&folder, &images, &labels);
    let data = Dataset::idx(&x, &y, &SPEC, &Picture::default()).expect("a data set");
    let order = |seed, epoch| {
        let mut order = vec![99; 3];
        data.shuffle(seed, epoch, &mut order);
        order
    };
    assert_eq!(order(1, 2), order(1, 2));
    assert_ne!(order(1, 2), order(1, 3));
    assert_ne!(order(1, 2), order(2, 2));
    let mut sorted = order(1, 2);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<_>>());
}

#[cfg(feature = "weights")]
mod safetensors {
    use super::*;
    use crate::tensors::{Tensor, Values, write};

    fn message(tensors: &[Tensor<'_>]) -> String {
        let folder = Folder::new("tensor-data");
        let path = folder.path("data.safetensors");
        write(&path, tensors, None).expect("written");
        let error = Dataset::tensors(&path, &SPEC).expect_err("a misfit");
        error.to_string().replace(&format!("{}: ", path.display()), "")
    }

    #[test]
    fn tensors_are_data_too() {
        let folder = Folder::new("tensor-data");
        let path = folder.path("data.safetensors");
        let x: Vec<f32> = (0..3 * PIXELS).map(|i| i as f32).collect();
        let image = Tensor::new("image", &[3, 1, SIDE, SIDE], &x);
        let label = Tensor { name: String::from("label"), shape: vec![3], values: Values::Classes(&[3, 0, 2]) };
        write(&path, &[image.clone(), label.clone()], None).expect("written");
        let data = Dataset::tensors(&path, &SPEC).expect("a data set");
        let mut batch = BatchData::new(&SPEC, 2);
        batch.load(&data, &[2, 1], Draw::default()).expect("loaded");
        assert_eq!(batch.inputs()[0][..PIXELS], x[2 * PIXELS..]);
        assert!(matches!(batch.targets()[..], [Targets::Classes([2, 0])]));
        assert!(!Dataset::inputs(&path, &SPEC).expect("inputs").has_targets());

        let mut column = label.clone();
        column.shape = vec![3, 1];
        write(&path, &[image.clone(), column], None).expect("written");
        assert_eq!(Dataset::tensors(&path, &SPEC).expect("a data set").class(0, 0), Some(3));

        let text = message(&[Tensor::new("imagge", &[3, 1, SIDE, SIDE], &x), label.clone()]);
        assert_eq!(
            text,
            "there is no tensor `image`; the file has `imagge`, `label`\n  help: is it the `imagge` of the file?"
        );
        assert!(message(&[]).starts_with("there is no tensor `image`; the file has none\n  help: "));
        let text = message(&[Tensor::new("image", &[3, PIXELS], &x), label.clone()]);
        assert_eq!(text, "`image` has shape [3, 36], needed is [batch, 1, 6, 6]");
        let text = message(&[Tensor::new("image", &[1, 1, SIDE, SIDE], &x[..PIXELS]), label]);
        assert_eq!(text, "`label` has 3 images, but `image` has 1");
        let text = message(&[image, Tensor::new("label", &[3], &[0.0; 3])]);
        assert_eq!(text, "`label` is F32, needed are class labels as integers, such as I64");
        let empty = Tensor::new("image", &[0, 1, SIDE, SIDE], &[]);
        assert_eq!(message(&[empty]), "`image` has no images");
    }

    #[test]
    fn arrays_of_numpy_are_data_too() {
        use crate::testing::numpy::{Zip, npy};
        let folder = Folder::new("array-data");
        let x: Vec<u8> = (0..2 * PIXELS).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let image = || npy("<f4", "(2, 1, 6, 6)", &x);
        let label = |labels: &[u8]| npy("|u1", &std::format!("({},)", labels.len()), labels);
        let (zip, single) = (folder.path("data.npz"), folder.path("x.npy"));
        let archive = |files: &[(&str, Vec<u8>)]| Zip { deflate: true, wide: false }.archive(files);
        std::fs::write(&zip, archive(&[("image.npy", image()), ("label.npy", label(&[3, 1]))])).expect("written");
        std::fs::create_dir(folder.path("data")).expect("made");
        std::fs::write(folder.path("data/image.npy"), image()).expect("written");
        // Whole numbers are labels whatever their type, and what is beside them does not matter.
        let floats: Vec<u8> = [3.0_f64, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(folder.path("data/label.npy"), npy("<f8", "(2,)", &floats)).expect("written");
        std::fs::write(folder.path("data/names.npy"), npy("<U2", "(1,)", &[0; 8])).expect("written");
        for path in [&zip, &folder.path("data")] {
            let data = Dataset::tensors(path, &SPEC).expect("a data set");
            let mut batch = BatchData::new(&SPEC, 2);
            batch.load(&data, &[1, 0], Draw::default()).expect("loaded");
            assert_eq!(batch.inputs()[0][..2], [PIXELS as f32, PIXELS as f32 + 1.0]);
            assert!(matches!(batch.targets()[..], [Targets::Classes([1, 3])]));
        }
        // One input needs no name.
        std::fs::write(&single, image()).expect("written");
        assert_eq!(Dataset::inputs(&single, &SPEC).expect("inputs").len(), 2);

        let message = |files: &[(&str, Vec<u8>)]| {
            std::fs::write(&zip, archive(files)).expect("written");
            let error = Dataset::tensors(&zip, &SPEC).expect_err("a misfit");
            assert_eq!(error.path, zip);
            error.message
        };
        let text = message(&[("image.npy", image()), ("label.npy", label(&[3, 1, 0]))]);
        assert_eq!(text, "`label` has 3 images, but `image` has 2");
        let text = message(&[("image.npy", image()), ("label.npy", label(&[3, 4]))]);
        assert_eq!(text, "`label` number 1 is class 4, but there are 4 classes (0 to 3)");
        let text = message(&[("image.npy", image()), ("label.npy", npy("|i1", "(2,)", &[255, 0]))]);
        assert_eq!(text, "`label` number 0 is class -1, but there are 4 classes (0 to 3)");
        for odd in [1.5, f32::NAN, f32::INFINITY] {
            let floats = [0.0, odd].map(f32::to_le_bytes).concat();
            let text = message(&[("image.npy", image()), ("label.npy", npy("<f4", "(2,)", &floats))]);
            let said = std::format!("`label` number 1 is {odd}, needed are class labels, which are whole numbers");
            assert_eq!(text, said);
        }
        let text = message(&[("image.npy", npy("<f4", "(2, 36)", &x)), ("label.npy", label(&[3, 1]))]);
        assert_eq!(text, "`image` has shape [2, 36], needed is [batch, 1, 6, 6]");
        let text = message(&[("image.npy", image()), ("labels.npy", label(&[3, 1]))]);
        assert_eq!(text, "there is no tensor `label`; the file has `image`, `labels`");
    }

    /// A signal with a class, and a volume with a class at each of its places: two of each.
    static SIGNAL: &[ValueSpec] =
        &[ValueSpec { name: "signal", shape: &[2, 5], kind: TargetKind::Float, ignore: None, infers: true }];
    static VOLUME: &[ValueSpec] =
        &[ValueSpec { name: "volume", shape: &[1, 2, 3, 4], kind: TargetKind::Float, ignore: None, infers: true }];
    static TISSUE: &[ValueSpec] =
        &[ValueSpec { name: "tissue", shape: &[2, 3, 4], kind: TargetKind::Class(3), ignore: None, infers: false }];

    #[test]
    fn signals_and_volumes_are_data_too() {
        use crate::testing::numpy::{Zip, npy};
        let folder = Folder::new("axes");
        let classes: Vec<u32> = (0..48).map(|i| i % 3).collect();
        let x: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let bytes = |len: usize| x[..len].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let labels = |len: usize| classes[..len].iter().map(|class| *class as u8).collect::<Vec<u8>>();
        let cases = [
            (SIGNAL, SPEC.targets, "signal", &[2, 2, 5][..], "label", &[2][..]),
            (VOLUME, TISSUE, "volume", &[2, 1, 2, 3, 4], "tissue", &[2, 2, 3, 4]),
        ];
        for (inputs, targets, input, shape, target, map) in cases {
            let spec = Spec { inputs, targets, params: &[], ..SPEC };
            let (len, of_map) = (shape.iter().product::<usize>(), map.iter().product::<usize>());
            let tuple = |shape: &[usize]| std::format!("{shape:?},").replace(['[', ']'], "");
            let arrays = [
                (std::format!("{input}.npy"), npy("<f4", &std::format!("({})", tuple(shape)), &bytes(len))),
                (std::format!("{target}.npy"), npy("|u1", &std::format!("({})", tuple(map)), &labels(of_map))),
            ];
            let (file, zip, home) = (folder.path("x.safetensors"), folder.path("x.npz"), folder.path(input));
            let values = Values::Classes(&classes[..of_map]);
            let answers = Tensor { name: String::from(target), shape: map.to_vec(), values };
            write(&file, &[Tensor::new(input, shape, &x[..len]), answers], None).expect("written");
            let named: Vec<(&str, Vec<u8>)> = arrays.iter().map(|(name, array)| (&**name, array.clone())).collect();
            std::fs::write(&zip, Zip { deflate: true, wide: false }.archive(&named)).expect("written");
            std::fs::create_dir(&home).expect("made");
            named.iter().for_each(|(name, array)| std::fs::write(home.join(name), array).expect("written"));
            for path in [&file, &zip, &home] {
                let data = Dataset::tensors(path, &spec).unwrap_or_else(|why| panic!("{why}"));
                let mut batch = BatchData::new(&spec, 2);
                batch.load(&data, &[1, 0], Draw::default()).expect("loaded");
                let second = |all: usize| all / 2..all;
                assert_eq!(batch.inputs()[0][..len / 2], x[second(len)], "{}", path.display());
                let [Targets::Classes(found)] = batch.targets()[..] else { panic!("classes") };
                assert_eq!(found[..of_map / 2], classes[second(of_map)], "{}", path.display());
            }
        }
        // An axis too few.
        let spec = Spec { inputs: SIGNAL, params: &[], ..SPEC };
        let path = folder.path("x.safetensors");
        write(&path, &[Tensor::new("signal", &[4, 5], &x[..20])], None).expect("written");
        let error = Dataset::inputs(&path, &spec).expect_err("a misfit");
        assert_eq!(error.message, "`signal` has shape [4, 5], needed is [batch, 2, 5]");
    }
}
