//! Three detectors by regions, side by side: `cargo run --release --package cnnc-examples --bin rcnn`
//!
//! R-CNN warps each region that selective search proposes and classifies it; Fast R-CNN sees the picture once and reads the
//! regions from its map; Faster R-CNN proposes the regions itself. All learn from 160 pictures of blood and their mirror images, and
//! are measured on 40 others: average precision, and time for a picture. Each is to be faster than the one before it, and the
//! last one is to reach an mAP@0.5 of 0.6 at least.

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

use clap::Parser;
use cnnc_examples::detection::{Boxed, framed, legend, of_image};
use cnnc_examples::{Common, Result, Table, say};
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
    /// Milliseconds for a picture: for proposals, and for the network.
    time: (f64, f64),
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
        "selective search: {:.0} regions of a picture in {:.0} ms; {:.1} % of the boxes have one that shares half with them",
        test.mean_count(),
        test.milliseconds,
        100.0 * test.recall(&pictures.test),
    );
    let results = [
        crops::rcnn(common, (&pictures.train, &train), (&pictures.test, &test))?,
        regions::fast(common, (&pictures.train, &train), (&pictures.test, &test))?,
        regions::faster(common, &pictures.train, &pictures.test)?,
    ];
    let truths = truths(&pictures.test);
    say!("\n{}", table(&results, &truths));
    let sheet = sheet(&pictures.test, &test, &results)?;
    common.write_picture("rcnn.png", &sheet, "regions of selective search; what R-CNN, Fast and Faster R-CNN find")
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
        let map = voc(truths, &result.found, 0.5, false).mean;
        let (proposals, network) = result.time;
        table.row(&[
            &result.name,
            &result.parameters,
            &format!("{map:.3}"),
            &format!("{proposals:.1}"),
            &format!("{network:.1}"),
            &format!("{:.1}", proposals + network),
        ]);
    }
    table
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
