//! Faces, from the larger data: people that were never learnt.

use std::path::Path;

use cnnc_examples::{Bound, Common, Result, at_least, say};
use cnnc_runtime::data::Raster;
use cnnc_runtime::{Options, weights};

use crate::judge::{self, Verdict, judge};
use crate::learn::{BATCH, by_triplets, distance, embed};
use crate::set::{Set, to_input};

cnnc_macros::net!("nets/faces.net", net = "Triplets", height = 56, width = 46);

/// A network that others trained on faces.
mod published {
    cnnc_macros::net!("../specs/zoo/mobileface.net", infer_only);
}

/// Thirty people of ORL are learnt, the other ten are to be told apart.
pub fn orl(common: &Common, data: &Path) -> Result<Bound> {
    let set = Set::read(&data.join("faces/orl-images-idx3-ubyte.gz"), 10, 56, 46)?;
    let (learnt, others) = set.split_at(30);
    let inputs: Vec<Vec<f32>> = others.pictures().map(to_input).collect();
    let mut net = Triplets::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    let pixels = judge("pixels", &others, &|a, b| -distance(&inputs[a], &inputs[b]))?;
    by_triplets(&mut net, &learnt, common.scaled(300, 5), common.seed)?;
    let points = embed(&mut net, &inputs)?;
    let likeness = |a: usize, b: usize| -distance(&points[a], &points[b]);
    let verdicts = [pixels, judge("triplets", &others, &likeness)?];
    show(common, "orl", "ORL: ten people never seen", &others, &verdicts, &likeness)?;
    Ok(at_least("ORL, AUC of triplets", verdicts[1].roc.auc(), 0.92))
}

/// A published network on a hundred pairs of faces in the wild.
pub fn lfw(common: &Common, data: &Path) -> Result<Bound> {
    let set = Set::read(&data.join("faces/lfw_aligned_100pairs-images-idx3-ubyte.gz"), 2, 100, 100)?;
    let inputs: Vec<Vec<f32>> = set.pictures().map(to_input).collect();
    // Grey from -1 to 1.
    let scaled: Vec<Vec<f32>> = inputs.iter().map(|input| input.iter().map(|x| 2.0 * x - 1.0).collect()).collect();
    let mut net = published::MobileFace::with_options(&Options { batch: 20, ..Options::default() });
    weights::load(&mut net, data.join("models/mobileface_v1/mobileface_v1.safetensors"))?;
    let points = embed(&mut net, &scaled)?;
    let likeness = |a: usize, b: usize| -distance(&points[a], &points[b]);
    let verdicts =
        [judge("pixels", &set, &|a, b| -distance(&inputs[a], &inputs[b]))?, judge("MobileFace", &set, &likeness)?];
    show(common, "lfw", "LFW: a hundred people, two photos of each", &set, &verdicts, &likeness)?;
    Ok(at_least("LFW, AUC of MobileFace", verdicts[1].roc.auc(), 0.92))
}

fn show(
    common: &Common,
    name: &str,
    title: &str,
    set: &Set,
    verdicts: &[Verdict],
    likeness: judge::Likeness<'_>,
) -> Result<()> {
    say!("\n{title}\n\n{}", judge::table(verdicts, set));
    common.write_text(&format!("faces/{name}.svg"), &judge::curves(title, verdicts), "ROC curves")?;
    let picture = judge::picture(set, likeness, |face: &Raster| face.with_channels(3));
    common.write_picture(&format!("faces/{name}.png"), &picture, "faces, and the nearest of the database")
}
