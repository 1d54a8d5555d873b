//! fast_rcnn: the loss of classified regions.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::matching::Matching;
use crate::graph::{Type, show_shape};
use crate::ops::boxes::{Object, check_objects, deltas, from_corners, iou, objects, smooth};
use crate::ops::shape::{Reshape, Slice};
use crate::ops::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// What moves are divided by, so that they vary by about 1 (Girshick 2015, section 2.3; the numbers of the authors' code): x, y,
/// width, height.
const DEVIATIONS: [f64; 4] = [0.1, 0.1, 0.2, 0.2];

/// Equation 1 of Girshick 2015: cross-entropy of the classes, smooth L1 of the moves of the true class.
///
/// Operands: scores `[n, classes + 1]`, of which the first is that of no object; moves `[n, 4 (classes + 1)]`; regions `[n, 4]`
/// by corners, of which those of no size do not count; objects `[m, 5]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FastRcnn {
    /// Examples.
    pub how: Matching,
}

/// Its gradient: by the scores, and behind it by the moves, as one vector. Operands: scores, moves, regions, objects, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FastRcnnGrad(pub FastRcnn);

impl FastRcnn {
    /// The object of a region that is a positive example, or whether it is a negative one.
    fn label(&self, roi: &[f64], objects: &[Object]) -> (Option<Object>, bool) {
        if roi[2] <= roi[0] || roi[3] <= roi[1] {
            return (None, false);
        }
        let shared = objects.iter().map(|object| (iou(from_corners(roi), object.place), *object));
        let best = shared.reduce(|best, next| if next.0 > best.0 { next } else { best });
        match best {
            Some((share, object)) if share > 0.0 && share >= self.how.positive => (Some(object), false),
            best => {
                let share = best.map_or(0.0, |best| best.0);
                (None, share >= self.how.negative[0] && share < self.how.negative[1])
            }
        }
    }

    /// The loss of an image; adds its slopes times `upstream` to `dx`, those of scores first.
    fn image(&self, classes: usize, [scores, x, rois, rows]: [&[f64]; 4], upstream: f64, dx: &mut [f64]) -> f64 {
        let objects: Vec<Object> = objects(rows, classes).into_iter().flatten().collect();
        let labels: Vec<_> = rois.chunks_exact(4).map(|roi| self.label(roi, &objects)).collect();
        let positives = labels.iter().filter(|label| label.0.is_some()).count();
        let negatives = labels.iter().filter(|label| label.1).count();
        let (weight, weight_of_none) = self.how.weights(positives, negatives);
        let mut total = 0.0;
        let mut add = |index: usize, weight: f64, (loss, slope): (f64, f64)| {
            total += weight * loss;
            dx[index] += upstream * weight * slope;
        };
        for (index, (label, roi)) in labels.iter().zip(rois.chunks_exact(4)).enumerate() {
            let (wanted, weight) = match label {
                (Some(object), _) => (object.class + 1, weight),
                (None, true) => (0, weight_of_none),
                (None, false) => continue,
            };
            let first = index * (classes + 1);
            let scores_here = &scores[first..=first + classes];
            let most = scores_here.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = scores_here.iter().map(|t| (t - most).exp()).sum::<f64>().ln() + most;
            for (class, t) in scores_here.iter().enumerate() {
                let is = f64::from(class == wanted);
                add(first + class, weight, (is * (log_sum - t), (t - log_sum).exp() - is));
            }
            let Some(object) = label.0 else { continue };
            for (j, move_) in deltas(from_corners(roi), object.place).into_iter().enumerate() {
                let at = 4 * (first + wanted) + j;
                add(scores.len() + at, weight * self.how.balance, smooth(x[at] - move_ / DEVIATIONS[j]));
            }
        }
        total
    }

