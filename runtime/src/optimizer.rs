//! Optimizers, in the order of operations that PyTorch documents for `torch.optim`.

use alloc::format;
use alloc::string::{String, ToString};
#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::isa::per_isa;
use crate::{Buffer, Isa, Network, Pool, Scratch};

/// How weights are updated.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam.
    Adam(Adam),
}

/// Stochastic gradient descent. With `g = gradient + weight_decay * w` and `v = momentum * v + (1 - dampening) * g`
/// (`v = g` in the first step): `w -= learning_rate * v`, or `w -= learning_rate * (g + momentum * v)` for Nesterov.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Sgd {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// From 0 to below 1; with 0 there is no state.
    pub momentum: f64,
    /// How much less than whole a gradient enters the momentum.
    pub dampening: f64,
    /// Nesterov's momentum; needs momentum and no dampening.
    pub nesterov: bool,
    /// The L2 penalty: this times the weight is added to the gradient.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.01, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// Adam (Kingma and Ba 2015). With `g = gradient + weight_decay * w`, `m = beta1 * m + (1 - beta1) * g` and
/// `v = beta2 * v + (1 - beta2) * g²`:
/// `w -= learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Adam {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// Decay of the mean of the gradient.
    pub beta1: f64,
    /// Decay of the mean of its square.
    pub beta2: f64,
    /// Keeps the division in bounds; above 0.
    pub epsilon: f64,
    /// The L2 penalty: this times the weight is added to the gradient.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Rule {
    /// The learning rate before the schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.learning_rate,
            Self::Adam(adam) => adam.learning_rate,
        }
    }

    /// Whether all numbers are in their ranges; otherwise says which is not and what would fit.
    pub fn check(&self) -> Result<(), String> {
        let not_negative = |name: &str, x: f64| match x.is_finite() && x >= 0.0 {
            true => Ok(()),
            false => Err(format!("`{name}` is {x}, but it must be 0 or more")),
        };
        let fraction = |name: &str, x: f64| match (0.0..1.0).contains(&x) {
            true => Ok(()),
            false => Err(format!("`{name}` is {x}, but it must be at least 0 and below 1")),
        };
        not_negative("learning_rate", self.learning_rate())?;
        match *self {
            Self::Sgd(Sgd { momentum, dampening, nesterov, weight_decay, .. }) => {
                fraction("momentum", momentum)?;
                if !(0.0..=1.0).contains(&dampening) {
                    return Err(format!("`dampening` is {dampening}, but it must be from 0 to 1"));
                }
                not_negative("weight_decay", weight_decay)?;
                if nesterov && (momentum == 0.0 || dampening != 0.0) {
                    return Err("`nesterov` needs a `momentum` above 0 and no `dampening`".to_string());
                }
            }
            Self::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. }) => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                not_negative("weight_decay", weight_decay)?;
                if !(epsilon.is_finite() && epsilon as f32 > 0.0) {
                    return Err(format!("`epsilon` is {epsilon}, but it must be above 0"));
                }
            }
        }
        Ok(())
    }
}

impl From<Sgd> for Rule {
    fn from(sgd: Sgd) -> Self {
        Self::Sgd(sgd)
    }
}

impl From<Adam> for Rule {
    fn from(adam: Adam) -> Self {
        Self::Adam(adam)
    }
}

/// A rule and what it remembers from step to step.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    /// The schedule's factor of the learning rate.
    factor: f64,
    seed: u64,
    steps: u64,
    /// Momentum, or the means of the gradient and of its square; as long as the weights, or empty.
    state: [Buffer; 2],
    scratch: Scratch,
}

/// Weights per task: small enough to divide LeNet, large enough that a task costs much more than to claim it.
const PIECE: usize = 8192;

impl Optimizer {
    /// An optimizer for a network, before its first step.
    ///
    /// # Panics
    /// If a number of the rule is out of its range; where it comes from a user, [check](Rule::check) it first.
    pub fn new(rule: impl Into<Rule>, network: &dyn Network) -> Self {
        Self::with(rule.into(), network.spec().trained, network.memory().pool.threads())
    }

    fn with(rule: Rule, weights: usize, threads: usize) -> Self {
        if let Err(complaint) = rule.check() {
            panic!("{complaint}");
        }
        let buffers = match rule {
            Rule::Sgd(sgd) if sgd.momentum == 0.0 => 0,
            Rule::Sgd(_) => 1,
            Rule::Adam(_) => 2,
        };
        let state = core::array::from_fn(|i| Buffer::zeroed(if i < buffers { weights } else { 0 }));
        Self { rule, factor: 1.0, seed: 0, steps: 0, state, scratch: Scratch::new(threads, 0) }
    }

    /// The same with a seed for what is random in training, so for dropout.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the factor of the learning rate, such as a schedule gives it, for the steps to come.
    pub fn set_factor(&mut self, factor: f64) {
        self.factor = factor;
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

    /// What is remembered, by name: nothing, `momentum`, or `mean` and `square`.
    pub fn state(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        self.names().iter().copied().zip(self.state.iter().map(|buffer| &**buffer))
    }

    /// What is remembered, to be restored.
    pub fn state_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut [f32])> {
        self.names().iter().copied().zip(self.state.iter_mut().map(|buffer| &mut **buffer))
    }

