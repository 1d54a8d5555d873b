//! Data sets: images, what they show, and batches of them.

mod batch;
mod columns;
mod dataset;
mod idx;
mod loader;
#[cfg(feature = "weights")]
mod named;
mod part;
mod photos;
mod picture;
pub mod readers;

pub use batch::{BatchData, Photo};
pub use columns::TargetValues;
pub use dataset::{Dataset, Draw};
pub use idx::Idx;
pub use loader::each_batch;
pub use part::{Part, stratified};
pub use photos::{Answer, Collection, Comparison, Comparisons, Example, Pixels, Plan};
pub use picture::{Picture, Raster};
