//! Winograd's algorithm on tiles, of weights as they are packed: every task transforms those of its filters where it needs them. Of
//! what is multiplied a quarter comes from memory, of F(2×2, 3×3) nine sixteenths, of F(2×2, 5×5) 25 of 36, of windows with a stride
//! 9 of 25; the rest is made in the cache.

use proc_macro2::TokenStream;
use quote::quote;

use super::pooled::Pooling;
use super::winograd::{Tiling, Written};
use super::{TileConv, whole};
use crate::graph::{BLOCK, winograd_pitch};
use crate::ops::{Kernel, KernelContext, Split};

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
    /// Images of a task.
    images: usize,
    /// Floats of transformed weights from one point to the next, and of those of a block of filters.
    step: usize,
    transformed: usize,
    /// Floats of products of a point of a block of filters, and of all points, of an image.
    point: usize,
    block: usize,
}

impl Portions {
    fn of(tiling: &Tiling, all_channels: usize) -> Self {
        let point = winograd_pitch(tiling.count()) * BLOCK;
        let block = tiling.products() * point;
        let at_once = (WEIGHTS / (tiling.products() * 2 * BLOCK * BLOCK)).max(1);
        let channels = all_channels.div_ceil(all_channels.div_ceil(at_once));
        let images = if channels < all_channels { (SUMS / (4 * block)).clamp(1, IMAGES) } else { IMAGES };
        // A cache line more, so that the numbers of a weight fall into different sets of the cache.
        let step = (channels * BLOCK + 1) * BLOCK;
        Self { all_channels, channels, images, step, transformed: tiling.products() * step, point, block }
    }

    /// Whether products are added to those of other channels.
    fn several(&self) -> bool {
        self.channels < self.all_channels
    }

    /// Floats of products that a task keeps: of all its images, before and behind an addition.
    fn room(&self) -> usize {
        if self.several() { 4 * self.images * self.block } else { 2 * self.block }
    }

