//! Emission of the specs that ship.
use cnnc::compile::{Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::elaborate::Loader;
use cnnc::loader::Files;

#[test]
fn all_specs_emit() {
    let mut names: Vec<_> = ["../specs", "../specs/parity"].iter().flat_map(|d| std::fs::read_dir(d).unwrap()).map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "net")).collect();
    names.sort();
    for path in names {
        let mut sources = SourceMap::default();
        let text = Files.read(&path).unwrap();
        let entry = sources.add(&path, text);
        let compiled = compile(sources, &Files, entry, &Options::default()).unwrap_or_else(|f| panic!("{}", f.render(false)));
        let text = compiled.emit().inline_text();
        println!("// ===== {}\n{text}", path.display());
    }
}
