//! proposals: the boxes of a region proposal network that are best and apart.

use quote::quote;
use serde::Serialize;

use super::anchors::{Anchors, IMAGE, RATIOS, SCALES, STRIDE};
use crate::graph::Type;
use crate::ops::boxes::{Box, corners, from_corners, iou};
use crate::ops::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// The largest logarithm of a growth: from 16 pixels to 1000 (as in torchvision).
const MOST_GROWTH: f64 = 4.135_166_556_742_356;

/// Boxes by corners, `[count, 4]`: those of the highest scores, without those that share too much with better ones (Ren et al.
/// 2015, section 3.3). Where there are fewer, rows of zeros follow. Operands: scores of the anchors, moves of the anchors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposals {
    /// The anchors.
    pub anchors: Anchors,
    /// How many boxes.
    pub count: usize,
    /// Boxes that share more than this with a better one are left out.
    pub iou: f64,
    /// Boxes of the highest scores that are looked at.
    pub pre: usize,
    /// The least width and height, in pixels.
    pub min_size: f64,
}

impl Proposals {
    /// The boxes of an image, best first.
    fn image(&self, ty: &Type, scores: &[f64], x: &[f64]) -> Vec<[f64; 4]> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let (anchors, [height, width]) = (self.anchors.boxes(ty), self.anchors.size(ty));
        let mut kept: Vec<[f64; 4]> = Vec::new();
        for index in order.into_iter().take(self.pre) {
            let (first, step) = self.anchors.moves(ty, index);
            let (a, by) = (anchors[index], [0, 1, 2, 3].map(|j| x[first + j * step]));
            let growth = |axis: usize| a[axis] * by[axis].min(MOST_GROWTH).exp();
            let moved: Box = [a[0] + by[0] * a[2], a[1] + by[1] * a[3], growth(2), growth(3)];
            let [left, top, right, bottom] = corners(moved);
            let [left, right] = [left, right].map(|at| at.clamp(0.0, width));
            let [top, bottom] = [top, bottom].map(|at| at.clamp(0.0, height));
            let found = [left, top, right, bottom];
            let large = right - left >= self.min_size && bottom - top >= self.min_size;
            let apart = |other: &[f64; 4]| iou(from_corners(&found), from_corners(other)) <= self.iou;
            if large && kept.len() < self.count && kept.iter().all(apart) {
                kept.push(found);
            }
        }
        kept
    }
}

impl Operator for Proposals {
    fn name(&self) -> &'static str {
        "proposals"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        self.anchors.check(inputs[0], inputs[1])?;
        Ok(Type { shape: vec![self.count, 4], ..inputs[0].clone() })
    }

    /// Proposals are constant to it: approximate joint training (Ren et al. 2015, section 3.2).
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let found = self.image(cx.types[0], cx.inputs[0].image(i), cx.inputs[1].image(i));
            for (row, found) in y.image_mut(i).chunks_exact_mut(4).zip(found) {
                row.copy_from_slice(&found);
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (anchors, pre) = (self.anchors.tokens(&cx.inputs[0]), self.pre);
        let (iou, min_size) = (self.iou as f32, self.min_size as f32);
        let body = quote! {
            let how = rt::Selection { pre: #pre, iou: #iou, min_size: #min_size };
            isa.proposals(&#anchors, &how, x0, x1, y, scratch);
        };
        Kernel::new(format!("proposals_{}", cx.output.len()), Split::Images, body)
            .scratch(cx.inputs[0].len())
            .doc(format!(" {} boxes of {} anchors.", self.count, cx.inputs[0].len()))
    }
}

/// Proposals: `[anchors, height, width], [4 * anchors, height, width] -> [count, 4]` (Ren et al. 2015, section 3).
pub static PROPOSALS: Definition = Definition {
    name: "proposals",
    summary: "boxes by corners of a region proposal network: the best anchors, moved, without those that share too \
              much with better ones; rows of zeros where there are fewer; no gradient flows through `scores` and \
              `deltas`",
    shapes: "[anchors, height, width], [4 * anchors, height, width] -> [count, 4]; an anchor for each scale of \
             each ratio",
    source: "Ren et al. 2015, section 3",
    operands: &["scores", "deltas"],
    attributes: &[
        STRIDE,
        Attribute::optional("count", "300", "how many boxes"),
        SCALES,
        RATIOS,
        IMAGE,
        Attribute::optional("iou", "0.7", "boxes that share more than this with a better one are left out"),
        Attribute::optional("pre", "6000", "boxes of the highest scores that are looked at"),
        Attribute::optional("min_size", "1", "the least width and height, in pixels"),
    ],
    example: "proposals(scores, deltas, 16, count: 300)",
    build: |call| {
        let proposals = Proposals {
            anchors: Anchors::of(call)?,
            count: call.positive("count")?,
            iou: call.number_in("iou", 0.0..=1.0)?,
            pre: call.positive("pre")?,
            min_size: call.positive_number("min_size")?,
        };
        let operands = [call.operand(0), call.operand(1)];
        call.push(proposals.into(), &operands)
    },
};
