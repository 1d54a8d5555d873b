//! What `cnnc new` writes.

/// A first network, its recipe and a page that says what to do with them.
pub fn starter(name: &str) -> Vec<(String, String)> {
    let net = format!(
        "/// A small network for 28×28 grey pictures in ten classes.\nnet {}(classes = 10) {{\n{}}}\n",
        crate::emit::camel(name),
        "    input image: [1, 28, 28]

    features = image
        |> conv(16, 3, pad: 1) |> relu |> max_pool(2)
        |> conv(32, 3, pad: 1) |> relu |> max_pool(2)
    logits = features |> flatten |> dense(64) |> relu |> dense(classes)

    output probabilities = softmax(logits)

    target label: class(classes)
    loss cross_entropy(logits, label)
"
    );
    vec![
        (format!("{name}.net"), net),
        (format!("{name}.yaml"), RECIPE.to_owned()),
        ("README.md".to_owned(), README.to_owned()),
    ]
}

const RECIPE: &str = "\
# A recipe: what to train on what, and how. Paths are relative to this file, `checkpoints` to where the command runs.
spec: {name}.net
data:
  train: { images: data/train-images-idx3-ubyte.gz, labels: data/train-labels-idx1-ubyte.gz }
  test: { images: data/t10k-images-idx3-ubyte.gz, labels: data/t10k-labels-idx1-ubyte.gz }
picture: { mean: [0.1307], std: [0.3081] }
batch: 64
epochs: 5
optimizer: { sgd: { learning_rate: 0.05, momentum: 0.9 } }
schedule: { decay: { cosine: { end: 0.01 } } }
seed: 1
checkpoints: runs/{name}
";

const README: &str = "\
# {name}

- `{name}.net` says what the network is, `{name}.yaml` how it is trained.
- Put MNIST (or any pictures and labels in its IDX format) into `data/`.

```
cnnc summary {name}.net                 # layers, shapes, parameters
cnnc train {name}.yaml                  # weights go to runs/{name}
cnnc predict {name}.yaml picture.png    # what is in a picture
cnnc build {name}.net --out {name}-rs   # the network as a Rust crate
```
";
