//! Each numbered constraint of an operator has a case that breaks it.

use std::collections::BTreeSet;
use std::path::Path;

use cnnc::graph::{Layout, Type};
use cnnc::ops::Op;
use cnnc::ops::along::Along;
use cnnc::ops::batch_norm::{BatchStats, BatchSums, Column, FoldWeight, Normalize};
use cnnc::ops::conv::Conv;
use cnnc::ops::dense::Dense;
use cnnc::ops::elementwise::AddN;
use cnnc::ops::layout::Reorder;
use cnnc::ops::local_conv::LocalConv;
use cnnc::ops::loss::BatchMean;
use cnnc::ops::norm::{Norm, NormKind};
use cnnc::ops::pack::{Pack, Unpack};
use cnnc::ops::pad::{Pad, PadGrad, PadMode};
use cnnc::ops::phases::Phases;
use cnnc::ops::reduce::{MaxTo, SumTo};
use cnnc::ops::shape::Slice;
use cnnc::ops::tile_conv::{Algorithm, TileConv, TileConvGradWeight};
use cnnc::ops::window::Window;

/// Operators that only gradients and passes make, and operands that elaboration always makes fit: no specification can
/// break these rules, so here a hand does.
fn broken() -> Vec<(&'static str, Op, Vec<Type>)> {
    let map = || Type::batched([3, 4]);
    let window = Window { kernel: vec![1], stride: vec![1], dilation: vec![1], pad: vec![(0, 0)], ceil: false };
    let conv = Conv { window: window.clone(), groups: 1, activation: None };
    let (algorithm, bias, shortcut) = (Algorithm::Direct, false, false);
    let (strips, images, planes, activation) = (1, 1, 1, None);
    let (pool, macs) = (None, None);
    let tiles = TileConv {
        window: window.clone(),
        groups: 1,
        bias,
        shortcut,
        activation,
        algorithm,
        strips,
        images,
        planes,
        pool,
        macs,
    }
    .into();
    let (channels, shifted) = (|| Type::single([3]), Normalize { eps: 1e-5, activation: None, shortcut: true });
    vec![
        ("add_n-C1", AddN.into(), vec![map(), Type::batched([3, 5])]),
        ("add_n-C1", AddN.into(), vec![map(), Type::single([3, 4])]),
        ("batch_mean-C1", BatchMean.into(), vec![map()]),
        ("batch_mean-C1", BatchMean.into(), vec![Type::single([])]),
        (
            "batch_norm-C2",
            shifted.into(),
            vec![map(), Type::single([3, 2]), channels(), channels(), Type::batched([3, 5])],
        ),
        ("batch_norm-C3", BatchStats { places: 4 }.into(), vec![map()]),
        ("batch_norm-C3", BatchSums { places: 4 }.into(), vec![Type::single([3, 2])]),
        ("column-C1", Column { index: 2 }.into(), vec![Type::single([5, 2])]),
        ("column-C1", Column { index: 0 }.into(), vec![Type::single([5])]),
        ("conv-C4", conv.into(), vec![map(), Type::single([2, 4, 1])]),
        ("dense-C2", Dense { activation: None }.into(), vec![Type::batched([3]), Type::single([5, 4])]),
        ("layout-C1", Reorder { to: Layout::Plain }.into(), vec![map()]),
        ("layout-C1", Phases { stride: 2, before: 0, size: [2, 2] }.into(), vec![map()]),
        ("layout-C1", Unpack.into(), vec![Type::single([3, 4, 1])]),
        (
            "layout-C1",
            Pack { to: Layout::WinogradWeights { points: 4 }, backwards: false, fold: None }.into(),
            vec![Type::single([16, 16, 5, 5])],
        ),
        (
            "layout-C1",
            Pack { to: Layout::Packed { lanes: 16 }, backwards: true, fold: Some(FoldWeight { eps: 1e-5 }) }.into(),
            vec![Type::single([16, 16, 3, 3]), Type::single([16]), Type::single([16])],
        ),
        (
            "layout-C1",
            Pack { to: Layout::Packed { lanes: 16 }, backwards: false, fold: Some(FoldWeight { eps: 1e-5 }) }.into(),
            vec![Type::single([16, 16, 3, 3]), Type::single([16]), Type::single([8])],
        ),
        ("layout-C2", tiles, vec![map(), Type::single([2, 3, 1])]),
        (
            "layout-C3",
            TileConvGradWeight { window: window.clone(), groups: 1, winograd: false }.into(),
            vec![map(), map()],
        ),
        ("local_conv-C3", LocalConv { window: window.clone() }.into(), vec![map(), Type::single([2, 4, 4])]),
        ("max_to-C1", MaxTo { shape: vec![3, 2] }.into(), vec![map()]),
        ("max_to-C1", MaxTo { shape: vec![1] }.into(), vec![map()]),
        ("norm-C1", Norm { kind: NormKind::Length { eps: 1.0 }, along: Along::axis(&[3, 5], 1) }.into(), vec![map()]),
        ("pad-C2", PadGrad(Pad { pad: vec![(1, 1), (3, 1)], mode: PadMode::Zero }).into(), vec![map()]),
        ("slice-C1", Slice { axis: 1, start: 2, len: 3 }.into(), vec![map()]),
        ("slice-C1", Slice { axis: 2, start: 0, len: 1 }.into(), vec![map()]),
        ("sum_to-C1", SumTo { batched: true, shape: vec![3, 2] }.into(), vec![map()]),
        ("sum_to-C1", SumTo { batched: true, shape: vec![1, 4] }.into(), vec![Type::single([3, 4])]),
    ]
}

#[test]
fn rules_of_operators_that_passes_make() {
    for (code, op, types) in broken() {
        let mistake = op.infer(&types.iter().collect::<Vec<_>>()).expect_err(code);
        assert_eq!(mistake.code, code, "{op:?} of {types:?}");
        assert!(!mistake.title.is_empty() && mistake.found.is_some(), "{code} says what is wrong and what was found");
    }
}

/// `pool-C3` and the like, in the text of all files below a folder with one of these endings.
fn codes(folder: &Path, ending: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(codes(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            let text = std::fs::read_to_string(&path).expect("a text");
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
            let numbered = |word: &&str| {
                word.rsplit_once("-C").is_some_and(|(name, number)| {
                    name.starts_with(|c: char| c.is_ascii_lowercase()) && number.parse::<u32>().is_ok()
                })
            };
            found.extend(words.filter(numbered).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_constraint_has_a_wrong_specification() {
    let compiler = cnnc_tests::repository().join("compiler");
    let mut shown = codes(&compiler.join("tests/errors"), "snap");
    shown.extend(broken().iter().map(|(code, ..)| (*code).to_owned()));
    let stated = codes(&compiler.join("src/ops"), "rs");
    assert!(stated.len() > 20, "constraints are numbered: {stated:?}");
    let without: Vec<&String> = stated.difference(&shown).collect();
    assert!(
        without.is_empty(),
        "these constraints have no wrong specification in compiler/tests/errors: {without:?}; \
         add one, or a line in this file's table where only passes make the operator"
    );
}
