//! Proposals of a region proposal network, and the losses of Faster R-CNN (Ren et al. 2015; Girshick 2015).

mod label;

use super::boxes::{Box, Object, corners, deltas, from_corners, iou, moved, object, sample_weights, smooth};
use super::math::{exp, ln, ln_1p, sigmoid};
use super::sums::larger;
use crate::isa::per_isa;
pub(crate) use label::{IGNORED, label};

/// Boxes of several shapes around the middle of each cell of a map, numbered shape by shape, then row by row.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    /// Rows and columns of cells.
    pub cells: [usize; 2],
    /// Pixels of the image from a cell to the next.
    pub stride: f32,
    /// Height and width of the image, in pixels.
    pub bounds: [f32; 2],
    /// Width and height of each shape.
    pub shapes: &'a [[f32; 2]],
}

/// Which boxes become proposals.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// Boxes of the highest scores that are looked at.
    pub pre: usize,
    /// Boxes that share more than this with a better one are left out.
    pub iou: f32,
    /// The least width and height.
    pub min_size: f32,
}

/// Which boxes are examples of something, which of nothing, and what their loss weighs.
#[derive(Clone, Copy, Debug)]
pub struct Matching {
    /// Boxes that share this with an object are positive examples.
    pub positive: f32,
    /// Others are negative examples if what they share is from the first to below the second.
    pub negative: [f32; 2],
    /// Examples of a sample.
    pub sample: f32,
    /// The share of positive ones in it, at most.
    pub share: f32,
    /// The weight of places.
    pub balance: f32,
}

impl Anchors<'_> {
    /// How many there are.
    #[inline(always)]
    fn count(&self) -> usize {
        self.shapes.len() * self.cells[0] * self.cells[1]
    }

    #[inline(always)]
    fn get(&self, index: usize) -> Box {
        let cell = index % (self.cells[0] * self.cells[1]);
        let [width, height] = self.shapes[index / (self.cells[0] * self.cells[1])];
        let middle = |cell: usize| (cell as f32 + 0.5) * self.stride;
        [middle(cell % self.cells[1]), middle(cell / self.cells[1]), width, height]
    }

    /// Where the four numbers that move an anchor are in a map: the first of them; the others are a plane apart each.
    #[inline(always)]
    fn delta(&self, index: usize, j: usize) -> usize {
        let plane = self.cells[0] * self.cells[1];
        (4 * (index / plane) + j) * plane + index % plane
    }

    /// Whether an anchor lies in the image with all of its area.
    #[inline(always)]
    fn inside(&self, anchor: &Box) -> bool {
        let [left, top, right, bottom] = corners(anchor);
        left >= 0.0 && top >= 0.0 && right <= self.bounds[1] && bottom <= self.bounds[0]
    }

    /// The box that is predicted for an anchor, by corners within the image.
    #[inline(always)]
    fn predicted(&self, index: usize, x: &[f32]) -> [f32; 4] {
        let by = [0, 1, 2, 3].map(|j| x[self.delta(index, j)]);
        let [left, top, right, bottom] = corners(&moved(&self.get(index), by));
        let within = |at: f32, size: f32| at.clamp(0.0, size);
        let [height, width] = self.bounds;
        [within(left, width), within(top, height), within(right, width), within(bottom, height)]
    }
}

/// The loss of a region proposal network on an image.
#[derive(Clone, Copy, Debug)]
pub struct Rpn<'a> {
    /// The anchors.
    pub anchors: Anchors<'a>,
    /// Examples.
    pub how: Matching,
}

