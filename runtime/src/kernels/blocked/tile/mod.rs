//! The register tile under every blocked convolution and matrix product.
//!
//! A tile holds one, two or four blocks of sixteen output channels of up to 28, 14 or 6 pixels in registers while it walks input
//! channels and taps: each step loads the weights of a block and multiplies them with one number of each pixel. Where it walks
//! all of them at once everything is written once, after bias, sum and activation. See Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions".

#![cfg_attr(
    not(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64")),
    allow(dead_code, unused_macros, reason = "portable code has loops of its own")
)]

mod ask;
#[cfg(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64"))]
mod narrow;
mod portable;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod wide;

use super::{BLOCK, extent};
use crate::Strip;
use crate::isa::Level;
use crate::simd::Vector;
pub use ask::Next;
use ask::{Ask, Sharing};

/// What one call computes: rows of pixels of some blocks of output channels.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    /// Input channels.
    pub channels: usize,
    /// Input channels that are neighbours in memory: 16, or 1 where each channel is a plane.
    pub lanes: usize,
    /// Floats from one block of input channels (or plane) to the next.
    pub block: usize,
    /// What each tap sees, in floats from the first one's place.
    pub taps: &'a [usize],
    /// Pixels of a row.
    pub columns: usize,
    /// Floats from what a row sees to what the next one sees.
    pub x_row: usize,
    /// Floats from the weights of one block of output channels to those of the next.
    pub w_block: usize,
    /// What comes next, which some tiles ask memory for meanwhile.
    pub next: Next<'a>,
}

/// What happens to a sum of products before it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// Added to each channel, from the first one on that is computed.
    pub bias: Option<&'a [f32]>,
    /// Added to each element: a shortcut of the layout of the result, from the first element on that is computed.
    pub add: Option<&'a [f32]>,
    /// The activation behind.
    pub slope: Slope,
}

/// Activations that a tile applies: x where positive, else this times x.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Slope {
    /// No activation.
    #[default]
    One,
    /// max(x, 0)
    Relu,
    /// max(x, slope · x), of a slope from 0 to 1.
    Leaky(f32),
}

impl Tile<'_> {
    /// Floats of the weights of one block of output channels.
    pub(super) fn weights(&self) -> usize {
        extent([[self.channels.div_ceil(self.lanes), self.lanes, self.taps.len(), BLOCK]])
    }

    /// The same of some of the channels.
    fn weights_of(&self, channels: usize) -> usize {
        channels * self.taps.len() * BLOCK
    }

    fn check(&self, rows: usize, x: &[f32], w: &[f32], finish: &Finish<'_>, y: &Strip<'_>) {
        assert!(self.lanes == BLOCK || self.lanes == 1, "lanes of a block or of a plane");
        assert!(self.channels > 0 && rows > 0 && self.columns > 0 && !y.planes().is_empty(), "a tile of something");
        let blocks = self.channels.div_ceil(self.lanes);
        let tap = self.taps.iter().copied().max().expect("a tap");
        let farthest = extent([[tap, 1], [blocks - 1, self.block], [rows - 1, self.x_row], [self.columns, self.lanes]]);
        assert!(x.len() >= farthest, "input of {} floats, {farthest} are read", x.len());
        let last = y.planes().len() - 1;
        assert!(w.len() >= extent([[last, self.w_block], [self.weights(), 1]]), "weights");
        let floats = extent([[rows, self.columns, BLOCK]]);
        assert!(y.len() >= floats, "output");
        assert!(finish.bias.is_none_or(|b| b.len() >= (last + 1) * BLOCK), "bias");
        assert!(finish.add.is_none_or(|a| a.len() >= extent([[last, y.pitch()], [floats, 1]])), "shortcut");
    }

    /// Floats from the end of what a row sees to what the next one sees; before it, where rows overlap.
    fn row_gap(&self) -> usize {
        self.x_row.wrapping_sub(self.columns * self.lanes)
    }

    /// The pixels of a call share in what the same call reads.
    fn sharing(&self, rows: usize) -> Sharing {
        Sharing { before: 0, all: rows * self.columns }
    }

    /// What each of `width` pixels sees, of which the first is in `column` and sees `x`.
    #[inline(always)]
    fn seen(&self, x: *const f32, column: usize, width: usize) -> [*const f32; NARROW] {
        let in_a_row: [*const f32; NARROW] = core::array::from_fn(|i| x.wrapping_add(i * self.lanes));
        if column + width <= self.columns {
            return in_a_row;
        }
        let rows_on = |i: usize| (column + i) / self.columns;
        core::array::from_fn(|i| in_a_row[i].wrapping_add(rows_on(i).wrapping_mul(self.row_gap())))
    }
}

