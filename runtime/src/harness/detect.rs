//! `cnnc predict` and `cnnc eval` for networks that find boxes.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::{Map, Value, json};

use super::draw::percent;
use super::predict::{class_name, to_input};
use super::{Failure, Harness, thousands};
use crate::boxes::{Detection, Detector, Fading, Thresholds, nms, nms_agnostic, soft_nms};
use crate::data::{Picture, Raster};
use crate::files::FileError;
use crate::job::{Predict, Suppression};
use crate::train::{ClassPrecision, Precision};
use crate::{Network, draw};

/// The line that scripts look for.
pub(super) fn precision_line(boxes: &Precision) -> String {
    format!("mAP@0.5: {}", percent(boxes.map50).trim_start())
}

/// What is said of a detector as JSON.
pub(super) fn precision_json(boxes: &Precision, names: &[String]) -> Map<String, Value> {
    let of_class = |of: &ClassPrecision| {
        let name = class_name(names, of.class as usize);
        json!({ "name": name, "boxes": of.boxes, "ap50": of.ap50, "ap50_eleven_points": of.ap50_eleven })
    };
    let coco: Map<String, Value> =
        boxes.coco.numbers().into_iter().map(|(name, x)| (name.to_string(), json!(x))).collect();
    let numbers = [
        ("boxes", json!(boxes.boxes)),
        ("map50", json!(boxes.map50)),
        ("map50_eleven_points", json!(boxes.map50_eleven)),
        ("coco_map", json!(boxes.coco.ap)),
        ("coco", Value::Object(coco)),
        ("classes", boxes.classes.iter().map(of_class).collect()),
    ];
    numbers.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// `84.20 %`; COCO says -1 of areas without boxes.
fn share(x: f64) -> String {
    if x < 0.0 { String::from("no boxes") } else { percent(x).trim_start().to_string() }
}

impl Harness<'_> {
    /// How well a detector finds boxes.
    pub(super) fn print_precision(
        &mut self,
        boxes: &Precision,
        images: usize,
        classes: &[String],
    ) -> Result<(), Failure> {
        let of = format!("{} boxes in {} images", thousands(boxes.boxes), thousands(images));
        writeln!(self.out, "{} ({of})", precision_line(boxes))?;
        let coco = &boxes.coco;
        writeln!(self.out, "COCO mAP (IoU from 0.5 to 0.95): {}", share(coco.ap))?;
        writeln!(self.out, "  from an IoU of 0.5: {}, of 0.75: {}", share(coco.ap50), share(coco.ap75))?;
        let [small, medium, large] = coco.ap_by_area.map(share);
        writeln!(self.out, "  small boxes: {small}, medium: {medium}, large: {large}")?;
        let [one, ten, hundred] = coco.ar.map(share);
        writeln!(self.out, "  recall with 1 box: {one}, with 10: {ten}, with 100: {hundred}")?;
        for of in &boxes.classes {
            let name = class_name(classes, of.class as usize);
            writeln!(self.out, "  {name}: {} ({} boxes)", share(of.ap50), thousands(of.boxes))?;
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
