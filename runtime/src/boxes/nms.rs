//! Non-maximum suppression: of boxes around the same thing, the most certain one stays.

use super::Corners;
use crate::Isa;
use crate::isa::per_isa;

/// A box, what is in it, and how sure the network is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where, in pixels.
    pub corners: Corners,
    /// How sure, from 0 to 1.
    pub score: f32,
    /// What, by number.
    pub class: u32,
}

/// Which detections stay. The defaults are those of the usual course notes on YOLO: a box whose probability is 0.6 or less
/// is dropped, and of the others one whose IoU with a more probable one is 0.5 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Scores must be above this one.
    pub score: f32,
    /// From this IoU on the less certain one of two boxes is suppressed.
    pub iou: f32,
    /// No more than so many stay, the most certain ones.
    pub most: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { score: 0.6, iou: 0.5, most: usize::MAX }
    }
}

/// Suppresses boxes by more certain ones of the same class. What stays is in order of falling scores; equal scores are in
/// the order they came in. Boxes with numbers that are not finite are dropped.
pub fn nms(detections: &[Detection], thresholds: &Thresholds) -> Vec<Detection> {
    suppressed(detections, certain(detections, thresholds), thresholds)
}

/// Suppresses boxes by more certain ones of any class; otherwise as [`nms`].
pub fn nms_agnostic(detections: &[Detection], thresholds: &Thresholds) -> Vec<Detection> {
    let one_class = certain(detections, thresholds).into_iter().map(|entry| entry.of_class(0)).collect();
    suppressed(detections, one_class, thresholds)
}

/// How scores fall by the IoU with a more certain box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fading {
    /// Times 1 - IoU from the threshold of IoU on.
    Linear,
    /// Times exp(-IoU² / sigma), whatever the IoU.
    Gaussian {
        /// Above 0; the larger, the slower scores fall.
        sigma: f32,
    },
}

impl Fading {
    /// The one that the paper recommends, with its sigma (Bodla et al. 2017, section 4).
    pub const PAPER: Self = Self::Gaussian { sigma: 0.5 };
}

/// Soft suppression (Bodla et al. 2017): boxes of the same class are not dropped, but their scores fade; what falls to the
/// threshold of scores or below is dropped. In order of falling new scores, equal ones in the order they came in.
///
/// # Panics
/// Where the sigma of [`Fading::Gaussian`] is not above 0.
pub fn soft_nms(detections: &[Detection], fading: Fading, thresholds: &Thresholds) -> Vec<Detection> {
    if let Fading::Gaussian { sigma } = fading {
        assert!(sigma > 0.0, "a sigma of {sigma} is not above 0");
    }
    let mut order = certain(detections, thresholds);
    order.sort_unstable_by_key(|entry| (entry.class(), entry.index()));
    let mut kept = Vec::new();
    for class in order.chunk_by(|a, b| a.class() == b.class()) {
        let left = class.iter().map(|entry| (entry.index() as u32, detections[entry.index()])).collect();
        fade(left, fading, thresholds, &mut kept);
    }
    kept.sort_unstable_by_key(|(index, d)| (!ascending(d.score), *index));
    kept.truncate(thresholds.most);
    kept.into_iter().map(|(_, d)| d).collect()
}

/// Soft suppression within one class.
fn fade(mut left: Vec<(u32, Detection)>, fading: Fading, thresholds: &Thresholds, kept: &mut Vec<(u32, Detection)>) {
    let key = |&(index, d): &(u32, Detection)| (!ascending(d.score), index);
    for _ in 0..thresholds.most {
        let Some(best) = (0..left.len()).min_by_key(|&i| key(&left[i])) else { break };
        let best = left.swap_remove(best);
        left.retain_mut(|(_, other)| {
            let iou = best.1.corners.iou(&other.corners);
            other.score *= match fading {
                Fading::Linear if iou >= thresholds.iou => 1.0 - iou,
                Fading::Linear => 1.0,
                Fading::Gaussian { sigma } => (-iou * iou / sigma).exp(),
            };
            other.score > thresholds.score
        });
        kept.push(best);
    }
}

