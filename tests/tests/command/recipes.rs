//! Recipes that say how weights start and are updated: each form of each key learns, and wrong ones are explained. All that
//! train the whole network share one compiled program.

use super::{SMALL, folder, refused, repository, said};

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

    // Transfer trains from a layer on; of the whole network that is the program that all others have.
    // A bias in front of a norm has no gradient, so that it shows nothing.
    const WEIGHTS: [&str; 5] = ["first.weight", "norm.weight", "norm.bias", "head.weight", "head.bias"];
    for (name, train, first) in
        [("last1", "{ last: 1 }", 3), ("from", "{ from: norm }", 1), ("last2", "{ last: 2 }", 0)]
    {
        let transfer = format!("transfer: {{ from: runs/adam/weights.safetensors, train: {train} }}\n");
        file(&format!("{name}.yaml"), &recipe(&transfer));
        said(home.path(), &["train", &format!("{name}.yaml")]);
        let changed = WEIGHTS.map(|weight| values("adam", weight) != values(name, weight));
        assert_eq!(changed, std::array::from_fn(|weight| weight >= first), "{train}");
        // A norm in front keeps its statistics, too.
        assert_eq!(values("adam", "norm.running_mean") != values(name, "norm.running_mean"), first < 3, "{train}");
    }
}

