//! Networks that find boxes: trained, measured, asked.

use std::path::Path;

use super::{folder, refused, repository, said};

#[test]
fn options_for_boxes_are_for_detectors() {
    let path = |name: &str| repository().join(name).display().to_string();
    let (home, recipe, digit) = (folder(), path("specs/lenet5.yaml"), path("data/digit.png"));
    for option in ["--agnostic", "--soft-nms", "--score=0.3", "--iou=0.3", "--output=found.png"] {
        let error = refused(home.path(), 1, &["predict", &recipe, &digit, "--weights", &digit, option]);
        let name = option.split('=').next().unwrap_or_default();
        assert!(error.contains("no output of boxes") && error.contains(name), "{error}");
    }
    let jpeg = refused(home.path(), 1, &["predict", &recipe, &digit, "--weights", &digit, "-o", "found.jpg"]);
    assert!(jpeg.contains("fits: `found.png`"), "{jpeg}");
    let range = refused(home.path(), 2, &["predict", &recipe, &digit, "--iou", "-1"]);
    assert!(range.contains("a number from 0 to 1 is needed"), "{range}");
}

/// Bright squares on black, with their boxes in a table.
fn squares(folder: &Path) {
    let mut table = "file,split,class,xmin,ymin,xmax,ymax\n".to_owned();
    for number in 0..24 {
        let (x, y) = (4 + number * 7 % 36, 4 + number * 5 % 20);
        let inside = |i: usize| (x..x + 16).contains(&(i % 64)) && (y..y + 16).contains(&(i / 64));
        let bytes = (0..64 * 48).map(|i| if inside(i) { 255 } else { 0 }).collect();
        let picture = cnnc_runtime::data::Raster { width: 64, height: 48, channels: 1, bytes };
        picture.write_png(&folder.join(format!("{number}.png"))).expect("a picture");
        let split = if number < 20 { "train" } else { "test" };
        table += &format!("{number}.png,{split},square,{x},{y},{},{}\n", x + 16, y + 16);
    }
    std::fs::write(folder.join("boxes.csv"), table).expect("a table");
}

#[test]
fn detectors_find_boxes() {
    let home = folder();
    squares(home.path());
    let net = "net Squares {
    input image: [1, 48, 64]
    map = image |> conv(8, 5, stride: 2, pad: 2) |> relu |> conv(16, 5, stride: 2, pad: 2) |> relu |> conv(16, 3, stride: 2, pad: 1)
        |> relu |> conv(16, 3, pad: 1) |> relu |> conv(6, 1)
    output detections = yolo_decode(map, 8, anchors: [(16, 16)], version: v2)
    target objects: [4, 5]
    loss yolo_v2(map, objects, 8, anchors: [(16, 16)])
}";
    std::fs::write(home.path().join("squares.net"), net).expect("a net");
    let recipe = "spec: squares.net
data:
  train: { boxes: { images: ., annotations: boxes.csv, split: train } }
  test: { boxes: { images: ., annotations: boxes.csv, split: test } }
classes: [square]
batch: 4
epochs: 60
optimizer: { adam: { learning_rate: 0.005 } }
";
    std::fs::write(home.path().join("r.yaml"), recipe).expect("a recipe");
    let learnt = said(home.path(), &["train", "r.yaml"]);
    let precision = learnt.split("mAP@0.5: ").nth(1).and_then(|rest| rest.split(' ').next());
    let precision: f64 = precision.and_then(|text| text.parse().ok()).expect("a precision");
    assert!(precision > 75.0, "{learnt}");
    // What is held out is measured after each epoch, and decides which is the best one.
    let epochs = learnt.lines().filter(|line| line.starts_with("epoch ")).collect::<Vec<_>>();
    assert!(
        epochs.iter().all(|line| line.contains("  held out: mAP@0.5 ") && line.contains("  COCO mAP ")),
        "{learnt}"
    );
    let table = std::fs::read_to_string(home.path().join("runs/r/epochs.csv")).expect("a table");
    let column = table.lines().next().and_then(|heading| heading.split(',').position(|name| name == "held_out_map50"));
    let held_out = |line: &str| line.split(',').nth(column.expect("a column")).and_then(|x| x.parse::<f64>().ok());
    let precisions: Vec<f64> = table.lines().skip(1).filter_map(held_out).collect();
    let best = precisions.iter().copied().fold(0.0, f64::max);
    assert!(precisions.len() == 60 && (100.0 * best - precision).abs() < 0.01, "{table}");
    let report = std::fs::read_to_string(home.path().join("runs/r/report.html")).expect("a page");
    assert!(report.contains("Boxes found (%)"), "{report}");
    let measured = said(home.path(), &["eval", "r.yaml"]);
    assert!(measured.starts_with("mAP@0.5: ") && measured.contains(" % (4 boxes in 4 images)\nCOCO mAP"), "{measured}");
    let measured = said(home.path(), &["eval", "r.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&measured).expect("JSON");
    assert!((100.0 * json["map50"].as_f64().expect("a precision") - precision).abs() < 0.01, "{measured}");
    assert!(json["map50_eleven_points"].as_f64().is_some_and(|eleven| (0.5..=1.0).contains(&eleven)), "{measured}");
    assert_eq!(
        (json["coco"].as_object().map(serde_json::Map::len), &json["coco"]["AP"]),
        (Some(12), &json["coco_map"])
    );

    let found = said(home.path(), &["predict", "r.yaml", "21.png", "-o", "found.png"]);
    assert!(found.starts_with("21.png: ") && found.contains(" % square, from ("), "{found}");
    let drawn = cnnc_runtime::data::Raster::read(&home.path().join("found.png")).expect("a picture");
    assert_eq!((drawn.width, drawn.height, drawn.channels), (640, 480, 3), "enlarged for labels");
    let none = said(home.path(), &["predict", "r.yaml", "21.png", "--score", "1"]);
    assert_eq!(none, "21.png: nothing\n");
    let two = refused(home.path(), 1, &["predict", "r.yaml", "21.png", "22.png", "-o", "found.png"]);
    assert!(two.contains("--output is for one picture"), "{two}");
    refused(home.path(), 2, &["predict", "r.yaml", "21.png", "--score", "2"]);

    // All the boxes there are, for suppression to choose from.
    let boxes = |more: &[&str]| {
        let all = ["predict", "r.yaml", "21.png", "--score", "0", "--json"];
        let answers: serde_json::Value =
            serde_json::from_str(&said(home.path(), &[&all, more].concat())).expect("JSON");
        answers[0]["boxes"].as_array().expect("boxes").len()
    };
    let kept = boxes(&[]);
    assert_eq!(boxes(&["--agnostic"]), kept, "there is one class");
    assert!(boxes(&["--soft-nms"]) > kept);
    refused(home.path(), 2, &["predict", "r.yaml", "21.png", "--agnostic", "--soft-nms"]);

    let anchors = said(home.path(), &["anchors", "r.yaml", "--count", "1"]);
    let expected = "const priors = [(16.0, 16.0)]\nmean IoU of 20 boxes with their anchors: 1.000, in pixels of the input of 64 by 48\n";
    assert_eq!(anchors, expected);
    let many = refused(home.path(), 1, &["anchors", "r.yaml"]);
    assert!(many.contains("too few different shapes for 5 anchors: 1\nfits: `--count 1`"), "{many}");
}
