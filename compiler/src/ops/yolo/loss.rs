//! yolo_v1, yolo_v2, yolo_v3: the losses.

use quote::quote;
use serde::Serialize;

use super::{ANCHORS, BOXES, Map, RESCORE, STRIDE, Version, map, pairs};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId};
use crate::ops::boxes::{Box, Object, check_objects, iou, objects};
use crate::ops::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// The loss of a map of predictions. Operands: the map, the objects `[m, 5]`.
///
/// Of each cell the first object whose centre lies in it counts (from V2 on, of each of its boxes); the box that is responsible
/// is in V1 the one whose prediction shares most with the object, else the one whose prior does, by shape.
///
/// What the papers leave open is as in the authors' code: which predictions are ignored is told from the boxes that they are, not
/// from their priors; in V2 and V3 places and sizes count `2 - area`, where the area is a share of the image; errors of V2 are
/// halves of squares. That code's first 12,800 images, in which V2 is drawn to its priors, are not here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct YoloLoss {
    /// How the map holds boxes.
    pub map: Map,
    /// Priors of the maps of other scales, which may fit an object better.
    pub others: Vec<[f64; 2]>,
    /// Weight of place and size.
    pub coord: f64,
    /// Weight of the confidence of boxes that are responsible for an object.
    pub object: f64,
    /// Weight of the confidence of others.
    pub noobj: f64,
    /// Weight of classes.
    pub class: f64,
    /// Boxes that share more with an object need not say that there is none; not in V1.
    pub ignore: f64,
    /// Whether confidence is to be what the box shares with the object, instead of 1.
    pub rescore: bool,
}

/// Its gradient by the map. Operands: the map, the objects, upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct YoloLossGrad(pub YoloLoss);

/// What two shapes around one centre share.
fn shape_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    iou([0.0, 0.0, a[0], a[1]], [0.0, 0.0, b[0], b[1]])
}

/// The first of the largest of some numbers.
fn first_largest(numbers: impl Iterator<Item = f64>) -> (usize, f64) {
    numbers.enumerate().fold((0, f64::NEG_INFINITY), |best, (i, n)| if n > best.1 { (i, n) } else { best })
}

impl YoloLoss {
    /// The object of each box, by number.
    fn owners(&self, ty: &Type, x: &[f64], objects: &[Object]) -> Vec<Option<Object>> {
        let (map, boxes) = (&self.map, self.map.boxes);
        let mut owners = vec![None; ty.shape[1] * ty.shape[2] * boxes];
        for object in objects {
            let [column, row] = [0, 1].map(|axis| (object.place[axis] / map.stride).floor());
            if !(row >= 0.0 && row < ty.shape[1] as f64 && column >= 0.0 && column < ty.shape[2] as f64) {
                continue;
            }
            let (row, column) = (row as usize, column as usize);
            let cell = &mut owners[(row * ty.shape[2] + column) * boxes..][..boxes];
            if map.version == Version::V1 {
                let shared = (0..boxes).map(|which| iou(map.place(ty, x, (row, column, which)), object.place));
                if cell.iter().all(Option::is_none) {
                    cell[first_largest(shared).0] = Some(*object);
                }
                continue;
            }
            let shape = [object.place[2], object.place[3]];
            let (which, shared) = first_largest(map.anchors.iter().map(|prior| shape_iou(*prior, shape)));
            if self.others.iter().all(|prior| shape_iou(*prior, shape) <= shared) {
                cell[which] = cell[which].or(Some(*object));
            }
        }
        owners
    }

    /// The loss of an image; adds its slopes times `upstream` to `dx`.
    fn image(&self, ty: &Type, x: &[f64], rows: &[f64], upstream: f64, dx: &mut [f64]) -> f64 {
        let map = &self.map;
        let objects: Vec<Object> = objects(rows, map.classes(ty)).into_iter().flatten().collect();
        let mut total = 0.0;
        let mut add = |index: usize, weight: f64, (loss, slope): (f64, f64)| {
            total += weight * loss;
            dx[index] += upstream * weight * slope;
        };
        for (at, owner) in map.all(ty).zip(self.owners(ty, x, &objects)) {
            let (place, confidence) = (map.place(ty, x, at), map.index(ty, at, 4));
            let Some(object) = owner else {
                let near = map.version != Version::V1 && objects.iter().any(|o| iou(place, o.place) > self.ignore);
                if !near {
                    add(confidence, self.noobj, map.version.error(x[confidence], 0.0));
                }
                continue;
            };
            let wanted = if self.rescore { iou(place, object.place) } else { 1.0 };
            add(confidence, self.object, map.version.error(x[confidence], wanted));
            self.location(ty, x, at, object.place, &mut add);
            let classes = map.softmax(ty, x, at);
            for (class, p) in classes.iter().enumerate() {
                let (index, is) = (map.index(ty, at, 5 + class), f64::from(class == object.class));
                let error = match map.version {
                    Version::V2 => (-is * p.ln(), p - is),
                    version => version.error(x[index], is),
                };
                add(index, self.class, error);
            }
        }
        total
    }

