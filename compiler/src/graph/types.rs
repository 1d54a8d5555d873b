//! Types of values.

use serde::Serialize;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Type {
    /// Whether the value exists once per image of the batch.
    pub batched: bool,
    /// Its shape without the batch, outermost first: channels, then depth, height, width as far as there are any.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub kind: Kind,
}

/// What the elements of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `f32`
    Float,
    /// The index of one of this many classes.
    Class(usize),
}

impl Type {
    /// A float per image.
    pub fn batched(shape: impl Into<Vec<usize>>) -> Self {
        Self { batched: true, shape: shape.into(), kind: Kind::Float }
    }

    /// A float that the whole batch shares.
    pub fn single(shape: impl Into<Vec<usize>>) -> Self {
        Self { batched: false, shape: shape.into(), kind: Kind::Float }
    }

    /// Number of elements, of one image where batched.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none (types in a graph always have some).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first dimension.
    pub fn channels(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// The dimensions after the first.
    pub fn spatial(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or(&[])
    }
}

/// `[6, 28, 28]`
pub fn show_shape(shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", dims.join(", "))
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Float => f.write_str(&show_shape(&self.shape)),
            Kind::Class(n) => write!(f, "class({n})"),
        }
    }
}
