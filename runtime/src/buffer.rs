//! Memory: aligned vectors and working memory per thread.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut, Range};

/// Every buffer starts on a cache line, which is also the width of the widest vector register.
pub(crate) const ALIGNMENT: usize = 64;
const LINE_FLOATS: usize = ALIGNMENT / size_of::<f32>();

/// A vector of floats that starts at a multiple of 64 bytes and never changes its length.
///
/// Large ones ask the system for huge pages: weights and values stream through, and with pages of 4 KiB much of that time
/// goes into finding out where a page is.
pub struct Buffer {
    /// Somewhat longer than the buffer, so that an aligned start can be chosen without unsafe code.
    memory: Pages,
    start: usize,
    len: usize,
}

enum Pages {
    Heap(Vec<f32>),
    #[cfg(feature = "std")]
    Mapped(memmap2::MmapMut),
}

#[cfg(feature = "std")]
const HUGE_PAGE: usize = 2 << 20;
/// So many huge pages that a tail in small ones hardly matters.
#[cfg(all(feature = "std", target_os = "linux"))]
const MANY: usize = 8;
/// The largest of the pages that processors usually have otherwise.
#[cfg(all(feature = "std", target_os = "linux"))]
const PAGE: usize = 64 << 10;

impl Pages {
    /// At least `len` zeros, and where among them the first aligned one is.
    fn zeroed(len: usize) -> (Self, usize) {
        #[cfg(feature = "std")]
        if len * size_of::<f32>() >= HUGE_PAGE
            && let Some(pages) = Self::huge(len)
        {
            return pages;
        }
        let memory = vec![0.0; len + LINE_FLOATS - 1];
        // `align_offset` may refuse in theory (it does in constant evaluation); an unaligned buffer is slower, not wrong.
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        (Self::Heap(memory), if start < LINE_FLOATS { start } else { 0 })
    }

    /// Pages from the system, which zeroes them when they are first touched; `None` where it has none to give.
    #[cfg(feature = "std")]
    fn huge(len: usize) -> Option<(Self, usize)> {
        let bytes = len * size_of::<f32>();
        let map = memmap2::MmapMut::map_anon(bytes + HUGE_PAGE).ok()?;
        let start = Some(map.as_ptr().align_offset(HUGE_PAGE)).filter(|start| *start < HUGE_PAGE).unwrap_or(0);
        // Small pages are slower, not wrong. The last huge one may be empty for the most part, which is much where there are many: then
        // what is left for it lies in small ones.
        #[cfg(target_os = "linux")]
        let _ = {
            let whole = if bytes < MANY * HUGE_PAGE { bytes.next_multiple_of(HUGE_PAGE) } else { bytes };
            map.advise_range(memmap2::Advice::HugePage, start, (whole / HUGE_PAGE * HUGE_PAGE).min(map.len() - start))
        };
        Some((Self::Mapped(map), start / size_of::<f32>()))
    }

    #[inline]
    fn floats(&self) -> &[f32] {
        match self {
            Self::Heap(memory) => memory,
            #[cfg(feature = "std")]
            Self::Mapped(map) => bytemuck::cast_slice(map),
        }
    }

    #[inline]
    fn floats_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Heap(memory) => memory,
            #[cfg(feature = "std")]
            Self::Mapped(map) => bytemuck::cast_slice_mut(map),
        }
    }
}

impl Buffer {
    /// Zeros. Large buffers are zeroed by the operating system, page by page when they are first touched.
    pub fn zeroed(len: usize) -> Self {
        if len == 0 {
            return Self { memory: Pages::Heap(Vec::new()), start: 0, len };
        }
        let (memory, start) = Pages::zeroed(len);
        Self { memory, start, len }
    }
}

impl Buffer {
    /// Gives the memory of some floats back to the system, as far as it is whole pages; they are arbitrary numbers until they are
    /// written again.
    pub(crate) fn give_back(&mut self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.len, "floats of the buffer");
        #[cfg(all(feature = "std", target_os = "linux"))]
        if let Pages::Mapped(map) = &self.memory {
            let bytes = |float: usize| (self.start + float) * size_of::<f32>();
            let (start, end) = (bytes(range.start).next_multiple_of(PAGE), bytes(range.end) / PAGE * PAGE);
            if start < end {
                // SAFETY: the pages are anonymous and nobody else's, so that they are zeros when they are read again, and `self` is
                // borrowed as a whole: nobody holds a reference to what changes. Where the system refuses, all stays as it is.
                let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
            }
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &self.memory.floats()[self.start..][..self.len]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory.floats_mut()[self.start..][..self.len]
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

impl From<&[f32]> for Buffer {
    fn from(values: &[f32]) -> Self {
        let mut buffer = Self::zeroed(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl core::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Working memory: one slot per thread, each on cache lines of its own. What a slot holds when a task starts is
/// arbitrary.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    memory: Buffer,
    slots: usize,
    pitch: usize,
    floats: usize,
}

impl Scratch {
    /// `floats` for each of `threads` threads. A [`Pool`](crate::Pool) uses no more threads than there are slots.
    pub fn new(threads: usize, floats: usize) -> Self {
        // Two lines apart: processors fetch lines in pairs.
        let pitch = floats.next_multiple_of(2 * LINE_FLOATS);
        Self { memory: Buffer::zeroed(threads * pitch), slots: threads, pitch, floats }
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Floats of one slot.
    pub fn floats(&self) -> usize {
        self.floats
    }

    /// One slot.
    pub fn slot(&mut self, index: usize) -> &mut [f32] {
        assert!(index < self.slots, "slot {index} of a scratch memory for {} threads", self.slots);
        &mut self.memory[index * self.pitch..][..self.floats]
    }

    /// The slots as parts of one slice.
    #[cfg(feature = "std")]
    pub(crate) fn parts(&mut self) -> crate::BatchMut<'_> {
        crate::BatchMut::part(&mut self.memory, self.pitch, 0..self.floats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_clone_their_values() {
        for len in [1, 15, 16, 17, 1000, 100_000, 1_000_000, 5_000_000] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.as_ptr().addr() % ALIGNMENT, 0);
            assert!(buffer.iter().all(|&x| x == 0.0));
            assert_eq!(buffer.len(), len);
            buffer[len - 1] = 3.0;
            let copy = buffer.clone();
            assert_eq!(copy.as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(copy[..], buffer[..]);
        }
        assert!(Buffer::default().is_empty());
    }

    #[test]
    fn scratch_slots_do_not_share_lines() {
        let mut scratch = Scratch::new(3, 5);
        let starts: Vec<usize> = (0..3).map(|i| scratch.slot(i).as_ptr().addr()).collect();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 2 * ALIGNMENT));
        assert_eq!(scratch.slot(2).len(), 5);
        assert_eq!(Scratch::new(2, 0).slot(1).len(), 0);
    }
}
