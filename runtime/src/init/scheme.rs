//! Schemes of initial weights for whole networks.

use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::normal::{Normal, root};
use crate::random::Random;
use crate::{Network, ParamSpec, Role};

/// How weights start. Schemes are for trained parameters of two or more dimensions, `[outputs, inputs, window...]`; biases
/// become 0, other parameters of one dimension (scales and shifts of norms) stay as the network has them.
///
/// The fan of a weight is what one output sums over, `inputs * window`, or what one input goes to, `outputs * window`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Scheme {
    /// He et al. 2015, `kaiming_normal_`: a standard deviation of √(2 / fan).
    HeNormal(Fan),
    /// `kaiming_uniform_`: uniform in ±√(6 / fan).
    HeUniform(Fan),
    /// Glorot & Bengio 2010, `xavier_normal_`: a standard deviation of √(2 / (fan in + fan out)).
    XavierNormal,
    /// `xavier_uniform_`: uniform in ±√(6 / (fan in + fan out)).
    XavierUniform,
    /// Saxe, McClelland & Ganguli 2014, `orthogonal_`: rows (or columns, where they are fewer) at right angles, of length `gain`.
    Orthogonal {
        /// 1 keeps lengths; √2 suits ReLU.
        gain: f32,
    },
    /// Normally distributed, drawn anew where further than two standard deviations from 0: `TruncatedNormal` of Keras, or
    /// PyTorch's `trunc_normal_` with the bounds ±2 `std`.
    TruncatedNormal {
        /// Before it is cut off.
        std: f32,
    },
}

/// What the variance of He's schemes is kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Fan {
    /// Values on the way forward: what one output sums over.
    #[default]
    In,
    /// Gradients on the way back: what one input goes to.
    Out,
}

impl Scheme {
    /// Writes the initial weights of one parameter. They depend on seed and name alone.
    pub fn fill(&self, values: &mut [f32], shape: &[usize], seed: u64, name: &str) {
        let (fan_in, fan_out) = fans(shape);
        let mut random = Random::named(seed, name);
        let of = |fan: Fan| if fan == Fan::In { fan_in } else { fan_out };
        match *self {
            Self::HeNormal(fan) => normal(values, root(2.0 / of(fan)) as f32, &mut random),
            Self::HeUniform(fan) => uniform(values, root(6.0 / of(fan)) as f32, &mut random),
            Self::XavierNormal => normal(values, root(2.0 / (fan_in + fan_out)) as f32, &mut random),
            Self::XavierUniform => uniform(values, root(6.0 / (fan_in + fan_out)) as f32, &mut random),
            Self::TruncatedNormal { std } => {
                let mut source = Normal::new(&mut random);
                values.fill_with(|| {
                    loop {
                        let x = source.next();
                        if x.abs() <= 2.0 {
                            break x as f32 * std;
                        }
                    }
                });
            }
            Self::Orthogonal { gain } => orthogonal(values, shape.first().copied().unwrap_or(1), gain, &mut random),
        }
    }
}

/// Writes the initial weights of a network by a scheme. They depend on the seed and the names of the parameters alone.
pub fn apply(network: &mut dyn Network, scheme: &Scheme, seed: u64) {
    let specs = network.spec().params;
    let params = network.params_mut();
    for ParamSpec { name, shape, range, .. } in specs.iter().filter(|param| param.role == Role::Trained) {
        let values = &mut params[range.clone()];
        if shape.len() >= 2 {
            scheme.fill(values, shape, seed, name);
        } else if is_bias_of_layer(specs, name) {
            values.fill(0.0);
        }
    }
}

/// Whether a parameter `x.bias` stands beside a weight `x.weight` of two or more dimensions.
fn is_bias_of_layer(specs: &[ParamSpec], name: &str) -> bool {
    let Some(layer) = name.strip_suffix("bias") else { return false };
    let is_weight = |param: &ParamSpec| param.name.strip_suffix("weight") == Some(layer) && param.shape.len() >= 2;
    specs.iter().any(is_weight)
}

/// As PyTorch counts them: of `[outputs, inputs, window...]`.
fn fans(shape: &[usize]) -> (f64, f64) {
    let window: usize = shape.iter().skip(2).product();
    let dim = |i: usize| shape.get(i).copied().unwrap_or(1) * window;
    (dim(1).max(1) as f64, dim(0).max(1) as f64)
}