/// What is best for a core. Results do not depend on it, not in a bit.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels::blocked) struct Core {
    /// Whether to take four blocks of output channels at a time: fewer pixels are loaded for as many sums, but more weights. Of
    /// AVX-512 alone.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "narrow tiles have one block"))]
    pub quads: bool,
    /// Bytes of weights that stay in a cache while all pixels of a call meet them, so many input channels at a time; the sums go
    /// through memory from part to part.
    pub part: usize,
}

impl Core {
    /// For tiles of AVX-512 where memory holds nothing up: reads weights from the second-level cache for every tile.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "as it says"))]
    pub const SMALL: Self = Self { quads: false, part: usize::MAX };

    /// For tiles of other instruction sets, which are small and so read weights often: what leaves second-level caches of 512 KiB
    /// room for pixels.
    const OTHER: Self = Self { quads: false, part: 64 * 1024 };

    /// This machine's. Most cores with a first-level cache of 48 KiB or more (of Intel's servers since Ice Lake, of AMD's since
    /// Zen 5) do two multiply-adds of sixteen floats a cycle, so that loads hold them up, most of all where another thread runs
    /// on the same core.
    fn here(level: Level) -> Self {
        match level {
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => match crate::cache::first_level() / 1024 {
                ..48 => Self::SMALL,
                kib => Self { quads: true, part: kib * 1024 / 2 },
            },
            _ => Self::OTHER,
        }
    }
}

/// The input channels of a call, which are walked so many at a time, in so many parts.
#[derive(Clone, Copy)]
struct Parts {
    each: usize,
    count: usize,
}

impl Parts {
    /// As many as it takes for the weights of `blocks` blocks and the channels of a part to be at most `bytes`; one where all are
    /// hardly more, or only one of `tiles` meets them.
    #[inline(always)]
    fn of(tile: &Tile<'_>, blocks: usize, tiles: usize, bytes: usize) -> Self {
        let channel = blocks * BLOCK * size_of::<f32>() * tile.taps.len();
        let hardly_more = tile.channels * channel < bytes.saturating_add(bytes / 2);
        if tiles == 1 || hardly_more || tile.lanes < BLOCK || bytes < BLOCK * channel {
            return Self { each: tile.channels, count: 1 };
        }
        let most = bytes / channel / BLOCK * BLOCK;
        let each = tile.channels.div_ceil(tile.channels.div_ceil(most)).next_multiple_of(BLOCK);
        Self { each, count: tile.channels.div_ceil(each) }
    }
}

impl crate::Isa {
    /// The blocks of output channels that are the planes of `y`, `rows` rows of pixels which follow each other without gaps.
    /// Weights of a block are `[input blocks][taps][lanes][16]`; weights, bias and shortcut begin with those of the first
    /// block.
    ///
    /// # Panics
    /// If a slice is shorter than what the numbers say.
    pub fn convolve(self, tile: &Tile<'_>, rows: usize, x: &[f32], w: &[f32], finish: &Finish<'_>, y: &mut Strip<'_>) {
        self.convolve_on(Core::here(self.0), tile, rows, x, w, finish, y);
    }

