//! Recipes for each kind of data learn from a few pictures in one epoch. Kinds that a network takes alike share its program.

use std::path::Path;

use cnnc_runtime::data::Raster;

use super::{folder, said};

/// A network for each kind of target; pictures are stretched to their inputs.
const NETS: &str = "block tower(x, dim) {
    return x |> conv(4, 3, stride: 4) |> relu |> global_avg_pool |> flatten |> dense(dim)
}

net Which {
    input image: [3, 16, 16]
    logits = image |> tower(10)
    output logits
    target label: class(10)
    loss cross_entropy(logits, label)
}

net Places {
    input image: [3, 16, 16]
    places = image |> tower(4)
    output places
    target points: [4]
    loss mse(places, points)
}

net Same {
    input left, right: [3, 16, 16]
    embed = shared tower(4) as tower
    a = embed(left)
    b = embed(right)
    output embedding = a
    target same: [1]
    loss binary_cross_entropy_with_logits(abs(a - b) |> dense(1) as head, same)
}

net Nearer {
    input anchor, positive, negative: [3, 16, 16]
    embed = shared tower(4) as tower
    a = embed(anchor)
    output embedding = a
    loss triplet(a, embed(positive), embed(negative))
}
";

/// Grey pictures of 40 by 30 pixels.
const PICTURES: usize = 6;

