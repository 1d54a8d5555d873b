//! Handwritten digits: the 10,000 that ship, or all of MNIST.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cnnc_runtime::data::{Collection, Example, Idx, Pixels, Raster};

use crate::{Common, Result};

/// Pixels of a side.
pub const SIDE: usize = 28;
/// Pixels of a digit.
pub const PIXELS: usize = SIDE * SIDE;

/// Digits and what they are.
pub struct Digits {
    /// Brightness of each pixel, 0 for paper.
    pub bytes: Vec<[u8; PIXELS]>,
    /// The same as networks take it: mean 0 and standard deviation 1 over all of MNIST.
    pub pixels: Vec<[f32; PIXELS]>,
    /// 0 to 9.
    pub labels: Vec<u32>,
}

impl Digits {
    /// The digits to learn from, and those held out. Of those that ship, `learnt_from` are the former; of MNIST, its own parts.
    pub fn read(common: &Common, learnt_from: usize) -> Result<(Self, Self)> {
        let files = |name: &str| common.larger_or("mnist", "mnist").join(format!("{name}-ubyte.gz"));
        let all =
            |part: &str| Self::of_files(&files(&format!("{part}-images-idx3")), &files(&format!("{part}-labels-idx1")));
        let test = all("t10k")?;
        match common.data {
            Some(_) => Ok((all("train")?, test)),
            None => Ok((test.part(0..learnt_from), test.part(learnt_from..test.labels.len()))),
        }
    }

    fn of_files(images_path: &Path, labels_path: &Path) -> Result<Self> {
        let (images, labels) = (Idx::read(images_path)?, Idx::read(labels_path)?);
        if images.shape != [labels.bytes.len(), SIDE, SIDE] {
            let (path, count) = (images_path.display(), labels.bytes.len());
            return Err(format!("{path}: {:?} is not the shape of {count} digits", images.shape).into());
        }
        if let Some(label) = labels.bytes.iter().find(|label| **label > 9) {
            return Err(format!("{}: {label} is no digit", labels_path.display()).into());
        }
        let bytes = images.bytes.as_chunks().0.to_vec();
        let scaled = |byte: u8| (f32::from(byte) / 255.0 - 0.1307) / 0.3081;
        let pixels = bytes.iter().map(|digit: &[u8; PIXELS]| digit.map(scaled)).collect();
        Ok(Self { bytes, pixels, labels: labels.bytes.iter().map(|byte| u32::from(*byte)).collect() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Some of them, as far as there are so many.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let range = range.start.min(self.len())..range.end.min(self.len());
        let (bytes, pixels) = (self.bytes[range.clone()].to_vec(), self.pixels[range.clone()].to_vec());
        Self { bytes, pixels, labels: self.labels[range].to_vec() }
    }

    /// All of them as pictures to learn from.
    pub fn collection(&self, margin: usize) -> Collection {
        let example = |i: usize| Example {
            class: Some(self.labels[i]),
            ..Example::new(Pixels::Memory(Arc::new(self.picture(i, margin))))
        };
        Collection { examples: (0..self.len()).map(example).collect(), ..Collection::default() }
    }

    /// A digit as a picture, white on black, with a black margin.
    pub fn picture(&self, number: usize, margin: usize) -> Raster {
        let side = SIDE + 2 * margin;
        let mut bytes = vec![0; side * side];
        for (row, line) in self.bytes[number].chunks_exact(SIDE).enumerate() {
            bytes[(row + margin) * side + margin..][..SIDE].copy_from_slice(line);
        }
        Raster { width: side, height: side, channels: 1, bytes }
    }
}
