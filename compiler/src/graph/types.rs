//! Types of values.

use serde::Serialize;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Type {
    /// Whether the value exists once per image of the batch.
    pub batched: bool,
    /// Its shape without the batch, outermost first: channels, then depth, height, width as far as there are any.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub kind: Kind,
    /// How they lie in memory.
    #[serde(skip_serializing_if = "Layout::is_plain")]
    pub layout: Layout,
}

/// How the elements of a value lie in memory. Only the plan's business: what a value *is* does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// In the order of the shape.
    #[default]
    Plain,
    /// `[channels / 16][space...][16]`, the last block filled up with lanes that nobody reads.
    Blocked,
    /// Weights `[filters, channels, window...]` as a register tile reads them:
    /// `[filters / 16][channels / lanes][window][lanes][16]`.
    Packed {
        /// Input channels that are neighbours in the activations: 16, or 1 where each is a plane.
        lanes: usize,
    },
    /// The gradient of such weights, for two blocks of filters at a time:
    /// `[filters / 32][channels / 16][2][window][16][16]`, or `[filters / 32][2][channels][window][16]` where each channel is a
    /// plane.
    PackedPairs {
        /// As in `Packed`.
        lanes: usize,
    },
    /// Weights of a window 3×3 or 5×5 in Winograd's space of products: `[filters / 16][points²][channels + 1][16]`. Without the cache
    /// line behind the channels of a point, the numbers of a weight would fall into one set of the cache, and be written as slowly.
    WinogradWeights {
        /// Points a side: 6, 5 or 4.
        points: usize,
    },
    /// Activations in Winograd's space of products: `[channels / 16][points²][pitch][16]`, see [`winograd_pitch`]. Tiles are in
    /// the order of `Tiles::run` of the runtime; points that a tile which sticks out does not have are undefined.
    WinogradTiles {
        /// Points a side: 6, 5 or 4.
        points: usize,
        /// Tiles of 4×4, 3×3 or 2×2 outputs.
        tiles: usize,
    },
}

/// Channels of a block.
pub const BLOCK: usize = 16;

/// Places for some tiles of a point: an odd number of cache lines, so that the numbers of a tile fall into different sets of
/// the cache.
pub fn winograd_pitch(tiles: usize) -> usize {
    tiles | 1
}

impl Layout {
    /// Whether elements are in the order of the shape.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// What the elements of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `f32`
    Float,
    /// The index of one of this many classes.
    Class(usize),
}

impl Type {
    /// A float per image.
    pub fn batched(shape: impl Into<Vec<usize>>) -> Self {
        Self { batched: true, shape: shape.into(), kind: Kind::Float, layout: Layout::Plain }
    }

    /// A float that the whole batch shares.
    pub fn single(shape: impl Into<Vec<usize>>) -> Self {
        Self { batched: false, shape: shape.into(), kind: Kind::Float, layout: Layout::Plain }
    }

    /// Number of elements, of one image where batched.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The same value in another order.
    #[must_use]
    pub fn laid_out(&self, layout: Layout) -> Self {
        Self { layout, ..self.clone() }
    }

    /// Floats that it takes in memory, of one image where batched.
    pub fn floats(&self) -> usize {
        let blocks = self.channels().div_ceil(BLOCK);
        let space: usize = self.spatial().iter().product();
        let (inner, window) = (self.shape.get(1).copied().unwrap_or(1), self.shape.get(2..).unwrap_or(&[]));
        match self.layout {
            Layout::Plain => self.len(),
            Layout::Blocked => blocks * space * BLOCK,
            Layout::Packed { lanes } => {
                blocks * BLOCK * inner.next_multiple_of(lanes) * window.iter().product::<usize>()
            }
            Layout::PackedPairs { lanes } => {
                blocks.next_multiple_of(2) * BLOCK * inner.next_multiple_of(lanes) * window.iter().product::<usize>()
            }
            Layout::WinogradWeights { points } => {
                blocks * points * points * (inner.next_multiple_of(BLOCK) + 1) * BLOCK
            }
            Layout::WinogradTiles { points, tiles } => blocks * points * points * winograd_pitch(tiles) * BLOCK,
        }
    }

    /// Blocks of channels.
    pub fn blocks(&self) -> usize {
        self.channels().div_ceil(BLOCK)
    }

    /// Whether there are none (types in a graph always have some).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first dimension.
    pub fn channels(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// The dimensions after the first.
    pub fn spatial(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or(&[])
    }
}

/// `[6, 28, 28]`
pub fn show_shape(shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", dims.join(", "))
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Float => {
                f.write_str(&show_shape(&self.shape))?;
                f.write_str(match self.layout {
                    Layout::Plain => "",
                    Layout::Blocked => " blocked",
                    Layout::Packed { .. } | Layout::PackedPairs { .. } => " packed",
                    Layout::WinogradWeights { .. } | Layout::WinogradTiles { .. } => " transformed",
                })
            }
            Kind::Class(n) if self.shape.is_empty() => write!(f, "class({n})"),
            Kind::Class(n) => write!(f, "class({n}, {})", show_shape(&self.shape)),
        }
    }
}
