//! Images and their targets in memory, parts of them in random order, and batches for a network.

use std::format;
use std::ops::Range;
use std::path::Path;
use std::string::String;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use super::{Idx, Picture};
use crate::files::FileError;
use crate::random::Random;
use crate::{Buffer, Error, Spec, TargetKind, Targets, ValueSpec};

/// Some of the images of a data set, in the order of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Part {
    /// All of them.
    #[default]
    All,
    /// This many at the start.
    First(usize),
    /// This many at the end.
    Last(usize),
    /// All but this many at the start.
    WithoutFirst(usize),
    /// All but this many at the end.
    WithoutLast(usize),
    /// From one position up to, not including, another.
    Range(usize, usize),
}

impl Part {
    /// The positions among `len`; an error where there are not so many, or none is left.
    pub fn range(self, len: usize) -> Result<Range<usize>, String> {
        let (start, end) = match self {
            Self::All => (0, len),
            Self::First(n) => (0, n),
            Self::Last(n) => (len.wrapping_sub(n), len),
            Self::WithoutFirst(n) => (n, len),
            Self::WithoutLast(n) => (0, len.wrapping_sub(n)),
            Self::Range(start, end) => (start, end),
        };
        if start > len || end > len {
            return Err(format!("{self} is more than there is: {len} images"));
        }
        if start >= end {
            return Err(format!("{self} of {len} images leaves none"));
        }
        Ok(start..end)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => write!(f, "all"),
            Self::First(n) => write!(f, "the first {n}"),
            Self::Last(n) => write!(f, "the last {n}"),
            Self::WithoutFirst(n) => write!(f, "all but the first {n}"),
            Self::WithoutLast(n) => write!(f, "all but the last {n}"),
            Self::Range(start, end) => write!(f, "number {start} up to {end}"),
        }
    }
}

/// The values of an input or a target, one image after another.
#[derive(Debug)]
enum Values {
    /// Bytes that become floats by the table of their channel.
    Bytes {
        bytes: Vec<u8>,
        tables: Vec<[f32; 256]>,
    },
    Floats(Vec<f32>),
    Classes(Vec<u32>),
}

/// The values of a target for [`Dataset::in_memory`].
#[derive(Clone, Debug, PartialEq)]
pub enum TargetValues {
    /// One class per image.
    Classes(Vec<u32>),
    /// Floats, image after image.
    Floats(Vec<f32>),
}

#[derive(Debug)]
struct Column {
    values: Values,
    image_len: usize,
}

/// Images and their targets. Cheap to clone and to divide: the memory is shared.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// One per input of the network.
    inputs: Arc<[Column]>,
    /// One per target of the network.
    targets: Arc<[Column]>,
    range: Range<usize>,
}

impl Dataset {
    /// Images and labels in IDX format, for a network with one input and one class as its target.
    pub fn idx(images: &Path, labels: &Path, spec: &Spec, picture: &Picture) -> Result<Self, FileError> {
        let (input, classes) = match (spec.inputs, spec.targets) {
            ([input], [ValueSpec { kind: TargetKind::Class(classes), .. }]) => (input, *classes),
            _ => {
                let message = format!(
                    "images with labels need a network with one input and one class target; {} has {} and {}",
                    spec.name,
                    count(spec.inputs.len(), "input"),
                    count(spec.targets.len(), "target")
                );
                return Err(FileError::new(images, message).hint(
                    "a safetensors file can hold the data of any network, tensors named like inputs and targets",
                ));
            }
        };
        let (pictures, answers) = (Idx::read(images)?, Idx::read(labels)?);
        let shape = &pictures.shape[1..];
        let one_channel = input.shape.first() == Some(&1) && shape == &input.shape[1..];
        if shape != input.shape && !one_channel {
            let message = format!("images of {shape:?}, but `{}` is {:?}", input.name, input.shape);
            return Err(FileError::new(images, message));
        }
        if answers.shape.len() != 1 {
            let message = format!("labels of shape {:?}, but one number per image is needed", answers.shape);
            return Err(FileError::new(labels, message));
        }
        if answers.items() != pictures.items() {
            let message =
                format!("{} labels, but {} has {} images", answers.items(), images.display(), pictures.items());
            return Err(FileError::new(labels, message));
        }
        if let Some(at) = answers.bytes.iter().position(|&label| usize::from(label) >= classes) {
            let (byte, label) = (answers.header_len() + at, answers.bytes[at]);
            let message = format!("byte {byte}: image {at} is class {label}, but there are {classes} classes");
            return Err(FileError::new(labels, message).hint(format!("classes go from 0 to {}", classes - 1)));
        }
        let channels = if one_channel { 1 } else { input.shape.first().copied().unwrap_or(1) };
        let scales = picture.scales(channels).map_err(|message| FileError::new(images, message))?;
        let table = |(factor, summand): (f32, f32)| std::array::from_fn(|byte| byte as f32 / 255.0 * factor + summand);
        let tables = scales.into_iter().map(table).collect();
        let items = pictures.items();
        let values = Values::Bytes { bytes: pictures.bytes, tables };
        let labels = Values::Classes(answers.bytes.into_iter().map(u32::from).collect());
        Ok(Self {
            inputs: Arc::from([Column { values, image_len: input.image_len() }]),
            targets: Arc::from([Column { values: labels, image_len: 1 }]),
            range: 0..items,
        })
    }

