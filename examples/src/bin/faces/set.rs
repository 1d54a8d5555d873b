//! Pictures of classes: characters by several people, or people on several photos.

use std::path::Path;

use cnnc_examples::Result;
use cnnc_runtime::data::{Idx, Raster};
use cnnc_runtime::random::Random;

/// Grey pictures of one size, those of a class together.
#[derive(Clone, Default)]
pub struct Set {
    /// For each class its pictures, as many for each; of characters, those by one person are at the same place.
    pub classes: Vec<Vec<Raster>>,
}

impl Set {
    /// Reads pictures that lie class by class, `each` of one class, and stretches them to a size.
    pub fn read(path: &Path, each: usize, height: usize, width: usize) -> Result<Self> {
        let idx = Idx::read(path)?;
        let &[_, rows, columns] = &idx.shape[..] else {
            return Err(format!("{}: {:?} is no list of grey pictures", path.display(), idx.shape).into());
        };
        let picture = |bytes: &[u8]| {
            Raster { width: columns, height: rows, channels: 1, bytes: bytes.to_vec() }.stretched(width, height)
        };
        let pictures: Vec<Raster> = idx.bytes.chunks_exact(rows * columns).map(picture).collect();
        Ok(Self { classes: pictures.chunks_exact(each).map(<[Raster]>::to_vec).collect() })
    }

    /// The classes before number `at`, and the others.
    pub fn split_at(mut self, at: usize) -> (Self, Self) {
        let others = self.classes.split_off(at.min(self.classes.len()));
        (self, Self { classes: others })
    }

    /// Each class also turned by one, two and three right angles, which makes other characters.
    #[must_use]
    pub fn with_turns(self) -> Self {
        let turned = |classes: &Vec<Vec<Raster>>| -> Vec<Vec<Raster>> {
            classes.iter().map(|class| class.iter().map(Raster::turned).collect()).collect()
        };
        let quarter = turned(&self.classes);
        let half = turned(&quarter);
        let three = turned(&half);
        Self { classes: [self.classes, quarter, half, three].concat() }
    }

    /// All pictures, class by class.
    pub fn pictures(&self) -> impl Iterator<Item = &Raster> {
        self.classes.iter().flatten()
    }

    /// The class of each of the [`pictures`](Self::pictures).
    pub fn labels(&self) -> Vec<usize> {
        self.classes.iter().enumerate().flat_map(|(class, pictures)| vec![class; pictures.len()]).collect()
    }

    /// A picture of a class, moved by up to `most` pixels at random.
    pub fn draw(&self, class: usize, number: usize, most: u64, random: &mut Random) -> Vec<f32> {
        let picture = &self.classes[class][number];
        let mut shift = || random.below(2 * most + 1) as i64 - most as i64;
        to_input(&picture.part(shift(), shift(), picture.width, picture.height))
    }
}

/// Grey from 0 to 1.
pub fn to_input(picture: &Raster) -> Vec<f32> {
    picture.bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect()
}

/// Different numbers below `bound`.
pub fn different(count: usize, bound: usize, random: &mut Random) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..bound).collect();
    random.shuffle(&mut numbers);
    numbers.truncate(count);
    numbers
}
