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
