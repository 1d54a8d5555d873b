//! Networks within a given memory learn what they learn without one, and answer nearly so.

use cnnc::budget::{Budget, Taken};
use cnnc::compile::{Compiled, Options};
use cnnc_tests::build::{Answer, Program};
use cnnc_tests::compare::Case;
use cnnc_tests::compile_text;
use cnnc_tests::generate::{Random, network};

const IMAGES: usize = 3;
const THREADS: usize = 2;

/// The network with as little memory as the search finds: its values in half the memory, three quarters, seven eighths.
fn squeezed(text: &str, whole: &Compiled) -> Option<Compiled> {
    let room = Budget { bytes: 0, images: IMAGES, vectors: 0, copies: 0, keeps_gradients: true };
    let taken = Taken::of(&whole.inference, whole.training.as_ref(), &room);
    [4, 6, 7].into_iter().find_map(|eighths| {
        let bytes = taken.total() - taken.prepared - taken.values * (8 - eighths) / 8;
        let budget = Budget { bytes, ..room };
        let inference = |graph| cnnc::compile::planned(cnnc::optimize::INFERENCE, graph, true);
        let (inference, training) = budget.fit(&whole.graph, inference, whole.training.clone());
        let found = Taken::of(&inference, training.as_ref(), &room);
        let smaller = Compiled { inference, training, ..whole.clone() };
        assert!(found.total() <= taken.total(), "more than before\n{text}");
        (found.values < taken.values).then_some(smaller)
    })
}

/// What training makes, without the outputs of deployment.
fn of_training(answer: &Answer) -> Answer {
    Answer { outputs: Vec::new(), ..answer.clone() }
}

#[test]
fn gradients_are_the_same_to_the_last_bit() {
    let options = Options { input_gradients: true, ..Options::default() };
    let mut texts: Vec<String> = (0..30).map(network).collect();
    texts.push(std::fs::read_to_string(cnnc_tests::specs().join("resnet_cifar.net")).expect("a spec"));
    let pairs: Vec<(String, Compiled, Compiled)> = texts
        .into_iter()
        .filter_map(|text| {
            let whole = compile_text(&text, &options);
            let less = squeezed(&text, &whole)?;
            Some((text, whole, less))
        })
        .collect();
    assert!(pairs.len() >= 10, "only {} of the networks could be squeezed", pairs.len());
    let networks: Vec<Compiled> = pairs.iter().flat_map(|(_, whole, less)| [whole.clone(), less.clone()]).collect();
    let program = Program::build("budget", &networks);
    let cases: Vec<Case<'_>> = pairs
        .iter()
        .enumerate()
        .map(|(seed, (_, whole, _))| Case::random(whole, IMAGES, &mut Random::new(seed as u64)))
        .collect();
    let requests: Vec<_> = cases
        .iter()
        .enumerate()
        .flat_map(|(i, case)| [case.request(2 * i, 1, ""), case.request(2 * i + 1, THREADS, "")])
        .collect();
    let answers = program.run(&requests);
    for ((text, _, _), two) in pairs.iter().zip(answers.as_chunks::<2>().0) {
        assert!(of_training(&two[0]) == of_training(&two[1]), "gradients differ\n{text}");
        // Deployment rounds otherwise.
        for (a, b) in two[0].outputs.iter().flatten().zip(two[1].outputs.iter().flatten()) {
            assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0) || a.is_nan(), "{b} instead of {a}\n{text}");
        }
    }
}
