//! Values in another order of memory: what lowering puts between operators. None of these changes what a value is.

use quote::quote;
use serde::Serialize;

use super::{Cut, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{BLOCK, Layout, Type, show_shape, winograd_pitch};
use crate::ops::tile_conv::{two, winograd::Tiling};
use crate::reference::{Evaluation, Tensor};

/// From plain order to blocks or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reorder {
    /// The layout of the value.
    pub to: Layout,
}

/// Winograd's transform of activations, Bᵀ d B, for a convolution 3×3, 4×4 or 5×5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WinogradTiles {
    /// The output of the convolution.
    pub output: [usize; 2],
    /// Padding above and on the left.
    pub pad: [usize; 2],
    /// Points a side.
    pub points: usize,
    /// Pixels of a tile's side.
    pub side: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
}

impl WinogradTiles {
    fn tiling(&self, x: &Type) -> Tiling {
        let Self { output, pad, points, side, stride } = *self;
        Tiling { input: [x.shape[1], x.shape[2]], output, pad, points, side, stride, ragged: true }
    }
}

/// Zeros between the elements of each axis of space: the upstream gradient of a convolution with a stride.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Distance between elements.
    pub stride: Vec<usize>,
    /// Elements of each axis of the result; zeros follow the last one that was there.
    pub size: Vec<usize>,
}

/// Every so many elements of each axis of space, of blocked values: what windows of a single tap see with a stride.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pick {
    /// Distance between elements.
    pub stride: Vec<usize>,
}

/// Tasks that picking pixels is cut into at most.
const PICKS: usize = 8;

pub(super) fn mismatch(title: &str, ty: &Type) -> Mismatch {
    Mismatch::new("layout-C1", title).found(ty.to_string()).fits("what lowering makes")
}

