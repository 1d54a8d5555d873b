//! Photos on disk or in memory, and what networks are to learn of them.

mod answers;
mod sampling;

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::readers::size_of_picture;
use super::{Draw, Photo, Picture, Raster};
use crate::augment::{Pipeline, Sample};
use crate::boxes::Corners;
use crate::files::FileError;
use crate::metrics::TrueBox;
use crate::random::{Random, mix};
use crate::{Spec, ValueSpec};
pub use answers::Answer;
use answers::class_of;
use sampling::Sampling;
pub use sampling::{Comparison, Comparisons};

/// Where the pixels of an example are.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// In a file that the `image` crate reads.
    File(PathBuf),
    /// In memory.
    Memory(Arc<Raster>),
}

/// A photo and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The photo.
    pub pixels: Pixels,
    /// What it shows as a whole.
    pub class: Option<u32>,
    /// Boxes to learn from, in pixels, and their classes.
    pub boxes: Vec<(Corners, u32)>,
    /// The boxes that a detector is judged by, where more is known of them than `boxes` can say: what is difficult, crowds, areas.
    /// Where it is empty these are `boxes`. Their [`image`](TrueBox::image) says nothing.
    pub truths: Vec<TrueBox>,
    /// Points in pixels, in a fixed order.
    pub points: Vec<[f32; 2]>,
}

impl Example {
    /// A photo of which nothing is known.
    pub fn new(pixels: Pixels) -> Self {
        Self { pixels, class: None, boxes: Vec::new(), truths: Vec::new(), points: Vec::new() }
    }

    /// The photo as it is.
    ///
    /// # Errors
    ///
    /// Those of [`Raster::read`].
    pub fn read(&self) -> Result<Sample, FileError> {
        let raster = match &self.pixels {
            Pixels::File(path) => Raster::read(path)?,
            Pixels::Memory(raster) => Raster::clone(raster),
        };
        let classes = self.class.map(|class| (class, 1.0)).into_iter().collect();
        Ok(Sample { raster, classes, boxes: self.boxes.clone(), points: self.points.clone() })
    }

    /// Width and height of the photo in pixels. Of a file only the start is read.
    ///
    /// # Errors
    /// If the file is missing or no picture.
    pub fn size(&self) -> Result<(f32, f32), FileError> {
        match &self.pixels {
            Pixels::File(path) => size_of_picture(path),
            Pixels::Memory(raster) => Ok((raster.width as f32, raster.height as f32)),
        }
    }
}

/// Photos and the names of their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collection {
    /// In the order of the files.
    pub examples: Vec<Example>,
    /// Names of the classes, by number; may be empty.
    pub classes: Vec<String>,
}

impl Collection {
    /// How many points the photos have that have some; where they differ, the fewest.
    pub fn points(&self) -> usize {
        self.examples.iter().map(|example| example.points.len()).filter(|count| *count > 0).min().unwrap_or(0)
    }

    /// Puts the photos in the order that data sets have, so that [parts](super::Part) have some of all kinds: random, but always
    /// the same.
    pub fn shuffle(&mut self) {
        Random::new(ORDER).shuffle(&mut self.examples);
    }
}

/// How photos are changed, and what the targets of a network hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Changes at random; none for what is held out.
    pub augment: Pipeline,
    /// By name of the target; where one is missing, its shape decides.
    pub targets: Vec<(String, Answer)>,
}

/// Photos for one network.
#[derive(Debug)]
pub(super) struct Photos {
    examples: Vec<Example>,
    picture: Picture,
    augment: Pipeline,
    shape: [usize; 3],
    answers: Vec<(Answer, Vec<usize>)>,
    sampling: Sampling,
}

/// The order in which photos stand is drawn with this seed, whatever that of the run.
const ORDER: u64 = 0;