    /// [`convolve`](Self::convolve) as is best for some core.
    #[allow(clippy::too_many_arguments, reason = "those of `convolve`")]
    pub(super) fn convolve_on(
        self,
        core: Core,
        tile: &Tile<'_>,
        rows: usize,
        x: &[f32],
        w: &[f32],
        finish: &Finish<'_>,
        y: &mut Strip<'_>,
    ) {
        tile.check(rows, x, w, finish, y);
        let (y_block, blocks) = (y.pitch(), y.planes().len());
        let place = Place {
            x: x.as_ptr(),
            w: w.as_ptr(),
            bias: finish.bias.map_or(core::ptr::null(), <[f32]>::as_ptr),
            add: finish.add.map_or(core::ptr::null(), <[f32]>::as_ptr),
            slope: finish.slope,
            y: y.start(),
            y_block,
            sharing: match tile.next {
                Next::Shared(_) => Sharing { before: y.offset() / BLOCK, all: y_block / BLOCK },
                Next::Weights(_) | Next::Memory(_) => tile.sharing(rows),
            },
            ask: Ask::NOTHING,
            channels: tile.channels,
            resumed: false,
            core,
        };
        // SAFETY: an `Isa` of a level is only made where detection found its features; the slices were measured above, and
        // `y` lends its planes to this call alone.
        unsafe {
            match self.0 {
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Level::Avx512 => avx512(tile, rows, blocks, place),
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Level::Avx2 => AVX2.convolve(tile, rows, blocks, place),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => NEON.convolve(tile, rows, blocks, place),
                Level::Portable => portable::portable(tile, rows, blocks, place),
            }
        }
    }
}

/// # Safety
/// The processor has these features; see [`wide::wide`].
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(tile: &Tile<'_>, rows: usize, blocks: usize, place: Place) {
    // SAFETY: the caller's promises.
    unsafe { wide::wide(tile, rows, blocks, place) }
}

