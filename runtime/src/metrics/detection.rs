//! Detectors: average precision as Pascal VOC and as COCO measure it.

mod coco;

use super::total;
use crate::boxes::Corners;

pub use coco::{Coco, coco};

/// A true box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueBox {
    /// In which picture, by any number.
    pub image: u64,
    /// What.
    pub class: u32,
    /// Where, in pixels.
    pub corners: Corners,
    /// Finding it is neither right nor wrong: VOC's `difficult`.
    pub difficult: bool,
    /// A group without borders between its members (COCO's `iscrowd`): neither right nor wrong, and any number of boxes may
    /// lie in it.
    pub crowd: bool,
    /// COCO sorts by this area in square pixels, that of the outline; that of the box where there is none.
    pub area: Option<f32>,
}

impl TrueBox {
    /// A box as most data sets have them: neither difficult nor a crowd.
    pub fn new(image: u64, class: u32, corners: Corners) -> Self {
        Self { image, class, corners, difficult: false, crowd: false, area: None }
    }

    /// Whether it need not be found: it is difficult, or a crowd.
    pub fn is_optional(&self) -> bool {
        self.difficult || self.crowd
    }
}

/// A box that a detector found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// In which picture.
    pub image: u64,
    /// What.
    pub class: u32,
    /// Where, in pixels.
    pub corners: Corners,
    /// How sure.
    pub score: f32,
}

/// Average precision of each class that has a true box, and their mean.
#[derive(Clone, Debug, PartialEq)]
pub struct AveragePrecision {
    /// Class and average precision, by class.
    pub classes: Vec<(u32, f64)>,
    /// Their mean, mAP; 0 where there are none.
    pub mean: f64,
}

/// Average precision as in Pascal VOC (Everingham et al. 2010): a box is right from an IoU of `iou` (VOC: 0.5) with a true box
/// that no more certain one has found. `eleven_points` is VOC until 2009, the mean of the precisions at recalls of 0, 0.1, ...
/// 1; otherwise the area under the curve, as since 2010. Boxes found at difficult true ones do not count; VOC has no crowds, which
/// are taken for difficult.
pub fn voc(truths: &[TrueBox], found: &[Found], iou: f32, eleven_points: bool) -> AveragePrecision {
    let of_class = |class: u32| {
        let mut truths: Vec<&TrueBox> = truths.iter().filter(|t| t.class == class).collect();
        truths.sort_by_key(|t| t.image);
        let all = truths.iter().filter(|t| !t.is_optional()).count();
        let mut taken = vec![false; truths.len()];
        let mut right = Vec::new();
        for f in by_score(found.iter().filter(|f| f.class == class)) {
            let here = truths.partition_point(|t| t.image < f.image)..truths.partition_point(|t| t.image <= f.image);
            let best = here.map(|i| (i, f.corners.iou(&truths[i].corners))).fold(None, |best, (i, iou)| match best {
                Some((_, most)) if most >= iou => best,
                _ => Some((i, iou)),
            });
            match best {
                Some((i, overlap)) if overlap >= iou && truths[i].is_optional() => {}
                Some((i, overlap)) if overlap >= iou => right.push(!std::mem::replace(&mut taken[i], true)),
                _ => right.push(false),
            }
        }
        (all > 0).then(|| average(&precisions(&right, all), eleven_points))
    };
    let mut classes: Vec<u32> = truths.iter().map(|t| t.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let classes: Vec<(u32, f64)> = classes.into_iter().filter_map(|c| Some((c, of_class(c)?))).collect();
    let mean = total(classes.iter().map(|c| c.1)) / classes.len().max(1) as f64;
    AveragePrecision { classes, mean }
}

/// The most certain ones first; equal scores in the order they came in.
fn by_score<'a>(found: impl Iterator<Item = &'a Found>) -> Vec<&'a Found> {
    let mut found: Vec<&Found> = found.collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

/// Recall and precision after each answer, precisions made to fall: each is the best of this or a higher recall.
fn precisions(right: &[bool], all: usize) -> Vec<(f64, f64)> {
    let mut hits = 0;
    let point = |(i, &right): (usize, &bool)| {
        hits += usize::from(right);
        (hits as f64 / all as f64, hits as f64 / (i + 1) as f64)
    };
    let mut points: Vec<(f64, f64)> = right.iter().enumerate().map(point).collect();
    for i in (1..points.len()).rev() {
        points[i - 1].1 = points[i - 1].1.max(points[i].1);
    }
    points
}

/// The precision at a recall.
fn at(points: &[(f64, f64)], recall: f64) -> f64 {
    points.get(points.partition_point(|p| p.0 < recall)).map_or(0.0, |p| p.1)
}

fn average(points: &[(f64, f64)], eleven_points: bool) -> f64 {
    if eleven_points {
        return (0..=10).map(|i| at(points, f64::from(i) / 10.0)).sum::<f64>() / 11.0;
    }
    let mut recall = 0.0;
    total(points.iter().map(|p| (p.0 - std::mem::replace(&mut recall, p.0)) * p.1))
}

#[cfg(test)]
mod tests;