impl Photos {
    /// Photos of a collection; as a list compares them, where there is one.
    pub(super) fn new(
        collection: Collection,
        given: Option<Vec<Comparison>>,
        spec: &Spec,
        picture: &Picture,
        plan: &Plan,
    ) -> Result<Self, String> {
        let [first, rest @ ..] = spec.inputs else { return Err(format!("{} has no input", spec.name)) };
        let &[channels @ (1 | 3), height, width] = first.shape else {
            return Err(format!(
                "`{}` is {:?}, but photos need an input [1 or 3, height, width]",
                first.name, first.shape
            ));
        };
        if rest.len() > 2 || rest.iter().any(|input| input.shape != first.shape) {
            return Err(format!("photos need one input, or two or three of the same shape; {} has others", spec.name));
        }
        picture.scales(channels)?;
        plan.augment.suits(collection.points())?;
        let inputs = spec.inputs.len();
        let sampling = match given {
            Some(list) => Sampling::given(list, inputs, collection.examples.len(), spec.name)?,
            None => Sampling::by_class(inputs, &collection, spec.name)?,
        };
        let answer = |target: &ValueSpec| {
            let given = plan.targets.iter().find(|(name, _)| name == target.name).map(|(_, answer)| answer.clone());
            let answer = given.map_or_else(|| Answer::guess(target, &collection, &sampling), Ok)?;
            answer.check(target, &collection, plan, &sampling)?;
            Ok((answer, target.shape.to_vec()))
        };
        let answers = spec.targets.iter().map(answer).collect::<Result<_, String>>()?;
        if let Some((name, _)) = plan.targets.iter().find(|(name, _)| spec.targets.iter().all(|t| t.name != name)) {
            return Err(format!("{} has no target `{name}`", spec.name));
        }
        Ok(Self {
            examples: collection.examples,
            picture: picture.clone(),
            augment: plan.augment.clone(),
            shape: [channels, height, width],
            answers,
            sampling,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.sampling.listed().unwrap_or(self.examples.len())
    }

    pub(super) fn target_count(&self) -> usize {
        self.answers.len()
    }

    /// What a target holds.
    pub(super) fn target(&self, number: usize) -> Option<&Answer> {
        self.answers.get(number).map(|(answer, _)| answer)
    }

    pub(super) fn class(&self, position: usize) -> Option<u32> {
        (position < self.len()).then(|| self.examples[self.sampling.first(position)].class)?
    }

    /// Whether any of these photos has a box.
    pub(super) fn have_boxes(&self, range: &Range<usize>) -> bool {
        let has = |example: &Example| !example.boxes.is_empty() || !example.truths.is_empty();
        range.clone().any(|position| has(&self.examples[self.sampling.first(position)]))
    }

    /// How many of these photos have more boxes than the target for them has rows, how many rows these are, and the most boxes.
    pub(super) fn crowded(&self, range: &Range<usize>) -> Option<(usize, usize, usize)> {
        let rows = |(answer, shape): &(Answer, Vec<usize>)| (*answer == Answer::Objects).then(|| shape[0]);
        let rows = self.answers.iter().filter_map(rows).min()?;
        let counts = range.clone().map(|position| self.examples[self.sampling.first(position)].boxes.len());
        let crowded: Vec<usize> = counts.filter(|count| *count > rows).collect();
        Some((crowded.len(), rows, crowded.iter().copied().max()?))
    }

    /// A photo, augmented; others that are joined with it come from `range`.
    pub(super) fn sample(&self, position: usize, range: &Range<usize>, draw: Draw) -> Result<Sample, FileError> {
        let mut random = Random::numbered(mix(draw.seed.wrapping_add(mix(draw.epoch))), position as u64);
        self.augmented(self.sampling.first(position), range, &mut random)
    }

    /// A photo by its number.
    fn augmented(&self, photo: usize, range: &Range<usize>, random: &mut Random) -> Result<Sample, FileError> {
        let mut other = |random: &mut Random| {
            let position = range.start + random.below(range.len() as u64) as usize;
            self.examples[self.sampling.first(position)].read()
        };
        self.augment.apply(self.examples[photo].read()?, random, &mut other)
    }

    /// Writes inputs and targets of one item, and says what its photo is.
    pub(super) fn write(
        &self,
        position: usize,
        range: &Range<usize>,
        draw: Draw,
        inputs: Vec<&mut [f32]>,
        floats: Vec<&mut [f32]>,
        classes: Vec<&mut u32>,
    ) -> Result<Photo, FileError> {
        let mut random = Random::numbered(mix(draw.seed.wrapping_add(mix(draw.epoch))), position as u64);
        let first = self.sampling.first(position);
        let mut samples = vec![self.augmented(first, range, &mut random)?];
        let (others, same) = self.sampling.others(position, range, |photo| self.examples[photo].class, &mut random);
        for photo in &others {
            samples.push(self.augmented(*photo, range, &mut random)?);
        }
        for ((sample, input), photo) in samples.iter().zip(inputs).zip([first].into_iter().chain(others)) {
            let values = sample.raster.to_input(&self.shape, &self.picture_of(photo));
            input.copy_from_slice(&values.map_err(|message| self.error(photo, message))?);
        }
        let [_, height, width] = self.shape;
        for (((answer, shape), y), class) in self.answers.iter().zip(floats).zip(classes) {
            match answer {
                Answer::Class => *class = class_of(&samples[0]).unwrap_or(0),
                Answer::Same => y.fill(f32::from(u8::from(same))),
                _ => answer.write(shape, &samples[0], [width, height], y),
            }
        }
        let Sample { raster: Raster { width, height, .. }, boxes, .. } = samples.swap_remove(0);
        Ok(Photo { width, height, boxes })
    }

    /// What a detector is to find in a photo of a batch; `image` is how it is numbered.
    pub(super) fn truths(&self, position: usize, photo: &Photo, image: u64) -> Vec<TrueBox> {
        let marked = &self.examples[self.sampling.first(position)].truths;
        // Of boxes that have moved no more is known than where they are.
        match self.augment.is_empty() && !marked.is_empty() {
            true => marked.iter().map(|truth| TrueBox { image, ..*truth }).collect(),
            false => photo.boxes.iter().map(|&(corners, class)| TrueBox::new(image, class, corners)).collect(),
        }
    }

    /// How a photo becomes an input. Which of black and white is the paper is in doubt for files of pictures only.
    fn picture_of(&self, photo: usize) -> Cow<'_, Picture> {
        match &self.examples[photo].pixels {
            Pixels::File(_) => Cow::Borrowed(&self.picture),
            Pixels::Memory(_) => Cow::Owned(Picture { invert: false, ..self.picture.clone() }),
        }
    }

    fn error(&self, photo: usize, message: String) -> FileError {
        match &self.examples[photo].pixels {
            Pixels::File(path) => FileError::new(path, message),
            Pixels::Memory(_) => FileError::new(format!("image {photo}"), message),
        }
    }
}

#[cfg(test)]
mod tests;
