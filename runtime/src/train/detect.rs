//! What a detector finds in photos, beside what is there.

use std::format;
use std::vec::Vec;

use super::TrainError;
use super::evaluate::each;
use crate::boxes::{Detector, Thresholds, nms};
use crate::data::{BatchData, Dataset};
use crate::metrics::{Coco, Found, TrueBox, coco, voc};
use crate::{Network, Spec};

/// Boxes of photos, in pixels of these; images are numbered as in the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detected {
    /// What is there.
    pub truths: Vec<TrueBox>,
    /// What was found.
    pub found: Vec<Found>,
}

/// How well a detector finds boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Precision {
    /// Boxes that are to be found: neither difficult nor crowds.
    pub boxes: usize,
    /// By class; classes without a box that is to be found are left out.
    pub classes: Vec<ClassPrecision>,
    /// The mean of their average precisions as Pascal VOC has them: the area under the curve, at an IoU of 0.5.
    pub map50: f64,
    /// The mean of those that VOC had until 2009, the mean of the precisions at eleven recalls.
    pub map50_eleven: f64,
    /// COCO's twelve numbers.
    pub coco: Coco,
}

/// How well a detector finds the boxes of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassPrecision {
    /// Which.
    pub class: u32,
    /// Boxes that are to be found.
    pub boxes: usize,
    /// Average precision as Pascal VOC has it: the area under the curve, at an IoU of 0.5.
    pub ap50: f64,
    /// The same at eleven recalls, as VOC had it until 2009.
    pub ap50_eleven: f64,
}

impl Detected {
    /// Thresholds to measure by: nearly all scores count, and no more than a hundred boxes of a photo, as COCO has it.
    pub const THRESHOLDS: Thresholds = Thresholds { score: 0.005, iou: 0.5, most: 100 };

    /// How well what is there was found, as Pascal VOC (Everingham et al. 2010) and COCO (Lin et al. 2014) measure it.
    pub fn precision(&self) -> Precision {
        let [ap, eleven] = [false, true].map(|eleven_points| voc(&self.truths, &self.found, 0.5, eleven_points));
        let boxes = |class: u32| self.truths.iter().filter(|t| t.class == class && !t.is_optional()).count();
        let of_class = |(&(class, ap50), &(_, ap50_eleven)): (&(u32, f64), &(u32, f64))| ClassPrecision {
            class,
            boxes: boxes(class),
            ap50,
            ap50_eleven,
        };
        let classes: Vec<ClassPrecision> = ap.classes.iter().zip(&eleven.classes).map(of_class).collect();
        let boxes = classes.iter().map(|class| class.boxes).sum();
        let coco = coco(&self.truths, &self.found);
        Precision { boxes, classes, map50: ap.mean, map50_eleven: eleven.mean, coco }
    }
}

/// Gathers what a detector finds in batches of photos.
pub(super) struct Finder {
    detector: Detector,
    /// Width and height of the network's input.
    size: (f32, f32),
    thresholds: Thresholds,
    pub(super) detected: Detected,
}

impl Finder {
    /// `None` for networks that are no detectors of photos.
    pub(super) fn of(spec: &Spec, thresholds: Thresholds) -> Option<Self> {
        let detector = Detector::of(spec)?;
        let &[_, height, width] = spec.inputs.first()?.shape else { return None };
        Some(Self { detector, size: (width as f32, height as f32), thresholds, detected: Detected::default() })
    }

    /// Adds what the network has just found in a batch: the images of `data` with these numbers.
    pub(super) fn add(&mut self, network: &dyn Network, data: &Dataset, batch: &BatchData, numbers: &[usize]) {
        let found = self.detector.read(network, batch.count(), self.thresholds.score);
        for ((found, photo), &number) in found.iter().zip(batch.photos()).zip(numbers) {
            let scale = (photo.width as f32 / self.size.0, photo.height as f32 / self.size.1);
            self.detected.found.extend(nms(found, &self.thresholds).into_iter().map(|d| Found {
                image: number as u64,
                class: d.class,
                corners: d.corners.scaled(scale.0, scale.1),
                score: d.score,
            }));
            self.detected.truths.extend(data.truths(number, photo));
        }
    }
}

/// Looks at all photos of `data` without augmentation, in batches of `size`.
///
/// # Errors
/// Where the network is no [detector](Detector::of) of photos, the data has no photos, or one of them cannot be read.
pub fn detect(
    network: &mut dyn Network,
    data: &Dataset,
    size: usize,
    thresholds: &Thresholds,
) -> Result<Detected, TrainError> {
    let spec = network.spec();
    let no = |what: &str| TrainError::Options(format!("{} {what}", spec.name));
    let mut finder = Finder::of(spec, *thresholds).ok_or_else(|| no("finds no boxes in photos"))?;
    if !data.is_slow() {
        return Err(no("is compared on photos, but the data has none"));
    }
    let threads = network.memory().pool.threads();
    each(data, spec, size, threads, |batch, numbers| {
        network.infer(numbers.len(), &batch.inputs())?;
        finder.add(&*network, data, batch, numbers);
        Ok(())
    })?;
    Ok(finder.detected)
}
