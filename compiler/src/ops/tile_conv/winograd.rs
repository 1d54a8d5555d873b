//! Winograd's F(4×4, 3×3), F(3×3, 4×4), F(2×2, 5×5) and F(2×2, 3×3) (Lavin & Gray 2016): 36 or 16 matrix products over tiles
//! instead of 9, 16 or 25 over pixels; 25 over tiles of 2×2 pixels where windows 3×3 go two pixels on at a time.

use proc_macro2::TokenStream;
use quote::quote;

use super::direct::times;
use super::pooled::Pooling;
use super::{Algorithm, TileConv, cut, whole};
use crate::graph::{BLOCK, Type, winograd_pitch};
use crate::ops::window::Window;
use crate::ops::{Kernel, KernelContext, Split};

/// Where the tiles of a convolution are.
#[derive(Clone, Copy, Debug)]
pub struct Tiling {
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    /// Padding above and on the left.
    pub pad: [usize; 2],
    /// Points a side.
    pub points: usize,
    /// Pixels of a tile's side, see [`side`].
    pub side: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Whether tiles that stick out of the output do with fewer points: where all are transformed before they are multiplied.
    pub ragged: bool,
}

/// Points a side of the tiles of an algorithm of Winograd's, of windows with a stride.
pub fn points(algorithm: Algorithm, stride: usize) -> usize {
    match (stride, algorithm.has_small_tiles()) {
        (2, _) => 5,
        (_, true) => 4,
        (_, false) => 6,
    }
}

/// Matrix products of an algorithm, one for each number of a transformed tile.
pub fn products(algorithm: Algorithm, stride: usize) -> usize {
    points(algorithm, stride).pow(2)
}

/// Pixels of a tile's side of a convolution that [`fits`], of a window of this many elements a side: so many that the points are enough
/// for both.
pub fn side(algorithm: Algorithm, window: usize, stride: usize) -> usize {
    (points(algorithm, stride) - window) / stride + 1
}

/// Points of all tiles along an axis of so many outputs, where those that stick out do with fewer: what there is to multiply is the
/// product of both axes. `Tiles::run` of the runtime has the same numbers.
pub fn points_along(size: usize, points: usize, side: usize) -> usize {
    let last = match (points, side, size % side) {
        (_, _, 0) => 0,
        (6, 4, 1) | (5, 2, _) => 3,
        (6, 4, 2) => 4,
        _ => points - 1,
    };
    size / side * points + last
}

/// Whether an algorithm of Winograd's computes a window.
pub fn fits(algorithm: Algorithm, window: &Window) -> bool {
    let sizes = match (&window.kernel[..], &window.stride[..]) {
        ([3, 3], [1, 1]) => true,
        ([4, 4] | [5, 5], [1, 1]) => !algorithm.has_small_tiles(),
        // In small tiles; strips have no others.
        ([3, 3], [2, 2]) => algorithm.has_small_tiles() || algorithm == Algorithm::WinogradStrips,
        _ => false,
    };
    sizes && window.dilation.iter().all(|n| *n == 1) && window.pad.iter().all(|p| p.0 <= 2)
}

impl Tiling {
    /// Rows of tiles.
    pub fn rows(&self) -> usize {
        self.output[0].div_ceil(self.side)
    }

    /// Tiles of a row.
    pub fn columns(&self) -> usize {
        self.output[1].div_ceil(self.side)
    }

    /// All tiles.
    pub fn count(&self) -> usize {
        self.rows() * self.columns()
    }

    /// Whether there are tiles with fewer points than others.
    fn sticks_out(&self) -> bool {
        self.ragged && self.output.iter().any(|size| size % self.side > 0)
    }

