//! What a detector finds in photos, beside what is there.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::TrainError;
use crate::Network;
use crate::boxes::{Corners, Detector, Thresholds, nms};
use crate::data::{BatchData, Dataset, Draw};
use crate::metrics::{Found, TrueBox};

/// Boxes of photos, in pixels of these; images are numbered as in the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detected {
    /// What is there.
    pub truths: Vec<TrueBox>,
    /// What was found.
    pub found: Vec<Found>,
}

impl Detected {
    /// Thresholds to measure by: nearly all scores count, and no more than a hundred boxes of a photo, as COCO has it.
    pub const THRESHOLDS: Thresholds = Thresholds { score: 0.005, iou: 0.5, most: 100 };
}

/// Looks at all photos of `data` without augmentation, in batches of `size`. Fails where the network is no
/// [detector](Detector::of) or the data has no photos.
pub fn detect(
    network: &mut dyn Network,
    data: &Dataset,
    size: usize,
    thresholds: &Thresholds,
) -> Result<Detected, TrainError> {
    let spec = network.spec();
    let no = |what: &str| TrainError::Options(format!("{} {what}", spec.name));
    let detector = Detector::of(spec).ok_or_else(|| no("has no output of boxes"))?;
    let &[_, height, width] = spec.inputs[0].shape else { return Err(no("does not take photos")) };
    let (mut batch, mut all) = (BatchData::new(spec, size), Detected::default());
    let numbers: Vec<usize> = (0..data.len()).collect();
    for numbers in numbers.chunks(size.max(1)) {
        batch.load(data, numbers, Draw::default())?;
        network.infer(numbers.len(), &batch.inputs())?;
        let found = detector.read(network, numbers.len(), thresholds.score);
        for (found, &number) in found.iter().zip(numbers) {
            let photos = || TrainError::Options(String::from("boxes are compared on photos, but the data has none"));
            let photo = data.sample(number, Draw::default()).ok_or_else(photos)??;
            let (image, raster) = (number as u64, &photo.raster);
            let scale = (raster.width as f32 / width as f32, raster.height as f32 / height as f32);
            all.found.extend(nms(found, thresholds).into_iter().map(|d| Found {
                image,
                class: d.class,
                corners: d.corners.scaled(scale.0, scale.1),
                score: d.score,
            }));
            let truth = |&(corners, class): &(Corners, u32)| TrueBox::new(image, class, corners);
            all.truths.extend(photo.boxes.iter().map(truth));
        }
    }
    Ok(all)
}
