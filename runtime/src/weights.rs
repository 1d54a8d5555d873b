//! Weights of networks in safetensors files, under the names of the specification.

use std::format;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::files::FileError;
use crate::nearest::nearest;
use crate::tensors::{self, Dtype, Entry, Tensor, TensorFile};
use crate::{Error, Network, ParamSpec, Spec};

/// What else stands beside weights: counters that PyTorch and its tools keep. No network of ours needs them.
const EXTRAS: [&str; 3] = ["num_batches_tracked", "total_ops", "total_params"];

/// Tensors of a checkpoint that are not weights start like this.
pub(crate) const OPTIMIZER_PREFIX: &str = "optimizer:";

/// More problems than this are counted, not listed.
const MOST_LISTED: usize = 8;

/// What is let pass when weights are loaded. The default is strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lenience {
    /// Parameters that the file lacks keep their values.
    pub missing: bool,
    /// Tensors that no parameter is named like are skipped. Networks compiled for inference only always skip them, since
    /// they lack what serves training alone.
    pub unexpected: bool,
    /// Parameters that have another shape in the file keep their values.
    pub shape: bool,
    /// Infinities and NaN are loaded.
    pub not_finite: bool,
}

impl Lenience {
    /// For a network that begins with the weights of another one: what does not fit by name and shape is let pass.
    pub const TRANSFER: Self = Self { missing: true, unexpected: true, shape: true, not_finite: false };
}

/// What was found in a file of weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Tensors that were loaded.
    pub tensors: usize,
    /// Numbers that were loaded.
    pub floats: usize,
    /// Parameters that the file lacks.
    pub missing: Vec<String>,
    /// Tensors that no parameter is named like.
    pub unexpected: Vec<String>,
    /// Parameters that have another shape in the file, and that shape.
    pub reshaped: Vec<(String, Vec<usize>)>,
    /// Known extras that were skipped, such as `num_batches_tracked`.
    pub ignored: Vec<String>,
    /// The text the file says about itself.
    pub metadata: Option<String>,
}

impl Loaded {
    /// What was taken from the file, what the network has beside it, and what of the file was left, in lines for people.
    pub fn account(&self, spec: &Spec) -> String {
        let shape = |name: &str| spec.param(name).map_or(&[][..], |param| param.shape);
        let mut new: Vec<String> = self.missing.iter().map(|name| format!("{name} {:?}", shape(name))).collect();
        let other = |(name, file): &(String, Vec<usize>)| format!("{name} {:?}, in the file {file:?}", shape(name));
        new.extend(self.reshaped.iter().map(other));
        let mut lines =
            format!("{} of {} weights fit by name and shape: {} numbers", self.tensors, spec.params.len(), self.floats);
        for (what, names) in [("new", &new), ("not used", &self.unexpected)] {
            if !names.is_empty() {
                lines.push_str(&format!("\n  {what}: {}", listed(names)));
            }
        }
        lines
    }
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(MOST_LISTED)].join("; ");
    match names.len().saturating_sub(MOST_LISTED) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Loads all weights and buffers of a network; every tensor must fit by name, shape and type. If anything does not, the
/// network is left as it was and the error lists all that does not fit.
///
/// # Errors
/// Names the file: it cannot be read, or what of it does not fit.
pub fn load(network: &mut dyn Network, path: impl AsRef<Path>) -> Result<Loaded, Error> {
    load_with(network, path, Lenience::default())
}

/// The same with some things let pass.
///
/// # Errors
/// Those of [`load`], but for what `lenience` lets pass.
pub fn load_with(network: &mut dyn Network, path: impl AsRef<Path>, lenience: Lenience) -> Result<Loaded, Error> {
    Ok(load_from(network, &mut TensorFile::open(path.as_ref())?, lenience)?)
}

/// The same for a file in memory, such as that of `include_bytes!`.
///
/// # Errors
/// Those of [`load`], but for what `lenience` lets pass.
pub fn load_bytes(network: &mut dyn Network, bytes: &[u8], lenience: Lenience) -> Result<Loaded, Error> {
    Ok(load_from(network, &mut TensorFile::from_bytes(bytes)?, lenience)?)
}