    /// Values in memory: for every input and every target of the network those of all images, one after another.
    pub fn in_memory(spec: &Spec, inputs: Vec<Vec<f32>>, targets: Vec<TargetValues>) -> Result<Self, Error> {
        let wrong_number = |name: &str, given, needed| Error::Length { name: String::from(name), given, needed };
        if inputs.len() != spec.inputs.len() || inputs.is_empty() {
            return Err(wrong_number("inputs", inputs.len(), spec.inputs.len()));
        }
        if targets.len() != spec.targets.len() {
            return Err(wrong_number("targets", targets.len(), spec.targets.len()));
        }
        let items = inputs[0].len() / spec.inputs[0].image_len();
        let column = |spec: &ValueSpec, values: Values, given: usize| match given == items * spec.image_len() {
            true => Ok(Column { values, image_len: spec.image_len() }),
            false => Err(wrong_number(spec.name, given, items * spec.image_len())),
        };
        let floats = |(spec, values): (&ValueSpec, Vec<f32>)| {
            let len = values.len();
            column(spec, Values::Floats(values), len)
        };
        let answers = |(spec, values): (&ValueSpec, TargetValues)| match (values, spec.kind) {
            (TargetValues::Floats(values), TargetKind::Float) => floats((spec, values)),
            (TargetValues::Classes(labels), TargetKind::Class(classes)) => {
                if let Some(image) = labels.iter().position(|&label| label as usize >= classes) {
                    return Err(Error::Class { name: String::from(spec.name), image, given: labels[image], classes });
                }
                let len = labels.len();
                column(spec, Values::Classes(labels), len)
            }
            _ => Err(wrong_number(spec.name, 0, items * spec.image_len())),
        };
        Ok(Self {
            inputs: spec.inputs.iter().zip(inputs).map(floats).collect::<Result<_, _>>()?,
            targets: spec.targets.iter().zip(targets).map(answers).collect::<Result<_, _>>()?,
            range: 0..items,
        })
    }

    /// Tensors named like the inputs and targets of the network, batch first.
    #[cfg(feature = "weights")]
    pub fn tensors(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        let mut file = crate::tensors::TensorFile::open(path)?;
        let mut items = None;
        let inputs = columns(&mut file, spec.inputs, alone(spec), &mut items)?;
        let targets = columns(&mut file, spec.targets, None, &mut items)?;
        Ok(Self { inputs, targets, range: 0..items.map_or(0, |(items, _)| items) })
    }

