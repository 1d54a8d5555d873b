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

/// The first number behind a text that a program says.
fn number_behind(says: &str, text: &str) -> f64 {
    let rest = says.split_once(text).unwrap_or_else(|| panic!("no `{text}` in\n{says}")).1;
    let number = rest.trim_start_matches([' ', '|', ':']).split([' ', '\n', '%']).next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("no number behind `{text}` in\n{says}"))
}

#[test]
fn sliding_window() {
    let run = Run::small(env!("CARGO_BIN_EXE_sliding_window"), &[]);
    assert!(number_behind(&run.says, "largest difference of scores: ") < 1e-4, "{}", run.says);
    assert!(number_behind(&run.says, "found and read right: ") > 50.0, "{}", run.says);
    run.picture("sliding_window.png");
}

#[test]
fn localize() {
    let run = Run::small(env!("CARGO_BIN_EXE_localize"), &[]);
    assert!(run.says.contains("| mean IoU "), "{}", run.says);
    run.picture("localize.png");
}

#[test]
fn landmarks() {
    let run = Run::small(env!("CARGO_BIN_EXE_landmarks"), &[]);
    assert!(number_behind(&run.says, "presence: ") > 60.0, "{}", run.says);
    run.picture("landmarks.png");
}
