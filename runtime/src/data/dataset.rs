//! Images and their targets, parts of them in random order.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::columns::{Column, Columns, Values};
use super::photos::{Answer, Photos, Plan};
use super::{Collection, Comparisons, Part, Photo, Picture, TargetValues};
use crate::augment::Sample;
use crate::files::FileError;
use crate::metrics::TrueBox;
use crate::random::Random;
use crate::{Error, Spec};

/// Images and their targets: all in memory, or photos that are read when they are needed. Cheap to clone and to divide.
#[derive(Clone, Debug)]
pub struct Dataset {
    content: Content,
    range: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Columns(Arc<Columns>),
    Photos(Arc<Photos>),
}

/// What decides all that is random in the pictures of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// Of the run.
    pub seed: u64,
    /// From 0.
    pub epoch: u64,
}

impl Dataset {
    fn columns(columns: Columns) -> Self {
        let range = 0..columns.items;
        Self { content: Content::Columns(Arc::new(columns)), range }
    }

    /// Images and labels in IDX format, for a network with one input and one class as its target.
    ///
    /// # Errors
    ///
    /// Names the file: it cannot be read, or is none of this format; shapes, counts or classes do not fit each other or the network.
    pub fn idx(images: &Path, labels: &Path, spec: &Spec, picture: &Picture) -> Result<Self, FileError> {
        Columns::idx(images, labels, spec, picture).map(Self::columns)
    }

    /// Values in memory: for every input and every target of the network those of all images, one after another.
    ///
    /// # Errors
    ///
    /// Values are more or fewer than the network's shapes say, or a class is none of its target.
    pub fn in_memory(spec: &Spec, inputs: Vec<Vec<f32>>, targets: Vec<TargetValues>) -> Result<Self, Error> {
        Columns::in_memory(spec, inputs, targets).map(Self::columns)
    }

    /// Tensors named like the inputs and targets of the network, batch first, from a safetensors or an `.npz` file, or a folder of
    /// `.npy` files.
    ///
    /// # Errors
    ///
    /// Names the file: it cannot be read, or is none of its format; a tensor is missing, its shape or number of images does not fit, or
    /// a class is none of its target.
    #[cfg(feature = "weights")]
    pub fn tensors(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        Columns::tensors(path, spec).map(Self::columns)
    }

    /// Tensors named like the inputs that inference needs, or, of a net with one input, `input`; there are no targets. Of a net with
    /// one input a single `.npy` file will do, whatever its name.
    ///
    /// # Errors
    ///
    /// As for [`tensors`](Self::tensors).
    #[cfg(feature = "weights")]
    pub fn inputs(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        Columns::inputs(path, spec).map(Self::columns)
    }

    /// Photos, read and augmented when they are needed. What the network's targets are to hold is in the plan, or follows from
    /// their shapes. They are put in an order that is random, but always the same, so that each part has some of all kinds.
    ///
    /// # Errors
    ///
    /// Says what of the network's inputs and targets photos cannot fill, and what of the plan does not suit them.
    pub fn photos(mut collection: Collection, spec: &Spec, picture: &Picture, plan: &Plan) -> Result<Self, String> {
        collection.shuffle();
        Self::photos_in_order(collection, spec, picture, plan)
    }

    /// The same in the order of the collection, for collections that are mixed already.
    ///
    /// # Errors
    ///
    /// As for [`photos`](Self::photos).
    pub fn photos_in_order(
        collection: Collection,
        spec: &Spec,
        picture: &Picture,
        plan: &Plan,
    ) -> Result<Self, String> {
        Photos::new(collection, None, spec, picture, plan).map(Self::of_photos)
    }

