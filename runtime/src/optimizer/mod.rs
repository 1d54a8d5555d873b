//! Optimizers, in the order of operations that PyTorch documents for `torch.optim`; what is done to gradients before, and the
//! moving average of weights behind them.

mod average;
mod behind;
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
use core::ops::Range;

pub use average::Average;
pub(crate) use behind::room;
pub use behind::{Gradient, Learner, Update, needs_all};
pub use gradients::{Accumulator, Clip};
pub use groups::{Group, fits};
pub use parts::DecayOn;
pub use rule::{Adagrad, Adam, AdamW, Lars, Lbfgs, RmsProp, Rule, Sgd};
pub use searching::Pass;

use crate::{Buffer, Error, Isa, Network, ParamSpec, Pool, Scratch, Targets};
use gradients::{Sums, Vectors};
use parts::{Part, parts, within};
use steps::{SgdStep, Step};

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
    /// What each part does in the present step; room is kept, so that steps do not allocate.
    made: Vec<Step>,
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
        let made = Vec::with_capacity(parts.len());
        Ok(Self { rule, factor: 1.0, momentum: None, seed: 0, steps: 0, clip: None, parts, made, state, scratch, sums })
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

    /// Forward, backward and an update over `count` images: returns the loss before it. Where the network keeps its gradients, the
    /// update is a [step](Self::step) behind the pass; else each weight is updated as soon as its gradient is there, which takes
    /// less memory. Both give the same weights, bit for bit.
    ///
    /// # Errors
    /// Those of [`Network::pass`].
    pub fn train_step(
        &mut self,
        network: &mut dyn Network,
        count: usize,
        inputs: &[&[f32]],
        targets: &[Targets<'_>],
    ) -> Result<f32, Error> {
        let dropout = Some(self.dropout());
        if !network.memory().keeps_gradients() {
            return network.pass(count, inputs, targets, dropout, Some(self));
        }
        let loss = network.train(count, inputs, targets, dropout)?;
        self.step(network);
        Ok(loss)
    }

    /// One update of a network's trained weights by its gradients, which are clipped in place. Every weight is computed alone,
    /// sums over weights are added in a fixed order, so that the result does not depend on the number of threads.
    ///
    /// # Panics
    /// If the network was constructed without `keep_gradients`; see [`train_step`](Self::train_step).
    pub fn step(&mut self, network: &mut dyn Network) {
        let trained = network.spec().trained;
        assert!(network.memory().keeps_gradients(), "gradients are not kept for a step of their own");
        let (params, memory) = network.params_and_memory();
        self.update(memory.isa, &memory.pool, &mut params[..trained], &mut memory.gradients[..trained]);
    }

    fn update(&mut self, isa: Isa, pool: &Pool, weights: &mut [f32], gradients: &mut [f32]) {
        if let Some(clip) = &self.clip {
            clip.apply(isa, pool, &mut self.sums, &mut self.scratch, gradients);
        }
        let gradients = &*gradients;
        match self.begin() {
            Rule::Lbfgs(rule) => {
                let rate = rule.learning_rate * self.factor;
                let mut vectors = Vectors { isa, pool, sums: &mut self.sums, scratch: &mut self.scratch };
                lbfgs::step(&mut vectors, rate, self.steps, &mut self.state, weights, gradients);
            }
            rule => {
                if let Rule::Lars(rule) = rule {
                    self.trust(&rule, isa, pool, weights, gradients);
                }
                let Self { parts, made, state, scratch, .. } = self;
                let state = state.iter_mut().map(|state| &mut **state);
                zip(pool, weights, state, PIECE, scratch, &|piece, w, mut state, _| {
                    for (number, _, range) in within(parts, piece * PIECE, w.len()) {
                        let g = &gradients[piece * PIECE..][range.clone()];
                        made[number].apply(isa, g, &mut w[range.clone()], part_of(&mut state, &range));
                    }
                });
            }
        }
    }

    /// Begins a step: the rule as the schedule has it, and what each part of the weights is to do.
    fn begin(&mut self) -> Rule {
        self.steps += 1;
        let rule = self.momentum.map_or(self.rule, |momentum| self.rule.with_momentum(momentum));
        let (factor, steps) = (self.factor, self.steps);
        self.made.clear();
        self.made.extend(self.parts.iter().map(|part| Step::new(&rule, factor * part.rate, steps, part.decay)));
        rule
    }

    /// The rates that layers have of their own.
    fn trust(&mut self, lars: &Lars, isa: Isa, pool: &Pool, weights: &[f32], gradients: &[f32]) {
        let (sums, scratch) = (&mut self.sums, &mut self.scratch);
        let mut norm = |x: &[f32], part: &Part| sums.norm(isa, pool, scratch, &x[part.range.clone()]);
        for (part, made) in self.parts.iter().zip(&mut self.made).filter(|(part, _)| part.is_layer) {
            let norms = Some((norm(weights, part), norm(gradients, part)));
            *made = Step::Momentum(SgdStep::lars(lars, self.factor * part.rate, part.decay, norms));
        }
    }
}

/// Most vectors that are remembered by a rule that treats each weight alone.
const STATE: usize = 3;

/// What is done with a piece: its number, its weights, what is remembered of them, working memory.
type StepWork<'a> = dyn Fn(usize, &mut [f32], [&mut [f32]; STATE], &mut [f32]) + Sync + 'a;

/// Divides weights, and what is remembered of them, into pieces.
fn zip<'s>(
    pool: &Pool,
    weights: &mut [f32],
    mut state: impl Iterator<Item = &'s mut [f32]>,
    len: usize,
    scratch: &mut Scratch,
    work: &StepWork<'_>,
) {
    match [(); STATE].map(|()| state.next()) {
        [None, ..] => pool.zip([weights], len, scratch, &|i, [w], scratch| {
            work(i, w, [&mut [], &mut [], &mut []], scratch);
        }),
        [Some(a), None, _] => pool.zip([weights, a], len, scratch, &|i, [w, a], scratch| {
            work(i, w, [a, &mut [], &mut []], scratch);
        }),
        [Some(a), Some(b), None] => pool.zip([weights, a, b], len, scratch, &|i, [w, a, b], scratch| {
            work(i, w, [a, b, &mut []], scratch);
        }),
        [Some(a), Some(b), Some(c)] => pool.zip([weights, a, b, c], len, scratch, &|i, [w, a, b, c], scratch| {
            work(i, w, [a, b, c], scratch);
        }),
    }
}

/// The same part of all that is remembered.
fn part_of<'s>(state: &'s mut [&mut [f32]; STATE], range: &Range<usize>) -> [&'s mut [f32]; STATE] {
    state.each_mut().map(|state| state.get_mut(range.clone()).unwrap_or_default())
}

#[cfg(all(test, feature = "std"))]
mod tests;
