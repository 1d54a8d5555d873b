//! space_to_depth and depth_to_space: blocks of elements as channels, and back.
//!
//! Of one, two or three axes of space. Channel c and element (i, j, k) of a block become channel
//! ((c · size + i) · size + j) · size + k; of two axes that is the order of PyTorch's `pixel_unshuffle`.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Each block of `size` elements along every axis of space as the channels of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SpaceToDepth {
    /// Elements of a block along each axis.
    pub size: usize,
}

/// Channels as blocks of elements: undoes [`SpaceToDepth`], and so is its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DepthToSpace {
    /// Elements of a block along each axis.
    pub size: usize,
}

fn check(x: &Type, name: &str) -> Result<(), Mismatch> {
    if (2..=4).contains(&x.shape.len()) {
        return Ok(());
    }
    Err(Mismatch::new("space_to_depth-C1", format!("`{name}` needs 1 to 3 axes of space"))
        .found(format!("a tensor of shape {x}"))
        .fits("[channels, length], [channels, height, width] or [channels, depth, height, width]")
        .operand(0))
}

/// Elements of a block of a tensor of this type.
fn block(x: &Type, size: usize) -> usize {
    size.pow(x.spatial().len() as u32)
}

/// A block as people write it, `2×2`.
fn show_block(x: &Type, size: usize) -> String {
    vec![size.to_string(); x.spatial().len()].join("×")
}

/// Calls `f(index in space, index in depth)` for every element; the type is that in space.
fn each(ty: &Type, size: usize, mut f: impl FnMut(usize, usize)) {
    let cells: usize = ty.spatial().iter().map(|n| n / size).product();
    for at in 0..ty.len() {
        // From the last axis to the first: the place in the block, the cell, and how far neighbours of either are apart.
        let (mut rest, mut inside, mut cell, mut steps) = (at, 0, 0, (1, 1));
        for n in ty.spatial().iter().rev() {
            inside += rest % n % size * steps.0;
            cell += rest % n / size * steps.1;
            steps = (steps.0 * size, steps.1 * (n / size));
            rest /= n;
        }
        let channel = rest * steps.0 + inside;
        f(at, channel * cells + cell);
    }
}

/// What the runtime is told of a tensor of this type in space: its shape, and the block, of three axes.
fn tokens(ty: &Type, size: usize) -> TokenStream {
    let three = |numbers: Vec<usize>| [vec![1; 3 - numbers.len()], numbers].concat();
    let (channels, space, block) = (ty.channels(), three(ty.spatial().to_vec()), three(vec![size; ty.spatial().len()]));
    quote!([#channels, #(#space),*], [#(#block),*])
}

/// The shape as part of a name, `3x4x6`.
fn dims(ty: &Type) -> String {
    ty.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

impl Operator for SpaceToDepth {
    fn name(&self) -> &'static str {
        "space_to_depth"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, s) = (inputs[0], self.size);
        check(x, self.name())?;
        if !x.spatial().iter().all(|n| n.is_multiple_of(s)) {
            return Err(Mismatch::new("space_to_depth-C2", "blocks do not cover the axes of space")
                .found(format!("{x} and blocks of {}", show_block(x, s)))
                .fits(format!("axes of space that are multiples of {s}"))
                .operand(0));
        }
        let shape = [x.channels() * block(x, s)].into_iter().chain(x.spatial().iter().map(|n| n / s)).collect();
        Ok(Type { shape, ..x.clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(DepthToSpace { size: self.size }, &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let x = cx.inputs[0].image(i);
            let y = y.image_mut(i);
            each(cx.types[0], self.size, |from, to| y[to] = x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, s) = (&cx.inputs[0], self.size);
        let space = tokens(x, s);
        let body = quote!(isa.space_to_depth(#space, x0, y););
        Kernel::new(format!("space_to_depth_{s}_{}", dims(x)), Split::Images, body).doc(format!(
            " Blocks of {} of {} as channels.",
            show_block(x, s),
            show_shape(&x.shape)
        ))
    }
}

impl Operator for DepthToSpace {
    fn name(&self) -> &'static str {
        "depth_to_space"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, s) = (inputs[0], self.size);
        check(x, self.name())?;
        let block = block(x, s);
        if !x.channels().is_multiple_of(block) {
            return Err(Mismatch::new("space_to_depth-C3", "the channels are no whole blocks")
                .found(format!("{} channels and blocks of {}", x.channels(), show_block(x, s)))
                .fits(format!("a multiple of {block} channels"))
                .operand(0));
        }
        let shape = [x.channels() / block].into_iter().chain(x.spatial().iter().map(|n| n * s)).collect();
        Ok(Type { shape, ..x.clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(SpaceToDepth { size: self.size }, &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let x = cx.inputs[0].image(i);
            let y = y.image_mut(i);
            each(cx.output, self.size, |to, from| y[to] = x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (y, s) = (cx.output, self.size);
        let space = tokens(y, s);
        let body = quote!(isa.depth_to_space(#space, x0, y););
        Kernel::new(format!("depth_to_space_{s}_{}", dims(y)), Split::Images, body).doc(format!(
            " Channels as blocks of {}: {}.",
            show_block(y, s),
            show_shape(&y.shape)
        ))
    }
}

const SIZE: Attribute = Attribute::required("size", "elements of a block along each axis of space, from 1 to 64");

fn size(call: &mut Call<'_>) -> Result<usize, Diagnostic> {
    Ok(call.per_axis("size", 1, 1..=64)?[0])
}

/// Blocks of elements as channels: `[channels, *space] -> [channels * size^axes, *space / size]` (the passthrough of Redmon &
/// Farhadi 2017, section 2; PyTorch's `PixelUnshuffle`).
pub static SPACE_TO_DEPTH: Definition = Definition {
    name: "space_to_depth",
    summary: "each block of elements, in pictures a square of pixels, as the channels of one",
    shapes: "[channels, *space] -> [channels', *space']; channels' = channels * size^axes, space' = space / size",
    source: "the passthrough of Redmon & Farhadi 2017, section 2; of two axes PyTorch's `PixelUnshuffle`",
    operands: &["x"],
    attributes: &[SIZE],
    example: "space_to_depth(x, 2)",
    build: |call| build(call, |size| SpaceToDepth { size }.into()),
};

/// Channels as blocks of elements: `[channels, *space] -> [channels / size^axes, *space * size]` (sub-pixel convolution, Shi
/// et al. 2016, section 3.2; PyTorch's `PixelShuffle`).
pub static DEPTH_TO_SPACE: Definition = Definition {
    name: "depth_to_space",
    summary: "the channels of each element as a block of elements, in pictures a square of pixels",
    shapes: "[channels, *space] -> [channels', *space']; channels' = channels / size^axes, space' = space * size",
    source: "sub-pixel convolution, Shi et al. 2016, section 3.2; of two axes PyTorch's `PixelShuffle`",
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
