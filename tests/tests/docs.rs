//! The examples of the language's reference are what it says they are.

use cnnc::compile::{Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::loader::Files;
use cnnc_tests::{command, repository, specs};

/// The first line of each fenced `net` example with its number, what stands behind the word `net`, and the example.
fn examples(page: &str) -> Vec<(usize, String, String)> {
    let mut examples = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(mark) = line.strip_prefix("```net") else { continue };
        let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        examples.push((number + 2, mark.trim().to_owned(), text.join("\n")));
    }
    examples
}

#[test]
fn examples_are_accepted_or_refused_as_they_say() {
    let page = std::fs::read_to_string(repository().join("docs/language.md")).expect("the page");
    let examples = examples(&page);
    assert!(examples.len() > 20, "only {} examples", examples.len());
    for (line, mark, text) in examples {
        let mut sources = SourceMap::default();
        let entry = sources.add(specs().join("example.net"), text);
        let compiled = compile(sources, &Files, entry, &Options::default());
        match (mark.as_str(), compiled) {
            ("", Ok(_)) | ("error", Err(_)) => {}
            ("", Err(failure)) => panic!("docs/language.md:{line}:\n{}", failure.render(false)),
            ("error", Ok(_)) => panic!("docs/language.md:{line}: this should be refused"),
            (other, _) => panic!("docs/language.md:{line}: no such mark: {other}"),
        }
    }
}

#[test]
fn the_page_of_operators_is_what_the_command_writes() {
    let output = command().args(["operators", "--markdown"]).output().expect("it starts");
    let page = std::fs::read_to_string(repository().join("docs/operators.md")).expect("the page");
    let current = page.as_bytes() == output.stdout;
    assert!(current, "write it anew: cargo run --release -- operators --markdown > docs/operators.md");
}
