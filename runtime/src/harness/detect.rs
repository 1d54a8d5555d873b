//! `cnnc predict` and `cnnc eval` for networks that find boxes.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::{Value, json};

use super::draw::percent;
use super::predict::{class_name, to_input};
use super::{Failure, Harness, thousands};
use crate::boxes::{Detection, Detector, Fading, Thresholds, nms, nms_agnostic, soft_nms};
use crate::data::{Dataset, Picture, Raster};
use crate::files::FileError;
use crate::job::{Predict, Suppression};
use crate::metrics::{coco, voc};
use crate::train::{Detected, detect};
use crate::{Network, draw};

/// How good a detector is.
pub(super) struct Precision {
    images: usize,
    boxes: usize,
    map50: f64,
    coco: f64,
    /// Class, number of true boxes, average precision.
    classes: Vec<(u32, usize, f64)>,
}

impl Precision {
    /// Of a detector on photos; `None` where the network is none, or the data has no boxes.
    pub(super) fn measure(network: &mut dyn Network, data: &Dataset, batch: usize) -> Result<Option<Self>, Failure> {
        if Detector::of(network.spec()).is_none() || !data.is_slow() {
            return Ok(None);
        }
        let Detected { truths, found } = detect(network, data, batch, &Detected::THRESHOLDS)?;
        if truths.is_empty() {
            return Ok(None);
        }
        let ap = voc(&truths, &found, 0.5, false);
        let of_class = |&(class, ap): &(u32, f64)| (class, truths.iter().filter(|t| t.class == class).count(), ap);
        Ok(Some(Self {
            images: data.len(),
            boxes: truths.len(),
            map50: ap.mean,
            coco: coco(&truths, &found).ap,
            classes: ap.classes.iter().map(of_class).collect(),
        }))
    }

    /// The line that scripts look for.
    pub(super) fn line(&self) -> String {
        format!("mAP@0.5: {}", percent(self.map50).trim_start())
    }

    fn as_json(&self, names: &[String]) -> Value {
        let of_class = |&(class, boxes, ap): &(u32, usize, f64)| json!({ "name": class_name(names, class as usize), "boxes": boxes, "ap50": ap });
        json!({
            "images": self.images,
            "boxes": self.boxes,
            "map50": self.map50,
            "coco_map": self.coco,
            "classes": self.classes.iter().map(of_class).collect::<Vec<_>>(),
        })
    }
}

impl Harness<'_> {
    pub(super) fn print_precision(
        &mut self,
        precision: &Precision,
        classes: &[String],
        json: bool,
    ) -> Result<(), Failure> {
        if json {
            return Ok(writeln!(self.out, "{:#}", precision.as_json(classes))?);
        }
        let (boxes, images) = (thousands(precision.boxes), thousands(precision.images));
        writeln!(self.out, "{} ({boxes} boxes in {images} images)", precision.line())?;
        writeln!(self.out, "COCO mAP (IoU from 0.5 to 0.95): {}", percent(precision.coco).trim_start())?;
        for &(class, boxes, ap) in &precision.classes {
            let name = class_name(classes, class as usize);
            writeln!(self.out, "  {name}: {} ({} boxes)", percent(ap).trim_start(), thousands(boxes))?;
        }
        Ok(())
    }

    /// Finds things in photos, lists them, and draws them where asked.
    pub(super) fn find(
        &mut self,
        network: &mut dyn Network,
        detector: Detector,
        job: &Predict,
        picture: &Picture,
        classes: &[String],
    ) -> Result<(), Failure> {
        let mut answers = Vec::new();
        for path in &job.files {
            let photo = Raster::read(path)?;
            let thresholds = Thresholds { score: job.score, iou: job.iou, ..Thresholds::default() };
            let found = found(network, detector, &photo, picture, &thresholds, job.suppression);
            let found = found.map_err(|failure| FileError::new(path, failure.message))?;
            let file = path.display().to_string();
            if job.json {
                answers.push(as_json(&file, &photo, &found, classes));
            } else {
                self.list(&file, &found, classes)?;
            }
            if let Some(output) = &job.output {
                draw::detections(&photo, &found, classes).write_png(output)?;
            }
        }
        if job.json {
            writeln!(self.out, "{:#}", Value::Array(answers))?;
        }
        Ok(())
    }

    fn list(&mut self, file: &str, found: &[Detection], classes: &[String]) -> Result<(), Failure> {
        match found.len() {
            0 => writeln!(self.out, "{file}: nothing")?,
            1 => writeln!(self.out, "{file}: 1 box")?,
            n => writeln!(self.out, "{file}: {n} boxes")?,
        }
        for d in found {
            let (name, score) = (class_name(classes, d.class as usize), percent(d.score.into()));
            let sides = [d.corners.x1, d.corners.y1, d.corners.x2, d.corners.y2];
            let [x1, y1, x2, y2] = sides.map(|side| format!("{side:.1}"));
            writeln!(self.out, "  {} {name}, from ({x1}, {y1}) to ({x2}, {y2})", score.trim_start())?;
        }
        Ok(())
    }
}

/// Boxes in pixels of the photo, within it, the most certain ones first.
fn found(
    network: &mut dyn Network,
    detector: Detector,
    photo: &Raster,
    picture: &Picture,
    thresholds: &Thresholds,
    suppression: Suppression,
) -> Result<Vec<Detection>, Failure> {
    let spec = network.spec();
    let input = to_input(photo, spec, picture)?;
    let (width, height) = (photo.width as f32, photo.height as f32);
    let &[_, rows, columns] = spec.inputs[0].shape else { return Err(Failure::new("the network takes no photos")) };
    network.infer(1, &[&input])?;
    let all = detector.read(network, 1, thresholds.score);
    let scaled = |d: &Detection| d.corners.scaled(width / columns as f32, height / rows as f32).clipped(width, height);
    let kept = all.iter().flat_map(|found| match suppression {
        Suppression::OfClass => nms(found, thresholds),
        Suppression::Agnostic => nms_agnostic(found, thresholds),
        Suppression::Soft => soft_nms(found, Fading::PAPER, thresholds),
    });
    Ok(kept.map(|d| Detection { corners: scaled(&d), ..d }).collect())
}

fn as_json(file: &str, photo: &Raster, found: &[Detection], classes: &[String]) -> Value {
    let one = |d: &Detection| {
        json!({
            "class": d.class,
            "name": class_name(classes, d.class as usize),
            "score": d.score,
            "box": [d.corners.x1, d.corners.y1, d.corners.x2, d.corners.y2],
        })
    };
    let boxes: Vec<Value> = found.iter().map(one).collect();
    json!({ "file": file, "width": photo.width, "height": photo.height, "boxes": boxes })
}
