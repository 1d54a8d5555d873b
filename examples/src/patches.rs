//! Pieces of photos, for what pictures show besides what is looked for.

use cnnc_runtime::data::Raster;
use cnnc_runtime::random::Random;

use crate::{Result, shipped};

/// Photos whose pieces are behind what is learnt from, and others, which show other things, behind what is tested on.
pub const LEARNT: [&str; 4] = ["astronaut.png", "chelsea.png", "coffee.png", "grace_hopper.jpg"];
/// The others.
pub const TESTED: [&str; 2] = ["dog.jpg", "person.jpg"];

/// Square pieces of photos, in colour.
#[derive(Clone, Debug)]
pub struct Patches(Vec<Raster>);

impl Patches {
    /// So many pieces of photos that ship (`photos/NAME`), from a sixth of their shorter side to all of it, stretched to `side`
    /// pixels.
    pub fn cut(photos: &[&str], count: usize, side: usize, random: &mut Random) -> Result<Self> {
        let read = |name: &&str| Ok(Raster::read(&shipped(&format!("photos/{name}")))?.with_channels(3));
        let photos = photos.iter().map(read).collect::<Result<Vec<_>>>()?;
        let patch = |i: usize, random: &mut Random| {
            let photo = &photos[i % photos.len()];
            let shorter = photo.width.min(photo.height);
            let size = shorter / 6 + random.below((shorter - shorter / 6) as u64) as usize;
            let place = |length: usize, random: &mut Random| random.below((length - size) as u64 + 1) as usize;
            let (left, top) = (place(photo.width, random), place(photo.height, random));
            photo.part(left as i64, top as i64, size, size).stretched(side, side)
        };
        Ok(Self((0..count).map(|i| patch(i, random)).collect()))
    }

    /// One of them.
    pub fn draw(&self, random: &mut Random) -> &Raster {
        &self.0[random.below(self.0.len() as u64) as usize]
    }
}
