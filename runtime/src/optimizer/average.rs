//! The moving average of weights.

use super::PIECE;
use crate::{Buffer, Network, Scratch};

/// The exponential moving average of a network's weights and running statistics (Polyak & Juditsky 1992): what is evaluated and
/// kept in their place. After each step `average += (1 - decay) * (weights - average)`, as `AveragedModel` of
/// `torch.optim.swa_utils` has it with `use_buffers=True`; it starts with what is behind the first step. Statistics that were
/// averaged over the same steps fit averaged weights better than those of the last weights do.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    started: bool,
    weights: Buffer,
    scratch: Scratch,
}

impl Average {
    /// Of a network's weights and buffers; `decay` from 0 to below 1.
    pub fn new(decay: f64, network: &dyn Network) -> Self {
        let (all, threads) = (network.spec().param_floats, network.memory().pool.threads());
        Self { decay, started: false, weights: Buffer::zeroed(all), scratch: Scratch::new(threads, 0) }
    }

    /// Takes the weights behind a step in.
    pub fn update(&mut self, network: &mut dyn Network) {
        let (params, memory) = network.params_and_memory();
        let (isa, params) = (memory.isa, &*params);
        if !core::mem::replace(&mut self.started, true) {
            self.weights.copy_from_slice(params);
            return;
        }
        let decay = self.decay as f32;
        memory.pool.pieces(&mut self.weights, PIECE, &mut self.scratch, &|piece, y, _| {
            isa.blend(decay, &params[piece * PIECE..][..y.len()], y);
        });
    }

    /// Exchanges the average with the network's weights; a second time it is as before. Before the first step nothing changes.
    pub fn swap(&mut self, network: &mut dyn Network) {
        if self.started {
            network.params_mut().swap_with_slice(&mut self.weights);
        }
    }

    /// The average, to be saved; in the order of [`Network::params`].
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The average, to be restored.
    pub fn restore(&mut self) -> &mut [f32] {
        self.started = true;
        &mut self.weights
    }

    /// Whether a step was taken in.
    pub fn started(&self) -> bool {
        self.started
    }
}