    /// The runtime's description.
    fn tokens(&self, scores: &Type) -> TokenStream {
        let (classes, how) = (scores.shape[1] - 1, self.how.tokens());
        let deviations = DEVIATIONS.map(|d| d as f32);
        quote!(&rt::FastRcnn { classes: #classes, how: #how, deviations: [#(#deviations),*] })
    }
}

impl Operator for FastRcnn {
    fn name(&self) -> &'static str {
        "fast_rcnn"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (scores, moves, rois) = (inputs[0], inputs[1], inputs[2]);
        if rois.shape.len() != 2 || rois.shape[1] != 4 {
            return Err(Mismatch::new("fast_rcnn-C1", "regions are four numbers each")
                .found(format!("a tensor of shape {rois}"))
                .fits("[n, 4]: left, top, right and bottom in pixels of the image")
                .operand(2));
        }
        if scores.shape.len() != 2 || scores.shape[0] != rois.shape[0] || scores.shape[1] < 2 {
            return Err(Mismatch::new("fast_rcnn-C2", "each region has a score for no object and one for each class")
                .found(format!("a tensor of shape {scores}"))
                .fits(format!("[{}, 1 + classes]", rois.shape[0]))
                .operand(0));
        }
        let wanted = [scores.shape[0], 4 * scores.shape[1]];
        if moves.shape != wanted {
            return Err(Mismatch::new("fast_rcnn-C3", "each region is moved by four numbers for each of its scores")
                .found(format!("a tensor of shape {moves}"))
                .fits(show_shape(&wanted))
                .operand(1));
        }
        check_objects(inputs[3], 3)?;
        Ok(Type::batched([]))
    }

    /// Regions are constant to it.
    fn gradient(&self, cx: &mut Gradient<'_>) {
        if cx.wants(0) || cx.wants(1) {
            let operands = [cx.operand(0), cx.operand(1), cx.operand(2), cx.operand(3), cx.upstream()];
            let both = cx.push(FastRcnnGrad(*self), &operands);
            let mut start = 0;
            for (operand, value) in operands[..2].iter().enumerate() {
                let shape = cx.ty(*value).shape.clone();
                let len = shape.iter().product();
                let part = cx.push(Slice { axis: 0, start, len }, &[both]);
                let gradient = cx.push(Reshape { shape }, &[part]);
                cx.set(operand, gradient);
                start += len;
            }
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let images = [0, 1, 2, 3].map(|operand: usize| cx.inputs[operand].image(i));
            let mut dx = vec![0.0; images[0].len() + images[1].len()];
            y.data[i] = self.image(cx.types[0].shape[1] - 1, images, 0.0, &mut dx);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let loss = self.tokens(&cx.inputs[0]);
        let body = quote!(y[0] = isa.fast_rcnn(#loss, x0, x1, x2, x3););
        Kernel::new(format!("fast_rcnn_{}", cx.inputs[0].len()), Split::Images, body)
            .doc(" The loss of the regions of one image.")
    }
}

impl Operator for FastRcnnGrad {
    fn name(&self) -> &'static str {
        "fast_rcnn_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type { shape: vec![inputs[0].len() + inputs[1].len()], ..inputs[0].clone() })
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let images = [0, 1, 2, 3].map(|operand: usize| cx.inputs[operand].image(i));
            self.0.image(cx.types[0].shape[1] - 1, images, cx.inputs[4].data[i], dx.image_mut(i));
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let loss = self.0.tokens(&cx.inputs[0]);
        let body = quote!(isa.fast_rcnn_grad(#loss, x0, x1, x2, x3, x4[0], y););
        Kernel::new(format!("fast_rcnn_grad_{}", cx.output.len()), Split::Images, body)
            .doc(" The gradient of the loss of regions by their scores, then by their moves.")
    }
}

/// The loss of regions: `[n, 1 + classes], [n, 4 * (1 + classes)], [n, 4], [m, 5] -> []` (Girshick 2015, equation 1).
pub static FAST_RCNN: Definition = Definition {
    name: "fast_rcnn",
    summary: "the loss of regions, by corners, their scores, none first, and moves, beside objects: class, centre \
              x and y, width, height in pixels, padded by rows of class -1; the mean over the samples that could \
              be drawn; no gradient flows through `rois` and `objects`",
    shapes: "[n, 1 + classes], [n, 4 * (1 + classes)], [n, 4], [m, 5] -> []",
    source: "Girshick 2015, equation 1",
    operands: &["scores", "deltas", "rois", "objects"],
    attributes: &[
        Attribute::optional("positive", "0.5", "regions that share this with an object are examples of its class"),
        Attribute::optional("negative", "0.1", "other regions that share this with an object are examples of none"),
        Attribute::optional("sample", "64", "examples of a sample"),
        Attribute::optional("share", "0.25", "the share of examples of objects in it, at most"),
        Attribute::optional("balance", "1", "weight of the moves of examples of objects"),
    ],
    example: "fast_rcnn(scores, deltas, rois, objects)",
    build: |call| {
        let positive = call.number_in("positive", 1e-6..=1.0)?;
        let how = Matching {
            positive,
            negative: [call.number_in("negative", 0.0..=1.0)?, positive],
            sample: call.positive("sample")?,
            share: call.number_in("share", 0.0..=1.0)?,
            balance: call.number_in("balance", 0.0..)?,
        };
        let operands = [call.operand(0), call.operand(1), call.operand(2), call.operand(3)];
        call.push(FastRcnn { how }.into(), &operands)
    },
};
