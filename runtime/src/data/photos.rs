//! Photos on disk or in memory, and what networks are to learn of them.

mod sampling;

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use super::readers::size_of_picture;
use super::{Draw, Photo, Picture, Raster};
use crate::augment::{Pipeline, Sample};
use crate::boxes::{Centered, ClassScores, Corners, Grid, Shape, Truth};
use crate::files::FileError;
use crate::metrics::TrueBox;
use crate::random::{Random, mix};
use crate::{Spec, TargetKind, ValueSpec};
use sampling::Sampling;
pub use sampling::{Group, Groups};

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

    /// The boxes that a detector is judged by.
    fn truths(&self) -> Vec<TrueBox> {
        match self.truths.is_empty() {
            true => unmarked(&self.boxes),
            false => self.truths.clone(),
        }
    }
}

/// Boxes as most data sets have them.
fn unmarked(boxes: &[(Corners, u32)]) -> Vec<TrueBox> {
    boxes.iter().map(|&(corners, class)| TrueBox::new(0, class, corners)).collect()
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

/// What a target holds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Answer {
    /// The class of the photo; of the largest box where it has none. For targets that are a class.
    Class,
    /// The shares of the classes, `[classes]`.
    OneHot,
    /// 1 where there is a box or a point, else 0; `[1]`.
    Object,
    /// The largest box: centre x, y, height and width as shares of the picture; `[4]`, zeros where there is none.
    Box,
    /// All boxes as the losses of detectors take them, a row each: class (-1 for none), centre x and y, width and height in
    /// pixels of the network's input; `[most, 5]`. Where there are more the largest ones count.
    Objects,
    /// Points, x and y as shares of the picture; `[2 * points]`.
    Points,
    /// 1 where there are points, then the points; `[1 + 2 * points]`, zeros where there are none.
    SeenPoints,
    /// A map of YOLO, see [`Grid::targets`]; `[anchors * (5 + classes), rows, columns]`.
    Grid {
        /// Width and height of each, in pixels of the network's input.
        anchors: Vec<[f32; 2]>,
    },
    /// Of a pair, 1 where both show the same: the same class, or as the list of pairs says; `[1]`.
    Same,
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
    /// Photos of a collection; the groups of a list, where it has photos that are compared.
    pub(super) fn new(
        collection: Collection,
        given: Option<Vec<Group>>,
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
            Some(groups) => Sampling::given(groups, inputs, collection.examples.len(), spec.name)?,
            None => Sampling::by_class(inputs, &collection, spec.name)?,
        };
        let answer = |target: &ValueSpec| {
            let given = plan.targets.iter().find(|(name, _)| name == target.name).map(|(_, answer)| answer.clone());
            let answer = given.map_or_else(|| guess(target, &collection, &sampling), Ok)?;
            check(target, &answer, &collection, plan, &sampling)?;
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
        for (((answer, shape), y), class) in self.answers.iter().zip(floats).zip(classes) {
            match answer {
                Answer::Class => *class = class_of(&samples[0]).unwrap_or(0),
                Answer::Same => y.fill(f32::from(u8::from(same))),
                _ => self.answer(answer, shape, &samples[0], y),
            }
        }
        let Sample { raster: Raster { width, height, .. }, boxes, .. } = &samples[0];
        // Of boxes that have moved no more is known than where they are.
        let boxes = if self.augment.is_empty() { self.examples[first].truths() } else { unmarked(boxes) };
        Ok(Photo { width: *width, height: *height, boxes })
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

    fn answer(&self, answer: &Answer, shape: &[usize], sample: &Sample, y: &mut [f32]) {
        y.fill(0.0);
        let (width, height) = (sample.raster.width as f32, sample.raster.height as f32);
        let points = |y: &mut [f32]| {
            for (pair, [px, py]) in y.as_chunks_mut::<2>().0.iter_mut().zip(&sample.points) {
                *pair = [px / width, py / height];
            }
        };
        match answer {
            Answer::OneHot => {
                for &(class, share) in &shares(sample)[..] {
                    if let Some(y) = y.get_mut(class as usize) {
                        *y += share;
                    }
                }
            }
            Answer::Object => y.fill(f32::from(u8::from(!sample.boxes.is_empty() || !sample.points.is_empty()))),
            Answer::Box => {
                if let Some((b, _)) = largest(sample) {
                    let b = b.normalized(width, height);
                    y.copy_from_slice(&[b.x, b.y, b.height, b.width]);
                }
            }
            Answer::Objects => self.objects(sample, y),
            Answer::Points => points(y),
            Answer::SeenPoints => {
                if !sample.points.is_empty() {
                    y[0] = 1.0;
                    points(&mut y[1..]);
                }
            }
            Answer::Grid { anchors } => {
                let truth = |(corners, class): (Corners, u32)| Truth { corners, class };
                let truths: Vec<Truth> = self.in_input(sample).map(truth).collect();
                let grid = Grid {
                    rows: shape[1],
                    columns: shape[2],
                    stride: self.shape[2] as f32 / shape[2] as f32,
                    anchors: anchors.iter().map(|&[width, height]| Shape { width, height }).collect(),
                    classes: shape[0] / anchors.len() - 5,
                    scores: ClassScores::Sigmoid,
                };
                y.copy_from_slice(&grid.targets(&truths));
            }
            Answer::Class | Answer::Same => {}
        }
    }
}

impl Photos {
    /// Boxes in pixels of the network's input, to which the picture is stretched.
    fn in_input(&self, sample: &Sample) -> impl Iterator<Item = (Corners, u32)> {
        let [_, height, width] = self.shape.map(|side| side as f32);
        let (fx, fy) = (width / sample.raster.width as f32, height / sample.raster.height as f32);
        sample.boxes.iter().map(move |(b, class)| (b.scaled(fx, fy), *class))
    }

    fn objects(&self, sample: &Sample, y: &mut [f32]) {
        let mut boxes: Vec<(Corners, u32)> = self.in_input(sample).collect();
        boxes.sort_by(|a, b| b.0.area().total_cmp(&a.0.area()));
        let mut boxes = boxes.into_iter();
        for row in y.as_chunks_mut::<5>().0 {
            *row = boxes.next().map_or([-1.0, 0.0, 0.0, 0.0, 0.0], |(b, class)| {
                let b = Centered::from(b);
                [class as f32, b.x, b.y, b.width, b.height]
            });
        }
    }
}

/// The box of the largest area.
fn largest(sample: &Sample) -> Option<(Corners, u32)> {
    sample.boxes.iter().copied().max_by(|a, b| a.0.area().total_cmp(&b.0.area()))
}

fn class_of(sample: &Sample) -> Option<u32> {
    let most = sample.classes.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|class| class.0);
    most.or_else(|| largest(sample).map(|b| b.1))
}

