//! What networks compiled by `cnnc` run on.
//!
//! Emitted code holds the loops of one network with literal bounds and forbids unsafe code; this crate holds what is the
//! same for all of them: register tiles for each instruction set, the thread pool, the arena, and the things around a
//! network that a training program needs.
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` (default) | threads, instruction sets found at run time, boxes, metrics, schedules |
//! | `weights` (default) | safetensors: `weights`, `tensors` |
//! | `data` | data sets, pictures, augmentation, drawing, proposals, and with `weights` the loop of `train` |
//! | `harness` | the driver behind `cnnc train`, `eval`, `predict` and `run` |
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "data")]
pub mod augment;
mod batch;
#[cfg(feature = "std")]
pub mod boxes;
mod buffer;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod cache;
mod check;
#[cfg(feature = "data")]
pub mod data;
#[cfg(feature = "data")]
pub mod draw;
#[cfg(feature = "std")]
pub mod files;
#[cfg(feature = "std")]
mod front;
#[cfg(feature = "harness")]
pub mod harness;
pub mod init;
mod isa;
#[cfg(feature = "harness")]
pub mod job;
mod kernels;
mod memory;
#[cfg(feature = "std")]
pub mod metrics;
#[cfg(any(feature = "data", feature = "weights"))]
mod nearest;
mod network;
mod normal;
pub mod optimizer;
mod params;
mod pool;
#[cfg(feature = "harness")]
mod profile;
#[cfg(feature = "data")]
pub mod proposals;
pub mod random;
#[cfg(feature = "std")]
pub mod schedule;
mod simd;
#[cfg(feature = "weights")]
pub mod tensors;
#[cfg(all(test, feature = "std"))]
mod testing;
#[cfg(all(feature = "data", feature = "weights"))]
pub mod train;
pub mod triplets;
#[cfg(feature = "weights")]
pub mod weights;

pub use batch::{Batch, BatchMut};
pub use buffer::{Buffer, Scratch};
pub use check::{check_inputs, check_training};
pub use isa::Isa;
pub use kernels::*;
pub use memory::{Memory, Mode, Options, Prepared, Sizes, Steps, view, view_mut, views};
pub use network::{Error, Fans, Init, Network, ParamKind, ParamSpec, Role, Spec, TargetKind, Targets, ValueSpec};
pub use optimizer::{Gradient, Learner, Optimizer};
pub use params::{Params, Portion, Weights};
pub use pool::{Cut, GROUPS, GroupWork, Pool, Stack, StackWork, Strip, StripWork, Work};
#[cfg(feature = "harness")]
pub use profile::Profile;

/// Emitted code names this constant, so that code and runtime of different versions do not compile together.
pub const EMITTED_FOR_0_1_0: () = ();
