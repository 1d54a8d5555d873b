//! Fast and Faster R-CNN: the trunk sees the whole picture, regions are read from its map.

use std::time::Instant;

use cnnc_examples::detection::{Lessons, learn, parameters};
use cnnc_examples::{Common, Result, say};
use cnnc_runtime::boxes::{Centered, Corners, Detector, nms};
use cnnc_runtime::data::{Collection, Dataset, Picture, TargetValues};
use cnnc_runtime::metrics::Found;
use cnnc_runtime::{Network, Options, ValueSpec};

use crate::proposed::{MOST, Proposed};
use crate::{FasterRCNN, MEASURED, Outcome, SIZE, fast, median_ms};

/// Pictures of a step.
const BATCH: usize = 8;
/// Objects of a picture that count.
const OBJECTS: usize = 50;

/// Learns with the regions of selective search.
pub fn fast(common: &Common, train: (&Collection, &Proposed), test: (&Collection, &Proposed)) -> Result<Outcome> {
    let mut network = fast::FastRCNN::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    let rois =
        |proposed: &Proposed| -> Vec<f32> { proposed.regions.iter().flat_map(|regions| rows(regions)).collect() };
    let inputs = vec![images(train.0)?, rois(train.1)];
    let lessons = lessons(common, 6);
    let held_out = vec![images(test.0)?, rois(test.1)];
    let found = lesson(&mut network, "Fast R-CNN", &lessons, (train.0, inputs), (test.0, held_out))?;
    Ok(Outcome { regions_ms: Some(test.1.milliseconds), ..found })
}

/// Learns to propose regions, too.
pub fn faster(common: &Common, train: &Collection, test: &Collection) -> Result<Outcome> {
    let mut network = FasterRCNN::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    let (inputs, held_out) = (vec![images(train)?], vec![images(test)?]);
    // It has more to learn.
    lesson(&mut network, "Faster R-CNN", &lessons(common, 10), (train, inputs), (test, held_out))
}

fn lessons(common: &Common, epochs: u64) -> Lessons {
    Lessons { epochs: common.scaled(epochs, 1), batch: BATCH, rate: 1e-3, seed: common.seed }
}

/// A network learns from inputs and boxes, and looks at the held-out pictures one by one.
fn lesson(
    network: &mut dyn Network,
    name: &'static str,
    lessons: &Lessons,
    (train, inputs): (&Collection, Vec<Vec<f32>>),
    (test, held_out): (&Collection, Vec<Vec<f32>>),
) -> Result<Outcome> {
    let data = Dataset::in_memory(network.spec(), inputs, vec![TargetValues::Floats(objects(train))])?;
    learn(network, &data, lessons, |_, epoch, loss| {
        say!("{name}, epoch {epoch}: loss {loss:.3}");
        Ok(())
    })?;

    let spec = network.spec();
    let detector = Detector::of(spec).ok_or("the network has no output of boxes")?;
    let (mut found, mut times) = (Vec::new(), Vec::new());
    for image in 0..test.examples.len() {
        let lens = spec.inputs.iter().map(ValueSpec::image_len);
        let inputs: Vec<&[f32]> = held_out.iter().zip(lens).map(|(all, len)| &all[image * len..][..len]).collect();
        let start = Instant::now();
        network.infer(1, &inputs)?;
        for all in detector.read(network, 1, MEASURED.score) {
            let kept = nms(&all, &MEASURED).into_iter();
            let image = image as u64;
            found.extend(kept.map(|d| Found { image, class: d.class, corners: d.corners, score: d.score }));
        }
        times.push(start.elapsed());
    }
    Ok(Outcome { name, parameters: parameters(network), found, regions_ms: None, network_ms: median_ms(times) })
}

/// Pictures as inputs, one after another.
fn images(pictures: &Collection) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for example in &pictures.examples {
        all.extend(example.read()?.raster.to_input(&[3, SIZE.1, SIZE.0], &Picture::default())?);
    }
    Ok(all)
}

/// As many rows as the network takes; those without a region are zero.
fn rows(regions: &[Corners]) -> Vec<f32> {
    let mut rows: Vec<f32> = regions.iter().flat_map(|b| [b.x1, b.y1, b.x2, b.y2]).collect();
    rows.resize(4 * MOST, 0.0);
    rows
}

/// The boxes of each picture, as the losses take them.
fn objects(pictures: &Collection) -> Vec<f32> {
    let mut all = Vec::new();
    for example in &pictures.examples {
        let row = |&(corners, class): &(Corners, u32)| {
            let b = Centered::from(corners);
            [class as f32, b.x, b.y, b.width, b.height]
        };
        let mut rows: Vec<[f32; 5]> = example.boxes.iter().map(row).collect();
        rows.resize(OBJECTS, [-1.0, 0.0, 0.0, 0.0, 0.0]);
        all.extend(rows.into_flattened());
    }
    all
}
