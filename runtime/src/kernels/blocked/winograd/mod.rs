//! Winograd's minimal filtering: with six points a side F(4×4, 3×3), 36 products instead of 144 for 16 pixels,
//! F(3×3, 4×4), 36 instead of 144 for 9, and F(2×2, 5×5), 36 instead of 100 for 4; with four points F(2×2, 3×3), 16 instead of
//! 36 for 4; with five, F(2×2, 3×3) of windows that go two pixels on at a time, 25 instead of 36.
//!
//! Lavin & Gray 2016, "Fast algorithms for convolutional neural networks": with points 0, ±√½, ±√2 and ∞, or 0, ±1 and ∞, the
//! result is Aᵀ\[(G g Gᵀ) ⊙ (Bᵀ d B)\]A. B depends on the points alone; A has as many rows of it as a tile has pixels a side, G
//! as many columns as the window has elements. Over many tiles and channels the product ⊙ becomes 36, 25 or 16 matrix products,
//! which are done by the same register tile as all convolutions.
//!
//! Lavin & Gray have ±1 and ±2 in the place of ±√½ and ±√2. Sizes whose product is one keep the powers in A and G near one, and
//! rounding errors small: ResNet-56 of docs/networks.md is off by a sixth (Barabasz et al. 2018, "Error analysis and improving
//! the accuracy of Winograd convolution for deep neural networks", compare points).
//!
//! Windows that go two pixels on at a time see of a line (d0 to d4) the odd numbers through their middle element alone, two products
//! for two results, and the even ones through the outer elements, which is F(2, 2) with points 0, 1 and ∞ (−1 would do as well as 1),
//! three products instead of four: (d0 − d2) g0, d2 (g0 + g2), (d2 − d4) g2, d1 g1 and d3 g1. All of these are rows of the same
//! matrices, with nothing but 0 and ±1 in them.

mod lines;
mod tiles;
mod values;
mod weights;

pub use tiles::Tiles;

use super::BLOCK;

/// Weights of a block of filters and one of channels, for one element of the window.
const PAIRS: usize = BLOCK * BLOCK;
