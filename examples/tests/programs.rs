//! Each program, small: it ends well, says what it should, and writes pictures that can be read.

use std::path::Path;
use std::process::Command;

use cnnc_runtime::data::Raster;

/// A run of a program in a folder of its own.
struct Run {
    folder: tempfile::TempDir,
    says: String,
}

impl Run {
    /// Runs a program with `--small` and more arguments, and takes what it prints.
    fn small(program: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let out = Command::new(program)
            .args(["--small", "--out"])
            .arg(folder.path())
            .args(more)
            .output()
            .unwrap_or_else(|e| panic!("{program} cannot be run: {e}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(out.status.success(), "{program} fails:\n{}{}", text(&out.stdout), text(&out.stderr));
        Self { folder, says: text(&out.stdout) }
    }

    /// The path of a file it wrote.
    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// The number that it prints behind these words.
    fn figure(&self, words: &str) -> f64 {
        let number = self.says.split_once(words).map_or("", |(_, rest)| rest);
        let end = number.find([' ', '\n', '%']).unwrap_or(number.len());
        number[..end].parse().unwrap_or_else(|e| panic!("no number behind {words:?}: {e}\n{}", self.says))
    }

    /// A picture that it wrote, in which something can be seen.
    fn picture(&self, name: &str) -> Raster {
        let picture = Raster::read(&self.file(name)).unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.says));
        assert!(picture.bytes.iter().any(|byte| *byte != picture.bytes[0]), "{name} is of one colour");
        picture
    }
}

/// As behind `| head -1`.
#[test]
fn nobody_has_to_read_to_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let edges: &[&str] = &["--small", "--out", &out];
    for (program, arguments) in [(env!("CARGO_BIN_EXE_edges"), edges), (env!("CARGO_BIN_EXE_inline_net"), &[])] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = Command::new(program).args(arguments).stdout(writer).output().expect("it starts");
        assert!(run.status.success() && run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    }
}

/// A photo whose left half is black and whose right half is white has one edge, a vertical one in its middle.
#[test]
fn edges() {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = folder.path().join("halves.png");
    let bytes = (0..256 * 256).flat_map(|i| [if i % 256 < 128 { 0 } else { 255 }; 3]).collect();
    Raster { width: 256, height: 256, channels: 3, bytes }.write_png(&photo).expect("it can be written");
    let sheet = Run::small(env!("CARGO_BIN_EXE_edges"), &[&photo.display().to_string()]).picture("edges.png");
    // In the sheet: the photo, vertical and horizontal edges above; strength, and both by Scharr below.
    let side = (sheet.width - 256 * 3) / 4;
    let at = |column: usize, row: usize, x: usize| {
        let (left, top) = (side + column * (256 + side), side + row * (256 + side));
        sheet.bytes[((top + 128) * sheet.width + left + x) * sheet.channels]
    };
    for (column, row) in [(1, 0), (0, 1), (1, 1), (2, 1)] {
        assert!(at(column, row, 128).abs_diff(at(column, row, 64)) > 100, "no edge at {column}, {row}");
        assert_eq!(at(column, row, 64), at(column, row, 192), "an edge too many at {column}, {row}");
    }
    assert_eq!(at(2, 0, 128), at(2, 0, 64), "no horizontal edge is there");
}

/// Programs without larger data say so.
#[test]
fn larger_data_is_refused_where_there_is_none() {
    for program in [env!("CARGO_BIN_EXE_edges"), env!("CARGO_BIN_EXE_step_by_step"), env!("CARGO_BIN_EXE_transfer")] {
        let run = Command::new(program).args(["--data", "."]).output().expect("it starts");
        let says = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{says}");
        assert!(says.contains("this program has no larger data"), "{says}");
    }
}

#[test]
fn inline_net() {
    let run = Command::new(env!("CARGO_BIN_EXE_inline_net")).output().expect("it starts");
    let says = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(Run { folder: tempfile::tempdir().expect("a folder"), says }.figure("accuracy: ") > 80.0);
}