impl Rpn<'_> {
    /// The loss; calls `slope(whether of a score, index, derivative)`.
    #[inline(always)]
    fn terms(
        &self,
        scores: &[f32],
        x: &[f32],
        objects: &[f32],
        scratch: &mut [f32],
        mut slope: impl FnMut(bool, usize, f32),
    ) -> f32 {
        let (most, labels) = scratch.split_at_mut(objects.len() / 5);
        let labels = &mut labels[..self.anchors.count()];
        let anchor = |index| Some(self.anchors.get(index)).filter(|anchor| self.anchors.inside(anchor));
        let shares = (self.how.positive, self.how.negative);
        let (positives, negatives) = label(anchor, shares, objects, most, labels);
        let weights = sample_weights(self.how.sample, self.how.share, positives, negatives);
        let mut total = 0.0_f64;
        for (index, label) in labels.iter().enumerate() {
            if *label == IGNORED {
                continue;
            }
            let positive = *label >= 0.0;
            let (wanted, weight) = if positive { (1.0, weights.0) } else { (0.0, weights.1) };
            let t = scores[index];
            total += f64::from(weight * (t.max(0.0) + ln_1p(exp(-t.abs())) - wanted * t));
            slope(true, index, weight * (sigmoid(t) - wanted));
            if positive {
                let row = &objects[5 * *label as usize..];
                let wanted = deltas(&self.anchors.get(index), &[row[1], row[2], row[3], row[4]]);
                for (j, wanted) in wanted.into_iter().enumerate() {
                    let at = self.anchors.delta(index, j);
                    let (loss, derivative) = smooth(x[at] - wanted);
                    total += f64::from(weight * self.how.balance * loss);
                    slope(false, at, weight * self.how.balance * derivative);
                }
            }
        }
        total as f32
    }
}

/// The loss of the classifier of regions on an image.
#[derive(Clone, Copy, Debug)]
pub struct FastRcnn {
    /// Classes of objects; scores have one more, the first, for none.
    pub classes: usize,
    /// Examples.
    pub how: Matching,
    /// What places are divided by, so that they vary by about 1: x, y, width, height.
    pub deviations: [f32; 4],
}

impl FastRcnn {
    /// The object that a region shares most with, where it is a positive example; whether it is a negative one.
    #[inline(always)]
    fn label(&self, roi: &[f32], objects: &[f32]) -> (Option<Object>, bool) {
        // A region of no size pads the list of them.
        if !(roi[2] > roi[0] && roi[3] > roi[1]) {
            return (None, false);
        }
        let place = from_corners(roi);
        let (mut best, mut most) = (None, 0.0);
        for row in objects.chunks_exact(5) {
            let Some(object) = object(row, self.classes) else { continue };
            let shared = iou(&place, &object.place);
            if shared > most {
                (best, most) = (Some(object), shared);
            }
        }
        match best.filter(|_| most >= self.how.positive) {
            Some(object) => (Some(object), false),
            None => (None, most >= self.how.negative[0] && most < self.how.negative[1]),
        }
    }

    /// The loss; calls `slope(whether of a score, index, derivative)`.
    #[inline(always)]
    fn terms(
        &self,
        scores: &[f32],
        x: &[f32],
        rois: &[f32],
        objects: &[f32],
        mut slope: impl FnMut(bool, usize, f32),
    ) -> f32 {
        let mut counts = (0, 0);
        for roi in rois.chunks_exact(4) {
            let (object, negative) = self.label(roi, objects);
            counts.0 += usize::from(object.is_some());
            counts.1 += usize::from(negative);
        }
        let weights = sample_weights(self.how.sample, self.how.share, counts.0, counts.1);
        let mut total = 0.0_f64;
        for (index, roi) in rois.chunks_exact(4).enumerate() {
            let (object, negative) = self.label(roi, objects);
            let (wanted, weight) = match &object {
                Some(object) => (1 + object.class, weights.0),
                None if negative => (0, weights.1),
                None => continue,
            };
            let first = index * (self.classes + 1);
            let scores = &scores[first..][..self.classes + 1];
            let (mut most, mut sum) = (f32::NEG_INFINITY, 0.0);
            for score in scores {
                most = larger(most, *score);
            }
            for score in scores {
                sum += exp(score - most);
            }
            total += f64::from(weight * (ln(sum) + (most - scores[wanted])));
            for (class, score) in scores.iter().enumerate() {
                let one = if class == wanted { 1.0 } else { 0.0 };
                slope(true, first + class, weight * (exp(score - most) / sum - one));
            }
            let Some(object) = object else { continue };
            for (j, move_) in deltas(&from_corners(roi), &object.place).into_iter().enumerate() {
                let at = 4 * (first + wanted) + j;
                let (loss, derivative) = smooth(x[at] - move_ / self.deviations[j]);
                total += f64::from(weight * self.how.balance * loss);
                slope(false, at, weight * self.how.balance * derivative);
            }
        }
        total as f32
    }
}

