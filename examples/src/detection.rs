//! What the programs about detectors share: pictures with boxes, learning from them, and pictures of what was found.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use cnnc_runtime::augment::{Pipeline, Step};
use cnnc_runtime::boxes::{Corners, Detection, Shape};
use cnnc_runtime::data::{Collection, Dataset, Draw, Example, Pixels, Raster, each_batch, readers};
use cnnc_runtime::draw;
use cnnc_runtime::metrics::{AveragePrecision, Found, TrueBox};
use cnnc_runtime::optimizer::{Adam, Optimizer};
use cnnc_runtime::random::Random;
use cnnc_runtime::schedule::{Decay, Schedule};
use cnnc_runtime::{Error, Network, Role};

use crate::{Result, Table, progress};

/// Pictures with boxes, all of the size in which networks take them.
pub struct Boxed {
    /// To learn from.
    pub train: Collection,
    /// Held out.
    pub test: Collection,
}

impl Boxed {
    /// Reads a folder with `boxes.csv`, whose column `split` says `train` or `test`'s name, and `images`.
    pub fn read(folder: &Path, test: &str, width: usize, height: usize) -> Result<Self> {
        let split = |split: &str| -> Result<Collection> {
            let mut all = readers::boxes(&folder.join("boxes.csv"), &folder.join("images"), Some(split), &[])?;
            for example in &mut all.examples {
                *example = stretched(example, width, height)?;
            }
            Ok(all)
        };
        Ok(Self { train: split("train")?, test: split(test)? })
    }

    /// Only so many pictures to learn from and held out.
    pub fn truncate(&mut self, train: usize, test: usize) {
        self.train.examples.truncate(train);
        self.test.examples.truncate(test);
    }

    /// Adds the mirror image of each picture to learn from.
    pub fn mirror(&mut self) -> Result<()> {
        let mirror = Pipeline(vec![Step::Mirror(1.0.into())]);
        for number in 0..self.train.examples.len() {
            let example = self.train.examples[number].clone();
            let mut alone = |_: &mut Random| example.read();
            let sample = mirror.apply(example.read()?, &mut Random::new(0), &mut alone)?;
            let pixels = Pixels::Memory(Arc::new(sample.raster));
            self.train.examples.push(Example { pixels, boxes: sample.boxes, ..example });
        }
        Ok(())
    }

    /// Sizes of the boxes to learn from.
    pub fn shapes(&self) -> Vec<Shape> {
        let boxes = self.train.examples.iter().flat_map(|example| &example.boxes);
        boxes.map(|(b, _)| Shape { width: b.width(), height: b.height() }).collect()
    }
}

/// A picture in memory, in another size; its boxes go with it.
fn stretched(example: &Example, width: usize, height: usize) -> Result<Example> {
    let sample = example.read()?.stretched(width, height);
    let pixels = Pixels::Memory(Arc::new(sample.raster.with_channels(3)));
    Ok(Example { pixels, boxes: sample.boxes, ..example.clone() })
}

/// How many boxes there are in pictures.
pub fn count(pictures: &Collection) -> usize {
    pictures.examples.iter().map(|example| example.boxes.len()).sum()
}

/// How many parameters of a network are trained.
pub fn parameters(network: &dyn Network) -> usize {
    let trained = network.spec().params.iter().filter(|param| param.role == Role::Trained);
    trained.map(|param| param.range.len()).sum()
}

/// How networks of these programs learn: Adam, whose rate warms up for an epoch and then falls as half a cosine.
#[derive(Clone, Copy, Debug)]
pub struct Lessons {
    /// How often all pictures are seen.
    pub epochs: u64,
    /// Pictures of a step.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// Decides the order of the pictures, and how they change.
    pub seed: u64,
}

/// Learns from `data`; after each epoch `each` sees the network, how many epochs are done, and the mean loss.
pub fn learn(
    network: &mut dyn Network,
    data: &Dataset,
    lessons: &Lessons,
    mut each: impl FnMut(&mut dyn Network, u64, f64) -> Result<()>,
) -> Result<()> {
    let &Lessons { epochs, batch, rate, seed } = lessons;
    let mut optimizer = Optimizer::new(Adam { learning_rate: rate, ..Adam::default() }, network).seeded(seed);
    let schedule = Schedule { warmup: 1.0, decay: Decay::Cosine { end: 0.01 } };
    let (steps, mut order) = (data.len().div_ceil(batch), Vec::new());
    let bar = progress(network.spec().name, steps * epochs as usize);
    for epoch in 0..epochs {
        data.shuffle(seed, epoch, &mut order);
        let mut sum = 0.0;
        let draw = Draw { seed, epoch };
        let failed = each_batch(data, network.spec(), &order, batch, draw, 2, |batch, _| {
            optimizer.set_factor(schedule.factor(optimizer.steps(), steps as u64, epochs));
            let dropout = Some(optimizer.dropout());
            match network.train(batch.count(), &batch.inputs(), &batch.targets(), dropout) {
                Ok(loss) => sum += f64::from(loss) * batch.count() as f64,
                Err(error) => return ControlFlow::Break(error),
            }
            optimizer.step(network);
            bar.inc(1);
            ControlFlow::<Error>::Continue(())
        })?;
        failed.map_or(Ok(()), Err)?;
        each(network, epoch + 1, sum / data.len() as f64)?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Average precision of each class beside how many boxes there are, found and true.
pub fn precision_table(ap: &AveragePrecision, truths: &[TrueBox], classes: &[String]) -> Table {
    let mut table = Table::new(&["class", "boxes", "AP@0.5"]);
    for &(class, value) in &ap.classes {
        let boxes = truths.iter().filter(|truth| truth.class == class).count();
        table.row(&[&classes[class as usize], &boxes, &format!("{value:.3}")]);
    }
    table.row(&[&"mean (mAP)", &truths.len(), &format!("{:.3}", ap.mean)]);
    table
}

/// A picture, larger, with a frame in the colour of its class around each box.
pub fn framed(picture: &Raster, boxes: impl IntoIterator<Item = (Corners, u32)>, width: usize) -> Raster {
    let scale = width as f32 / picture.width as f32;
    let mut drawn = picture.stretched(width, (picture.height as f32 * scale).round() as usize);
    for (corners, class) in boxes {
        draw::frame(&mut drawn, &corners.scaled(scale, scale), draw::color_of(class), 2);
    }
    drawn
}

/// Names of the classes in their colours, in the upper left corner.
pub fn legend(picture: &mut Raster, title: &str, classes: &[String]) {
    draw::label(picture, 4, 4, title, [40; 3], 2);
    let mut x = 4 + 8 * (title.chars().count() as i64 + 1);
    for (class, name) in (0..).zip(classes) {
        draw::label(picture, x, 4, name, draw::color_of(class), 2);
        x += 8 * (name.chars().count() as i64 + 1);
    }
}

/// What was found in one image, as boxes to draw.
pub fn of_image(found: &[Found], image: u64) -> Vec<Detection> {
    let here = found.iter().filter(|f| f.image == image);
    here.map(|f| Detection { corners: f.corners, score: f.score, class: f.class }).collect()
}
