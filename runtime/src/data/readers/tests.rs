use super::*;
use crate::data::{Comparison, Pixels, Raster};
use crate::testing::Folder;
use crate::testing::numpy::{Zip, npy};

/// A folder with files of these texts; those that end in `.png` become pictures of 40 × 30.
fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new("readers");
    for (name, text) in files {
        let path = folder.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        if name.ends_with(".png") {
            let raster = Raster { width: 40, height: 30, channels: 1, bytes: vec![99; 1200] };
            raster.write_png(&path).expect("written");
        } else {
            std::fs::write(&path, text).expect("written");
        }
    }
    folder
}

/// What is said, without the folder, which is another one each time.
fn complaint<T: std::fmt::Debug>(result: Result<T, FileError>) -> String {
    let error = result.expect_err("a complaint");
    format!("{}: {}", error.path.file_name().unwrap_or_default().to_string_lossy(), error.message)
}

#[test]
fn folders_are_classes() {
    let all = folder(&[("cat/b.png", ""), ("cat/a.png", ""), ("dog/c.png", ""), ("dog/notes.txt", "")]);
    let found = folders(&all.path(""), &[]).expect("a collection");
    assert_eq!(found.classes, ["cat", "dog"]);
    assert_eq!(found.examples.iter().map(|e| e.class).collect::<Vec<_>>(), [Some(0), Some(0), Some(1)]);
    let given = folders(&all.path(""), &["dog".into(), "cat".into()]).expect("a collection");
    assert_eq!(given.examples[0].class, Some(1));
    let missing = complaint(folders(&all.path(""), &["dog".into()]));
    assert_eq!(missing, "cat: there is no class `cat`; the classes are `dog`");
    assert!(complaint(folders(&all.path("cat"), &[])).contains("no folders in it"));
    assert!(complaint(folders(&all.path("none"), &[])).ends_with("there is no such folder"));
    let empty = folder(&[("cat/notes.txt", "")]);
    assert_eq!(complaint(folders(&empty.path(""), &[])), "cat: there is no picture in it");
}

#[test]
fn cifar_files_are_planes() {
    let all = Folder::new("cifar");
    let record = |label: u8| [vec![label], (0..3072).map(|i| (i / 1024) as u8 * 10).collect()].concat();
    let path = all.path("x.bin");
    std::fs::write(&path, [record(3), record(9)].concat()).expect("written");
    let found = cifar(&path, Cifar::Ten).expect("a collection");
    assert_eq!((found.examples.len(), found.examples[1].class), (2, Some(9)));
    let Pixels::Memory(raster) = &found.examples[0].pixels else { panic!("in memory") };
    assert_eq!(raster.bytes[..6], [0, 10, 20, 0, 10, 20]);
    // The fine label of CIFAR-100 is the second one; whether a file is compressed is seen from its first bytes.
    let plain = [vec![19], record(99), vec![2], record(0)].concat();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &plain).expect("in memory");
    let packed = encoder.finish().expect("in memory");
    for bytes in [&plain, &packed] {
        std::fs::write(&path, bytes).expect("written");
        let found = cifar(&path, Cifar::Hundred).expect("a collection");
        assert_eq!(found.examples.iter().map(|e| e.class).collect::<Vec<_>>(), [Some(99), Some(0)]);
        let Pixels::Memory(raster) = &found.examples[1].pixels else { panic!("in memory") };
        assert_eq!(raster.bytes[3069..], [0, 10, 20]);
    }
    std::fs::write(&path, &packed[..packed.len() / 2]).expect("written");
    assert!(complaint(cifar(&path, Cifar::Hundred)).starts_with("x.bin: the compressed data is damaged"));
    std::fs::write(&path, [vec![0], record(100)].concat()).expect("written");
    let said = complaint(cifar(&path, Cifar::Hundred));
    assert_eq!(said, "x.bin: byte 1: image 0 is class 100, but there are 100 classes");
    std::fs::write(&path, record(10)).expect("written");
    assert_eq!(complaint(cifar(&path, Cifar::Ten)), "x.bin: byte 0: image 0 is class 10, but there are 10 classes");
    std::fs::write(&path, [0; 100]).expect("written");
    assert!(complaint(cifar(&path, Cifar::Hundred)).contains("no multiple of 3074"));
}

