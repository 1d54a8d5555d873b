//! Data sets: images, what they show, and batches of them.

mod dataset;
mod idx;
mod picture;

pub use dataset::{BatchData, Dataset, Part, TargetValues};
pub use idx::Idx;
pub use picture::{Picture, Raster};
