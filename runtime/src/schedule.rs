//! How the learning rate changes while a network learns.

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};
use std::format;
use std::string::String;
use std::vec::Vec;

/// A course of the learning rate, as a factor of the optimizer's.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Schedule {
    /// For so many epochs at the start the rate grows linearly, step by step, up to what `decay` says. May be a fraction.
    pub warmup: f64,
    /// What follows; counted from the first step, warm-up included.
    pub decay: Decay,
}

/// How the learning rate falls.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Decay {
    /// It does not.
    #[default]
    Constant,
    /// Times `factor` after every `every` epochs.
    Step {
        /// Epochs between two changes.
        every: u64,
        /// Usually below 1.
        factor: f64,
    },
    /// Times `factor` when each of these epochs begins (the first epoch is number 0).
    MultiStep {
        /// Epochs, ascending.
        at: Vec<u64>,
        /// Usually below 1.
        factor: f64,
    },
    /// Times `factor` after every epoch.
    Exponential {
        /// Usually below 1.
        factor: f64,
    },
    /// Half a cosine from 1 at the first step to `end` after the last one (Loshchilov & Hutter 2017).
    Cosine {
        /// The factor that is reached.
        end: f64,
    },
    /// `(1 - done)^power`, from 1 at the first step to 0 after the last one.
    Polynomial {
        /// 1 for a straight line.
        power: f64,
    },
    /// Half a cosine up from `1 / start` to 1, then one down to `1 / (start * end)` in the last step (Smith & Topin 2018;
    /// `OneCycleLR`). The learning rate of the optimizer is the highest one; momentum goes the other way.
    OneCycle {
        /// The share of the steps in which it rises, between 0 and 1.
        #[cfg_attr(feature = "harness", serde(default = "a_third"))]
        rise: f64,
        /// How much lower than the highest rate the first one is.
        #[cfg_attr(feature = "harness", serde(default = "twenty_five"))]
        start: f64,
        /// How much lower than the first rate the last one is.
        #[cfg_attr(feature = "harness", serde(default = "ten_thousand"))]
        end: f64,
        /// The lowest momentum, where the rate is highest, and the highest one, at both ends: of an optimizer that has momentum,
        /// `beta1` of Adam. Without it momentum stays as the optimizer has it.
        #[cfg_attr(feature = "harness", serde(default = "usual_momentum"))]
        momentum: Option<[f64; 2]>,
    },
    /// Times `factor` when there was no progress for more than `patience` epochs: by the loss of what is held out; where that has
    /// none by its rating, or, while that stays the same, by the loss of learning; by this alone where nothing is held out.
    OnPlateau(OnPlateau),
}

#[cfg(feature = "harness")]
fn a_third() -> f64 {
    0.3
}

#[cfg(feature = "harness")]
fn twenty_five() -> f64 {
    25.0
}

#[cfg(feature = "harness")]
fn ten_thousand() -> f64 {
    1e4
}

#[cfg(feature = "harness")]
fn usual_momentum() -> Option<[f64; 2]> {
    Some([0.85, 0.95])
}

/// The numbers of [`Decay::OnPlateau`], those of `ReduceLROnPlateau`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct OnPlateau {
    /// Below 1.
    pub factor: f64,
    /// So many epochs may go by without progress.
    pub patience: u64,
    /// By which share of the best loss the next one must be lower to count as progress.
    pub threshold: f64,
    /// So many epochs after a change do not count.
    pub cooldown: u64,
    /// The factor that is not gone below.
    pub end: f64,
}

impl Default for OnPlateau {
    fn default() -> Self {
        Self { factor: 0.1, patience: 10, threshold: 1e-4, cooldown: 0, end: 0.0 }
    }
}

/// What [`Decay::OnPlateau`] has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize))]
pub struct Plateau {
    /// The factor of the epochs to come.
    pub factor: f64,
    /// The lowest loss.
    pub best: Option<f64>,
    /// Epochs without progress.
    pub waited: u64,
    /// Epochs that do not count.
    pub cooling: u64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { factor: 1.0, best: None, waited: 0, cooling: 0 }
    }
}

