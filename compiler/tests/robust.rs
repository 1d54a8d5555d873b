//! No text makes the compiler panic, hang or fill the memory: mutants of all specs at hand, and texts that are made to hurt.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cnnc::compile::{Options, compile, elaborate};
use cnnc::diagnostics::SourceMap;
use cnnc::loader::Files;
use cnnc::syntax::MAX_BYTES;

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// All specs: those that ship and the wrong ones.
fn corpus() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from("../specs"), PathBuf::from("tests/errors")];
    let mut specs = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "net") {
                let text = std::fs::read_to_string(&path).expect("a spec");
                specs.push((path, text));
            }
        }
    }
    specs.sort();
    specs
}

/// Words and signs, each with the space before it.
fn tokens(text: &str) -> Vec<&str> {
    let (mut tokens, mut start) = (Vec::new(), 0);
    let class = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            1
        } else if c.is_whitespace() {
            2
        } else {
            0
        }
    };
    let mut before = 2;
    for (at, c) in text.char_indices() {
        let now = class(c);
        if before != 2 && (now != before || now == 0) {
            tokens.push(&text[start..at]);
            start = at;
        }
        before = now;
    }
    tokens.push(&text[start..]);
    tokens
}

/// What may take the place of a token.
const SPICE: &[&str] = &[
    " 0",
    " -1",
    " 1",
    " 2",
    " 65536",
    " 1000000",
    " 9223372036854775807",
    " 1e308",
    " 0.5",
    " \"a\"",
    " \"{x}\"",
    " []",
    " [1, 2]",
    " (1, 2)",
    " 0..3",
    " true",
    " x",
    " same",
    " if",
    " else",
    " for",
    " in",
    " shared",
    " as",
    " as a",
    " |>",
    " |> relu",
    " |> flatten",
    " |> dense(3)",
    " |> conv(2, 1)",
    " +",
    " -",
    " *",
    " /",
    " %",
    " ==",
    " <",
    " and",
    " not",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "=",
    ".",
    "..",
    "\"",
    "\n",
    "//",
    "///",
    " net",
    " block",
    " use",
    " const",
    " input",
    " output",
    " target",
    " loss",
    " train",
    " freeze",
    " return",
    " é",
    " \u{1F600}",
    "\0",
    "\\",
];

fn mutant(text: &str, other: &str, random: &mut Random) -> String {
    let mut parts: Vec<&str> = tokens(text);
    let spare = tokens(other);
    for _ in 0..=random.below(4) {
        let at = random.below(parts.len());
        match random.below(6) {
            0 => {
                parts.remove(at);
            }
            1 => parts.insert(at, parts[random.below(parts.len())]),
            2 => {
                let with = random.below(parts.len());
                parts.swap(at, with);
            }
            3 => parts[at] = SPICE[random.below(SPICE.len())],
            4 => parts.insert(at, SPICE[random.below(SPICE.len())]),
            _ => {
                let from = random.below(spare.len());
                let len = random.below(12).min(spare.len() - from);
                parts.splice(at..at, spare[from..from + len].iter().copied());
            }
        }
        if parts.is_empty() {
            return String::new();
        }
    }
    parts.concat()
}

/// Elaborates, and compiles what is right and small.
fn survive(path: &Path, text: &str) {
    let start = Instant::now();
    let mut sources = SourceMap::default();
    let entry = sources.add(path, text);
    let options = Options::default();
    match elaborate(sources.clone(), &Files, entry, &options) {
        Err(failure) => {
            assert!(!failure.diagnostics.is_empty());
            assert!(!failure.render(false).is_empty());
        }
        Ok((_, graph)) => {
            let elements: usize = graph.nodes.iter().map(|n| n.ty.len()).sum();
            if elements < 1 << 20 && graph.nodes.len() < 1000 {
                let compiled =
                    compile(sources, &Files, entry, &options).unwrap_or_else(|f| panic!("{}", f.render(false)));
                compiled.emit();
            }
        }
    }
    // Without optimisation, on a machine that others use, too.
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 2 });
    assert!(start.elapsed() < limit, "{:?} for {text:.2000}", start.elapsed());
}

