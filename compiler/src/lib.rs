//! cnnc: a declarative model compiler for convolutional networks.
//!
//! A `.net` file says what a network is; this crate turns it into Rust code that is only that network. `ARCHITECTURE.md` in
//! the repository is the map; [`compile`](mod@compile) is the front door.

pub mod autodiff;
pub mod budget;
#[allow(clippy::disallowed_methods, reason = "build scripts write what they make")]
pub mod build;
#[cfg(feature = "cli")]
#[allow(clippy::disallowed_methods, reason = "the command reads and writes files")]
pub mod cli;
pub mod compile;
pub mod cut;
pub mod diagnostics;
pub mod dump;
pub mod elaborate;
pub mod emit;
pub mod expand;
pub mod graph;
#[allow(clippy::disallowed_methods, reason = "the place where texts are read")]
pub mod loader;
pub mod ops;
pub mod optimize;
pub mod plan;
pub mod reference;
pub mod syntax;
pub mod tuning;