#[test]
fn wrong_recipes_are_explained() {
    let home = folder();
    let good = "spec: lenet5\ndata: { train: { images: a, labels: b } }\nepochs: 1\n";
    for name in ["a", "b"] {
        std::fs::write(home.path().join(name), "x").expect("a file");
    }
    let table = "file,split,class,xmin,ymin,xmax,ymax\na.png,train,dog,1,2,3,4\n";
    std::fs::write(home.path().join("t.csv"), table).expect("a file");
    let cases = [
        ("unknown key", good.replace("epochs", "epoch"), "did you mean `epochs`?"),
        ("missing key", good.replace("epochs: 1\n", ""), "the recipe needs `epochs`"),
        ("wrong type", good.replace("epochs: 1", "epochs: many"), "fits: a whole number, 0 or more"),
        ("a bare name", good.to_owned() + "optimizer: sgd\n", "fits: a name with what belongs to it"),
        ("a number for keys", good.to_owned() + "picture: 3\n", "fits: keys with values"),
        ("a name misspelt", good.to_owned() + "schedule: { decay: cosin }\n", "did you mean `cosine`?"),
        ("out of range", good.replace("epochs: 1", "epochs: 0"), "from 1 to 1000000"),
        ("batch", good.to_owned() + "batch: 0\n", "from 1 to 65536"),
        ("negative", good.to_owned() + "seed: -1\n", "seed"),
        ("no such file", good.replace("images: a", "images: c"), "there is no such file"),
        ("half a data set", good.replace(", labels: b", ""), "does not say where its data is"),
        ("no data", "spec: lenet5\nepochs: 1\n".to_owned(), "the recipe needs `data`"),
        ("unknown optimizer", good.to_owned() + "optimizer: { sgdd: {} }\n", "sgd"),
        ("optimizer key", good.to_owned() + "optimizer: { sgd: { lr: 1 } }\n", "learning_rate"),
        ("momentum", good.to_owned() + "optimizer: { sgd: { momentum: 2 } }\n", "momentum"),
        ("schedule", good.to_owned() + "schedule: { decay: { step: { every: 0, factor: 0.1 } } }\n", "every"),
        ("plateau", good.to_owned() + "schedule: { decay: { on_plateau: { factor: 2 } } }\n", "`factor` is 2"),
        ("history", good.to_owned() + "optimizer: { lbfgs: { history: 0 } }\n", "`history` is 0"),
        (
            "line search",
            good.to_owned() + "accumulate: 2\noptimizer: { lbfgs: { line_search: true } }\n",
            "a `line_search` looks at one batch several times",
        ),
        (
            "momentum of a cycle",
            good.to_owned()
                + "optimizer: { sgd: { momentum: 0.9 } }\nschedule: { decay: { one_cycle: { momentum: [1, 2] } } }\n",
            "schedule: { decay: { one_cycle: { momentum: [1, 2] } } }\n",
        ),
        ("clip", good.to_owned() + "clip: { norm: 0 }\n", "`norm` is 0, but it must be above 0"),
        ("top", good.to_owned() + "metrics: { top: [1, 0] }\n", "`top` has 0, but all its numbers must be at least 1"),
        ("pck", good.to_owned() + "metrics: { pck: 2 }\n", "`pck` is 2, but it must be above 0 and at most 1"),
        ("average", good.to_owned() + "average: 1\n", "from 0 to below 1"),
        ("accumulate", good.to_owned() + "accumulate: 0\n", "from 1 to 65536"),
        ("decay_on", good.to_owned() + "decay_on: biases\n", "weights"),
        ("a group without weights", good.to_owned() + "groups: [{ match: dens3 }]\n", "did you mean `dense3`?"),
        (
            "a group",
            good.to_owned() + "groups: [{ match: dense3, decay: -1 }]\n",
            "`decay` is -1, but it must be 0 or more",
        ),
        (
            "groups of L-BFGS",
            good.to_owned() + "groups: [{ match: dense3 }]\noptimizer: { lbfgs: {} }\n",
            "`lbfgs` looks for one direction of all weights",
        ),
        ("frozen", good.to_owned() + "freeze: [dense1, \"conv*z\"]\n", "there are no weights `conv*z` to freeze"),
        ("frozen by a name misspelt", good.to_owned() + "freeze: [dens1]\n", "did you mean `dense1`?"),
        ("all frozen", good.to_owned() + "freeze: [\"*\"]\n", "nothing is left to train"),
        ("init", good.to_owned() + "init: xavier\n", "xavier_normal"),
        ("augment", good.to_owned() + "augment: [{ mirror: 2 }]\n", "`mirror` is 2, but it must be from 0 to 1"),
        (
            "a point exchanged twice",
            good.to_owned() + "augment: [{ mirror: { share: 0.5, swap: [[0, 1], [1, 2]] } }]\n",
            "`swap` has point 1 twice, but each can change places once only",
        ),
        (
            "a key of a step misspelt",
            good.to_owned() + "augment: [{ mirror: { share: 0.5, swop: [] } }]\n",
            "did you mean `swap`?",
        ),
        ("a step misspelt", good.to_owned() + "augment: [{ miror: 0.5 }]\n", "did you mean `mirror`?"),
        ("two kinds of data", good.replace("labels: b", "labels: b, tensors: a"), "does not say where its data is"),
        ("memory", good.to_owned() + "memory: 3 elephants\n", "`3 elephants` is no size of memory; one is `512MiB`"),
        ("too little memory", good.to_owned() + "memory: 1\n", "no less than"),
        ("no such folder", good.replace("images: a, labels: b", "folders: c"), "there is no such folder"),
        ("annotations", good.replace("images: a, labels: b", "coco: { images: . }"), "annotations"),
        ("unknown spec", good.replace("lenet5", "lenet6"), "did you mean `lenet5`?"),
        ("not YAML", "spec: [\n".to_owned(), "cannot be read"),
        ("a list", "- 1\n".to_owned(), "cannot be read"),
        ("empty", String::new(), "error"),
        ("unknown parameter", good.to_owned() + "set: { clases: 3 }\n", "did you mean `classes`?"),
        ("nothing to transfer", good.to_owned() + "transfer: { from: c }\n", "there is no such file"),
        ("transfer", good.to_owned() + "transfer: { from: a, train: heads }\n", "did you mean `head`?"),
        ("no layers", good.to_owned() + "transfer: { from: a, train: { last: 0 } }\n", "fits: 1 to 5"),
        ("too many layers", good.to_owned() + "transfer: { from: a, train: { last: 6 } }\n", "fits: 1 to 5"),
        (
            "no such layer",
            good.to_owned() + "transfer: { from: a, train: { from: dens2 } }\n",
            "did you mean `dense2`?",
        ),
        (
            "features that change",
            good.to_owned() + "transfer: { from: a, features: cached }\naugment: [mirror: 0.5]\n",
            "features that are kept are those of pictures as they are",
        ),
        (
            "no features",
            good.to_owned() + "transfer: { from: a, train: all, features: cached }\n",
            "has no features that stay the same",
        ),
        ("a parameter misspelt", good.to_owned() + "set:\n  clases: 3\n", "r.yaml:5:3\n"),
        ("a value of another kind", good.to_owned() + "set: { classes: many }\n", "r.yaml:4:17\n"),
        ("too little memory, here", good.to_owned() + "memory: 1\n", "r.yaml:4:9\n"),
        ("unknown spec, here", good.replace("lenet5", "lenet6"), "r.yaml:1:7\n"),
        ("a key said twice", good.to_owned() + "seed: 1\nset: { seed: 3 }\nseed: 2\n", "r.yaml:6:1\n"),
        (
            "a key said twice beside its like",
            good.replace("{ train", "{ test: { labels: b, images: a }, train")
                .replace("labels: b } }", "labels: b, labels: b } }"),
            "r.yaml:2:72\n",
        ),
        ("a parameter without a name", good.to_owned() + "set: { \"\": 1 }\n", "r.yaml:4:1\n"),
        ("blended classes", good.to_owned() + "augment: [rotate: 3, mixup: 0.2]\n", "r.yaml:4:22\n"),
        ("no such weights", good.to_owned() + "weights: c\n", "r.yaml:4:10\n"),
        ("nothing to transfer, here", good.to_owned() + "transfer: { train: head, from: c }\n", "r.yaml:4:32\n"),
        (
            "no such layer, and how to find one",
            good.to_owned() + "transfer: { from: a, train: { from: layr3 } }\n",
            "`cnnc summary --weights` lists",
        ),
        (
            "no such split",
            good.replace("images: a, labels: b", "boxes: { images: ., annotations: t.csv, split: trian }"),
            "did you mean `train`?",
        ),
        ("two starts", good.to_owned() + "weights: a\ntransfer: { from: a }\n", "cannot start from `weights` and"),
    ];
    for (what, text, expected) in cases {
        std::fs::write(home.path().join("r.yaml"), text).expect("a file");
        let error = refused(home.path(), 1, &["train", "r.yaml"]);
        assert!(error.contains(expected), "{what}: {error}");
        assert!(!error.contains("struct ") && !error.contains("u64"), "{what}: {error}");
    }
    refused(home.path(), 1, &["train", "none.yaml"]);
}

