//! The rules by name, with their numbers; PyTorch's defaults.

use alloc::format;
use alloc::string::{String, ToString};
#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

/// How weights are updated. In all rules `g` is the gradient, `w` the weight, `lr` the learning rate times the factor of the
/// schedule, and operations are those of `torch.optim` in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// RMSprop.
    #[cfg_attr(feature = "harness", serde(rename = "rmsprop"))]
    RmsProp(RmsProp),
    /// Adagrad.
    Adagrad(Adagrad),
    /// Adam.
    Adam(Adam),
    /// Adam with decoupled weight decay.
    #[cfg_attr(feature = "harness", serde(rename = "adamw"))]
    AdamW(AdamW),
    /// Layer-wise adaptive rates.
    Lars(Lars),
    /// Limited-memory BFGS.
    Lbfgs(Lbfgs),
}

/// Stochastic gradient descent (Robbins & Monro 1951), with momentum (Polyak 1964) and Nesterov's, both as Sutskever et al. 2013,
/// section 2, have them, but for that the learning rate is outside of the momentum, as in PyTorch. With `g = gradient + weight_decay * w` and `v = momentum * v + (1 - dampening) * g`
/// (`v = g` in the first step): `w -= lr * v`, or `w -= lr * (g + momentum * v)` for Nesterov.
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

/// RMSprop (Hinton, Srivastava & Swersky 2012, lecture 6; Graves 2013 centred). With `g = gradient + weight_decay * w` and
/// `s = alpha * s + (1 - alpha) * g²`: `v = momentum * v + g / (sqrt(s) + epsilon)`, `w -= lr * v`. Centred, the square of the
/// mean gradient is taken from `s` under the root.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct RmsProp {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// Decay of the mean square.
    pub alpha: f64,
    /// Keeps the division in bounds; above 0.
    pub epsilon: f64,
    /// From 0 to below 1.
    pub momentum: f64,
    /// Divides by the standard deviation instead of the root of the mean square.
    pub centered: bool,
    /// The L2 penalty: this times the weight is added to the gradient.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { learning_rate: 0.01, alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false, weight_decay: 0.0 }
    }
}

/// Adagrad (Duchi, Hazan & Singer 2011). With `g = gradient + weight_decay * w` and `s += g²`:
/// `w -= lr / (1 + (t - 1) * rate_decay) * g / (sqrt(s) + epsilon)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Adagrad {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// How the rate falls with the number of the step.
    pub rate_decay: f64,
    /// What the sum of squares starts with.
    pub initial: f64,
    /// Keeps the division in bounds; above 0.
    pub epsilon: f64,
    /// The L2 penalty: this times the weight is added to the gradient.
    pub weight_decay: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self { learning_rate: 0.01, rate_decay: 0.0, initial: 0.0, epsilon: 1e-10, weight_decay: 0.0 }
    }
}

/// Adam (Kingma & Ba 2015). With `g = gradient + weight_decay * w`, `m = beta1 * m + (1 - beta1) * g` and
/// `v = beta2 * v + (1 - beta2) * g²`: `w -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)`.
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

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019): first `w *= 1 - lr * weight_decay`, then as [`Adam`] with the
/// gradient alone.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct AdamW {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// Decay of the mean of the gradient.
    pub beta1: f64,
    /// Decay of the mean of its square.
    pub beta2: f64,
    /// Keeps the division in bounds; above 0.
    pub epsilon: f64,
    /// By which share of itself, times the learning rate, a weight shrinks.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// Layer-wise adaptive rates, for large batches (You, Gitman & Ginsburg 2017): SGD with momentum whose `g + weight_decay * w` is
/// multiplied, layer by layer, with `trust * |w| / (|g| + weight_decay * |w|)`. What is no weight of a layer (biases, norms), is zero
/// or has no gradient has the factor 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Lars {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// From 0 to below 1.
    pub momentum: f64,
    /// How large an update is beside the layer's weights.
    pub trust: f64,
    /// The L2 penalty: this times the weight is added to the gradient.
    pub weight_decay: f64,
}

impl Default for Lars {
    fn default() -> Self {
        Self { learning_rate: 1.0, momentum: 0.9, trust: 1e-3, weight_decay: 0.0 }
    }
}

/// Limited-memory BFGS (Liu & Nocedal 1989), one iteration a step: `torch.optim.LBFGS` with `max_iter=1`. For batches that are the
/// whole data set.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Lbfgs {
    /// Times the factor of the schedule.
    pub learning_rate: f64,
    /// Updates that are remembered, 1 to 100; each takes twice the memory of the weights.
    pub history: usize,
    /// Whether each step looks for a good length in its direction, by the strong Wolfe conditions; the learning rate is the first
    /// one that is tried. See [`Optimizer::step_searching`](super::Optimizer::step_searching).
    pub line_search: bool,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { learning_rate: 1.0, history: 10, line_search: false }
    }
}