    fn names(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::Sgd(sgd) if sgd.momentum == 0.0 => &[],
            Rule::Sgd(_) => &["momentum"],
            Rule::Adam(_) => &["mean", "square"],
        }
    }

    /// One update of a network's trained weights by its gradients. Every weight is computed alone, so that the result
    /// does not depend on the number of threads.
    pub fn step(&mut self, network: &mut dyn Network) {
        let trained = network.spec().trained;
        let (params, memory) = network.params_and_memory();
        self.update(memory.isa, &memory.pool, &mut params[..trained], &memory.gradients[..trained]);
    }

    fn update(&mut self, isa: Isa, pool: &Pool, weights: &mut [f32], gradients: &[f32]) {
        let factor = self.factor;
        self.steps += 1;
        let [first, second] = &mut self.state;
        let of = |piece: usize, len: usize| &gradients[piece * PIECE..][..len];
        match self.rule {
            Rule::Sgd(sgd) if sgd.momentum == 0.0 => {
                let k = SgdStep::new(&sgd, factor, self.steps);
                pool.pieces(weights, PIECE, &mut self.scratch, |piece, w, _| isa.sgd_plain(&k, of(piece, w.len()), w));
            }
            Rule::Sgd(sgd) => {
                let k = SgdStep::new(&sgd, factor, self.steps);
                pool.zip([weights, first], PIECE, &mut self.scratch, |piece, [w, v], _| {
                    isa.sgd_momentum(&k, of(piece, w.len()), w, v);
                });
            }
            Rule::Adam(adam) => {
                let k = AdamStep::new(&adam, factor, self.steps);
                pool.zip([weights, first, second], PIECE, &mut self.scratch, |piece, [w, m, v], _| {
                    isa.adam(&k, of(piece, w.len()), w, m, v);
                });
            }
        }
    }
}

/// The coefficients of one step.
struct SgdStep {
    rate: f32,
    decay: f32,
    momentum: f32,
    entering: f32,
    nesterov: bool,
}

impl SgdStep {
    fn new(sgd: &Sgd, factor: f64, step: u64) -> Self {
        Self {
            rate: (sgd.learning_rate * factor) as f32,
            decay: sgd.weight_decay as f32,
            momentum: sgd.momentum as f32,
            // The first gradient enters whole: PyTorch starts the momentum with it.
            entering: if step == 1 { 1.0 } else { (1.0 - sgd.dampening) as f32 },
            nesterov: sgd.nesterov,
        }
    }
}

/// The coefficients of one step.
struct AdamStep {
    rate: f32,
    decay: f32,
    beta1: f32,
    beta2: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    root_scale: f32,
    epsilon: f32,
}

impl AdamStep {
    fn new(adam: &Adam, factor: f64, step: u64) -> Self {
        let (correction1, correction2) = (1.0 - power(adam.beta1, step), 1.0 - power(adam.beta2, step));
        Self {
            rate: (adam.learning_rate * factor / correction1) as f32,
            decay: adam.weight_decay as f32,
            beta1: adam.beta1 as f32,
            beta2: adam.beta2 as f32,
            one_minus_beta1: (1.0 - adam.beta1) as f32,
            one_minus_beta2: (1.0 - adam.beta2) as f32,
            root_scale: 1.0 / root(correction2 as f32),
            epsilon: adam.epsilon as f32,
        }
    }
}

per_isa! {
    fn sgd_plain(k: &SgdStep, gradients: &[f32], weights: &mut [f32]) {
        for (w, &g) in weights.iter_mut().zip(gradients) {
            *w -= k.rate * (g + k.decay * *w);
        }
    }

    fn sgd_momentum(k: &SgdStep, gradients: &[f32], weights: &mut [f32], velocity: &mut [f32]) {
        let (of_gradient, of_velocity) = if k.nesterov { (1.0, k.momentum) } else { (0.0, 1.0) };
        for ((w, v), &g) in weights.iter_mut().zip(velocity).zip(gradients) {
            let g = g + k.decay * *w;
            *v = k.momentum * *v + k.entering * g;
            *w -= k.rate * (of_gradient * g + of_velocity * *v);
        }
    }

    fn adam(k: &AdamStep, gradients: &[f32], weights: &mut [f32], mean: &mut [f32], square: &mut [f32]) {
        for (((w, m), v), &g) in weights.iter_mut().zip(mean).zip(square).zip(gradients) {
            let g = g + k.decay * *w;
            *m = k.beta1 * *m + k.one_minus_beta1 * g;
            *v = k.beta2 * *v + k.one_minus_beta2 * (g * g);
            *w -= k.rate * *m / (root(*v) * k.root_scale + k.epsilon);
        }
    }
}

/// `x` to the power `n`, the same bits on every machine.
fn power(x: f64, n: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, x, n);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[inline(always)]
fn root(x: f32) -> f32 {
    #[cfg(feature = "std")]
    return x.sqrt();
    #[cfg(not(feature = "std"))]
    newton_root(x)
}

/// The square root by Newton's method, since `core` has none: from an estimate good to 4 %, made by halving the exponent.
#[cfg(any(test, not(feature = "std")))]
#[inline(always)]
fn newton_root(x: f32) -> f32 {
    let mut root = f32::from_bits((x.to_bits() >> 1) + 0x1fbd_1df5);
    for _ in 0..3 {
        root = 0.5 * (root + x / root);
    }
    if x > 0.0 { root } else { x }
}

#[cfg(all(test, feature = "std"))]
mod tests;
