//! What the tests across packages share: compiling texts, building emitted code, comparing with the reference.

pub mod build;
pub mod compare;
pub mod generate;
pub mod tensors;
pub mod uses;

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
pub fn specs() -> std::path::PathBuf {
    repository().join("specs")
}

/// The root of the repository.
pub fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in the repository").to_owned()
}

/// `cnnc`, started in the root of the repository.
pub fn command() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "cnnc", "--"]).current_dir(repository());
    command
}
