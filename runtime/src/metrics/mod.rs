//! How good answers are: of classifiers, detectors, verifiers and finders of points.

mod classes;
mod detection;
mod points;
mod verification;

pub use classes::{ClassMetrics, Confusion, top_k};
pub use detection::{AveragePrecision, Coco, Found, TrueBox, coco, voc};
pub use points::pck;
pub use verification::{Roc, RocPoint};

/// The sum; 0 of nothing, where [`Iterator::sum`] says -0.
fn total(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, x| sum + x)
}
