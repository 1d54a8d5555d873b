//! Images cut into rectangles: some planes, and of each of them a run of floats; or stacks of such planes of several images.

use core::marker::PhantomData;
use core::ops::Range;

use crate::BatchMut;

/// Strips of a plane at most, so that products of their numbers fit.
const MOST_STRIPS: usize = 1 << 31;
/// Stacks that there are at least, where images and groups of planes are as many, so that a few threads end at about the same time;
/// of more threads some have nothing to do where images are few.
const STACKS: usize = 8;

/// How an image is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Floats of a plane.
    pub plane: usize,
    /// Floats of a row of a plane, which strips do not cut; the last row may be shorter.
    pub row: usize,
    /// Strips of a plane, of about as many rows each.
    pub strips: usize,
    /// Planes of a group; the last group may have fewer.
    pub planes: usize,
}

impl Cut {
    /// Rows of a plane.
    fn rows(&self) -> usize {
        self.plane.div_ceil(self.row)
    }

    /// Where a strip starts in a plane.
    fn start(&self, strip: usize) -> usize {
        // Whole rows first, the rest spread among strips: no product wraps around.
        let (each, rest) = (self.rows() / self.strips, self.rows() % self.strips);
        let spread = (strip as u64 * rest as u64 / self.strips as u64) as usize;
        (strip * each + spread).saturating_mul(self.row).min(self.plane)
    }
}

/// The part of an image that one task writes: a run of floats of each of some planes.
#[derive(Debug)]
pub struct Strip<'a> {
    start: *mut f32,
    plane: usize,
    planes: Range<usize>,
    range: Range<usize>,
    _image: PhantomData<&'a mut [f32]>,
}

impl<'a> Strip<'a> {
    /// The same run of floats of every plane of some memory.
    pub fn of(memory: &'a mut [f32], plane: usize, range: Range<usize>) -> Self {
        assert!(plane > 0 && range.start <= range.end && range.end <= plane, "a run of a plane");
        Self { start: memory.as_mut_ptr(), plane, planes: 0..memory.len() / plane, range, _image: PhantomData }
    }

    /// Floats from a plane to the next.
    #[inline]
    pub fn pitch(&self) -> usize {
        self.plane
    }

    /// Where the strip's part of the first plane begins; the others are [`pitch`](Self::pitch) apart.
    #[inline]
    pub(crate) fn start(&mut self) -> *mut f32 {
        self.start.wrapping_add(self.planes.start * self.plane + self.range.start)
    }

    /// Which planes of the image these are.
    #[inline]
    pub fn planes(&self) -> Range<usize> {
        self.planes.clone()
    }

    /// Where in each plane the strip begins, in floats.
    #[inline]
    pub fn offset(&self) -> usize {
        self.range.start
    }

    /// Floats of the strip of each plane.
    #[inline]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether it has none, which no strip has.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The strip's part of one of [`planes`](Self::planes).
    #[inline]
    pub fn plane(&mut self, index: usize) -> &mut [f32] {
        assert!(self.planes.contains(&index), "plane {index} of {:?}", self.planes);
        // SAFETY: the plane is one of the strip's, whose floats nobody else has while `self` lives; the borrow of `self`
        // keeps planes from being handed out twice at a time.
        unsafe {
            core::slice::from_raw_parts_mut(self.start.add(index * self.plane + self.range.start), self.range.len())
        }
    }
}

/// Some planes of some images, which one task writes.
#[derive(Debug)]
pub struct Stack<'a> {
    start: *mut f32,
    pitch: usize,
    plane: usize,
    planes: Range<usize>,
    images: Range<usize>,
    _batch: PhantomData<&'a mut [f32]>,
}

