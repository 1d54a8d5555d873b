//! The function that `tests/parity/runtime/trajectories.py` lets PyTorch make small, as a network without images.

use super::{LEN, SPECS, start};
use crate::{Buffer, Error, Memory, Network, Optimizer, Options, Sizes, Spec, Targets};

static SPEC: Spec = Spec {
    name: "Bowl",
    compiler: "0.0.0",
    inputs: &[],
    targets: &[],
    outputs: &[],
    params: &SPECS,
    trained: LEN,
    param_floats: LEN,
    trains: true,
};

pub(super) struct Bowl {
    params: Buffer,
    memory: Memory,
}

impl Bowl {
    pub(super) fn new() -> Self {
        let sizes = Sizes { gradients: LEN, ..Sizes::default() };
        let mut params = Buffer::zeroed(LEN);
        params.copy_from_slice(&start());
        Self { params, memory: Memory::new(&Options::default(), &sizes) }
    }

    /// Position, curvature and middle of each weight.
    fn terms() -> impl Iterator<Item = (usize, f64, f64)> {
        let even = |from: f64, to: f64, i: usize| from + (to - from) * i as f64 / 11.0;
        let weight = (0..12).map(move |i| (i, even(0.3, 2.0, i), even(1.0, -0.5, i)));
        weight.chain([(16, 1.0, 0.2), (17, 0.5, 0.3), (18, 2.0, -0.4)])
    }
}

impl Network for Bowl {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn params(&self) -> &[f32] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    fn params_and_memory(&mut self) -> (&mut [f32], &mut Memory) {
        (&mut self.params, &mut self.memory)
    }

    fn infer(&mut self, _: usize, _: &[&[f32]]) -> Result<(), Error> {
        Ok(())
    }

    fn output(&self, _: usize) -> &[f32] {
        &[]
    }

    fn pass(
        &mut self,
        _: usize,
        _: &[&[f32]],
        _: &[Targets<'_>],
        _: Option<(u64, u64)>,
        _: Option<&mut Optimizer>,
    ) -> Result<f32, Error> {
        let at = |i: usize| f64::from(self.params[i]);
        let sign = |i: usize| if i < 12 { 1.0 } else { -1.0 };
        let apart: f64 = Self::terms().map(|(i, ..)| sign(i) * at(i)).sum();
        let mut loss = 0.05 * apart * apart;
        for (i, curvature, middle) in Self::terms() {
            let from_middle = at(i) - middle;
            loss += curvature * from_middle * from_middle / 2.0 + 0.3 * (2.0 * at(i)).sin();
            let slope = curvature * from_middle + 0.6 * (2.0 * at(i)).cos() + 0.1 * apart * sign(i);
            self.memory.gradients[i] = slope as f32;
        }
        Ok(loss as f32)
    }

    fn input_gradient(&self, _: usize) -> Option<&[f32]> {
        None
    }
}
