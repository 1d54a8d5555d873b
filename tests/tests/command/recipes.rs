//! Recipes that say how weights start and are updated: each form of each key learns. All but the last share one compiled program.

use super::{SMALL, folder, repository, said};

/// How a network learns, without what it learns from.
const HOW: [(&str, &str); 9] = [
    (
        "sgd",
        "optimizer: { sgd: { learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.0001 } }
schedule: { decay: { one_cycle: { rise: 0.3, start: 25, end: 10000, momentum: [0.85, 0.95] } } }
init: { truncated_normal: { std: 0.05 } }
groups: [{ match: \"*.bias\", decay: 0 }, { match: first, learning_rate: 0.5 }]
",
    ),
    (
        "adam",
        "optimizer: { adam: { learning_rate: 0.01 } }
schedule: { decay: constant }
init: { he_normal: in }
",
    ),
    (
        "adamw",
        "optimizer: { adamw: { learning_rate: 0.01, weight_decay: 0.1 } }
schedule: { warmup: 0.5, decay: { cosine: { end: 0.01 } } }
init: { he_normal: out }
decay_on: weights
average: 0.5
",
    ),
    (
        "rmsprop",
        "optimizer: { rmsprop: { learning_rate: 0.003, momentum: 0.5, centered: true } }
schedule: { decay: { step: { every: 2, factor: 0.5 } } }
init: { he_uniform: in }
clip: { norm: 1.0 }
",
    ),
    (
        "adagrad",
        "optimizer: { adagrad: { learning_rate: 0.05 } }
schedule: { decay: { multi_step: { at: [2, 3], factor: 0.5 } } }
init: xavier_normal
clip: { value: 0.5 }
",
    ),
    (
        "lars",
        "optimizer: { lars: { learning_rate: 1, trust: 0.02 } }
schedule: { decay: { exponential: { factor: 0.9 } } }
init: xavier_uniform
accumulate: 2
",
    ),
    (
        "lbfgs",
        "optimizer: { lbfgs: { line_search: true } }
schedule: { decay: { polynomial: { power: 2 } } }
init: { orthogonal: { gain: 1 } }
batch: 300
",
    ),
    (
        "lbfgs_plain",
        "optimizer: { lbfgs: { learning_rate: 0.1, history: 5 } }
init: { he_uniform: out }
batch: 300
",
    ),
    (
        "plateau",
        "optimizer: { adam: { learning_rate: 0.01 } }
schedule: { decay: { on_plateau: { factor: 0.5, patience: 0, threshold: 0.5 } } }
early_stopping: 2
",
    ),
];

/// Three epochs of 300 of the digits that ship; 200 are held out.
fn recipe(how: &str) -> String {
    let data = repository().join("data/mnist").display().to_string();
    let part = |part: &str| {
        format!("{{ images: t10k-images-idx3-ubyte.gz, labels: t10k-labels-idx1-ubyte.gz, part: {{ {part} }} }}")
    };
    let batch = if how.contains("batch:") { "" } else { "batch: 20\n" };
    let (train, test) = (part("first: 300"), part("last: 200"));
    format!(
        "spec: small.net\ndata:\n  folder: {data}\n  train: {train}\n  test: {test}\n\
         picture: {{ mean: [0.13], std: [0.31] }}\nepochs: 4\n{batch}{how}"
    )
}

#[test]
fn every_way_to_learn_learns() {
    let home = folder();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
    file("small.net", SMALL);
    for (name, how) in HOW {
        file(&format!("{name}.yaml"), &recipe(how));
        let text = said(home.path(), &["train", &format!("{name}.yaml")]);
        let losses = std::fs::read_to_string(home.path().join(format!("runs/{name}/epochs.csv"))).expect("a log");
        let column = losses.lines().next().and_then(|head| head.split(',').position(|name| name == "loss"));
        let column = column.unwrap_or_else(|| panic!("{losses}"));
        let loss = |line: &str| line.split(',').nth(column).and_then(|loss| loss.parse::<f64>().ok()).expect("a loss");
        let losses: Vec<f64> = losses.lines().skip(1).map(loss).collect();
        assert!(losses.len() >= 2 && losses[losses.len() - 1] < losses[0], "{name}: {losses:?}\n{text}");
    }

    // What is frozen by name comes from the weights, which are accounted for, and stays.
    file("frozen.yaml", &recipe("weights: runs/adam/weights.safetensors\nfreeze: [\"*.bias\", first]\n"));
    let text = said(home.path(), &["train", "frozen.yaml"]);
    assert!(text.contains("weights.safetensors: 8 of 8 weights fit by name and shape: "), "{text}");
    assert!(text.contains("1,444 trained parameters and 118 frozen ones"), "{text}");
    let values = |run: &str, name: &str| {
        let bytes = std::fs::read(home.path().join(format!("runs/{run}/weights.safetensors"))).expect("weights");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        tensors.tensor(name).expect("a tensor").data().to_vec()
    };
    for name in ["first.weight", "first.bias", "head.bias"] {
        assert_eq!(values("adam", name), values("frozen", name), "{name} is frozen");
    }
    assert_ne!(values("adam", "head.weight"), values("frozen", "head.weight"));
}
