//! Regions that selective search proposes for pictures.

use std::time::{Duration, Instant};

use cnnc_examples::progress;
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::{Collection, Example};
use cnnc_runtime::files::FileError;
use cnnc_runtime::proposals::{Search, Segmentation, selective_search};

use crate::median_ms;

/// The regions of each picture.
pub struct Proposed {
    /// The most promising ones first.
    pub regions: Vec<Vec<Corners>>,
    /// For a picture, in the median.
    pub milliseconds: f64,
}

/// No picture has more.
pub const MOST: usize = 200;

impl Proposed {
    /// Searches all pictures, on two threads.
    pub fn new(pictures: &Collection) -> Result<Self, FileError> {
        let bar = &progress("selective search", pictures.examples.len());
        let half = pictures.examples.len().div_ceil(2).max(1);
        let halves = std::thread::scope(|scope| {
            let spawn = |half| scope.spawn(move || searched(half, bar));
            let threads: Vec<_> = pictures.examples.chunks(half).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>, FileError>>()
        })?;
        bar.finish_and_clear();
        let (regions, times) = halves.into_iter().flatten().unzip();
        Ok(Self { regions, milliseconds: median_ms(times) })
    }

    /// Adds the regions of the mirror images of all pictures of this width.
    pub fn with_mirrored(mut self, width: f32) -> Self {
        let mirrored = |b: &Corners| Corners { x1: width - b.x2, x2: width - b.x1, ..*b };
        let more: Vec<Vec<Corners>> = self.regions.iter().map(|all| all.iter().map(mirrored).collect()).collect();
        self.regions.extend(more);
        self
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

/// Regions of some pictures, each with the time it took.
fn searched(examples: &[Example], bar: &indicatif::ProgressBar) -> Result<Vec<(Vec<Corners>, Duration)>, FileError> {
    let segmentations = [30.0, 80.0, 200.0].map(|scale| Segmentation { scale, least: 40, ..Segmentation::default() });
    let search = Search { segmentations: segmentations.to_vec(), least_side: 8.0, most: MOST, seed: 1 };
    let one = |example: &Example| {
        let raster = example.read()?.raster;
        let start = Instant::now();
        let regions = selective_search(&raster, &search);
        bar.inc(1);
        Ok((regions, start.elapsed()))
    };
    examples.iter().map(one).collect()
}
