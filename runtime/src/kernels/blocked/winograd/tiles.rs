//! Where tiles are, and which points they have.

use super::super::{BLOCK, Finish, extent};

/// Where tiles are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Rows and columns of what is read.
    pub input: [usize; 2],
    /// Rows and columns of what is written.
    pub output: [usize; 2],
    /// Padding above and on the left of what is read.
    pub pad: [usize; 2],
    /// Points a side: 6, or 4 for a window 3×3; 5 for one that goes two pixels on at a time.
    pub points: usize,
    /// Pixels of a tile's side: 1 + (points − elements of the window's side) / stride.
    pub side: usize,
    /// Pixels from one window to the next, along either side.
    pub stride: usize,
    /// Tiles in a row of them.
    pub columns: usize,
    /// Whether tiles that stick out of the output do with fewer points: the last ones of rows and columns that are no multiple of
    /// the side. The others' numbers are undefined then, and tiles are in the order of [`Tiles::run`].
    pub ragged: bool,
}

/// Which of the points are for a line of some pixels, a bit for each.
pub(super) type Points = u8;

/// The points that `pixels` results along one axis of a tile of this side need. All but ∞ are enough for one less; with the
/// points of F(4×4, 3×3), 0 and ±√½ are those of F(1, 3) and with ∞ those of F(2, 3); of windows that go two pixels on, those of
/// the first result.
const fn points_for(points: usize, side: usize, pixels: usize) -> Points {
    match (points, side, pixels) {
        _ if pixels == side => (1 << points) - 1,
        (6, 4, 1) => 0b00_0111,
        (6, 4, 2) => 0b10_0111,
        (5, 2, _) => 0b0_1011,
        _ => (1 << (points - 1)) - 1,
    }
}

/// The last tiles of rows or columns, where these are ragged.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    /// Whole tiles before it.
    pub whole: usize,
    /// Pixels that it has of the output; none where all tiles are whole.
    pub pixels: usize,
    /// Its points, and those of whole tiles.
    pub points: Points,
    pub all: Points,
}

impl Edge {
    fn tiles(&self) -> usize {
        usize::from(self.pixels > 0)
    }

    /// The points of the tile of this index.
    #[inline(always)]
    pub(super) fn points_of(&self, index: usize) -> Points {
        if index < self.whole { self.all } else { self.points }
    }

    /// How many of its tiles have a point.
    fn tiles_of(&self, point: usize) -> usize {
        if self.points >> point & 1 == 1 { self.tiles() } else { 0 }
    }
}

impl Tiles {
    /// The last row or column of tiles.
    pub(super) fn edge(&self, axis: usize) -> Edge {
        let (side, size) = (self.side, self.output[axis]);
        let pixels = if self.ragged { size % side } else { 0 };
        let whole = size.div_ceil(side) - usize::from(pixels > 0);
        let points = |pixels| points_for(self.points, side, pixels);
        Edge { whole, pixels, points: points(if pixels > 0 { pixels } else { side }), all: points(side) }
    }

    /// Where the tiles are that have a point, among those of all: this many from this one on. Ragged tiles stand so that these are
    /// neighbours for each point: those of the last row but for its last, whole ones row by row, those of the last column, and
    /// that of both.
    pub fn run(&self, point: usize) -> core::ops::Range<usize> {
        let [rows, columns] = [0, 1].map(|axis| self.edge(axis));
        let (below, beside) = (rows.tiles_of(point / self.points), columns.tiles_of(point % self.points));
        let (all_below, whole) = (rows.tiles() * columns.whole, rows.whole * columns.whole);
        let first = if below > 0 { 0 } else { all_below };
        first..all_below + whole + beside * (rows.whole + below)
    }

    /// The pixels of a tile that has matrices of its own for them, else 0.
    #[inline(always)]
    pub(super) fn short(&self, edge: Edge, index: usize) -> usize {
        let own = (self.points, self.side) == (6, 4) && edge.pixels <= 2;
        if own && index >= edge.whole { edge.pixels } else { 0 }
    }

