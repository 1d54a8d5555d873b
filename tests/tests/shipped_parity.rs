//! The networks of `specs/` against PyTorch: what they answer, and the gradients of all they learn and of their inputs, with the
//! same weights by the same names. `tests/parity/shipped.py` made `tests/parity/shipped`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cnnc::compile::{Compiled, Options};
use cnnc::elaborate;
use cnnc::graph::{Graph, Named, Role};
use cnnc::loader::{Network, networks};
use cnnc::plan::ParamLayout;
use cnnc_tests::build::{Answer, Program, Request};
use cnnc_tests::sketch::{self, FIRST_SAMPLE};
use cnnc_tests::tensors::tensors;
use cnnc_tests::wire::Numbers;
use cnnc_tests::{compile_text, repository, specs};
use safetensors::SafeTensors;

/// How far outputs and gradients may be off, as shares of the norm of a tensor (for its norm and its signed sum) and of the largest
/// number in it (for samples).
const OUTPUTS: f64 = 1e-4;
const GRADIENTS: f64 = 1e-3;

/// A network and what PyTorch said of it.
struct Stored {
    /// What `cnnc` is told.
    words: Vec<String>,
    images: usize,
    salt: String,
    /// Where numbers lie that are drawn, and what was changed; numbers that are given; sketches of what came out.
    tensors: BTreeMap<String, Vec<f64>>,
    network: Network,
}

impl Stored {
    fn read(file: &Path, known: &[Network]) -> Self {
        let bytes = std::fs::read(file).expect("a file");
        let (_, meta) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let meta = meta.metadata().clone().expect("what the file is about");
        let words: Vec<String> = meta["spec"].lines().map(str::to_owned).collect();
        Self {
            images: meta["images"].parse().expect("a number"),
            salt: meta["salt"].clone(),
            tensors: tensors(file),
            network: known.iter().find(|network| network.name == words[0]).expect("a network that ships").clone(),
            words,
        }
    }

    fn compile(&self) -> Compiled {
        let mut elaborate = elaborate::Options { net: self.network.net.clone(), ..Default::default() };
        for pair in self.words[1..].chunks(2) {
            match (pair[0].as_str(), pair[1].split_once('=')) {
                ("--set", Some((name, value))) => elaborate.set.push((name.to_owned(), value.to_owned())),
                ("--net", None) => elaborate.net = Some(pair[1].clone()),
                _ => panic!("{pair:?}"),
            }
        }
        let text = std::fs::read_to_string(&self.network.path).expect("a spec");
        compile_text(&text, &Options { input_gradients: true, elaborate, ..Options::default() })
    }

    /// Numbers of this kind and name: as given, or as drawn, and perhaps changed after that.
    fn numbers(&self, kind: &str, name: &str, len: usize) -> Numbers {
        let floats = |x: &Vec<f64>| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        if let Some(given) = self.tensors.get(&format!("given.{name}")) {
            return Numbers::Given(floats(given));
        }
        let range = self.tensors.get(&format!("{kind}.{name}"));
        let range = floats(range.unwrap_or_else(|| panic!("{}: PyTorch has no {kind} `{name}`", self.words.join(" "))));
        let drawn = format!("{}/{kind}/{name}", self.salt);
        let Some(changed) = self.tensors.get(&format!("changed.{name}")) else {
            return Numbers::Drawn { name: drawn, len, middle: range[0], reach: range[1] };
        };
        let mut numbers = sketch::drawn(&drawn, len, range[0], range[1]);
        let (places, values) = changed.split_at(changed.len() / 2);
        places.iter().zip(values).for_each(|(place, value)| numbers[*place as usize] = *value as f32);
        Numbers::Given(numbers)
    }

    fn request(&self, network: usize, graph: &Graph, isa: &str) -> Request {
        let batched = |kind: &str, tensors: &[Named]| {
            let of = |named: &Named| self.numbers(kind, &named.name, self.images * graph.ty(named.value).len());
            tensors.iter().map(of).collect()
        };
        let places = ParamLayout::of(graph).ranges;
        let params = graph.params.iter().zip(places);
        Request {
            network,
            count: self.images,
            threads: 2,
            isa: isa.to_owned(),
            sketched: true,
            params: params.map(|(p, place)| (place.start, self.numbers("param", &p.name, p.len()))).collect(),
            inputs: batched("input", &graph.inputs),
            targets: batched("target", &graph.targets),
        }
    }