    /// Pairs or triplets of photos as a list has them, in its order, for a network with two or three inputs alike. A target `[1]` of
    /// pairs says whether they show the same.
    ///
    /// # Errors
    ///
    /// As for [`photos`](Self::photos), and where the list compares other numbers of photos than the network takes.
    pub fn comparisons(comparisons: Comparisons, spec: &Spec, picture: &Picture, plan: &Plan) -> Result<Self, String> {
        Photos::new(comparisons.photos, Some(comparisons.list), spec, picture, plan).map(Self::of_photos)
    }

    fn of_photos(photos: Photos) -> Self {
        let range = 0..photos.len();
        Self { content: Content::Photos(Arc::new(photos)), range }
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Positions in the whole of which this is a part.
    pub(super) fn position(&self, number: usize) -> usize {
        self.range.start + number
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// For how many targets it has values.
    pub fn target_count(&self) -> usize {
        match &self.content {
            Content::Columns(columns) => columns.targets.len(),
            Content::Photos(photos) => photos.target_count(),
        }
    }

    /// Whether it has values for targets.
    pub fn has_targets(&self) -> bool {
        self.target_count() > 0
    }

    /// Whether images are made when they are needed, so that it pays to prepare them ahead.
    pub fn is_slow(&self) -> bool {
        matches!(self.content, Content::Photos(_))
    }

    /// Some of the images.
    ///
    /// # Errors
    ///
    /// There are not so many, or none would be left.
    pub fn part(&self, part: Part) -> Result<Self, String> {
        let range = part.range(self.len())?;
        let start = self.range.start;
        Ok(Self { range: start + range.start..start + range.end, ..self.clone() })
    }

    /// The class of an image, where the target (by position) is one class for each.
    pub fn class(&self, target: usize, image: usize) -> Option<u32> {
        let position = self.range.start + image;
        match &self.content {
            Content::Columns(columns) => match columns.targets.get(target)? {
                Column { values: Values::Classes(labels), image_len: 1 } => labels.get(position).copied(),
                _ => None,
            },
            Content::Photos(photos) => photos.class(position),
        }
    }

    /// Whether there are boxes for a detector to be judged by: on photos only.
    pub fn has_boxes(&self) -> bool {
        match &self.content {
            Content::Columns(_) => false,
            Content::Photos(photos) => photos.have_boxes(&self.range),
        }
    }

    /// How many photos have more boxes than the target for them has rows, how many rows these are, and the most boxes of a photo;
    /// `None` where all boxes have their place.
    pub fn crowded(&self) -> Option<(usize, usize, usize)> {
        match &self.content {
            Content::Columns(_) => None,
            Content::Photos(photos) => photos.crowded(&self.range),
        }
    }

    /// What a detector is to find in an image that a batch has made of a photo, in pixels of this; numbered like the image. Nothing
    /// where there are no photos.
    pub fn truths(&self, image: usize, photo: &Photo) -> Vec<TrueBox> {
        match &self.content {
            Content::Columns(_) => Vec::new(),
            Content::Photos(photos) => photos.truths(self.position(image), photo, image as u64),
        }
    }

    /// What a target (by position) holds, where that is known: of photos.
    pub fn answer(&self, target: usize) -> Option<&Answer> {
        match &self.content {
            Content::Columns(_) => None,
            Content::Photos(photos) => photos.target(target),
        }
    }

    /// A photo as the network would get it, but for its size and colours; `None` where there are no photos.
    pub fn sample(&self, image: usize, draw: Draw) -> Option<Result<Sample, FileError>> {
        match &self.content {
            Content::Columns(_) => None,
            Content::Photos(photos) => Some(photos.sample(self.position(image), &self.range, draw)),
        }
    }

    pub(super) fn range(&self) -> &Range<usize> {
        &self.range
    }

    /// Puts the numbers of all images, in an order that depends on seed and epoch only, into `order`.
    pub fn shuffle(&self, seed: u64, epoch: u64, order: &mut Vec<usize>) {
        order.clear();
        order.extend(0..self.len());
        Random::numbered(seed, epoch).shuffle(order);
    }
}

#[cfg(test)]
mod tests;
