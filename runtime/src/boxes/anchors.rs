//! Anchors: typical sizes of boxes, found among those of a data set.

use crate::random::Random;

/// The size of a box, wherever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// In pixels, or whatever all shapes are measured in.
    pub width: f32,
    /// Likewise.
    pub height: f32,
}

impl Shape {
    /// The IoU of two boxes of these sizes with the same centre.
    pub fn iou(&self, other: &Self) -> f32 {
        let intersection = self.width.min(other.width) * self.height.min(other.height);
        let union = self.width * self.height + other.width * other.height - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// The position of the anchor with the highest IoU, the first one if there are several; none where there are no
    /// anchors.
    pub fn best_of(&self, anchors: &[Self]) -> Option<usize> {
        let better = |best: usize, i: usize| if self.iou(&anchors[i]) > self.iou(&anchors[best]) { i } else { best };
        (0..anchors.len()).reduce(better)
    }
}

/// Anchors and how well they fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    /// By rising area.
    pub shapes: Vec<Shape>,
    /// The mean IoU of a box with its best anchor: "Avg IoU" of YOLOv2, table 1.
    pub mean_iou: f32,
}

/// Rounds after which the search ends even if some boxes still change their anchors.
const MOST_ROUNDS: usize = 300;

/// `count` anchors by k-means with the distance 1 - IoU (Redmon & Farhadi 2017, "Dimension clusters"), started as k-means++
/// does (Arthur & Vassilvitskii 2007). The same seed gives the same anchors. There are fewer, where there are fewer
/// different boxes; shapes without an area are left out.
pub fn anchors(shapes: &[Shape], count: usize, seed: u64) -> Anchors {
    let fits = |s: &&Shape| s.width.is_finite() && s.height.is_finite() && s.width > 0.0 && s.height > 0.0;
    let shapes: Vec<Shape> = shapes.iter().filter(fits).copied().collect();
    let mut centres = start(&shapes, count, &mut Random::new(seed));
    let mut members = vec![usize::MAX; shapes.len()];
    for _ in 0..MOST_ROUNDS {
        let mut changed = false;
        for (shape, member) in shapes.iter().zip(&mut members) {
            let best = shape.best_of(&centres).unwrap_or(usize::MAX);
            changed |= std::mem::replace(member, best) != best;
        }
        if !changed {
            break;
        }
        for (i, centre) in centres.iter_mut().enumerate() {
            *centre = mean(shapes.iter().zip(&members).filter(|(_, member)| **member == i).map(|(s, _)| s), *centre);
        }
    }
    centres.sort_by(|a, b| (a.width * a.height).total_cmp(&(b.width * b.height)));
    let best = |shape: &Shape| shape.best_of(&centres).map_or(0.0, |i| f64::from(shape.iou(&centres[i])));
    let mean_iou = (shapes.iter().map(best).sum::<f64>() / shapes.len().max(1) as f64) as f32;
    Anchors { shapes: centres, mean_iou }
}

/// The mean size; `none` where there are no members.
fn mean<'a>(members: impl Iterator<Item = &'a Shape>, none: Shape) -> Shape {
    let add = |(w, h, n): (f64, f64, f64), s: &Shape| (w + f64::from(s.width), h + f64::from(s.height), n + 1.0);
    match members.fold((0.0, 0.0, 0.0), add) {
        (_, _, 0.0) => none,
        (width, height, n) => Shape { width: (width / n) as f32, height: (height / n) as f32 },
    }
}

/// Shapes far from each other: each one is drawn with a probability that grows with its squared distance from those that
/// are chosen already.
fn start(shapes: &[Shape], count: usize, random: &mut Random) -> Vec<Shape> {
    let mut chosen = Vec::new();
    let mut distances = vec![1.0_f64; shapes.len()];
    while chosen.len() < count {
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut left = f64::from(random.unit()) * total;
        let drawn = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0 && *distance > 0.0
        });
        let Some(drawn) = drawn.or_else(|| distances.iter().rposition(|distance| *distance > 0.0)) else { break };
        chosen.push(shapes[drawn]);
        for (shape, distance) in shapes.iter().zip(&mut distances) {
            let new = f64::from(1.0 - shape.iou(&shapes[drawn])).powi(2);
            *distance = if chosen.len() == 1 { new } else { distance.min(new) };
        }
    }
    chosen
}
