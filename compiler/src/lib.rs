//! cnnc: a declarative model compiler for convolutional networks.
//!
//! A `.net` file says what a network is; this crate turns it into Rust code that is only that network.

pub mod diagnostics;
pub mod graph;
pub mod ops;
pub mod reference;
pub mod syntax;
