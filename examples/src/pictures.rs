//! Small pictures in colour and what they show: pieces of the photos that ship (which photo is it?), or CIFAR-10.

use std::convert::Infallible;
use std::sync::Arc;

use cnnc_runtime::augment::{Color, Pipeline, ResizedCrop, Sample, Step};
use cnnc_runtime::data::{Collection, Example, Pixels, Raster, readers};
use cnnc_runtime::random::Random;

use crate::{Common, Result, shipped};

/// Pixels of a side.
const SIDE: usize = 32;

const PHOTOS: [&str; 6] = ["astronaut.png", "chelsea.png", "coffee.png", "dog.jpg", "grace_hopper.jpg", "person.jpg"];

/// What is learnt from, and what is held out: so many pieces of photos, or, with `--data`, 8,000 and 2,000 pictures of CIFAR-10.
pub fn pictures(common: &Common, count: usize, held_out: usize) -> Result<(Collection, Collection)> {
    let (count, held_out) = common.scaled((count, held_out), (256, 64));
    if let Some(folder) = &common.data {
        let read = |name: &str| readers::cifar(&folder.join("cifar10").join(name), readers::Cifar::Ten);
        let (mut train, mut test) = (read("train_8000.bin.gz")?, read("test_2000.bin.gz")?);
        if common.small {
            train.examples.truncate(count);
            test.examples.truncate(held_out);
        }
        return Ok((train, test));
    }
    let photos = PHOTOS.map(|name| Raster::read(&shipped("photos").join(name)));
    let photos = photos.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let random = &mut Random::named(common.seed, "pieces");
    Ok((pieces(&photos, count, random), pieces(&photos, held_out, random)))
}

/// So many pieces of photos, each with the number of its photo. Their colours are shifted, so that one has to look at shapes.
fn pieces(photos: &[Raster], count: usize, random: &mut Random) -> Collection {
    let pipeline = Pipeline(vec![
        Step::ResizedCrop(ResizedCrop { area: [0.01, 0.05], ratio: [0.8, 1.25] }),
        Step::Color(Color { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.5 }),
    ]);
    let examples = (0..count).map(|number| {
        let class = number % photos.len();
        let photo = Sample { raster: photos[class].clone(), classes: vec![], boxes: vec![], points: vec![] };
        let alone =
            &mut |_: &mut Random| -> std::result::Result<Sample, Infallible> { unreachable!("no step joins photos") };
        let Ok(piece) = pipeline.apply(photo, random, alone);
        let pixels = Pixels::Memory(Arc::new(piece.raster.stretched(SIDE, SIDE)));
        Example { class: Some(class as u32), ..Example::new(pixels) }
    });
    Collection { examples: examples.collect(), classes: vec![] }
}
