//! The command as a process: exit codes, messages, files that appear whole or not at all.

mod data;
mod detectors;
mod learning;
mod programs;
mod recipes;
mod runs;
mod specs;
mod verifiers;

use std::path::Path;
use std::process::Output;

use cnnc_tests::{command, repository};

fn cnnc(folder: &Path, arguments: &[&str]) -> Output {
    command().args(arguments).current_dir(folder).output().expect("it starts")
}

/// Standard output of a command that succeeds.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = cnnc(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// The complaint of a command that fails with this exit code.
fn refused(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = cnnc(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    error
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A small network with batch-norm.
const SMALL: &str = "net Small(classes = 10) {
    input image: [1, 28, 28]
    x = image |> conv(4, 5, stride: 2) as first |> batch_norm as norm |> relu |> max_pool(2)
    logits = x |> flatten |> dense(classes) as head
    output logits
    target label: class(classes)
    loss cross_entropy(logits, label)
}
";
