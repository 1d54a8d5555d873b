//! Five LeNets that read digits, each learnt by itself.

use cnnc_examples::digits::{Digits, SIDE};
use cnnc_examples::{Bound, Common, Result, Table, at_most, best, percent, say};
use cnnc_runtime::augment::{Pipeline, ResizedCrop, Step, Warp, crops};
use cnnc_runtime::data::{Dataset, Picture, Plan};
use cnnc_runtime::draw;
use cnnc_runtime::optimizer::Sgd;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::train::{Answers, FitOptions, fit};
use cnnc_runtime::{Network as _, Options};

use crate::{BATCH, wrong};

cnnc_macros::net!("../specs/lenet5.net", classes = 10);

/// How many networks.
const MEMBERS: u64 = 5;
/// Digits to learn from, of the 10,000 that ship: few, so that there are mistakes, and many are left to count them on.
const LEARNT: usize = 2_000;
/// Black pixels around a digit, so that pieces of its old size differ.
const MARGIN: usize = 2;
/// Sides of a piece as a share of those of the picture.
const SHARE: f32 = SIDE as f32 / (SIDE + 2 * MARGIN) as f32;

/// Digits to learn from, and the same held-out ones seen in five places, the middle first.
struct Data {
    train: Dataset,
    views: Vec<Dataset>,
    test: Digits,
}

/// Members of the ensemble, one by one and together, on the middle of a digit and on five pieces of it. Together they are to be
/// no worse on the middle than the best one alone.
pub fn ensemble(common: &Common) -> Result<Bound> {
    let data = Data::read(common)?;
    say!("{MEMBERS} networks learn from {} digits; {} are held out", data.train.len(), data.test.len());
    let mut table = Table::new(&["digits, wrong", "the middle", "mean of 5 pieces"]);
    let [mut all_middle, mut all_pieces] = [(); 2].map(|()| Answers::new(&lenet5::SPEC));
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut best_alone = f64::INFINITY;
    for member in 1..=MEMBERS {
        let mut net = data.learn(common, member)?;
        let mut middle = Answers::new(net.spec());
        middle.add(&mut net, &data.views[0], BATCH)?;
        let mut pieces = middle.clone();
        data.views[1..].iter().try_for_each(|view| pieces.add(&mut net, view, BATCH))?;
        all_middle.join(&middle);
        all_pieces.join(&pieces);
        let alone = data.wrong(&middle)?;
        best_alone = best_alone.min(alone);
        table.row(&[&format!("network {member}"), &percent(alone), &percent(data.wrong(&pieces)?)]);
        members.push(read(&middle));
    }
    let together = data.wrong(&all_middle)?;
    table.row(&[&"their mean", &percent(together), &percent(data.wrong(&all_pieces)?)]);
    say!("\n{table}");
    data.write_saved(&members, &read(&all_middle), common)?;
    Ok(at_most("digits wrong together, %, beside the best alone", 100.0 * together, 100.0 * best_alone))
}

impl Data {
    fn read(common: &Common) -> Result<Self> {
        let (train, test) = Digits::read(common, LEARNT)?;
        let (train, test) =
            (train.part(0..common.scaled(train.len(), 600)), test.part(0..common.scaled(test.len(), 300)));
        // Pieces of exactly the size that the network takes.
        let anywhere = ResizedCrop { area: [SHARE * SHARE; 2], ratio: [1.0; 2] };
        let views = crops(SHARE, false).into_iter().map(|piece| dataset(&test, piece)).collect::<Result<_>>()?;
        // Turned, sheared and bent anew each time, for each member in another way: members that differ make different mistakes.
        let changed =
            vec![Step::Rotate(10.0), Step::Shear(10.0), Step::Warp(Warp::default()), Step::ResizedCrop(anywhere)];
        Ok(Self { train: dataset(&train, Pipeline(changed))?, views, test })
    }

    /// A member of the ensemble.
    fn learn(&self, common: &Common, member: u64) -> Result<LeNet5> {
        let seed = common.seed * MEMBERS + member;
        let mut net = LeNet5::with_options(&Options { seed, batch: BATCH, ..Options::default() });
        let epochs = match common.data {
            Some(_) => 8,
            None => 20,
        };
        let options = FitOptions {
            batch: BATCH,
            epochs: common.scaled(epochs, 2),
            optimizer: Sgd { learning_rate: 0.03, momentum: 0.9, weight_decay: 1e-4, ..Sgd::default() }.into(),
            schedule: Schedule { decay: Decay::Cosine { end: 0.01 }, ..Schedule::default() },
            seed,
            ..FitOptions::default()
        };
        fit(&mut net, &self.train, None, &options, &mut ())?;
        Ok(net)
    }

    fn wrong(&self, answers: &Answers) -> Result<f64> {
        wrong(answers, &self.views[0])
    }

    /// A sheet of digits that all read right together, but some of them alone did not.
    fn write_saved(&self, members: &[Vec<usize>], together: &[usize], common: &Common) -> Result<()> {
        let label = |i: usize| self.test.labels[i] as usize;
        let strayed = |i: usize| members.iter().filter(|read| read[i] != label(i)).count();
        let mut saved: Vec<usize> =
            (0..self.test.len()).filter(|i| together[*i] == label(*i) && strayed(*i) > 0).collect();
        saved.sort_by_key(|i| std::cmp::Reverse(strayed(*i)));
        let picture = |i: &usize| {
            let votes: Vec<String> = members.iter().map(|read| read[*i].to_string()).collect();
            draw::captioned(&self.test.picture(*i, 0).enlarged(3), &votes.join(" "), [40, 70, 110], 2)
        };
        let pictures: Vec<_> = saved.iter().take(40).map(picture).collect();
        if pictures.is_empty() {
            return Ok(());
        }
        let what = "digits that their mean reads right, over what each of the five reads";
        common.write_picture("ensemble.png", &draw::sheet(&pictures, 10, 6), what)
    }
}

/// Digits with a margin, of which the network sees what `piece` cuts out.
fn dataset(digits: &Digits, piece: Pipeline) -> Result<Dataset> {
    let picture = Picture { mean: vec![0.1307], std: vec![0.3081], ..Picture::default() };
    let plan = Plan { augment: piece, ..Plan::default() };
    Ok(Dataset::photos_in_order(digits.collection(MARGIN), &lenet5::SPEC, &picture, &plan)?)
}

/// The class that the mean answers say.
fn read(answers: &Answers) -> Vec<usize> {
    answers.mean(0).chunks_exact(10).map(best).collect()
}
