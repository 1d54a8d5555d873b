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
fn style() {
    let run = Run::small(env!("CARGO_BIN_EXE_style"), &[]);
    run.picture("style/style.png");
    // A few steps already make the loss smaller, with both optimizers.
    let losses = std::fs::read_to_string(run.file("style/losses.csv")).expect("the losses");
    let rows: Vec<Vec<f64>> =
        losses.lines().skip(1).map(|row| row.split(',').map(|x| x.parse().expect("a number")).collect()).collect();
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    assert!(last.iter().zip(first).all(|(last, first)| last < first), "{losses}");
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
    for name in ["filters", "conv1", "fire3", "fire4", "fire5", "fire7", "fire8", "saliency"] {
        run.picture(&format!("visualize/{name}.png"));
    }
    assert!(run.says.contains("| photos/chelsea.png | "), "{}", run.says);
}
