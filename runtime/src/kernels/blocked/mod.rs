//! Kernels on blocked tensors: `[channels / 16][space...][16]`.
//!
//! Sixteen channels of a pixel are neighbours, so that a register holds them whole (one of AVX-512, two of AVX2, four of
//! NEON), every load is of consecutive floats, and all instruction sets share one layout. Where channels are no multiple of
//! sixteen the last block has lanes that hold numbers nobody reads.

mod norm;
mod outer;
mod phases;
mod pool;
mod reorder;
mod stage;
#[cfg(test)]
mod tests;
mod tile;
mod winograd;

use super::extent;

pub use norm::Gate;
pub use outer::Outer;
pub use phases::Phases;
pub use reorder::Packing;
pub use stage::Stage;
pub use tile::{Finish, Next, Slope, Tile};
pub use winograd::Tiles;

/// Channels of a block.
pub const BLOCK: usize = 16;

/// Defines methods of [`Isa`](crate::Isa) from a function over vectors: `V` is a register, `G` of them hold a block.
macro_rules! per_vector {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:ident, where $check:expr;)*) => {
        impl $crate::Isa {
            $(
                $(#[$meta])*
                #[allow(clippy::too_many_arguments, reason = "sizes, and a slice for each operand")]
                $vis fn $name(self, $($arg: $ty),*) {
                    $check;
                    #[cfg(all(feature = "std", target_arch = "x86_64"))]
                    {
                        /// # Safety
                        /// The processor has these features, and the slices hold what the numbers say.
                        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                        #[allow(clippy::too_many_arguments, reason = "as many as the method")]
                        unsafe fn avx512($($arg: $ty),*) {
                            // SAFETY: the caller's promises.
                            unsafe { $body::<$crate::simd::avx512::F32x16, 1>($($arg),*) }
                        }
                        /// # Safety
                        /// The processor has these features, and the slices hold what the numbers say.
                        #[target_feature(enable = "avx2,fma")]
                        #[allow(clippy::too_many_arguments, reason = "as many as the method")]
                        unsafe fn avx2($($arg: $ty),*) {
                            // SAFETY: the caller's promises.
                            unsafe { $body::<$crate::simd::avx2::F32x8, 2>($($arg),*) }
                        }
                        match self.0 {
                            // SAFETY: an `Isa` of this level is only made where detection found its features; the slices
                            // were measured above.
                            $crate::isa::Level::Avx512 => return unsafe { avx512($($arg),*) },
                            // SAFETY: as above.
                            $crate::isa::Level::Avx2 => return unsafe { avx2($($arg),*) },
                            $crate::isa::Level::Portable => {}
                        }
                    }
                    #[cfg(target_arch = "aarch64")]
                    if self.0 == $crate::isa::Level::Neon {
                        // SAFETY: Advanced SIMD is part of every 64-bit ARM target; the slices were measured above.
                        return unsafe { $body::<$crate::simd::neon::F32x4, 4>($($arg),*) };
                    }
                    // SAFETY: the slices were measured above.
                    unsafe { $body::<$crate::simd::lanes::Lanes, 1>($($arg),*) }
                }
            )*
        }
    };
}

pub(super) use per_vector;
