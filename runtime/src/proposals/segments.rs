//! Pieces of like colours, by a graph of pixels (Felzenszwalb & Huttenlocher 2004, "Efficient graph-based image segmentation").

use crate::data::Raster;

/// How a picture is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segmentation {
    /// The larger, the larger pieces: a piece of `n` pixels may differ from its neighbour by `scale / n` more than within. Differences
    /// are distances of colours, each channel from 0 to 255.
    pub scale: f32,
    /// The picture is smoothed with this standard deviation before, in pixels; 0 for not at all.
    pub sigma: f32,
    /// Smaller pieces, in pixels, join a neighbour.
    pub least: usize,
}

impl Default for Segmentation {
    fn default() -> Self {
        Self { scale: 100.0, sigma: 0.8, least: 20 }
    }
}

/// A picture in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// The piece of each pixel, row by row.
    pub labels: Vec<usize>,
    /// How many pieces there are.
    pub count: usize,
}

/// Cuts a picture into pieces.
pub fn segments(raster: &Raster, how: &Segmentation) -> Segments {
    let edges = sorted_edges(raster, &smoothed(raster, how.sigma));
    let mut forest = Forest::new(raster.width * raster.height, how.scale);
    for edge in &edges {
        let (a, b) = (forest.root(edge.a), forest.root(edge.b));
        if a != b && edge.difference <= forest.bounds[a].min(forest.bounds[b]) {
            forest.join(a, b, edge.difference);
        }
    }
    for edge in &edges {
        let (a, b) = (forest.root(edge.a), forest.root(edge.b));
        if a != b && forest.sizes[a].min(forest.sizes[b]) < how.least {
            forest.join(a, b, edge.difference);
        }
    }
    forest.labels()
}

/// Two neighbours and how much they differ.
struct Edge {
    difference: f32,
    a: usize,
    b: usize,
}

/// All pairs of the eight neighbours, the most alike first.
fn sorted_edges(raster: &Raster, planes: &[Vec<f32>]) -> Vec<Edge> {
    let (width, height) = (raster.width, raster.height);
    let mut edges = Vec::with_capacity(4 * width * height);
    for y in 0..height {
        for x in 0..width {
            let a = y * width + x;
            let mut to = |inside: bool, b: usize| {
                if inside {
                    let squares = planes.iter().map(|plane| (plane[a] - plane[b]).powi(2));
                    edges.push(Edge { difference: squares.sum::<f32>().sqrt(), a, b });
                }
            };
            to(x + 1 < width, a + 1);
            to(y + 1 < height, a + width);
            to(x + 1 < width && y + 1 < height, a + width + 1);
            to(x > 0 && y + 1 < height, (a + width).saturating_sub(1));
        }
    }
    edges.sort_by(|a, b| a.difference.total_cmp(&b.difference));
    edges
}

/// The channels, smoothed by a Gaussian along rows and columns.
fn smoothed(raster: &Raster, sigma: f32) -> Vec<Vec<f32>> {
    let reach = (4.0 * sigma).ceil() as i64;
    let mut taps: Vec<f32> = (-reach..=reach).map(|i| (-0.5 * (i as f32 / sigma.max(1e-6)).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    let (width, height) = (raster.width as i64, raster.height as i64);
    let along = |plane: &[f32], dx: i64, dy: i64| -> Vec<f32> {
        // Beyond a side its pixels go on.
        let at = |x: i64, y: i64| plane[(y.clamp(0, height - 1) * width + x.clamp(0, width - 1)) as usize];
        let value = |i: i64| {
            let (x, y) = (i % width, i / width);
            (-reach..=reach).zip(&taps).map(|(t, tap)| tap * at(x + t * dx, y + t * dy)).sum()
        };
        (0..width * height).map(value).collect()
    };
    let channel = |c: usize| -> Vec<f32> {
        let plane: Vec<f32> =
            raster.bytes.iter().skip(c).step_by(raster.channels).map(|byte| f32::from(*byte)).collect();
        along(&along(&plane, 1, 0), 0, 1)
    };
    (0..raster.channels).map(channel).collect()
}

/// Pieces that grow together: each pixel points towards the one that stands for its piece.
struct Forest {
    parents: Vec<usize>,
    sizes: Vec<usize>,
    /// How much a neighbour may differ to join: the largest difference within, and more for small pieces.
    bounds: Vec<f32>,
    scale: f32,
}

impl Forest {
    fn new(pixels: usize, scale: f32) -> Self {
        Self { parents: (0..pixels).collect(), sizes: vec![1; pixels], bounds: vec![scale; pixels], scale }
    }

    fn root(&mut self, mut pixel: usize) -> usize {
        while self.parents[pixel] != pixel {
            self.parents[pixel] = self.parents[self.parents[pixel]];
            pixel = self.parents[pixel];
        }
        pixel
    }

    /// Joins two roots over an edge; edges come in rising order, so that this one differs most.
    fn join(&mut self, a: usize, b: usize, difference: f32) {
        let (large, small) = if self.sizes[a] >= self.sizes[b] { (a, b) } else { (b, a) };
        self.parents[small] = large;
        self.sizes[large] += self.sizes[small];
        self.bounds[large] = difference + self.scale / self.sizes[large] as f32;
    }

    /// Pieces numbered in the order of their first pixels.
    fn labels(mut self) -> Segments {
        let mut numbers = vec![usize::MAX; self.parents.len()];
        let mut count = 0;
        let mut label = |root: usize| {
            if numbers[root] == usize::MAX {
                numbers[root] = count;
                count += 1;
            }
            numbers[root]
        };
        let labels = (0..self.parents.len()).map(|pixel| label(self.root(pixel))).collect();
        Segments { labels, count }
    }
}