/// The same for an open file.
///
/// # Errors
/// Those of [`load`], but for what `lenience` lets pass.
pub fn load_from(
    network: &mut dyn Network,
    file: &mut TensorFile<'_>,
    lenience: Lenience,
) -> Result<Loaded, FileError> {
    let spec = network.spec();
    let mut loaded = match_names(spec, file);
    let mut problems = Vec::new();
    let mut fitting = Vec::new();
    for param in spec.params {
        let Some(entry) = file.entry(param.name).cloned() else { continue };
        if lenience.shape && !alike(&entry.shape, param.shape) {
            loaded.reshaped.push((param.name.to_string(), entry.shape));
            continue;
        }
        problems.extend(check(param, &entry, file, lenience)?);
        loaded.tensors += 1;
        loaded.floats += entry.len();
        fitting.push((param, entry));
    }
    if !lenience.missing && is_of_another(spec, &loaded) {
        return Err(of_another(spec, file, &loaded));
    }
    if !lenience.missing {
        problems.extend(loaded.missing.iter().map(|name| missing(spec, name, &loaded.unexpected, file)));
    }
    if !lenience.unexpected && spec.trains {
        problems.extend(loaded.unexpected.iter().map(|name| unexpected(spec, name, &loaded.missing)));
    }
    if !problems.is_empty() {
        return Err(complain(spec, file, &problems));
    }
    if network.params().len() < spec.param_floats && loaded.tensors < spec.params.len() {
        return Err(file.error(
            "the network has given its weights back (`keep_weights`), and this file does not have all of them",
        ));
    }
    // Nothing was written so far, so that a network whose weights do not fit is left as it was.
    let params = network.params_mut();
    for (param, entry) in fitting {
        file.floats(&entry, &mut params[param.range.clone()])?;
    }
    Ok(loaded)
}

/// Saves all weights and buffers of a network, atomically, with a text about them.
///
/// # Errors
/// Names the file: it cannot be written. What was there before stays. Or the network has not kept its weights.
pub fn save(network: &dyn Network, path: impl AsRef<Path>, metadata: Option<&str>) -> Result<(), Error> {
    if network.params().len() < network.spec().param_floats {
        return Err(Error::Weights("the network has given its weights back (`keep_weights`)".to_string()));
    }
    Ok(tensors::write(path.as_ref(), &tensors_of(network), metadata)?)
}

/// The weights and buffers of a network in order of definition.
pub(crate) fn tensors_of(network: &dyn Network) -> Vec<Tensor<'_>> {
    let params = network.params();
    let tensor = |param: &ParamSpec| Tensor::new(param.name, param.shape, &params[param.range.clone()]);
    network.spec().params.iter().map(tensor).collect()
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Weights(error.to_string())
    }
}

/// Which names of the network and of the file have no partner.
fn match_names(spec: &Spec, file: &TensorFile<'_>) -> Loaded {
    let mut loaded = Loaded { metadata: file.metadata().map(String::from), ..Loaded::default() };
    let known = |name: &str| spec.params.iter().any(|param| param.name == name);
    for entry in file.entries().iter().filter(|entry| !known(&entry.name)) {
        let last = entry.name.rsplit('.').next().unwrap_or_default();
        if entry.name.starts_with(OPTIMIZER_PREFIX) {
        } else if EXTRAS.contains(&last) {
            loaded.ignored.push(entry.name.clone());
        } else {
            loaded.unexpected.push(entry.name.clone());
        }
    }
    let lacks = |param: &&ParamSpec| file.entry(param.name).is_none();
    loaded.missing = spec.params.iter().filter(lacks).map(|param| param.name.to_string()).collect();
    loaded
}

