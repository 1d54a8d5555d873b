//! Data that lies in memory as networks take it: for every input and target the values of all images.

use std::path::Path;

use super::{Idx, Picture};
use crate::files::FileError;
use crate::{Error, Spec, TargetKind, ValueSpec};

/// The values of an input or a target, one image after another.
#[derive(Debug)]
pub(super) enum Values {
    /// Bytes that become floats by the table of their channel.
    Bytes {
        bytes: Vec<u8>,
        tables: Vec<[f32; 256]>,
    },
    Floats(Vec<f32>),
    Classes(Vec<u32>),
}

/// The values of a target for [`Dataset::in_memory`](super::Dataset::in_memory).
#[derive(Clone, Debug, PartialEq)]
pub enum TargetValues {
    /// One class per image, or of maps one per pixel, image after image.
    Classes(Vec<u32>),
    /// Floats, image after image.
    Floats(Vec<f32>),
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) values: Values,
    pub(super) image_len: usize,
}

/// One column for each input and each target.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) inputs: Vec<Column>,
    pub(super) targets: Vec<Column>,
    pub(super) items: usize,
}

impl Columns {
    /// Images and labels in IDX format, for a network with one input and one class as its target.
    pub(super) fn idx(images: &Path, labels: &Path, spec: &Spec, picture: &Picture) -> Result<Self, FileError> {
        let (input, classes) = match (spec.inputs, spec.targets) {
            ([input], [ValueSpec { kind: TargetKind::Class(classes), shape: [], .. }]) => (input, *classes),
            _ => {
                let message = format!(
                    "images with labels need a network with one input and one class for each image as its target; {} has {} and {}",
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
            inputs: vec![Column { values, image_len: input.image_len() }],
            targets: vec![Column { values: labels, image_len: 1 }],
            items,
        })
    }

    /// Values in memory: for every input and every target of the network those of all images, one after another.
    pub(super) fn in_memory(spec: &Spec, inputs: Vec<Vec<f32>>, targets: Vec<TargetValues>) -> Result<Self, Error> {
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
                if let Some(at) = labels.iter().position(|&label| !spec.has_label(label)) {
                    let image = at / spec.image_len();
                    return Err(Error::Class { name: String::from(spec.name), image, given: labels[at], classes });
                }
                let len = labels.len();
                column(spec, Values::Classes(labels), len)
            }
            _ => Err(wrong_number(spec.name, 0, items * spec.image_len())),
        };
        Ok(Self {
            inputs: spec.inputs.iter().zip(inputs).map(floats).collect::<Result<_, _>>()?,
            targets: spec.targets.iter().zip(targets).map(answers).collect::<Result<_, _>>()?,
            items,
        })
    }

    /// Tensors named like the inputs and targets of the network, batch first.
    #[cfg(feature = "weights")]
    pub(super) fn tensors(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        if path.extension().is_some_and(|e| e == "npz") {
            return Self::arrays(path, spec);
        }
        let mut file = crate::tensors::TensorFile::open(path)?;
        let mut items = None;
        let inputs = columns(&mut file, spec.inputs, alone(spec), &mut items)?;
        let targets = columns(&mut file, spec.targets, None, &mut items)?;
        Ok(Self { inputs, targets, items: items.map_or(0, |(items, _)| items) })
    }

    /// The same from an `.npz` file of NumPy.
    fn arrays(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        let arrays = super::readers::read_arrays(path)?;
        let names: Vec<&str> = arrays.iter().map(|array| array.name.as_str()).collect();
        let mut items = None;
        let mut column = |value: &ValueSpec| {
            let error = |message: String| FileError::new(path, message);
            let Some(array) = arrays.iter().find(|array| array.name == value.name) else {
                return Err(error(format!(
                    "there is no array `{}`; the file has `{}`",
                    value.name,
                    names.join("`, `")
                )));
            };
            let (images, shape) = array.shape.split_first().map_or((0, &[][..]), |(images, shape)| (*images, shape));
            let is_class = value.kind != TargetKind::Float;
            if shape != value.shape && !(is_class && value.image_len() == 1 && matches!(shape, [] | [1])) {
                let message =
                    format!("`{}` has shape {:?}, needed is the batch and {:?}", value.name, array.shape, value.shape);
                return Err(error(message));
            }
            if images == 0 || *items.get_or_insert(images) != images {
                return Err(error(format!("`{}` has {images} images, but others have another number", value.name)));
            }
            let values = match value.kind {
                TargetKind::Float => Values::Floats(array.values.iter().map(|&x| x as f32).collect()),
                TargetKind::Class(classes) => {
                    let is_label = |x: f64| x >= 0.0 && x.fract() == 0.0 && value.has_label(x as u32);
                    if let Some(at) = array.values.iter().position(|&x| !is_label(x)) {
                        let message = format!(
                            "`{}` number {at} is class {}, but there are {classes} classes (0 to {})",
                            value.name,
                            array.values[at],
                            classes.saturating_sub(1)
                        );
                        return Err(error(message));
                    }
                    Values::Classes(array.values.iter().map(|&x| x as u32).collect())
                }
            };
            Ok(Column { values, image_len: value.image_len() })
        };
        let inputs = spec.inputs.iter().map(&mut column).collect::<Result<_, _>>()?;
        let targets = spec.targets.iter().map(&mut column).collect::<Result<_, _>>()?;
        Ok(Self { inputs, targets, items: items.unwrap_or(0) })
    }

    /// Tensors named like the inputs that inference needs, or, of a net with one input, `input`; there are no targets.
    #[cfg(feature = "weights")]
    pub(super) fn inputs(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        let mut file = crate::tensors::TensorFile::open(path)?;
        let mut items = None;
        let needed = |input: &'static ValueSpec| match input.infers {
            true => column(&mut file, input, alone(spec), &mut items),
            false => Ok(Column { values: Values::Floats(Vec::new()), image_len: 0 }),
        };
        let inputs = spec.inputs.iter().map(needed).collect::<Result<_, _>>()?;
        Ok(Self { inputs, targets: Vec::new(), items: items.map_or(0, |(items, _)| items) })
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
) -> Result<Vec<Column>, FileError> {
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
        TargetKind::Class(classes) => Values::Classes(file.classes(&entry, classes, spec.ignore)?),
    };
    Ok(Column { values, image_len: spec.image_len() })
}

/// Copies the values of some images.
pub(super) fn copy_floats(column: &Column, images: impl Iterator<Item = usize>, y: &mut [f32]) {
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
