//! The parser on the examples of the language.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use cnnc::diagnostics::{SourceMap, render};
use cnnc::syntax::{ast, parse};

fn parsed(text: &str) -> ast::File {
    let mut sources = SourceMap::default();
    let file = sources.add("text.net", text);
    parse(&sources, file).unwrap_or_else(|d| panic!("{}", render(&sources, &d, false)))
}

#[test]
fn specs_parse() {
    for entry in std::fs::read_dir("../specs/parity").expect("specs") {
        let path = entry.expect("an entry").path();
        parsed(&std::fs::read_to_string(&path).expect("a spec"));
    }
}

#[test]
fn statements_need_no_terminators() {
    let file = parsed("net A { x = y (a, b) = f x = -a[1] input i: [1] }");
    let ast::Item::Net(net) = &file.items[0] else { panic!("a net") };
    assert_eq!(net.body.len(), 4);
}
