//! A stride's phases as channels.
//!
//! A window that goes s pixels on at a time sees of every s-th row and column, from each of the first s on, what a smaller window
//! sees without a stride. With these s² phases as channels a convolution of few channels with a stride is one without a stride,
//! which Winograd's algorithm computes: that of 7×7 with a stride of two, as networks begin with, is one of 4×4 over four times as
//! many channels.
//!
//! Channels come in the order of [`space_to_depth`](super::space_to_depth). Unlike that operator of the language this one takes
//! sizes that are no multiples of the stride, and writes blocks, strip by strip.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::conv::Conv;
use super::layout::{mismatch, shape_name};
use super::window::Window;
use super::{Cut, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{BLOCK, Layout, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Channel (c · s + i) · s + j has in row a and column b what channel c has in row a · s + i − before and in the column like it,
/// and zeros outside. Of values in blocks, of weights in plain order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// How many rows, and columns, a phase goes on at a time.
    pub stride: usize,
    /// Rows and columns of zeros in front.
    pub before: usize,
    /// Rows and columns of a phase.
    pub size: [usize; 2],
}

/// A convolution with a stride as one of phases.
#[derive(Clone, Debug)]
pub struct Phased {
    /// What becomes of its operand.
    pub values: Phases,
    /// What becomes of its weights.
    pub weights: Phases,
    /// The window over phases.
    pub window: Window,
}

/// Rows that a task takes apart.
const ROWS: usize = 16;

impl Phased {
    /// Of a convolution from `x` to `y` whose windows are squares; `None` for others, and where those over phases have a size
    /// that Winograd's algorithm is not made for.
    pub fn of(conv: &Conv, x: &Type, y: &Type) -> Option<Self> {
        let Window { kernel, stride, dilation, pad, .. } = &conv.window;
        let ([k, across], [s, by]) = (kernel[..].try_into().ok()?, stride[..].try_into().ok()?);
        let square = k == across && s == by && pad[0].0 == pad[1].0 && dilation[..] == [1, 1];
        if !square || s < 2 || conv.groups > 1 {
            return None;
        }
        // Element k of the window sees pixel o · s + k − pad: that is phase i of a · s + i − before = k, in row o + a − shifted.
        let shifted = pad[0].0.div_ceil(s);
        let before = shifted * s - pad[0].0;
        let window = Some((k + before).div_ceil(s)).filter(|side| (3..=5).contains(side))?;
        // Rows and columns that windows reach over, from the first one that is no padding on.
        let reach = |axis: usize| (y.shape[axis] + window - 1).checked_sub(shifted).filter(|reach| *reach > 0);
        let reach = [reach(1)?, reach(2)?];
        let size = [0, 1].map(|axis| x.shape[axis + 1].div_ceil(s).min(reach[axis]));
        let window = Window {
            kernel: vec![window; 2],
            stride: vec![1; 2],
            dilation: vec![1; 2],
            pad: [0, 1].map(|axis| (shifted, reach[axis] - size[axis])).to_vec(),
            ceil: false,
        };
        Some(Self {
            values: Phases { stride: s, before: 0, size },
            weights: Phases { stride: s, before, size: [window.kernel[0]; 2] },
            window,
        })
    }
}

impl Phases {
    /// The type of what this makes of a value of an image, or of weights.
    pub fn of(&self, x: &Type) -> Type {
        let mut ty = x.laid_out(if x.batched { Layout::Blocked } else { Layout::Plain });
        let axes = ty.shape.len();
        ty.shape[axes - 3] *= self.stride * self.stride;
        ty.shape[axes - 2..].copy_from_slice(&self.size);
        ty
    }

    /// The runtime's description, of planes of a value of this type.
    fn tokens(&self, x: &Type) -> TokenStream {
        let Self { stride: s, before, size: [rows, columns] } = *self;
        let axes = x.shape.len();
        let (planes, [h, w]) = (x.shape[axes - 3], [x.shape[axes - 2], x.shape[axes - 1]]);
        quote! {
            rt::Phases {
                planes: #planes, input: [#h, #w], stride: [#s, #s], before: [#before, #before],
                output: [#rows, #columns],
            }
        }
    }
}

impl Operator for Phases {
    fn name(&self) -> &'static str {
        "phases"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let x = inputs[0];
        let axes = if x.batched { 3 } else { 4 };
        if x.shape.len() != axes || !x.layout.is_plain() {
            return Err(mismatch("these are no rows and columns in plain order", x));
        }
        Ok(self.of(x))
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (s, [rows, columns]) = (self.stride, self.size);
        let [.., h, w] = cx.types[0].shape[..] else { unreachable!("as inferred") };
        for (at, y) in y.data.iter_mut().enumerate() {
            let (channel, row, column) = (at / columns / rows, at / columns % rows, at % columns);
            let (plane, i, j) = (channel / s / s, channel / s % s, channel % s);
            let place = |index: usize, phase: usize, size: usize| {
                (index * s + phase).checked_sub(self.before).filter(|place| *place < size)
            };
            if let (Some(row), Some(column)) = (place(row, i, h), place(column, j, w)) {
                *y = cx.inputs[0].data[(plane * h + row) * w + column];
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y, [rows, columns]) = (&cx.inputs[0], cx.output, self.size);
        let literal = self.tokens(x);
        let name = format!("phases_{}_to_{}", shape_name(x), shape_name(y));
        let doc = format!(" The {0}×{0} phases of {1} as channels.", self.stride, show_shape(&x.shape));
        if !x.batched {
            let (from, to) = (x.len() / x.shape[0], y.len() / y.shape[0]);
            let body = quote!(isa.phases(&#literal, &x0[piece * #from..], y););
            return Kernel::new(name, Split::Pieces(to), body).doc(doc);
        }
        let row = columns * BLOCK;
        let body = quote! {
            let first = y.offset() / #row;
            for block in y.planes() {
                isa.phases_of_block(&#literal, block, first, x0, y.plane(block));
            }
        };
        let cut = Cut::of_rows(rows * row, row, ROWS, 1);
        Kernel::new(name, Split::Strips(cut), body).doc(doc)
    }
}
