//! Tensors of the reference.

/// A dense row-major tensor of `f64`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Dimensions, outermost first; the batch, where there is one, is the first.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: Vec<f64>,
}

impl Tensor {
    /// All zero.
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// From elements.
    ///
    /// # Panics
    /// If their number is not that of the shape.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "elements of {shape:?}");
        Self { shape: shape.to_vec(), data }
    }

    /// Element by element.
    #[must_use]
    pub fn map(&self, f: impl FnMut(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().copied().map(f).collect() }
    }

    /// Element by element with another of the same shape.
    #[must_use]
    pub fn zip(&self, other: &Self, mut f: impl FnMut(f64, f64) -> f64) -> Self {
        assert_eq!(self.shape, other.shape);
        let data = self.data.iter().zip(&other.data).map(|(a, b)| f(*a, *b)).collect();
        Self { shape: self.shape.clone(), data }
    }

    /// The element at an index.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.data[self.offset(index)]
    }

    /// The element at an index, to be written.
    pub fn at_mut(&mut self, index: &[usize]) -> &mut f64 {
        let offset = self.offset(index);
        &mut self.data[offset]
    }

    fn offset(&self, index: &[usize]) -> usize {
        debug_assert_eq!(index.len(), self.shape.len());
        index.iter().zip(&self.shape).fold(0, |offset, (i, n)| {
            debug_assert!(i < n);
            offset * n + i
        })
    }

    /// The slice of image `i` of a batched tensor.
    pub fn image(&self, i: usize) -> &[f64] {
        let len = self.data.len() / self.shape[0];
        &self.data[i * len..][..len]
    }

    /// The slice of image `i` of a batched tensor, to be written.
    pub fn image_mut(&mut self, i: usize) -> &mut [f64] {
        let len = self.data.len() / self.shape[0];
        &mut self.data[i * len..][..len]
    }
}
