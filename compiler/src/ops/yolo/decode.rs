//! yolo_decode: the boxes of a map.

use quote::quote;
use serde::Serialize;

use super::{BOXES, Map, STRIDE, Version, map};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, show_shape};
use crate::ops::boxes::logistic;
use crate::ops::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// The boxes of a map, a row each: centre x and y, width and height in pixels, confidence, classes. Operand: the map
/// `[boxes * (5 + classes), height, width]`, of V1 with `5 * boxes + classes` channels; the value is `[boxes of all cells, 5 + classes]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct YoloDecode(pub Map);

/// Its gradient. Operands: upstream, the map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct YoloDecodeGrad(pub Map);

impl Operator for YoloDecode {
    fn name(&self) -> &'static str {
        "yolo_decode"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let map = inputs[0];
        self.0.check(map)?;
        let boxes = map.shape[1] * map.shape[2] * self.0.boxes;
        Ok(Type { shape: vec![boxes, 5 + self.0.classes(map)], ..map.clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(YoloDecodeGrad(self.0.clone()), &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (mut y, map, ty) = (cx.zeros(), &self.0, cx.types[0]);
        for i in 0..cx.batch() {
            let x = cx.inputs[0].image(i);
            for (at, row) in map.all(ty).zip(y.image_mut(i).chunks_exact_mut(5 + map.classes(ty))) {
                row[..4].copy_from_slice(&map.place(ty, x, at));
                for (j, y) in row.iter_mut().enumerate().skip(4) {
                    let t = x[map.index(ty, at, j)];
                    *y = if map.version == Version::V1 { t } else { logistic(t) };
                }
                if map.version == Version::V2 {
                    row[5..].copy_from_slice(&map.softmax(ty, x, at));
                }
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let map = self.0.tokens(&cx.inputs[0]);
        let body = quote!(isa.yolo_decode(&#map, x0, y););
        let docs = format!(" The boxes of {}.", show_shape(&cx.inputs[0].shape));
        Kernel::new(format!("yolo_decode_{}", cx.output.len()), Split::Images, body).doc(docs)
    }
}

impl Operator for YoloDecodeGrad {
    fn name(&self) -> &'static str {
        "yolo_decode_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[1].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (mut dx, map, ty) = (cx.zeros(), &self.0, cx.output);
        let image = map.image(ty);
        for i in 0..cx.batch() {
            let (dy, x) = (cx.inputs[0].image(i), cx.inputs[1].image(i));
            for (at, dy) in map.all(ty).zip(dy.chunks_exact(5 + map.classes(ty))) {
                let (place, classes) = (map.place(ty, x, at), map.softmax(ty, x, at));
                let mean: f64 = classes.iter().zip(&dy[5..]).map(|(p, dy)| p * dy).sum();
                for (j, dy) in dy.iter().enumerate() {
                    let index = map.index(ty, at, j);
                    let slope = logistic(x[index]) * (1.0 - logistic(x[index]));
                    dx.image_mut(i)[index] += match (map.version, j) {
                        (Version::V1, 0 | 1) => dy * map.stride,
                        (Version::V1, 2 | 3) => dy * 2.0 * x[index] * image[j - 2],
                        (Version::V1, _) => *dy,
                        (_, 0 | 1) => dy * slope * map.stride,
                        (_, 2 | 3) => dy * place[j],
                        (Version::V2, 5..) => (dy - mean) * classes[j - 5],
                        _ => dy * slope,
                    };
                }
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let map = self.0.tokens(cx.output);
        let body = quote!(isa.yolo_decode_grad(&#map, x0, x1, y););
        Kernel::new(format!("yolo_decode_grad_{}", cx.output.len()), Split::Images, body)
            .doc(" The gradient of the boxes of a map.")
    }
}

/// The boxes of a map: `[boxes * (5 + classes), height, width] -> [height * width * boxes, 5 + classes]` (Redmon et
/// al. 2016, section 2; Redmon & Farhadi 2017, section 2; Redmon & Farhadi 2018, section 2).
pub static YOLO_DECODE: Definition = Definition {
    name: "yolo_decode",
    summary: "the boxes of a YOLO map as rows: centre x and y, width, height in pixels, confidence, classes",
    shapes: "[boxes * (5 + classes), height, width] -> [height * width * boxes, 5 + classes]; of `v1` 5 * boxes + \
             classes channels",
    source: "Redmon et al. 2016, section 2; Redmon & Farhadi 2017, section 2; Redmon & Farhadi 2018, section 2",
    operands: &["map"],
    attributes: &[
        STRIDE,
        Attribute::optional(
            "anchors",
            "none",
            "width and height of the priors of a cell, in pixels: `[(10, 13), (16, 30)]`; v1 has none",
        ),
        BOXES,
        Attribute::optional(
            "version",
            "v3",
            "`v3`: each class by itself, `v2`: softmax of the classes, `v1`: `boxes` of each cell without priors, one set of classes",
        )
        .words(&["v1", "v2", "v3"]),
    ],
    example: "yolo_decode(map, 32, anchors: [(116, 90), (156, 198), (373, 326)])",
    build: |call| {
        let version = match call.word("version")?.as_str() {
            "v1" => Version::V1,
            "v2" => Version::V2,
            _ => Version::V3,
        };
        if version == Version::V1 && call.optional("anchors").is_some() {
            return Err(Diagnostic::new(call.span, "the first version of YOLO has no priors")
                .found("`anchors` with `version: v1`")
                .fits("`boxes: 2` with `version: v1`, or `anchors` with `v2` and `v3`"));
        }
        let (map, x) = (map(call, version)?, call.operand(0));
        call.push(YoloDecode(map).into(), &[x])
    },
};