impl Plateau {
    /// Notes the loss of an epoch.
    pub fn note(&mut self, loss: f64, rule: &OnPlateau) {
        if self.best.is_none_or(|best| loss < best * (1.0 - rule.threshold)) {
            self.best = Some(loss);
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.waited > rule.patience {
            let lower = (self.factor * rule.factor).max(rule.end);
            // Smaller changes are not worth it to PyTorch.
            if self.factor - lower > 1e-8 {
                self.factor = lower;
            }
            self.cooling = rule.cooldown;
            self.waited = 0;
        }
    }
}

impl Schedule {
    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    /// Says which is not and what would fit.
    pub fn check(&self) -> Result<(), String> {
        let not_negative = |name: &str, x: f64| match x.is_finite() && x >= 0.0 {
            true => Ok(()),
            false => Err(format!("`{name}` is {x}, but it must be 0 or more")),
        };
        not_negative("warmup", self.warmup)?;
        match &self.decay {
            Decay::Constant => Ok(()),
            Decay::Step { every: 0, .. } => Err(String::from("`every` is 0, but it must be at least 1")),
            Decay::Step { factor, .. } => not_negative("factor", *factor),
            Decay::MultiStep { at, .. } if at.windows(2).any(|pair| pair[0] >= pair[1]) => {
                Err(format!("`at` is {at:?}, but the epochs must ascend"))
            }
            Decay::MultiStep { factor, .. } => not_negative("factor", *factor),
            Decay::Exponential { factor } => not_negative("factor", *factor),
            Decay::Cosine { end } => not_negative("end", *end),
            Decay::Polynomial { power } => not_negative("power", *power),
            Decay::OneCycle { rise, start, end, momentum } => {
                if let Some([low, high]) = momentum
                    && !(*low > 0.0 && low <= high && *high < 1.0)
                {
                    return Err(format!(
                        "`momentum` is [{low}, {high}], but it must be a lower and a higher number between 0 and 1"
                    ));
                }
                if !(*rise > 0.0 && *rise < 1.0) {
                    return Err(format!("`rise` is {rise}, but it must be between 0 and 1"));
                }
                match [("start", *start), ("end", *end)].into_iter().find(|(_, x)| !(x.is_finite() && *x >= 1.0)) {
                    Some((name, x)) => Err(format!("`{name}` is {x}, but it must be 1 or more")),
                    None => Ok(()),
                }
            }
            Decay::OnPlateau(OnPlateau { factor, threshold, end, .. }) => {
                if !(0.0..1.0).contains(factor) {
                    return Err(format!("`factor` is {factor}, but it must be at least 0 and below 1"));
                }
                not_negative("threshold", *threshold)?;
                not_negative("end", *end)
            }
        }
    }

    /// The factor for step number `step` (from 0 over the whole run) of `epochs` epochs of `steps_per_epoch` steps.
    pub fn factor(&self, step: u64, steps_per_epoch: u64, epochs: u64) -> f64 {
        let steps_per_epoch = steps_per_epoch.max(1);
        let epoch = step / steps_per_epoch;
        let all = all_steps(steps_per_epoch, epochs);
        let falling = match &self.decay {
            Decay::Constant | Decay::OnPlateau(_) => 1.0,
            Decay::Exponential { factor } => power(*factor, epoch),
            Decay::Step { every, factor } => power(*factor, epoch / (*every).max(1)),
            Decay::MultiStep { at, factor } => power(*factor, at.iter().filter(|&&at| at <= epoch).count() as u64),
            Decay::Cosine { end } => half_cosine(1.0, *end, step as f64 / all),
            Decay::Polynomial { power } => (1.0 - (step as f64 / all).min(1.0)).powf(*power),
            Decay::OneCycle { rise, start, end, .. } => {
                one_cycle(step, all, *rise, [1.0 / start, 1.0, 1.0 / (start * end)])
            }
        };
        let warmup = self.warmup * steps_per_epoch as f64;
        let rising = if ((step + 1) as f64) < warmup { (step + 1) as f64 / warmup } else { 1.0 };
        falling * rising
    }

    /// The momentum for a step, counted as for [`factor`](Self::factor); `None` where the schedule leaves it alone.
    pub fn momentum(&self, step: u64, steps_per_epoch: u64, epochs: u64) -> Option<f64> {
        let Decay::OneCycle { rise, momentum: Some([low, high]), .. } = self.decay else { return None };
        Some(one_cycle(step, all_steps(steps_per_epoch, epochs), rise, [high, low, high]))
    }
}

/// Steps of a whole run, at least one.
fn all_steps(steps_per_epoch: u64, epochs: u64) -> f64 {
    steps_per_epoch.saturating_mul(epochs).max(1) as f64
}

/// Half a cosine from the first value to the second in the share `rise` of all steps, then one to the third.
fn one_cycle(step: u64, all: f64, rise: f64, [first, second, third]: [f64; 3]) -> f64 {
    let (x, top, last) = (step as f64, rise * all - 1.0, all - 1.0);
    match x <= top {
        true => half_cosine(first, second, x / top.max(f64::MIN_POSITIVE)),
        false => half_cosine(second, third, (x - top) / (last - top).max(f64::MIN_POSITIVE)),
    }
}

/// From one value to another as `done` goes from 0 to 1.
fn half_cosine(from: f64, to: f64, done: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (core::f64::consts::PI * done.min(1.0)).cos())
}

fn power(factor: f64, exponent: u64) -> f64 {
    factor.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests;
