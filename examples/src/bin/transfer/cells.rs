//! Blood cells, cut out of microscope pictures by their boxes.

use std::path::Path;

use cnnc_examples::Result;
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::{Example, Picture, Raster, readers};
use cnnc_runtime::random::Random;

/// What the cells are.
pub const KINDS: [&str; 3] = ["RBC", "WBC", "Platelets"];

/// Pixels of a side, as ResNet-20 takes them.
const SIDE: usize = 32;

/// As many cells of each kind.
pub struct Cells {
    /// As they are in the pictures.
    pub pictures: Vec<Raster>,
    /// `[3, 32, 32]` each, scaled as CIFAR-10 was for the published network.
    pub pixels: Vec<f32>,
    /// Their kinds.
    pub labels: Vec<u32>,
}

impl Cells {
    /// At most `most` of each kind out of a split of the pictures, drawn by the seed.
    pub fn read(folder: &Path, split: &str, most: usize, seed: u64) -> Result<Self> {
        let kinds = KINDS.map(str::to_owned);
        let boxed = readers::boxes(&folder.join("boxes.csv"), &folder.join("images"), Some(split), &kinds)?;
        let mut all: Vec<(&Example, (Corners, u32))> = Vec::new();
        for example in &boxed.examples {
            all.extend(example.boxes.iter().map(|b| (example, *b)));
        }
        Random::named(seed, split).shuffle(&mut all);
        let of_kind = |kind: u32| all.iter().filter(move |(_, b)| b.1 == kind);
        let most = (0..3).map(|kind| of_kind(kind).count()).min().unwrap_or(0).min(most);
        let mut cells = Self { pictures: Vec::new(), pixels: Vec::new(), labels: Vec::new() };
        let scale = Picture { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225], ..Picture::default() };
        for &(example, (place, kind)) in (0..3).flat_map(|kind| of_kind(kind).take(most)) {
            let picture = cut(&example.read()?.raster, &place);
            cells.pixels.extend(picture.to_input(&[3, SIDE, SIDE], &scale)?);
            cells.pictures.push(picture);
            cells.labels.push(kind);
        }
        Ok(cells)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// So many of each kind, drawn by the seed.
    pub fn draw(&self, of_each: usize, seed: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        Random::new(seed).shuffle(&mut order);
        let of_kind = |kind: u32| order.iter().copied().filter(move |i| self.labels[*i] == kind).take(of_each);
        (0..3).flat_map(of_kind).collect()
    }
}

/// What is in a box, at least a pixel.
fn cut(picture: &Raster, place: &Corners) -> Raster {
    let [left, top, right, bottom] = [place.x1, place.y1, place.x2, place.y2].map(|side| side.round() as i64);
    picture.part(left, top, (right - left).max(1) as usize, (bottom - top).max(1) as usize)
}
