//! Emitted code against the reference, on random networks.

use cnnc::compile::{Compiled, Options};
use cnnc::ops::DEFINITIONS;
use cnnc_tests::build::Program;
use cnnc_tests::compare::Case;
use cnnc_tests::compile_text;
use cnnc_tests::generate::{Random, network};

/// Networks per program; the compiler builds a program's modules in parallel units.
const PER_PROGRAM: u64 = 100;

/// Seeds that the tests go through.
const SEEDS: u64 = 500;

/// The seeds of the networks: the first five hundred, or those of `CNNC_SEEDS=500..1000` in the environment.
fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("CNNC_SEEDS") else { return 0..SEEDS };
    let (from, to) = range.split_once("..").expect("CNNC_SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Outputs within 1e-5 and gradients within 1e-4 of the largest.
fn programs_agree(name: &str, seeds: std::ops::Range<u64>) {
    let options = Options { input_gradients: true, ..Options::default() };
    let networks: Vec<Compiled> = seeds.clone().map(|seed| compile_text(&network(seed), &options)).collect();
    let program = Program::build(name, &networks);
    let cases: Vec<Case<'_>> = networks
        .iter()
        .zip(seeds.clone())
        .map(|(compiled, seed)| {
            let mut random = Random::new(seed + 1_000_000);
            let count = random.between(1, 5);
            Case::random(compiled, count, &mut random)
        })
        .collect();
    for isa in ["", "avx2", "portable"] {
        let one: Vec<_> = cases.iter().enumerate().map(|(i, case)| case.request(i, 1, isa)).collect();
        let answers = program.run(&one);
        for ((case, answer), seed) in cases.iter().zip(&answers).zip(seeds.clone()) {
            let wrong = case.differences(answer, 1e-5, 1e-4);
            assert!(wrong.is_empty(), "seed {seed}, isa `{isa}`:\n{}\n{}", wrong.join("\n"), network(seed));
        }
        let three: Vec<_> = cases.iter().enumerate().map(|(i, case)| case.request(i, 3, isa)).collect();
        for ((a, b), seed) in answers.iter().zip(&program.run(&three)).zip(seeds.clone()) {
            assert!(a == b, "seed {seed}, isa `{isa}`: results depend on the number of threads\n{}", network(seed));
        }
    }
}

#[test]
fn hundreds() {
    let seeds = seeds();
    for start in seeds.clone().step_by(PER_PROGRAM as usize) {
        programs_agree(&format!("random_networks_{start}"), start..(start + PER_PROGRAM).min(seeds.end));
    }
}

#[test]
fn a_thousand_compile() {
    for seed in 0..1000 {
        compile_text(&network(seed), &Options { input_gradients: true, ..Options::default() });
    }
}

/// The arguments of each call of an operator: what stands in its brackets, parted by the commas that are in no others.
fn calls<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = Vec<String>> + 'a {
    let begins = |at: &usize| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let places = text.match_indices(name).map(|(at, _)| at).filter(begins);
    places.filter_map(move |at| text[at + name.len()..].strip_prefix('(')).map(|rest| {
        let (mut depth, mut arguments) = (0, vec![String::new()]);
        for c in rest.chars() {
            match c {
                ')' if depth == 0 => break,
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                _ => {}
            }
            match arguments.last_mut() {
                Some(last) if c != ',' || depth > 0 => last.push(c),
                _ => arguments.push(String::new()),
            }
        }
        arguments.iter().map(|argument| argument.trim().to_owned()).collect()
    })
}

#[test]
fn all_operators_and_attributes_are_drawn() {
    let texts: String = (0..SEEDS).map(network).collect();
    let words: std::collections::HashSet<&str> = texts.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for definition in DEFINITIONS {
        let name = definition.name;
        assert!(words.contains(name), "`{name}` is in no network");
        let said: Vec<String> = calls(&texts, name).flatten().collect();
        for attribute in definition.attributes.iter().filter(|attribute| attribute.default.is_some()) {
            let start = format!("{}: ", attribute.name);
            let other =
                said.iter().filter_map(|argument| argument.strip_prefix(&start)).any(|v| Some(v) != attribute.default);
            assert!(other, "no `{name}` has another `{start}` than its default");
        }
    }
}
