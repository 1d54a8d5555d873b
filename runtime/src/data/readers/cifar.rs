//! The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009; <https://www.cs.toronto.edu/~kriz/cifar.html>, "binary version"):
//! labels of a byte, then 3 × 32 × 32 bytes, plane by plane.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::data::{Collection, Example, Pixels, Raster};
use crate::files::FileError;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Cifar {
    /// One label, 0 to 9.
    Ten,
    /// Two labels: a coarse one, 0 to 19, that is passed over, and a fine one, 0 to 99.
    Hundred,
}

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Pictures of 32 × 32 from a file, plain or compressed by gzip.
///
/// # Errors
///
/// Names the file: it cannot be read, its length is that of no pictures, or a label is none of its classes.
pub fn cifar(path: &Path, kind: Cifar) -> Result<Collection, FileError> {
    let (labels, classes) = match kind {
        Cifar::Ten => (1, 10),
        Cifar::Hundred => (2, 100),
    };
    let mut bytes = std::fs::read(path).map_err(|e| FileError::io(path, &e))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        let read = flate2::bufread::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain);
        read.map_err(|e| FileError::new(path, format!("the compressed data is damaged: {e}")))?;
        bytes = plain;
    }
    let record = labels + 3 * PLANE;
    if bytes.is_empty() || bytes.len() % record != 0 {
        let message =
            format!("{} bytes are no multiple of {record}, the size of a picture with its labels", bytes.len());
        return Err(FileError::new(path, message).hint("the binary version of the data set is needed"));
    }
    let example = |(number, record_bytes): (usize, &[u8])| {
        let label = record_bytes[labels - 1];
        if label >= classes {
            let message = format!(
                "byte {}: image {number} is class {label}, but there are {classes} classes",
                number * record + labels - 1
            );
            return Err(FileError::new(path, message));
        }
        let planes = &record_bytes[labels..];
        let bytes = (0..3 * PLANE).map(|i| planes[i % 3 * PLANE + i / 3]).collect();
        let raster = Raster { width: SIDE, height: SIDE, channels: 3, bytes };
        Ok(Example { class: Some(label.into()), ..Example::new(Pixels::Memory(Arc::new(raster))) })
    };
    let examples = bytes.chunks_exact(record).enumerate().map(example).collect::<Result<_, _>>()?;
    Ok(Collection { examples, classes: Vec::new() })
}