impl Operator for Reorder {
    fn name(&self) -> &'static str {
        "reorder"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        match (inputs[0].layout, self.to) {
            (Layout::Plain, Layout::Blocked) | (Layout::Blocked, Layout::Plain) => Ok(inputs[0].laid_out(self.to)),
            _ => Err(mismatch("no way from this layout to that", inputs[0])),
        }
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].clone()
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let ty = cx.output;
        let places: usize = ty.spatial().iter().product();
        let (len, shape) = (ty.len(), show_shape(&ty.shape));
        let step = places * BLOCK;
        if self.to.is_plain() {
            let body = quote! {
                for (block, y) in y.chunks_mut(#step).enumerate() {
                    isa.unblock(#places, &x0[block * #step..][..#step], y);
                }
            };
            return Kernel::new(format!("unblock_{}", shape_name(ty)), Split::elementwise(ty), body)
                .doc(format!(" {shape} from blocks of {BLOCK} channels to plain order."));
        }
        let doc = format!(" {shape} from plain order to blocks of {BLOCK} channels.");
        let name = format!("block_{}", shape_name(ty));
        if ty.batched {
            let cut = Cut::whole(step, 1);
            let body = quote! {
                for block in y.planes() {
                    isa.block(#places, &x0[block * #step..usize::min((block + 1) * #step, #len)], y.plane(block));
                }
            };
            return Kernel::new(name, Split::Strips(cut), body).doc(doc);
        }
        let body = quote!(isa.block(#places, &x0[piece * #step..usize::min((piece + 1) * #step, #len)], y););
        Kernel::new(name, Split::Pieces(step), body).doc(doc)
    }
}

pub(super) fn shape_name(ty: &Type) -> String {
    ty.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

impl Operator for WinogradTiles {
    fn name(&self) -> &'static str {
        "winograd_tiles"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let known = matches!((self.points, self.side, self.stride), (6, 2..=4, 1) | (4, 2, 1) | (5, 2, 2));
        if inputs[0].layout != Layout::Blocked || inputs[0].shape.len() != 3 || !known {
            return Err(mismatch("these are no blocked rows and columns for tiles that there are", inputs[0]));
        }
        let tiles = self.tiling(inputs[0]).count();
        Ok(inputs[0].laid_out(Layout::WinogradTiles { points: self.points, tiles }))
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].clone()
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let x = &cx.inputs[0];
        let tiling = self.tiling(x);
        let (literal, count, rows) = (tiling.tokens(), tiling.count(), tiling.rows());
        let from = x.floats() / x.blocks();
        let pitch = winograd_pitch(count);
        let plane = tiling.products() * pitch * BLOCK;
        let body = quote! {
            for block in y.planes() {
                isa.winograd_input(&#literal, 0, #rows, #pitch, &x0[block * #from..], y.plane(block));
            }
        };
        let cut = Cut::whole(plane, 1);
        Kernel::new(format!("winograd_input_{}", shape_name(x)), Split::Strips(cut), body)
            .doc(format!(" Bᵀ d B of {count} tiles of {}: Winograd's transform.", show_shape(&x.shape)))
    }
}

impl Operator for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let mut ty = inputs[0].clone();
        if ty.spatial().len() != self.stride.len() {
            return Err(mismatch("a stride for each axis of space is needed", inputs[0]));
        }
        if self.size.len() != self.stride.len() {
            return Err(mismatch("a size for each axis of space is needed", inputs[0]));
        }
        for ((size, stride), new) in ty.shape[1..].iter_mut().zip(&self.stride).zip(&self.size) {
            if *new <= (*size - 1) * stride {
                return Err(mismatch("not so many elements fit", inputs[0]));
            }
            *size = *new;
        }
        Ok(ty)
    }

    fn takes_blocks(&self, inputs: &[&Type]) -> bool {
        inputs[0].spatial().len() <= 2
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (from, to) = (cx.types[0].spatial(), cx.output.spatial());
        let (places, out): (usize, usize) = (from.iter().product(), to.iter().product());
        for (i, x) in cx.inputs[0].data.iter().enumerate() {
            let (plane, mut rest, mut at, mut step) = (i / places, i % places, 0, 1);
            for axis in (0..from.len()).rev() {
                at += rest % from[axis] * self.stride[axis] * step;
                rest /= from[axis];
                step *= to[axis];
            }
            y.data[plane * out + at] = *x;
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let ([h, w], [oh, ow], [sh, sw]) = (two(x.spatial(), 1), two(y.spatial(), 1), two(&self.stride, 1));
        let lanes = if x.layout == Layout::Blocked { BLOCK } else { 1 };
        let (row, out_row, distance) = (w * lanes, ow * lanes, sw * lanes);
        let step = if sh == 1 { quote!() } else { quote!(.step_by(#sh)) };
        let (plane, from) = (oh * out_row, h * row);
        let body = quote! {
            y.fill(0.0);
            for (y, x) in y.chunks_exact_mut(#plane).zip(x0.chunks_exact(#from)) {
                for (y, x) in y.chunks_exact_mut(#out_row)#step.zip(x.chunks_exact(#row)) {
                    for (y, x) in y.chunks_mut(#distance).zip(x.chunks_exact(#lanes)) {
                        y[..#lanes].copy_from_slice(x);
                    }
                }
            }
        };
        Kernel::new(format!("spread_{}_to_{}", shape_name(x), shape_name(y)), Split::Images, body)
            .doc(" Zeros between neighbours: what a stride skipped.")
    }
}

impl Operator for Pick {
    fn name(&self) -> &'static str {
        "pick"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let mut ty = inputs[0].clone();
        if ty.layout != Layout::Blocked || ty.spatial().len() > 2 || ty.spatial().len() != self.stride.len() {
            return Err(mismatch("these are no blocked values with a stride for each axis of space", inputs[0]));
        }
        for (size, stride) in ty.shape[1..].iter_mut().zip(&self.stride) {
            *size = size.div_ceil(*stride);
        }
        Ok(ty)
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let ([h, w], [oh, ow], [sh, sw]) =
            (two(cx.types[0].spatial(), 1), two(cx.output.spatial(), 1), two(&self.stride, 1));
        for (i, y) in y.data.iter_mut().enumerate() {
            let (plane, row, column) = (i / (oh * ow), i / ow % oh, i % ow);
            *y = cx.inputs[0].data[(plane * h + row * sh) * w + column * sw];
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let ([h, w], [oh, ow], [sh, sw]) = (two(x.spatial(), 1), two(y.spatial(), 1), two(&self.stride, 1));
        let (from, plane) = (h * w * BLOCK, oh * ow * BLOCK);
        let body = quote! {
            const ROWS: rt::Stage = rt::Stage {
                planes: 1, lanes: 16, input: [#h, #w], pad: [0, 0], row_step: #sh, stride: #sw,
                phases: 1, columns: #ow, plane: #plane,
            };
            for block in y.planes() {
                isa.stage(&ROWS, &x0[block * #from..], 0, #oh, y.plane(block));
            }
        };
        let cut = Cut::whole(plane, y.blocks().div_ceil(PICKS));
        Kernel::new(format!("pick_{}_to_{}", shape_name(x), shape_name(y)), Split::Strips(cut), body)
            .doc(" Pixels that a stride does not skip, side by side.")
    }
}
