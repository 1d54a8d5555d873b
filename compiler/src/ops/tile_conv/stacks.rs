//! Winograd's algorithm on small images, several at a time: an image has few tiles then, which would not fill a register tile, and
//! would bring all transformed weights from far for themselves.

use quote::quote;

use super::lean::activate;
use super::pooled::Pooling;
use super::winograd::{Tiling, Written, multiply};
use super::{TileConv, whole};
use crate::graph::{BLOCK, winograd_pitch};
use crate::ops::{Kernel, KernelContext, Split};

/// Images of a task at most: so many of four tiles fill register tiles.
pub const IMAGES: usize = 8;

/// All tiles of some images are transformed, multiplied and transformed back while they are in the cache.
pub(super) fn kernel(conv: &TileConv, cx: &KernelContext<'_>, name: &str) -> Kernel {
    let (x, w, y) = (&cx.inputs[0], &cx.inputs[1], cx.output);
    let pooling = Pooling::of(conv, y);
    let tiling = Tiling::of(conv.algorithm, &conv.window, x, &conv.unpooled(x, w));
    let images = conv.images;
    let cut = whole(y, conv.planes);
    let (literal, rows, tiles) = (tiling.tokens(), tiling.rows(), tiling.count());
    let (blocks, plane_in, of_image) = (x.blocks(), x.floats() / x.blocks(), tiles * BLOCK);
    let room = tiling.products() * winograd_pitch(images * tiles) * BLOCK;
    let multiply = multiply(&tiling, x.channels(), w.floats() / y.blocks(), room);
    let (all_room, products_room) = (blocks * room, 2 * room);
    let plane = cut.plane;
    let finish = conv.finish(&quote!(.image(image)[block * #plane..]));
    let Written { to, pool, room: pixels } =
        Written::of(&quote!(y.plane(image, block)), pooling.as_ref(), tiling.output[0]);
    let split = match pooling {
        None => quote!(let (v, m) = scratch.split_at_mut(#all_room);),
        Some(_) => quote! {
            let (v, m) = scratch.split_at_mut(#all_room);
            let (m, pixels) = m.split_at_mut(#products_room);
        },
    };
    let activate = activate(conv);
    let body = quote! {
        const TILES: rt::Tiles = #literal;
        let tiles = #tiles * y.images().len();
        // An odd number of cache lines, so that the numbers of a tile fall into different sets of the cache.
        let pitch = tiles | 1;
        #split
        // Tiles of an image behind those of the one before.
        for (index, image) in y.images().enumerate() {
            let x = x0.image(image);
            for (block, v) in v.chunks_exact_mut(#room).enumerate() {
                isa.winograd_input(&TILES, 0, #rows, pitch, &x[block * #plane_in..], &mut v[index * #of_image..]);
            }
        }
        let filters = y.planes();
        // Two blocks of filters at a time: a pair that register tiles take together.
        for first_block in filters.clone().step_by(2) {
            let blocks = first_block..usize::min(first_block + 2, filters.end);
            #multiply
            for (m, block) in m.chunks_exact(#room).zip(blocks) {
                for (index, image) in y.images().enumerate() {
                    let finish = #finish;
                    isa.winograd_output(&TILES, 0, #rows, pitch, &m[index * #of_image..], &finish, #to);
                    #pool
                }
            }
        }
        #activate
    };
    Kernel::new(name, Split::Stacks { cut, images }, body).scratch((blocks + 2) * room + pixels)
}