/// The classes of the photo, or that of its largest box.
fn shares(sample: &Sample) -> Cow<'_, [(u32, f32)]> {
    match sample.classes.is_empty() {
        false => Cow::Borrowed(&sample.classes),
        true => Cow::Owned(largest(sample).map(|b| (b.1, 1.0)).into_iter().collect()),
    }
}

/// What a target holds, where nobody says so.
fn guess(target: &ValueSpec, collection: &Collection, sampling: &Sampling) -> Result<Answer, String> {
    let points = collection.examples.iter().map(|example| example.points.len()).max().unwrap_or(0);
    match (target.kind, target.shape) {
        (TargetKind::Class(_), _) => Ok(Answer::Class),
        (TargetKind::Float, [1]) if sampling.is_of_pairs() => Ok(Answer::Same),
        (TargetKind::Float, [_, 5]) if collection.examples.iter().any(|e| !e.boxes.is_empty()) => Ok(Answer::Objects),
        (TargetKind::Float, &[n]) if points > 0 && n == 2 * points => Ok(Answer::Points),
        (TargetKind::Float, &[n]) if points > 0 && n == 1 + 2 * points => Ok(Answer::SeenPoints),
        _ => Err(format!(
            "nothing says what the target `{}` of {:?} holds; `targets: {{ {}: ... }}` with one_hot, object, box, objects, points, \
             seen_points, same or {{ grid: {{ anchors: [[w, h]] }} }} does",
            target.name, target.shape, target.name
        )),
    }
}

/// Whether a target can hold what it is to hold.
fn check(
    target: &ValueSpec,
    answer: &Answer,
    collection: &Collection,
    plan: &Plan,
    sampling: &Sampling,
) -> Result<(), String> {
    let name = target.name;
    let needs = |fits: bool, what: String| match fits {
        true => Ok(()),
        false => Err(format!("`{name}` of {:?} cannot hold this: {what}", target.shape)),
    };
    let classes = |most: usize| {
        let all = collection.examples.iter().flat_map(|e| e.boxes.iter().map(|b| b.1).chain(e.class));
        match all.max() {
            Some(class) if class as usize >= most => {
                needs(false, format!("there is a class {class}, but it has room for {most} classes"))
            }
            _ => Ok(()),
        }
    };
    let of_points = match answer {
        Answer::Points | Answer::SeenPoints => true,
        Answer::Object => collection.points() > 0,
        _ => false,
    };
    if let Some(step) = plan.augment.joins().filter(|_| of_points) {
        let message = format!("`{step}` joins pictures, but `{name}` holds points, which are those of one");
        return Err(message + "; without this step they can be learnt");
    }
    let float = target.kind == TargetKind::Float;
    match (answer, target.shape) {
        (Answer::Class, _) => {
            if target.image_len() != 1 {
                return needs(
                    false,
                    "photos have one class each; maps of classes come from safetensors or npz files".into(),
                );
            }
            let TargetKind::Class(most) = target.kind else { return needs(false, "a class needs `class(n)`".into()) };
            if plan.augment.blends() {
                let message = format!("`mixup` gives pictures several classes, but `{name}` is one");
                return Err(message + "; a target [classes] with `one_hot` can hold them");
            }
            if collection.examples.iter().any(|e| e.class.is_none() && e.boxes.is_empty()) {
                return needs(false, "not all photos have a class".into());
            }
            classes(most)
        }
        (Answer::OneHot, &[n]) if float => classes(n),
        (Answer::Object, [1]) | (Answer::Box, [4]) | (Answer::Objects, [_, 5]) if float => Ok(()),
        (Answer::Same, [1]) if float => needs(sampling.is_of_pairs(), "the network does not take two photos".into()),
        (Answer::Points | Answer::SeenPoints, &[n]) if float => {
            let points = (n - usize::from(*answer == Answer::SeenPoints)) / 2;
            let odd = collection.examples.iter().find(|e| !e.points.is_empty() && e.points.len() != points);
            match odd {
                Some(e) => needs(false, format!("photos have {} points", e.points.len())),
                None => Ok(()),
            }
        }
        (Answer::Grid { anchors }, &[numbers, _, _]) if float => {
            let fits = !anchors.is_empty() && numbers % anchors.len() == 0 && numbers / anchors.len() > 5;
            let message = format!("with {} anchors it needs anchors * (5 + classes) maps", anchors.len());
            needs(fits, message)?;
            if anchors.as_flattened().iter().any(|side| !(side.is_finite() && *side > 0.0)) {
                return needs(false, "the sides of anchors must be above 0".into());
            }
            classes(numbers / anchors.len() - 5)
        }
        _ => needs(false, format!("it has another shape than {answer:?} needs")),
    }
}

#[cfg(test)]
mod tests;
