//! Regions that selective search proposes for pictures.

use std::time::Instant;

use cnnc_examples::{Result, progress};
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::Collection;
use cnnc_runtime::proposals::{Search, Segmentation, selective_search};

/// The regions of each picture.
pub struct Proposed {
    /// The most promising ones first.
    pub regions: Vec<Vec<Corners>>,
    /// Mean time for a picture.
    pub milliseconds: f64,
}

/// No picture has more.
pub const MOST: usize = 200;

impl Proposed {
    pub fn new(pictures: &Collection) -> Result<Self> {
        let cuts = [(30.0, 0.8), (80.0, 0.8), (200.0, 0.8)];
        let segmentations = cuts.map(|(scale, sigma)| Segmentation { scale, sigma, least: 40 }).to_vec();
        let search = Search { segmentations, least_side: 8.0, most: MOST, seed: 1 };
        let bar = progress("selective search", pictures.examples.len());
        let (mut regions, start) = (Vec::new(), Instant::now());
        for example in &pictures.examples {
            regions.push(selective_search(&example.read()?.raster, &search));
            bar.inc(1);
        }
        bar.finish_and_clear();
        let milliseconds = start.elapsed().as_secs_f64() * 1e3 / pictures.examples.len().max(1) as f64;
        Ok(Self { regions, milliseconds })
    }

    /// Regions of a picture, in the mean.
    pub fn mean_count(&self) -> f64 {
        self.regions.iter().map(Vec::len).sum::<usize>() as f64 / self.regions.len().max(1) as f64
    }

    /// The share of true boxes that have a region with an IoU of at least 0.5.
    pub fn recall(&self, pictures: &Collection) -> f64 {
        let pairs =
            || pictures.examples.iter().zip(&self.regions).flat_map(|(e, r)| e.boxes.iter().map(move |b| (b.0, r)));
        let found = pairs().filter(|(b, regions)| regions.iter().any(|region| region.iou(b) >= 0.5)).count();
        found as f64 / pairs().count().max(1) as f64
    }
}