/// What of a tensor does not fit. The error is one of the file.
fn check(
    param: &ParamSpec,
    entry: &Entry,
    file: &mut TensorFile<'_>,
    lenience: Lenience,
) -> Result<Option<String>, FileError> {
    let name = param.name;
    if entry.dtype != Dtype::F32 {
        return Ok(Some(format!("`{name}` is {}, needed is F32 (in Python: tensor.float())", entry.dtype)));
    }
    if !alike(&entry.shape, param.shape) {
        let transposed = entry.shape.len() == 2 && entry.shape.iter().rev().eq(param.shape);
        let hint = if transposed { " (transposed?)" } else { "" };
        return Ok(Some(format!("`{name}` has shape {:?}, needed is {:?}{hint}", entry.shape, param.shape)));
    }
    let bad = if lenience.not_finite { None } else { file.not_finite(entry)? };
    Ok(bad.map(|(index, value)| format!("`{name}` is {value} at {:?}", place(index, param.shape))))
}

/// Whether shapes differ in dimensions of 1 only: a convolution of each region apart has the weights of one of pictures.
fn alike(a: &[usize], b: &[usize]) -> bool {
    let long = |shape: &[usize]| shape.iter().copied().filter(|dim| *dim != 1).collect::<Vec<usize>>();
    long(a) == long(b)
}

/// The position of an element in a shape.
fn place(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut place: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&dim| {
            let at = index % dim.max(1);
            index /= dim.max(1);
            at
        })
        .collect();
    place.reverse();
    place
}

/// Whether hardly any name fits, so that each alone says nothing.
fn is_of_another(spec: &Spec, loaded: &Loaded) -> bool {
    let known = spec.params.len() - loaded.missing.len();
    spec.params.len() > MOST_LISTED && !loaded.unexpected.is_empty() && known * 10 < spec.params.len()
}

/// That a file has the weights of another network, with some names of both.
fn of_another(spec: &Spec, file: &TensorFile<'_>, loaded: &Loaded) -> FileError {
    const SHOWN: usize = 3;
    let some = |names: &[String]| format!("`{}`", names[..names.len().min(SHOWN)].join("`, `"));
    let known = spec.params.len() - loaded.missing.len();
    file.error(format!(
        "these are weights of another network: {known} of the {0} names of {1} are among them\n  {1} needs {2}, ...\n  the file has {3}, ...",
        spec.params.len(),
        spec.name,
        some(&loaded.missing),
        some(&loaded.unexpected)
    ))
    .hint("the file of this network, or, to begin with what fits, `transfer` in a recipe")
}

fn missing(spec: &Spec, name: &str, unexpected: &[String], file: &TensorFile<'_>) -> String {
    let shape = spec.params.iter().find(|param| param.name == name).map_or(&[][..], |param| param.shape);
    // A tensor of the right shape is the better guess, also where its name is less alike.
    let fits = |other: &&String| file.entry(other).is_some_and(|entry| alike(&entry.shape, shape));
    let guess = nearest(name, unexpected.iter().filter(fits).map(String::as_str), usize::MAX)
        .or_else(|| nearest(name, unexpected.iter().map(String::as_str), name.len() / 3));
    match guess {
        Some(guess) => format!("`{name}` {shape:?} is missing; is it the `{guess}` of the file?"),
        None => format!("`{name}` {shape:?} is missing"),
    }
}

fn unexpected(spec: &Spec, name: &str, missing: &[String]) -> String {
    let guess = nearest(name, missing.iter().map(String::as_str), name.len() / 2);
    match guess {
        Some(guess) => format!("`{name}` of the file is no parameter of {}; is it `{guess}`?", spec.name),
        None => format!("`{name}` of the file is no parameter of {}", spec.name),
    }
}

fn complain(spec: &Spec, file: &TensorFile<'_>, problems: &[String]) -> FileError {
    let mut message = format!("these weights do not fit {}:", spec.name);
    for problem in problems.iter().take(MOST_LISTED) {
        message.push_str("\n  - ");
        message.push_str(problem);
    }
    if problems.len() > MOST_LISTED {
        message.push_str(&format!("\n  - and {} more", problems.len() - MOST_LISTED));
    }
    file.error(message)
}

#[cfg(test)]
mod tests;
