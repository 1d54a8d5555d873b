//! The gradient of a convolution 3×3 by its weights in Winograd's space of products.
//!
//! F(4×4, 3×3) says y = Aᵀ\[(G g Gᵀ) ⊙ (Bᵀ d B)\]A, which is linear in g; so dg = Gᵀ\[Σ (A dy Aᵀ) ⊙ (Bᵀ d B)\]G, summed over
//! tiles and images: 36 products of matrices instead of 9, each over a sixteenth of the pixels.

use proc_macro2::TokenStream;
use quote::quote;

use super::Algorithm;
use super::grad_weight::GROUPED;
use super::winograd::Tiling;
use crate::graph::{BLOCK, Type, show_shape, winograd_pitch};
use crate::ops::window::Window;
use crate::ops::{Kernel, KernelContext, Split};

/// Tiles that are summed over at a time: what is transformed stays in the cache, and sums are worth loading and storing.
const TILES: usize = 32;
/// Pieces of work, where weights are many.
const PIECES: usize = 4;

/// Cycles in which a core transforms a tile of a block of channels, input or upstream gradient.
const TRANSFORM: f64 = 180.0;
/// What products of tiles take more than products of pixels: sums are loaded and stored more often.
const SUMS: f64 = 1.2;

/// Whether it takes less time than the gradient in the space of pixels.
pub fn pays(pixels: usize, tiles: usize, channels: usize, filters: usize) -> bool {
    let (blocks_in, blocks) = (channels.div_ceil(BLOCK), filters.div_ceil(BLOCK));
    let pairs = (channels * blocks) as f64;
    let recomputed = if channels * filters * 9 > GROUPED { PIECES.min(blocks.div_ceil(2)) } else { 1 };
    let transforms = (tiles * (recomputed * blocks_in + blocks)) as f64 * TRANSFORM;
    SUMS * 36.0 * tiles as f64 * pairs + transforms < 9.0 * pixels as f64 * pairs
}

