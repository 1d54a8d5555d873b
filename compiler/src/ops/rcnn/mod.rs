//! Faster R-CNN: anchors, proposals, and its two losses.
//!
//! Boxes and objects are in pixels of the image throughout. Girshick 2015, "Fast R-CNN"; Ren, He, Girshick & Sun 2015, "Faster
//! R-CNN: towards real-time object detection with region proposal networks".

mod anchors;
mod fast_rcnn;
mod matching;
mod proposals;
mod rpn;

pub use anchors::Anchors;
pub use fast_rcnn::{FAST_RCNN, FastRcnn, FastRcnnGrad};
pub use matching::Matching;
pub use proposals::{PROPOSALS, Proposals};
pub use rpn::{RPN, Rpn, RpnGrad};