/// All that the readers of data sets read: pictures, what is known of them, arrays.
fn all_kinds(home: &Path) {
    let write = |name: &str, bytes: &[u8]| {
        let path = home.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("a file");
    };
    write("kinds.net", NETS.as_bytes());
    std::fs::create_dir_all(home.join("images")).expect("a folder");
    let (mut coco_images, mut coco_boxes) = (Vec::new(), Vec::new());
    let (mut points, mut pairs) = (String::new(), "first,second,same\n".to_owned());
    let mut triplets = "anchor,positive,negative\n".to_owned();
    for n in 0..PICTURES {
        let bytes = (0..40 * 30).map(|i| (i * (n + 1) % 251) as u8).collect();
        let picture = Raster { width: 40, height: 30, channels: 1, bytes };
        picture.write_png(&home.join(format!("images/{n}.png"))).expect("a picture");
        let (class, x) = (["cat", "dog"][n % 2], 2 + n);
        let voc = format!(
            "<annotation><filename>{n}.png</filename><size><width>40</width><height>30</height></size><object><name>{class}</name>\
             <bndbox><xmin>{}</xmin><ymin>5</ymin><xmax>{}</xmax><ymax>24</ymax></bndbox></object></annotation>",
            x + 1,
            x + 20
        );
        write(&format!("voc/{n}.xml"), voc.as_bytes());
        write(&format!("yolo/{n}.txt"), format!("{} 0.3 0.4 0.5 0.5", n % 2).as_bytes());
        coco_images.push(format!(r#"{{"id": {n}, "file_name": "{n}.png", "width": 40, "height": 30}}"#));
        coco_boxes.push(format!(r#"{{"image_id": {n}, "category_id": {}, "bbox": [{x}, 4, 20, 20]}}"#, 3 + n % 2));
        points += &format!("{n}.png,{x},15,{},15\n", x + 10);
        pairs += &format!("{n}.png,{}.png,{}\n", (n + 1) % PICTURES, n % 2);
        triplets += &format!("{n}.png,{}.png,{}.png\n", (n + 2) % PICTURES, (n + 1) % PICTURES);
    }
    let categories = r#"[{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}]"#;
    let (images, boxes) = (coco_images.join(","), coco_boxes.join(","));
    let coco = format!(r#"{{"images": [{images}], "categories": {categories}, "annotations": [{boxes}]}}"#);
    write("coco.json", coco.as_bytes());
    write("points.csv", points.as_bytes());
    write("pairs.csv", pairs.as_bytes());
    write("triplets.csv", triplets.as_bytes());
    let record = |label: usize| (0..3073).map(move |i| if i == 0 { label as u8 } else { (i * label) as u8 });
    write("cifar.bin", &(0..PICTURES).flat_map(record).collect::<Vec<u8>>());

    let pixels: Vec<u8> = (0..PICTURES * 768).flat_map(|i| ((i % 97) as f32 / 97.0).to_le_bytes()).collect();
    let labels: Vec<u8> = (0..PICTURES as i32).flat_map(i32::to_le_bytes).collect();
    let files = [("image.npy", npy("<f4", "(6, 3, 16, 16)", &pixels)), ("label.npy", npy("<i4", "(6,)", &labels))];
    write("arrays.npz", &zip(&files));
    files.iter().for_each(|(name, bytes)| write(&format!("arrays/{name}"), bytes));
    let view = |dtype, shape: &[usize], data| {
        safetensors::tensor::TensorView::new(dtype, shape.to_vec(), data).expect("a tensor")
    };
    let tensors = [
        ("image", view(safetensors::Dtype::F32, &[PICTURES, 3, 16, 16], &pixels[..])),
        ("label", view(safetensors::Dtype::I32, &[PICTURES], &labels[..])),
    ];
    write("arrays.safetensors", &safetensors::serialize(tensors, None).expect("a file"));
}

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// Files as `numpy.savez` puts them together: nothing is packed, and checksums are zero.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, plain) in files {
        let place = (bytes.len() as u32).to_le_bytes();
        let size = (plain.len() as u32).to_le_bytes();
        let about = [&[20, 0][..], &[0; 12], &size, &size, &(name.len() as u32).to_le_bytes()].concat();
        bytes.extend([b"PK\x03\x04", &about[..], name.as_bytes(), plain].concat());
        list.extend([b"PK\x01\x02\x14\x00", &about[..], &[0; 10], &place, name.as_bytes()].concat());
    }
    let count = (files.len() as u16).to_le_bytes();
    let [size, start] = [list.len(), bytes.len()].map(|n| (n as u32).to_le_bytes());
    bytes.extend(list);
    bytes.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &size, &start, &[0; 2]].concat());
    bytes
}

/// Data as recipes say it, and the network for it.
const KINDS: [(&str, &str, &str); 10] = [
    ("cifar", "Which", "cifar10: [cifar.bin]"),
    ("voc", "Which", "voc: { images: images, annotations: voc }"),
    ("coco", "Which", "coco: { images: images, annotations: coco.json }"),
    ("yolo", "Which", "yolo: { images: images, annotations: yolo }"),
    ("npz", "Which", "tensors: arrays.npz"),
    ("npy", "Which", "tensors: arrays"),
    ("safetensors", "Which", "tensors: arrays.safetensors"),
    ("landmarks", "Places", "landmarks: { images: images, annotations: points.csv }"),
    ("pairs", "Same", "pairs: { images: images, annotations: pairs.csv }"),
    ("triplets", "Nearer", "triplets: { images: images, annotations: triplets.csv }"),
];

#[test]
fn each_kind_of_data_is_learnt_from() {
    let home = folder();
    let home = home.path();
    all_kinds(home);
    for (name, net, data) in KINDS {
        let steps = if data.contains("images") { "augment: [mirror: 0.5]\n" } else { "" };
        let recipe =
            format!("spec: kinds.net\nnet: {net}\ndata: {{ train: {{ {data} }} }}\nepochs: 1\nbatch: 4\n{steps}");
        std::fs::write(home.join(format!("{name}.yaml")), recipe).expect("a recipe");
        let text = said(home, &["train", &format!("{name}.yaml")]);
        assert!(text.contains("\n6 images to learn from; 1 epoch, batches of 4"), "{name}: {text}");
        let loss = text.split("\nepoch 1/1  loss ").nth(1).and_then(|rest| rest.split_whitespace().next());
        assert!(loss.is_some_and(|loss| loss.parse::<f64>().is_ok_and(f64::is_finite)), "{name}: {text}");
        assert!(home.join(format!("runs/{name}/weights.safetensors")).is_file(), "{name}");
        let tags = scalars(&home.join("runs").join(name));
        assert!(tags.contains(&"loss/learnt".to_owned()), "{name}: {tags:?}");
    }
    for (name, is_marked) in [("voc", true), ("coco", true), ("yolo", true), ("landmarks", true), ("pairs", false)] {
        let recipe = format!("{name}.yaml");
        let options = ["--pictures", "1", "--variants", "1", "-o", "sheet.png"];
        let text = said(home, &[&["augment", &recipe], &options[..]].concat());
        assert!(text.starts_with("sheet.png: 1 pictures, each as it is, after each step alone"), "{text}");
        let sheet = Raster::read(&home.join("sheet.png")).expect("a sheet");
        // As it is, mirrored, and after all steps: boxes and points are what has a colour, but for the strips below.
        let third = sheet.width / 3;
        let mut marked = [0; 3];
        for (i, pixel) in sheet.bytes.as_chunks::<3>().0.iter().enumerate() {
            let [r, g, b] = pixel.map(i32::from);
            marked[(i % sheet.width / third).min(2)] += usize::from((r - g).abs().max((g - b).abs()) > 30);
        }
        assert_eq!(marked.map(|pixels| pixels > 20), [is_marked; 3], "{name}: {marked:?}");
    }
}

/// The names of the numbers in the only event file of a run, which must be whole: records of a length, its checksum, so many bytes of
/// `Event`, and their checksum.
fn scalars(run: &Path) -> Vec<String> {
    let files = std::fs::read_dir(run).expect("a folder").flatten().map(|file| file.path());
    let is_events = |path: &std::path::PathBuf| path.to_string_lossy().contains("events.out.tfevents.");
    let all: Vec<_> = files.filter(is_events).collect();
    let [file] = &all[..] else { panic!("{all:?}") };
    let bytes = std::fs::read(file).expect("a file");
    let (mut rest, mut names) = (&bytes[..], Vec::new());
    while let Some((length, body)) = rest.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        assert!(length >= 9 && body.len() >= length + 8, "a record is cut off");
        // The time, then the version of the format, or the number of the epoch and a summary: a name, and four bytes of a number.
        match &body[4 + 9..4 + length] {
            [0x1a, _, version @ ..] => assert_eq!(version, b"brain.Event:2"),
            [0x10, 1, 0x2a, _, 0x0a, _, 0x0a, _, name @ .., 0x15, _, _, _, _] => {
                names.push(String::from_utf8(name.to_vec()).expect("a name"));
            }
            other => panic!("{other:?}"),
        }
        rest = &body[length + 8..];
    }
    names
}
