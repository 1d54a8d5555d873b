//! What emitted loops call. Each function is a method of [`Isa`](crate::Isa).

mod activation;
mod adaptive;
mod blocked;
mod boxes;
#[cfg(test)]
mod checks;
mod conv;
mod cross_entropy_map;
mod depth;
mod dropout;
mod elementwise;
mod extent;
mod gemm;
mod gram;
mod hard_swish;
mod local;
mod loss;
mod lrn;
mod math;
mod norm;
mod normalize;
mod pad;
mod pointwise;
mod pool;
mod prelu;
mod probe;
mod rcnn;
mod roi;
mod shifted;
mod softmax;
mod sums;
#[cfg(any(all(feature = "std", target_arch = "x86_64"), target_arch = "aarch64"))]
mod tiles;
mod upsample;
mod window;
mod yolo;

use extent::extent;

pub use activation::Activation;
pub use adaptive::Adaptive;
pub use blocked::{BLOCK, Finish, Gate, Next, Outer, Packing, Phases, Slope, Stage, Tile, Tiles};
pub use cross_entropy_map::{CrossEntropyMap, one_hot};
pub use dropout::Dropout;
pub use elementwise::{Arithmetic, Broadcast};
pub use gemm::{Gemm, GemmNt, Start};
pub use loss::batch_mean;
pub use lrn::Lrn;
pub use norm::Norm;
pub use normalize::{NormalizeGrad, Statistics, batch_stats, batch_sums};
pub use pad::{PadMode, Padding};
pub use pointwise::Pointwise;
pub use pool::Divisor;
pub use rcnn::{Anchors, FastRcnn, Matching, Rpn, Selection};
pub use roi::{Regions, Sampling};
pub use shifted::Shifted;
pub use upsample::{Interpolation, Upsample};
pub use window::Window;
pub use yolo::{Yolo, YoloLoss, YoloVersion};
#[cfg(feature = "std")]
pub(crate) use {
    rcnn::{IGNORED, label},
    yolo::Owners,
};