/// A detection: its class, its score so that high ones come first, its number, 32 bits each from the top down. So numbers
/// in order are classes one after another, and each from its most certain detection on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

impl Entry {
    fn new(index: u32, detection: &Detection) -> Self {
        Self(u128::from(!ascending(detection.score)) << 32 | u128::from(index)).of_class(detection.class)
    }

    fn of_class(self, class: u32) -> Self {
        Self(u128::from(class) << 64 | u128::from(self.by_score()))
    }

    fn class(self) -> u32 {
        (self.0 >> 64) as u32
    }

    /// All but the class.
    fn by_score(self) -> u64 {
        self.0 as u64
    }

    fn index(self) -> usize {
        self.0 as u32 as usize
    }
}

/// Those above the threshold.
fn certain(detections: &[Detection], thresholds: &Thresholds) -> Vec<Entry> {
    let finite = |b: &Corners| [b.x1, b.y1, b.x2, b.y2].iter().all(|x| x.is_finite());
    let stays = |d: &Detection| d.score > thresholds.score && finite(&d.corners);
    (0..).zip(detections).filter(|(_, d)| stays(d)).map(|(index, d)| Entry::new(index, d)).collect()
}

/// Whole numbers in the order of floats.
fn ascending(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// Suppression class by class.
fn suppressed(detections: &[Detection], mut order: Vec<Entry>, thresholds: &Thresholds) -> Vec<Detection> {
    let isa = Isa::detect();
    order.sort_unstable();
    let mut kept = Vec::new();
    let mut cells = Cells::default();
    for class in order.chunk_by(|a, b| a.class() == b.class()) {
        isa.suppress(detections, class, thresholds.iou, &mut cells, &mut kept);
    }
    kept.sort_unstable_by_key(|entry| entry.by_score());
    kept.truncate(thresholds.most);
    kept.into_iter().map(|entry| detections[entry.index()]).collect()
}

per_isa! {
    /// Greedy suppression within one run, the most certain first.
    fn suppress(detections: &[Detection], run: &[Entry], iou: f32, cells: &mut Cells, kept: &mut Vec<Entry>) {
        cells.lay_out(detections, run, iou);
        for entry in run {
            let corners = &detections[entry.index()].corners;
            if !cells.covered(corners, iou) {
                cells.add(corners);
                kept.push(*entry);
            }
        }
    }
}

/// Kept boxes by the cells of a grid that they touch, so that a box meets few of them.
///
/// Where the IoU of two boxes is at least `t`, the one covers in x and in y at least the share `t` of the other, hence one of
/// `n` probes that divide the other into equal parts, if `1 / (n + 1) <= t`. So only kept boxes in the cells of these
/// `n × n` probes are compared: for `t >= 0.5` those in the cell of the centre.
#[derive(Default)]
struct Cells {
    columns: Axis,
    rows: Axis,
    probes: usize,
    /// For each cell, row by row, the group of boxes added last.
    last: Vec<u32>,
    groups: Vec<Group>,
}

/// Equal parts of an extent.
#[derive(Default)]
struct Axis {
    low: f32,
    per: f32,
    parts: usize,
}

/// Boxes that are compared at once: as many as make loops over them worth vectors.
const TOGETHER: usize = 8;

/// Some kept boxes, number by number; places without a box hold one that meets nothing.
#[derive(Clone, Copy)]
struct Group {
    x1: [f32; TOGETHER],
    y1: [f32; TOGETHER],
    x2: [f32; TOGETHER],
    y2: [f32; TOGETHER],
    area: [f32; TOGETHER],
    count: usize,
    /// The group before it in its cell.
    before: u32,
}

/// No group: the end of a cell's.
const NONE: u32 = u32::MAX;

impl Group {
    const EMPTY: Self = Self {
        x1: [f32::INFINITY; TOGETHER],
        y1: [f32::INFINITY; TOGETHER],
        x2: [f32::NEG_INFINITY; TOGETHER],
        y2: [f32::NEG_INFINITY; TOGETHER],
        area: [0.0; TOGETHER],
        count: 0,
        before: NONE,
    };

    fn add(&mut self, b: &Corners) {
        let at = self.count;
        (self.x1[at], self.y1[at], self.x2[at], self.y2[at]) = (b.x1, b.y1, b.x2, b.y2);
        self.area[at] = b.area();
        self.count += 1;
    }

    /// Whether one of the boxes has this IoU with `b`, whose area is `area`. Without branches, so that all are compared at once.
    #[inline(always)]
    fn covers(&self, b: &Corners, area: f32, iou: f32) -> bool {
        let mut any = false;
        for i in 0..TOGETHER {
            let width = (self.x2[i].min(b.x2) - self.x1[i].max(b.x1)).max(0.0);
            let height = (self.y2[i].min(b.y2) - self.y1[i].max(b.y1)).max(0.0);
            let intersection = width * height;
            let union = self.area[i] + area - intersection;
            // As `Corners::iou` has it, so 0 where there is no union.
            any |= if union > 0.0 { intersection / union >= iou } else { iou <= 0.0 };
        }
        any
    }
}

/// With more probes than this in a row, one list of all boxes is faster.
const MOST_PROBES: usize = 4;
const MOST_PARTS: usize = 32;

impl Axis {
    fn new(low: f32, high: f32, parts: usize) -> Self {
        let extent = high - low;
        Self { low, per: if extent > 0.0 { parts as f32 / extent } else { 0.0 }, parts }
    }

    #[inline(always)]
    fn part(&self, x: f32) -> usize {
        (((x - self.low) * self.per) as usize).min(self.parts - 1)
    }
}

impl Cells {
    /// Makes it empty, with a grid for these boxes.
    fn lay_out(&mut self, detections: &[Detection], run: &[Entry], iou: f32) {
        // Rounding must not turn 1 / 0.5 - 1 into more than one probe, nor lose one; a probe more does no harm.
        let probes = if iou >= 0.5 { 1 } else { (1.0 / f64::from(iou.max(1e-6))).ceil() as usize };
        let corners = || run.iter().map(|entry| detections[entry.index()].corners);
        let hull = corners().reduce(|a, b| a.hull(&b)).unwrap_or_default();
        let parts = if probes > MOST_PROBES { 1 } else { (run.len().isqrt() / 2).clamp(1, MOST_PARTS) };
        self.columns = Axis::new(hull.x1, hull.x2, parts);
        self.rows = Axis::new(hull.y1, hull.y2, parts);
        self.probes = if parts == 1 { 1 } else { probes };
        self.groups.clear();
        self.last.clear();
        self.last.resize(parts * parts, NONE);
    }

    #[inline(always)]
    fn add(&mut self, b: &Corners) {
        let columns = self.columns.part(b.x1)..=self.columns.part(b.x2);
        for row in self.rows.part(b.y1)..=self.rows.part(b.y2) {
            for column in columns.clone() {
                let last = &mut self.last[row * self.columns.parts + column];
                match self.groups.get_mut(*last as usize) {
                    Some(group) if group.count < TOGETHER => group.add(b),
                    _ => {
                        let mut group = Group { before: *last, ..Group::EMPTY };
                        group.add(b);
                        *last = self.groups.len() as u32;
                        self.groups.push(group);
                    }
                }
            }
        }
    }

    /// Whether a kept box has this IoU with `b`.
    #[inline(always)]
    fn covered(&self, b: &Corners, iou: f32) -> bool {
        let area = b.area();
        let at = |low: f32, high: f32, i: usize| low + (high - low) * ((i + 1) as f32 / (self.probes + 1) as f32);
        (0..self.probes * self.probes).any(|probe| {
            let row = self.rows.part(at(b.y1, b.y2, probe / self.probes));
            let column = self.columns.part(at(b.x1, b.x2, probe % self.probes));
            let mut at = self.last[row * self.columns.parts + column];
            while let Some(group) = self.groups.get(at as usize) {
                if group.covers(b, area, iou) {
                    return true;
                }
                at = group.before;
            }
            false
        })
    }
}
