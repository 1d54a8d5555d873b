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

    /// A picture that it wrote, in which something can be seen.
    fn picture(&self, name: &str) -> Raster {
        let picture = Raster::read(&self.file(name)).unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.says));
        assert!(picture.bytes.iter().any(|byte| *byte != picture.bytes[0]), "{name} is of one colour");
        picture
    }
}

#[test]
fn edges() {
    Run::small(env!("CARGO_BIN_EXE_edges"), &[]).picture("edges.png");
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
    for row in ["| R-CNN ", "| Fast R-CNN ", "| Faster R-CNN "] {
        assert!(run.says.contains(row), "`{row}` should be in\n{}", run.says);
    }
    run.picture("rcnn.png");
}