impl Stack<'_> {
    /// Which images of the batch these are.
    #[inline]
    pub fn images(&self) -> Range<usize> {
        self.images.clone()
    }

    /// Which planes of each image these are.
    #[inline]
    pub fn planes(&self) -> Range<usize> {
        self.planes.clone()
    }

    /// One of [`planes`](Self::planes) of one of [`images`](Self::images).
    #[inline]
    pub fn plane(&mut self, image: usize, index: usize) -> &mut [f32] {
        assert!(self.images.contains(&image), "image {image} of {:?}", self.images);
        assert!(self.planes.contains(&index), "plane {index} of {:?}", self.planes);
        // SAFETY: the plane is one of the stack's, whose floats nobody else has while `self` lives; the borrow of `self`
        // keeps planes from being handed out twice at a time.
        unsafe {
            let start = self.start.add(image * self.pitch + index * self.plane);
            core::slice::from_raw_parts_mut(start, self.plane)
        }
    }
}

/// All strips of a batch.
pub(super) struct Strips<'a> {
    start: *mut f32,
    pitch: usize,
    images: usize,
    planes: usize,
    cut: Cut,
    _batch: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]`, which may go to any thread; `strip` has its callers keep strips apart.
unsafe impl Sync for Strips<'_> {}

impl<'a> Strips<'a> {
    pub(super) fn new(y: BatchMut<'a>, cut: &Cut) -> Self {
        let images = y.count();
        let (data, pitch, offset, len) = y.into_raw();
        assert!(cut.row > 0 && cut.planes > 0, "strips of something");
        assert!((1..=cut.rows().min(MOST_STRIPS)).contains(&cut.strips), "strips of at least a row");
        assert!(len.is_multiple_of(cut.plane), "an image of whole planes");
        // `strip` relies on both.
        assert!(images == 0 || (offset + len <= pitch && images * pitch <= data.len()), "images lie in their memory");
        // SAFETY: the offset is inside, as was just checked; without images the pointer is not used.
        let start = if images == 0 { data.as_mut_ptr() } else { unsafe { data.as_mut_ptr().add(offset) } };
        Self { start, pitch, images, planes: len / cut.plane, cut: *cut, _batch: PhantomData }
    }

    pub(super) fn count(&self) -> usize {
        self.images * self.planes.div_ceil(self.cut.planes) * self.cut.strips
    }

    /// A strip and its image.
    ///
    /// # Safety
    /// `index` is below [`count`](Self::count), and no other strip of that index lives at the same time.
    pub(super) unsafe fn strip(&self, index: usize) -> (usize, Strip<'a>) {
        let (rest, strip) = (index / self.cut.strips, index % self.cut.strips);
        let (group, image) = (rest / self.images, rest % self.images);
        let planes = group * self.cut.planes..((group + 1) * self.cut.planes).min(self.planes);
        let range = self.cut.start(strip)..self.cut.start(strip + 1);
        // SAFETY: the image exists, since the index is below the count.
        let start = unsafe { self.start.add(image * self.pitch) };
        (image, Strip { start, plane: self.cut.plane, planes, range, _image: PhantomData })
    }

    /// How many images stacks have, which are of so many at most.
    pub(super) fn images_of_stacks(&self, most: usize) -> usize {
        let groups = self.planes.div_ceil(self.cut.planes);
        most.min((self.images * groups).div_ceil(STACKS).max(1))
    }

    /// How many stacks of `images` images there are, of all floats of their planes.
    pub(super) fn stacks(&self, images: usize) -> usize {
        assert!(images > 0 && self.cut.strips == 1, "stacks of some images and whole planes");
        self.images.div_ceil(images) * self.planes.div_ceil(self.cut.planes)
    }

    /// A stack of `images` images, the last of them perhaps of fewer.
    ///
    /// # Safety
    /// `index` is below [`stacks`](Self::stacks), and no other stack of that index lives at the same time.
    pub(super) unsafe fn stack(&self, index: usize, images: usize) -> Stack<'a> {
        let stacks = self.images.div_ceil(images);
        let (group, first) = (index / stacks, index % stacks * images);
        let planes = group * self.cut.planes..((group + 1) * self.cut.planes).min(self.planes);
        let images = first..(first + images).min(self.images);
        Stack { start: self.start, pitch: self.pitch, plane: self.cut.plane, planes, images, _batch: PhantomData }
    }
}