#[test]
fn what_a_run_has_left_is_looked_for() {
    let home = folder();
    let file = |name: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, "x").expect("a file");
    };
    ["a", "b"].iter().for_each(|name| file(name));
    let recipe = "spec: lenet5\ndata: { train: { images: a, labels: b } }\nepochs: 1\n";
    std::fs::write(home.path().join("r.yaml"), recipe).expect("a file");
    let error = |arguments: &[&str]| refused(home.path(), 1, arguments);
    let none = error(&["train", "r.yaml", "--resume"]);
    assert!(none.contains("there is no run to resume: `runs/r/last.safetensors` is missing"), "{none}");
    assert!(error(&["eval", "r.yaml"]).contains("`cnnc train r.yaml` first, or `--weights FILE`"));
    ["runs/r/earlier-1/weights.safetensors", "runs/r/earlier-2/epochs.csv"].iter().for_each(|name| file(name));
    assert!(error(&["eval", "r.yaml"]).contains("`--weights runs/r/earlier-1/weights.safetensors`"));
    let given = error(&["predict", "r.yaml", "a", "--weights", "none.safetensors"]);
    assert!(given.contains("no weights at `none.safetensors`\nfits: a safetensors file"), "{given}");
    assert!(error(&["eval", "runs/r/earlier-1/weights.safetensors"]).contains("is a file of weights, not a recipe"));
}