#[test]
fn idx_files_have_a_label_for_each_picture() {
    let all = Folder::new("labels");
    let (images, labels) = (all.path("images"), all.path("labels"));
    let header = |dims: &[u8]| {
        [&[0, 0, 8, dims.len() as u8][..], &dims.iter().flat_map(|dim| [0, 0, 0, *dim]).collect::<Vec<u8>>()].concat()
    };
    std::fs::write(&images, [header(&[2, 2, 3]), (0..12).collect()].concat()).expect("written");
    std::fs::write(&labels, [header(&[2]), vec![5, 7]].concat()).expect("written");
    let found = idx(&images, &labels).expect("a collection");
    assert_eq!(found.examples.iter().map(|e| e.class).collect::<Vec<_>>(), [Some(5), Some(7)]);
    for wrong in [[header(&[3]), vec![5, 7, 1]].concat(), [header(&[2, 1]), vec![5, 7]].concat()] {
        std::fs::write(&labels, wrong).expect("written");
        let said = complaint(idx(&images, &labels));
        assert!(said.starts_with("labels: labels of [") && said.ends_with("images has 2 images"), "{said}");
    }
}

const VOC: &str = "<annotation>
  <filename>a.png</filename>
  <size><width>40</width><height>30</height><depth>1</depth></size>
  <object>
    <name>dog</name>
    <bndbox><xmin>1</xmin><ymin>5</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>
  </object>
</annotation>";

#[test]
fn voc_counts_from_one() {
    let all = folder(&[("labels/a.xml", VOC), ("images/a.png", "")]);
    let read = |names: &[String]| voc(&all.path("labels"), &all.path("images"), names);
    let found = read(&[]).expect("a collection");
    assert_eq!(found.classes, ["dog"]);
    assert_eq!(found.examples[0].boxes, [(Corners { x1: 0.0, y1: 4.0, x2: 20.0, y2: 30.0 }, 0)]);
    let plain = VOC.replace("<width>40</width><height>30", "<width>0</width><height>0");
    let (size, width) = ("<size><width>40</width><height>30</height><depth>1</depth></size>", "<width>40</width>");
    for unsaid in [plain, VOC.replace(size, ""), VOC.replace(width, "")] {
        std::fs::write(all.path("labels/a.xml"), unsaid).expect("written");
        assert_eq!(read(&[]).expect("a size that is not said").examples, found.examples);
    }
    std::fs::write(all.path("labels/a.xml"), VOC).expect("written");
    assert_eq!(complaint(read(&["cat".into()])), "a.xml: line 4: there is no class `dog`; the classes are `cat`");
    assert!(complaint(read(&["dogs".into(), "cat".into()])).ends_with("`dogs`, `cat`; did you mean `dogs`?"));
    let picture = std::fs::read(all.path("images/a.png")).expect("a picture");
    std::fs::write(all.path("images/a.png"), "").expect("written");
    assert!(complaint(read(&[])).ends_with("a.png: the file is empty"));
    std::fs::write(all.path("images/a.png"), picture).expect("written");
    let cases = [
        (
            VOC.replace("<xmax>20", "<xmax>45"),
            "a.xml: line 6: the box from (0, 4) to (45, 30) lies outside of its picture of 40 x 30, by 5 pixels across",
        ),
        (VOC.replace("<xmax>20", "<xmax>much"), "a.xml: line 6: `xmax` is `much`, but it must be a number"),
        (VOC.replace("<ymin>5</ymin>", ""), "a.xml: line 6: `bndbox` has no `ymin`"),
        (VOC.replace("</object>", ""), "a.xml: line 8: no valid XML"),
        (VOC.replace("<xmin>1", "<xmin>21"), "a.xml: line 6: the box from (20, 4) to (20, 30) has no area"),
        (
            VOC.replace("<name>dog", "<difficult>no</difficult><name>dog"),
            "a.xml: line 5: `difficult` is `no`, but it must",
        ),
        (VOC.replace("<width>40", "<width>wide"), "a.xml: line 3: `width` is `wide`, but it must be a number"),
        (VOC.replace("<width>40", "<width>80"), "a.xml: line 3: the size is 80 x 30, but the picture has 40 x 30"),
        (VOC.replace("<filename>a.png", "<filename>b.png"), "a.xml: line 2: "),
    ];
    for (text, expected) in cases {
        std::fs::write(all.path("labels/a.xml"), text).expect("written");
        let said = complaint(read(&[]));
        assert!(said.starts_with(expected), "`{said}` should be `{expected}`");
    }
}