    /// Multiplies the tiles `v` of an image, the one of this `index` among the task's, with transformed weights: `m` has room for
    /// the products.
    fn multiply(&self, tiling: &Tiling, channels: &TokenStream, finish: &TokenStream) -> TokenStream {
        let Self { step, transformed, point, block, .. } = self;
        let (products, tiles, with_point) = (tiling.products(), tiling.count(), tiling.with_point(*point));
        quote! {
            // While the first image is multiplied, the weights that come next are on their way.
            let next = if index == 0 { next } else { [&[][..]; 2] };
            for point in 0..#products {
                let tile = rt::Tile {
                    channels: #channels,
                    lanes: 16,
                    block: #block,
                    taps: &[0],
                    columns: #tiles,
                    x_row: 0,
                    w_block: #transformed,
                    next: rt::Next::part(next, point, #products),
                };
                #with_point
                let mut products = rt::Strip::of(m, #block, at..at + tile.columns * 16);
                isa.convolve(&tile, 1, &v[at..], &u[point * #step..], &#finish, &mut products);
            }
        }
    }

    /// All channels at once: `write` has the products `m` of an image.
    fn at_once(&self, tiling: &Tiling, window: usize, channels: usize, write: &TokenStream) -> TokenStream {
        let Self { step, transformed, block, .. } = self;
        let (points, all) = (tiling.points, quote!(#channels));
        let multiply = self.multiply(tiling, &all, &quote!(rt::Finish::default()));
        quote! {
            for (u, w) in u.chunks_exact_mut(#transformed).zip(pair(first, 0)) {
                isa.winograd_weights(#points, #window, w, #step, u);
            }
            let next = pair(first + 2, 0);
            for (index, image) in y.images().enumerate() {
                let v = x0.image(image);
                let m = &mut m[..blocks.len() * #block];
                #multiply
                #write
            }
        }
    }

    /// Some channels at a time, whose products are added to those of the channels before.
    fn one_after_the_other(&self, tiling: &Tiling, window: usize, channels: usize, write: &TokenStream) -> TokenStream {
        let Self { all_channels, channels: some, step, transformed, block, .. } = self;
        let (parts, of_part) = (all_channels.div_ceil(*some), some * block);
        let (half, of_image, points) = (self.room() / 2, 2 * block, tiling.points);
        let some_channels = some * BLOCK;
        let left = quote!(usize::min(#some_channels, #channels - part * #some_channels));
        let add = quote!(rt::Finish { add: (part > 0).then_some(&before[at..]), ..rt::Finish::default() });
        let multiply = self.multiply(tiling, &left, &add);
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
                    let m = &mut now[index * #of_image..][..blocks.len() * #block];
                    #multiply
                }
            }
            for (index, image) in y.images().enumerate() {
                let m = &now[index * #of_image..][..blocks.len() * #block];
                #write
            }
        }
    }
}

/// What a convolution applies to planes of all images of a task, if that is left to do.
pub(super) fn activate(conv: &TileConv) -> TokenStream {
    let activate = conv.activate_floats(&quote!(y.plane(image, block)));
    if conv.pool.is_some() || activate.is_empty() {
        return quote!();
    }
    quote! {
        for image in y.images() {
            for block in y.planes() {
                #activate
            }
        }
    }
}

/// Two blocks of filters at a time, of all images of a task.
pub(super) fn kernel(conv: &TileConv, cx: &KernelContext<'_>, name: &str) -> Kernel {
    let (x, w, y) = (&cx.inputs[0], &cx.inputs[1], cx.output);
    let pooling = Pooling::of(conv, y);
    let tiling = Tiling::of(conv.algorithm, &conv.window, x, &conv.unpooled(x, w));
    let portions = Portions::of(&tiling, x.blocks());
    let (literal, rows, pitch) = (tiling.tokens(), tiling.rows(), winograd_pitch(tiling.count()));
    let (block, room, images) = (portions.block, portions.room(), portions.images);
    let cut = whole(y, conv.planes);
    let plane = cut.plane;
    let finish = conv.finish(&quote!(.image(image)[block * #plane..]));
    let Written { to, pool, room: pixels } =
        Written::of(&quote!(y.plane(image, block)), pooling.as_ref(), tiling.output[0]);
    let write = quote! {
        for (m, block) in m.chunks_exact(#block).zip(blocks.clone()) {
            let finish = #finish;
            isa.winograd_output(&TILES, 0, #rows, #pitch, m, &finish, #to);
            #pool
        }
    };
    let of_filters = match portions.several() {
        true => portions.one_after_the_other(&tiling, conv.window.kernel[0], x.channels(), &write),
        false => portions.at_once(&tiling, conv.window.kernel[0], x.channels(), &write),
    };
    let weights = w.floats() / y.blocks();
    let (of_pair, of_part) = (2 * portions.transformed, weights / portions.all_channels * portions.channels);
    let split = match pooling {
        None => quote!(let m = &mut rest[..#room];),
        Some(_) => quote!(let (m, pixels) = rest.split_at_mut(#room);),
    };
    let activate = activate(conv);
    let body = quote! {
        const TILES: rt::Tiles = #literal;
        let (u, rest) = scratch.split_at_mut(#of_pair);
        #split
        // Weights of two blocks of filters, as far as they are this task's, for a part of the channels.
        let filters = y.planes();
        let pair = |first: usize, part: usize| {
            [first, first + 1].map(|block| match filters.contains(&block) {
                true => x1[block * #weights..][..#weights].chunks(#of_part).nth(part).unwrap_or(&[]),
                false => &[],
            })
        };
        // Two blocks of filters at a time: a pair that register tiles take together.
        for first in filters.clone().step_by(2) {
            let blocks = first..usize::min(first + 2, filters.end);
            #of_filters
        }
        #activate
    };
    Kernel::new(name, Split::Stacks { cut, images }, body).scratch(of_pair + room + pixels)
}
