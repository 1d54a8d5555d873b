//! Average precision and recall as COCO measures them.

use std::collections::BTreeMap;

use super::{Found, TrueBox, at, by_score, precisions};
use crate::boxes::Corners;
use crate::metrics::total;

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

impl Coco {
    /// All twelve with short names, in the order in which COCO's evaluation prints them.
    pub fn numbers(&self) -> [(&'static str, f64); 12] {
        let ([small, medium, large], [one, ten, hundred]) = (self.ap_by_area, self.ar);
        let [ar_small, ar_medium, ar_large] = self.ar_by_area;
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("AP_small", small),
            ("AP_medium", medium),
            ("AP_large", large),
            ("AR_1", one),
            ("AR_10", ten),
            ("AR_100", hundred),
            ("AR_small", ar_small),
            ("AR_medium", ar_medium),
            ("AR_large", ar_large),
        ]
    }
}

/// COCO's evaluation of boxes (Lin et al. 2014; the same numbers as `pycocotools.cocoeval`). COCO has no difficult boxes, which are
/// taken for boxes of an area that is not asked for: they need not be found.
pub fn coco(truths: &[TrueBox], found: &[Found]) -> Coco {
    let mut groups: BTreeMap<(u32, u64), Boxes<'_>> = BTreeMap::new();
    truths.iter().for_each(|t| groups.entry((t.class, t.image)).or_default().0.push(t));
    found.iter().for_each(|f| groups.entry((f.class, f.image)).or_default().1.push(f));
    let groups: Vec<(u32, Group<'_>)> = groups
        .into_iter()
        .map(|((class, _), (truths, found))| {
            let mut found = by_score(found.into_iter());
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

/// The true boxes and the found ones of one class in one picture.
type Boxes<'a> = (Vec<&'a TrueBox>, Vec<&'a Found>);

/// These, as they are matched.
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
        let ignored: Vec<bool> =
            self.truths.iter().map(|t| t.is_optional() || area(t) < least || area(t) > most).collect();
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
