//! The boxes that a region proposal network starts from.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use crate::diagnostics::Diagnostic;
use crate::graph::Type;
use crate::ops::boxes::Box;
use crate::ops::yolo::pairs;
use crate::ops::{Attribute, Call, Mismatch};

/// More anchors than a float can number.
const MOST: usize = 1 << 24;

/// Boxes of several shapes around the middle of each cell of a map (Ren et al. 2015, section 3.1.1), numbered shape by shape,
/// then row by row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Anchors {
    /// Width and height of each shape, in pixels.
    pub shapes: Vec<[f64; 2]>,
    /// Pixels of the image from a cell to the next.
    pub stride: f64,
    /// Height and width of the image in pixels, where that is not the map's times the stride.
    pub image: Option<[usize; 2]>,
}

impl Anchors {
    /// The anchors of a call: each ratio of height to width with each scale, as torchvision orders them.
    pub fn of(call: &Call<'_>) -> Result<Self, Diagnostic> {
        let (stride, scales) = (call.positive_number("stride")?, call.positive_numbers("scales")?);
        let ratios = call.positive_numbers("ratios")?;
        let shape = |ratio: &f64| {
            let root = ratio.sqrt();
            scales.iter().map(move |scale| [scale / root, scale * root]).collect::<Vec<_>>()
        };
        let image = match call.optional("image") {
            Some(_) => call.per_axis("image", 2, 1..=65_536).map(|size| Some([size[0], size[1]]))?,
            None => None,
        };
        Ok(Self { shapes: ratios.iter().flat_map(shape).collect(), stride, image })
    }

    /// The rules of scores `[shapes, height, width]` and of moves `[4 * shapes, height, width]`.
    pub fn check(&self, scores: &Type, moves: &Type) -> Result<(), Mismatch> {
        let shapes = self.shapes.len();
        if scores.shape.len() != 3 || scores.shape[0] != shapes || scores.len() > MOST {
            return Err(Mismatch::new(
                "anchors-C1",
                format!("these are not the scores of {shapes} anchors in each cell"),
            )
            .found(format!("a tensor of shape {scores}"))
            .fits(format!(
                    "[{shapes}, height, width], as of `conv({shapes}, 1)`: one for each scale of each ratio, at most {MOST} in all"
                ))
            .operand(0));
        }
        let wanted = [4 * shapes, scores.shape[1], scores.shape[2]];
        if moves.shape != wanted {
            return Err(Mismatch::new("anchors-C2", "each anchor is moved by four numbers")
                .found(format!("a tensor of shape {moves}"))
                .fits(format!("{wanted:?}, as of `conv({}, 1)`", 4 * shapes))
                .operand(1));
        }
        Ok(())
    }

    /// Height and width of the image.
    pub fn size(&self, scores: &Type) -> [f64; 2] {
        let map = [scores.shape[1] as f64 * self.stride, scores.shape[2] as f64 * self.stride];
        self.image.map_or(map, |image| image.map(|side| side as f64))
    }

    /// All anchors.
    pub fn boxes(&self, scores: &Type) -> Vec<Box> {
        let (rows, columns) = (scores.shape[1], scores.shape[2]);
        let middle = |cell: usize| (cell as f64 + 0.5) * self.stride;
        let around = |[width, height]: [f64; 2]| {
            (0..rows * columns).map(move |cell| [middle(cell % columns), middle(cell / columns), width, height])
        };
        self.shapes.iter().flat_map(|shape| around(*shape)).collect()
    }

    /// Where the first of the four numbers that move an anchor is in the map, and the distance to the next.
    pub fn moves(&self, scores: &Type, index: usize) -> (usize, usize) {
        let plane = scores.shape[1] * scores.shape[2];
        (4 * (index / plane) * plane + index % plane, plane)
    }

    /// The runtime's description.
    pub fn tokens(&self, scores: &Type) -> TokenStream {
        let (rows, columns, shapes, stride) =
            (scores.shape[1], scores.shape[2], pairs(&self.shapes), self.stride as f32);
        let [height, width] = self.size(scores).map(|side| side as f32);
        quote! {
            rt::Anchors { cells: [#rows, #columns], stride: #stride, bounds: [#height, #width], shapes: #shapes }
        }
    }
}

/// Attributes of what knows anchors.
pub const STRIDE: Attribute = Attribute::required("stride", "pixels of the image from a cell to the next, above 0");
/// See [`STRIDE`].
pub const SCALES: Attribute =
    Attribute::optional("scales", "[128, 256, 512]", "roots of the areas of anchors, in pixels");
/// See [`STRIDE`].
pub const RATIOS: Attribute = Attribute::optional("ratios", "[0.5, 1, 2]", "heights of anchors over their widths");
/// See [`STRIDE`].
pub const IMAGE: Attribute = Attribute::optional(
    "image",
    "none",
    "height and width of the image in pixels, or one number for both, where that is not the map's times the stride",
);
