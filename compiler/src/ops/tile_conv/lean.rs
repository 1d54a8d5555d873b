//! Winograd's algorithm on tiles, of weights as they are packed: every task transforms those of its filters where it needs them. A
//! quarter of what is multiplied comes from memory, or of F(2×2, 3×3) nine sixteenths, and the rest is made in the cache.

use proc_macro2::TokenStream;
use quote::quote;

use super::pooled::Pooling;
use super::winograd::{Tiling, Written};
use super::{TileConv, cut};
use crate::graph::{BLOCK, winograd_pitch};
use crate::ops::{Cut, Kernel, KernelContext, Split};

/// Floats of transformed weights that a task makes at a time: with the tiles that they meet, a second-level cache holds them.
const WEIGHTS: usize = 160 * 1024;
/// Floats of sums of products that a task keeps of all its images, where it comes back to them with the weights of more channels.
const SUMS: usize = 320 * 1024;
/// Images of a task at most: so many share the work of transforming its weights.
const IMAGES: usize = 8;

/// How a task goes about two blocks of filters.
struct Portions {
    /// Blocks of channels, and how many of them have their weights transformed at a time.
    all_channels: usize,
    channels: usize,
    /// Floats of the products of a block of filters, of an image.
    block: usize,
    /// Images of a task.
    images: usize,
}

impl Portions {
    fn of(tiling: &Tiling, all_channels: usize) -> Self {
        let block = tiling.products() * winograd_pitch(tiling.count()) * BLOCK;
        let at_once = (WEIGHTS / (tiling.products() * 2 * BLOCK * BLOCK)).max(1);
        let channels = all_channels.div_ceil(all_channels.div_ceil(at_once));
        let images = if channels < all_channels { (SUMS / (4 * block)).clamp(1, IMAGES) } else { IMAGES };
        Self { all_channels, channels, block, images }
    }

    /// Whether products are added to those of other channels.
    fn several(&self) -> bool {
        self.channels < self.all_channels
    }

    /// Floats of products that a task keeps: of all its images, before and behind an addition.
    fn room(&self) -> usize {
        if self.several() { 4 * self.images * self.block } else { 2 * self.block }
    }
}