per_isa! {
    /// The boxes of the highest scores that do not share too much with better ones, by corners, best first; where there are
    /// fewer than `y` has rows, rows of zeros follow. `scratch` holds as many floats as there are anchors.
    pub fn proposals(
        anchors: &Anchors<'_>,
        how: &Selection,
        scores: &[f32],
        x: &[f32],
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        // Numbers of anchors, which floats hold up to 2^24.
        let order = &mut scratch[..anchors.count()];
        for (index, number) in order.iter_mut().enumerate() {
            *number = index as f32;
        }
        let better = |a: &f32, b: &f32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.total_cmp(b));
        let pre = how.pre.min(order.len());
        if pre < order.len() {
            order.select_nth_unstable_by(pre, better);
        }
        let order = &mut order[..pre];
        order.sort_unstable_by(better);
        y.fill(0.0);
        let mut kept = 0;
        for number in order {
            let found = anchors.predicted(*number as usize, x);
            // So written, NaN is left out.
            if !(found[2] - found[0] >= how.min_size && found[3] - found[1] >= how.min_size) {
                continue;
            }
            let place = from_corners(&found);
            if !y[..4 * kept].chunks_exact(4).any(|other| iou(&place, &from_corners(other)) > how.iou) {
                y[4 * kept..][..4].copy_from_slice(&found);
                kept += 1;
                if 4 * kept == y.len() {
                    return;
                }
            }
        }
    }

    /// The loss of a region proposal network beside the objects of the image, rows of class, centre x and y, width and height.
    /// `scratch` holds as many floats as there are objects and anchors.
    pub fn rpn(rpn: &Rpn<'_>, scores: &[f32], x: &[f32], objects: &[f32], scratch: &mut [f32]) -> f32 {
        rpn.terms(scores, x, objects, scratch, |_, _, _| ())
    }

    /// Its gradient by the scores, and behind it that by the numbers that move anchors.
    pub fn rpn_grad(
        rpn: &Rpn<'_>,
        scores: &[f32],
        x: &[f32],
        objects: &[f32],
        upstream: f32,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        y.fill(0.0);
        let (of_scores, of_x) = y.split_at_mut(scores.len());
        rpn.terms(scores, x, objects, scratch, |score, index, slope| {
            if score { of_scores[index] = upstream * slope } else { of_x[index] = upstream * slope }
        });
    }

    /// The loss of regions, their scores `[n, classes + 1]` and moves `[n, 4 (classes + 1)]`, beside the objects of the image.
    pub fn fast_rcnn(loss: &FastRcnn, scores: &[f32], x: &[f32], rois: &[f32], objects: &[f32]) -> f32 {
        loss.terms(scores, x, rois, objects, |_, _, _| ())
    }

    /// Its gradient by the scores, and behind it that by the moves.
    pub fn fast_rcnn_grad(
        loss: &FastRcnn,
        scores: &[f32],
        x: &[f32],
        rois: &[f32],
        objects: &[f32],
        upstream: f32,
        y: &mut [f32],
    ) {
        y.fill(0.0);
        let (of_scores, of_x) = y.split_at_mut(scores.len());
        loss.terms(scores, x, rois, objects, |score, index, slope| {
            if score { of_scores[index] = upstream * slope } else { of_x[index] = upstream * slope }
        });
    }
}

#[cfg(test)]
mod tests;