    /// Where a tile is among all.
    #[inline(always)]
    pub(super) fn index(&self, [rows, columns]: [Edge; 2], row: usize, column: usize) -> usize {
        if !self.ragged {
            return row * self.columns + column;
        }
        let (below, whole) = (rows.tiles() * columns.whole, rows.whole * columns.whole);
        match (row < rows.whole, column < columns.whole) {
            (true, true) => below + row * columns.whole + column,
            (false, true) => (row - rows.whole) * columns.whole + column,
            (_, false) => below + whole + row,
        }
    }

    /// Whether there are transforms for these numbers of points and pixels.
    fn known(&self) -> bool {
        matches!((self.points, self.side, self.stride), (6, 2..=4, 1) | (4, 2, 1) | (5, 2, 2))
    }

    /// Floats of `tiles` transformed tiles, whose points are `pitch` tiles apart.
    fn floats(&self, pitch: usize, tiles: usize) -> usize {
        extent([[self.points * self.points - 1, pitch, BLOCK], [tiles, BLOCK, 1]])
    }

    /// Ragged tiles are computed all at once.
    fn check_ragged(&self, first: usize, rows: usize) {
        let all = [rows, self.columns] == self.output.map(|size| size.div_ceil(self.side));
        assert!(!self.ragged || all && first == 0, "ragged tiles, all of them");
    }

    pub(super) fn check_input(&self, first: usize, rows: usize, pitch: usize, x: &[f32], v: &[f32]) {
        let tiles = extent([[rows, self.columns]]);
        assert!(tiles > 0 && tiles <= pitch, "tiles fit their pitch");
        assert!(self.known(), "tiles of four, five or six points");
        self.check_ragged(first, rows);
        assert!(x.len() >= extent([[self.input[0], self.input[1], BLOCK]]), "input of the transform");
        assert!(v.len() >= self.floats(pitch, tiles), "result of the transform");
    }

    pub(super) fn check_output(
        &self,
        first: usize,
        rows: usize,
        pitch: usize,
        m: &[f32],
        finish: &Finish<'_>,
        y: &[f32],
    ) {
        let ([height, width], side) = (self.output, self.side);
        assert!(self.known(), "tiles of four, five or six points");
        self.check_ragged(first, rows);
        let (tiles, lines) = (extent([[rows, self.columns]]), (height - first * side).min(extent([[rows, side]])));
        let floats = extent([[lines, width, BLOCK]]);
        assert!(self.columns == width.div_ceil(side), "tiles cover the columns");
        assert!(rows > 0 && (first + rows - 1) * side < height, "every row of tiles has pixels");
        assert!(tiles <= pitch, "tiles fit their pitch");
        assert!(m.len() >= self.floats(pitch, tiles), "input of the transform");
        assert!(y.len() >= floats, "result of the transform");
        assert!(finish.bias.is_none_or(|b| b.len() >= BLOCK), "bias");
        assert!(finish.add.is_none_or(|a| a.len() >= floats), "shortcut");
    }

    pub(super) fn check_upstream(&self, first: usize, rows: usize, pitch: usize, dy: &[f32], v: &[f32]) {
        let tiles = extent([[rows, self.columns]]);
        assert!(tiles > 0 && tiles <= pitch && first * 4 < self.output[0], "tiles fit their pitch");
        assert!((self.points, self.side) == (6, 4), "tiles of six points and windows 3×3");
        assert!(!self.ragged, "tiles that have all points");
        assert!(self.columns == self.output[1].div_ceil(4), "tiles cover the columns");
        assert!(dy.len() >= extent([[self.output[0], self.output[1], BLOCK]]), "input of the transform");
        assert!(v.len() >= self.floats(pitch, tiles), "result of the transform");
    }
}