    fn location(&self, ty: &Type, x: &[f64], at: super::At, place: Box, add: &mut impl FnMut(usize, f64, (f64, f64))) {
        let (map, image) = (&self.map, self.map.image(ty));
        for (axis, cell) in [at.1, at.0].into_iter().enumerate() {
            let (index, size) = (map.index(ty, at, axis), map.index(ty, at, axis + 2));
            let error = map.version.error(x[index], place[axis] / map.stride - cell as f64);
            if map.version == Version::V1 {
                let off = x[size] - (place[axis + 2] / image[axis]).sqrt();
                add(index, self.coord, error);
                add(size, self.coord, (off * off, 2.0 * off));
            } else {
                // Small boxes count more.
                let weight = self.coord * (2.0 - place[2] * place[3] / (image[0] * image[1]));
                let off = x[size] - (place[axis + 2] / map.anchors[at.2][axis]).ln();
                add(index, weight, error);
                add(size, weight, (0.5 * off * off, off));
            }
        }
    }

    fn word(&self) -> &'static str {
        match self.map.version {
            Version::V1 => "yolo_v1",
            Version::V2 => "yolo_v2",
            Version::V3 => "yolo_v3",
        }
    }

    /// The runtime's description.
    fn tokens(&self, ty: &Type) -> proc_macro2::TokenStream {
        let (map, others, rescore) = (self.map.tokens(ty), pairs(&self.others), self.rescore);
        let weights = [self.coord, self.object, self.noobj, self.class, self.ignore].map(|w| w as f32);
        let [coord, object, noobj, class, ignore] = weights;
        quote! {
            &rt::YoloLoss {
                map: #map,
                others: #others,
                coord: #coord,
                object: #object,
                noobj: #noobj,
                class: #class,
                ignore: #ignore,
                rescore: #rescore,
            }
        }
    }
}

