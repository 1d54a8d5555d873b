//! Weights that stay as they are.

use super::super::*;

const NET: &str = "\
net Small {
    input x: [4]
    y = x |> dense(3) as first |> dense(2) as head
    output y
    target label: class(2)
    loss cross_entropy(y, label)
    FREEZE
}
";

/// The weights that a recipe for a network keeps as they are; the network may freeze some, too.
fn frozen(recipe: &str, net: &str) -> Result<Vec<String>, String> {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("small.net"), NET.replace("FREEZE", net)).expect("a net");
    let text = "spec: small.net\ndata: { train: { tensors: a } }\nepochs: 1\n".to_owned() + recipe;
    let path = home.path().join("r.yaml");
    std::fs::write(&path, text).expect("a recipe");
    let read = || Recipe::read_alone(&path, None).and_then(|recipe| recipe.net(&recipe.named()?));
    read().map(|net| net.freeze).map_err(|wrong| format!("{wrong:?}"))
}

#[test]
fn freeze_and_transfer_add_up() {
    assert_eq!(frozen("freeze: [\"*.bias\"]\n", ""), Ok(vec!["first.bias".to_owned(), "head.bias".to_owned()]));
    let both = frozen("freeze: [head.bias]\ntransfer: { from: a, train: head }\n", "").expect("weights");
    assert_eq!(both, ["head.bias", "first.weight", "first.bias"]);
}

#[test]
fn something_is_left_to_train() {
    let nothing = |recipe: &str, net: &str, place: &str| {
        let wrong = frozen(recipe, net).expect_err("a mistake");
        assert!(wrong.contains("nothing is left to train") && wrong.contains(place), "{recipe}:\n{wrong}");
        wrong
    };
    nothing("freeze: [first, head]\n", "", "r.yaml:4:1");
    nothing("transfer: { from: a, train: head }\nfreeze: [head]\n", "", "r.yaml:5:1");
    nothing("freeze: [first]\n", "freeze \"head\"", "r.yaml:4:1");
    let by_net = nothing("transfer: { from: a, train: all }\n", "freeze \"first\", \"head\"", "r.yaml:4:1");
    assert!(by_net.contains("the net `Small`"), "{by_net}");
}

#[test]
fn patterns_without_weights_are_shown() {
    let wrong = frozen("set: {}\nfreeze: [first, haed]\n", "").expect_err("a mistake");
    assert!(wrong.contains("there are no weights `haed`") && wrong.contains("r.yaml:5:17"), "{wrong}");
}

#[test]
fn transfer_trains_layers_at_the_end() {
    // A norm over all axes has weights of three axes, and is no layer of its own.
    const DEEP: &str = "\
net Deep {
    input x: [2, 4, 4]
    a = x |> conv(3, 3) as a |> layer_norm(over: all) as norm |> relu
    b = a |> local_conv(3, 2) as b |> flatten
    output y = b |> dense(2) as head
    target label: class(2)
    loss cross_entropy(y, label)
}
";
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("deep.net"), DEEP).expect("a net");
    let path = home.path().join("r.yaml");
    let trained = |train: &str| {
        let start = "spec: deep.net\ndata: { train: { tensors: a } }\nepochs: 1\ntransfer: { from: a, train:";
        std::fs::write(&path, format!("{start} {train} }}\n")).expect("a recipe");
        let net = Recipe::read_alone(&path, None).and_then(|recipe| recipe.net(&recipe.named()?));
        let frozen = net.map(|net| net.freeze).map_err(|wrong| format!("{wrong:?}"))?;
        let all = ["a.weight", "a.bias", "norm.weight", "norm.bias", "b.weight", "b.bias", "head.weight", "head.bias"];
        assert_eq!(frozen, all[..frozen.len()]);
        Ok::<&str, String>(all[frozen.len()])
    };
    assert_eq!(trained("head").as_deref(), Ok("head.weight"));
    assert_eq!(trained("{ last: 1 }").as_deref(), Ok("head.weight"));
    assert_eq!(trained("{ last: 2 }").as_deref(), Ok("b.weight"));
    assert_eq!(trained("{ last: 3 }").as_deref(), Ok("a.weight"));
    assert_eq!(trained("{ from: norm }").as_deref(), Ok("norm.weight"));
    assert_eq!(trained("{ from: b.bias }").as_deref(), Ok("b.bias"));
    assert_eq!(trained("all").as_deref(), Ok("a.weight"));
    assert!(trained("{ last: 4 }").expect_err("three layers").contains("1 to 3: layers with filters"));
    assert!(trained("{ last: 0 }").expect_err("none").contains("1 to 3"));
    assert!(trained("{ from: haed }").expect_err("no such").contains("did you mean `head`?"));
}
