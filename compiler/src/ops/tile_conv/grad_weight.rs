//! The gradient of a convolution by its weights, in the order in which tiles read them.

use quote::quote;
use serde::Serialize;

use super::{two, winograd_grad_weight};
use crate::graph::{BLOCK, Layout, Type, show_shape};
use crate::ops::conv::ConvGradWeight;
use crate::ops::window::Window;
use crate::ops::{Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// Rows of padded input that stay in the second-level cache beside the gradient: 32 Ki floats.
const STRIP: usize = 1 << 15;

/// Pieces of work that threads share well.
const PIECES: usize = 8;
/// Blocks of channels of a piece at most, which share what is read of the gradient.
const TOGETHER: usize = 4;
/// Pixels that a piece of several blocks of channels sums over at a time: what is read of them stays in the second-level cache.
const PIXELS: usize = 512;
/// Weights up to this many are summed over groups of images.
pub(super) const GROUPED: usize = 1 << 16;

/// Σ over images and pixels of dy · x. Operands: x, blocked or (of few channels) plain; the upstream gradient, blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TileConvGradWeight {
    /// The window, over one or two axes.
    pub window: Window,
    /// Groups.
    pub groups: usize,
    /// Whether products are summed in Winograd's space: the adjoint of F(4×4, 3×3).
    pub winograd: bool,
}

impl TileConvGradWeight {
    fn bare(&self) -> ConvGradWeight {
        ConvGradWeight { window: self.window.clone(), groups: self.groups }
    }
}

/// How many of some blocks of channels a piece has: of so many pieces for a single block there are enough left.
fn together(blocks: usize, pieces: usize) -> usize {
    let fits = |n: &usize| blocks.is_multiple_of(*n) && pieces / n >= PIECES;
    (1..=TOGETHER).rev().find(fits).unwrap_or(1)
}