/// The narrow tiles of an instruction set, each a function of its own: in one that holds all of them, the compiler keeps sums in
/// memory.
#[cfg(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64"))]
macro_rules! narrow_tiles {
    ($name:ident, $vector:ty, $group:literal, #[$feature:meta]) => {
        const $name: narrow::Narrow = {
            /// # Safety
            /// The processor has these features; see [`narrow::run`].
            #[$feature]
            unsafe fn run<const N: usize, const LANES: usize>(
                tile: &Tile<'_>,
                run: narrow::Run,
                place: &Place,
                asked: &ask::Asked,
            ) {
                // SAFETY: the caller's promises.
                unsafe { narrow::run::<$vector, $group, N, LANES>(tile, run, place, asked) }
            }
            narrow::Narrow {
                blocks: [run::<1, 16>, run::<2, 16>, run::<3, 16>, run::<4, 16>, run::<5, 16>, run::<6, 16>],
                planes: [run::<1, 1>, run::<2, 1>, run::<3, 1>, run::<4, 1>, run::<5, 1>, run::<6, 1>],
            }
        };
    };
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
narrow_tiles!(AVX2, crate::simd::avx2::F32x8, 2, #[target_feature(enable = "avx2,fma")]);

#[cfg(target_arch = "aarch64")]
narrow_tiles!(NEON, crate::simd::neon::F32x4, 4, #[target_feature(enable = "neon")]);

/// Where a tile reads and writes.
#[derive(Clone, Copy)]
struct Place {
    x: *const f32,
    w: *const f32,
    /// Null where there is none. (The pointer of an empty `Option` is undefined, and compilers test it ahead of loops that then
    /// do not use it: harmless, but memory checkers say so.)
    bias: *const f32,
    /// The shortcut; null where there is none.
    add: *const f32,
    slope: Slope,
    y: *mut f32,
    /// Floats from one block of the output to the next.
    y_block: usize,
    /// Who shares in asking for what comes after the last block.
    sharing: Sharing,
    ask: Ask,
    /// Input channels that are multiplied.
    channels: usize,
    /// Whether the sums of other channels are in the output already.
    resumed: bool,
    core: Core,
}

impl Place {
    /// So many pixels of the output and floats of the input further on.
    #[inline(always)]
    fn pixels(self, pixels: usize, x: usize) -> Self {
        Self {
            x: self.x.wrapping_add(x),
            y: self.y.wrapping_add(pixels * BLOCK),
            add: further(self.add, pixels * BLOCK),
            ..self
        }
    }

    /// With one of some parts of the input channels, of calls of so many pixels.
    #[inline(always)]
    fn part(self, tile: &Tile<'_>, Parts { each, count }: Parts, index: usize, pixels: usize) -> Self {
        let left = tile.channels - index * each;
        let Sharing { before, all } = self.sharing;
        Self {
            x: self.x.wrapping_add((index * each / BLOCK).wrapping_mul(tile.block)),
            w: self.w.wrapping_add(index * tile.weights_of(each)),
            sharing: Sharing { before: before * count + index * pixels, all: all * count },
            channels: left.min(each),
            resumed: index > 0,
            add: if left <= each { self.add } else { core::ptr::null() },
            slope: if left <= each { self.slope } else { Slope::One },
            ..self
        }
    }

    /// So many blocks of output channels further on.
    #[inline(always)]
    fn blocks(self, blocks: usize, w_block: usize) -> Self {
        Self {
            w: self.w.wrapping_add(blocks * w_block),
            y: self.y.wrapping_add(blocks * self.y_block),
            bias: further(self.bias, blocks * BLOCK),
            add: further(self.add, blocks * self.y_block),
            ..self
        }
    }
}

/// So many floats further on, where there are any.
#[inline(always)]
fn further(at: *const f32, floats: usize) -> *const f32 {
    if at.is_null() { at } else { at.wrapping_add(floats) }
}

/// Pixels of the widest tile: of one block of output channels; of two it is half, of four less, for registers to hold weights.
const MOST: usize = 28;

/// The same of narrow tiles.
const NARROW: usize = 6;

/// Repeats code for each of the first `$n` pixels, with the pixel's number as a constant: indices must not depend on a
/// loop's variable, or the compiler keeps the sums in memory.
macro_rules! each_pixel {
    ($n:expr, $pixel:ident, $body:block) => {
        each_pixel!(@ $n, $pixel, $body,
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27)
    };
    (@ $n:expr, $pixel:ident, $body:block, $($i:literal)*) => {
        {
            $(if $i < $n {
                const $pixel: usize = $i;
                $body
            })*
        }
    };
}

#[cfg_attr(
    not(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64")),
    allow(unused_imports, reason = "portable code has loops of its own")
)]
use each_pixel;

/// Sums of `M` blocks, of `G` registers each, for every pixel.
type Sums<V, const M: usize, const G: usize> = [[[V; G]; M]; MOST];

/// Shortcut, activation, and into memory.
///
/// # Safety
/// The vector's instructions are there, and the pixels of the place exist.
#[inline(always)]
unsafe fn write<V: Vector, const M: usize, const G: usize, const R: usize, const C: usize>(
    mut sums: Sums<V, M, G>,
    place: Place,
) {
    macro_rules! each {
        (|$sum:ident, $at:ident| $value:expr) => {
            each_pixel!(R * C, PIXEL, {
                for m in 0..M {
                    for g in 0..G {
                        let $at = m * place.y_block + PIXEL * BLOCK + g * V::LANES;
                        let $sum = sums[PIXEL][m][g];
                        sums[PIXEL][m][g] = $value;
                    }
                }
            })
        };
    }
    // SAFETY: the pixels are the tile's.
    unsafe {
        if !place.add.is_null() {
            each!(|sum, at| sum.add(V::load(place.add.add(at))));
        }
        match place.slope {
            Slope::One => {}
            Slope::Relu => each!(|sum, _at| slope(sum, Slope::Relu)),
            Slope::Leaky(factor) => each!(|sum, _at| slope(sum, Slope::Leaky(factor))),
        }
        each!(|sum, at| {
            sum.store(place.y.add(at));
            sum
        });
    }
}

/// The activation of a register.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn slope<V: Vector>(value: V, slope: Slope) -> V {
    // SAFETY: the caller's promise. The second operand of a maximum wins where one is NaN, on x86; so NaN stays.
    unsafe {
        match slope {
            Slope::One => value,
            Slope::Relu => V::zero().max(value),
            Slope::Leaky(slope) => value.mul(V::splat(slope)).max(value),
        }
    }
}
