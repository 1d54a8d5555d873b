//! Pixels moved from place to place.

use crate::data::Raster;

/// What is seen where the picture ends: black.
const OUTSIDE: f32 = 0.0;

/// A picture whose pixel at `(x, y)` is that of the old one at `source(x, y)`, between pixels a mean by distance. Places are in
/// pixels; the centre of the first one is (0.5, 0.5).
pub(super) fn resample(
    raster: &Raster,
    width: usize,
    height: usize,
    source: impl Fn(f32, f32) -> (f32, f32),
) -> Raster {
    let channels = raster.channels;
    let mut bytes = Vec::with_capacity(width * height * channels);
    let at = |x: i64, y: i64, channel: usize| {
        let inside = x >= 0 && y >= 0 && x < raster.width as i64 && y < raster.height as i64;
        if !inside {
            return OUTSIDE;
        }
        f32::from(raster.bytes[(y as usize * raster.width + x as usize) * channels + channel])
    };
    for row in 0..height {
        for column in 0..width {
            let (x, y) = source(column as f32 + 0.5, row as f32 + 0.5);
            // Far outside all is black; this also keeps the conversion in bounds.
            let (x, y) =
                (x.clamp(-4.0, raster.width as f32 + 4.0) - 0.5, y.clamp(-4.0, raster.height as f32 + 4.0) - 0.5);
            let (left, top) = (x.floor(), y.floor());
            let (fx, fy) = (x - left, y - top);
            let (left, top) = (left as i64, top as i64);
            for channel in 0..channels {
                let above = at(left, top, channel) * (1.0 - fx) + at(left + 1, top, channel) * fx;
                let below = at(left, top + 1, channel) * (1.0 - fx) + at(left + 1, top + 1, channel) * fx;
                bytes.push((above * (1.0 - fy) + below * fy).round() as u8);
            }
        }
    }
    Raster { width, height, channels, bytes }
}

/// `(a x + b y, c x + d y)` about the centre of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    a: f32,
    b: f32,
    c: f32,
    d: f32,
}

impl Affine {
    /// Clockwise as one sees it, since y grows downwards.
    pub(super) fn rotation(angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self { a: cos, b: -sin, c: sin, d: cos }
    }

    pub(super) fn shear(slope: f32) -> Self {
        Self { a: 1.0, b: slope, c: 0.0, d: 1.0 }
    }

    pub(super) fn apply(&self, (x, y): (f32, f32)) -> (f32, f32) {
        (self.a * x + self.b * y, self.c * x + self.d * y)
    }

    /// Both kinds keep areas, so the determinant is 1.
    pub(super) fn inverse(&self) -> Self {
        Self { a: self.d, b: -self.b, c: -self.c, d: self.a }
    }
}

/// A smooth field of displacements: random ones at the nodes of a grid, between them cubic B-splines.
pub(super) struct Field {
    columns: usize,
    step: f32,
    /// In pixels, x and y, row by row; the grid goes one node beyond the picture on the left and two on the right.
    nodes: Vec<[f32; 2]>,
}

impl Field {
    /// `place` draws the displacement of a node.
    pub(super) fn new(width: usize, height: usize, places: usize, mut place: impl FnMut() -> [f32; 2]) -> Self {
        let step = (width.max(height) as f32 / places as f32).max(1.0);
        let nodes = |n: usize| (n as f32 / step).ceil() as usize + 4;
        let (columns, rows) = (nodes(width), nodes(height));
        Self { columns, step, nodes: (0..columns * rows).map(|_| place()).collect() }
    }

    /// The displacement at a place.
    pub(super) fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let (x, y) = ((x / self.step).max(0.0), (y / self.step).max(0.0));
        let rows = self.nodes.len() / self.columns;
        let (column, row) = ((x as usize).min(self.columns - 4), (y as usize).min(rows - 4));
        let (wx, wy) = (spline(x - column as f32), spline(y - row as f32));
        let mut sum = [0.0; 2];
        for (j, wy) in wy.iter().enumerate() {
            for (i, wx) in wx.iter().enumerate() {
                let node = self.nodes[(row + j) * self.columns + column + i];
                sum = [sum[0] + wx * wy * node[0], sum[1] + wx * wy * node[1]];
            }
        }
        sum
    }

    /// Where `(x, y)` comes to lie, if the pixel at each place is taken from `place + at(place)`: the solution of
    /// `p + at(p) = (x, y)`, by iteration.
    pub(super) fn moved(&self, x: f32, y: f32) -> (f32, f32) {
        let mut place = (x, y);
        for _ in 0..20 {
            let [dx, dy] = self.at(place.0, place.1);
            place = (x - dx, y - dy);
        }
        place
    }
}

/// The weights of four nodes for a place from 0 to 1 between the middle two.
fn spline(t: f32) -> [f32; 4] {
    let t = t.clamp(0.0, 1.0);
    let s = 1.0 - t;
    [s * s * s / 6.0, (3.0 * t * t * (t - 2.0) + 4.0) / 6.0, (3.0 * s * s * (s - 2.0) + 4.0) / 6.0, t * t * t / 6.0]
}
