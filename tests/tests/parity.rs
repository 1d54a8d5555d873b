//! `cnnc run` against stored results of PyTorch; `tests/parity/make.py` made them.

use std::path::{Path, PathBuf};

use cnnc::ops::DEFINITIONS;
use cnnc_tests::tensors::{furthest, tensors};
use cnnc_tests::{command, repository, specs};

/// Runs a net on its stored input and compares outputs (1e-5 of the largest), loss and gradients (1e-4).
fn parity(spec: &str, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let stored = |kind: &str| repository().join("tests/parity").join(format!("{name}.{kind}.safetensors"));
    let [output, gradients] = ["output", "gradients"].map(|n| folder.path().join(n).with_extension("safetensors"));
    let run = |isa: Option<&str>| {
        let mut run = command();
        run.args(["run", spec, "--weights"]).arg(stored("weights")).arg("--input").arg(stored("input"));
        run.arg("--output").arg(&output).arg("--gradients").arg(&gradients);
        if let Some(isa) = isa {
            run.args(["--isa", isa]);
        }
        let done = run.output().expect("cargo runs");
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    };
    for isa in [None, Some("portable")] {
        run(isa);
        compare(name, &stored("expected"), &output, &gradients);
    }
}

fn compare(name: &str, expected: &Path, output: &Path, gradients: &Path) {
    let (outputs, gradients) = (tensors(output), tensors(gradients));
    let expected = tensors(expected);
    let ours = outputs.keys().cloned().chain(gradients.keys().map(|key| match key.as_str() {
        "loss" => key.clone(),
        _ => format!("grad.{key}"),
    }));
    for key in ours {
        assert!(expected.contains_key(&key), "{name}: PyTorch has no `{key}`");
    }
    for (key, expected) in expected {
        let (got, tolerance) = match key.strip_prefix("grad.") {
            Some(key) => (gradients.get(key), 1e-4),
            None if key == "loss" => (gradients.get("loss"), 1e-5),
            None => (outputs.get(&key), 1e-5),
        };
        let got = got.unwrap_or_else(|| panic!("{name}: no `{key}` was written"));
        assert_eq!(got.len(), expected.len(), "{name}: length of `{key}`");
        let worst = furthest(got, &expected);
        assert!(worst <= tolerance, "{name}: `{key}` is off by {worst:.1e} of its largest element");
    }
}

/// Names and texts of the nets made to be compared.
fn nets() -> Vec<(String, String)> {
    let files =
        std::fs::read_dir(specs().join("parity")).expect("the specs").map(|entry| entry.expect("an entry").path());
    let net = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a spec"))
    };
    files.map(net).collect()
}

#[test]
fn lenet5() {
    parity("lenet5", "lenet5");
}

#[test]
fn nets_made_to_be_compared() {
    for (name, _) in nets() {
        parity(&format!("specs/parity/{name}.net"), &name);
    }
}

#[test]
fn every_operator_is_in_one_of_them() {
    let texts: Vec<String> = nets().iter().map(|(_, text)| code(text)).collect();
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    for definition in DEFINITIONS {
        let name = definition.name;
        let sign = [("add", " + "), ("sub", " - "), ("mul", " * "), ("div", " / ")].iter().find(|(n, _)| *n == name);
        // Called with brackets, or without any behind a pipe or `shared`.
        let called = |text: &String| {
            text.match_indices(name).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + name.len()..]);
                let alone = before.trim_end().ends_with("|>") || before.ends_with("shared ");
                !before.ends_with(letter) && (after.starts_with('(') || alone && !after.starts_with(letter))
            })
        };
        let used = texts.iter().any(|text| called(text) || sign.is_some_and(|(_, sign)| text.contains(sign)));
        assert!(used, "`{name}` is in no net of specs/parity: see tests/parity/make.py");
    }
}

/// Attributes that have a default and are no part of what is compared, and why. `momentum` of `batch_norm` is in a net, but shows
/// only in the statistics that a step of training leaves behind.
const NOT_COMPARED: &[(&str, &str)] = &[
    // Random numbers are off in what is stored.
    ("dropout", "rate"),
    // What weights start with; here they are loaded.
    ("scale", "init"),
    ("weight", "init"),
];

#[test]
fn every_attribute_has_another_value_than_its_default_in_one_of_them() {
    let texts: Vec<String> = nets().iter().map(|(_, text)| code(text)).collect();
    for (definition, attribute) in DEFINITIONS.iter().flat_map(|d| d.attributes.iter().map(move |a| (d, a))) {
        let (name, what) = (definition.name, attribute.name);
        let values: Vec<&str> = texts.iter().flat_map(|text| values(text, name, what)).collect();
        if let Some(default) = attribute.default {
            let other = |value: &&str| match (value.parse::<f64>(), default.parse::<f64>()) {
                (Ok(value), Ok(default)) => value != default,
                _ => *value != default,
            };
            let (found, excepted) = (values.iter().any(other), NOT_COMPARED.contains(&(name, what)));
            assert!(found || excepted, "`{name}` is in no net of specs/parity with a `{what}:` other than {default}");
            assert!(!(found && excepted), "`{what}` of `{name}` is in a net of specs/parity: it is no exception");
        }
        // `valid` is no padding, the default.
        for word in attribute.words.iter().filter(|word| attribute.default != Some(word) && **word != "valid") {
            assert!(values.contains(word), "`{name}` is in no net of specs/parity with `{what}: {word}`");
        }
    }
}

/// A text without comments.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What an argument of this name is given in the calls of an operator.
fn values<'t>(text: &'t str, operator: &str, argument: &str) -> Vec<&'t str> {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    let called = format!("{operator}(");
    let calls = text.match_indices(&called).filter(|(at, _)| !text[..*at].ends_with(letter));
    calls
        .flat_map(|(at, _)| arguments(&text[at + called.len()..]))
        .filter_map(|given| given.split_once(':'))
        .filter(|(name, _)| name.trim() == argument)
        .map(|(_, value)| value.trim())
        .collect()
}

/// The arguments of a call, up to its closing bracket.
fn arguments(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            ')' if depth == 0 => {
                parts.push(&text[start..at]);
                break;
            }
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}
