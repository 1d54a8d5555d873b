//! Slices divided among tasks.

use core::ops::Range;

use crate::{BatchMut, Scratch};

/// What is done with a part: its number, its elements, working memory.
pub(super) type Task<'a, const N: usize> = dyn Fn(usize, [&mut [f32]; N], &mut [f32]) + Sync + 'a;

/// Slices of equal length and how all of them are divided.
pub(super) struct Parts<'a, const N: usize> {
    pub(super) data: [&'a mut [f32]; N],
    pub(super) division: Division,
}

/// Parts that do not overlap: part `i` is `i * pitch + offset .. + len`, cut off at the end of the slice.
#[derive(Clone, Copy)]
pub(super) struct Division {
    pitch: usize,
    offset: usize,
    len: usize,
    count: usize,
    total: usize,
}

impl<'a> Parts<'a, 1> {
    /// One part per image.
    pub(super) fn images(batch: BatchMut<'a>) -> Self {
        let count = batch.count();
        let (data, pitch, offset, len) = batch.into_raw();
        // `range` relies on both.
        assert!(offset + len <= pitch || count == 0);
        assert!(count * pitch <= data.len());
        let total = data.len();
        Self { data: [data], division: Division { pitch, offset, len, count, total } }
    }
}

impl Parts<'_, 0> {
    /// Numbers alone.
    pub(super) fn indices(count: usize) -> Self {
        Self { data: [], division: Division { pitch: 0, offset: 0, len: 0, count, total: 0 } }
    }
}

impl<'a, const N: usize> Parts<'a, N> {
    /// Parts of `len` elements that follow each other; the last one may be shorter.
    pub(super) fn chunks(data: [&'a mut [f32]; N], len: usize) -> Self {
        let total = data.first().map_or(0, |slice| slice.len());
        assert!(data.iter().all(|slice| slice.len() == total), "slices of different lengths");
        assert!(len > 0 || total == 0, "pieces of no elements");
        let count = total.div_ceil(len.max(1));
        Self { data, division: Division { pitch: len, offset: 0, len, count, total } }
    }

    /// One part after another, on the calling thread.
    pub(super) fn in_order(self, scratch: &mut Scratch, task: &Task<'_, N>) {
        let Self { mut data, division } = self;
        let scratch = scratch.slot(0);
        for index in 0..division.count() {
            task(index, data.each_mut().map(|slice| &mut slice[division.range(index)]), scratch);
        }
    }
}

impl Division {
    /// Number of parts.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where part `index` stands. Ranges of different parts below `count` are disjoint and lie within the slice.
    #[inline]
    pub(super) fn range(&self, index: usize) -> Range<usize> {
        debug_assert!(index < self.count);
        let start = index * self.pitch + self.offset;
        start..(start + self.len).min(self.total)
    }
}