#[test]
fn step_by_step() {
    let run = Run::small(env!("CARGO_BIN_EXE_step_by_step"), &[]);
    assert!(run.says.contains("132 of 132 numbers are equal"), "{}", run.says);
    let worksheet = std::fs::read_to_string(run.file("step_by_step.svg")).expect("a worksheet");
    assert!(worksheet.contains("backward"));
}

#[test]
fn heartbeat() {
    let run = Run::small(env!("CARGO_BIN_EXE_heartbeat"), &[]);
    assert!(run.figure("accuracy: ") > 80.0, "{}", run.says);
    run.picture("heartbeat_confusion.png");
    assert!(run.file("heartbeat.svg").exists());
}

#[test]
fn volume() {
    let run = Run::small(env!("CARGO_BIN_EXE_volume"), &[]);
    // By chance an eighth.
    assert!(run.figure("\naccuracy: ") > 40.0, "{}", run.says);
    assert!(run.figure("played backwards, taken for the opposite: ") > 30.0, "{}", run.says);
    run.picture("volume.png");
}

#[test]
fn residual() {
    // In so many epochs a few pictures show what all do in fewer.
    let run = Run::small(env!("CARGO_BIN_EXE_residual"), &["--epochs", "16"]);
    let [plain, residual] =
        ["24 layers more change the loss by ", "without shortcuts, by "].map(|words| run.figure(words));
    assert!(plain > residual + 0.1, "{}", run.says);
    assert!(run.file("residual.svg").exists());
    let run = Run::small(env!("CARGO_BIN_EXE_residual"), &["--only", "residual-8", "--epochs", "1"]);
    assert!(run.says.contains("| residual-8 |") && !run.says.contains("| plain-8 "), "{}", run.says);
}

#[test]
fn augment() {
    let run = Run::small(env!("CARGO_BIN_EXE_augment"), &[]);
    assert!(row(&run.says, "all of these")[0] > 15.0, "{}", run.says);
    run.picture("augment.png");
    run.picture("augment_digits.png");
}

