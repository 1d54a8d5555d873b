//! Optimizers, in the order of operations that PyTorch documents for `torch.optim`; what is done to gradients before, and the
//! moving average of weights behind them.

mod average;
mod gradients;
mod groups;
mod lbfgs;
mod parts;
mod rule;
mod searching;
mod steps;
mod wolfe;

use alloc::string::String;
use alloc::vec::Vec;

pub use average::Average;
pub use gradients::{Accumulator, Clip};
pub use groups::{Group, fits};
pub use parts::DecayOn;
pub use rule::{Adagrad, Adam, AdamW, Lars, Lbfgs, RmsProp, Rule, Sgd};
pub use searching::Pass;

use crate::{Buffer, Isa, Network, ParamSpec, Pool, Scratch};
use gradients::{Sums, Vectors};
use parts::{Part, parts, within};
use steps::{AdamStep, RootStep, SgdStep};

/// A rule and what it remembers from step to step.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    /// The schedule's factor of the learning rate.
    factor: f64,
    /// The schedule's momentum.
    momentum: Option<f64>,
    seed: u64,
    steps: u64,
    clip: Option<Clip>,
    parts: Vec<Part>,
    /// Room for the coefficients of each part, so that steps do not allocate.
    coefficients: Vec<SgdStep>,
    /// Each as long as the weights, under the [names](Self::names).
    state: Vec<Buffer>,
    scratch: Scratch,
    sums: Sums,
}

/// Weights per task: small enough to divide LeNet, large enough that a task costs much more than to claim it.
const PIECE: usize = 8192;