#[test]
fn difficult_objects_are_learnt_from_and_marked() {
    let object = |difficult: u8, xmax: u8| {
        format!(
            "<object><name>dog</name><difficult>{difficult}</difficult>\
             <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{xmax}</xmax><ymax>9</ymax></bndbox></object>"
        )
    };
    let size = "<filename>a.png</filename><size><width>40</width><height>30</height></size>";
    let text = format!("<annotation>{size}{}{}</annotation>", object(1, 10), object(0, 20));
    let all = folder(&[("labels/a.xml", &text), ("images/a.png", "")]);
    let found = voc(&all.path("labels"), &all.path("images"), &[]).expect("a collection");
    let [a] = &found.examples[..] else { panic!("one picture") };
    assert_eq!((a.boxes.len(), a.truths.iter().map(|t| t.difficult).collect::<Vec<_>>()), (2, vec![true, false]));
}

const COCO: &str = r#"{"images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 30}],
"categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
"annotations": [{"id": 5, "image_id": 7, "category_id": 18, "bbox": [1, 2, 10, 20], "iscrowd": 0}]}"#;

#[test]
fn coco_numbers_classes_anew() {
    let all = folder(&[("a.json", COCO), ("images/a.png", "")]);
    let read = || coco(&all.path("a.json"), &all.path("images"));
    let found = read().expect("a collection");
    assert_eq!((&found.classes[..], found.examples.len()), (&["car".to_owned(), "dog".into()][..], 1));
    assert_eq!(found.examples[0].boxes, [(Corners::from_corner(1.0, 2.0, 10.0, 20.0), 1)]);
    for unsaid in ["", ", \"width\": 0, \"height\": 0", ", \"height\": null"] {
        let text = COCO.replace(", \"width\": 40, \"height\": 30", unsaid);
        std::fs::write(all.path("a.json"), text).expect("written");
        assert_eq!(read().expect("a size that is not said").examples, found.examples);
    }
    let cases = [
        (
            COCO.replace("40", "\"wide\""),
            "a.json: line 1: images[0] (id 7): `width` is \"wide\", but it must be a number",
        ),
        (
            COCO.replace("\"image_id\": 7", "\"image_id\": 8"),
            "a.json: line 3: annotations[0] (id 5): there is no image with the id 8",
        ),
        (
            COCO.replace("\"category_id\": 18", "\"category_id\": 1"),
            "a.json: line 3: annotations[0] (id 5): there is no category with the id 1",
        ),
        (COCO.replace("[1, 2, 10, 20]", "[1, 2, 10]"), "a.json: line 3: annotations[0] (id 5): `bbox` is [1,2,10]"),
        (
            COCO.replace("[1, 2, 10, 20]", "[1, 2, 50, 20]"),
            "a.json: line 3: annotations[0] (id 5): the box from (1, 2) to (51, 22) lies outside",
        ),
        (
            COCO.replace("\"width\": 40", "\"width\": 80"),
            "a.json: line 1: images[0] (id 7): it is 80 x 30, but the picture has 40 x 30",
        ),
        (COCO.replace("a.png", "b.png"), "a.json: line 1: images[0] (id 7): "),
        (COCO.replace("{\"id\": 3", "\n\n{\"no\": 3"), "a.json: line 4: categories[1]: it has no `id`"),
        (COCO.replace("\"images\"", "\"pictures\""), "a.json: it has no list `images`"),
        (COCO[..90].to_owned(), "a.json: line 2, column"),
    ];
    for (text, expected) in cases {
        std::fs::write(all.path("a.json"), text).expect("written");
        let said = complaint(read());
        assert!(said.starts_with(expected), "`{said}` should be `{expected}`");
    }
}

