//! Non-maximum suppression: of boxes around the same thing, the most certain one stays.

use super::Corners;

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
    let mut order = certain(detections, thresholds);
    // By class, then by score: each class is a run of its own.
    order.sort_unstable_by_key(|entry| (detections[entry.index as usize].class, entry.rank, entry.index));
    let mut kept = Vec::new();
    for class in order.chunk_by(|a, b| detections[a.index as usize].class == detections[b.index as usize].class) {
        suppress(detections, class, thresholds.iou, &mut kept);
    }
    in_order(detections, kept, thresholds.most)
}

/// Suppresses boxes by more certain ones of any class; otherwise as [`nms`].
pub fn nms_agnostic(detections: &[Detection], thresholds: &Thresholds) -> Vec<Detection> {
    let mut order = certain(detections, thresholds);
    order.sort_unstable_by_key(|entry| (entry.rank, entry.index));
    let mut kept = Vec::new();
    suppress(detections, &order, thresholds.iou, &mut kept);
    in_order(detections, kept, thresholds.most)
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
    order.sort_unstable_by_key(|entry| (detections[entry.index as usize].class, entry.index));
    let mut kept = Vec::new();
    for class in order.chunk_by(|a, b| detections[a.index as usize].class == detections[b.index as usize].class) {
        let left = class.iter().map(|entry| (entry.index, detections[entry.index as usize])).collect();
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

/// A detection by number, with a key that sorts high scores to the front.
struct Entry {
    rank: u32,
    index: u32,
}

/// Those above the threshold.
fn certain(detections: &[Detection], thresholds: &Thresholds) -> Vec<Entry> {
    let finite = |b: &Corners| [b.x1, b.y1, b.x2, b.y2].iter().all(|x| x.is_finite());
    let stays = |d: &Detection| d.score > thresholds.score && finite(&d.corners);
    let entry = |(index, d): (u32, &Detection)| stays(d).then(|| Entry { rank: !ascending(d.score), index });
    (0..).zip(detections).filter_map(entry).collect()
}

/// Whole numbers in the order of floats.
fn ascending(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn in_order(detections: &[Detection], mut kept: Vec<u32>, most: usize) -> Vec<Detection> {
    kept.sort_by_key(|&index| (!ascending(detections[index as usize].score), index));
    kept.truncate(most);
    kept.into_iter().map(|index| detections[index as usize]).collect()
}

/// Greedy suppression within one run, the most certain first.
fn suppress(detections: &[Detection], run: &[Entry], iou: f32, kept: &mut Vec<u32>) {
    let mut cells = Cells::new(detections, run, iou);
    for entry in run {
        let corners = &detections[entry.index as usize].corners;
        if !cells.covered(corners, iou) {
            cells.add(corners);
            kept.push(entry.index);
        }
    }
}

/// Kept boxes by the cells of a grid that they touch, so that a box meets few of them.
///
/// Where the IoU of two boxes is at least `t`, the one covers in x and in y at least the share `t` of the other, hence one of
/// `n` probes that divide the other into equal parts, if `1 / (n + 1) <= t`. So only kept boxes in the cells of these
/// `n × n` probes are compared: for `t >= 0.5` those in the cell of the centre.
struct Cells {
    left: f32,
    top: f32,
    per_x: f32,
    per_y: f32,
    side: usize,
    probes: usize,
    cells: Vec<Vec<Group>>,
}

/// Boxes that are compared at once: as many as make loops over them worth vectors.
const TOGETHER: usize = 8;

/// Some kept boxes, number by number; places without a box hold one that meets nothing.
#[derive(Clone, Copy)]
struct Group {
    count: usize,
    x1: [f32; TOGETHER],
    y1: [f32; TOGETHER],
    x2: [f32; TOGETHER],
    y2: [f32; TOGETHER],
    area: [f32; TOGETHER],
}

impl Group {
    const EMPTY: Self = Self {
        count: 0,
        x1: [f32::INFINITY; TOGETHER],
        y1: [f32::INFINITY; TOGETHER],
        x2: [f32::NEG_INFINITY; TOGETHER],
        y2: [f32::NEG_INFINITY; TOGETHER],
        area: [0.0; TOGETHER],
    };

    fn add(&mut self, b: &Corners) {
        let at = self.count;
        (self.x1[at], self.y1[at], self.x2[at], self.y2[at]) = (b.x1, b.y1, b.x2, b.y2);
        self.area[at] = b.area();
        self.count += 1;
    }

    /// Whether one of the boxes has this IoU with `b`, whose area is `area`. Without branches, so that all are compared at once.
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
const MOST_CELLS: usize = 48;

impl Cells {
    fn new(detections: &[Detection], run: &[Entry], iou: f32) -> Self {
        // Rounding must not turn 1 / 0.5 - 1 into more than one probe, nor lose one; a probe more does no harm.
        let probes = if iou >= 0.5 { 1 } else { (1.0 / f64::from(iou.max(1e-6))).ceil() as usize };
        let corners = || run.iter().map(|entry| detections[entry.index as usize].corners);
        let hull = corners().reduce(|a, b| a.hull(&b)).unwrap_or_default();
        let side = if probes > MOST_PROBES { 1 } else { (run.len().isqrt() / 2).clamp(1, MOST_CELLS) };
        let per = |extent: f32| if extent > 0.0 { side as f32 / extent } else { 0.0 };
        Self {
            left: hull.x1,
            top: hull.y1,
            per_x: per(hull.x2 - hull.x1),
            per_y: per(hull.y2 - hull.y1),
            side,
            probes: if side == 1 { 1 } else { probes },
            cells: vec![Vec::new(); side * side],
        }
    }

    fn column(&self, x: f32) -> usize {
        (((x - self.left) * self.per_x) as usize).min(self.side - 1)
    }

    fn row(&self, y: f32) -> usize {
        (((y - self.top) * self.per_y) as usize).min(self.side - 1)
    }

    fn add(&mut self, b: &Corners) {
        for row in self.row(b.y1)..=self.row(b.y2) {
            for column in self.column(b.x1)..=self.column(b.x2) {
                let cell = &mut self.cells[row * self.side + column];
                match cell.last_mut() {
                    Some(group) if group.count < TOGETHER => group.add(b),
                    _ => {
                        cell.push(Group::EMPTY);
                        cell.last_mut().expect("just added").add(b);
                    }
                }
            }
        }
    }

    /// Whether a kept box has this IoU with `b`.
    fn covered(&self, b: &Corners, iou: f32) -> bool {
        let area = b.area();
        let at = |low: f32, high: f32, i: usize| low + (high - low) * ((i + 1) as f32 / (self.probes + 1) as f32);
        (0..self.probes * self.probes).any(|probe| {
            let row = self.row(at(b.y1, b.y2, probe / self.probes));
            let column = self.column(at(b.x1, b.x2, probe % self.probes));
            self.cells[row * self.side + column].iter().any(|group| group.covers(b, area, iou))
        })
    }
}
