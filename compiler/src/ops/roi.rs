//! roi_pool and roi_align: regions of interest of a map, each brought to the same size.
//!
//! The value is `[channels, regions, height, width]`: regions take the place of depth, so that a window `[1, 3, 3]` is a
//! convolution of each region apart, and `batch_norm` sees all of them.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Cut, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Floats of a strip: planes of channels are put together up to this, so that each region's places are found once for many.
const STRIP: usize = 1 << 16;
/// Strips of an image at most, so that threads end at about the same time.
const STRIPS: usize = 16;

/// How a bin of a region becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoiKind {
    /// The largest element (Girshick 2015, section 2.1).
    Pool,
    /// The mean of points between pixels (He et al. 2017, section 3).
    Align {
        /// Points along each side of a bin; 0 for one in each pixel.
        ratio: usize,
        /// Whether pixels lie at half numbers, and regions may be smaller than a pixel.
        aligned: bool,
    },
}

/// Regions of a map. Operands: the map `[channels, height, width]`, and the regions `[n, 4]`: left, top, right and bottom in
/// pixels of the image. The value is `[channels, n, height', width']`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roi {
    /// How a bin becomes a number.
    pub kind: RoiKind,
    /// Height and width of every region afterwards.
    pub size: [usize; 2],
    /// Pixels of the map for one of the image.
    pub scale: f64,
}

/// Its gradient by the map. Operands: upstream, the map, the regions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoiGrad(pub Roi);

/// The weights of some elements of a plane of the map in an element of a plane of the value.
type Mix = Vec<(usize, f64)>;

impl Roi {
    /// What each element of a plane of the value is made of, given a plane of the map.
    fn mixes(&self, map: &[usize], rois: &[f64], x: &[f64]) -> Vec<Mix> {
        let [height, width] = self.size;
        let bins =
            rois.chunks_exact(4).flat_map(|roi| (0..height * width).map(move |at| (roi, [at / width, at % width])));
        bins.map(|(roi, at)| {
            let sides = [0, 1].map(|axis| (roi[1 - axis], roi[3 - axis], at[axis], self.size[axis], map[axis]));
            match self.kind {
                RoiKind::Pool => {
                    let [rows, columns] = sides.map(|side| self.pixels(side));
                    let pixels = rows.flat_map(|row| columns.clone().map(move |column| row * map[1] + column));
                    // The first of the largest.
                    let most = pixels.reduce(|best, at| if x[at] > x[best] { at } else { best });
                    most.map(|at| (at, 1.0)).into_iter().collect()
                }
                RoiKind::Align { .. } => {
                    let [rows, columns] = sides.map(|side| self.weights(side));
                    let pair = |(row, down): (usize, f64)| {
                        columns.iter().map(move |(column, across)| (row * map[1] + column, down * across))
                    };
                    rows.into_iter().flat_map(pair).collect()
                }
            }
        })
        .collect()
    }

    /// The pixels that a bin touches along an axis, in single precision as in torchvision: the last bin of some regions ends
    /// one pixel later for its rounding.
    fn pixels(&self, (from, to, at, bins, size): (f64, f64, usize, usize, usize)) -> std::ops::Range<usize> {
        let edge = |at: f64| (at as f32 * self.scale as f32).clamp(-1e9, 1e9).round() as i64;
        let (from, to) = (edge(from), edge(to));
        let bin = (to - from + 1).max(1) as f32 / bins as f32;
        let clamp = |pixel: f32| (pixel as i64 + from).clamp(0, size as i64) as usize;
        clamp((at as f32 * bin).floor())..clamp(((at + 1) as f32 * bin).ceil())
    }

