use super::*;
use crate::Options;
use crate::testing::{Folder, PIXELS, SPEC, Tiny};
use std::string::String;
use std::vec;

fn network(seed: u64) -> Tiny {
    Tiny::new(&Options { seed, ..Options::default() })
}

/// The message of a failed load of the tensors, which must leave the network alone.
fn complaint(tensors: &[Tensor<'_>]) -> String {
    let folder = Folder::new("weights");
    let path = folder.path("w.safetensors");
    tensors::write(&path, tensors, None).expect("written");
    let mut network = network(3);
    let before = network.params().to_vec();
    let error = load(&mut network, &path).expect_err("weights that do not fit");
    assert_eq!(network.params(), before);
    error.to_string().replace(&path.display().to_string(), "FILE")
}

#[test]
fn blank_networks_have_the_weights_that_they_load() {
    let folder = Folder::new("weights");
    let path = folder.path("w.safetensors");
    let saved = network(1);
    save(&saved, &path, None).expect("saved");
    let mut blank = Tiny::new(&Options { blank: true, ..Options::default() });
    assert!(blank.params().iter().all(|x| *x == 0.0));
    load(&mut blank, &path).expect("they fit");
    assert_eq!(saved.params(), blank.params());
}

#[test]
fn saved_weights_load_again() {
    let folder = Folder::new("weights");
    let path = folder.path("w.safetensors");
    let saved = network(1);
    save(&saved, &path, Some("{}")).expect("saved");
    let mut other = network(2);
    assert_ne!(saved.params(), other.params());
    let loaded = load(&mut other, &path).expect("loaded");
    assert_eq!(saved.params(), other.params());
    assert_eq!((loaded.tensors, loaded.floats), (4, 144 + 4 + 2 * PIXELS));
    assert_eq!(loaded.metadata.as_deref(), Some("{}"));
    let bytes = std::fs::read(&path).expect("the file");
    let mut third = network(2);
    load_bytes(&mut third, &bytes, Lenience::default()).expect("loaded");
    assert_eq!(saved.params(), third.params());
}

#[test]
fn names_are_compared_and_guessed() {
    let source = network(1);
    let mut tensors = tensors_of(&source);
    tensors[0].name = String::from("classifier.weight");
    tensors[3].name = String::from("fc.bais");
    assert_eq!(
        complaint(&tensors),
        "FILE: these weights do not fit Tiny:\n  \
         - `fc.weight` [4, 36] is missing; is it the `classifier.weight` of the file?\n  \
         - `fc.bias` [4] is missing; is it the `fc.bais` of the file?\n  \
         - `classifier.weight` of the file is no parameter of Tiny\n  \
         - `fc.bais` of the file is no parameter of Tiny; is it `fc.bias`?"
    );
}

#[test]
fn what_fits_is_transferred() {
    let folder = Folder::new("weights");
    let path = folder.path("w.safetensors");
    let (source, other_head) = (network(1), [1.0; 2 * PIXELS]);
    let mut tensors = tensors_of(&source);
    tensors[0] = Tensor::new("fc.weight", &[2, PIXELS], &other_head);
    tensors[3].name = String::from("old.bias");
    tensors::write(&path, &tensors, None).expect("written");
    let mut other = network(2);
    let before = other.params().to_vec();
    let loaded = load_with(&mut other, &path, Lenience::TRANSFER).expect("loaded");
    assert_eq!(
        loaded.account(&SPEC),
        "2 of 4 weights fit by name and shape: 72 numbers\n  \
         new: fc.bias [4]; fc.weight [4, 36], in the file [2, 36]\n  not used: old.bias"
    );
    assert_eq!(other.params()[..148], before[..148], "the new head stays");
    assert_eq!(other.params()[160..], source.params()[160..]);
    load_with(&mut other, &path, Lenience { shape: false, ..Lenience::TRANSFER })
        .expect_err("a shape that does not fit");
}

#[test]
fn shapes_types_and_numbers_are_checked() {
    let source = network(1);
    let mut tensors = tensors_of(&source);
    tensors[0].shape = vec![PIXELS, 4];
    let mut mean = vec![0.0; PIXELS];
    mean[7] = f32::NAN;
    tensors[1].values = tensors::Values::Floats(&mean);
    tensors[3].values = tensors::Values::Classes(&[1, 2, 3, 4]);
    assert_eq!(
        complaint(&tensors),
        "FILE: these weights do not fit Tiny:\n  \
         - `fc.weight` has shape [36, 4], needed is [4, 36] (transposed?)\n  \
         - `mean` is NaN at [7]\n  \
         - `fc.bias` is I64, needed is F32 (in Python: tensor.float())"
    );
}

#[test]
fn lenience_lets_things_pass() {
    let folder = Folder::new("weights");
    let path = folder.path("w.safetensors");
    let source = network(1);
    let mut tensors = tensors_of(&source);
    let bias = [f32::INFINITY; 4];
    tensors[3].values = tensors::Values::Floats(&bias);
    tensors[1].name = String::from("aux.weight");
    for extra in ["norm.num_batches_tracked", "optimizer:momentum:fc.bias"] {
        tensors.push(Tensor::new(extra, &[], &[7.0]));
    }
    tensors::write(&path, &tensors, None).expect("written");
    let lenience = Lenience { not_finite: true, ..Lenience::TRANSFER };
    let mut other = network(2);
    let loaded = load_with(&mut other, &path, lenience).expect("loaded");
    assert_eq!(loaded.missing, ["mean"]);
    assert_eq!(loaded.unexpected, ["aux.weight"]);
    assert_eq!(loaded.ignored, ["norm.num_batches_tracked"]);
    assert_eq!(other.params()[144..148], bias);
    let part = SPEC.params[0].range.clone();
    assert_eq!(other.params()[part.clone()], source.params()[part]);
}

#[test]
fn long_lists_are_cut() {
    let tensors: Vec<_> = (0..20).map(|i| Tensor::new(std::format!("x{i}"), &[1], &[0.0])).collect();
    let text = complaint(&tensors);
    assert_eq!(text.lines().count(), 10);
    assert!(text.ends_with("and 16 more"), "{text}");
}

#[test]
fn missing_files_are_named() {
    let error = load(&mut network(1), "no/such/file").expect_err("no file").to_string();
    assert_eq!(error, "no/such/file: there is no such file");
}
