//! Networks that ship, within less and less memory.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::path::Path;

use cnnc::budget::{Budget, Taken, bytes, in_units};
use cnnc::compile::{Compiled, Failure, Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::elaborate;
use cnnc::graph::verify;
use cnnc::loader::{Files, networks};
use cnnc::ops::Op;
use cnnc::ops::tile_conv::Algorithm;

const IMAGES: usize = 8;

fn budget(bytes: usize) -> Budget {
    Budget { bytes, images: IMAGES, vectors: 1, copies: 0, keeps_gradients: true }
}

fn within(name: &str, bytes: Option<usize>, infer_only: bool) -> Result<Compiled, Failure> {
    within_budget(name, bytes.map(budget), infer_only)
}

fn within_budget(name: &str, budget: Option<Budget>, infer_only: bool) -> Result<Compiled, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let network = networks(&folder).into_iter().find(|network| network.name == name).expect("it ships");
    let mut sources = SourceMap::default();
    let entry = sources.add(&network.path, std::fs::read_to_string(&network.path).expect("a spec"));
    let elaborate = elaborate::Options { net: network.net, ..Default::default() };
    compile(sources, &Files, entry, &Options { elaborate, infer_only, budget, ..Options::default() })
}

fn taken(compiled: &Compiled) -> Taken {
    Taken::of(&compiled.inference, compiled.training.as_ref(), &budget(0))
}

#[test]
fn training_fits_into_less() {
    for name in ["resnet18", "resnet20", "googlenet", "vgg16_bn", "unet", "densenet121", "mobilenet_v2", "r3d18"] {
        let all = taken(&within(name, None, false).expect("a network"));
        // All that is prepared for deployment can be halved or more, or is small; a quarter of the values is given up everywhere.
        let bytes = all.total() - all.prepared / 2 - all.values / 4;
        let less =
            within(name, Some(bytes), false).unwrap_or_else(|failure| panic!("{name}: {}", failure.render(false)));
        assert!(taken(&less).total() <= bytes, "{name} takes {}, not {bytes}", taken(&less).total());
        let training = less.training.expect("it trains");
        verify(&training.graph).expect("a graph as any other");
        assert!(training.plan.sizes.arena >= training.plan.sizes.arena_lower_bound, "{name}");
    }
}

#[test]
fn deployment_fits_into_less() {
    for name in ["resnet18", "resnet50", "yolo_v2", "vgg16"] {
        let all = taken(&within(name, None, true).expect("a network"));
        let bytes = all.total() - all.prepared / 4;
        let less = taken(&within(name, Some(bytes), true).expect("it fits"));
        assert!(less.total() <= bytes && less.prepared < all.prepared, "{name}: {less} instead of {all}");
    }
}

/// Deployment alone does not count weights that it gives back, nor much that is in memory twice for a while; and what saves weights
/// keeps Winograd's algorithm.
#[test]
fn deployment_gives_weights_back() {
    const MIB: usize = 1 << 20;
    for (name, weights, most) in [("resnet18", 3 * MIB, 52 * MIB), ("resnet50", 8 * MIB, 108 * MIB)] {
        let one = |bytes: usize| Budget { bytes, images: 1, vectors: 0, copies: 0, keeps_gradients: true };
        let deployed = within_budget(name, Some(one(most)), true).expect("it fits");
        let taken = Taken::of(&deployed.inference, None, &one(most));
        assert!(taken.weights < weights && taken.preparing < 2 * MIB, "{name}: {taken}");
        let algorithms =
            deployed.inference.graph.values().filter_map(|value| match &deployed.inference.graph.node(value).op {
                Op::TileConv(conv) if conv.window.kernel == [3, 3] => Some(conv.algorithm),
                _ => None,
            });
        let direct = algorithms.filter(|algorithm| *algorithm == Algorithm::Direct).count();
        assert!(direct <= 3, "{name}: {direct} windows of three by three are direct");
    }
}

/// What is said to be the least is enough when it is asked for, and no more than what is fastest takes.
#[test]
fn the_least_fits() {
    let (trained, deployed) = (["landmarks", "siamese", "resnet20"], ["resnet18", "vgg16", "unet", "yolo_v2"]);
    for (name, infer_only) in trained.map(|name| (name, false)).into_iter().chain(deployed.map(|name| (name, true))) {
        let refused = within(name, Some(1), infer_only).expect_err("a byte is too little").render(false);
        let least = refused.split("no less than ").nth(1).and_then(|rest| rest.split(" for ").next()).expect("a size");
        let bytes = bytes(least).expect("a size that can be read");
        let all = taken(&within(name, None, infer_only).expect("a network"));
        // A little more is enough, too, though something else is tried first.
        for bytes in [bytes, bytes + bytes / 100, bytes + bytes / 50] {
            let less = within(name, Some(bytes), infer_only)
                .unwrap_or_else(|failure| panic!("{name}, {least}, {bytes}: {}", failure.render(false)));
            assert!(taken(&less).total() <= all.total(), "{name}: {} instead of {all}", taken(&less));
        }
    }
}

/// A chain of a thousand layers, within what every so-manieth of them takes, in bounded time.
#[test]
fn deep_chains_take_a_small_part() {
    let text = "
net Deep {
    input image: [3, 8, 8]
    x = image |> conv(16, 3, pad: 1) as stem
    for i in 0..500 {
        x = tanh(x) |> sigmoid
    }
    logits = x |> flatten |> dense(10) as fc
    output probabilities = softmax(logits)
    target label: class(10)
    loss cross_entropy(logits, label)
}
";
    let compiled = |budget| {
        let mut sources = SourceMap::default();
        let entry = sources.add("deep.net", text.to_owned());
        compile(sources, &Files, entry, &Options { budget, ..Options::default() })
    };
    let all = taken(&compiled(None).unwrap_or_else(|failure| panic!("{}", failure.render(false))));
    let bytes = all.total() - all.values * 6 / 8;
    let less = taken(&compiled(Some(budget(bytes))).unwrap_or_else(|failure| panic!("{}", failure.render(false))));
    assert!(less.values <= all.values / 4, "{less} instead of {all}");
}

#[test]
fn what_fits_is_left_alone() {
    let (all, free) = (within("resnet18", None, false), within("resnet18", Some(1 << 40), false));
    let text = |compiled: Result<Compiled, Failure>| compiled.expect("a network").emit().inline_text();
    assert!(text(all) == text(free));
}

#[test]
fn too_little_is_refused() {
    let failure = within("resnet18", Some(1 << 20), false).expect_err("a megabyte is less than its weights");
    let text = failure.render(false);
    for part in ["does not fit into 1.0 MiB", "no less than", "for 8 images: weights 44.6 MiB", "fewer images"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn sizes_as_people_write_them() {
    let good = [("512MiB", 512 << 20), ("1.5GiB", 3 << 29), ("2 GB", 2_000_000_000), ("65536", 65536), ("8k", 8192)];
    for (text, size) in good {
        assert_eq!(bytes(text), Ok(size), "{text}");
    }
    for text in ["", "MiB", "-1", "0", "0.5", "12 parsecs", "1e9", "99999999999999999999GiB", "1.2.3M", "∞"] {
        let wrong = bytes(text).expect_err(text);
        assert!(wrong.contains("512MiB"), "{wrong}");
    }
    assert_eq!([in_units(1000), in_units(1536), in_units(5 << 19)], ["1000 B", "1.5 KiB", "2.5 MiB"]);
}
