//! Which files are learnt from.

use std::path::{Path, PathBuf};

use cnnc_runtime::data::Part;
use cnnc_runtime::job::{Cifar, Compared, Files};
use serde::Deserialize;

/// What is learnt from and what is held out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    /// Where files are looked up; the recipe's folder by default.
    pub(super) folder: Option<PathBuf>,
    pub(super) train: Images,
    pub(super) test: Option<Images>,
}

/// One kind of files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Images {
    pub(super) images: Option<PathBuf>,
    pub(super) labels: Option<PathBuf>,
    pub(super) tensors: Option<PathBuf>,
    pub(super) folders: Option<PathBuf>,
    pub(super) cifar10: Option<Vec<PathBuf>>,
    pub(super) cifar100: Option<Vec<PathBuf>>,
    pub(super) voc: Option<Annotated>,
    pub(super) coco: Option<Annotated>,
    pub(super) yolo: Option<Annotated>,
    pub(super) boxes: Option<Tabled>,
    pub(super) landmarks: Option<Annotated>,
    pub(super) pairs: Option<Annotated>,
    pub(super) triplets: Option<Annotated>,
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(super) part: Part,
}

/// What stands beside a folder of pictures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Annotated {
    /// The folder of the pictures.
    pub(super) images: PathBuf,
    /// What is known of them: a file or a folder.
    pub(super) annotations: PathBuf,
}

/// A table of boxes beside a folder of pictures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tabled {
    /// The folder of the pictures.
    pub(super) images: PathBuf,
    /// The table.
    pub(super) annotations: PathBuf,
    /// Which rows.
    pub(super) split: Option<String>,
}

/// What a path must lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    File,
    Folder,
    Either,
}

impl Images {
    /// The kinds of data that are given, by name.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let kinds = [
            ("images", self.images.is_some() || self.labels.is_some()),
            ("tensors", self.tensors.is_some()),
            ("folders", self.folders.is_some()),
            ("cifar10", self.cifar10.is_some()),
            ("cifar100", self.cifar100.is_some()),
            ("voc", self.voc.is_some()),
            ("coco", self.coco.is_some()),
            ("yolo", self.yolo.is_some()),
            ("boxes", self.boxes.is_some()),
            ("landmarks", self.landmarks.is_some()),
            ("pairs", self.pairs.is_some()),
            ("triplets", self.triplets.is_some()),
        ];
        kinds.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// Whether exactly one kind is given, and all of it.
    pub(super) fn is_clear(&self) -> bool {
        let whole = self.images.is_some() == self.labels.is_some();
        let some = [&self.cifar10, &self.cifar100].into_iter().flatten().all(|files| !files.is_empty());
        self.kinds().len() == 1 && whole && some
    }

    /// All paths, with their keys.
    pub(super) fn paths(&self) -> Vec<(&'static str, &Path, Is)> {
        let mut paths = Vec::new();
        let single = [
            ("images", &self.images, Is::File),
            ("labels", &self.labels, Is::File),
            ("tensors", &self.tensors, Is::Either),
            ("folders", &self.folders, Is::Folder),
        ];
        paths.extend(single.into_iter().filter_map(|(key, path, is)| Some((key, path.as_deref()?, is))));
        for (key, files) in [("cifar10", &self.cifar10), ("cifar100", &self.cifar100)] {
            paths.extend(files.iter().flatten().map(|path| (key, path.as_path(), Is::File)));
        }
        let annotated = [
            (&self.voc, Is::Folder),
            (&self.coco, Is::File),
            (&self.yolo, Is::Folder),
            (&self.landmarks, Is::File),
            (&self.pairs, Is::File),
            (&self.triplets, Is::File),
        ];
        for (annotated, is) in annotated {
            let Some(Annotated { images, annotations }) = annotated else { continue };
            paths.extend([("annotations", annotations.as_path(), is), ("images", images.as_path(), Is::Folder)]);
        }
        if let Some(Tabled { images, annotations, .. }) = &self.boxes {
            paths.extend([("annotations", annotations.as_path(), Is::File), ("images", images.as_path(), Is::Folder)]);
        }
        paths
    }

    /// For the job, with paths found from `folder`.
    pub(super) fn files(&self, folder: &Path) -> Files {
        let at = |path: &PathBuf| folder.join(path);
        let all = |files: &[PathBuf]| files.iter().map(at).collect();
        let beside = |a: &Annotated| (at(&a.annotations), at(&a.images));
        let comparisons = |compared: Compared, a: &Annotated| {
            let (list, images) = beside(a);
            Files::Comparisons { compared, list, images }
        };
        match self {
            Self { tensors: Some(path), .. } => Files::Tensors { path: at(path) },
            Self { folders: Some(root), .. } => Files::Folders { root: at(root) },
            Self { cifar10: Some(files), .. } => Files::Cifar { kind: Cifar::Ten, files: all(files) },
            Self { cifar100: Some(files), .. } => Files::Cifar { kind: Cifar::Hundred, files: all(files) },
            Self { voc: Some(voc), .. } => {
                let (annotations, images) = beside(voc);
                Files::Voc { annotations, images }
            }
            Self { coco: Some(coco), .. } => {
                let (annotations, images) = beside(coco);
                Files::Coco { annotations, images }
            }
            Self { yolo: Some(yolo), .. } => {
                let (labels, images) = beside(yolo);
                Files::Yolo { labels, images }
            }
            Self { boxes: Some(Tabled { images, annotations, split }), .. } => {
                Files::Boxes { table: at(annotations), images: at(images), split: split.clone() }
            }
            Self { landmarks: Some(landmarks), .. } => {
                let (points, images) = beside(landmarks);
                Files::Landmarks { points, images }
            }
            Self { pairs: Some(pairs), .. } => comparisons(Compared::Pairs, pairs),
            Self { triplets: Some(triplets), .. } => comparisons(Compared::Triplets, triplets),
            Self { images, labels, .. } => {
                let or_none = |path: &Option<PathBuf>| folder.join(path.as_deref().unwrap_or(Path::new("")));
                Files::Idx { images: or_none(images), labels: or_none(labels) }
            }
        }
    }
}
