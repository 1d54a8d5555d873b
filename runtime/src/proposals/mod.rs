//! Proposals: boxes that may hold something, found without a network. R-CNN and Fast R-CNN classify them.
//!
//! [`segments`] cuts a picture into pieces of like colours (Felzenszwalb & Huttenlocher 2004), [`selective_search`] joins like
//! neighbours again and again and proposes the boxes of all that comes up (Uijlings et al. 2013).

mod grouping;
mod segments;

use crate::boxes::Corners;
use crate::data::Raster;
use crate::random::Random;

pub use segments::{Segmentation, Segments, segments};

/// How boxes are proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// Pictures are cut in each of these ways; each gives boxes of its own.
    pub segmentations: Vec<Segmentation>,
    /// Boxes with a shorter side, in pixels, are left out.
    pub least_side: f32,
    /// No more than so many are proposed.
    pub most: usize,
    /// Decides which, where there are more.
    pub seed: u64,
}

impl Default for Search {
    /// Two sizes of pieces, up to 300 boxes.
    fn default() -> Self {
        let segmentations = [60.0, 200.0].map(|scale| Segmentation { scale, ..Segmentation::default() }).to_vec();
        Self { segmentations, least_side: 8.0, most: 300, seed: 0 }
    }
}

/// Boxes around pieces of a picture and around all that comes up while like neighbours are joined, in the order of Uijlings et al.
/// 2013, section 3.3: those of late joins come early, blurred by chance. No box comes twice.
pub fn selective_search(raster: &Raster, search: &Search) -> Vec<Corners> {
    let mut random = Random::new(search.seed);
    let mut ranked: Vec<(f32, Corners)> = Vec::new();
    for segmentation in &search.segmentations {
        let boxes = grouping::boxes(raster, &segments(raster, segmentation));
        let ranks = (1..=boxes.len()).map(|position| position as f32 * random.unit());
        ranked.extend(ranks.zip(boxes.into_iter().rev()));
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut seen = std::collections::HashSet::new();
    let large = |b: &Corners| b.width() >= search.least_side && b.height() >= search.least_side;
    let boxes = ranked.into_iter().map(|(_, b)| b).filter(large);
    let mut new = |b: &Corners| seen.insert([b.x1, b.y1, b.x2, b.y2].map(f32::to_bits));
    boxes.filter(|b| new(b)).take(search.most).collect()
}

#[cfg(test)]
mod tests;
