//! A folder for each class, with pictures in it: `ImageFolder` of torchvision
//! (<https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html>).

use std::path::Path;

use super::{Names, PICTURES, entries, files};
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;

/// Pictures by the name of their folder. `classes` says which folders there are, in which order; if it is empty it is the order
/// of their names.
///
/// # Errors
///
/// Names the folder: there is none, it has no folders, one of them is no class or has no picture.
pub fn folders(root: &Path, classes: &[String]) -> Result<Collection, FileError> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folders: Vec<_> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        return Err(FileError::new(root, "there are no folders in it, one for each class is needed"));
    }
    let names = Names::new(classes, folders.iter().map(|path| name(path)).collect());
    let mut examples = Vec::new();
    for folder in folders {
        let class = names.number(&name(&folder)).map_err(|message| FileError::new(&folder, message))?;
        let pictures = files(&folder, &PICTURES)?;
        if pictures.is_empty() {
            return Err(FileError::new(&folder, "there is no picture in it"));
        }
        let example = |path| Example { class: Some(class), ..Example::new(Pixels::File(path)) };
        examples.extend(pictures.into_iter().map(example));
    }
    Ok(Collection { examples, classes: names.names })
}
