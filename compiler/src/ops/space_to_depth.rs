//! space_to_depth and depth_to_space: squares of pixels as channels, and back.
//!
//! Channel c, row i and column j of a square become channel (c · size + i) · size + j, as PyTorch's `pixel_unshuffle` has it.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Kind, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Each square of `size` × `size` pixels as channels of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SpaceToDepth {
    /// Pixels of a side.
    pub size: usize,
}

/// Channels as squares of pixels: undoes [`SpaceToDepth`], and so is its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DepthToSpace {
    /// Pixels of a side.
    pub size: usize,
}

fn check(x: &Type, name: &str) -> Result<[usize; 3], Mismatch> {
    match x.shape[..] {
        [c, h, w] if x.kind == Kind::Float => Ok([c, h, w]),
        _ => Err(Mismatch::new("space_to_depth-C1", format!("`{name}` needs rows and columns"))
            .found(format!("a tensor of shape {x}"))
            .fits("[channels, height, width]")
            .operand(0)),
    }
}

/// Calls `f(index in space, index in depth)` for every element; the shape is that in space.
fn each([channels, height, width]: [usize; 3], size: usize, mut f: impl FnMut(usize, usize)) {
    let (rows, columns) = (height / size, width / size);
    for at in 0..channels * height * width {
        let (c, y, x) = (at / (height * width), at / width % height, at % width);
        let channel = (c * size + y % size) * size + x % size;
        f(at, (channel * rows + y / size) * columns + x / size);
    }
}

impl Operator for SpaceToDepth {
    fn name(&self) -> &'static str {
        "space_to_depth"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let ([c, h, w], s) = (check(inputs[0], self.name())?, self.size);
        if !h.is_multiple_of(s) || !w.is_multiple_of(s) {
            return Err(Mismatch::new("space_to_depth-C2", "squares do not cover the rows and columns")
                .found(format!("{} and squares of {s}×{s}", inputs[0]))
                .fits(format!("height and width that are multiples of {s}"))
                .operand(0));
        }
        Ok(Type { shape: vec![c * s * s, h / s, w / s], ..inputs[0].clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(DepthToSpace { size: self.size }, &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let space = check(cx.types[0], "").expect("as inferred");
        for i in 0..cx.batch() {
            let x = cx.inputs[0].image(i);
            let y = y.image_mut(i);
            each(space, self.size, |from, to| y[to] = x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let [c, h, w] = check(&cx.inputs[0], "").expect("as inferred");
        let s = self.size;
        let body = quote!(isa.space_to_depth([#c, #h, #w], #s, x0, y););
        Kernel::new(format!("space_to_depth_{s}_{c}x{h}x{w}"), Split::Images, body)
            .doc(format!(" Squares of {s}×{s} pixels of {} as channels.", show_shape(&cx.inputs[0].shape)))
    }
}

impl Operator for DepthToSpace {
    fn name(&self) -> &'static str {
        "depth_to_space"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let ([c, h, w], s) = (check(inputs[0], self.name())?, self.size);
        if !c.is_multiple_of(s * s) {
            return Err(Mismatch::new("space_to_depth-C3", "the channels are no whole squares")
                .found(format!("{c} channels and squares of {s}×{s}"))
                .fits(format!("a multiple of {} channels", s * s))
                .operand(0));
        }
        Ok(Type { shape: vec![c / (s * s), h * s, w * s], ..inputs[0].clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(SpaceToDepth { size: self.size }, &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let space = check(cx.output, "").expect("as inferred");
        for i in 0..cx.batch() {
            let x = cx.inputs[0].image(i);
            let y = y.image_mut(i);
            each(space, self.size, |to, from| y[to] = x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let [c, h, w] = check(cx.output, "").expect("as inferred");
        let s = self.size;
        let body = quote!(isa.depth_to_space([#c, #h, #w], #s, x0, y););
        Kernel::new(format!("depth_to_space_{s}_{c}x{h}x{w}"), Split::Images, body)
            .doc(format!(" Channels as squares of {s}×{s} pixels: {}.", show_shape(&cx.output.shape)))
    }
}

const SIZE: Attribute = Attribute::required("size", "pixels of a square's side, from 1 to 64");

fn size(call: &mut Call<'_>) -> Result<usize, Diagnostic> {
    Ok(call.per_axis("size", 1, 1..=64)?[0])
}

/// Squares of pixels as channels:
/// `[channels, height, width] -> [channels * size * size, height / size, width / size]` (the passthrough of Redmon &
/// Farhadi 2017, section 2; PyTorch's `PixelUnshuffle`).
pub static SPACE_TO_DEPTH: Definition = Definition {
    name: "space_to_depth",
    summary: "each square of pixels as the channels of one pixel",
    shapes: "[channels, height, width] -> [channels * size * size, height / size, width / size]",
    source: "the passthrough of Redmon & Farhadi 2017, section 2; PyTorch's `PixelUnshuffle`",
    operands: &["x"],
    attributes: &[SIZE],
    example: "space_to_depth(x, 2)",
    build: |call| build(call, |size| SpaceToDepth { size }.into()),
};

/// Channels as squares of pixels:
/// `[channels, height, width] -> [channels / (size * size), size * height, size * width]` (sub-pixel convolution, Shi
/// et al. 2016, section 3.2; PyTorch's `PixelShuffle`).
pub static DEPTH_TO_SPACE: Definition = Definition {
    name: "depth_to_space",
    summary: "the channels of each pixel as a square of pixels",
    shapes: "[channels, height, width] -> [channels / (size * size), size * height, size * width]",
    source: "sub-pixel convolution, Shi et al. 2016, section 3.2; PyTorch's `PixelShuffle`",
    operands: &["x"],
    attributes: &[SIZE],
    example: "depth_to_space(conv(x, 8, 1), 2)",
    build: |call| build(call, |size| DepthToSpace { size }.into()),
};

fn build(call: &mut Call<'_>, op: impl Fn(usize) -> super::Op) -> Result<ValueId, Diagnostic> {
    let size = size(call)?;
    let x = call.operand(0);
    call.push(op(size), &[x])
}
