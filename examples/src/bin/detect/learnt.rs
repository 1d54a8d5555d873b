//! Detectors that learn here.

use std::time::Instant;

use cnnc_examples::detection::{Boxed, Lessons, count, framed, learn, legend, of_image, parameters, precision_table};
use cnnc_examples::{Result, say};
use cnnc_runtime::Network;
use cnnc_runtime::augment::{Color, Pipeline, Step};
use cnnc_runtime::boxes::{Thresholds, anchors, nms};
use cnnc_runtime::data::{Collection, Dataset, Draw, Picture, Plan, Raster};
use cnnc_runtime::draw::{self, Curve};
use cnnc_runtime::metrics::{coco, voc};
use cnnc_runtime::train::{Detected, detect};

use crate::Arguments;

/// Pictures of a step.
pub const BATCH: usize = 8;
/// Anchors of each cell.
const ANCHORS: usize = 5;

/// A network learns from pictures, is measured, and shows what it finds.
pub struct Lesson<'a> {
    /// Of the data.
    pub name: &'a str,
    /// How often all pictures are seen.
    pub epochs: u64,
    /// Of the program.
    pub arguments: &'a Arguments,
}

impl Lesson<'_> {
    /// Returns the mean average precision that the network reached.
    pub fn teach(&self, network: &mut dyn Network, mut pictures: Boxed) -> Result<f64> {
        print_anchors(&pictures);
        if self.arguments.common.small {
            pictures.truncate(16, 4);
        }
        let parameters = parameters(network);
        let (train, test) = (counted(&pictures.train), counted(&pictures.test));
        say!("{}: {parameters} parameters learn from {train}; {test} are held out", self.name);
        let classes = pictures.train.classes.clone();
        let augment = if self.arguments.plain { Pipeline::default() } else { changes() };
        let data = |collection: Collection, augment: Pipeline| {
            Dataset::photos(collection, network.spec(), &Picture::default(), &Plan { augment, targets: Vec::new() })
        };
        let (train, test) = (data(pictures.train, augment)?, data(pictures.test, Pipeline::default())?);

        let start = Instant::now();
        let (mut losses, mut precisions) = (Vec::new(), Vec::new());
        let often = self.epochs.div_ceil(8).max(1);
        let lessons = Lessons { epochs: self.epochs, batch: BATCH, rate: 2e-3, seed: self.arguments.common.seed };
        learn(network, &train, &lessons, |network, epoch, loss| {
            losses.push((epoch as f64, loss));
            if epoch % often == 0 || epoch == self.epochs {
                let seen = detect(network, &test, BATCH, &Detected::THRESHOLDS)?;
                let map = voc(&seen.truths, &seen.found, 0.5, false).mean;
                say!("epoch {epoch:>3}: loss {loss:6.2}, mAP@0.5 {map:.3} on what is held out");
                precisions.push((epoch as f64, map));
            }
            Ok(())
        })?;
        say!("{:.1} s", start.elapsed().as_secs_f64());
        self.write_curves(losses, precisions)?;
        self.report(network, &test, &classes)
    }

    /// Average precisions, of which it returns the mean, time, and a sheet of pictures.
    fn report(&self, network: &mut dyn Network, test: &Dataset, classes: &[String]) -> Result<f64> {
        let start = Instant::now();
        let seen = detect(network, test, 1, &Detected::THRESHOLDS)?;
        let each = start.elapsed().as_secs_f64() * 1e3 / test.len() as f64;
        let ap = voc(&seen.truths, &seen.found, 0.5, false);
        say!("\n{}", precision_table(&ap, &seen.truths, classes).to_string().trim_end());
        let coco = coco(&seen.truths, &seen.found).ap;
        say!("COCO's mAP (IoU from 0.5 to 0.95): {coco:.3}; {each:.1} ms for a picture\n");
        let sheet = sheet(test, &seen, classes)?;
        let what = "held-out pictures: what is there, and beside it what is found";
        self.arguments.common.write_picture(&format!("detect_{}.png", self.name), &sheet, what)?;
        Ok(ap.mean)
    }

    fn write_curves(&self, losses: Vec<(f64, f64)>, precisions: Vec<(f64, f64)>) -> Result<()> {
        // The loss as a share of its first value, so that both fit one axis.
        let first = losses.first().map_or(1.0, |p| p.1);
        let losses = losses.iter().map(|&(epoch, loss)| (epoch, loss / first)).collect();
        let curve = |name: &str, points| Curve { name: name.to_owned(), points };
        let curves = [curve("loss, as a share of the first epoch's", losses), curve("mAP@0.5, held out", precisions)];
        let svg = draw::curves(&format!("A small YOLOv2 on {}", self.name), "epoch", &curves);
        self.arguments.common.write_text(&format!("detect_{}.svg", self.name), &svg, "loss and mAP by epoch")
    }
}

fn counted(pictures: &Collection) -> String {
    format!("{} pictures with {} boxes", pictures.examples.len(), count(pictures))
}

/// The sizes that k-means finds: those that the network is compiled for.
fn print_anchors(pictures: &Boxed) {
    let found = anchors(&pictures.shapes(), ANCHORS, 1);
    let sizes: Vec<String> = found.shapes.iter().map(|s| format!("({:.1}, {:.1})", s.width, s.height)).collect();
    say!(
        "anchors of {} boxes by k-means: {}; mean IoU {:.3}",
        pictures.shapes().len(),
        sizes.join(", "),
        found.mean_iou
    );
}

/// Pictures change so that cells stay cells; boxes follow.
fn changes() -> Pipeline {
    let color = Color { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.0 };
    Pipeline(vec![Step::Mirror(0.5.into()), Step::RandomCrop { pad: 16 }, Step::Color(color)])
}

/// Some pictures in two columns each: what is there, and what is found with the usual thresholds.
fn sheet(test: &Dataset, seen: &Detected, classes: &[String]) -> Result<Raster> {
    let mut drawn = Vec::new();
    for image in 0..test.len().min(6) {
        let Some(sample) = test.sample(image, Draw::default()) else { break };
        let sample = sample?;
        let found = nms(&of_image(&seen.found, image as u64), &Thresholds::default());
        let mut pair = [
            framed(&sample.raster, sample.boxes, 416),
            framed(&sample.raster, found.iter().map(|d| (d.corners, d.class)), 416),
        ];
        if image < 2 {
            legend(&mut pair[0], "TRUE", classes);
            legend(&mut pair[1], "FOUND", classes);
        }
        drawn.extend(pair);
    }
    Ok(draw::sheet(&drawn, 4, 6))
}
