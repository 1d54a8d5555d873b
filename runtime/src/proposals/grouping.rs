//! Pieces of a picture joined step by step, the most alike neighbours first (Uijlings et al. 2013, "Selective search for object
//! recognition", section 3). Alike are pieces of like colours, small pieces, and those that fill the box around both; the paper's
//! likeness of textures is left out.

use std::collections::BTreeMap;

use super::Segments;
use crate::boxes::Corners;
use crate::data::Raster;

/// Bins of each channel's histogram.
const BINS: usize = 25;

/// Some pixels that belong together.
struct Piece {
    pixels: f32,
    corners: Corners,
    /// Shares of the colours, channel by channel.
    histogram: Vec<f32>,
}

impl Piece {
    fn joined(&self, other: &Self) -> Self {
        let pixels = self.pixels + other.pixels;
        let mean = |(a, b): (&f32, &f32)| (a * self.pixels + b * other.pixels) / pixels;
        let histogram = self.histogram.iter().zip(&other.histogram).map(mean).collect();
        Self { pixels, corners: self.corners.hull(&other.corners), histogram }
    }

    /// How alike two pieces are, of a picture of so many pixels: equations 1, 4 and 5 of the paper.
    fn likeness(&self, other: &Self, all: f32) -> f32 {
        let color: f32 = self.histogram.iter().zip(&other.histogram).map(|(a, b)| a.min(*b)).sum();
        let size = 1.0 - (self.pixels + other.pixels) / all;
        let fill = 1.0 - (self.corners.hull(&other.corners).area() - self.pixels - other.pixels) / all;
        color + size + fill
    }
}

/// The boxes of all pieces, then of what they are joined to, in that order; the last one is the whole picture.
pub(super) fn boxes(raster: &Raster, segments: &Segments) -> Vec<Corners> {
    let mut pieces = pieces(raster, segments);
    let all = (raster.width * raster.height) as f32;
    let mut likeness: BTreeMap<(usize, usize), f32> =
        neighbours(raster, segments).into_iter().map(|(a, b)| ((a, b), pieces[a].likeness(&pieces[b], all))).collect();
    while let Some((&(a, b), _)) = likeness.iter().max_by(|x, y| x.1.total_cmp(y.1).then(y.0.cmp(x.0))) {
        let (new, joined) = (pieces.len(), pieces[a].joined(&pieces[b]));
        let of_either = |pair: &(usize, usize)| [pair.0, pair.1].iter().any(|piece| *piece == a || *piece == b);
        let touching: Vec<(usize, usize)> = likeness.keys().copied().filter(of_either).collect();
        for pair in touching {
            likeness.remove(&pair);
            if let Some(other) = [pair.0, pair.1].into_iter().find(|piece| *piece != a && *piece != b) {
                likeness.insert((other, new), pieces[other].likeness(&joined, all));
            }
        }
        pieces.push(joined);
    }
    pieces.into_iter().map(|piece| piece.corners).collect()
}

fn pieces(raster: &Raster, segments: &Segments) -> Vec<Piece> {
    let nowhere = Corners { x1: f32::INFINITY, y1: f32::INFINITY, x2: f32::NEG_INFINITY, y2: f32::NEG_INFINITY };
    let none = || Piece { pixels: 0.0, corners: nowhere, histogram: vec![0.0; BINS * raster.channels] };
    let mut pieces: Vec<Piece> = (0..segments.count).map(|_| none()).collect();
    for (i, (&label, colors)) in segments.labels.iter().zip(raster.bytes.chunks_exact(raster.channels)).enumerate() {
        let (x, y) = ((i % raster.width) as f32, (i / raster.width) as f32);
        let piece = &mut pieces[label];
        piece.pixels += 1.0;
        piece.corners = piece.corners.hull(&Corners { x1: x, y1: y, x2: x + 1.0, y2: y + 1.0 });
        for (channel, &color) in colors.iter().enumerate() {
            piece.histogram[channel * BINS + usize::from(color) * BINS / 256] += 1.0;
        }
    }
    for piece in &mut pieces {
        let all = piece.pixels * raster.channels as f32;
        piece.histogram.iter_mut().for_each(|share| *share /= all);
    }
    pieces
}

/// Pairs of pieces that touch, the lower number first.
fn neighbours(raster: &Raster, segments: &Segments) -> std::collections::BTreeSet<(usize, usize)> {
    let (width, labels) = (raster.width, &segments.labels);
    let right = (0..labels.len()).filter(|i| (i + 1) % width != 0).map(|i| (labels[i], labels[i + 1]));
    let below = (0..labels.len().saturating_sub(width)).map(|i| (labels[i], labels[i + width]));
    right.chain(below).filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect()
}
