//! Why shortcuts: `cargo run --release --package cnnc-examples --bin residual`
//!
//! He et al. 2016, figures 4 and 6: a plain network of 32 layers learns much worse than one of 8, a residual one keeps up. All four
//! learn from the same pieces of six photos (which photo is it?), with weights of the same names, and so with the same first
//! weights. The bound: 24 layers more raise the loss of the last epoch by 0.3 or more without shortcuts, by 0.15 or less with
//! them, and the residual network of 32 layers tells 60 % of the held-out pieces right. With `--data`, the same on 8,000 pictures of
//! CIFAR-10, of which 48 % are to be right; `examples/pytorch/residual.py` has the same recipe.

mod plain8 {
    cnnc_macros::net!("nets/residual.net", units = 1, shortcuts = false);
}
mod plain32 {
    cnnc_macros::net!("nets/residual.net", units = 5, shortcuts = false);
}
mod residual8 {
    cnnc_macros::net!("nets/residual.net", units = 1, shortcuts = true);
}
mod residual32 {
    cnnc_macros::net!("nets/residual.net", units = 5, shortcuts = true);
}

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use cnnc_examples::pictures::pictures;
use cnnc_examples::{Bound, Common, Result, Table, Watch, at_least, at_most, percent, say};
use cnnc_runtime::augment::{Pipeline, Step};
use cnnc_runtime::data::{Collection, Dataset, Picture, Plan};
use cnnc_runtime::draw::{self, Curve};
use cnnc_runtime::init::{self, Fan, Scheme};
use cnnc_runtime::optimizer::{Rule, Sgd};
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{FitOptions, evaluate, fit};
use cnnc_runtime::{Network, Options};

/// Pictures of a batch.
const BATCH: usize = 64;

/// Makes a network.
type Maker = fn(&Options) -> Box<dyn Network>;

/// Plain and residual networks of two depths, by name.
const NETS: [(&str, Maker); 4] = [
    ("plain-8", |options| Box::new(plain8::Residual::with_options(options))),
    ("plain-32", |options| Box::new(plain32::Residual::with_options(options))),
    ("residual-8", |options| Box::new(residual8::Residual::with_options(options))),
    ("residual-32", |options| Box::new(residual32::Residual::with_options(options))),
];

/// Why shortcuts: plain and residual networks of two depths
#[derive(Parser)]
struct Arguments {
    /// Only one of the networks: plain-8, plain-32, residual-8 or residual-32
    #[arg(long, value_name = "NETWORK", value_parser = NETS.map(|net| net.0))]
    only: Option<String>,

    /// How often all pictures are seen
    #[arg(long)]
    epochs: Option<u64>,

    #[command(flatten)]
    common: Common,
}

/// How a network learnt.
struct Run {
    name: &'static str,
    /// The mean loss of each epoch, of the pictures as they were learnt from.
    losses: Vec<f64>,
    /// The share of held-out pictures that it tells right.
    accuracy: f64,
    seconds: f64,
}

fn main() -> ExitCode {
    cnnc_examples::run(residual)
}

fn residual(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let (train, test) = pictures(common, 4800, 1200)?;
    say!("{} pictures to learn from, {} held out", train.examples.len(), test.examples.len());
    // Pieces of photos need fewer than CIFAR-10 to show the difference.
    let epochs = if common.data.is_some() { 8 } else { 6 };
    let epochs = arguments.epochs.unwrap_or(common.scaled(epochs, 2));
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| only == name);
    let runs = NETS
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, network)| learn(name, network, &train, &test, epochs, common.seed))
        .collect::<Result<Vec<_>>>()?;
    let bounds = report(&runs, common);
    let curve = |run: &Run| {
        let points = (1..).zip(&run.losses).map(|(epoch, loss)| (f64::from(epoch), *loss)).collect();
        Curve { name: run.name.to_owned(), points }
    };
    let curves: Vec<Curve> = runs.iter().map(curve).collect();
    let svg = draw::curves("Loss while learning", "epoch", &curves);
    common.write_text("residual.svg", &svg, "the loss of each network, epoch by epoch")?;
    // What is promised is promised of the recipe as it is.
    if bounds.is_empty() || arguments.epochs.is_some() { Ok(()) } else { common.check(&bounds) }
}

/// A network by He's weights, SGD with momentum and a falling rate, from mirrored and shifted pictures.
fn learn(
    name: &'static str,
    network: Maker,
    train: &Collection,
    test: &Collection,
    epochs: u64,
    seed: u64,
) -> Result<Run> {
    let mut network = network(&Options { seed, batch: BATCH, ..Options::default() });
    let network = network.as_mut();
    init::apply(network, &Scheme::HeNormal(Fan::In), seed);
    let picture = Picture { mean: vec![0.5], std: vec![0.25], ..Picture::default() };
    let plan =
        Plan { augment: Pipeline(vec![Step::Mirror(0.5.into()), Step::RandomCrop { pad: 4 }]), ..Plan::default() };
    let data = Dataset::photos(train.clone(), network.spec(), &picture, &plan)?;
    let held_out = Dataset::photos(test.clone(), network.spec(), &picture, &Plan::default())?;
    let options = FitOptions {
        batch: BATCH,
        epochs,
        optimizer: Rule::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, ..Sgd::default() }),
        schedule: Schedule { warmup: 1.0, decay: Decay::Cosine { end: 0.0 } },
        seed,
        ..FitOptions::default()
    };
    let start = Instant::now();
    let outcome = fit(network, &data, None, &options, &mut Watch::epochs(name, epochs))?;
    let seconds = start.elapsed().as_secs_f64();
    let accuracy = evaluate(network, &held_out, BATCH)?.accuracy().ok_or("nothing to compare")?;
    Ok(Run { name, losses: outcome.epochs.iter().map(|epoch| epoch.train.loss).collect(), accuracy, seconds })
}

/// Shows how all learnt, and returns the bounds that the four keep together.
fn report(runs: &[Run], common: &Common) -> Vec<Bound> {
    let mut table = Table::new(&["network", "loss, first epoch", "loss, last epoch", "held out, right", "seconds"]);
    for run in runs {
        let loss = |loss: Option<&f64>| loss.map_or("–".to_owned(), |loss| format!("{loss:.3}"));
        let (accuracy, seconds) = (percent(run.accuracy), format!("{:.1}", run.seconds));
        table.row(&[&run.name, &loss(run.losses.first()), &loss(run.losses.last()), &accuracy, &seconds]);
    }
    say!("{}", table.to_string().trim_end());
    let [plain8, plain32, residual8, residual32] = runs else { return Vec::new() };
    let deeper = |shallow: &Run, deep: &Run| match (shallow.losses.last(), deep.losses.last()) {
        (Some(shallow), Some(deep)) => deep - shallow,
        _ => f64::NAN,
    };
    let (plain, residual) = (deeper(plain8, plain32), deeper(residual8, residual32));
    say!("24 layers more change the loss by {plain:+.3} without shortcuts, by {residual:+.3} with them");
    let right = if common.data.is_some() { 48.0 } else { 60.0 };
    vec![
        at_least("loss by 24 layers more without shortcuts", plain, 0.3),
        at_most("loss by 24 layers more with shortcuts", residual, 0.15),
        at_least("held out, right by residual-32, %", 100.0 * residual32.accuracy, right),
    ]
}
