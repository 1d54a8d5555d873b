//! From the files of a job to a data set.

use crate::Spec;
use crate::augment::Pipeline;
use crate::data::{Answer, Collection, Dataset, Picture, Plan, readers};
use crate::files::FileError;
use crate::job::{Files, Source};

/// How the images of a source are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading<'a> {
    pub(super) classes: &'a [String],
    pub(super) picture: Picture,
    pub(super) augment: Pipeline,
    pub(super) targets: &'a [(String, Answer)],
}

/// The photos of a source; `None` for tensors, which are no photos.
///
/// # Errors
///
/// Those of the [reader](readers).
pub fn collect(files: &Files, classes: &[String]) -> Result<Option<Collection>, FileError> {
    Ok(Some(match files {
        Files::Tensors { .. } => return Ok(None),
        Files::Idx { images, labels } => readers::idx(images, labels)?,
        Files::Folders { root } => readers::folders(root, classes)?,
        Files::Cifar { kind, files } => {
            let mut all = Collection::default();
            for file in files {
                all.examples.extend(readers::cifar(file, *kind)?.examples);
            }
            all
        }
        Files::Voc { annotations, images } => readers::voc(annotations, images, classes)?,
        Files::Coco { annotations, images } => readers::coco(annotations, images)?,
        Files::Yolo { labels, images } => readers::yolo(labels, images, classes)?,
        Files::Boxes { table, images, split } => readers::boxes(table, images, split.as_deref(), classes)?,
        Files::Landmarks { points, images } => readers::landmarks(points, images)?,
        Files::Comparisons { compared, list, images } => readers::comparisons(list, images, *compared)?.photos,
    }))
}

/// Loads a data set. Digits and tensors that do not change at random lie in memory as the network takes them.
pub(super) fn load(source: &Source, spec: &Spec, reading: Reading<'_>) -> Result<Dataset, FileError> {
    let path = path_of(&source.files);
    let at = |message: String| FileError::new(path, message);
    let plan = Plan { augment: reading.augment, targets: reading.targets.to_vec() };
    let data = match &source.files {
        Files::Idx { images, labels } if plan.augment.is_empty() => {
            Dataset::idx(images, labels, spec, &reading.picture)?
        }
        Files::Comparisons { compared, list, images } => {
            let list = readers::comparisons(list, images, *compared)?;
            Dataset::comparisons(list, spec, &reading.picture, &plan).map_err(at)?
        }
        files => match collect(files, reading.classes)? {
            Some(collection) => {
                // A part of IDX files is the same images whether they change at random or not.
                let in_order = matches!(files, Files::Idx { .. });
                let photos = if in_order { Dataset::photos_in_order } else { Dataset::photos };
                photos(collection, spec, &reading.picture, &plan).map_err(at)?
            }
            None if !plan.augment.is_empty() => {
                return Err(at("tensors cannot be augmented".into()).hint("`augment` is for pictures"));
            }
            None => Dataset::tensors(path, spec)?,
        },
    };
    data.part(source.part).map_err(at)
}

/// The file or folder that stands for a source in messages.
fn path_of(files: &Files) -> &std::path::Path {
    match files {
        Files::Idx { images, .. } => images,
        Files::Tensors { path } => path,
        Files::Folders { root } => root,
        Files::Cifar { files, .. } => files.first().map_or(std::path::Path::new("CIFAR"), |file| file),
        Files::Voc { annotations, .. } | Files::Coco { annotations, .. } => annotations,
        Files::Yolo { labels, .. } => labels,
        Files::Boxes { table, .. } => table,
        Files::Landmarks { points, .. } => points,
        Files::Comparisons { list, .. } => list,
    }
}