/// Of filters and images of a task: two blocks of filters at a time, whose weights are transformed for some channels at a time.
pub(super) fn kernel(conv: &TileConv, cx: &KernelContext<'_>, name: &str) -> Kernel {
    let (x, w, y) = (&cx.inputs[0], &cx.inputs[1], cx.output);
    let pooling = Pooling::of(conv, y);
    let tiling = Tiling::of(conv.algorithm, &conv.window, x, &conv.unpooled(x, w));
    let cut = cut(y, tiling.output[0], conv.planes);
    let portions = Portions::of(&tiling, x.blocks());
    let (literal, rows, tiles) = (tiling.tokens(), tiling.rows(), tiling.count());
    let (points, products, window) = (tiling.points, tiling.products(), conv.window.kernel[0]);
    let Portions { all_channels, channels: some_channels, block: block_of_tiles, images } = portions;
    let (run, point, pitch) = (tiles * BLOCK, block_of_tiles / products, winograd_pitch(tiles));
    let weights = w.floats() / y.blocks();
    // A cache line more, so that the numbers of a weight fall into different sets of the cache.
    let step = (some_channels * BLOCK + 1) * BLOCK;
    let transformed = products * step;
    let channels = x.channels();
    let plane = cut.plane;
    let finish = conv.finish(&quote!(.image(image)[block * #plane..]));
    let Written { to, pool, room: pixels } =
        Written::of(&quote!(y.plane(image, block)), pooling.as_ref(), tiling.output[0]);
    let activate = match conv.activate_floats(&quote!(y.plane(image, block))) {
        activate if pooling.is_some() || activate.is_empty() => quote!(),
        activate => quote! {
            for image in y.images() {
                for block in y.planes() {
                    #activate
                }
            }
        },
    };
    let (sums, room) = (2 * transformed, portions.room());
    let split = match pooling {
        None => quote!(let m = &mut rest[..#room];),
        Some(_) => quote!(let (m, pixels) = rest.split_at_mut(#room);),
    };
    let multiply = |channels: TokenStream, finish: TokenStream| {
        quote! {
            // While the first image is multiplied, the weights that come next are on their way.
            let next = if index == 0 { next } else { [&[][..]; 2] };
            for point in 0..#products {
                let tile = rt::Tile {
                    channels: #channels,
                    lanes: 16,
                    block: #block_of_tiles,
                    taps: &[0],
                    columns: #tiles,
                    x_row: 0,
                    w_block: #transformed,
                    next: rt::Next::part(next, point, #products),
                };
                let at = point * #point;
                let mut products = rt::Strip::of(m, #block_of_tiles, at..at + #run);
                isa.convolve(&tile, 1, &v[at..], &u[point * #step..], &#finish, &mut products);
            }
        }
    };
    let write = quote! {
        for (m, block) in m.chunks_exact(#block_of_tiles).zip(blocks.clone()) {
            let finish = #finish;
            isa.winograd_output(&TILES, 0, #rows, #pitch, m, &finish, #to);
            #pool
        }
    };
    let (parts, of_part) = (all_channels.div_ceil(some_channels), some_channels * block_of_tiles);
    let part_weights = weights / all_channels * some_channels;
    let of_filters = if portions.several() {
        let (half, of_image) = (room / 2, 2 * block_of_tiles);
        let add = quote!(rt::Finish { add: (part > 0).then_some(&before[at..]), ..rt::Finish::default() });
        let multiply = multiply(quote!(usize::min(#some_channels * 16, #channels - part * #some_channels * 16)), add);
        quote! {
            // Products of the channels so far, and with those of some more.
            let (mut before, mut now) = m.split_at_mut(#half);
            for part in 0..#parts {
                for (u, w) in u.chunks_exact_mut(#transformed).zip(pair(first, part)) {
                    isa.winograd_weights(#points, #window, w, #step, u);
                }
                core::mem::swap(&mut before, &mut now);
                let next = if part + 1 < #parts { pair(first, part + 1) } else { pair(first + 2, 0) };
                for (index, image) in y.images().enumerate() {
                    let v = &x0.image(image)[part * #of_part..];
                    let before = &before[index * #of_image..];
                    let m = &mut now[index * #of_image..][..blocks.len() * #block_of_tiles];
                    #multiply
                }
            }
            for (index, image) in y.images().enumerate() {
                let m = &now[index * #of_image..][..blocks.len() * #block_of_tiles];
                #write
            }
        }
    } else {
        let multiply = multiply(quote!(#channels), quote!(rt::Finish::default()));
        quote! {
            for (u, w) in u.chunks_exact_mut(#transformed).zip(pair(first, 0)) {
                isa.winograd_weights(#points, #window, w, #step, u);
            }
            let next = pair(first + 2, 0);
            for (index, image) in y.images().enumerate() {
                let v = x0.image(image);
                let m = &mut m[..blocks.len() * #block_of_tiles];
                #multiply
                #write
            }
        }
    };
    let body = quote! {
        const TILES: rt::Tiles = #literal;
        let (u, rest) = scratch.split_at_mut(#sums);
        #split
        // Weights of two blocks of filters, as far as they are this task's, for a part of the channels.
        let filters = y.planes();
        let pair = |first: usize, part: usize| {
            [first, first + 1].map(|block| match filters.contains(&block) {
                true => x1[block * #weights..][..#weights].chunks(#part_weights).nth(part).unwrap_or(&[]),
                false => &[],
            })
        };
        // Two blocks of filters at a time, as register tiles have them.
        for first in filters.clone().step_by(2) {
            let blocks = first..usize::min(first + 2, filters.end);
            #of_filters
        }
        #activate
    };
    let cut = Cut { strip: cut.plane, ..cut };
    Kernel::new(name, Split::Stacks { cut, images }, body).scratch(sums + room + pixels)
}