/// The percentages of a row of a table.
fn row(says: &str, name: &str) -> Vec<f64> {
    let line = says.lines().find(|line| line.trim_start_matches(['|', ' ']).starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no row `{name}` in {says}"));
    line.split('|').filter_map(|cell| cell.trim().strip_suffix(" %")?.parse().ok()).collect()
}

#[test]
fn digits() {
    let run = Run::small(env!("CARGO_BIN_EXE_digits"), &[]);
    assert!(run.figure("\naccuracy: ") > 75.0, "{}", run.says);
    for name in ["misread", "confusion", "filters"] {
        run.picture(&format!("digits/{name}.png"));
    }
    assert!(run.file("digits/curves.svg").is_file());
}

#[test]
fn ensemble() {
    let run = Run::small(env!("CARGO_BIN_EXE_ensemble"), &[]);
    let members: f64 = (1..=5).map(|member| row(&run.says, &format!("network {member} "))[0]).sum::<f64>() / 5.0;
    assert!(row(&run.says, "their mean")[0] <= members, "{}", run.says);
    let pieces = ["the middle ", "mean of 5 pieces: ", "mean of 10 pieces: "].map(|name| row(&run.says, name)[0]);
    assert!(pieces.iter().all(|wrong| *wrong < 90.0), "{}", run.says);
    run.picture("ensemble.png");
}

#[test]
fn transfer() {
    let run = Run::small(env!("CARGO_BIN_EXE_transfer"), &[]);
    let [scratch, head, ..] = row(&run.says, "3 ")[..] else { panic!("{}", run.says) };
    assert!(head > scratch, "{}", run.says);
    assert!(run.says.contains("new: linear.weight [3, 96], in the file [10, 64]"), "{}", run.says);
    assert!(run.file("transfer/train.safetensors").is_file() && run.file("transfer.svg").is_file());
    run.picture("transfer.png");
}

#[test]
fn style() {
    let run = Run::small(env!("CARGO_BIN_EXE_style"), &[]);
    run.picture("style/style.png");
    // Both optimizers go the way that PyTorch's go (`examples/pytorch/style.py`), on which rounding leads apart by little.
    let numbers = |text: &str| -> Vec<f64> {
        text.lines().skip(1).flat_map(|row| row.split(',')).map(|x| x.parse().expect("a number")).collect()
    };
    let losses = numbers(&std::fs::read_to_string(run.file("style/losses.csv")).expect("the losses"));
    let expected = numbers(include_str!("style_pytorch.csv"));
    assert_eq!(losses.len(), expected.len());
    for (loss, expected) in losses.iter().zip(&expected) {
        assert!((loss / expected - 1.0).abs() < 1e-3, "{loss}, but PyTorch has {expected}: {losses:?}");
    }
}

#[test]
fn faces() {
    let run = Run::small(env!("CARGO_BIN_EXE_faces"), &[]);
    run.picture("faces/omniglot.png");
    let auc = |name: &str| -> f64 {
        let row = run.says.lines().find(|line| line.starts_with(&format!("| {name} "))).expect("a row of the table");
        row.split('|').nth(2).expect("a cell").trim().parse().expect("a number")
    };
    assert!(auc("triplets") > 0.6 && auc("triplets") < 1.0, "{}", run.says);
}

#[test]
fn visualize() {
    let run = Run::small(env!("CARGO_BIN_EXE_visualize"), &[]);
    for name in ["filters", "conv1", "fire2", "fire3", "fire4", "fire5", "fire6", "saliency"] {
        run.picture(&format!("visualize/{name}.png"));
    }
    assert!(run.says.contains("| photos/chelsea.png | "), "{}", run.says);
}

#[test]
fn sliding_window() {
    let run = Run::small(env!("CARGO_BIN_EXE_sliding_window"), &[]);
    assert!(run.figure("largest difference of scores: ") < 1e-4, "{}", run.says);
    assert!(run.figure("found and read right: ") > 50.0, "{}", run.says);
    run.picture("sliding_window.png");
}

#[test]
fn localize() {
    let run = Run::small(env!("CARGO_BIN_EXE_localize"), &[]);
    // So few steps show about where a digit is, not yet whether there is one.
    assert!(row(&run.says, "mean IoU")[0] > 12.0, "{}", run.says);
    run.picture("localize.png");
}

#[test]
fn landmarks() {
    let run = Run::small(env!("CARGO_BIN_EXE_landmarks"), &[]);
    assert!(run.figure("presence: ") > 60.0, "{}", run.says);
    run.picture("landmarks.png");
}

#[test]
fn detect() {
    let run = Run::small(env!("CARGO_BIN_EXE_detect"), &[]);
    assert!(run.says.contains("learn from 16 pictures"), "{}", run.says);
    // Published detectors find what is there.
    for found in ["dog.jpg, YoloFastest: car 8", "person.jpg, YoloFastest: person 9", "astronaut.png, TinyFace: face 9"]
    {
        assert!(run.says.contains(found), "`{found}` should be in\n{}", run.says);
    }
    // The anchors that the network is compiled for are those of the data.
    let net = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/nets/detect.net")).expect("the net");
    let anchors = run.says.split("k-means: ").nth(1).and_then(|rest| rest.split(';').next()).expect("anchors");
    assert!(net.contains(&format!("[{anchors}]")), "{anchors} should be in\n{net}");
    run.picture("detect_cells.png");
    run.picture("detect_photos.png");
    assert!(std::fs::read_to_string(run.file("detect_cells.svg")).expect("curves").contains("mAP@0.5"));
}

#[test]
fn rcnn() {
    let run = Run::small(env!("CARGO_BIN_EXE_rcnn"), &[]);
    // Selective search learns nothing: half of the boxes of these two pictures have a region.
    assert!(run.figure(" ms; ") > 40.0, "{}", run.says);
    for row in ["| R-CNN ", "| Fast R-CNN ", "| Faster R-CNN "] {
        assert!(run.says.contains(row), "`{row}` should be in\n{}", run.says);
    }
    run.picture("rcnn.png");
}
