//! Features: what frozen layers see of images, computed once and kept in files for `cnnc train`.

use std::format;
use std::ops::ControlFlow;
use std::path::Path;
use std::string::{String, ToString};
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::train::transfer;
use super::{Failure, Harness, Keep, Reading, load, plural, thousands};
use crate::data::{Dataset, Draw, each_batch};
use crate::files::FileError;
use crate::job::{Features, Source};
use crate::tensors::{self, Tensor, TensorFile, Values};
use crate::{Network, Targets, ValueSpec};

/// What a file of features says of itself.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Of which images, network and weights these are features.
    of: String,
    /// How long it took to compute them.
    seconds: f64,
}

impl Harness<'_> {
    /// Computes the features of all images, unless those that are kept are the same, and says what that saves.
    pub(super) fn features(&mut self, job: &Features) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, None, job.batch, Keep { weights: true, ..Keep::default() })?;
        transfer(&mut *network, &job.weights)?;
        let (mut all, mut spared) = (0.0, job.epochs as f64);
        for (source, path) in &job.parts {
            let of = identity(job, source, &*network)?;
            let (kept, images) = match kept(path, &of) {
                Some(kept) => kept,
                None => {
                    // What is computed now is computed once.
                    spared = job.epochs as f64 - 1.0;
                    compute(&mut *network, job, source, path, of)?
                }
            };
            all += kept.seconds;
            let how = format!("features of {} images, computed in {:.2} s", thousands(images), kept.seconds);
            writeln!(self.out, "{}: {how}", path.display())?;
        }
        let epochs = plural(job.epochs, "epoch");
        writeln!(self.out, "kept features save about {:.1} s in {epochs}", all * spared)?;
        Ok(self.out.flush()?)
    }
}

/// What was kept before of the same, and of how many images.
fn kept(path: &Path, of: &str) -> Option<(Kept, usize)> {
    let file = TensorFile::open(path).ok()?;
    let kept: Kept = serde_json::from_str(file.metadata()?).ok()?;
    let images = *file.entries().first()?.shape.first()?;
    (kept.of == of).then_some((kept, images))
}

/// Lets the network see all images, and writes what it sees beside their targets.
fn compute(
    network: &mut dyn Network,
    job: &Features,
    source: &Source,
    path: &Path,
    of: String,
) -> Result<(Kept, usize), Failure> {
    let spec = network.spec();
    let reading =
        Reading { classes: &job.classes, picture: job.picture.clone(), targets: &job.targets, ..Reading::default() };
    let (start, data) = (Instant::now(), load(source, spec, reading)?);
    let mut columns = Columns {
        features: vec![Vec::new(); spec.outputs.len()],
        targets: vec![Column::default(); spec.targets.len()],
    };
    columns.fill(network, &data, job.batch)?;
    let kept = Kept { of, seconds: start.elapsed().as_secs_f64() };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| FileError::io(folder, &e))?;
    }
    let features = columns.features.iter().map(|floats| Values::Floats(floats));
    let all =
        spec.outputs.iter().zip(features).chain(spec.targets.iter().zip(columns.targets.iter().map(Column::values)));
    let tensors: Vec<Tensor<'_>> = all.map(|(value, values)| tensor(value, data.len(), values)).collect();
    let about = serde_json::to_string(&kept).map_err(|e| Failure::new(format!("cannot describe features: {e}")))?;
    tensors::write(path, &tensors, Some(&about))?;
    Ok((kept, data.len()))
}

fn tensor<'a>(value: &ValueSpec, images: usize, values: Values<'a>) -> Tensor<'a> {
    Tensor { name: value.name.to_string(), shape: [&[images], value.shape].concat(), values }
}

/// The values of all images, one after another.
struct Columns {
    features: Vec<Vec<f32>>,
    targets: Vec<Column>,
}

/// Of a target: floats or classes.
#[derive(Clone, Default)]
struct Column {
    floats: Vec<f32>,
    classes: Vec<u32>,
}

impl Columns {
    fn fill(&mut self, network: &mut dyn Network, data: &Dataset, size: usize) -> Result<(), Failure> {
        let (spec, threads) = (network.spec(), network.memory().pool.threads());
        let numbers: Vec<usize> = (0..data.len()).collect();
        let failed = each_batch(data, spec, &numbers, size, Draw::default(), threads, |batch, numbers| {
            if let Err(error) = network.infer(numbers.len(), &batch.inputs()) {
                return ControlFlow::Break(error);
            }
            for (number, column) in self.features.iter_mut().enumerate() {
                column.extend_from_slice(network.output(number));
            }
            for (column, target) in self.targets.iter_mut().zip(batch.targets()) {
                column.add(target);
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Column {
    fn add(&mut self, target: Targets<'_>) {
        self.floats.extend_from_slice(target.floats());
        self.classes.extend_from_slice(target.classes());
    }

    fn values(&self) -> Values<'_> {
        if self.classes.is_empty() { Values::Floats(&self.floats) } else { Values::Classes(&self.classes) }
    }
}

/// A text that changes with the network, its weights, the images (by the names, sizes and times of their files), and how these are
/// read.
fn identity(job: &Features, source: &Source, network: &dyn Network) -> Result<String, FileError> {
    let mut digest = Digest::new();
    digest.add(format!("{} {source:?} {:?} {:?} {:?}", job.network, job.picture, job.classes, job.targets).as_bytes());
    network.params().iter().for_each(|weight| digest.add(&weight.to_bits().to_le_bytes()));
    source.files.paths().into_iter().try_for_each(|path| add_files(&mut digest, path))?;
    Ok(format!("{:016x}", digest.0))
}

/// A file, or all files below a folder in order of their names.
fn add_files(digest: &mut Digest, path: &Path) -> Result<(), FileError> {
    let error = |e: std::io::Error| FileError::io(path, &e);
    let about = path.metadata().map_err(error)?;
    digest.add(path.to_string_lossy().as_bytes());
    if !about.is_dir() {
        digest.add(format!(" {} {:?}\n", about.len(), about.modified().map_err(error)?).as_bytes());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(error)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(error)?;
    paths.sort();
    paths.iter().try_for_each(|path| add_files(digest, path))
}

/// FNV-1a.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
}
