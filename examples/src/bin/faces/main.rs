//! Are these the same? Metric learning, on characters and on faces:
//! `cargo run --release --package cnnc-examples --bin faces`
//!
//! A Siamese network learns from pairs (Koch et al. 2015), another one from mined triplets (Schroff et al. 2015), on four alphabets of
//! Omniglot. Both are judged on an alphabet that they never saw, beside the likeness of plain pixels. The bound: of triplets, an AUC of
//! 0.95 and 70 % of its characters told from one example each among twenty, five percentage points more than of pairs, whose AUC is 0.2
//! above that of pixels. With `--data` also faces: ten people of ORL after thirty others were learnt (AUC 0.92), and a published
//! network on pairs of LFW (AUC 0.92). `examples/pytorch/faces.py` does the same by PyTorch.

mod judge;
mod learn;
mod people;
mod set;

/// Pairs.
mod pairs {
    cnnc_macros::net!("nets/faces.net", net = "Siamese");
}

/// Triplets.
mod triplets {
    cnnc_macros::net!("nets/faces.net", net = "Triplets");
}

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Bound, Common, Result, at_least, say};
use cnnc_runtime::Options;
use cnnc_runtime::data::Raster;

use judge::judge;
use learn::{BATCH, by_pairs, by_triplets, distance, embed};
use set::{Set, to_input};

/// Characters of the first four alphabets of Omniglot; the last alphabet, Latin, has 26.
const LEARNT: usize = 110;

/// Metric learning: are these the same character, the same face?
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(faces)
}

fn faces(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let mut bounds = characters(common)?;
    if let Some(data) = &common.data {
        bounds.push(people::orl(common, data)?);
        bounds.push(people::lfw(common, data)?);
    }
    common.check(&bounds)
}

fn characters(common: &Common) -> Result<Vec<Bound>> {
    let images = "omniglot/small1-images-idx3-ubyte.gz";
    let (learnt, latin) = Set::read(&common.larger_or(images, images), 20, 28, 28)?.split_at(LEARNT);
    let learnt = learnt.with_turns();
    let inputs: Vec<Vec<f32>> = latin.pictures().map(to_input).collect();
    let options = Options { seed: common.seed, batch: BATCH, ..Options::default() };

    let mut siamese = pairs::Siamese::with_options(&options);
    by_pairs(&mut siamese, &learnt, common.scaled(1500, 10), common.seed)?;
    let points = embed(&mut siamese, &inputs)?;
    let shares = siamese.param("head.weight").ok_or("the network has no head")?;
    // What the logistic unit of the network would be told, without its bias.
    let weighed = |a: usize, b: usize| -> f32 {
        points[a].iter().zip(&points[b]).zip(shares).map(|((a, b), share)| (a - b).abs() * share).sum()
    };

    let mut net = triplets::Triplets::with_options(&options);
    by_triplets(&mut net, &learnt, common.scaled(800, 10), common.seed)?;
    let sphere = embed(&mut net, &inputs)?;
    let near = |a: usize, b: usize| -distance(&sphere[a], &sphere[b]);

    let verdicts = [
        judge("pixels", &latin, &|a, b| -distance(&inputs[a], &inputs[b]))?,
        judge("pairs", &latin, &weighed)?,
        judge("triplets", &latin, &near)?,
    ];
    let title = "Omniglot: an alphabet never seen";
    say!("{title}\n\n{}", judge::table(&verdicts, &latin));
    common.write_text("faces/omniglot.svg", &judge::curves(title, &verdicts), "ROC curves")?;
    let picture = judge::picture(&latin, &near, on_paper);
    common.write_picture("faces/omniglot.png", &picture, "characters, and the nearest of the database by triplets")?;
    let [pixels, pairs, triplets] = &verdicts;
    let gain = 100.0 * (triplets.one_shot - pairs.one_shot);
    Ok(vec![
        at_least("Omniglot, AUC of pairs over that of pixels", pairs.roc.auc() - pixels.roc.auc(), 0.2),
        at_least("Omniglot, AUC of triplets", triplets.roc.auc(), 0.95),
        at_least("Omniglot, one-shot by triplets, %", 100.0 * triplets.one_shot, 70.0),
        at_least("Omniglot, one-shot by triplets over that by pairs, percentage points", gain, 5.0),
    ])
}

/// Dark ink on white paper, large enough to be seen.
fn on_paper(drawing: &Raster) -> Raster {
    let bytes = drawing.bytes.iter().map(|ink| 255 - ink).collect();
    Raster { bytes, ..*drawing }.with_channels(3).enlarged(2)
}
