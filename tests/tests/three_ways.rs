//! The command, the macro and build scripts give the same code; mistakes in `net!` land on the token; the code of LeNet-5
//! is looked at before it changes.

use std::path::PathBuf;

use cnnc::compile::{Compiled, Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::emit::{CrateOptions, File, Runtime};
use cnnc::expand::expand;
use cnnc::loader::Files;
use cnnc_tests::{compile_text, specs};
use proc_macro2::TokenStream;

fn lenet5() -> (String, Compiled) {
    let text = std::fs::read_to_string(specs().join("lenet5.net")).expect("the spec");
    let compiled = compile_text(&text, &Options::default());
    (text, compiled)
}

fn files(compiled: &Compiled) -> Vec<File> {
    compiled.emit().files(&CrateOptions {
        spec: "lenet5.net".into(),
        options: String::new(),
        digest: 0,
        runtime: Runtime::Version,
        features: Vec::new(),
    })
}

fn text(items: Vec<syn::Item>) -> String {
    prettyplease::unparse(&syn::File { items, ..syn::parse_quote!() })
}

/// The items of the module that an expansion of `net!` has.
fn module(tokens: TokenStream) -> Vec<syn::Item> {
    let file: syn::File = syn::parse2(tokens).expect("Rust");
    let module = file.items.into_iter().find_map(|item| match item {
        syn::Item::Mod(module) => module.content,
        _ => None,
    });
    module.expect("a module").1
}

/// Items that are not modules or imports: those are what the three ways differ in.
fn own(items: Vec<syn::Item>) -> String {
    text(items.into_iter().filter(|i| !matches!(i, syn::Item::Mod(_) | syn::Item::Use(_))).collect())
}

#[test]
fn three_ways_give_the_same_code() {
    let (source, compiled) = lenet5();
    let script = syn::parse_file(&compiled.emit().inline_text()).expect("Rust").items;
    let inline = module(expand(source.parse().expect("tokens")));
    let path: PathBuf = specs().join("lenet5.net");
    let call: TokenStream = format!("{:?}", path.display().to_string()).parse().expect("tokens");
    assert_eq!(text(script.clone()), text(inline), "build script and `net! {{ ... }}`");
    assert_eq!(text(script.clone()), text(module(expand(call))), "build script and `net!(\"path\")`");
    for file in files(&compiled) {
        let Some(name) = file.path.strip_prefix("src/").and_then(|p| p.strip_suffix(".rs")) else { continue };
        let items = syn::parse_file(&file.text).expect("Rust").items;
        if name == "lib" {
            assert_eq!(own(items), own(script.clone()), "the crate's interface");
            continue;
        }
        let inner = script.iter().find_map(|item| match item {
            syn::Item::Mod(module) if module.ident == name => module.content.clone(),
            _ => None,
        });
        assert_eq!(text(items), text(inner.expect("a module of that name").1), "module {name}");
    }
}

#[test]
fn values_reach_the_network_in_each_way() {
    let path = specs().join("lenet5.net").display().to_string();
    let call: TokenStream = format!("{path:?}, classes = 26, exact, infer_only").parse().expect("tokens");
    let code = expand(call).to_string();
    assert!(code.contains("[f32 ; 26]") && !code.contains("train_step"), "26 classes and no training code");
    assert!(code.contains("include_bytes"), "a change of the file triggers a rebuild");
}

#[test]
fn parameters_may_be_named_like_keywords() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.net");
    std::fs::write(&path, "net A(type = 3, exact = 1) { input x: [type, exact] output y = relu(x) }").expect("a spec");
    let call = format!("{:?}, type = 7, exact = 2", path.display().to_string());
    let code = expand(call.parse().expect("tokens")).to_string();
    assert!(code.contains("[f32 ; 14]"), "{code}");
}

/// A folder with LeNet-5 and a plan file that has its second convolution computed row by row.
fn tuned_lenet5() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(specs().join("lenet5.net"), folder.path().join("lenet5.net")).expect("the spec");
    let plan = "format: 2\ncompiler: 0.1.0\ninference:\n  cpu: any\n  isa: portable\n  threads: 1\n  batch: 1\n  \
                model_ms: 2\n  ms: 1\n  convolutions:\n    5x5 lanes 1, 6x14x14 to 16x10x10: { algorithm: direct, strips: 10, planes: 1, us: 1, model_us: 2 }\n";
    std::fs::write(folder.path().join("lenet5.plan.yaml"), plan).expect("a file");
    folder
}

#[test]
fn plan_files_are_found_in_each_way() {
    let folder = tuned_lenet5();
    let path = folder.path().join("lenet5.net");
    let mut sources = SourceMap::default();
    let entry = sources.add(&path, std::fs::read_to_string(&path).expect("the spec"));
    let compiled = compile(sources, &Files, entry, &Options::default()).expect("a network");
    assert!(compiled.emit().inline_text() != lenet5().1.emit().inline_text(), "the plan changes the code");
    assert!(compiled.sources.files().any(|(_, read, _)| read.ends_with("lenet5.plan.yaml")), "build scripts watch it");
    let script = syn::parse_file(&compiled.emit().inline_text()).expect("Rust").items;
    let expansion = expand(format!("{:?}", path.display().to_string()).parse().expect("tokens"));
    assert!(expansion.to_string().contains("lenet5.plan.yaml"), "a change of the plan triggers a rebuild");
    assert_eq!(text(script), text(module(expansion)), "build script and `net!(\"path\")`");
}

#[test]
fn deployment_code_has_no_training_in_it() {
    let (source, _) = lenet5();
    let compiled = compile_text(&source, &Options { infer_only: true, ..Options::default() });
    for file in files(&compiled) {
        assert!(!file.text.contains("grad") || file.path == "src/lib.rs", "{} has gradients", file.path);
        assert!(file.path != "src/training.rs" && !file.text.contains("train_step"), "{} trains", file.path);
    }
}

#[test]
fn the_code_of_lenet5() {
    for file in files(&lenet5().1).into_iter().filter(|f| f.path.starts_with("src/")) {
        let name = file.path.trim_start_matches("src/").trim_end_matches(".rs");
        insta::assert_snapshot!(format!("lenet5_{name}"), file.text);
    }
}

#[test]
fn mistakes_land_on_the_token() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
