//! Detectors: average precision as Pascal VOC and as COCO measure it.

use super::total;
use crate::boxes::Corners;

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
/// 1; otherwise the area under the curve, as since 2010.
pub fn voc(truths: &[TrueBox], found: &[Found], iou: f32, eleven_points: bool) -> AveragePrecision {
    let of_class = |class: u32| {
        let truths: Vec<&TrueBox> = truths.iter().filter(|t| t.class == class).collect();
        let all = truths.iter().filter(|t| !t.difficult).count();
        let mut taken = vec![false; truths.len()];
        let mut right = Vec::new();
        for f in by_score(found.iter().filter(|f| f.class == class)) {
            let overlaps = truths.iter().enumerate().filter(|(_, t)| t.image == f.image);
            let best = overlaps.map(|(i, t)| (i, f.corners.iou(&t.corners))).fold(None, |best, (i, iou)| match best {
                Some((_, most)) if most >= iou => best,
                _ => Some((i, iou)),
            });
            match best {
                Some((i, overlap)) if overlap >= iou && truths[i].difficult => {}
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

/// The twelve numbers of COCO's evaluation of boxes. -1 where there are no true boxes, as there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coco {
    /// Average precision, mean over IoU from 0.5 to 0.95: COCO's mAP.
    pub ap: f64,
    /// From an IoU of 0.5.
    pub ap50: f64,
    /// From an IoU of 0.75.
    pub ap75: f64,
    /// Of areas up to 32², up to 96², and above.
    pub ap_by_area: [f64; 3],
    /// Average recall with at most 1, 10 and 100 boxes in a picture.
    pub ar: [f64; 3],
    /// With at most 100 boxes, of areas up to 32², up to 96², and above.
    pub ar_by_area: [f64; 3],
}

/// From 0.5 to 0.95 in steps of 0.05.
const IOUS: usize = 10;
const AREAS: [(f64, f64); 4] = [(0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10)];

/// COCO's evaluation of boxes (Lin et al. 2014; the same numbers as `pycocotools.cocoeval`).
pub fn coco(truths: &[TrueBox], found: &[Found]) -> Coco {
    let mut groups: Vec<(u32, u64)> =
        truths.iter().map(|t| (t.class, t.image)).chain(found.iter().map(|f| (f.class, f.image))).collect();
    groups.sort_unstable();
    groups.dedup();
    let groups: Vec<(u32, Group<'_>)> = groups
        .iter()
        .map(|&(class, image)| {
            let truths = truths.iter().filter(|t| t.class == class && t.image == image).collect();
            let mut found = by_score(found.iter().filter(|f| f.class == class && f.image == image));
            found.truncate(100);
            (class, Group::new(truths, found))
        })
        .collect();
    let of = |area: usize, most: usize| Accumulated::new(&groups, area, most);
    let all = of(0, 100);
    let sizes = [of(1, 100), of(2, 100), of(3, 100)];
    Coco {
        ap: all.precision(0..IOUS),
        ap50: all.precision(0..1),
        ap75: all.precision(5..6),
        ap_by_area: [0, 1, 2].map(|i| sizes[i].precision(0..IOUS)),
        ar: [of(0, 1).recall(), of(0, 10).recall(), all.recall()],
        ar_by_area: [0, 1, 2].map(|i| sizes[i].recall()),
    }
}

fn iou_threshold(i: usize) -> f64 {
    0.5 + 0.05 * i as f64
}

/// The boxes of one class in one picture.
struct Group<'a> {
    truths: Vec<&'a TrueBox>,
    found: Vec<&'a Found>,
    /// Row by found box.
    ious: Vec<f64>,
}

/// What became of a found box at one threshold.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Right,
    Wrong,
    Ignored,
}

impl<'a> Group<'a> {
    fn new(truths: Vec<&'a TrueBox>, found: Vec<&'a Found>) -> Self {
        let ious = found.iter().flat_map(|f| truths.iter().map(|t| overlap(&f.corners, &t.corners, t.crowd))).collect();
        Self { truths, found, ious }
    }

    /// What becomes of each found box, and how many true boxes count.
    fn matched(&self, iou: f64, (least, most): (f64, f64)) -> (Vec<Fate>, usize) {
        let area = |t: &TrueBox| t.area.map_or_else(|| area(&t.corners), f64::from);
        let ignored: Vec<bool> = self.truths.iter().map(|t| t.crowd || area(t) < least || area(t) > most).collect();
        let mut order: Vec<usize> = (0..self.truths.len()).collect();
        // Those that count come first.
        order.sort_by_key(|&i| ignored[i]);
        let mut taken = vec![false; self.truths.len()];
        let fate = |(row, f): (usize, &&Found)| {
            let (mut most_overlap, mut best) = (iou.min(1.0 - 1e-10), None);
            for &i in &order {
                if taken[i] && !self.truths[i].crowd {
                    continue;
                }
                // One that counts is not given up for one that does not.
                if best.is_some_and(|best: usize| !ignored[best]) && ignored[i] {
                    break;
                }
                let overlap = self.ious[row * self.truths.len() + i];
                if overlap >= most_overlap {
                    (most_overlap, best) = (overlap, Some(i));
                }
            }
            match best {
                Some(i) => {
                    taken[i] = true;
                    if ignored[i] { Fate::Ignored } else { Fate::Right }
                }
                None if area_outside(&f.corners, least, most) => Fate::Ignored,
                None => Fate::Wrong,
            }
        };
        let fates = self.found.iter().enumerate().map(fate).collect();
        (fates, ignored.iter().filter(|ignored| !**ignored).count())
    }
}

fn area(b: &Corners) -> f64 {
    f64::from(b.x2 - b.x1) * f64::from(b.y2 - b.y1)
}

fn area_outside(b: &Corners, least: f64, most: f64) -> bool {
    area(b) < least || area(b) > most
}

/// IoU in double precision; with a crowd the share of the found box that lies in it.
fn overlap(found: &Corners, truth: &Corners, crowd: bool) -> f64 {
    let along = |a1: f32, a2: f32, b1: f32, b2: f32| (f64::from(a2.min(b2)) - f64::from(a1.max(b1))).max(0.0);
    let both = along(found.x1, found.x2, truth.x1, truth.x2) * along(found.y1, found.y2, truth.y1, truth.y2);
    let union = if crowd { area(found) } else { area(found) + area(truth) - both };
    if union > 0.0 { both / union } else { 0.0 }
}

/// Per class and threshold: precision at 101 recalls, and the recall that is reached.
struct Accumulated {
    classes: Vec<[(f64, f64); IOUS]>,
}

impl Accumulated {
    fn new(groups: &[(u32, Group<'_>)], area: usize, most: usize) -> Self {
        let of_class = |groups: &[(u32, Group<'_>)]| {
            let at = |i: usize| Self::measure(groups, iou_threshold(i), AREAS[area], most);
            let first = at(0)?;
            Some(std::array::from_fn(|i| if i == 0 { first } else { at(i).unwrap_or(first) }))
        };
        Self { classes: groups.chunk_by(|a, b| a.0 == b.0).filter_map(of_class).collect() }
    }

    /// Average precision and recall of one class; `None` where no true box counts.
    fn measure(groups: &[(u32, Group<'_>)], iou: f64, area: (f64, f64), most: usize) -> Option<(f64, f64)> {
        let mut answers: Vec<(f32, Fate)> = Vec::new();
        let mut all = 0;
        for (_, group) in groups {
            let (fates, count) = group.matched(iou, area);
            all += count;
            answers.extend(group.found.iter().map(|f| f.score).zip(fates).take(most));
        }
        answers.sort_by(|a, b| b.0.total_cmp(&a.0));
        let right: Vec<bool> = answers.iter().filter(|a| a.1 != Fate::Ignored).map(|a| a.1 == Fate::Right).collect();
        let hits = right.iter().filter(|right| **right).count();
        let precision = |points: &[(f64, f64)]| (0..=100).map(|i| at(points, f64::from(i) * 0.01)).sum::<f64>() / 101.0;
        (all > 0).then(|| (precision(&precisions(&right, all)), hits as f64 / all as f64))
    }

    fn mean(&self, ious: std::ops::Range<usize>, f: fn(&(f64, f64)) -> f64) -> f64 {
        let n = self.classes.len() * ious.len();
        let sum = total(self.classes.iter().flat_map(|class| &class[ious.clone()]).map(f));
        if n == 0 { -1.0 } else { sum / n as f64 }
    }

    fn precision(&self, ious: std::ops::Range<usize>) -> f64 {
        self.mean(ious, |pair| pair.0)
    }

    fn recall(&self) -> f64 {
        self.mean(0..IOUS, |pair| pair.1)
    }
}

#[cfg(test)]
mod tests;
