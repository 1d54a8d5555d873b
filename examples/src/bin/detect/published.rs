//! Detectors with the weights that their authors published, on photos.

cnnc_macros::net!("../specs/zoo/yolo_fastest.net", infer_only);

mod face {
    cnnc_macros::net!("../specs/zoo/tiny_face.net", infer_only);
}

mod voc {
    cnnc_macros::net!("../specs/zoo/yolov3_nano.net", infer_only);
}

use std::path::{Path, PathBuf};

use cnnc_examples::{Common, Result, say, shipped};
use cnnc_runtime::boxes::{Detection, Detector, Thresholds, nms};
use cnnc_runtime::data::{Picture, Raster};
use cnnc_runtime::{Network, draw, weights};

/// Height of photos in the sheet, in pixels.
const HEIGHT: usize = 600;

/// A published detector and what it is shown.
struct Published {
    network: Box<dyn Network>,
    weights: PathBuf,
    /// Names of its classes.
    classes: Vec<String>,
    picture: Picture,
    /// Photos are stretched to the input, or lie in its upper left corner.
    stretched: bool,
    thresholds: Thresholds,
    photos: &'static [&'static str],
}

/// Detects things, faces and, with larger data, things by a third network, and shows all in one sheet.
pub fn show(common: &Common) -> Result<()> {
    let mut detectors = vec![things()?, faces()];
    if let Some(data) = &common.data {
        detectors.push(voc_things(data)?);
    }
    let mut drawn = Vec::new();
    for detector in &mut detectors {
        weights::load(&mut *detector.network, &detector.weights)?;
        for photo in detector.photos {
            let raster = Raster::read(&shipped("photos").join(photo))?.with_channels(3);
            let found = detector.look(&raster)?;
            say!("{photo}, {}: {}", detector.network.spec().name, detector.listed(&found));
            let scale = HEIGHT as f32 / raster.height as f32;
            let larger = found.iter().map(|d| Detection { corners: d.corners.scaled(scale, scale), ..*d });
            let photo = raster.stretched((raster.width as f32 * scale) as usize, HEIGHT);
            drawn.push(draw::detections(&photo, &larger.collect::<Vec<_>>(), &detector.classes));
        }
    }
    common.write_picture("detect_photos.png", &draw::sheet(&drawn, 2, 6), "what published detectors find in photos")
}

fn things() -> Result<Published> {
    let folder = shipped("models/yolo_fastest_1_1_coco");
    Ok(Published {
        network: Box::new(YoloFastest::new(0)),
        weights: folder.join("yolo_fastest_1_1_coco.safetensors"),
        classes: lines(&folder.join("coco.names"))?,
        picture: Picture::default(),
        stretched: true,
        thresholds: Thresholds { score: 0.25, iou: 0.45, ..Thresholds::default() },
        photos: &["dog.jpg", "person.jpg"],
    })
}

fn voc_things(data: &Path) -> Result<Published> {
    Ok(Published {
        network: Box::new(voc::YoloV3Nano::new(0)),
        weights: data.join("models/yolov3_nano_voc/yolov3_nano_voc.safetensors"),
        classes: lines(&data.join("names/voc.names"))?,
        ..things()?
    })
}

fn faces() -> Published {
    // Of 255, as are all values of pictures here.
    let mean = [117.001, 114.697, 97.404].map(|mean: f32| mean / 255.0);
    Published {
        network: Box::new(face::TinyFace::new(0)),
        weights: shipped("models/tiny_face_yolov2/tiny_face_yolov2.safetensors"),
        classes: vec!["face".to_owned()],
        picture: Picture { mean: mean.to_vec(), std: vec![256.0 / 255.0], invert: false },
        stretched: false,
        thresholds: Thresholds { score: 0.5, iou: 0.4, ..Thresholds::default() },
        photos: &["astronaut.png", "grace_hopper.jpg"],
    }
}

impl Published {
    /// Boxes in pixels of the photo.
    fn look(&mut self, photo: &Raster) -> Result<Vec<Detection>> {
        let spec = self.network.spec();
        let detector = Detector::of(spec).ok_or("the network has no output of boxes")?;
        let &[_, height, width] = spec.inputs[0].shape else { return Err("the network does not take photos".into()) };
        let (seen, x, y) = if self.stretched {
            (photo.clone(), photo.width as f32 / width as f32, photo.height as f32 / height as f32)
        } else {
            let scale = photo.width.max(photo.height) as f32 / width as f32;
            let side = |n: usize| (n as f32 / scale).round() as usize;
            (photo.stretched(side(photo.width), side(photo.height)).part(0, 0, width, height), scale, scale)
        };
        self.network.infer(1, &[&seen.to_input(spec.inputs[0].shape, &self.picture)?])?;
        let found = detector.read(&*self.network, 1, self.thresholds.score).swap_remove(0);
        let kept = nms(&found, &self.thresholds);
        Ok(kept.into_iter().map(|d| Detection { corners: d.corners.scaled(x, y), ..d }).collect())
    }

    fn listed(&self, found: &[Detection]) -> String {
        let one = |d: &Detection| format!("{} {:.0} %", self.classes[d.class as usize], d.score * 100.0);
        found.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

fn lines(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}
