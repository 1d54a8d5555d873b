//! The memory of a batch.

use super::columns::{Values, copy_floats};
use super::dataset::Content;
use super::{Dataset, Draw};
use crate::boxes::Corners;
use crate::files::FileError;
use crate::{Buffer, Spec, TargetKind, Targets, ValueSpec};

/// A photo of a batch, as it was before it was stretched to the network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Boxes in its pixels, and their classes.
    pub boxes: Vec<(Corners, u32)>,
}

/// Memory for one batch, filled again and again.
#[derive(Debug)]
pub struct BatchData {
    inputs: Vec<Buffer>,
    floats: Vec<Buffer>,
    classes: Vec<Vec<u32>>,
    /// Which of the targets are classes.
    is_class: Vec<bool>,
    input_lens: Vec<usize>,
    target_lens: Vec<usize>,
    photos: Vec<Photo>,
    count: usize,
}

impl BatchData {
    /// Memory for at most `capacity` images of a network.
    pub fn new(spec: &Spec, capacity: usize) -> Self {
        let buffers = |specs: &[ValueSpec]| specs.iter().map(|v| Buffer::zeroed(v.image_len() * capacity)).collect();
        Self {
            inputs: buffers(spec.inputs),
            floats: buffers(spec.targets),
            classes: spec.targets.iter().map(|v| vec![0; v.image_len() * capacity]).collect(),
            is_class: spec.targets.iter().map(|v| v.kind != TargetKind::Float).collect(),
            input_lens: spec.inputs.iter().map(ValueSpec::image_len).collect(),
            target_lens: spec.targets.iter().map(ValueSpec::image_len).collect(),
            photos: Vec::new(),
            count: 0,
        }
    }

    /// Copies the images with these numbers, at most as many as there is memory for. Photos are read and augmented as `draw`
    /// decides.
    ///
    /// # Errors
    ///
    /// A photo cannot be read; its file is named.
    pub fn load(&mut self, data: &Dataset, numbers: &[usize], draw: Draw) -> Result<(), FileError> {
        self.count = numbers.len();
        self.photos.clear();
        let positions = || numbers.iter().map(|number| data.position(*number));
        match data.content() {
            Content::Columns(columns) => {
                for (column, y) in columns.inputs.iter().zip(&mut self.inputs) {
                    copy_floats(column, positions(), y);
                }
                for (i, column) in columns.targets.iter().enumerate() {
                    match &column.values {
                        Values::Classes(labels) => {
                            let len = column.image_len;
                            for (image, y) in positions().zip(self.classes[i].chunks_exact_mut(len)) {
                                y.copy_from_slice(&labels[image * len..][..len]);
                            }
                        }
                        _ => copy_floats(column, positions(), &mut self.floats[i]),
                    }
                }
                Ok(())
            }
            Content::Photos(photos) => positions().enumerate().try_for_each(|(i, position)| {
                let part = |buffer: usize, lens: &[usize]| i * lens[buffer]..(i + 1) * lens[buffer];
                let inputs = self.inputs.iter_mut().enumerate().map(|(n, x)| &mut x[part(n, &self.input_lens)]);
                let floats = self.floats.iter_mut().enumerate().map(|(n, y)| &mut y[part(n, &self.target_lens)]);
                let classes = self.classes.iter_mut().map(|y| &mut y[i]);
                let (inputs, floats, classes) = (inputs.collect(), floats.collect(), classes.collect());
                self.photos.push(photos.write(position, data.range(), draw, inputs, floats, classes)?);
                Ok(())
            }),
        }
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Of photos, what each image was made of; empty where the data is none.
    pub fn photos(&self) -> &[Photo] {
        &self.photos
    }

    /// The inputs, as networks take them.
    pub fn inputs(&self) -> Vec<&[f32]> {
        self.inputs.iter().zip(&self.input_lens).map(|(x, len)| &x[..len * self.count]).collect()
    }

    /// The targets, as networks take them.
    pub fn targets(&self) -> Vec<Targets<'_>> {
        (0..self.is_class.len())
            .map(|i| {
                let len = self.target_lens[i] * self.count;
                match self.is_class[i] {
                    true => Targets::Classes(&self.classes[i][..len]),
                    false => Targets::Floats(&self.floats[i][..len]),
                }
            })
            .collect()
    }
}
