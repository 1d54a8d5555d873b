//! Learning that goes on from other weights, and pictures that change.

use super::{SMALL, folder, refused, repository, said};

/// The digits that ship; 300 to learn from, 200 held out.
fn digits(net: &str, classes: usize, more: &str) -> String {
    let data = repository().join("data/mnist").display().to_string();
    let part = |part: &str| {
        format!("{{ images: t10k-images-idx3-ubyte.gz, labels: t10k-labels-idx1-ubyte.gz, part: {{ {part} }} }}")
    };
    format!(
        "spec: small.net\nnet: {net}\nset: {{ classes: {classes} }}\ndata:\n  folder: {data}\n  train: {}\n  test: {}\n\
         picture: {{ mean: [0.13], std: [0.31] }}\nepochs: 2\noptimizer: {{ adam: {{ learning_rate: 0.01 }} }}\n{more}",
        part("first: 300"),
        part("last: 200")
    )
}

#[test]
fn learning_goes_on_from_other_weights_and_networks_are_averaged() {
    let home = folder();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
    file("small.net", SMALL);
    file("old.yaml", &digits("Small", 10, ""));
    file("head.yaml", &digits("Small", 12, "transfer: { from: runs/old/weights.safetensors }\n"));
    let picture = repository().join("data/digit.png");
    let train = |recipe: &str| said(home.path(), &["train", recipe]);
    let accuracy = |text: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix("accuracy: ")).unwrap_or_else(|| panic!("{text}"));
        line.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    train("old.yaml");
    let text = train("head.yaml");
    assert!(text.contains("6 of 8 weights fit by name and shape: 120 numbers\n  new: "), "{text}");
    assert!(text.contains("head.weight [12, 144], in the file [10, 144]"), "{text}");
    assert!(text.contains("1,740 trained parameters and 112 frozen ones"), "{text}");
    let values = |run: &str, name: &str| {
        let bytes = std::fs::read(home.path().join(format!("runs/{run}/weights.safetensors"))).expect("weights");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        tensors.tensor(name).expect("a tensor").data().to_vec()
    };
    for name in ["first.weight", "norm.running_mean"] {
        assert_eq!(values("old", name), values("head", name), "{name} is frozen");
    }

    // Features that are computed once lead to the same, but for rounding; the whole network is what is evaluated.
    let cached = "transfer: { from: runs/old/weights.safetensors, features: cached }\n";
    file("cached.yaml", &(digits("Small", 12, cached) + &format!("show: {}\n", picture.display())));
    let first = train("cached.yaml");
    let features = home.path().join("runs/cached/features-train.safetensors");
    assert!(first.contains("features of 300 images, computed in ") && first.contains("save about "), "{first}");
    assert!((accuracy(&first) - accuracy(&text)).abs() < 4.0, "{first} {text}");
    assert!(first.contains("digit.png"), "{first}");
    assert_eq!(values("old", "norm.running_mean"), values("cached", "norm.running_mean"));
    assert_eq!(accuracy(&said(home.path(), &["eval", "cached.yaml"])), accuracy(&first));
    let time = || features.metadata().and_then(|about| about.modified()).expect("features");
    let before = time();
    train("cached.yaml");
    assert_eq!(time(), before, "they are kept");
    std::fs::copy(home.path().join("runs/head/weights.safetensors"), home.path().join("runs/old/weights.safetensors"))
        .expect("other weights");
    train("cached.yaml");
    assert_ne!(time(), before, "other weights see other features");
    train("old.yaml");

    // Another seed is another member of an ensemble of the first network.
    file("other.yaml", &(digits("Small", 10, "seed: 1\n")));
    train("other.yaml");
    let files = ["runs/old/weights.safetensors", "runs/other/weights.safetensors"];
    let eval = |more: &[&str]| said(home.path(), &[&["eval", "old.yaml"], more].concat());
    let both = eval(&["--weights", files[0], files[1]]);
    assert!(both.starts_with("mean of 2 networks\nloss: "), "{both}");
    let alone = files.map(|file| accuracy(&eval(&["--weights", file])));
    assert!(accuracy(&both) > (alone[0] + alone[1]) / 2.0 - 2.0, "{both} {alone:?}");
    let crops = eval(&["--crops", "5"]);
    assert!(crops.starts_with("mean of 5 pieces of each picture\nloss: ") && accuracy(&crops) > 30.0, "{crops}");
    refused(home.path(), 2, &["eval", "old.yaml", "--crops", "3"]);
    assert!(
        refused(home.path(), 1, &["eval", "old.yaml", "--weights", files[0], "none"]).contains("no weights at `none`")
    );
}

#[test]
fn augmented_pictures_are_shown() {
    let home = folder();
    let data = repository().join("data/mnist").display().to_string();
    let recipe = format!(
        "spec: lenet5\ndata:\n  folder: {data}\n  train: {{ images: t10k-images-idx3-ubyte.gz, labels: t10k-labels-idx1-ubyte.gz }}\n\
         epochs: 1\naugment: [{{ rotate: 15 }}, {{ warp: {{ strength: 0.1 }} }}, {{ cutout: 8 }}]\n"
    );
    std::fs::write(home.path().join("r.yaml"), recipe).expect("a file");
    let sheet = ["augment", "r.yaml", "-o", "sheet.png", "--pictures", "2", "--variants", "3"];
    let text = said(home.path(), &sheet);
    assert_eq!(
        text,
        "sheet.png: 2 pictures, each as it is, after each step alone, and 3 times after all of them: rotate, warp, cutout\n"
    );
    let first = std::fs::read(home.path().join("sheet.png")).expect("a sheet");
    said(home.path(), &sheet);
    assert_eq!(first, std::fs::read(home.path().join("sheet.png")).expect("a sheet"));
    let picture = cnnc_runtime::data::Raster::read(&home.path().join("sheet.png")).expect("a sheet");
    // Seven columns of 28 pixels, eight times as large, over captions of 21.
    assert_eq!((picture.width, picture.height), (4 + 7 * 228, 4 + 2 * 249));
    refused(home.path(), 1, &["augment", "r.yaml", "-o", "none/sheet.png"]);
    assert!(refused(home.path(), 1, &["augment", "r.yaml", "-o", "sheet.jpg"]).contains("fits: `sheet.png`"));
}

#[test]
fn no_picture_is_shown_twice_while_others_are_left() {
    let home = folder();
    for grey in [10, 90, 170, 250] {
        let picture = cnnc_runtime::data::Raster { width: 28, height: 28, channels: 1, bytes: vec![grey; 28 * 28] };
        let folder = home.path().join(format!("{grey}"));
        std::fs::create_dir(&folder).expect("a folder");
        picture.write_png(&folder.join("a.png")).expect("a picture");
    }
    std::fs::write(home.path().join("r.yaml"), "spec: lenet5\ndata: { train: { folders: . } }\nepochs: 1\n")
        .expect("a file");
    said(home.path(), &["augment", "r.yaml", "-o", "sheet.png", "--pictures", "4"]);
    let sheet = cnnc_runtime::data::Raster::read(&home.path().join("sheet.png")).expect("a sheet");
    let row = sheet.height / 4;
    let mut shown: Vec<u8> =
        (0..4).map(|i| sheet.bytes[((i * row + row / 3) * sheet.width + sheet.width / 2) * 3]).collect();
    shown.sort_unstable();
    assert_eq!(shown, [10, 90, 170, 250]);
}
