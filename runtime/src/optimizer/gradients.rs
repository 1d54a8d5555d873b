//! What is done to gradients before a step: clipping, and accumulation over batches.

use alloc::string::String;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use super::PIECE;
use super::rule::positive;
use super::steps::double_root;
use crate::isa::per_isa;
use crate::{Buffer, Isa, Network, Pool, Scratch};

/// How gradients that are too large are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Clip {
    /// Each number to at most this, in magnitude: `torch.nn.utils.clip_grad_value_`.
    Value(f64),
    /// All together scaled so that the root of the sum of their squares is at most this: `clip_grad_norm_` (Pascanu, Mikolov &
    /// Bengio 2013).
    Norm(f64),
}

impl Clip {
    /// Whether the bound is above 0.
    ///
    /// # Errors
    /// Says what it is instead, and what would fit.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Self::Value(bound) => positive("value", bound),
            Self::Norm(bound) => positive("norm", bound),
        }
    }

    pub(super) fn apply(&self, isa: Isa, pool: &Pool, sums: &mut Sums, scratch: &mut Scratch, gradients: &mut [f32]) {
        match *self {
            Self::Value(bound) => pool.pieces(gradients, PIECE, scratch, &|_, g, _| isa.clamp(bound as f32, g)),
            Self::Norm(bound) => {
                let norm = sums.norm(isa, pool, scratch, gradients);
                // PyTorch's small number, for gradients of zero. What is not finite stays so and is found out as diverged.
                let factor = bound / (norm + 1e-6);
                if factor < 1.0 {
                    pool.pieces(gradients, PIECE, scratch, &|_, g, _| isa.shrink(factor as f32, g));
                }
            }
        }
    }
}

/// Adds up the gradients of several batches, so that they count as one larger one.
#[derive(Debug)]
pub struct Accumulator {
    sum: Buffer,
    images: usize,
    scratch: Scratch,
}

impl Accumulator {
    /// For the gradients of a network.
    pub fn new(network: &dyn Network) -> Self {
        let threads = network.memory().pool.threads();
        Self { sum: Buffer::zeroed(network.spec().trained), images: 0, scratch: Scratch::new(threads, 0) }
    }

    /// Adds the gradients of a network's last pass over `images` images.
    pub fn add(&mut self, network: &mut dyn Network, images: usize) {
        let trained = network.spec().trained;
        let (_, memory) = network.params_and_memory();
        let (isa, gradients) = (memory.isa, &memory.gradients[..trained]);
        memory.pool.pieces(&mut self.sum, PIECE, &mut self.scratch, &|piece, sum, _| {
            isa.add_scaled(images as f32, &gradients[piece * PIECE..][..sum.len()], sum);
        });
        self.images += images;
    }

    /// Writes the mean over all images to the gradients of the network, and starts anew.
    pub fn finish(&mut self, network: &mut dyn Network) {
        let trained = network.spec().trained;
        let (_, memory) = network.params_and_memory();
        let share = 1.0 / self.images.max(1) as f32;
        for (g, sum) in memory.gradients[..trained].iter_mut().zip(&mut *self.sum) {
            *g = core::mem::take(sum) * share;
        }
        self.images = 0;
    }

    /// Whether nothing was added since the last [`finish`](Self::finish).
    pub fn is_empty(&self) -> bool {
        self.images == 0
    }
}

/// Sums over vectors as long as the weights: of pieces, in double precision, added in order.
#[derive(Debug)]
pub(super) struct Sums(Buffer);

impl Sums {
    pub(super) fn new(weights: usize) -> Self {
        Self(Buffer::zeroed(2 * weights.div_ceil(PIECE)))
    }

    /// The inner product.
    pub(super) fn dot(&mut self, isa: Isa, pool: &Pool, scratch: &mut Scratch, x: &[f32], y: &[f32]) -> f64 {
        self.of_pieces(pool, scratch, x.len(), |range| isa.dot(&x[range.clone()], &y[range]))
    }

    /// The Euclidean norm.
    pub(super) fn norm(&mut self, isa: Isa, pool: &Pool, scratch: &mut Scratch, x: &[f32]) -> f64 {
        double_root(self.dot(isa, pool, scratch, x, x))
    }

    /// The sum of magnitudes.
    pub(super) fn magnitude(&mut self, isa: Isa, pool: &Pool, scratch: &mut Scratch, x: &[f32]) -> f64 {
        self.of_pieces(pool, scratch, x.len(), |range| isa.magnitude(&x[range]))
    }

    fn of_pieces(
        &mut self,
        pool: &Pool,
        scratch: &mut Scratch,
        len: usize,
        sum: impl Fn(core::ops::Range<usize>) -> f64 + Sync,
    ) -> f64 {
        let sums = &mut self.0[..2 * len.div_ceil(PIECE)];
        // A double as the sum of two floats.
        pool.pieces(sums, 2, scratch, &|piece, y, _| {
            let total = sum(piece * PIECE..((piece + 1) * PIECE).min(len));
            y[0] = total as f32;
            y[1] = if y[0].is_finite() { (total - f64::from(y[0])) as f32 } else { 0.0 };
        });
        sums.iter().map(|&x| f64::from(x)).sum()
    }
}

/// Operations on whole vectors, divided among threads.
pub(super) struct Vectors<'a> {
    pub(super) isa: Isa,
    pub(super) pool: &'a Pool,
    pub(super) sums: &'a mut Sums,
    pub(super) scratch: &'a mut Scratch,
}

impl Vectors<'_> {
    pub(super) fn dot(&mut self, x: &[f32], y: &[f32]) -> f64 {
        self.sums.dot(self.isa, self.pool, self.scratch, x, y)
    }

    pub(super) fn magnitude(&mut self, x: &[f32]) -> f64 {
        self.sums.magnitude(self.isa, self.pool, self.scratch, x)
    }

    /// `y += factor * x`
    pub(super) fn add(&mut self, factor: f64, x: &[f32], y: &mut [f32]) {
        let isa = self.isa;
        self.pool.pieces(y, PIECE, self.scratch, &|piece, y, _| {
            isa.add_scaled(factor as f32, &x[piece * PIECE..][..y.len()], y);
        });
    }

    /// `y *= factor`
    pub(super) fn scale(&mut self, factor: f64, y: &mut [f32]) {
        let isa = self.isa;
        self.pool.pieces(y, PIECE, self.scratch, &|_, y, _| isa.shrink(factor as f32, y));
    }
}

per_isa! {
    fn dot(x: &[f32], y: &[f32]) -> f64 {
        let mut sums = [0.0_f64; 8];
        let (x, y) = (x.as_chunks::<8>(), y.as_chunks::<8>());
        for (x, y) in x.0.iter().zip(y.0) {
            for i in 0..8 {
                sums[i] += f64::from(x[i]) * f64::from(y[i]);
            }
        }
        for (x, y) in x.1.iter().zip(y.1) {
            sums[0] += f64::from(*x) * f64::from(*y);
        }
        sums.iter().sum()
    }

    fn magnitude(x: &[f32]) -> f64 {
        let mut sums = [0.0_f64; 8];
        let x = x.as_chunks::<8>();
        for x in x.0 {
            for i in 0..8 {
                sums[i] += f64::from(x[i].abs());
            }
        }
        for x in x.1 {
            sums[0] += f64::from(x.abs());
        }
        sums.iter().sum()
    }
}
