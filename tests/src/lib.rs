//! What the tests across packages share: compiling texts, building emitted code, comparing with the reference.

pub mod build;
pub mod compare;
pub mod counting;
pub mod generate;
pub mod sketch;
pub mod tensors;
pub mod uses;
pub mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cnnc::compile::{Compiled, Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::loader::Files;

/// Compiles a specification given as text; `use` is read relative to the repository's `specs` folder.
///
/// # Panics
/// With the rendered mistakes, if there are any.
pub fn compile_text(text: &str, options: &Options) -> Compiled {
    let mut sources = SourceMap::default();
    let entry = sources.add(specs().join("text.net"), text);
    compile(sources, &Files, entry, options).unwrap_or_else(|failure| panic!("{}\n{text}", failure.render(false)))
}

/// The `specs` folder.
pub fn specs() -> PathBuf {
    repository().join("specs")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in the repository").to_owned()
}

/// `cnnc`, started in the root of the repository.
pub fn command() -> Command {
    let mut command = Command::new(program());
    command.current_dir(repository());
    command
}

/// The command, built at the first call: asking cargo at each would take longer than most of what it is asked for.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = build::target().parent().expect("it is in the target folder").to_owned();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "cnnc", "--manifest-path"])
            .arg(repository().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status();
        assert!(built.expect("cargo runs").success(), "the command is built");
        target.join("debug").join(format!("cnnc{}", std::env::consts::EXE_SUFFIX))
    })
}
