//! rpn: the loss of a region proposal network.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::anchors::{Anchors, IMAGE, RATIOS, SCALES, STRIDE};
use super::matching::Matching;
use crate::graph::Type;
use crate::ops::boxes::{Object, check_objects, corners, deltas, iou, logistic_error, objects, smooth};
use crate::ops::shape::Slice;
use crate::ops::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// Equation 1 of Ren et al. 2015: logistic cross-entropy of scores, smooth L1 of moves, both over the number of examples.
///
/// An anchor is a positive example if it shares `positive` with an object, or with one of them as much as its best anchor does;
/// a negative one if it shares less with all; none if it is not inside of the image (section 3.3). Operands: scores, moves,
/// objects `[m, 5]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rpn {
    /// The anchors.
    pub anchors: Anchors,
    /// Examples.
    pub how: Matching,
}

/// Its gradient: by the scores, and behind it by the moves. Operands: scores, moves, objects, upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RpnGrad(pub Rpn);

/// Anchors that share this part of what the best one does with an object are as good: those inside of it, but for rounding.
const AS_GOOD: f64 = 0.9999;

/// What an anchor is an example of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Label {
    Positive(usize),
    Negative,
    Ignored,
}

impl Rpn {
    fn labels(&self, ty: &Type, objects: &[Option<Object>]) -> Vec<Label> {
        let ([height, width], anchors) = (self.anchors.size(ty), self.anchors.boxes(ty));
        let inside = anchors.iter().map(|anchor| {
            let [left, top, right, bottom] = corners(*anchor);
            left >= 0.0 && top >= 0.0 && right <= width && bottom <= height
        });
        // What each anchor shares with each object; nothing where either does not count.
        let shared: Vec<Vec<f64>> = anchors
            .iter()
            .zip(inside.clone())
            .map(|(a, inside)| objects.iter().map(|o| o.filter(|_| inside).map_or(0.0, |o| iou(*a, o.place))).collect())
            .collect();
        let most: Vec<f64> = (0..objects.len()).map(|o| shared.iter().map(|row| row[o]).fold(0.0, f64::max)).collect();
        let label = |(row, inside): (&Vec<f64>, bool)| {
            let (best, share) =
                row.iter().enumerate().fold((0, 0.0), |best, (i, s)| if *s > best.1 { (i, *s) } else { best });
            let first = row.iter().zip(&most).any(|(share, most)| *share > 0.0 && *share >= AS_GOOD * most);
            if first || share >= self.how.positive {
                Label::Positive(best)
            } else if inside && share >= self.how.negative[0] && share < self.how.negative[1] {
                Label::Negative
            } else {
                Label::Ignored
            }
        };
        shared.iter().zip(inside).map(label).collect()
    }

    /// The loss of an image; adds its slopes times `upstream` to `dx`, those of scores first.
    fn image(&self, ty: &Type, [scores, x, rows]: [&[f64]; 3], upstream: f64, dx: &mut [f64]) -> f64 {
        let objects = objects(rows, usize::MAX);
        let (labels, anchors) = (self.labels(ty, &objects), self.anchors.boxes(ty));
        let positives = labels.iter().filter(|label| matches!(label, Label::Positive(_))).count();
        let negatives = labels.iter().filter(|label| **label == Label::Negative).count();
        let (weight, weight_of_none) = self.how.weights(positives, negatives);
        let mut total = 0.0;
        let mut add = |index: usize, weight: f64, (loss, slope): (f64, f64)| {
            total += weight * loss;
            dx[index] += upstream * weight * slope;
        };
        for (index, label) in labels.into_iter().enumerate() {
            match label {
                Label::Ignored => {}
                Label::Negative => add(index, weight_of_none, logistic_error(scores[index], 0.0)),
                Label::Positive(number) => {
                    add(index, weight, logistic_error(scores[index], 1.0));
                    let object = objects[number].expect("a positive example has an object");
                    let (first, step) = self.anchors.moves(ty, index);
                    for (j, wanted) in deltas(anchors[index], object.place).into_iter().enumerate() {
                        let at = first + j * step;
                        add(scores.len() + at, weight * self.how.balance, smooth(x[at] - wanted));
                    }
                }
            }
        }
        total
    }