impl Operator for TileConvGradWeight {
    fn name(&self) -> &'static str {
        "conv_grad_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let lanes = match (inputs[0].layout, inputs[1].layout) {
            (Layout::Blocked, Layout::Blocked) => BLOCK,
            (Layout::Plain, Layout::Blocked) if self.groups == 1 => 1,
            _ => {
                return Err(Mismatch::new("layout-C3", "gradients of tiles do not work on these layouts")
                    .found(format!("{} and {}", inputs[0], inputs[1]))
                    .fits("what lowering makes"));
            }
        };
        Ok(self.bare().infer(inputs)?.laid_out(Layout::PackedPairs { lanes }))
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
        self.bare().macs(inputs, output)
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        self.bare().evaluate(cx)
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        if self.winograd {
            return winograd_grad_weight::kernel(&self.window, cx);
        }
        let (x, dy) = (&cx.inputs[0], &cx.inputs[1]);
        let plain = x.layout.is_plain();
        let lanes = if plain { 1 } else { BLOCK };
        let ([h, w], [oh, ow]) = (two(x.spatial(), 1), two(dy.spatial(), 1));
        let ([kh, kw], [sh, sw]) = (two(&self.window.kernel, 1), two(&self.window.stride, 1));
        let [dh, dw] = two(&self.window.dilation, 1);
        let pad = if self.window.pad.len() == 1 {
            [(0, 0), self.window.pad[0]]
        } else {
            [self.window.pad[0], self.window.pad[1]]
        };
        let staged = pad != [(0, 0); 2];
        // One piece of work: sixteen filters with sixteen channels, or with all where each is a plane.
        let planes = if plain { x.channels() } else { 1 };
        let columns = if staged { w + pad[1].0 + pad[1].1 } else { w };
        let pitch = columns * lanes;
        let reach = dh * (kh - 1) + 1;
        let rows = if staged { (STRIP / (planes * pitch)).saturating_sub(reach).div_ceil(sh).clamp(1, oh) } else { oh };
        let rows = oh.div_ceil(oh.div_ceil(rows));
        let plane = if staged { ((rows - 1) * sh + reach) * pitch } else { h * pitch };
        let dense = plain && dw == 1;
        let run = if dense { kw } else { lanes };
        let mut runs = Vec::new();
        for channel in 0..planes {
            for i in 0..kh {
                let row = channel * plane + i * dh * pitch;
                runs.extend((0..if dense { 1 } else { kw }).map(|j| row + j * dw * lanes));
            }
        }
        let (x_row, x_column) = (sh * pitch, sw * lanes);
        let piece = 2 * kh * kw * if plain { planes } else { lanes } * BLOCK;
        let blocks_in = if plain { 1 } else { x.blocks() / self.groups };
        let (plane_in, plane_out) = (h * w * lanes * planes, oh * ow * BLOCK);
        let blocks = dy.blocks();
        let per_group = blocks / self.groups;
        // `piece` is a pair of blocks of filters with a block of channels.
        let pair = if blocks_in == 1 { quote!(2 * piece) } else { quote!(2 * (piece / #blocks_in)) };
        let from = match (blocks_in, self.groups) {
            _ if plain => quote!(),
            (1, 1) => quote!(let from = 0;),
            (_, 1) => quote!(let from = piece % #blocks_in;),
            (1, _) => quote!(let from = block / #per_group;),
            _ => quote!(let from = block / #per_group * #blocks_in + piece % #blocks_in;),
        };
        let x_part = if plain { quote!(x) } else { quote!(&x[from * #plane_in..]) };
        let (both, dy_block) = if blocks == 1 {
            (quote!(1), 0)
        } else if blocks.is_multiple_of(2) {
            (quote!(2), plane_out)
        } else {
            (quote!(usize::min(2, #blocks - block)), plane_out)
        };
        let outer = |rows: proc_macro2::TokenStream| {
            quote! {
                rt::Outer {
                    rows: #rows, columns: #ow, x_row: #x_row, x_column: #x_column, runs: &[#(#runs),*], run: #run,
                    blocks: #both, dy_block: #dy_block,
                }
            }
        };
        let inner = if staged {
            let (top, left) = (pad[0].0, pad[1].0);
            let stage = quote! {
                rt::Stage {
                    planes: #planes, lanes: #lanes, input: [#h, #w], pad: [#top, #left], row_step: 1, stride: 1,
                    phases: 1, columns: #columns, plane: #plane,
                }
            };
            let needed = if sh == 1 { quote!(rows) } else { quote!((rows - 1) * #sh + 1) };
            let more = reach - 1;
            let needed = if more == 0 { needed } else { quote!(#needed + #more) };
            let out_row = ow * BLOCK;
            if rows == oh {
                let outer = outer(quote!(#oh));
                let needed = (oh - 1) * sh + reach;
                quote! {
                    isa.stage(&#stage, #x_part, 0, #needed, scratch);
                    isa.outer(&#outer, scratch, dy, y);
                }
            } else {
                let (outer, start) = (outer(quote!(rows)), super::direct::times(quote!(first), sh));
                quote! {
                    for first in (0..#oh).step_by(#rows) {
                        let rows = usize::min(#rows, #oh - first);
                        isa.stage(&#stage, #x_part, #start, #needed, scratch);
                        isa.outer(&#outer, scratch, &dy[first * #out_row..], y);
                    }
                }
            }
        } else {
            let outer = outer(quote!(#oh));
            quote!(isa.outer(&#outer, #x_part, dy, y);)
        };
        let image = |y: proc_macro2::TokenStream| {
            quote! {
                let dy = &dy[block * #plane_out..];
                let y = #y;
                #inner
            }
        };
        let pieces = cx.output.floats() / piece;
        let together = if staged || plain || self.groups > 1 { 1 } else { together(blocks_in, pieces) };
        // Few pieces leave threads without work: then images are divided, and their sums added up.
        let (split, body) = if pieces < PIECES && cx.output.floats() <= GROUPED {
            let image = image(quote!(&mut y[piece * #piece..][..#piece]));
            let body = quote! {
                for i in images {
                    for piece in 0..#pieces {
                        let (x, dy) = (x0.image(i), x1.image(i));
                        let block = #pair;
                        #from
                        #image
                    }
                }
            };
            (Split::Groups, body)
        } else if together > 1 {
            let parts = blocks_in / together;
            let place = match parts {
                1 => quote!((2 * piece, 0)),
                _ => quote!((2 * (piece / #parts), piece % #parts * #together)),
            };
            let (rows, out_row) = ((PIXELS / ow).clamp(1, oh), ow * BLOCK);
            let outer = outer(quote!(rows));
            let body = quote! {
                let (block, from) = #place;
                y.fill(0.0);
                for (x, dy) in x0.images().zip(x1.images()) {
                    // Some rows at a time, which stay in the cache for all of the piece's channels.
                    for first in (0..#oh).step_by(#rows) {
                        let rows = usize::min(#rows, #oh - first);
                        let dy = &dy[block * #plane_out + first * #out_row..];
                        for (channels, y) in (from..).zip(y.chunks_exact_mut(#piece)) {
                            isa.outer(&#outer, &x[channels * #plane_in + first * #x_row..], dy, y);
                        }
                    }
                }
            };
            (Split::Pieces(together * piece), body)
        } else {
            let image = image(quote!(&mut *y));
            let body = quote! {
                let block = #pair;
                #from
                y.fill(0.0);
                for (x, dy) in x0.images().zip(x1.images()) {
                    #image
                }
            };
            (Split::Pieces(piece), body)
        };
        let shape = |t: &Type| t.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let taps = self.window.kernel.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        Kernel::new(format!("conv_grad_weight_{taps}_{}_to_{}", shape(x), shape(dy)), split, body)
            .scratch(if staged { planes * plane } else { 0 })
            .doc(format!(
                " The gradient of convolution {} by its weights {}, 32 filters at a time.",
                self.window.show(),
                show_shape(&cx.output.shape)
            ))
    }
}