fn uniform(values: &mut [f32], bound: f32, random: &mut Random) {
    values.fill_with(|| random.uniform(&(-bound..bound)));
}

fn normal(values: &mut [f32], std: f32, random: &mut Random) {
    let mut source = Normal::new(random);
    values.fill_with(|| source.next() as f32 * std);
}

/// Rows of normally distributed numbers, made orthogonal one after another (Gram & Schmidt, twice, which is enough). What is
/// higher than wide has orthogonal columns.
fn orthogonal(values: &mut [f32], rows: usize, gain: f32, random: &mut Random) {
    let columns = values.len() / rows.max(1);
    let (short, long) = (rows.min(columns), rows.max(columns));
    let mut source = Normal::new(random);
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(short);
    while basis.len() < short {
        let mut vector: Vec<f64> = vec![0.0; long];
        vector.fill_with(|| source.next());
        for _ in 0..2 {
            for other in &basis {
                let along = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = root(dot(&vector, &vector));
        // What is left of a vector that the others span is noise.
        if length > 1e-6 {
            vector.iter_mut().for_each(|x| *x /= length);
            basis.push(vector);
        }
    }
    for (i, value) in values.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let x = if rows <= columns { basis[row][column] } else { basis[column][row] };
        *value = x as f32 * gain;
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    const ALL: [Scheme; 6] = [
        Scheme::HeNormal(Fan::In),
        Scheme::HeUniform(Fan::Out),
        Scheme::XavierNormal,
        Scheme::XavierUniform,
        Scheme::TruncatedNormal { std: 0.02 },
        Scheme::Orthogonal { gain: 1.5 },
    ];

    fn filled(scheme: Scheme, shape: &[usize]) -> Vec<f32> {
        let mut values = vec![0.0; shape.iter().product()];
        scheme.fill(&mut values, shape, 3, "conv.weight");
        values
    }

    #[test]
    fn variances_are_those_of_the_papers() {
        // 64 filters over 32 channels with windows of 9: fans of 288 and 576.
        let shape = [64, 32, 3, 3];
        // Cutting a normal distribution off at 2 leaves 0.7737 of its variance.
        let expected = [2.0 / 288.0, 2.0 / 576.0, 2.0 / 864.0, 2.0 / 864.0, 0.7737 * 0.0004, 1.5 * 1.5 / 288.0];
        for (scheme, expected) in ALL.into_iter().zip(expected) {
            let values = filled(scheme, &shape);
            let n = values.len() as f64;
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
            assert!((variance / expected - 1.0).abs() < 0.04, "{scheme:?}: {variance} instead of {expected}");
            assert!(mean.abs() < 0.02 * expected.sqrt(), "{scheme:?}: {mean}");
        }
        let cut = filled(Scheme::TruncatedNormal { std: 0.02 }, &shape);
        assert!(cut.iter().all(|x| x.abs() <= 0.04) && cut.iter().any(|x| x.abs() > 0.039));
    }

    #[test]
    fn orthogonal_rows_or_columns() {
        for shape in [[5, 12], [12, 5], [7, 7]] {
            let values = filled(Scheme::Orthogonal { gain: 2.0 }, &shape);
            let [rows, columns] = shape;
            let at =
                |i: usize, j: usize| if rows <= columns { values[i * columns + j] } else { values[j * columns + i] };
            for a in 0..rows.min(columns) {
                for b in 0..=a {
                    let dot: f32 = (0..rows.max(columns)).map(|j| at(a, j) * at(b, j)).sum();
                    let expected = if a == b { 4.0 } else { 0.0 };
                    assert!((dot - expected).abs() < 1e-5, "{shape:?}: {a} {b} {dot}");
                }
            }
        }
    }

    #[test]
    fn whole_networks() {
        let mut network = crate::testing::Tiny::new(&crate::Options::default());
        for scheme in ALL {
            let before = network.params().to_vec();
            apply(&mut network, &scheme, 1);
            let params = network.params().to_vec();
            assert_ne!(params[..144], before[..144]);
            assert_eq!(params[144..148], [0.0; 4]);
            assert_eq!(params[160..], before[160..]);
            apply(&mut network, &scheme, 1);
            assert_eq!(network.params(), params);
        }
    }
}
