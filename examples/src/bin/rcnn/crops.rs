//! R-CNN: each region is cut out, warped and classified.

use std::time::Instant;

use cnnc_examples::detection::{Lessons, learn, parameters};
use cnnc_examples::{Common, Result, say};
use cnnc_runtime::boxes::{Centered, Corners, Deltas, Detection, nms};
use cnnc_runtime::data::{Collection, Dataset, Picture, Raster, TargetValues};
use cnnc_runtime::metrics::Found;
use cnnc_runtime::random::Random;
use cnnc_runtime::{Network, Options};

use crate::proposed::Proposed;
use crate::{MEASURED, Outcome, median_ms, single};

/// Pixels of a side of a warped region.
const SIDE: usize = 32;
/// Regions of a step.
const BATCH: usize = 64;
/// Moves are learnt in these multiples, so that they vary by about 1.
const SCALE: [f32; 4] = [10.0, 10.0, 5.0, 5.0];
/// Examples of a picture: regions that share half or more with a box, and others.
const EXAMPLES: (usize, usize) = (10, 20);

/// Learns from regions, and looks at those of the held-out pictures.
pub fn rcnn(common: &Common, train: (&Collection, &Proposed), test: (&Collection, &Proposed)) -> Result<Outcome> {
    let classes = train.0.classes.len();
    let mut network = single::RCNN::with_options(&Options { seed: common.seed, batch: BATCH, ..Options::default() });
    let data = examples(train, classes, common.seed)?.dataset(&network)?;
    let lessons = Lessons { epochs: common.scaled(4, 1), batch: BATCH, rate: 1e-3, seed: common.seed };
    learn(&mut network, &data, &lessons, |_, epoch, loss| {
        say!("R-CNN, epoch {epoch}: loss {loss:.3} of {} regions", data.len());
        Ok(())
    })?;

    let (mut found, mut times) = (Vec::new(), Vec::new());
    for (image, (example, regions)) in (0..).zip(test.0.examples.iter().zip(&test.1.regions)) {
        let raster = example.read()?.raster;
        let start = Instant::now();
        let all = look(&mut network, &raster, regions, classes)?;
        let kept = nms(&all, &MEASURED).into_iter();
        times.push(start.elapsed());
        found.extend(kept.map(|d| Found { image, class: d.class, corners: d.corners, score: d.score }));
    }
    let (regions_ms, network_ms) = (Some(test.1.milliseconds), median_ms(times));
    Ok(Outcome { name: "R-CNN", parameters: parameters(&network), found, regions_ms, network_ms })
}

/// Regions to learn from.
#[derive(Default)]
struct Examples {
    pixels: Vec<f32>,
    labels: Vec<u32>,
    wanted: Vec<f32>,
    counts: Vec<f32>,
}

/// Of each picture the boxes themselves and regions on them, and regions beside them.
fn examples((pictures, proposed): (&Collection, &Proposed), classes: usize, seed: u64) -> Result<Examples> {
    let (mut all, mut random) = (Examples::default(), Random::new(seed));
    for (example, regions) in pictures.examples.iter().zip(&proposed.regions) {
        let raster = example.read()?.raster;
        let mut candidates: Vec<Corners> = regions.iter().copied().chain(example.boxes.iter().map(|b| b.0)).collect();
        random.shuffle(&mut candidates);
        let (mut on, mut beside) = EXAMPLES;
        for region in candidates {
            let shared = |b: &(Corners, u32)| region.iou(&b.0);
            let best = example.boxes.iter().max_by(|a, b| shared(a).total_cmp(&shared(b)));
            let left = match best.map_or(0.0, shared) {
                iou if iou >= 0.5 => &mut on,
                _ => &mut beside,
            };
            if *left > 0 {
                *left -= 1;
                all.add(&raster, &region, best.filter(|b| shared(b) >= 0.5), classes)?;
            }
        }
    }
    Ok(all)
}

impl Examples {
    fn add(&mut self, raster: &Raster, region: &Corners, truth: Option<&(Corners, u32)>, classes: usize) -> Result<()> {
        self.pixels.extend(warped(raster, region)?);
        self.labels.push(truth.map_or(0, |truth| 1 + truth.1));
        let (mut wanted, mut counts) = (vec![0.0; 4 * classes], vec![0.0; 4 * classes]);
        if let Some(&(b, class)) = truth {
            let d = Deltas::encode(&b.into(), &(*region).into()).scaled(SCALE);
            let own = 4 * class as usize..4 * class as usize + 4;
            wanted[own.clone()].copy_from_slice(&[d.x, d.y, d.width, d.height]);
            counts[own].fill(1.0);
        }
        self.wanted.extend(wanted);
        self.counts.extend(counts);
        Ok(())
    }

    fn dataset(self, network: &dyn Network) -> Result<Dataset> {
        let targets = vec![
            TargetValues::Classes(self.labels),
            TargetValues::Floats(self.wanted),
            TargetValues::Floats(self.counts),
        ];
        Ok(Dataset::in_memory(network.spec(), vec![self.pixels], targets)?)
    }
}

/// A region with an eighth of its size around it, as the network sees it.
fn warped(raster: &Raster, region: &Corners) -> Result<Vec<f32>> {
    let b = Centered::from(*region);
    let wider = Centered { width: 1.25 * b.width, height: 1.25 * b.height, ..b };
    Ok(raster.resized_crop(&wider.into(), SIDE, SIDE).to_input(&[3, SIDE, SIDE], &Picture::default())?)
}

/// What the regions of a picture are, and where they move.
fn look(network: &mut single::RCNN, raster: &Raster, regions: &[Corners], classes: usize) -> Result<Vec<Detection>> {
    let mut found = Vec::new();
    for regions in regions.chunks(BATCH) {
        let mut pixels = Vec::new();
        for region in regions {
            pixels.extend(warped(raster, region)?);
        }
        let answers = network.infer_batch(pixels.as_chunks().0)?;
        for (region, (p, moves)) in regions.iter().zip(answers.probabilities.iter().zip(answers.moves)) {
            for class in 0..classes {
                let &[x, y, width, height] = &moves.as_chunks::<4>().0[class];
                let moved = Deltas { x, y, width, height }.scaled(SCALE.map(f32::recip)).decode(&(*region).into());
                found.push(Detection { corners: moved.into(), score: p[1 + class], class: class as u32 });
            }
        }
    }
    Ok(found)
}
