//! The outputs of detectors as boxes.

use super::{Centered, Corners, Detection};
use crate::{Network, Spec};

/// Which outputs of a network are boxes, and how they say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    /// One output, as of the operator `yolo_decode`, see [`rows`].
    Rows {
        /// Its position among the outputs.
        rows: usize,
        /// How many classes; with none, all boxes are of class 0.
        classes: usize,
    },
    /// Two outputs, as of Fast and Faster R-CNN, see [`regions`].
    Regions {
        /// The position of the probabilities `[n, 1 + classes]`.
        probabilities: usize,
        /// The position of the boxes `[n, 1 + classes, 4]`.
        boxes: usize,
        /// How many classes.
        classes: usize,
    },
}

impl Detector {
    /// A network that has an output `detections` of `[n, 5 + classes]`, or `probabilities` of `[n, 1 + classes]` and `boxes` of
    /// `[n, 1 + classes, 4]`, is a detector; `None` for others.
    pub fn of(spec: &Spec) -> Option<Self> {
        let outputs: Vec<(&str, &[usize])> = spec.outputs.iter().map(|output| (output.name, output.shape)).collect();
        Self::of_outputs(&outputs)
    }

    /// The same of the names and shapes of a network's outputs, in order.
    pub fn of_outputs(outputs: &[(&str, &[usize])]) -> Option<Self> {
        let output = |name: &str| {
            let at = outputs.iter().position(|(of, _)| *of == name)?;
            Some((at, outputs[at].1))
        };
        if let Some((rows, &[_, numbers])) = output("detections")
            && numbers >= 5
        {
            return Some(Self::Rows { rows, classes: numbers - 5 });
        }
        match (output("probabilities")?, output("boxes")?) {
            ((probabilities, &[n, kinds]), (boxes, &[m, of, 4])) if n == m && kinds == of && kinds > 1 => {
                Some(Self::Regions { probabilities, boxes, classes: kinds - 1 })
            }
            _ => None,
        }
    }

    /// How many classes it tells apart, at least 1.
    pub fn classes(&self) -> usize {
        match self {
            Self::Rows { classes, .. } | Self::Regions { classes, .. } => (*classes).max(1),
        }
    }

    /// What a network that has just inferred `count` images found in each, above this score; to be thinned out by
    /// [`nms`](super::nms()).
    pub fn read(&self, network: &dyn Network, count: usize, threshold: f32) -> Vec<Vec<Detection>> {
        let images = |output: usize| network.output(output).chunks_exact(network.spec().outputs[output].image_len());
        match *self {
            Self::Rows { rows: output, classes } => {
                images(output).take(count).map(|image| rows(image, classes, threshold)).collect()
            }
            Self::Regions { probabilities, boxes, classes } => images(probabilities)
                .zip(images(boxes))
                .take(count)
                .map(|(p, boxes)| regions(p, boxes, classes, threshold))
                .collect(),
        }
    }
}

/// Boxes of rows `[n, 5 + classes]`: centre x and y, width and height in pixels, confidence, classes. Every class of a box whose
/// score, confidence times that of the class, is above `threshold` counts, as in Darknet.
pub fn rows(rows: &[f32], classes: usize, threshold: f32) -> Vec<Detection> {
    let of_row = |row: &[f32]| {
        let b = Centered { x: row[0], y: row[1], width: row[2], height: row[3] };
        let found = |class: u32, score: f32| Detection { corners: b.into(), score, class };
        let object = row[4];
        let mut all: Vec<Detection> = (0..).zip(&row[5..]).map(|(class, p)| found(class, object * p)).collect();
        if classes == 0 {
            all.push(found(0, object));
        }
        all
    };
    rows.chunks_exact(5 + classes).flat_map(of_row).filter(|d| d.score > threshold).collect()
}

/// Boxes of regions: probabilities `[n, 1 + classes]` of nothing and of each class, and for each of these a box by corners
/// `[n, 1 + classes, 4]`. Every class of a region whose probability is above `threshold` counts (Girshick 2015, section 2.4).
pub fn regions(probabilities: &[f32], boxes: &[f32], classes: usize, threshold: f32) -> Vec<Detection> {
    let boxes = boxes.as_chunks::<4>().0.chunks_exact(1 + classes);
    let of_region = |(p, boxes): (&[f32], &[[f32; 4]])| {
        let one = |class: usize| {
            let [x1, y1, x2, y2] = boxes[1 + class];
            Detection { corners: Corners { x1, y1, x2, y2 }, score: p[1 + class], class: class as u32 }
        };
        (0..classes).map(one).collect::<Vec<_>>()
    };
    let found = probabilities.chunks_exact(1 + classes).zip(boxes).flat_map(of_region);
    // Regions of no size are padding.
    found.filter(|d| d.score > threshold && d.corners.is_proper()).collect()
}
