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
    /// Half a cosine from 1 at the first step to `end` after the last one.
    Cosine {
        /// The factor that is reached.
        end: f64,
    },
}

impl Schedule {
    /// Whether all numbers are in their ranges; otherwise says which is not and what would fit.
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
            Decay::Cosine { end } => not_negative("end", *end),
        }
    }

    /// The factor for step number `step` (from 0 over the whole run) of `epochs` epochs of `steps_per_epoch` steps.
    pub fn factor(&self, step: u64, steps_per_epoch: u64, epochs: u64) -> f64 {
        let steps_per_epoch = steps_per_epoch.max(1);
        let epoch = step / steps_per_epoch;
        let falling = match &self.decay {
            Decay::Constant => 1.0,
            Decay::Step { every, factor } => power(*factor, epoch / (*every).max(1)),
            Decay::MultiStep { at, factor } => power(*factor, at.iter().filter(|&&at| at <= epoch).count() as u64),
            Decay::Cosine { end } => {
                let done = step as f64 / (steps_per_epoch * epochs).max(1) as f64;
                end + (1.0 - end) * 0.5 * (1.0 + (core::f64::consts::PI * done.min(1.0)).cos())
            }
        };
        let warmup = self.warmup * steps_per_epoch as f64;
        let rising = if ((step + 1) as f64) < warmup { (step + 1) as f64 / warmup } else { 1.0 };
        falling * rising
    }
}

fn power(factor: f64, exponent: u64) -> f64 {
    factor.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn course(schedule: &Schedule) -> Vec<f64> {
        (0..12).map(|step| (schedule.factor(step, 3, 4) * 1e4).round() / 1e4).collect()
    }

    #[test]
    fn steps_change_at_epochs() {
        let step = Schedule { warmup: 0.0, decay: Decay::Step { every: 2, factor: 0.1 } };
        assert_eq!(course(&step), [[1.0; 6], [0.1; 6]].concat());
        let multi = Schedule { warmup: 0.0, decay: Decay::MultiStep { at: vec![1, 3], factor: 0.5 } };
        assert_eq!(course(&multi), [[1.0; 3], [0.5; 3], [0.5; 3], [0.25; 3]].concat());
        assert_eq!(course(&Schedule::default()), [1.0; 12]);
    }

    #[test]
    fn cosine_falls_to_its_end() {
        let cosine = Schedule { warmup: 0.0, decay: Decay::Cosine { end: 0.1 } };
        assert_eq!(cosine.factor(0, 3, 4), 1.0);
        assert!((cosine.factor(6, 3, 4) - 0.55).abs() < 1e-12);
        assert!((cosine.factor(12, 3, 4) - 0.1).abs() < 1e-12);
        assert!(course(&cosine).windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn warm_up_rises_in_front() {
        let warm = Schedule { warmup: 4.0 / 3.0, decay: Decay::Constant };
        assert_eq!(course(&warm)[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let complaint = |decay| Schedule { warmup: 0.0, decay }.check().expect_err("a complaint");
        assert!(complaint(Decay::Step { every: 0, factor: 0.1 }).contains("`every` is 0"));
        assert!(complaint(Decay::Step { every: 1, factor: -0.1 }).contains("`factor` is -0.1"));
        assert!(complaint(Decay::MultiStep { at: vec![3, 3], factor: 0.1 }).contains("must ascend"));
        assert!(complaint(Decay::Cosine { end: f64::NAN }).contains("`end` is NaN"));
        assert_eq!(Schedule::default().check(), Ok(()));
    }

    #[test]
    fn nonsense_gives_numbers() {
        let odd = Schedule { warmup: 1e9, decay: Decay::Step { every: 0, factor: 0.5 } };
        assert!(odd.factor(u64::MAX / 2, 0, 0).is_finite());
    }
}
