//! What networks compiled by `cnnc` run on.
//!
//! Emitted code holds the loops of one network with literal bounds and forbids unsafe code; this crate holds what is the
//! same for all of them: register tiles for each instruction set, the thread pool, the arena, and the things around a
//! network that a training program needs.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod batch;
mod buffer;
#[cfg(feature = "data")]
pub mod data;
#[cfg(feature = "std")]
pub mod files;
mod init;
mod isa;
#[cfg(feature = "harness")]
pub mod job;
mod network;
#[cfg(feature = "std")]
pub mod optimizer;
mod options;
mod pool;
pub mod random;
#[cfg(feature = "std")]
pub mod schedule;
#[cfg(feature = "weights")]
pub mod tensors;
#[cfg(test)]
mod testing;
#[cfg(feature = "weights")]
pub mod weights;

pub use batch::{Batch, BatchMut};
pub use buffer::{Buffer, Scratch};
pub use init::{Init, initialise};
pub use isa::Isa;
pub use network::{Error, Network, ParamSpec, Role, Spec, TargetKind, Targets, ValueSpec};
pub use options::Options;
pub use pool::{GROUPS, Pool};