#[test]
fn mutants_are_survived() {
    let corpus = corpus();
    let mut random = Random(7);
    let rounds = std::env::var("CNNC_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000);
    for round in 0..rounds {
        let (path, text) = random.choose(&corpus);
        let (_, other) = random.choose(&corpus);
        let text = mutant(text, other, &mut random);
        let outcome = std::panic::catch_unwind(|| survive(path, &text));
        assert!(outcome.is_ok(), "round {round}, {}:\n{text}", path.display());
    }
}

#[test]
fn hurtful_texts_are_survived() {
    let path = Path::new("tests/errors/hurtful.net");
    let whole = |part: &str| part.repeat(MAX_BYTES / part.len());
    let in_net = |body: &str| format!("net A(n = 3) {{ input x: [3, 8, 8] {body} output y = relu(x) }}");
    let filled = |before: &str, part: &str, after: &str| {
        in_net(&format!("{before}{}{after}", part.repeat((MAX_BYTES - 1000) / part.len())))
    };
    let texts = [
        whole("a"),
        whole("a "),
        whole("("),
        whole(")"),
        whole("{"),
        whole("\""),
        whole("///\n"),
        whole("// \n"),
        whole("\n"),
        whole("1"),
        whole("net A { } "),
        whole("block a(x) { return x }\n"),
        whole("const a = 1\n"),
        whole("use \"a\"\n"),
        whole("net "),
        whole("|> "),
        whole("é"),
        whole("\0"),
        whole("if "),
        whole("else "),
        filled("", "x = relu(x)\n", ""),
        filled("", "x = x ", ""),
        filled("z = [", "1, ", "]"),
        filled("z = ", "-", "1"),
        filled("z = ", "not ", "true"),
        filled("z = 1", " + 1", ""),
        filled("z = x", " |> relu", ""),
        filled("z = n", "[0]", ""),
        filled("z = n", ".a", ""),
        filled("z = \"", "a", "\""),
        filled("z = \"", "{n}", "\""),
        filled("", "freeze x ", ""),
        filled("", "train { a = 1 } ", ""),
        filled("", "if true { a = 1 } ", ""),
        filled("if n == 0 { } ", "else if n == 1 { } ", ""),
        filled("z = if n == 0 { 1 } ", "else if n == 1 { 1 } ", "else { 1 }"),
        filled("", "for i in 0..9 { } ", ""),
        filled("x = concat(x", ", x", ")"),
        filled("z = conv(x", ", n: 1", ")"),
        filled("", "x = shared relu ", ""),
        in_net("for i in 0..40000 { for j in 0..1 { a = 1 } }"),
        in_net("z = 0 for i in 0..50000 { z = [z] }"),
        in_net("for i in 0..24000 { x = dropout(x, 0.1) }"),
        in_net("for i in 0..24000 { x = conv(x, 3, 1) }"),
        in_net("for i in 0..24000 { x = conv(x, 3, 1, bias: false) as \"a{i}\" }"),
        in_net("z = [0] for i in 0..9000 { z = z + [i] } for i in z { for j in 0..9 { x = relu(x) } }"),
        in_net("e = shared conv(3, 1) for i in 0..20000 { x = e(x) } freeze x"),
        in_net("for i in 0..40 { freeze x x = conv(x, 3, 1) } for i in 0..10000 { freeze x }"),
        format!("block b(x) {{ return relu(x) }} {}", in_net("for i in 0..30000 { x = b(x) }")),
        in_net(&format!("{}1{}", "z = (".to_owned() + &"(".repeat(60), ")".repeat(61))),
        in_net(&format!("z = {}1{}", "[".repeat(60), "]".repeat(60))),
        in_net(&format!("{}a = 1{}", "if true { ".repeat(60), " }".repeat(60))),
        in_net(&format!("z = {}1{}", "if true { ".repeat(60), " } else { 1 }".repeat(60))),
        in_net(&format!("x = {}x{}", "relu(".repeat(60), ")".repeat(60))),
        in_net(&format!("z = {}n{}", "\"{".repeat(200), "}\"".repeat(200))),
    ];
    for text in &texts {
        let shown: String = text.chars().take(60).collect();
        let start = Instant::now();
        eprintln!("{shown:?}");
        let outcome = std::panic::catch_unwind(|| survive(path, text));
        if start.elapsed() > Duration::from_millis(300) {
            eprintln!("{:?}: {shown:?}", start.elapsed());
        }
        assert!(outcome.is_ok(), "{shown}");
    }
}