    /// The tiles that have a `point`, as code in whose scope `tile` is all of them and `TILES` what [`tokens`](Self::tokens) says:
    /// where they begin, of points so many floats apart, and the tile that is multiplied.
    pub(super) fn with_point(&self, apart: usize) -> TokenStream {
        if !self.sticks_out() {
            return quote!(let at = point * #apart;);
        }
        // Where no tile is whole, none may have the point.
        let skip = match self.output.iter().any(|size| *size < self.side) {
            true => quote!(if run.is_empty() {
                continue;
            }),
            false => quote!(),
        };
        quote! {
            let run = TILES.run(point);
            #skip
            let (at, tile) = (point * #apart + run.start * 16, rt::Tile { columns: run.len(), ..tile });
        }
    }

    /// Matrix products, one for each number of a transformed tile.
    pub fn products(&self) -> usize {
        self.points * self.points
    }

    /// The runtime's description.
    pub fn tokens(&self) -> TokenStream {
        let ([h, w], [oh, ow], [top, left]) = (self.input, self.output, self.pad);
        let (points, side, stride, columns) = (self.points, self.side, self.stride, self.columns());
        let ragged = self.sticks_out();
        quote!(rt::Tiles {
            input: [#h, #w],
            output: [#oh, #ow],
            pad: [#top, #left],
            points: #points,
            side: #side,
            stride: #stride,
            columns: #columns,
            ragged: #ragged
        })
    }

    /// Of a convolution from one value to another.
    pub(super) fn of(algorithm: Algorithm, window: &Window, x: &Type, y: &Type) -> Self {
        let (x, y) = (&x.shape, &y.shape);
        let pad = [window.pad[0].0, window.pad[1].0];
        let stride = window.stride[0];
        let (points, side) = (points(algorithm, stride), side(algorithm, window.kernel[0], stride));
        let ragged = algorithm.takes_tiles();
        Self { input: [x[1], x[2]], output: [y[1], y[2]], pad, points, side, stride, ragged }
    }
}

/// Where the pixels of a block of filters go, what becomes of them, and the working memory that takes.
pub(super) struct Written {
    pub to: TokenStream,
    pub pool: TokenStream,
    pub room: usize,
}

impl Written {
    /// On their way to a plane of the value, for a task of so many rows of pixels at most.
    pub fn of(plane: &TokenStream, pooling: Option<&Pooling<'_>>, rows: usize) -> Self {
        match pooling {
            None => Self { to: plane.clone(), pool: quote!(), room: 0 },
            Some(pooling) => {
                let pool = pooling.block(rows, &quote!(&mut *pixels), plane);
                Self { to: quote!(pixels), pool, room: rows * pooling.row }
            }
        }
    }
}

/// Strip by strip: the tiles of some rows are transformed, multiplied and transformed back while they are in the cache.
pub(super) fn strips(conv: &TileConv, cx: &KernelContext<'_>, name: &str) -> Kernel {
    let (x, w, y) = (&cx.inputs[0], &cx.inputs[1], cx.output);
    let pooling = Pooling::of(conv, y);
    let tiling = Tiling::of(conv.algorithm, &conv.window, x, &conv.unpooled(x, w));
    // Rows of pixels of a row of the value.
    let height = pooling.as_ref().map_or(1, |p| p.height);
    let cut = cut(y, tiling.side / height, conv.strips, conv.planes);
    let rows = cut.most_rows();
    let (literal, columns, blocks) = (tiling.tokens(), tiling.columns(), x.blocks());
    let (plane_in, strip_row) = (x.floats() / blocks, cut.row);
    let products = tiling.products();
    let room = products * winograd_pitch(rows * columns) * BLOCK;
    let multiply = multiply(&tiling, x.channels(), w.floats() / y.blocks(), room);
    let all_room = blocks * room;
    let plane = cut.plane;
    let finish = conv.finish(&quote!([block * #plane + offset..]));
    let offset = if conv.shortcut { quote!(let offset = y.offset();) } else { quote!() };
    let Written { to, pool, room: pixels } = Written::of(&quote!(y.plane(block)), pooling.as_ref(), rows * tiling.side);
    let activate = if pooling.is_none() { conv.activate() } else { quote!() };
    let products_room = 2 * room;
    let split = match pooling {
        None => quote!(let (v, m) = scratch.split_at_mut(#all_room);),
        Some(_) => quote! {
            let (v, m) = scratch.split_at_mut(#all_room);
            let (m, pixels) = m.split_at_mut(#products_room);
        },
    };
    let (first, strip_rows) = if cut.strips == 1 {
        (quote!(0), quote!(#rows))
    } else {
        (quote!(y.offset() / #strip_row), quote!(y.len().div_ceil(#strip_row)))
    };
    let count = times(quote!(rows), columns);
    let body = quote! {
        const TILES: rt::Tiles = #literal;
        let (first, rows) = (#first, #strip_rows);
        #offset
        let tiles = #count;
        // An odd number of cache lines, so that the numbers of a tile fall into different sets of the cache.
        let pitch = tiles | 1;
        #split
        for block in 0..#blocks {
            isa.winograd_input(&TILES, first, rows, pitch, &x0[block * #plane_in..], &mut v[block * #room..]);
        }
        // Two blocks of filters at a time: a pair that register tiles take together.
        for first_block in y.planes().step_by(2) {
            let blocks = first_block..usize::min(first_block + 2, y.planes().end);
            #multiply
            for (m, block) in m.chunks_exact(#room).zip(blocks) {
                let finish = #finish;
                isa.winograd_output(&TILES, first, rows, pitch, m, &finish, #to);
                #pool
            }
        }
        #activate
    };
    Kernel::new(name, Split::Strips(cut), body).scratch((blocks + 2) * room + pixels)
}

/// Multiplies `tiles` tiles `v`, whose points are `pitch` of them apart, with the weights of `blocks`, a pair of them from
/// `first_block` on: the products are `m`, with `room` floats for each block.
pub(super) fn multiply(tiling: &Tiling, channels: usize, weights: usize, room: usize) -> TokenStream {
    let products = tiling.products();
    let point_weights = weights / products;
    let next = next(point_weights, weights);
    quote! {
        let tile = rt::Tile {
            channels: #channels,
            lanes: 16,
            block: #room,
            taps: &[0],
            columns: tiles,
            x_row: 0,
            w_block: #weights,
            next: rt::Next::Weights(#next),
        };
        let m = &mut m[..blocks.len() * #room];
        for point in 0..#products {
            let at = point * 16 * pitch;
            let mut products = rt::Strip::of(m, #room, at..at + 16 * tiles);
            let w = &x1[first_block * #weights + point * #point_weights..];
            isa.convolve(&tile, 1, &v[at..], w, &rt::Finish::default(), &mut products);
        }
    }
}

/// From the weights of the last of some `blocks` to those of the first one at the next point.
fn next(point_weights: usize, weights: usize) -> TokenStream {
    quote!(usize::wrapping_sub(#point_weights, (blocks.len() - 1) * #weights))
}

/// Of an operand that is transformed already: every task reads the weights of its own filters, once.
pub(super) fn tiles(conv: &TileConv, cx: &KernelContext<'_>, name: &str) -> Kernel {
    let (x, w, y) = (&cx.inputs[0], &cx.inputs[1], cx.output);
    let pooling = Pooling::of(conv, y);
    let tiling = Tiling::of(conv.algorithm, &conv.window, x, &conv.unpooled(x, w));
    let cut = whole(y, conv.planes);
    let (literal, rows, tiles) = (tiling.tokens(), tiling.rows(), tiling.count());
    let channels = x.channels();
    let weights = w.floats() / y.blocks();
    let products = tiling.products();
    let point_weights = weights / products;
    let next = next(point_weights, weights);
    let pitch = winograd_pitch(tiles);
    let (point, block_of_tiles) = (pitch * BLOCK, products * pitch * BLOCK);
    let with_point = tiling.with_point(point);
    let plane = cut.plane;
    let finish = conv.finish(&quote!([block * #plane + offset..]));
    let offset = if conv.shortcut { quote!(let offset = y.offset();) } else { quote!() };
    let Written { to, pool, room: pixels } = Written::of(&quote!(y.plane(block)), pooling.as_ref(), tiling.output[0]);
    let activate = if pooling.is_none() { conv.activate() } else { quote!() };
    let split = match pooling {
        None => quote!(let m = &mut scratch[..blocks.len() * #block_of_tiles];),
        Some(_) => quote!(let (m, pixels) = scratch.split_at_mut(blocks.len() * #block_of_tiles);),
    };
    let body = quote! {
        const TILES: rt::Tiles = #literal;
        #offset
        let blocks = y.planes();
        let tile = rt::Tile {
            channels: #channels,
            lanes: 16,
            block: #block_of_tiles,
            taps: &[0],
            columns: #tiles,
            x_row: 0,
            w_block: #weights,
            next: rt::Next::Weights(#next),
        };
        #split
        // Point by point, so that all filters of the task meet its tiles while these are in the cache.
        for point in 0..#products {
            #with_point
            let w = &x1[blocks.start * #weights + point * #point_weights..];
            let mut products = rt::Strip::of(m, #block_of_tiles, at..at + tile.columns * 16);
            isa.convolve(&tile, 1, &x0[at..], w, &rt::Finish::default(), &mut products);
        }
        for (m, block) in m.chunks_exact(#block_of_tiles).zip(blocks) {
            let finish = #finish;
            isa.winograd_output(&TILES, 0, #rows, #pitch, m, &finish, #to);
            #pool
        }
        #activate
    };
    Kernel::new(name, Split::Strips(cut), body).scratch(cut.planes * block_of_tiles + pixels)
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn points_are_those_of_the_runtime() {
        for (points, side, stride) in [(6_usize, 4_usize, 1_usize), (6, 3, 1), (6, 2, 1), (4, 2, 1), (5, 2, 2)] {
            for output in (1..200_usize).map(|at| [at / 14 + 1, at % 14 + 1]) {
                let columns = output[1].div_ceil(side);
                let tiles = cnnc_runtime::Tiles {
                    input: [1, 1],
                    output,
                    pad: [0, 0],
                    points,
                    side,
                    stride,
                    columns,
                    ragged: true,
                };
                let multiplied: usize = (0..points * points).map(|point| tiles.run(point).len()).sum();
                let along = output.map(|size| points_along(size, points, side));
                assert_eq!(multiplied, along[0] * along[1], "{output:?}, {points} points");
            }
        }
    }
}