    /// Tensors named like the inputs that inference needs, or, of a net with one input, `input`; there are no targets.
    #[cfg(feature = "weights")]
    pub fn inputs(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        let mut file = crate::tensors::TensorFile::open(path)?;
        let mut items = None;
        let needed = |input: &'static ValueSpec| match input.infers {
            true => column(&mut file, input, alone(spec), &mut items),
            false => Ok(Column { values: Values::Floats(Vec::new()), image_len: 0 }),
        };
        let inputs = spec.inputs.iter().map(needed).collect::<Result<_, _>>()?;
        Ok(Self { inputs, targets: Arc::from([]), range: 0..items.map_or(0, |(items, _)| items) })
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
        self.targets.len()
    }

    /// Whether it has values for targets.
    pub fn has_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Some of the images.
    pub fn part(&self, part: Part) -> Result<Self, String> {
        let range = part.range(self.len())?;
        let start = self.range.start;
        Ok(Self { range: start + range.start..start + range.end, ..self.clone() })
    }

    /// The class of an image, where the target (by position) is one.
    pub fn class(&self, target: usize, image: usize) -> Option<u32> {
        match &self.targets.get(target)?.values {
            Values::Classes(labels) => labels.get(self.range.start + image).copied(),
            _ => None,
        }
    }

    /// Puts the numbers of all images, in an order that depends on seed and epoch only, into `order`.
    pub fn shuffle(&self, seed: u64, epoch: u64, order: &mut Vec<usize>) {
        order.clear();
        order.extend(0..self.len());
        Random::numbered(seed, epoch).shuffle(order);
    }
}

/// `2 inputs`
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(feature = "weights")]
fn columns(
    file: &mut crate::tensors::TensorFile<'_>,
    specs: &'static [ValueSpec],
    other: Option<&str>,
    items: &mut Option<(usize, &'static str)>,
) -> Result<Arc<[Column]>, FileError> {
    specs.iter().map(|spec| column(file, spec, other, items)).collect()
}

/// What the input of a net may be called that has only one.
#[cfg(feature = "weights")]
fn alone(spec: &Spec) -> Option<&'static str> {
    (spec.inputs.len() == 1).then_some("input")
}

/// Some of the names of a file.
#[cfg(feature = "weights")]
fn listed(names: &[&str]) -> String {
    const MOST: usize = 6;
    match names.split_at_checked(MOST) {
        _ if names.is_empty() => String::from("none"),
        Some((first, rest @ [_, ..])) => format!("`{}` and {} more", first.join("`, `"), rest.len()),
        _ => format!("`{}`", names.join("`, `")),
    }
}