impl Rule {
    /// The learning rate before the schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Sgd(rule) => rule.learning_rate,
            Self::RmsProp(rule) => rule.learning_rate,
            Self::Adagrad(rule) => rule.learning_rate,
            Self::Adam(rule) => rule.learning_rate,
            Self::AdamW(rule) => rule.learning_rate,
            Self::Lars(rule) => rule.learning_rate,
            Self::Lbfgs(rule) => rule.learning_rate,
        }
    }

    /// The same with another momentum, `beta1` of Adam, if it has any.
    #[must_use]
    pub fn with_momentum(mut self, new: f64) -> Self {
        match &mut self {
            Self::Sgd(Sgd { momentum, .. }) | Self::RmsProp(RmsProp { momentum, .. }) if *momentum > 0.0 => {
                *momentum = new
            }
            Self::Lars(Lars { momentum, .. }) if *momentum > 0.0 => *momentum = new,
            Self::Adam(Adam { beta1, .. }) | Self::AdamW(AdamW { beta1, .. }) => *beta1 = new,
            _ => {}
        }
        self
    }

    /// Whether a step looks at the loss in several places.
    pub fn searches(&self) -> bool {
        matches!(self, Self::Lbfgs(Lbfgs { line_search: true, .. }))
    }

    /// As papers write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(sgd) if sgd.nesterov => "SGD with Nesterov momentum",
            Self::Sgd(sgd) if sgd.momentum > 0.0 => "SGD with momentum",
            Self::Sgd(_) => "SGD",
            Self::RmsProp(_) => "RMSprop",
            Self::Adagrad(_) => "Adagrad",
            Self::Adam(_) => "Adam",
            Self::AdamW(_) => "AdamW",
            Self::Lars(_) => "LARS",
            Self::Lbfgs(lbfgs) if lbfgs.line_search => "L-BFGS with line search",
            Self::Lbfgs(_) => "L-BFGS",
        }
    }

    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    /// Says which is not and what would fit.
    pub fn check(&self) -> Result<(), String> {
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
                Ok(())
            }
            Self::RmsProp(RmsProp { alpha, epsilon, momentum, weight_decay, .. }) => {
                fraction("alpha", alpha)?;
                positive("epsilon", epsilon)?;
                fraction("momentum", momentum)?;
                not_negative("weight_decay", weight_decay)
            }
            Self::Adagrad(Adagrad { rate_decay, initial, epsilon, weight_decay, .. }) => {
                not_negative("rate_decay", rate_decay)?;
                not_negative("initial", initial)?;
                positive("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
            Self::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. })
            | Self::AdamW(AdamW { beta1, beta2, epsilon, weight_decay, .. }) => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                not_negative("weight_decay", weight_decay)?;
                positive("epsilon", epsilon)
            }
            Self::Lars(Lars { momentum, trust, weight_decay, .. }) => {
                fraction("momentum", momentum)?;
                positive("trust", trust)?;
                not_negative("weight_decay", weight_decay)
            }
            Self::Lbfgs(Lbfgs { history, .. }) => match history {
                1..=100 => Ok(()),
                _ => Err(format!("`history` is {history}, but it must be from 1 to 100")),
            },
        }
    }
}

pub(super) fn not_negative(name: &str, x: f64) -> Result<(), String> {
    match x.is_finite() && x >= 0.0 {
        true => Ok(()),
        false => Err(format!("`{name}` is {x}, but it must be 0 or more")),
    }
}

/// Above 0 also as `f32`.
pub(super) fn positive(name: &str, x: f64) -> Result<(), String> {
    match x.is_finite() && x as f32 > 0.0 {
        true => Ok(()),
        false => Err(format!("`{name}` is {x}, but it must be above 0")),
    }
}

pub(super) fn fraction(name: &str, x: f64) -> Result<(), String> {
    match (0.0..1.0).contains(&x) {
        true => Ok(()),
        false => Err(format!("`{name}` is {x}, but it must be at least 0 and below 1")),
    }
}

macro_rules! into_rule {
    ($($name:ident)*) => {
        $(impl From<$name> for Rule {
            fn from(rule: $name) -> Self {
                Self::$name(rule)
            }
        })*
    };
}

into_rule! { Sgd RmsProp Adagrad Adam AdamW Lars Lbfgs }
