//! Three detectors by regions, side by side: `cargo run --release --package cnnc-examples --bin rcnn`
//!
//! R-CNN warps each region that selective search proposes and classifies it; Fast R-CNN sees the picture once and reads the
//! regions from its map; Faster R-CNN proposes the regions itself. All learn from 160 pictures of blood and their mirror images, and
//! are measured on 40 others: average precision, and times for a picture, for its regions and for the network apart. Each is faster than
//! the one before it. The bound: an mAP@0.5 of 0.6, 0.6 and 0.7.

mod crops;
mod proposed;
mod regions;

mod single {
    cnnc_macros::net!("nets/rcnn.net", net = "RCNN");
}

mod fast {
    cnnc_macros::net!("nets/rcnn.net", net = "FastRCNN");
}

cnnc_macros::net!("nets/rcnn.net", net = "FasterRCNN");

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cnnc_examples::detection::{Boxed, framed, legend, of_image};
use cnnc_examples::{Common, Result, Table, at_least, percent, say};
use cnnc_runtime::boxes::{Corners, Thresholds, nms};
use cnnc_runtime::data::{Collection, Raster};
use cnnc_runtime::draw;
use cnnc_runtime::metrics::{Found, TrueBox, voc};
use proposed::Proposed;

/// Width and height that networks see pictures in.
const SIZE: (usize, usize) = (208, 160);
/// Boxes by which average precision is measured.
const MEASURED: Thresholds = Thresholds { score: 0.02, iou: 0.4, most: 100 };

/// Three detectors by regions, side by side
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// What one of the networks found in the held-out pictures.
struct Outcome {
    name: &'static str,
    parameters: usize,
    found: Vec<Found>,
    /// For the regions of a picture, unless the network proposes them itself.
    regions_ms: Option<f64>,
    /// For what the network does with a picture and its regions.
    network_ms: f64,
}

impl Outcome {
    fn picture_ms(&self) -> f64 {
        self.regions_ms.unwrap_or(0.0) + self.network_ms
    }
}

/// The median of times, in milliseconds: other programs disturb some of them.
fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| 1e3 * time.as_secs_f64())
}

fn main() -> ExitCode {
    cnnc_examples::run(rcnn)
}

fn rcnn(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let mut pictures = Boxed::read(&common.larger_or("detection/bccd", "cells"), "val", SIZE.0, SIZE.1)?;
    pictures.truncate(common.scaled(160, 6), common.scaled(40, 2));
    let train = Proposed::new(&pictures.train)?.with_mirrored(SIZE.0 as f32);
    let test = Proposed::new(&pictures.test)?;
    pictures.mirror()?;
    say!(
        "selective search: {:.0} regions of a picture in {:.0} ms; {} of the boxes have one that shares half with them",
        test.mean_count(),
        test.milliseconds,
        percent(test.recall(&pictures.test)),
    );
    let results = [
        crops::rcnn(common, (&pictures.train, &train), (&pictures.test, &test))?,
        regions::fast(common, (&pictures.train, &train), (&pictures.test, &test))?,
        regions::faster(common, &pictures.train, &pictures.test)?,
    ];
    let truths = truths(&pictures.test);
    let faster = results.windows(2).all(|pair| pair[1].picture_ms() < pair[0].picture_ms());
    say!("\n{}", table(&results, &truths));
    say!(
        "times are medians of {} pictures; {} is faster than the one before it",
        pictures.test.examples.len(),
        if faster { "each" } else { "not each" }
    );
    let sheet = sheet(&pictures.test, &test, &results)?;
    common.write_picture("rcnn.png", &sheet, "regions of selective search; what R-CNN, Fast and Faster R-CNN find")?;
    let bounds = [0.6, 0.6, 0.7];
    let bound = |(result, bound): (&Outcome, f64)| {
        at_least(&format!("mAP@0.5 of {}", result.name), precision(result, &truths), bound)
    };
    common.check(&results.iter().zip(bounds).map(bound).collect::<Vec<_>>())
}

fn truths(pictures: &Collection) -> Vec<TrueBox> {
    let of_picture = |(image, example): (u64, &cnnc_runtime::data::Example)| {
        let truth = move |&(corners, class): &(Corners, u32)| TrueBox::new(image, class, corners);
        example.boxes.iter().map(truth).collect::<Vec<_>>()
    };
    (0..).zip(&pictures.examples).flat_map(of_picture).collect()
}

fn table(results: &[Outcome], truths: &[TrueBox]) -> Table {
    let mut table = Table::new(&["network", "parameters", "mAP@0.5", "regions, ms", "network, ms", "picture, ms"]);
    for result in results {
        let map = precision(result, truths);
        let regions = result.regions_ms.map_or("its own".to_owned(), |ms| format!("{ms:.1}"));
        table.row(&[
            &result.name,
            &result.parameters,
            &format!("{map:.3}"),
            &regions,
            &format!("{:.1}", result.network_ms),
            &format!("{:.1}", result.picture_ms()),
        ]);
    }
    table
}

fn precision(result: &Outcome, truths: &[TrueBox]) -> f64 {
    voc(truths, &result.found, 0.5, false).mean
}

/// A row for each of some pictures: its regions, and what each network found.
fn sheet(test: &Collection, proposed: &Proposed, results: &[Outcome]) -> Result<Raster> {
    let mut drawn = Vec::new();
    for (image, example) in test.examples.iter().enumerate().take(3) {
        let picture = example.read()?.raster;
        let regions = proposed.regions[image].iter().take(60).map(|region| (*region, 3));
        let mut row = vec![("REGIONS", framed(&picture, regions, 2 * SIZE.0))];
        for result in results {
            let found = nms(&of_image(&result.found, image as u64), &Thresholds { iou: 0.4, ..Thresholds::default() });
            row.push((result.name, framed(&picture, found.iter().map(|d| (d.corners, d.class)), 2 * SIZE.0)));
        }
        for (number, (name, mut picture)) in row.into_iter().enumerate() {
            if image == 0 {
                let classes: &[String] = if number == 0 { &[] } else { &test.classes };
                legend(&mut picture, name, classes);
            }
            drawn.push(picture);
        }
    }
    Ok(draw::sheet(&drawn, 4, 6))
}
