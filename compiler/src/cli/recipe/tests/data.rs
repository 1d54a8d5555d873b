//! What recipes read and do to it.

use std::path::Path;

use cnnc_runtime::augment::Sample;
use cnnc_runtime::data::{Collection, Raster};
use cnnc_runtime::harness::collect;
use cnnc_runtime::random::Random;

use super::super::*;

/// A folder with files of these contents; those that end in `.png` become pictures of 40 × 30.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        if name.ends_with(".png") {
            let raster = Raster { width: 40, height: 30, channels: 1, bytes: vec![99; 1200] };
            raster.write_png(&path).expect("written");
        } else {
            std::fs::write(&path, bytes).expect("written");
        }
    }
    folder
}

/// The recipe that learns from this, and does `more`.
fn recipe(home: &Path, train: &str, more: &str) -> Result<Recipe, String> {
    let path = home.join("r.yaml");
    std::fs::write(&path, format!("spec: lenet5\ndata: {{ train: {train} }}\nepochs: 1\n{more}")).expect("written");
    Recipe::read(&path, None).map_err(|failed| match failed {
        Failed::Input(text) => text,
        other => panic!("{other:?}"),
    })
}

/// The pictures that it learns from.
fn pictures(home: &Path, train: &str) -> Collection {
    let recipe = recipe(home, train, "").unwrap_or_else(|why| panic!("{why}"));
    let source = recipe.learnt_from();
    collect(&source.files, &recipe.classes).unwrap_or_else(|why| panic!("{train}: {why}")).expect("pictures")
}

const VOC: &[u8] = b"<annotation><filename>a.png</filename>
<size><width>40</width><height>30</height></size>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>";

const COCO: &[u8] = br#"{"images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 30}],
"categories": [{"id": 3, "name": "dog"}], "annotations": [{"image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 30]}]}"#;

#[test]
fn each_kind_of_pictures_is_learnt_from() {
    let cifar10 = [[4; 3073], [5; 3073]].concat();
    let cifar100 = [7; 3074];
    let home = folder(&[
        ("images/a.png", b""),
        ("images/b.png", b""),
        ("classes/cat/a.png", b""),
        ("classes/dog/b.png", b""),
        ("ten.bin", &cifar10),
        ("hundred.bin", &cifar100),
        ("voc/a.xml", VOC),
        ("coco.json", COCO),
        ("yolo/a.txt", b"0 0.25 0.5 0.5 1"),
        ("boxes.csv", b"file,class,xmin,ymin,xmax,ymax\na.png,dog,0,0,20,30\n"),
        ("points.csv", b"a.png,1,2,3,4\nb.png,5,6,7,8\n"),
        ("pairs.csv", b"first,second,same\na.png,b.png,1\nb.png,a.png,0\n"),
        ("triplets.csv", b"anchor,positive,negative\na.png,b.png,a.png\n"),
    ]);
    let beside = |kind: &str, file: &str| format!("{{ {kind}: {{ images: images, annotations: {file} }} }}");
    let read = |train: &str| pictures(home.path(), train).examples;
    let classes = |train: &str| read(train).iter().map(|example| example.class).collect::<Vec<_>>();
    assert_eq!(classes("{ folders: classes }"), [Some(0), Some(1)]);
    assert_eq!(classes("{ cifar10: [ten.bin, ten.bin] }"), [4, 5, 4, 5].map(Some));
    assert_eq!(classes("{ cifar100: [hundred.bin] }"), [Some(7)]);
    for (kind, file) in [("voc", "voc"), ("coco", "coco.json"), ("yolo", "yolo"), ("boxes", "boxes.csv")] {
        let examples = read(&beside(kind, file));
        let (b, class) = examples[0].boxes[0];
        assert_eq!((b.x1, b.y1, b.x2, b.y2, class), (0.0, 0.0, 20.0, 30.0, 0), "{kind}");
    }
    assert_eq!(read(&beside("landmarks", "points.csv"))[1].points, [[5.0, 6.0], [7.0, 8.0]]);
    for (kind, file) in [("pairs", "pairs.csv"), ("triplets", "triplets.csv")] {
        assert_eq!(read(&beside(kind, file)).len(), 2, "{kind}");
    }
}

#[test]
fn tensors_are_a_file_or_a_folder() {
    let home = folder(&[("data.npz", b""), ("data/image.npy", b"")]);
    for path in ["data.npz", "data"] {
        let recipe = recipe(home.path(), &format!("{{ tensors: {path} }}"), "").unwrap_or_else(|why| panic!("{why}"));
        let expected = Files::Tensors { path: home.path().join(path) };
        assert_eq!(recipe.learnt_from().files, expected);
        assert_eq!(collect(&expected, &[]).map(|pictures| pictures.is_some()), Ok(false));
    }
}

#[test]
fn data_that_is_not_there_is_said() {
    let home = folder(&[("images/a.png", b"")]);
    let said = |train: &str| recipe(home.path(), train, "").expect_err("a mistake");
    assert!(said("{ tensors: none }").contains("there is no such file or folder"));
    assert!(said("{ pairs: { images: images, annotations: none.csv } }").contains("there is no such file"));
    assert!(said("{ triplets: { images: none, annotations: images/a.png } }").contains("there is no such folder"));
    let two = said("{ folders: images, pairs: { images: images, annotations: images/a.png } }");
    assert!(two.contains("does not say where its data is") && two.contains("`pairs` and `triplets`"), "{two}");
}

#[test]
fn each_step_of_augmentation_is_done() {
    let home = folder(&[("classes/cat/a.png", b"")]);
    let steps = [
        "mirror: 1",
        "mirror: { share: 1, swap: [[0, 1]] }",
        "random_crop: { pad: 4 }",
        "resized_crop: { area: [0.3, 0.5] }",
        "color: { brightness: 0.4, contrast: 0.2, saturation: 0.3, hue: 0.1 }",
        "pca_color: 0.5",
        "rotate: 30",
        "shear: 20",
        "warp: { strength: 0.1, places: 3 }",
        "piece: { share: 0.5, place: [1, 0] }",
        "cutout: 6",
        "mixup: 0.4",
        "mosaic: 1",
    ];
    let bytes = (0..40 * 30 * 3).map(|i| (i * 7 % 200) as u8).collect();
    let raster = Raster { width: 40, height: 30, channels: 3, bytes };
    let sample = Sample { raster, classes: vec![(0, 1.0)], boxes: vec![], points: vec![[4.0, 5.0], [9.0, 5.0]] };
    let dark = Sample { raster: Raster { bytes: vec![0; 3600], ..sample.raster.clone() }, ..sample.clone() };
    for text in steps {
        let recipe = recipe(home.path(), "{ folders: classes }", &format!("augment: [{{ {text} }}]\n"));
        let pipeline = recipe.unwrap_or_else(|why| panic!("{why}")).augment().clone();
        assert_eq!(pipeline.0.len(), 1);
        assert!(text.starts_with(pipeline.0[0].name()), "{text} is {:?}", pipeline.0[0]);
        let mut other = |_: &mut Random| Ok::<_, ()>(dark.clone());
        let changed = pipeline.apply(sample.clone(), &mut Random::new(3), &mut other).expect("nothing fails");
        assert_ne!(changed.raster, sample.raster, "{text}");
    }
}