impl Operator for YoloLoss {
    fn name(&self) -> &'static str {
        self.word()
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        self.map.check(inputs[0])?;
        check_objects(inputs[1], 1)?;
        Ok(Type::batched([]))
    }

    /// Objects, and which box is responsible for which, are constant to it.
    fn gradient(&self, cx: &mut Gradient<'_>) {
        if cx.wants(0) {
            let gradient = cx.push(YoloLossGrad(self.clone()), &[cx.operand(0), cx.operand(1), cx.upstream()]);
            cx.set(0, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let (x, rows) = (cx.inputs[0].image(i), cx.inputs[1].image(i));
            y.data[i] = self.image(cx.types[0], x, rows, 0.0, &mut vec![0.0; x.len()]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let loss = self.tokens(&cx.inputs[0]);
        let body = quote!(y[0] = isa.yolo_loss(#loss, x0, x1););
        Kernel::new(format!("{}_{}", self.word(), cx.inputs[0].len()), Split::Images, body)
            .doc(format!(" {} of one image.", self.word()))
    }
}

impl Operator for YoloLossGrad {
    fn name(&self) -> &'static str {
        match self.0.map.version {
            Version::V1 => "yolo_v1_grad",
            Version::V2 => "yolo_v2_grad",
            Version::V3 => "yolo_v3_grad",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let (x, rows, upstream) = (cx.inputs[0].image(i), cx.inputs[1].image(i), cx.inputs[2].data[i]);
            self.0.image(cx.output, x, rows, upstream, dx.image_mut(i));
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let loss = self.0.tokens(cx.output);
        let body = quote!(isa.yolo_loss_grad(#loss, x0, x1, x2[0], y););
        Kernel::new(format!("{}_{}", self.name(), cx.output.len()), Split::Images, body)
            .doc(format!(" The gradient of {} by its map.", self.0.word()))
    }
}

const OPERANDS: &[&str] = &["map", "objects"];
const IGNORE: &str = "boxes that share more than this with an object need not say that there is none";

/// The first version: `[5 * boxes + classes, height, width], [m, 5] -> []` (Redmon et al. 2016, equation 3).
pub static YOLO_V1: Definition = Definition {
    name: "yolo_v1",
    summary: "squared errors of a YOLO map beside objects: class, centre x and y, width, height in pixels, padded \
              by rows of class -1; no gradient flows through `objects`",
    shapes: "[5 * boxes + classes, height, width], [m, 5] -> []",
    source: "Redmon et al. 2016, equation 3",
    operands: OPERANDS,
    attributes: &[
        STRIDE,
        BOXES,
        Attribute::optional("coord", "5", "weight of place and size"),
        Attribute::optional("noobj", "0.5", "weight of the confidence of boxes without an object"),
        RESCORE,
    ],
    example: "yolo_v1(map, objects, 64)",
    build: |call| {
        let mut loss = new(call, Version::V1)?;
        loss.coord = weight(call, "coord")?;
        loss.noobj = weight(call, "noobj")?;
        loss.rescore = call.flag("rescore")?;
        push(call, loss)
    },
};

/// The second version: `[boxes * (5 + classes), height, width], [m, 5] -> []` (Redmon & Farhadi 2017, section 2;
/// weights of the authors' code).
pub static YOLO_V2: Definition = Definition {
    name: "yolo_v2",
    summary: "the loss of a YOLOv2 map beside objects: class, centre x and y, width, height in pixels, padded by \
              rows of class -1; no gradient flows through `objects`",
    shapes: "[boxes * (5 + classes), height, width], [m, 5] -> []; boxes as many as anchors",
    source: "Redmon & Farhadi 2017, section 2; weights of the authors' code",
    operands: OPERANDS,
    attributes: &[
        STRIDE,
        ANCHORS,
        Attribute::optional(
            "coord",
            "1",
            "weight of place and size, times 2 - the share of the image that the object has",
        ),
        Attribute::optional("object", "5", "weight of the confidence of boxes with an object"),
        Attribute::optional("noobj", "1", "weight of the confidence of boxes without one"),
        Attribute::optional("class", "1", "weight of the cross-entropy of classes"),
        Attribute::optional("ignore", "0.6", IGNORE),
        RESCORE,
    ],
    example: "yolo_v2(map, objects, 32, anchors: [(42, 55), (102, 128)])",
    build: |call| {
        let mut loss = new(call, Version::V2)?;
        loss.coord = weight(call, "coord")?;
        loss.object = weight(call, "object")?;
        loss.noobj = weight(call, "noobj")?;
        loss.class = weight(call, "class")?;
        loss.ignore = call.number_in("ignore", 0.0..=1.0)?;
        loss.rescore = call.flag("rescore")?;
        push(call, loss)
    },
};

/// The third version: `[boxes * (5 + classes), height, width], [m, 5] -> []` (Redmon & Farhadi 2018, section 2).
pub static YOLO_V3: Definition = Definition {
    name: "yolo_v3",
    summary: "the loss of a YOLOv3 map beside objects: class, centre x and y, width, height in pixels, padded by \
              rows of class -1; no gradient flows through `objects`",
    shapes: "[boxes * (5 + classes), height, width], [m, 5] -> []; boxes as many as anchors",
    source: "Redmon & Farhadi 2018, section 2",
    operands: OPERANDS,
    attributes: &[
        STRIDE,
        ANCHORS,
        Attribute::optional(
            "others",
            "none",
            "priors of the maps of other scales, to which objects go that they fit better",
        ),
        Attribute::optional("ignore", "0.5", IGNORE),
    ],
    example: "yolo_v3(map, objects, 32, anchors: [(116, 90), (156, 198), (373, 326)])",
    build: |call| {
        let mut loss = new(call, Version::V3)?;
        if call.optional("others").is_some() {
            loss.others = call.pairs("others")?;
        }
        loss.ignore = call.number_in("ignore", 0.0..=1.0)?;
        push(call, loss)
    },
};

/// A loss of weights 1.
fn new(call: &Call<'_>, version: Version) -> Result<YoloLoss, Diagnostic> {
    let (map, others) = (map(call, version)?, Vec::new());
    Ok(YoloLoss { map, others, coord: 1.0, object: 1.0, noobj: 1.0, class: 1.0, ignore: 1.0, rescore: false })
}

fn weight(call: &Call<'_>, name: &str) -> Result<f64, Diagnostic> {
    call.number_in(name, 0.0..)
}

fn push(call: &mut Call<'_>, loss: YoloLoss) -> Result<ValueId, Diagnostic> {
    let operands = [call.operand(0), call.operand(1)];
    call.push(loss.into(), &operands)
}
