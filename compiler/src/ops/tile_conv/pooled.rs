//! A pool behind a convolution of tiles: a task computes rows of pixels into memory of its own, where its core's cache holds them,
//! and pools them from there. Maps of pixels are what weighs most near the input, and only a fraction of them is written so.

use proc_macro2::TokenStream;
use quote::quote;

use super::winograd::side;
use super::{Algorithm, TileConv, two};
use crate::graph::{BLOCK, Layout, Type};
use crate::ops::pool::Pool;

/// Floats of pixels that are computed before they are pooled.
const PIXELS: usize = 64 * 1024;
/// Longest side of a window: so few rows can be computed at a time without taking tasks from other threads.
const LONGEST: usize = 4;

/// Whether the kernel of a convolution can pool its value of this type: windows lie side by side, cover it all, and are as high as
/// a part of a row of Winograd's tiles.
pub(super) fn fits(conv: &TileConv, pool: &Pool, y: &Type) -> bool {
    let window = &pool.window;
    let side_by_side = window.kernel == window.stride
        && window.pad.iter().all(|pad| *pad == (0, 0))
        && window.dilation.iter().all(|dilation| *dilation == 1)
        && window.stride.iter().all(|stride| *stride <= LONGEST)
        && y.spatial().iter().zip(&window.stride).all(|(size, stride)| size.is_multiple_of(*stride));
    let whole_tiles = conv.algorithm == Algorithm::Direct
        || side(conv.algorithm, conv.window.kernel[0], conv.window.stride[0]).is_multiple_of(two(&window.stride, 1)[0]);
    side_by_side && whole_tiles && !conv.shortcut && y.layout == Layout::Blocked
}

/// What a pool makes of rows of pixels.
pub(super) struct Pooling<'a> {
    conv: &'a TileConv,
    pool: &'a Pool,
    /// Rows of pixels of a row of windows.
    pub height: usize,
    /// Floats of a row of pixels, of a block of channels.
    pub row: usize,
    /// Floats of a row of windows, likewise.
    pub pooled_row: usize,
}

impl<'a> Pooling<'a> {
    /// That of a convolution whose value is `y`, if it has a pool.
    pub fn of(conv: &'a TileConv, y: &Type) -> Option<Self> {
        let pool = conv.pool.as_ref()?;
        let [height, width] = two(&pool.window.stride, 1);
        let pooled_row = two(y.spatial(), 1)[1] * BLOCK;
        Some(Self { conv, pool, height, row: pooled_row * width, pooled_row })
    }

    /// So many rows of pixels that those of some blocks of channels stay in the cache, no more than `most`; rows of windows are
    /// whole.
    pub fn rows(&self, planes: usize, most: usize) -> usize {
        let fit = (PIXELS / (planes * self.row)).min(most) / self.height;
        fit.max(1) * self.height
    }

    /// Applies the activation that is left to do, and pools some rows of pixels of a block of channels: `rows` at most, all
    /// that `y` has the windows of.
    pub fn block(&self, rows: usize, pixels: &TokenStream, y: &TokenStream) -> TokenStream {
        let (row, pooled_row) = (self.row / BLOCK, self.pooled_row / BLOCK);
        let axes = self.pool.window.kernel.len();
        let (input, output) = ([rows, row], [rows / self.height, pooled_row]);
        let pool =
            self.pool.of_block(&input[2 - axes..], &output[2 - axes..], &quote!(0), &quote!(pixels), &quote!(pooled));
        let activate = self.conv.activate_floats(&quote!(pixels));
        quote! {
            let (pixels, pooled) = (#pixels, #y);
            #activate
            #pool
        }
    }
}
