//! Data that lies in memory as networks take it: for every input and target the values of all images.

use std::path::Path;

#[cfg(feature = "weights")]
use super::named::Named;
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
        let mut file = Named::open(path)?;
        let mut items = None;
        let alone = spec.inputs.len() == 1;
        let mut column = |value, alone| column(&mut file, value, alone, &mut items);
        let inputs = spec.inputs.iter().map(|input| column(input, alone)).collect::<Result<_, _>>()?;
        let targets = spec.targets.iter().map(|target| column(target, false)).collect::<Result<_, _>>()?;
        Ok(Self { inputs, targets, items: items.map_or(0, |(items, _)| items) })
    }

    /// Tensors named like the inputs that inference needs, or, of a net with one input, `input`; there are no targets.
    #[cfg(feature = "weights")]
    pub(super) fn inputs(path: &Path, spec: &Spec) -> Result<Self, FileError> {
        let mut file = Named::open(path)?;
        let mut items = None;
        let alone = spec.inputs.len() == 1;
        let needed = |input: &'static ValueSpec| match input.infers {
            true => column(&mut file, input, alone, &mut items),
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

/// Reads one tensor; all must have the number of images of the first one.
#[cfg(feature = "weights")]
fn column(
    file: &mut Named,
    spec: &'static ValueSpec,
    alone: bool,
    items: &mut Option<(usize, &'static str)>,
) -> Result<Column, FileError> {
    let tensor = file.tensor(spec, alone)?;
    let shape = tensor.shape();
    // A class is one number per image; `[batch, 1]` is the same to us.
    let fits = match (shape.split_first(), spec.kind) {
        (Some((_, [] | [1])), TargetKind::Class(_)) if spec.image_len() == 1 => true,
        (Some((_, shape)), _) => shape == spec.shape,
        (None, _) => false,
    };
    if !fits {
        let needed: Vec<String> =
            std::iter::once(String::from("batch")).chain(spec.shape.iter().map(|dim| format!("{dim}"))).collect();
        let message = format!("`{}` has shape {shape:?}, needed is [{}]", spec.name, needed.join(", "));
        return Err(tensor.error(message));
    }
    let images = shape[0];
    match *items {
        _ if images == 0 => return Err(tensor.error(format!("`{}` has no images", spec.name))),
        Some((others, name)) if others != images => {
            return Err(tensor.error(format!("`{}` has {images} images, but `{name}` has {others}", spec.name)));
        }
        _ => *items = Some((images, spec.name)),
    }
    Ok(Column { values: tensor.read(spec)?, image_len: spec.image_len() })
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