/// Reads one tensor, by the name of a value or the `other` one; all must have the number of images of the first one.
#[cfg(feature = "weights")]
fn column(
    file: &mut crate::tensors::TensorFile<'_>,
    spec: &'static ValueSpec,
    other: Option<&str>,
    items: &mut Option<(usize, &'static str)>,
) -> Result<Column, FileError> {
    let Some(entry) = file.entry(spec.name).or_else(|| file.entry(other?)).cloned() else {
        let names: Vec<&str> = file.entries().iter().map(|entry| entry.name.as_str()).collect();
        let error = file.error(format!("there is no tensor `{}`; the file has {}", spec.name, listed(&names)));
        return Err(match crate::weights::nearest(spec.name, names.iter().copied(), spec.name.len() / 2) {
            Some(guess) => error.hint(format!("is it the `{guess}` of the file?")),
            None => {
                error.hint(format!("tensors are named like the network's inputs and targets; `{}` is one", spec.name))
            }
        });
    };
    // A class is one number per image; `[batch, 1]` is the same to us.
    let fits = match (entry.shape.split_first(), spec.kind) {
        (Some((_, [] | [1])), TargetKind::Class(_)) if spec.image_len() == 1 => true,
        (Some((_, shape)), _) => shape == spec.shape,
        (None, _) => false,
    };
    if !fits {
        let needed: Vec<String> =
            std::iter::once(String::from("batch")).chain(spec.shape.iter().map(|dim| format!("{dim}"))).collect();
        let message = format!("`{}` has shape {:?}, needed is [{}]", spec.name, entry.shape, needed.join(", "));
        return Err(file.error(message));
    }
    let images = entry.shape[0];
    match *items {
        _ if images == 0 => return Err(file.error(format!("`{}` has no images", spec.name))),
        Some((others, name)) if others != images => {
            return Err(file.error(format!("`{}` has {images} images, but `{name}` has {others}", spec.name)));
        }
        _ => *items = Some((images, spec.name)),
    }
    let values = match spec.kind {
        TargetKind::Float => {
            // As many as the file holds bytes for.
            let mut values = vec![0.0; entry.len()];
            file.floats(&entry, &mut values)?;
            Values::Floats(values)
        }
        TargetKind::Class(classes) => Values::Classes(file.classes(&entry, classes)?),
    };
    Ok(Column { values, image_len: spec.image_len() })
}

/// Memory for one batch, filled again and again.
#[derive(Debug)]
pub struct BatchData {
    inputs: Vec<Buffer>,
    floats: Vec<Buffer>,
    classes: Vec<Vec<u32>>,
    /// Which of the targets are classes.
    is_class: Vec<bool>,
    input_lens: Vec<usize>,
    target_lens: Vec<usize>,
    count: usize,
}

impl BatchData {
    /// Memory for at most `capacity` images of a network.
    pub fn new(spec: &Spec, capacity: usize) -> Self {
        let buffers = |specs: &[ValueSpec]| specs.iter().map(|v| Buffer::zeroed(v.image_len() * capacity)).collect();
        Self {
            inputs: buffers(spec.inputs),
            floats: buffers(spec.targets),
            classes: spec.targets.iter().map(|v| vec![0; v.image_len() * capacity]).collect(),
            is_class: spec.targets.iter().map(|v| v.kind != TargetKind::Float).collect(),
            input_lens: spec.inputs.iter().map(ValueSpec::image_len).collect(),
            target_lens: spec.targets.iter().map(ValueSpec::image_len).collect(),
            count: 0,
        }
    }

    /// Copies the images with these numbers, at most as many as there is memory for.
    pub fn load(&mut self, data: &Dataset, numbers: &[usize]) {
        self.count = numbers.len();
        let images = || numbers.iter().map(|number| data.range.start + number);
        for (column, y) in data.inputs.iter().zip(&mut self.inputs) {
            copy_floats(column, images(), y);
        }
        for (i, column) in data.targets.iter().enumerate() {
            match &column.values {
                Values::Classes(labels) => {
                    let len = column.image_len;
                    for (image, y) in images().zip(self.classes[i].chunks_exact_mut(len)) {
                        y.copy_from_slice(&labels[image * len..][..len]);
                    }
                }
                _ => copy_floats(column, images(), &mut self.floats[i]),
            }
        }
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The inputs, as networks take them.
    pub fn inputs(&self) -> Vec<&[f32]> {
        self.inputs.iter().zip(&self.input_lens).map(|(x, len)| &x[..len * self.count]).collect()
    }

    /// The targets, as networks take them.
    pub fn targets(&self) -> Vec<Targets<'_>> {
        (0..self.is_class.len())
            .map(|i| {
                let len = self.target_lens[i] * self.count;
                match self.is_class[i] {
                    true => Targets::Classes(&self.classes[i][..len]),
                    false => Targets::Floats(&self.floats[i][..len]),
                }
            })
            .collect()
    }
}

fn copy_floats(column: &Column, images: impl Iterator<Item = usize>, y: &mut [f32]) {
    let len = column.image_len;
    if len == 0 {
        return;
    }
    for (image, y) in images.zip(y.chunks_exact_mut(len)) {
        let part = image * len..(image + 1) * len;
        match &column.values {
            Values::Floats(values) => y.copy_from_slice(&values[part]),
            Values::Bytes { bytes, tables } => {
                let planes = bytes[part].chunks_exact(len / tables.len());
                for ((plane, y), table) in planes.zip(y.chunks_exact_mut(len / tables.len())).zip(tables) {
                    for (y, &byte) in y.iter_mut().zip(plane) {
                        *y = table[usize::from(byte)];
                    }
                }
            }
            Values::Classes(_) => unreachable!("columns of floats hold no classes"),
        }
    }
}

#[cfg(test)]
mod tests;
