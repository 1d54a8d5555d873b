//! Images and labels in the format of MNIST (LeCun, Cortes & Burges; <http://yann.lecun.com/exdb/mnist/>), as pictures.

use std::path::Path;
use std::sync::Arc;

use crate::data::{Collection, Example, Idx, Pixels, Raster};
use crate::files::FileError;

/// Pictures `[images, height, width]` or `[images, 1 or 3, height, width]`, and a label for each.
///
/// # Errors
///
/// Names the file: it cannot be read or is none of this format, its shape is that of no pictures, or there are other labels than pictures.
pub fn idx(images: &Path, labels: &Path) -> Result<Collection, FileError> {
    let (pictures, answers) = (Idx::read(images)?, Idx::read(labels)?);
    let (channels, height, width) = match pictures.shape[1..] {
        [height, width] => (1, height, width),
        [channels @ (1 | 3), height, width] => (channels, height, width),
        _ => {
            let message = format!(
                "images of {:?}, but [height, width] or [1 or 3, height, width] is needed",
                &pictures.shape[1..]
            );
            return Err(FileError::new(images, message));
        }
    };
    if answers.shape.len() != 1 || answers.items() != pictures.items() {
        let message =
            format!("labels of {:?}, but {} has {} images", answers.shape, images.display(), pictures.items());
        return Err(FileError::new(labels, message));
    }
    let pixels = height * width;
    let example = |(planes, &label): (&[u8], &u8)| {
        let bytes = (0..planes.len()).map(|i| planes[i % channels * pixels + i / channels]).collect();
        let raster = Raster { width, height, channels, bytes };
        Example { class: Some(label.into()), ..Example::new(Pixels::Memory(Arc::new(raster))) }
    };
    let examples = pictures.bytes.chunks_exact((channels * pixels).max(1)).zip(&answers.bytes).map(example).collect();
    Ok(Collection { examples, classes: Vec::new() })
}