/// Of whole groups of images where weights are few; else of the weights of some filters and all images.
pub(super) fn kernel(window: &Window, cx: &KernelContext<'_>) -> Kernel {
    let (x, dy) = (&cx.inputs[0], &cx.inputs[1]);
    let whole = cx.output.floats() <= GROUPED;
    let sizes = Sizes::of(window, x, dy, whole);
    let Sizes { blocks, pairs, images, v_room, up_room, sums, .. } = sizes;
    let (filters, all_sums) = (2 * pairs, sizes.tiling.products() * sums);
    let all = if whole { quote!(images) } else { quote!(0..x0.count()) };
    let first_block = if whole { quote!(0) } else { quote!(piece * #filters) };
    let (literal, strips) = (sizes.tiling.tokens(), sizes.strips());
    let body = quote! {
        const TILES: rt::Tiles = #literal;
        let all = #all;
        let first_block = #first_block;
        let blocks = first_block..usize::min(first_block + #filters, #blocks);
        let (v, rest) = scratch.split_at_mut(#v_room);
        let (up, rest) = rest.split_at_mut(#up_room);
        let sums = &mut rest[..#all_sums];
        sums.fill(0.0);
        for first in all.clone().step_by(#images) {
            let count = usize::min(#images, all.end - first);
            #strips
        }
        // A pair of blocks of filters with a block of channels after another.
        for (part, y) in y.chunks_exact_mut(9 * #PART).enumerate() {
            for (half, y) in y.chunks_exact_mut(9 * 256).enumerate() {
                isa.winograd_weights_back(&sums[part * #PART + half * 256..], #sums, y);
            }
        }
    };
    let shape = |t: &Type| t.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let split = if whole { Split::Groups } else { Split::Pieces(9 * sums) };
    Kernel::new(format!("winograd_grad_weight_3x3_{}_to_{}", shape(x), shape(dy)), split, body)
        .scratch(v_room + up_room + all_sums)
        .doc(format!(
            " The gradient of convolution {} by its weights {} in Winograd's space of products.",
            window.show(),
            show_shape(&cx.output.shape)
        ))
}

/// Sums of a pair of blocks of filters with a block of channels, for one of the 36 points.
const PART: usize = 2 * BLOCK * BLOCK;

/// What is worked on at a time, and the floats that it takes.
struct Sizes {
    tiling: Tiling,
    /// Blocks of channels and of filters, and floats of a plane of each.
    blocks_in: usize,
    blocks: usize,
    plane_in: usize,
    plane_out: usize,
    /// Pairs of blocks of filters of a task.
    pairs: usize,
    /// Images of which all tiles are summed over together: several where they are small.
    images: usize,
    /// Rows of tiles of a strip: fewer than there are where images are large.
    strip: usize,
    /// Tiles from one point to the next, and floats of the points of a block.
    pitch: usize,
    room: usize,
    /// Floats of the transformed input, of the transformed gradient, and of the sums of a point.
    v_room: usize,
    up_room: usize,
    sums: usize,
}

impl Sizes {
    fn of(window: &Window, x: &Type, dy: &Type, whole: bool) -> Self {
        let tiling = Tiling { ragged: false, ..Tiling::of(Algorithm::WinogradTiles, window, x, dy) };
        let (rows, columns) = (tiling.rows(), tiling.columns());
        let (blocks_in, blocks) = (x.blocks(), dy.blocks());
        let images = (TILES / tiling.count()).max(1);
        let strip = if images > 1 { rows } else { rows.div_ceil(rows.div_ceil((TILES / columns).max(1))) };
        let pitch = winograd_pitch(images * strip * columns);
        let room = tiling.products() * pitch * BLOCK;
        let pairs = blocks.div_ceil(2);
        let pairs = if whole { pairs } else { pairs.div_ceil(PIECES) };
        Self {
            tiling,
            blocks_in,
            blocks,
            plane_in: x.floats() / blocks_in,
            plane_out: dy.floats() / blocks,
            pairs,
            images,
            strip,
            pitch,
            room,
            v_room: blocks_in * room,
            up_room: 2 * pairs * room,
            sums: pairs * blocks_in * PART,
        }
    }

    /// Sums over `count` images from `first` on, strip by strip.
    fn strips(&self) -> TokenStream {
        let (rows, strip) = (self.tiling.rows(), self.strip);
        if strip == rows {
            let (transforms, products) = (self.transforms(&quote!(0), &quote!(#rows)), self.products(&quote!(#rows)));
            return quote!(#transforms #products);
        }
        let (transforms, products) = (self.transforms(&quote!(row), &quote!(rows)), self.products(&quote!(rows)));
        quote! {
            for row in (0..#rows).step_by(#strip) {
                let rows = usize::min(#strip, #rows - row);
                #transforms
                #products
            }
        }
    }

    /// Bᵀ d B of all channels, and A dy Aᵀ of the task's filters; tiles of an image behind those of the one before.
    fn transforms(&self, row: &TokenStream, rows: &TokenStream) -> TokenStream {
        let Self { plane_in, plane_out, pitch, room, .. } = self;
        let image = self.tiling.count() * BLOCK;
        quote! {
            for i in 0..count {
                let (x, dy) = (x0.image(first + i), x1.image(first + i));
                for (block, v) in v.chunks_exact_mut(#room).enumerate() {
                    let x = &x[block * #plane_in..];
                    isa.winograd_input(&TILES, #row, #rows, #pitch, x, &mut v[i * #image..]);
                }
                for (block, up) in blocks.clone().zip(up.chunks_exact_mut(#room)) {
                    let dy = &dy[block * #plane_out..];
                    isa.winograd_upstream(&TILES, #row, #rows, #pitch, dy, &mut up[i * #image..]);
                }
            }
        }
    }

    /// Adds the products of what is transformed to the sums, point by point.
    fn products(&self, rows: &TokenStream) -> TokenStream {
        let Self { blocks_in, pitch, room, sums, .. } = self;
        let (columns, point) = (self.tiling.columns(), pitch * BLOCK);
        quote! {
            for (point, sums) in sums.chunks_exact_mut(#sums).enumerate() {
                for (pair, sums) in sums.chunks_exact_mut(#blocks_in * #PART).enumerate().take(blocks.len().div_ceil(2)) {
                    let outer = rt::Outer {
                        rows: 1,
                        columns: count * #rows * #columns,
                        x_row: 0,
                        x_column: 16,
                        runs: &[0],
                        run: 16,
                        blocks: usize::min(2, blocks.len() - 2 * pair),
                        dy_block: #room,
                    };
                    let up = &up[2 * pair * #room + point * #point..];
                    for (block, sums) in sums.chunks_exact_mut(#PART).enumerate() {
                        isa.outer(&outer, &v[block * #room + point * #point..], up, sums);
                    }
                }
            }
        }
    }
}