    /// The runtime's description, and floats of working memory.
    fn tokens(&self, scores: &Type, objects: &Type) -> (TokenStream, usize) {
        let (anchors, how) = (self.anchors.tokens(scores), self.how.tokens());
        (quote!(&rt::Rpn { anchors: #anchors, how: #how }), scores.len() + objects.shape[0])
    }
}

impl Operator for Rpn {
    fn name(&self) -> &'static str {
        "rpn"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        self.anchors.check(inputs[0], inputs[1])?;
        check_objects(inputs[2], 2)?;
        Ok(Type::batched([]))
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        if cx.wants(0) || cx.wants(1) {
            let (scores, moves) = (cx.operand(0), cx.operand(1));
            let both = cx.push(RpnGrad(self.clone()), &[scores, moves, cx.operand(2), cx.upstream()]);
            let shapes = self.anchors.shapes.len();
            for (operand, start, len) in [(0, 0, shapes), (1, shapes, 4 * shapes)] {
                let gradient = cx.push(Slice { axis: 0, start, len }, &[both]);
                cx.set(operand, gradient);
            }
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let images = [0, 1, 2].map(|operand: usize| cx.inputs[operand].image(i));
            y.data[i] = self.image(cx.types[0], images, 0.0, &mut vec![0.0; 5 * images[0].len()]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (rpn, scratch) = self.tokens(&cx.inputs[0], &cx.inputs[2]);
        let body = quote!(y[0] = isa.rpn(#rpn, x0, x1, x2, scratch););
        Kernel::new(format!("rpn_{}", cx.inputs[0].len()), Split::Images, body)
            .scratch(scratch)
            .doc(" The loss of a region proposal network on one image.")
    }
}

impl Operator for RpnGrad {
    fn name(&self) -> &'static str {
        "rpn_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let scores = inputs[0];
        Ok(Type { shape: vec![5 * scores.shape[0], scores.shape[1], scores.shape[2]], ..scores.clone() })
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let images = [0, 1, 2].map(|operand: usize| cx.inputs[operand].image(i));
            self.0.image(cx.types[0], images, cx.inputs[3].data[i], dx.image_mut(i));
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (rpn, scratch) = self.0.tokens(&cx.inputs[0], &cx.inputs[2]);
        let body = quote!(isa.rpn_grad(#rpn, x0, x1, x2, x3[0], y, scratch););
        Kernel::new(format!("rpn_grad_{}", cx.output.len()), Split::Images, body)
            .scratch(scratch)
            .doc(" The gradient of the loss of a region proposal network by its scores, then by its moves.")
    }
}

/// The loss of a region proposal network: `[anchors, height, width], [4 * anchors, height, width], [m, 5] -> []` (Ren
/// et al. 2015, equation 1).
pub static RPN: Definition = Definition {
    name: "rpn",
    summary: "the loss of a region proposal network beside objects: class, centre x and y, width, height in \
              pixels, padded by rows of class -1; the mean over the samples that could be drawn; no \
              gradient flows through `objects`",
    shapes: "[anchors, height, width], [4 * anchors, height, width], [m, 5] -> []; an anchor for each scale of \
             each ratio",
    source: "Ren et al. 2015, equation 1",
    operands: &["scores", "deltas", "objects"],
    attributes: &[
        STRIDE,
        SCALES,
        RATIOS,
        IMAGE,
        Attribute::optional("positive", "0.7", "anchors that share this with an object are positive examples"),
        Attribute::optional(
            "negative",
            "0.3",
            "anchors that share less than this with all objects are negative examples",
        ),
        Attribute::optional("sample", "256", "examples of a sample, at most half of them positive"),
        Attribute::optional("balance", "1", "weight of the moves of positive examples"),
    ],
    example: "rpn(scores, deltas, objects, 16)",
    build: |call| {
        let how = Matching {
            positive: call.number_in("positive", 1e-6..=1.0)?,
            negative: [0.0, call.number_in("negative", 0.0..=1.0)?],
            sample: call.positive("sample")?,
            share: 0.5,
            balance: call.number_in("balance", 0.0..)?,
        };
        let anchors = Anchors::of(call)?;
        let operands = [call.operand(0), call.operand(1), call.operand(2)];
        call.push(Rpn { anchors, how }.into(), &operands)
    },
};
