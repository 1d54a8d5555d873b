//! YOLO: the boxes of a map of predictions, and the losses of its three versions.
//!
//! Boxes and objects are in pixels of the image throughout. Redmon, Divvala, Girshick & Farhadi 2016, "You only look once";
//! Redmon & Farhadi 2017, "YOLO9000: better, faster, stronger"; Redmon & Farhadi 2018, "YOLOv3: an incremental improvement".

mod decode;
mod loss;

pub use decode::{YOLO_DECODE, YoloDecode, YoloDecodeGrad};
pub use loss::{YOLO_V1, YOLO_V2, YOLO_V3, YoloLoss, YoloLossGrad};

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::boxes::{Box, logistic, logistic_error};
use super::{Attribute, Call, Mismatch};
use crate::diagnostics::Diagnostic;
use crate::graph::Type;

/// Which of the papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// 2016: numbers as they are, of sizes the root of their share of the image.
    V1,
    /// 2017: places in their cells and confidence by the logistic function, sizes from priors, classes by softmax.
    V2,
    /// 2018: the same, but each class by itself.
    V3,
}

impl Version {
    /// What a number costs that should be another, and the slope of it: squared as it is, squared after the logistic function
    /// with the half in front of the authors' code, or by cross-entropy after it.
    fn error(self, t: f64, wanted: f64) -> (f64, f64) {
        let p = logistic(t);
        match self {
            Self::V1 => ((t - wanted).powi(2), 2.0 * (t - wanted)),
            Self::V2 => (0.5 * (p - wanted).powi(2), (p - wanted) * p * (1.0 - p)),
            Self::V3 => logistic_error(t, wanted),
        }
    }
}

/// How a map holds boxes. V1: channels are five numbers for each box and the classes of the cell; else for each box, five
/// numbers and its classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Map {
    /// Which of the papers.
    pub version: Version,
    /// Pixels of the image from a cell to the next.
    pub stride: f64,
    /// Boxes of a cell.
    pub boxes: usize,
    /// Width and height of the prior of each box, in pixels; none in V1.
    pub anchors: Vec<[f64; 2]>,
}

/// A box of a cell: row, column, which of the cell's.
type At = (usize, usize, usize);

impl Map {
    /// The rule of a map.
    fn check(&self, map: &Type) -> Result<(), Mismatch> {
        let channels = map.channels();
        let fits = match self.version {
            Version::V1 => channels > 5 * self.boxes,
            // Without classes there is the confidence alone.
            _ => channels.is_multiple_of(self.boxes) && channels / self.boxes >= 5,
        };
        if map.shape.len() == 3 && fits {
            return Ok(());
        }
        let (boxes, channels) = match self.version {
            Version::V1 => (self.boxes, format!("5 * {} + classes", self.boxes)),
            _ => (self.boxes, format!("{} * (5 + classes)", self.boxes)),
        };
        Err(Mismatch::new("yolo-C1", format!("this is no map of {boxes} boxes in each cell, with their classes"))
            .found(format!("a tensor of shape {map}"))
            .fits(format!("[{channels}, height, width]"))
            .operand(0))
    }

    /// How many classes there are.
    fn classes(&self, map: &Type) -> usize {
        match self.version {
            Version::V1 => map.channels() - 5 * self.boxes,
            _ => map.channels() / self.boxes - 5,
        }
    }

    /// Where number `j` of a box is: x, y, width, height, confidence, classes.
    fn index(&self, map: &Type, (row, column, which): At, j: usize) -> usize {
        let channel = match self.version {
            Version::V1 if j < 5 => 5 * which + j,
            Version::V1 => 5 * self.boxes + j - 5,
            _ => (5 + self.classes(map)) * which + j,
        };
        (channel * map.shape[1] + row) * map.shape[2] + column
    }

    /// Width and height of the image, in pixels.
    fn image(&self, map: &Type) -> [f64; 2] {
        [map.shape[2] as f64 * self.stride, map.shape[1] as f64 * self.stride]
    }

    /// The box that is predicted.
    fn place(&self, map: &Type, x: &[f64], at: At) -> Box {
        let t = |j: usize| x[self.index(map, at, j)];
        let ((row, column, which), [width, height]) = (at, self.image(map));
        let centre = |cell: usize, t: f64| (cell as f64 + t) * self.stride;
        match self.version {
            Version::V1 => [centre(column, t(0)), centre(row, t(1)), t(2) * t(2) * width, t(3) * t(3) * height],
            _ => {
                let [width, height] = self.anchors[which];
                [centre(column, logistic(t(0))), centre(row, logistic(t(1))), width * t(2).exp(), height * t(3).exp()]
            }
        }
    }

    /// Softmax of the classes of a box.
    fn softmax(&self, map: &Type, x: &[f64], at: At) -> Vec<f64> {
        let scores = (0..self.classes(map)).map(|c| x[self.index(map, at, 5 + c)]);
        let most = scores.clone().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.clone().map(|t| (t - most).exp()).sum();
        scores.map(|t| (t - most).exp() / sum).collect()
    }

    /// All boxes: cells row by row, those of a cell behind one another.
    fn all(&self, map: &Type) -> impl Iterator<Item = At> {
        let (rows, columns, boxes) = (map.shape[1], map.shape[2], self.boxes);
        (0..rows * columns * boxes).map(move |n| (n / boxes / columns, n / boxes % columns, n % boxes))
    }

    /// The runtime's description.
    fn tokens(&self, map: &Type) -> TokenStream {
        let version = match self.version {
            Version::V1 => quote!(V1),
            Version::V2 => quote!(V2),
            Version::V3 => quote!(V3),
        };
        let (rows, columns, boxes, classes) = (map.shape[1], map.shape[2], self.boxes, self.classes(map));
        let (stride, anchors) = (self.stride as f32, pairs(&self.anchors));
        quote! {
            rt::Yolo {
                version: rt::YoloVersion::#version,
                cells: [#rows, #columns],
                boxes: #boxes,
                classes: #classes,
                stride: #stride,
                anchors: #anchors,
            }
        }
    }
}

/// `&[[10.0f32, 13.0f32]]`
pub fn pairs(pairs: &[[f64; 2]]) -> TokenStream {
    let pairs = pairs.iter().map(|[a, b]| {
        let (a, b) = (*a as f32, *b as f32);
        quote!([#a, #b])
    });
    quote!(&[#(#pairs),*])
}

const STRIDE: Attribute = Attribute::required("stride", "pixels of the image from a cell to the next, above 0");
const ANCHORS: Attribute =
    Attribute::required("anchors", "width and height of the priors of a cell, in pixels: `[(10, 13), (16, 30)]`");
const BOXES: Attribute = Attribute::optional("boxes", "2", "boxes of each cell");
const RESCORE: Attribute = Attribute::optional(
    "rescore",
    "true",
    "whether the confidence of a box with an object is to be what both share (without a gradient), or 1",
);

/// The map of a call.
fn map(call: &Call<'_>, version: Version) -> Result<Map, Diagnostic> {
    let stride = call.positive_number("stride")?;
    let (boxes, anchors) = match version {
        Version::V1 => (call.positive("boxes")?, Vec::new()),
        _ => {
            let anchors = call.pairs("anchors")?;
            (anchors.len(), anchors)
        }
    };
    Ok(Map { version, stride, boxes, anchors })
}