impl Optimizer {
    /// An optimizer for a network, before its first step.
    ///
    /// # Panics
    /// If a number of the rule is out of its range; where it comes from a user, [check](Rule::check) it first.
    pub fn new(rule: impl Into<Rule>, network: &dyn Network) -> Self {
        Self::grouped(rule, DecayOn::All, &[], network).unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    /// The same with weight decay on some of the parameters, and with groups of them that have factors of their own.
    ///
    /// # Errors
    /// Says which number is out of its range, which group has no weights, or that the rule has no groups: L-BFGS looks for one
    /// direction of all weights, in PyTorch as here.
    pub fn grouped(
        rule: impl Into<Rule>,
        decay_on: DecayOn,
        groups: &[Group],
        network: &dyn Network,
    ) -> Result<Self, String> {
        let spec = network.spec();
        Self::with(rule.into(), decay_on, groups, spec.params, spec.trained, network.memory().pool.threads())
    }

    fn with(
        rule: Rule,
        decay_on: DecayOn,
        groups: &[Group],
        params: &[ParamSpec],
        weights: usize,
        threads: usize,
    ) -> Result<Self, String> {
        rule.check()?;
        groups.iter().try_for_each(Group::check)?;
        if matches!(rule, Rule::Lbfgs(_)) && !groups.is_empty() {
            return Err(String::from("`lbfgs` has no `groups`: it looks for one direction of all weights"));
        }
        let parts = parts(params, weights, decay_on, groups, matches!(rule, Rule::Lars(_)))?;
        let mut state: Vec<Buffer> = (0..Self::names(&rule).len()).map(|_| Buffer::zeroed(weights)).collect();
        if let (Rule::Adagrad(adagrad), [sum]) = (rule, &mut state[..]) {
            sum.fill(adagrad.initial as f32);
        }
        let (scratch, sums) = (Scratch::new(threads, 0), Sums::new(weights));
        let coefficients = Vec::with_capacity(parts.len());
        Ok(Self {
            rule,
            factor: 1.0,
            momentum: None,
            seed: 0,
            steps: 0,
            clip: None,
            parts,
            coefficients,
            state,
            scratch,
            sums,
        })
    }

    /// The same with a seed for what is random in training, so for dropout.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same with gradients cut before each step.
    #[must_use]
    pub fn clipping(mut self, clip: Option<Clip>) -> Self {
        self.clip = clip;
        self
    }

    /// Sets the factor of the learning rate, such as a schedule gives it, for the steps to come.
    pub fn set_factor(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// Sets the momentum, such as a schedule gives it, for the steps to come; `None` for that of the rule. Rules without momentum
    /// go on without.
    pub fn set_momentum(&mut self, momentum: Option<f64>) {
        self.momentum = momentum;
    }

    /// Seed and number of the next step: they decide which units drop.
    pub fn dropout(&self) -> (u64, u64) {
        (self.seed, self.steps)
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets the number of steps made; for an optimizer whose [state](Self::state_mut) is restored.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// What is remembered, by name: nothing, `momentum`, or `mean` and `square`, ...; each as long as the trained weights.
    pub fn state(&self) -> impl Iterator<Item = (String, &[f32])> {
        Self::names(&self.rule).into_iter().zip(self.state.iter().map(|buffer| &**buffer))
    }

    /// What is remembered, to be restored.
    pub fn state_mut(&mut self) -> impl Iterator<Item = (String, &mut [f32])> {
        Self::names(&self.rule).into_iter().zip(self.state.iter_mut().map(|buffer| &mut **buffer))
    }

    /// How many vectors as long as the trained weights a rule keeps.
    pub fn vectors(rule: &Rule) -> usize {
        Self::names(rule).len()
    }

    fn names(rule: &Rule) -> Vec<String> {
        let names: &[&str] = match rule {
            Rule::Sgd(sgd) if sgd.momentum == 0.0 => &[],
            Rule::Sgd(_) | Rule::Lars(_) => &["momentum"],
            Rule::RmsProp(rule) if rule.momentum > 0.0 || rule.centered => &["square", "mean", "momentum"],
            Rule::RmsProp(_) | Rule::Adagrad(_) => &["square"],
            Rule::Adam(_) | Rule::AdamW(_) => &["mean", "square"],
            Rule::Lbfgs(rule) => return lbfgs::names(rule.history),
        };
        names.iter().copied().map(String::from).collect()
    }

    /// One update of a network's trained weights by its gradients, which are clipped in place. Every weight is computed alone,
    /// sums over weights are added in a fixed order, so that the result does not depend on the number of threads.
    pub fn step(&mut self, network: &mut dyn Network) {
        let trained = network.spec().trained;
        let (params, memory) = network.params_and_memory();
        self.update(memory.isa, &memory.pool, &mut params[..trained], &mut memory.gradients[..trained]);
    }

    fn update(&mut self, isa: Isa, pool: &Pool, weights: &mut [f32], gradients: &mut [f32]) {
        if let Some(clip) = &self.clip {
            clip.apply(isa, pool, &mut self.sums, &mut self.scratch, gradients);
        }
        self.steps += 1;
        let (factor, steps, parts, scratch) = (self.factor, self.steps, &self.parts, &mut self.scratch);
        let rule = self.momentum.map_or(self.rule, |momentum| self.rule.with_momentum(momentum));
        let gradients = &*gradients;
        // The gradients of a part of a piece.
        let of = |piece: usize, range: &core::ops::Range<usize>| &gradients[piece * PIECE..][range.clone()];
        match rule {
            Rule::Sgd(sgd) if sgd.momentum == 0.0 => {
                let k = |part: &Part| SgdStep::new(&sgd, factor * part.rate, steps, part.decay);
                pool.pieces(weights, PIECE, scratch, &|piece, w, _| {
                    for (_, part, range) in within(parts, piece * PIECE, w.len()) {
                        isa.sgd_plain(&k(part), of(piece, &range), &mut w[range]);
                    }
                });
            }
            Rule::Sgd(_) | Rule::Lars(_) => {
                let k = &mut self.coefficients;
                k.clear();
                match rule {
                    Rule::Lars(lars) => {
                        let sums = &mut self.sums;
                        let mut norm = |x: &[f32], part: &Part| sums.norm(isa, pool, scratch, &x[part.range.clone()]);
                        let mut norms =
                            |part: &Part| part.is_layer.then(|| (norm(weights, part), norm(gradients, part)));
                        let step = |part: &Part| SgdStep::lars(&lars, factor * part.rate, part.decay, norms(part));
                        k.extend(parts.iter().map(step));
                    }
                    Rule::Sgd(sgd) => {
                        let step = |part: &Part| SgdStep::new(&sgd, factor * part.rate, steps, part.decay);
                        k.extend(parts.iter().map(step));
                    }
                    _ => {}
                }
                let k = &*k;
                let [v] = buffers(&mut self.state);
                pool.zip([weights, v], PIECE, scratch, &|piece, [w, v], _| {
                    for (number, _, range) in within(parts, piece * PIECE, w.len()) {
                        isa.sgd_momentum(&k[number], of(piece, &range), &mut w[range.clone()], &mut v[range]);
                    }
                });
            }
            Rule::RmsProp(rule) if rule.momentum > 0.0 || rule.centered => {
                let k = |part: &Part| RootStep::rmsprop(&rule, factor * part.rate, part.decay);
                let [s, m, v] = buffers(&mut self.state);
                pool.zip([weights, s, m, v], PIECE, scratch, &|piece, [w, s, m, v], _| {
                    for (_, part, range) in within(parts, piece * PIECE, w.len()) {
                        let g = of(piece, &range);
                        let [w, s, m, v] = [&mut *w, &mut *s, &mut *m, &mut *v].map(|x| &mut x[range.clone()]);
                        isa.over_deviation(&k(part), g, w, s, m, v);
                    }
                });
            }
            Rule::RmsProp(_) | Rule::Adagrad(_) => {
                let k = |part: &Part| match rule {
                    Rule::Adagrad(rule) => RootStep::adagrad(&rule, factor * part.rate, steps, part.decay),
                    Rule::RmsProp(rule) => RootStep::rmsprop(&rule, factor * part.rate, part.decay),
                    _ => unreachable!("this arm is of these two"),
                };
                let [s] = buffers(&mut self.state);
                pool.zip([weights, s], PIECE, scratch, &|piece, [w, s], _| {
                    for (_, part, range) in within(parts, piece * PIECE, w.len()) {
                        isa.over_root(&k(part), of(piece, &range), &mut w[range.clone()], &mut s[range]);
                    }
                });
            }
            Rule::Adam(_) | Rule::AdamW(_) => {
                let k = |part: &Part| match rule {
                    Rule::AdamW(rule) => AdamStep::decoupled(&rule, factor * part.rate, steps, part.decay),
                    Rule::Adam(rule) => AdamStep::new(&rule, factor * part.rate, steps, part.decay),
                    _ => unreachable!("this arm is of these two"),
                };
                let [m, v] = buffers(&mut self.state);
                pool.zip([weights, m, v], PIECE, scratch, &|piece, [w, m, v], _| {
                    for (_, part, range) in within(parts, piece * PIECE, w.len()) {
                        let g = of(piece, &range);
                        let [w, m, v] = [&mut *w, &mut *m, &mut *v].map(|x| &mut x[range.clone()]);
                        isa.adam(&k(part), g, w, m, v);
                    }
                });
            }
            Rule::Lbfgs(rule) => {
                let mut vectors = Vectors { isa, pool, sums: &mut self.sums, scratch };
                let rate = rule.learning_rate * factor;
                lbfgs::step(&mut vectors, rate, steps, &mut self.state, weights, gradients);
            }
        }
    }
}

/// The state as so many buffers as the rule has.
fn buffers<const N: usize>(state: &mut [Buffer]) -> [&mut [f32]; N] {
    let state: &mut [Buffer; N] = state.try_into().expect("a rule has as many buffers as names");
    state.each_mut().map(|buffer| &mut **buffer)
}

#[cfg(all(test, feature = "std"))]
mod tests;
