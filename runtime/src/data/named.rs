//! Tensors by name, from the files that hold some: of safetensors or of NumPy.

use std::path::Path;

use super::columns::Values;
use super::readers::{Array, Arrays, listed};
use crate::files::FileError;
use crate::nearest::nearest;
use crate::tensors::{Entry, TensorFile};
use crate::{TargetKind, ValueSpec};

/// The tensors of a file or a folder.
pub(super) enum Named {
    Safetensors(TensorFile<'static>),
    Arrays(Arrays),
}

/// One of them. Those of NumPy are read already, one at a time: they are wider than what networks take.
pub(super) enum Tensor<'a> {
    Entry(&'a mut TensorFile<'static>, Entry),
    Array(&'a Arrays, String, Array),
}

impl Named {
    /// A safetensors, `.npz` or `.npy` file, or a folder of `.npy` files.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        match path.is_dir() || is(path, "npz") || is(path, "npy") {
            true => Arrays::open(path).map(Self::Arrays),
            false => TensorFile::open(path).map(Self::Safetensors),
        }
    }

    fn missing(&self, name: &str) -> FileError {
        let names = self.names();
        let message = format!("there is no tensor `{name}`; the file has {}", listed(&names));
        let error = match self {
            Self::Safetensors(file) => file.error(message),
            Self::Arrays(arrays) => FileError::new(arrays.path(), message),
        };
        match nearest(name, names.iter().copied(), name.len() / 2) {
            Some(guess) => error.hint(format!("is it the `{guess}` of the file?")),
            None => error.hint(format!("tensors are named like the network's inputs and targets; `{name}` is one")),
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Safetensors(file) => file.entries().iter().map(|entry| entry.name.as_str()).collect(),
            Self::Arrays(arrays) => arrays.names(),
        }
    }

    /// The name of the only tensor, of a file that cannot hold more than one.
    fn only(&self) -> Option<&str> {
        match self {
            Self::Arrays(arrays) if is(arrays.path(), "npy") => arrays.names().first().copied(),
            _ => None,
        }
    }

    /// The tensor of a value. It is called like the value or, where this is `alone` of its kind, `input` or by the only name that
    /// there is.
    pub(super) fn tensor(&mut self, value: &ValueSpec, alone: bool) -> Result<Tensor<'_>, FileError> {
        let others = ["input"].into_iter().chain(self.only()).filter(|_| alone);
        let names = self.names();
        let name = [value.name].into_iter().chain(others).find(|name| names.contains(name));
        let name = name.ok_or_else(|| self.missing(value.name))?.to_owned();
        match self {
            Self::Safetensors(file) => {
                let entry =
                    file.entry(&name).cloned().ok_or_else(|| file.error(format!("there is no tensor `{name}`")))?;
                Ok(Tensor::Entry(file, entry))
            }
            Self::Arrays(arrays) => {
                let array = arrays.read(&name)?;
                Ok(Tensor::Array(arrays, name, array))
            }
        }
    }
}

impl Tensor<'_> {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Entry(_, entry) => &entry.shape,
            Self::Array(_, _, array) => &array.shape,
        }
    }

    /// An error about it.
    pub(super) fn error(&self, message: impl Into<String>) -> FileError {
        match self {
            Self::Entry(file, _) => file.error(message),
            Self::Array(arrays, ..) => FileError::new(arrays.path(), message),
        }
    }

    /// Its elements, as `value` has them.
    pub(super) fn read(self, value: &ValueSpec) -> Result<Values, FileError> {
        match self {
            Self::Entry(file, entry) => match value.kind {
                TargetKind::Float => {
                    // As many as the file holds bytes for.
                    let mut floats = vec![0.0; entry.len()];
                    file.floats(&entry, &mut floats)?;
                    Ok(Values::Floats(floats))
                }
                TargetKind::Class(classes) => Ok(Values::Classes(file.classes(&entry, classes, value.ignore)?)),
            },
            Self::Array(arrays, name, array) => elements(&array.values, value)
                .map_err(|message| FileError::new(arrays.path(), format!("`{name}` number {message}"))),
        }
    }
}

/// The elements of an array, as a value has them.
fn elements(numbers: &[f64], value: &ValueSpec) -> Result<Values, String> {
    let TargetKind::Class(classes) = value.kind else {
        return Ok(Values::Floats(numbers.iter().map(|&x| x as f32).collect()));
    };
    // NumPy counts in floats where nobody says otherwise, so that these are labels too as long as they are whole.
    let label = |(index, &x): (usize, &f64)| match x as u32 {
        label if f64::from(label) == x && value.has_label(label) => Ok(label),
        _ if x.fract() != 0.0 => Err(format!("{index} is {x}, needed are class labels, which are whole numbers")),
        _ => {
            let most = classes.saturating_sub(1);
            Err(format!("{index} is class {x}, but there are {classes} classes (0 to {most})"))
        }
    };
    numbers.iter().enumerate().map(label).collect::<Result<_, _>>().map(Values::Classes)
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}
