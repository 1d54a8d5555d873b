//! How an operator becomes code.

use proc_macro2::TokenStream;

use crate::graph::Type;

/// What a kernel is made for: the operands' types and where the plan keeps them.
#[derive(Debug)]
pub struct KernelContext<'a> {
    /// Types of the operands.
    pub inputs: &'a [Type],
    /// The type of the value.
    pub output: &'a Type,
}

/// How a kernel's work is divided among threads. The division never depends on how many there are, so that results
/// do not either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// One call per image. The value must be batched.
    ///
    /// `fn(isa: Isa, x0: &[f32], .., y: &mut [f32] [, scratch: &mut [f32]])`: batched operands are this image's slice
    /// (one class: its `u32`), unbatched ones are whole. A body that mentions `dropout` gets
    /// `dropout: Option<rt::Dropout>`, which names seed, step and image.
    Images,
    /// One call per piece of this many consecutive elements of an unbatched value.
    ///
    /// `fn(isa: Isa, piece: usize, x0: Batch<'_> | &[f32], .., y: &mut [f32] [, scratch])`: batched operands are
    /// `Batch` (all images), `y` is the piece.
    Pieces(usize),
    /// One call per group of images; every group adds into a zeroed buffer of its own, and the buffers are summed in
    /// order. For small unbatched values that sum over images.
    ///
    /// `fn(isa: Isa, images: Range<usize>, x0: Batch<'_> | &[f32], .., y: &mut [f32] [, scratch])`: add into `y`.
    Groups,
    /// One call per block of this many images, the last block perhaps smaller. The value must be batched, and the plan
    /// gives it memory without gaps.
    ///
    /// `fn(isa: Isa, first: usize, x0: Batch<'_> | &[f32], .., y: &mut [f32] [, scratch])`: `first` is the block's first
    /// image, batched operands are `Batch` (all images; classes `&[u32]`), `y` is the block's images one after another.
    Blocks(usize),
    /// One call per rectangle: some images, and of each a run of elements. The value must be batched, and the plan gives it
    /// memory without gaps. For matrices of which rows are images, of few images, too.
    ///
    /// `fn(isa: Isa, x0: Batch<'_> | &[f32], .., y: &mut Strip<'_> [, scratch])`: planes of `y` are images.
    Rectangles {
        /// Images of a rectangle.
        images: usize,
        /// Elements of a rectangle.
        elements: usize,
    },
    /// One call per strip: some planes of an image, and of each a run of floats. The value must be batched.
    ///
    /// `fn(isa: Isa, x0: &[f32], .., y: &mut Strip<'_> [, scratch])`: batched operands are the image's slice.
    Strips(Cut),
    /// One call per stack: a group of planes, whole, of some images. For kernels that make something of the weights of their
    /// planes first, which then serves all of these images, and for images so small that several are worth computing together. The
    /// value must be batched.
    ///
    /// `fn(isa: Isa, x0: Batch<'_> | &[f32], .., y: &mut Stack<'_> [, scratch])`: batched operands are `Batch` (all images).
    Stacks {
        /// Planes of a group; strips of them are whole.
        cut: Cut,
        /// Images of a stack at most.
        images: usize,
    },
}

/// How an image is cut into strips, in floats of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Floats of a plane.
    pub plane: usize,
    /// Floats of a row of a plane, which strips do not cut.
    pub row: usize,
    /// Strips of a plane, of about as many rows each.
    pub strips: usize,
    /// Planes of a group.
    pub planes: usize,
}

impl Cut {
    /// Groups of whole planes.
    pub fn whole(plane: usize, planes: usize) -> Self {
        Self { plane, row: plane, strips: 1, planes }
    }

    /// Strips of so many rows at most.
    pub fn of_rows(plane: usize, row: usize, rows: usize, planes: usize) -> Self {
        Self { plane, row, strips: plane.div_ceil(row).div_ceil(rows), planes }
    }

    /// Rows of the highest strip.
    pub fn most_rows(&self) -> usize {
        self.plane.div_ceil(self.row).div_ceil(self.strips)
    }
}

impl Split {
    /// For a value whose elements do not depend on each other: by images, or in one piece where it is not batched.
    pub fn elementwise(output: &Type) -> Self {
        if output.batched { Self::Images } else { Self::Pieces(output.floats()) }
    }
}

/// The code of a kernel. Kernels with the same text are emitted once.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// A telling name, `conv_5x5_1x28x28_to_6x28x28`; made unique by the emitter where two texts share it.
    pub name: String,
    /// Doc lines: what it computes, from which shape to which, in which loops.
    pub docs: Vec<String>,
    /// How the work is divided.
    pub split: Split,
    /// Floats of working memory per thread; its content is arbitrary at the start. The parameter `scratch` exists only
    /// where this is not zero.
    pub scratch: usize,
    /// Whether `y` may be the same memory as the first operand. Then, when the plan decides so, the operand `x0` does
    /// not exist and `y` holds its values at the start; `in_place_body` is that code.
    pub in_place_body: Option<TokenStream>,
    /// The body. In scope: `isa`, `x0`, `x1`, .., `y`, `scratch` as `split` says, and `rt`, the runtime crate.
    pub body: TokenStream,
}

impl Kernel {
    /// A kernel without working memory that does not work in place.
    pub fn new(name: impl Into<String>, split: Split, body: TokenStream) -> Self {
        Self { name: name.into(), docs: Vec::new(), split, scratch: 0, in_place_body: None, body }
    }

    /// Adds a doc line.
    #[must_use]
    pub fn doc(mut self, line: impl Into<String>) -> Self {
        self.docs.push(line.into());
        self
    }

    /// Asks for working memory.
    #[must_use]
    pub fn scratch(mut self, floats: usize) -> Self {
        self.scratch = floats;
        self
    }

    /// Gives the code for `y` being the first operand's memory.
    #[must_use]
    pub fn in_place(mut self, body: TokenStream) -> Self {
        self.in_place_body = Some(body);
        self
    }
}
