//! Wrong specifications and what is said of them: each `errors/TOPIC/NAME.net` beside the snapshot of its errors.
//!
//! A first line `// --set classes=ten --net Other` says what a command line would; files deeper down are for `use`.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cnnc::compile::{Options, elaborate};
use cnnc::diagnostics::SourceMap;
use cnnc::elaborate;
use cnnc::loader::Files;

/// What the command line in the first line of a text asks for.
fn options(text: &str) -> elaborate::Options {
    let mut options = elaborate::Options::default();
    let line = text.lines().next().and_then(|l| l.strip_prefix("// --")).unwrap_or("");
    for option in line.split(" --") {
        match option.split_once(' ') {
            Some(("net", name)) => options.net = Some(name.to_owned()),
            Some(("set", pair)) => {
                let (name, value) = pair.split_once('=').expect("`--set NAME=VALUE`");
                options.set.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }
    options
}

/// The errors of a file, as shown without colours; `None` if there are none.
fn errors(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).expect("a spec");
    let options = Options { elaborate: options(&text), ..Options::default() };
    let mut sources = SourceMap::default();
    // The path as the snapshot shows it.
    let shown = path.strip_prefix(std::env::current_dir().expect("a folder")).unwrap_or(path);
    let entry = sources.add(shown, text);
    elaborate(sources, &Files, entry, &options).err().map(|failure| failure.render(false))
}

#[test]
fn wrong_specs_are_explained() {
    let (accepted, slow) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    insta::glob!("errors/*/*.net", |path| {
        let start = Instant::now();
        let shown = errors(path);
        if start.elapsed() > Duration::from_secs(1) {
            slow.borrow_mut().push((path.to_owned(), start.elapsed()));
        }
        let Some(shown) = shown else {
            accepted.borrow_mut().push(path.to_owned());
            return;
        };
        let mut settings = insta::Settings::new();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path(path.parent().expect("a folder"));
        settings.bind(|| insta::assert_snapshot!(path.file_stem().expect("a name").to_string_lossy().as_ref(), shown));
    });
    assert_eq!(accepted.into_inner(), Vec::<PathBuf>::new(), "these are not wrong");
    assert!(slow.borrow().is_empty(), "these take longer than a second: {:?}", slow.borrow());
}