#[test]
fn crowds_and_empty_boxes_of_coco_are_only_judged_by() {
    let more = r#"{"image_id": 7, "category_id": 3, "bbox": [0, 0, 30, 30], "iscrowd": 1, "area": 555.5},
{"image_id": 7, "category_id": 3, "bbox": [4, 4, 9, 0], "area": 8}, {"id": 5,"#;
    let all = folder(&[("a.json", &COCO.replace("{\"id\": 5,", more)), ("images/a.png", "")]);
    let found = coco(&all.path("a.json"), &all.path("images")).expect("a collection");
    let [a] = &found.examples[..] else { panic!("one picture") };
    assert_eq!(a.boxes, [(Corners::from_corner(1.0, 2.0, 10.0, 20.0), 1)]);
    let marks: Vec<_> = a.truths.iter().map(|t| (t.crowd, t.area, t.class)).collect();
    assert_eq!(marks, [(true, Some(555.5), 0), (false, Some(8.0), 0), (false, None, 1)]);
}

#[test]
fn yolo_has_shares() {
    let all = folder(&[("a.png", ""), ("b.png", ""), ("a.txt", "1 0.5 0.5 0.25 0.5\n\n0 0.1 0.1 0.1 0.1\n")]);
    let read = |names: &[String]| yolo(&all.path(""), &all.path(""), names);
    let found = read(&[]).expect("a collection");
    assert_eq!(found.examples[0].boxes[0], (Corners { x1: 15.0, y1: 7.5, x2: 25.0, y2: 22.5 }, 1));
    assert_eq!(found.examples[1].boxes, []);
    assert_eq!(complaint(read(&["a".into()])), "a.txt: line 1: class 1, but there are 1 classes (0 to 0)");
    let cases = [
        ("0 0.5 0.5 0.5\n", "a.txt: line 1: 4 numbers, but `class x y width height` are five"),
        ("0 0.5 0.5 0.5 0.5\nx 0 0 0 0", "a.txt: line 2: `x` is no number of a class"),
        ("0 50 0.5 0.5 0.5", "a.txt: line 1: 50 is no share of the picture"),
        ("0 0.1 0.5 0.5 0.5", "a.txt: line 1: the box from (-6, 7.5) to (14, 22.5) lies outside"),
    ];
    for (text, expected) in cases {
        std::fs::write(all.path("a.txt"), text).expect("written");
        let said = complaint(read(&[]));
        assert!(said.starts_with(expected), "`{said}` should be `{expected}`");
    }
}

#[test]
fn landmarks_are_a_table() {
    let all = folder(&[("a.png", ""), ("b.png", ""), ("p.csv", "file,x1,y1\na.png,1,2\nb.png, 3.5, 4\n")]);
    let read = || landmarks(&all.path("p.csv"), &all.path(""));
    let found = read().expect("a collection");
    assert_eq!(found.examples.iter().map(|e| e.points[0]).collect::<Vec<_>>(), [[1.0, 2.0], [3.5, 4.0]]);
    let cases = [
        ("a.png,1,2\nb.png,1\n", "p.csv: line 2: 1 numbers behind the file"),
        ("a.png,1,2\nb.png,1,2,3,4\n", "p.csv: line 2: 2 points, but the first picture has 1"),
        ("a.png,1,2\nb.png,1,zwei\n", "p.csv: line 2: column 3: `zwei` is no number"),
        ("a.png,1,200\n", "p.csv: line 1: the point (1, 200) lies outside of its picture of 40 x 30"),
        ("c.png,1,2\n", "p.csv: line 1: "),
        ("", "p.csv: there is no picture in it"),
    ];
    for (text, expected) in cases {
        std::fs::write(all.path("p.csv"), text).expect("written");
        let said = complaint(read());
        assert!(said.starts_with(expected), "`{said}` should be `{expected}`");
    }
}

#[test]
fn boxes_are_a_table() {
    let head = "file,split,class,xmin,ymin,xmax,ymax";
    let text = format!("{head}\na.png,train,dog,1,2,30,20\na.png,train,cat,5,5,41,30\nb.png,val,cat,0,0,9,9\n");
    let all = folder(&[("a.png", ""), ("b.png", ""), ("b.csv", &text)]);
    let read = |split, classes: &[String]| boxes(&all.path("b.csv"), &all.path(""), split, classes);
    let train = read(Some("train"), &[]).expect("a collection");
    assert_eq!(train.classes, ["cat", "dog"]);
    let [a] = &train.examples[..] else { panic!("one picture") };
    // A pixel beyond the side is cut off.
    let corners = |x1, y1, x2, y2| Corners { x1, y1, x2, y2 };
    assert_eq!(a.boxes, [(corners(1.0, 2.0, 30.0, 20.0), 1), (corners(5.0, 5.0, 40.0, 30.0), 0)]);
    assert_eq!(read(None, &["dog".into(), "cat".into()]).expect("a collection").examples[1].boxes[0].1, 1);
    let cases = [
        (format!("{head}\na.png,train,dog,1,2,3\n"), "b.csv: line 2: 6 fields, but the heading has 7"),
        (format!("{head}\na.png,train,dog,1,2,x,4\n"), "b.csv: line 2: `x` is no number"),
        (format!("{head}\na.png,train,dog,1,2,300,4\n"), "b.csv: line 2: the box from (1, 2) to (300, 4) lies outside"),
        (format!("{head}\na.png,val,dog,1,2,3,4\n"), "b.csv: there is no split `train`; the splits are `val`"),
        (head.replace(",split", "") + "\n", "b.csv: line 1: there is no column `split` in the heading"),
        (
            "file,class,xmin\n".to_owned(),
            "b.csv: line 1: there is no column `ymin` in the heading; `file, class, xmin, ymin, xmax, ymax` are needed",
        ),
    ];
    for (text, expected) in cases {
        std::fs::write(all.path("b.csv"), text).expect("written");
        let said = complaint(read(Some("train"), &[]));
        assert!(said.starts_with(expected), "`{said}` should be `{expected}`");
    }
}

#[test]
fn comparisons_are_a_list() {
    let pairs = "first,second,same\na.png,b.png,1\n\nb.png,a.png,0\n";
    let all = folder(&[("a.png", ""), ("b.png", ""), ("c.png", ""), ("g.csv", pairs)]);
    let read = |compared| comparisons(&all.path("g.csv"), &all.path(""), compared);
    let found = read(Compared::Pairs).expect("pairs");
    assert_eq!(found.photos.examples.len(), 2, "each photo once");
    assert_eq!(found.list, [Comparison::Pair([0, 1], true), Comparison::Pair([1, 0], false)]);
    let write = |text: &str| std::fs::write(all.path("g.csv"), text).expect("written");
    // Columns have their meaning by their names, and there may be others.
    write("negative;who;anchor;positive\nc.png;Ada;a.png;b.png\n");
    assert_eq!(read(Compared::Triplets).expect("triplets").list, [Comparison::Triplet([0, 1, 2])]);
    let cases = [
        ("first,second,same\na.png,b.png\n", "g.csv: line 2: 2 fields, but the heading has 3"),
        ("first,second,same\na.png,b.png,1\na.png,b.png,2\n", "g.csv: line 3: `same` is `2`, but it must be 1,"),
        ("first,second,same\na.png,d.png,1\n", "g.csv: line 2: "),
        ("first,second,same\n", "g.csv: there is nothing below the heading"),
        ("a.png,b.png,1\n", "g.csv: line 1: there is no column `first` in the heading; `first, second, same` are"),
        ("\n\nfirst,second\na.png,b.png\n", "g.csv: line 3: there is no column `same`"),
        ("", "g.csv: line 1: there is no column `first`"),
    ];
    for (text, expected) in cases {
        write(text);
        let said = complaint(read(Compared::Pairs));
        assert!(said.starts_with(expected), "`{said}` should be `{expected}`");
    }
    write("first,second,same\na.png,d.png,1\n");
    assert!(complaint(read(Compared::Pairs)).ends_with("d.png: there is no such file"));
}

/// The first array of a file or a folder.
fn array(path: &std::path::Path) -> Result<Array, FileError> {
    let arrays = Arrays::open(path)?;
    arrays.read(arrays.names()[0])
}

#[test]
fn arrays_of_numpy() {
    let all = Folder::new("npy");
    let path = all.path("x.npy");
    assert!(complaint(Arrays::open(&path)).ends_with("there is no such file"));
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).expect("written");
    write(&npy("<f4", "(2, 1)", &[0, 0, 128, 63, 0, 0, 0, 64]));
    assert_eq!(Arrays::open(&path).expect("arrays").names(), ["x"]);
    assert_eq!(array(&path), Ok(Array { shape: vec![2, 1], values: vec![1.0, 2.0] }));
    write(&npy("<i8", "(1,)", &[255; 8]));
    assert_eq!(array(&path).expect("an array").values, [-1.0]);
    write(&npy("|u1", "(3,)", &[1, 2]));
    assert!(complaint(array(&path)).contains("truncated or damaged"));
    write(b"PK");
    assert!(complaint(array(&path)).contains("no valid .npy file"));
    std::fs::write(all.path("x.npz"), b"PK").expect("written");
    assert!(complaint(Arrays::open(&all.path("x.npz"))).contains("no valid .npz file"));
}