    /// The share of pixels along an axis in the mean of the points of a bin.
    fn weights(&self, (from, to, at, bins, size): (f64, f64, usize, usize, usize)) -> Mix {
        let RoiKind::Align { ratio, aligned } = self.kind else { return Mix::new() };
        let offset = if aligned { 0.5 } else { 0.0 };
        let start = from * self.scale - offset;
        let len = to * self.scale - offset - start;
        let bin = if aligned { len } else { len.max(1.0) } / bins as f64;
        let points = if ratio > 0 { ratio } else { (bin as f32).clamp(0.0, size as f32).ceil() as usize };
        let places = (0..points).map(|i| start + (at as f64 + (i as f64 + 0.5) / points as f64) * bin);
        let inside = places.filter(|at| *at >= -1.0 && *at <= size as f64);
        let between = inside.flat_map(|at| {
            let at = at.clamp(0.0, size as f64 - 1.0);
            let (low, next) = (at as usize, (at as usize + 1).min(size - 1));
            [(low, (1.0 - at.fract()) / points as f64), (next, at.fract() / points as f64)]
        });
        between.collect()
    }

    /// The runtime's description, and the operands behind the map and the regions.
    fn tokens(&self, map: &Type) -> (proc_macro2::TokenStream, proc_macro2::TokenStream) {
        let (space, [height, width], scale) = (map.spatial(), self.size, self.scale as f32);
        let regions = quote!(&rt::Regions { map: [#(#space),*], size: [#height, #width], scale: #scale });
        let sampling = match self.kind {
            RoiKind::Pool => quote!(),
            RoiKind::Align { ratio, aligned } => quote!(&rt::Sampling { ratio: #ratio, aligned: #aligned },),
        };
        (regions, sampling)
    }

    fn word(&self) -> &'static str {
        match self.kind {
            RoiKind::Pool => "roi_pool",
            RoiKind::Align { .. } => "roi_align",
        }
    }
}

/// Planes of a value or a gradient in strips.
fn strips(ty: &Type) -> Split {
    let plane = ty.spatial().iter().product::<usize>();
    let planes = (STRIP / plane).clamp(1, ty.channels().div_ceil(STRIPS));
    Split::Strips(Cut::whole(plane, planes))
}

impl Operator for Roi {
    fn name(&self) -> &'static str {
        self.word()
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (map, rois) = (inputs[0], inputs[1]);
        if map.shape.len() != 3 {
            return Err(Mismatch::new("roi-C1", format!("`{}` needs a map", self.word()))
                .found(format!("a tensor of shape {map}"))
                .fits("[channels, height, width]")
                .operand(0));
        }
        if rois.shape.len() != 2 || rois.shape[1] != 4 {
            return Err(Mismatch::new("roi-C2", "regions are four numbers each")
                .found(format!("a tensor of shape {rois}"))
                .fits("[n, 4]: left, top, right and bottom in pixels of the image")
                .operand(1));
        }
        Ok(Type { shape: vec![map.channels(), rois.shape[0], self.size[0], self.size[1]], ..map.clone() })
    }

    /// Regions are constant to it (Girshick 2015, section 2.3).
    fn gradient(&self, cx: &mut Gradient<'_>) {
        if cx.wants(0) {
            let gradient = cx.push(RoiGrad(self.clone()), &[cx.upstream(), cx.operand(0), cx.operand(1)]);
            cx.set(0, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let map = cx.types[0].spatial();
        let (plane, len) = (map.iter().product(), cx.output.spatial().iter().product());
        for i in 0..cx.batch() {
            let (x, rois) = (cx.inputs[0].image(i), cx.inputs[1].image(i));
            for (x, y) in x.chunks_exact(plane).zip(y.image_mut(i).chunks_exact_mut(len)) {
                for (mix, y) in self.mixes(map, rois, x).iter().zip(y) {
                    *y = mix.iter().map(|(at, weight)| weight * x[*at]).sum();
                }
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let ((regions, sampling), method) = (self.tokens(&cx.inputs[0]), quote::format_ident!("{}", self.word()));
        let body = quote!(isa.#method(#regions, #sampling x0, x1, y););
        Kernel::new(format!("{}_{}", self.word(), cx.output.len()), strips(cx.output), body).doc(format!(
            " Regions of {}: {}.",
            show_shape(&cx.inputs[0].shape),
            show_shape(&cx.output.shape)
        ))
    }
}

impl Operator for RoiGrad {
    fn name(&self) -> &'static str {
        match self.0.kind {
            RoiKind::Pool => "roi_pool_grad",
            RoiKind::Align { .. } => "roi_align_grad",
        }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[1].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let map = cx.output.spatial();
        let (plane, len) = (map.iter().product(), cx.types[0].spatial().iter().product());
        for i in 0..cx.batch() {
            let (dy, x, rois) = (cx.inputs[0].image(i), cx.inputs[1].image(i), cx.inputs[2].image(i));
            let planes = x.chunks_exact(plane).zip(dy.chunks_exact(len));
            for ((x, dy), dx) in planes.zip(dx.image_mut(i).chunks_exact_mut(plane)) {
                for (mix, dy) in self.0.mixes(map, rois, x).iter().zip(dy) {
                    mix.iter().for_each(|(at, weight)| dx[*at] += weight * dy);
                }
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let ((regions, sampling), method) = (self.0.tokens(cx.output), quote::format_ident!("{}", self.name()));
        let map = if self.0.kind == RoiKind::Pool { quote!(x1,) } else { quote!() };
        let body = quote!(isa.#method(#regions, #sampling x0, #map x2, y););
        Kernel::new(format!("{}_{}", self.name(), cx.output.len()), strips(cx.output), body).doc(format!(
            " The gradient of {} by its map {}.",
            self.0.word(),
            show_shape(&cx.output.shape)
        ))
    }
}

const OPERANDS: &[&str] = &["features", "rois"];
const SIZE: Attribute =
    Attribute::required("size", "height and width of each region afterwards, or one number for both");
const SCALE: Attribute = Attribute::optional(
    "scale",
    "1",
    "pixels of the map for one of the image, above 0: 1.0 / 16 behind a stride of 16",
);

/// The largest element of each bin of each region:
/// `[channels, height, width], [n, 4] -> [channels, n, height', width']` (Girshick 2015, section 2.1; torchvision's
/// `roi_pool`).
pub static ROI_POOL: Definition = Definition {
    name: "roi_pool",
    summary: "regions of a map, boxes by corners, left, top, right and bottom: the largest element of each bin; \
              no gradient flows through `rois`",
    shapes: "[channels, height, width], [n, 4] -> [channels, n, height', width']; height', width' = size",
    source: "Girshick 2015, section 2.1; torchvision's `roi_pool`",
    operands: OPERANDS,
    attributes: &[SIZE, SCALE],
    example: "roi_pool(features, rois, 7, scale: 1.0 / 16)",
    build: |call| build(call, RoiKind::Pool),
};

/// The mean of points in each bin of each region:
/// `[channels, height, width], [n, 4] -> [channels, n, height', width']` (He et al. 2017, section 3; torchvision's
/// `roi_align`).
pub static ROI_ALIGN: Definition = Definition {
    name: "roi_align",
    summary: "regions of a map, boxes by corners, left, top, right and bottom: the mean of points between pixels; \
              no gradient flows through `rois`",
    shapes: "[channels, height, width], [n, 4] -> [channels, n, height', width']; height', width' = size",
    source: "He et al. 2017, section 3; torchvision's `roi_align`",
    operands: OPERANDS,
    attributes: &[
        SIZE,
        SCALE,
        Attribute::optional(
            "sampling_ratio",
            "0",
            "points along each side of a bin; 0 for one in each pixel, of not more pixels than the map has",
        ),
        Attribute::optional("aligned", "false", "whether pixels lie at half numbers, and regions may be below a pixel"),
    ],
    example: "roi_align(features, rois, 7, scale: 1.0 / 16, sampling_ratio: 2)",
    build: |call| {
        let ratio = call.per_axis("sampling_ratio", 1, 0..=64)?[0];
        let kind = RoiKind::Align { ratio, aligned: call.flag("aligned")? };
        build(call, kind)
    },
};

fn build(call: &mut Call<'_>, kind: RoiKind) -> Result<ValueId, Diagnostic> {
    let size = call.per_axis("size", 2, 1..=256)?;
    let scale = call.positive_number("scale")?;
    let operands = [call.operand(0), call.operand(1)];
    call.push(Roi { kind, size: [size[0], size[1]], scale }.into(), &operands)
}
