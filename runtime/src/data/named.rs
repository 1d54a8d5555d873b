//! Tensors by name, from the files that hold some: of safetensors or of NumPy.

use std::path::Path;

use super::columns::Values;
use super::readers::{Array, read_arrays};
use crate::files::FileError;
use crate::tensors::TensorFile;
use crate::weights::nearest;
use crate::{TargetKind, ValueSpec};

/// The tensors of a file or a folder.
pub(super) enum Named<'a> {
    Safetensors(TensorFile<'static>),
    Arrays { path: &'a Path, arrays: Vec<Array> },
}

impl<'a> Named<'a> {
    /// A safetensors, `.npz` or `.npy` file, or a folder of `.npy` files.
    pub(super) fn open(path: &'a Path) -> Result<Self, FileError> {
        match path.is_dir() || is(path, "npz") || is(path, "npy") {
            true => Ok(Self::Arrays { path, arrays: read_arrays(path)? }),
            false => TensorFile::open(path).map(Self::Safetensors),
        }
    }

    /// An error about it.
    pub(super) fn error(&self, message: impl Into<String>) -> FileError {
        match self {
            Self::Safetensors(file) => file.error(message),
            Self::Arrays { path, .. } => FileError::new(*path, message),
        }
    }

    fn missing(&self, name: &str) -> FileError {
        let names = self.names();
        let error = self.error(format!("there is no tensor `{name}`; the file has {}", listed(&names)));
        match nearest(name, names.iter().copied(), name.len() / 2) {
            Some(guess) => error.hint(format!("is it the `{guess}` of the file?")),
            None => error.hint(format!("tensors are named like the network's inputs and targets; `{name}` is one")),
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Safetensors(file) => file.entries().iter().map(|entry| entry.name.as_str()).collect(),
            Self::Arrays { arrays, .. } => arrays.iter().map(|array| array.name.as_str()).collect(),
        }
    }

    /// The name of the only tensor, of a file that cannot hold more than one.
    fn only(&self) -> Option<&str> {
        match self {
            Self::Arrays { path, arrays } if is(path, "npy") => arrays.first().map(|array| array.name.as_str()),
            _ => None,
        }
    }

    /// What a value is called here: its own name or, where it is `alone` of its kind, `input` or the only name that there is.
    pub(super) fn name_of(&self, value: &ValueSpec, alone: bool) -> Result<String, FileError> {
        let others = ["input"].into_iter().chain(self.only()).filter(|_| alone);
        let names = self.names();
        let name = [value.name].into_iter().chain(others).find(|name| names.contains(name));
        name.map(str::to_owned).ok_or_else(|| self.missing(value.name))
    }

    /// Its shape.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize], FileError> {
        let shape = match self {
            Self::Safetensors(file) => file.entry(name).map(|entry| &entry.shape),
            Self::Arrays { arrays, .. } => arrays.iter().find(|array| array.name == name).map(|array| &array.shape),
        };
        shape.map(Vec::as_slice).ok_or_else(|| self.missing(name))
    }

    /// Its elements, as `value` has them.
    pub(super) fn read(&mut self, name: &str, value: &ValueSpec) -> Result<Values, FileError> {
        match self {
            Self::Safetensors(file) => {
                let Some(entry) = file.entry(name).cloned() else { return Err(self.missing(name)) };
                match value.kind {
                    TargetKind::Float => {
                        // As many as the file holds bytes for.
                        let mut floats = vec![0.0; entry.len()];
                        file.floats(&entry, &mut floats)?;
                        Ok(Values::Floats(floats))
                    }
                    TargetKind::Class(classes) => Ok(Values::Classes(file.classes(&entry, classes, value.ignore)?)),
                }
            }
            Self::Arrays { arrays, .. } => match arrays.iter().find(|array| array.name == name) {
                Some(array) => elements(array, value).map_err(|message| self.error(message)),
                None => Err(self.missing(name)),
            },
        }
    }
}

/// The elements of an array, as a value has them.
fn elements(array: &Array, value: &ValueSpec) -> Result<Values, String> {
    let (name, numbers) = (&array.name, &array.values);
    let TargetKind::Class(classes) = value.kind else {
        return Ok(Values::Floats(numbers.iter().map(|&x| x as f32).collect()));
    };
    if !array.whole {
        return Err(format!("`{name}` is of floats, needed are class labels as integers, such as int64"));
    }
    let label = |(index, &x): (usize, &f64)| match x >= 0.0 && value.has_label(x as u32) {
        true => Ok(x as u32),
        false => {
            let most = classes.saturating_sub(1);
            Err(format!("`{name}` number {index} is class {x}, but there are {classes} classes (0 to {most})"))
        }
    };
    numbers.iter().enumerate().map(label).collect::<Result<_, _>>().map(Values::Classes)
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Some of the names of a file.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 6;
    match names.split_at_checked(MOST) {
        _ if names.is_empty() => String::from("none"),
        Some((first, rest @ [_, ..])) => format!("`{}` and {} more", first.join("`, `"), rest.len()),
        _ => format!("`{}`", names.join("`, `")),
    }
}
