//! Steps that look at the loss in several places.

use super::gradients::{Sums, Vectors};
use super::lbfgs::{self, Aim};
use super::wolfe::{self, Point};
use super::{Optimizer, Rule};
use crate::{Error, Memory, Network, Scratch};

/// One more pass of a network over the same images, for the loss and gradients of other weights.
pub type Pass<'a> = dyn FnMut(&mut dyn Network) -> Result<f32, Error> + 'a;

impl Optimizer {
    /// A [step](Self::step) of a rule that [searches](Rule::searches): `loss` is that of the network's last pass, whose gradients it has, and
    /// `pass` makes another one like it with other weights. Rules that do not search make their step.
    ///
    /// # Errors
    /// Those of `pass`.
    pub fn step_searching(&mut self, network: &mut dyn Network, loss: f32, pass: &mut Pass<'_>) -> Result<(), Error> {
        let (true, Rule::Lbfgs(rule)) = (self.rule.searches(), self.rule) else {
            self.step(network);
            return Ok(());
        };
        self.steps += 1;
        self.clip(network);
        let trained = network.spec().trained;
        let (params, memory) = network.params_and_memory();
        let start = params[..trained].to_vec();
        let (rate, gradients) = (rule.learning_rate * self.factor, &memory.gradients[..trained]);
        let mut vectors = on(memory, &mut self.sums, &mut self.scratch);
        let length = match lbfgs::aim(&mut vectors, rate, self.steps, &mut self.state, gradients) {
            None => 0.0,
            Some(Aim { length, slope }) => {
                let reach = lbfgs::direction(&self.state).iter().fold(0.0_f32, |most, d| most.max(d.abs()));
                let here = Point { at: 0.0, loss: loss.into(), slope };
                wolfe::search(here, length, reach.into(), |at| self.look(network, &start, at, pass))?
            }
        };
        let (params, memory) = network.params_and_memory();
        params[..trained].copy_from_slice(&start);
        let mut vectors = on(memory, &mut self.sums, &mut self.scratch);
        lbfgs::move_by(&mut vectors, length, &mut self.state, &mut params[..trained]);
        Ok(())
    }

    /// The loss and its slope so far from the start of a step.
    fn look(&mut self, network: &mut dyn Network, start: &[f32], at: f64, pass: &mut Pass<'_>) -> Result<Point, Error> {
        let weights = &mut network.params_mut()[..start.len()];
        for ((w, s), d) in weights.iter_mut().zip(start).zip(lbfgs::direction(&self.state)) {
            *w = s + at as f32 * d;
        }
        let loss = pass(network)?.into();
        self.clip(network);
        let (_, memory) = network.params_and_memory();
        let mut vectors = on(memory, &mut self.sums, &mut self.scratch);
        let slope = vectors.dot(&memory.gradients[..start.len()], lbfgs::direction(&self.state));
        Ok(Point { at, loss, slope })
    }

    /// Cuts the gradients of a network.
    fn clip(&mut self, network: &mut dyn Network) {
        let trained = network.spec().trained;
        let (_, memory) = network.params_and_memory();
        if let Some(clip) = &self.clip {
            let gradients = &mut memory.gradients[..trained];
            clip.apply(memory.isa, &memory.pool, &mut self.sums, &mut self.scratch, gradients);
        }
    }
}

/// Operations on vectors by the threads of a network.
fn on<'a>(memory: &'a Memory, sums: &'a mut Sums, scratch: &'a mut Scratch) -> Vectors<'a> {
    Vectors { isa: memory.isa, pool: &memory.pool, sums, scratch }
}
