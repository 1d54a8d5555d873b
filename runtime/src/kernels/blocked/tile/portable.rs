//! The tile in plain loops.

use super::{Place, Slope, Tile};
use crate::kernels::blocked::BLOCK;

/// One pixel of one block at a time, in loops from which the compiler makes what registers there are.
///
/// # Safety
/// Memory holds what [`Tile::check`] asks for.
pub(super) unsafe fn portable(tile: &Tile<'_>, rows: usize, blocks: usize, place: Place) {
    for at in 0..blocks * rows * tile.columns {
        let (block, row, column) = (at / (rows * tile.columns), at / tile.columns % rows, at % tile.columns);
        let place = place.blocks(block, tile.w_block);
        let place = place.pixels(row * tile.columns + column, row * tile.x_row + column * tile.lanes);
        // SAFETY: the pixel is one of the rows and columns that were checked.
        unsafe {
            let read = |at: *const f32| at.cast::<[f32; BLOCK]>().read();
            let mut sums = if place.bias.is_null() { [0.0; BLOCK] } else { read(place.bias) };
            let (mut x, mut w, mut left) = (place.x, place.w, tile.channels);
            while left > 0 {
                let lanes = left.min(tile.lanes);
                for tap in tile.taps {
                    for lane in 0..lanes {
                        let (x, w) = (*x.add(*tap + lane), w.add(lane * BLOCK).cast::<[f32; BLOCK]>().read());
                        sums.iter_mut().zip(w).for_each(|(sum, w)| *sum += x * w);
                    }
                    w = w.wrapping_add(tile.lanes * BLOCK);
                }
                left -= lanes;
                x = x.wrapping_add(tile.block);
            }
            if !place.add.is_null() {
                sums.iter_mut().zip(read(place.add)).for_each(|(sum, add)| *sum += add);
            }
            match place.slope {
                Slope::One => {}
                Slope::Relu => sums.iter_mut().for_each(|s| *s = if *s <= 0.0 { 0.0 } else { *s }),
                Slope::Leaky(slope) => sums.iter_mut().for_each(|s| *s = if *s > 0.0 { *s } else { *s * slope }),
            }
            place.y.cast::<[f32; BLOCK]>().write(sums);
        }
    }
}