    /// What is further from PyTorch than allowed, and what only one of both has.
    fn differences(&self, graph: &Graph, answer: &Answer) -> Vec<String> {
        let ours: BTreeSet<String> = graph.params.iter().map(|param| format!("param.{}", param.name)).collect();
        let theirs = self.tensors.keys().filter(|key| key.starts_with("param."));
        let mut wrong: Vec<String> = theirs.filter(|key| !ours.contains(*key)).map(|key| format!("no {key}")).collect();
        let got = said(graph, answer);
        let kinds = ["loss", "output.", "grad.", "input_grad."];
        let expected = self.tensors.iter().filter(|(key, _)| kinds.iter().any(|kind| key.starts_with(kind)));
        // Twins of classifiers answer with logits. Their softmax is an operator among others, which tests of operators compare.
        let unsaid = got.keys().filter(|key| !self.tensors.contains_key(*key) && *key != "output.probabilities");
        wrong.extend(unsaid.map(|key| format!("PyTorch has no {key}")));
        // A gradient that cancels to nothing, as that of a bias before normalisation, has no digits of its own.
        let most =
            expected.clone().filter(|(key, _)| key.contains("grad.")).fold(0.0_f64, |most, (_, x)| most.max(x[0]));
        let one = |(key, expected): (&String, &Vec<f64>)| {
            let Some(got) = got.get(key) else { return Some(format!("no {key}")) };
            let gradient = key.contains("grad.");
            let floor = if gradient && expected[0] < 1e-7 * most { most } else { 0.0 };
            let off = off(got, expected, floor);
            (off > if gradient { GRADIENTS } else { OUTPUTS }).then(|| format!("{key} is off by {off:.1e}"))
        };
        wrong.extend(expected.filter_map(one));
        wrong
    }
}

/// Sketches of what the network says, by the names that PyTorch's have.
fn said<'a>(graph: &Graph, answer: &'a Answer) -> BTreeMap<String, &'a [f32]> {
    let mut said = BTreeMap::new();
    let outputs = graph.outputs.iter().zip(&answer.outputs);
    said.extend(outputs.map(|(output, x)| (format!("output.{}", output.name), x.as_slice())));
    if graph.loss.is_some() {
        said.insert("loss".to_owned(), answer.loss.as_slice());
        let params = graph.params.iter().zip(&answer.gradients).filter(|(param, _)| param.role == Role::Trained);
        said.extend(params.map(|(param, x)| (format!("grad.{}", param.name), x.as_slice())));
        let inputs = graph.inputs.iter().zip(&answer.input_gradients);
        said.extend(inputs.map(|(input, x)| (format!("input_grad.{}", input.name), x.as_slice())));
    }
    said
}

/// How far a sketch is from another.
fn off(got: &[f32], expected: &[f64], floor: f64) -> f64 {
    let got: Vec<f64> = got.iter().map(|x| f64::from(*x)).collect();
    let (norm, largest) = (expected[0].max(floor), expected[2].max(floor));
    let apart = got.iter().zip(expected).enumerate().map(|(i, (g, e))| {
        let share = (g - e).abs() / if i < FIRST_SAMPLE - 1 { norm } else { largest };
        if share.is_nan() { f64::INFINITY } else { share }
    });
    if got.len() == expected.len() { apart.fold(0.0, f64::max) } else { f64::INFINITY }
}

fn stored() -> Vec<Stored> {
    let known = networks(&specs());
    let folder = std::fs::read_dir(repository().join("tests/parity/shipped")).expect("the stored results");
    let mut files: Vec<PathBuf> = folder.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files.iter().map(|file| Stored::read(file, &known)).collect()
}

#[test]
fn every_spec_is_compared() {
    let stored = stored();
    for network in networks(&specs()) {
        let compared = stored.iter().any(|stored| stored.network.path == network.path);
        assert!(compared, "{}: see tests/parity/shipped.py", network.path.display());
    }
}

#[test]
fn shipped_networks_agree_with_pytorch() {
    let stored = stored();
    let compiled: Vec<Compiled> = stored.iter().map(Stored::compile).collect();
    let program = Program::build("shipped_parity", &compiled);
    let mut all = Vec::new();
    for (index, (stored, compiled)) in stored.iter().zip(&compiled).enumerate() {
        for isa in ["", "avx2"] {
            // One at a time: the largest has half a gigabyte of weights.
            let answers = program.run(&[stored.request(index, &compiled.graph, isa)]);
            let wrong = stored.differences(&compiled.graph, &answers[0]);
            if !wrong.is_empty() {
                all.push(format!("{}, isa `{isa}`:\n  {}", stored.words.join(" "), wrong.join("\n  ")));
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
