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

    /// Floats from one image to the next.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    /// The memory from the start of an image on: images are [`pitch`](Self::pitch) floats apart, as rows of a matrix.
    #[inline]
    pub fn from(&self, index: usize) -> &'a [f32] {
        &self.data[index * self.pitch + self.offset..]
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

/// All images of a batched value, to be written. Laid out as in [`Batch`].
#[derive(Debug)]
pub struct BatchMut<'a> {
    data: &'a mut [f32],
    pitch: usize,
    offset: usize,
    len: usize,
}

impl<'a> BatchMut<'a> {
    /// Values that follow each other without gaps.
    pub fn dense(data: &'a mut [f32], len: usize) -> Self {
        Self { data, pitch: len, offset: 0, len }
    }

    /// The elements `part` of every `pitch` floats.
    pub fn part(data: &'a mut [f32], pitch: usize, part: Range<usize>) -> Self {
        assert!(part.end <= pitch, "part of a buffer");
        Self { data, pitch, offset: part.start, len: part.len() }
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.data.len().checked_div(self.pitch).unwrap_or(0)
    }

    /// Floats of one image.
    pub fn image_len(&self) -> usize {
        self.len
    }

    /// One image.
    #[inline]
    pub fn image(&mut self, index: usize) -> &mut [f32] {
        &mut self.data[index * self.pitch + self.offset..][..self.len]
    }

    /// Every image in order.
    pub fn images(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let (offset, len) = (self.offset, self.len);
        self.data.chunks_exact_mut(self.pitch.max(1)).map(move |image| &mut image[offset..][..len])
    }

    /// The same images for a shorter time.
    pub fn reborrow(&mut self) -> BatchMut<'_> {
        BatchMut { data: self.data, pitch: self.pitch, offset: self.offset, len: self.len }
    }

    /// The same images, to be read.
    pub fn as_batch(&self) -> Batch<'_> {
        Batch { data: self.data, pitch: self.pitch, offset: self.offset, len: self.len }
    }

    /// Memory, pitch, offset and length.
    pub(crate) fn into_raw(self) -> (&'a mut [f32], usize, usize, usize) {
        (self.data, self.pitch, self.offset, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_shared_buffer() {
        let mut data: [f32; 10] = core::array::from_fn(|i| i as f32);
        let mut batch = BatchMut::part(&mut data, 5, 1..3);
        assert_eq!((batch.count(), batch.image_len()), (2, 2));
        batch.image(1)[0] = 60.0;
        batch.reborrow().images().next().expect("an image")[1] = 20.0;
        assert_eq!(batch.as_batch().image(0), [1.0, 20.0]);
        assert_eq!(data[5..9], [5.0, 60.0, 7.0, 8.0]);
    }
}
