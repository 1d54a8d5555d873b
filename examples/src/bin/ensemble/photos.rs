//! One network that looks at a photo once, at five pieces of it, and at ten.

use cnnc_examples::pictures::pictures;
use cnnc_examples::{Bound, Common, Result, Table, Watch, at_least, percent, say};
use cnnc_runtime::augment::{Pipeline, ResizedCrop, Step, crops};
use cnnc_runtime::data::{Collection, Dataset, Picture, Plan};
use cnnc_runtime::init::{self, Fan, Scheme};
use cnnc_runtime::optimizer::Sgd;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{Answers, FitOptions, fit};
use cnnc_runtime::{Network as _, Options};

use crate::{BATCH, wrong};

cnnc_macros::net!("nets/residual.net", units = 1, shortcuts = true);

/// Sides of a piece as a share of those of the picture: AlexNet's 224 of 256 pixels.
const SHARE: f32 = 0.875;

/// The middle of a picture, five pieces and ten, by which fewer are to be wrong.
pub fn ten_crops(common: &Common) -> Result<Bound> {
    let (train, test) = pictures(common, 4800, 2400)?;
    say!("a network learns from {} pictures in colour; {} are held out", train.examples.len(), test.examples.len());
    let mut net = learn(train, common)?;
    let mut table = Table::new(&["pictures in colour", "wrong"]);
    let mut answers = Answers::new(net.spec());
    let (mut middle, mut shares) = (None, Vec::new());
    for (number, piece) in (1..).zip(crops(SHARE, true)) {
        let view = dataset(test.clone(), piece)?;
        answers.add(&mut net, &view, BATCH)?;
        let seen = match number {
            1 => "the middle",
            5 => "mean of 5 pieces: the middle and the corners",
            10 => "mean of 10 pieces: these and their mirror images",
            _ => continue,
        };
        let wrong = wrong(&answers, middle.get_or_insert(view))?;
        table.row(&[&seen, &percent(wrong)]);
        shares.push(wrong);
    }
    say!("\n{table}");
    let saved = 100.0 * (shares[0] - shares[2]);
    // Pictures of CIFAR-10 are hardly larger than a piece of them.
    let least = if common.data.is_some() { 0.0 } else { 0.5 };
    Ok(at_least("pictures fewer wrong by ten pieces, percentage points", saved, least))
}

/// Learns from pieces from anywhere, and from their mirror images.
fn learn(train: Collection, common: &Common) -> Result<Residual> {
    let mut net = Residual::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    init::apply(&mut net, &Scheme::HeNormal(Fan::In), common.seed);
    let anywhere = ResizedCrop { area: [SHARE * SHARE; 2], ratio: [1.0; 2] };
    let train = dataset(train, Pipeline(vec![Step::ResizedCrop(anywhere), Step::Mirror(0.5.into())]))?;
    let epochs = common.scaled(8, 2);
    let options = FitOptions {
        batch: BATCH,
        epochs,
        optimizer: Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, ..Sgd::default() }.into(),
        schedule: Schedule { warmup: 1.0, decay: Decay::Cosine { end: 0.0 } },
        seed: common.seed,
        ..FitOptions::default()
    };
    fit(&mut net, &train, None, &options, &mut Watch::epochs("pictures", epochs))?;
    Ok(net)
}

/// Pictures of which the network sees what `pieces` cuts out.
fn dataset(pictures: Collection, pieces: Pipeline) -> Result<Dataset> {
    let picture = Picture { mean: vec![0.5], std: vec![0.25], ..Picture::default() };
    Ok(Dataset::photos_in_order(pictures, &residual::SPEC, &picture, &Plan { augment: pieces, ..Plan::default() })?)
}