#[test]
fn folders_of_arrays() {
    let all = Folder::new("npy");
    assert_eq!(complaint(Arrays::open(&all.path(""))).split(": ").nth(1), Some("there is no .npy file in it"));
    std::fs::write(all.path("b.npy"), npy("|u1", "(2,)", &[1, 2])).expect("written");
    std::fs::write(all.path("a.npy"), npy("<f8", "()", &1.5_f64.to_le_bytes())).expect("written");
    std::fs::write(all.path("words.npy"), npy("<U2", "(1,)", &[0; 8])).expect("written");
    std::fs::write(all.path("notes.txt"), "").expect("written");
    let arrays = Arrays::open(&all.path("")).expect("arrays");
    assert_eq!(arrays.names(), ["a", "b", "words"]);
    assert_eq!(arrays.read("a"), Ok(Array { shape: vec![], values: vec![1.5] }));
    assert_eq!(arrays.read("b"), Ok(Array { shape: vec![2], values: vec![1.0, 2.0] }));
    assert!(complaint(arrays.read("words")).starts_with("words.npy: its elements are `<U2`"), "the file is named");
    assert!(complaint(arrays.read("c")).ends_with("there is no array `c`, but `a`, `b`, `words`"));
}

#[test]
fn archives_of_arrays() {
    let all = Folder::new("npz");
    let path = all.path("x.npz");
    let files = [
        ("image.npy", npy("<f4", "(1, 2)", &[0, 0, 128, 63, 0, 0, 0, 64])),
        ("label.npy", npy("<i8", "(1,)", &[3; 8])),
    ];
    for zip in
        [Zip { deflate: false, wide: false }, Zip { deflate: true, wide: false }, Zip { deflate: true, wide: true }]
    {
        let bytes = zip.archive(&files);
        std::fs::write(&path, &bytes).expect("written");
        let arrays = Arrays::open(&path).expect("arrays");
        assert_eq!(arrays.names(), ["image", "label"]);
        assert_eq!(arrays.read("image"), Ok(Array { shape: vec![1, 2], values: vec![1.0, 2.0] }));
        assert_eq!(arrays.read("label").expect("an array").values, [i64::from_le_bytes([3; 8]) as f64]);
        // Damage is an error or harmless, and never ends the program.
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).expect("written");
            assert!(complaint(Arrays::open(&path)).starts_with("x.npz: "));
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            std::fs::write(&path, &damaged).expect("written");
            let _ = Arrays::open(&path)
                .map(|arrays| arrays.names().iter().filter(|name| arrays.read(name).is_ok()).count());
        }
    }
    let other = Zip { deflate: false, wide: false }.archive(&[("x.npy", npy(">f4", "(1,)", &[0; 4]))]);
    std::fs::write(&path, other).expect("written");
    assert!(complaint(array(&path)).starts_with("x.npz: `x`: its elements are `>f4`; floats or whole numbers"));
}
