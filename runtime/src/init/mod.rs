//! Initial weights: those that a network is compiled with, and schemes that replace them.

mod scheme;

pub use scheme::{Fan, Scheme, apply};

use crate::random::Random;
use crate::{Init, Options, ParamSpec};

impl Init {
    /// Writes the initial values of one parameter. They depend on the seed and the parameter's name alone, so that a
    /// layer more or less leaves the others as they are.
    pub fn fill(self, values: &mut [f32], seed: u64, name: &str) {
        match self {
            Self::Constant(value) => values.fill(value),
            Self::Uniform { fan_in } => {
                let bound = inverse_root(fan_in);
                let mut random = Random::named(seed, name);
                values.fill_with(|| random.uniform(&(-bound..bound)));
            }
        }
    }
}

/// Writes the initial values of all parameters into a parameter vector of zeros, unless it is to stay blank.
pub fn fill(params: &mut [f32], specs: &[ParamSpec], &Options { seed, blank, .. }: &Options) {
    if blank {
        return;
    }
    for ParamSpec { name, init, range, .. } in specs {
        init.fill(&mut params[range.clone()], seed, name);
    }
}

/// 1/√n by Newton's method, which needs no library; the same bits on every machine.
fn inverse_root(n: usize) -> f32 {
    let n = n.max(1) as f64;
    // Above the root; from there it falls until it no longer does.
    let mut root = n;
    loop {
        let next = 0.5 * (root + n / root);
        if next >= root {
            return (1.0 / root) as f32;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_exact() {
        for n in [0, 1, 2, 3, 9, 25, 150, 400, 25_088, usize::MAX] {
            assert_eq!(inverse_root(n), (1.0 / (n.max(1) as f64).sqrt()) as f32);
        }
    }

    #[test]
    fn values_depend_on_seed_and_name_only() {
        let fill = |seed, name| {
            let mut values = [0.0; 200];
            Init::Uniform { fan_in: 25 }.fill(&mut values, seed, name);
            values
        };
        assert_eq!(fill(1, "conv1.weight"), fill(1, "conv1.weight"));
        assert_ne!(fill(1, "conv1.weight"), fill(2, "conv1.weight"));
        assert_ne!(fill(1, "conv1.weight"), fill(1, "conv2.weight"));
        let values = fill(1, "conv1.weight");
        assert!(values.iter().all(|x| x.abs() <= 0.2));
        assert!(values.iter().any(|&x| x > 0.19) && values.iter().any(|&x| x < -0.19));
    }
}
