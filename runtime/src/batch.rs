//! A batched value in memory.

use core::ops::Range;

/// All images of a batched value: image `i` is `len` consecutive floats at `i * pitch + offset` of `data`.
///
/// The pitch is larger than the length where several values share a buffer, as the operands of a concatenation do.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    data: &'a [f32],
    pitch: usize,
    offset: usize,
    len: usize,
}

impl<'a> Batch<'a> {
    /// Values that follow each other without gaps.
    pub fn dense(data: &'a [f32], len: usize) -> Self {
        Self { data, pitch: len, offset: 0, len }
    }

    /// The elements `part` of every `pitch` floats.
    pub fn part(data: &'a [f32], pitch: usize, part: Range<usize>) -> Self {
        assert!(part.end <= pitch, "part of a buffer");
        Self { data, pitch, offset: part.start, len: part.len() }
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.data.len() / self.pitch
    }

    /// Floats of one image.
    pub fn image_len(&self) -> usize {
        self.len
    }

    /// One image.
    #[inline]
    pub fn image(&self, index: usize) -> &'a [f32] {
        &self.data[index * self.pitch + self.offset..][..self.len]
    }

    /// Every image in order.
    pub fn images(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let (offset, len) = (self.offset, self.len);
        self.data.chunks_exact(self.pitch).map(move |image| &image[offset..][..len])
    }

    /// The whole memory when the values follow each other without gaps.
    pub fn contiguous(&self) -> Option<&'a [f32]> {
        (self.pitch == self.len).then_some(self.data)
    }
}
