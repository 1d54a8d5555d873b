//! Schemes of initial weights for whole networks.

use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::normal::{Normal, root};
use crate::random::Random;
use crate::{Fans, Network, ParamKind, ParamSpec, Role};

/// How weights start. Schemes are for the weights of layers; their biases become 0, all other parameters (scales and shifts of norms,
/// slopes, what a `weight` makes) stay as the network has them.
///
/// The [fan](Fans) of a weight is what one output sums over, or what one input goes to. PyTorch, which knows nothing of a weight but
/// its shape, takes one for the other in transposed convolutions, and counts the outputs of all groups.
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
    /// Saxe, McClelland & Ganguli 2014, `orthogonal_`: rows (or columns, where they are fewer) of the matrix `[filters, the rest]` at
    /// right angles, of length `gain`; local convolutions have such a matrix for each place.
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
    /// Writes the initial values of one parameter, if it is a weight or a bias. They depend on seed and name alone.
    pub fn fill(&self, values: &mut [f32], param: &ParamSpec, seed: u64) {
        match param.kind {
            ParamKind::Weight(fans) => {
                self.fill_weight(values, param.shape, fans, &mut Random::named(seed, param.name))
            }
            ParamKind::Bias => values.fill(0.0),
            ParamKind::Other => {}
        }
    }

    fn fill_weight(&self, values: &mut [f32], shape: &[usize], fans: Fans, random: &mut Random) {
        let (fan_in, fan_out) = (fans.fan_in.max(1) as f64, fans.fan_out.max(1) as f64);
        let of = |fan: Fan| if fan == Fan::In { fan_in } else { fan_out };
        match *self {
            Self::HeNormal(fan) => normal(values, root(2.0 / of(fan)) as f32, random),
            Self::HeUniform(fan) => uniform(values, root(6.0 / of(fan)) as f32, random),
            Self::XavierNormal => normal(values, root(2.0 / (fan_in + fan_out)) as f32, random),
            Self::XavierUniform => uniform(values, root(6.0 / (fan_in + fan_out)) as f32, random),
            Self::TruncatedNormal { std } => {
                let mut source = Normal::new(random);
                values.fill_with(|| {
                    loop {
                        let x = source.next();
                        if x.abs() <= 2.0 {
                            break x as f32 * std;
                        }
                    }
                });
            }
            Self::Orthogonal { gain } => orthogonal(values, shape, fans.places, gain, random),
        }
    }
}

/// Writes the initial weights of a network by a scheme. They depend on the seed and the names of the parameters alone.
pub fn apply(network: &mut dyn Network, scheme: &Scheme, seed: u64) {
    let specs = network.spec().params;
    let params = network.params_mut();
    for param in specs.iter().filter(|param| param.role == Role::Trained) {
        scheme.fill(&mut params[param.range.clone()], param, seed);
    }
}

fn uniform(values: &mut [f32], bound: f32, random: &mut Random) {
    values.fill_with(|| random.uniform(&(-bound..bound)));
}

fn normal(values: &mut [f32], std: f32, random: &mut Random) {
    let mut source = Normal::new(random);
    values.fill_with(|| source.next() as f32 * std);
}

/// A matrix `[shape[0], the rest]` for each place, the innermost axis.
fn orthogonal(values: &mut [f32], shape: &[usize], places: usize, gain: f32, random: &mut Random) {
    let (rows, places) = (shape.first().copied().unwrap_or(1).max(1), places.max(1));
    let columns = values.len() / rows / places;
    for place in 0..places {
        let basis = basis(rows.min(columns), rows.max(columns), random);
        for (i, value) in values.iter_mut().skip(place).step_by(places).enumerate() {
            let (row, column) = (i / columns, i % columns);
            let x = if rows <= columns { basis[row][column] } else { basis[column][row] };
            *value = x as f32 * gain;
        }
    }
}

/// So many normally distributed vectors, made orthogonal one after another (Gram & Schmidt, twice, which is enough), of length 1.
fn basis(count: usize, len: usize, random: &mut Random) -> Vec<Vec<f64>> {
    let mut source = Normal::new(random);
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = vec![0.0; len];
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
    basis
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::Init;

    const ALL: [Scheme; 8] = [
        Scheme::HeNormal(Fan::In),
        Scheme::HeNormal(Fan::Out),
        Scheme::HeUniform(Fan::In),
        Scheme::HeUniform(Fan::Out),
        Scheme::XavierNormal,
        Scheme::XavierUniform,
        Scheme::TruncatedNormal { std: 0.02 },
        Scheme::Orthogonal { gain: 1.5 },
    ];

    /// A weight of 64 filters over 32 channels with windows of 9.
    const CONV: ParamSpec = weight(&[64, 32, 3, 3], Fans { fan_in: 288, fan_out: 576, places: 1 });

    const fn weight(shape: &'static [usize], fans: Fans) -> ParamSpec {
        let (name, kind, role) = ("conv.weight", ParamKind::Weight(fans), Role::Trained);
        ParamSpec { name, shape, kind, role, init: Init::Constant(7.0), range: 0..0 }
    }

    fn filled(scheme: Scheme, param: &ParamSpec) -> Vec<f32> {
        let mut values = vec![7.0; param.shape.iter().product()];
        scheme.fill(&mut values, param, 3);
        values
    }

    /// The mean and the variance about 0.
    fn moments(values: &[f32]) -> (f64, f64) {
        let mean = |f: &dyn Fn(f64) -> f64| values.iter().map(|&x| f(x.into())).sum::<f64>() / values.len() as f64;
        (mean(&|x| x), mean(&|x| x * x))
    }

    #[test]
    fn variances_are_those_of_the_papers() {
        // Cutting a normal distribution off at 2 leaves 0.7737 of its variance.
        let (he_in, he_out, xavier) = (2.0 / 288.0, 2.0 / 576.0, 2.0 / 864.0);
        let expected = [he_in, he_out, he_in, he_out, xavier, xavier, 0.7737 * 0.0004, 1.5 * 1.5 / 288.0];
        for (scheme, expected) in ALL.into_iter().zip(expected) {
            let (mean, variance) = moments(&filled(scheme, &CONV));
            assert!((variance / expected - 1.0).abs() < 0.04, "{scheme:?}: {variance} instead of {expected}");
            assert!(mean.abs() < 0.02 * expected.sqrt(), "{scheme:?}: {mean}");
        }
    }

    #[test]
    fn distributions_end_where_the_papers_say() {
        let bounds = [
            (Scheme::HeUniform(Fan::In), root(6.0 / 288.0)),
            (Scheme::HeUniform(Fan::Out), root(6.0 / 576.0)),
            (Scheme::XavierUniform, root(6.0 / 864.0)),
            (Scheme::TruncatedNormal { std: 0.02 }, 0.04),
        ];
        for (scheme, bound) in bounds {
            let largest = filled(scheme, &CONV).into_iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let share = f64::from(largest) / bound;
            assert!((0.975..=1.0 + 1e-6).contains(&share), "{scheme:?}: up to {largest}, not {bound}");
        }
    }

    #[test]
    fn fans_are_those_of_the_layer_whatever_its_shape() {
        // A local convolution of 16 channels to 8 filters at 5 × 5 places, and a transposed one of 48 channels to 12 filters, both with
        // windows of 9: their shapes alone say something else.
        let local = weight(&[8, 144, 5, 5], Fans { fan_in: 144, fan_out: 72, places: 25 });
        let transposed = weight(&[48, 12, 3, 3], Fans { fan_in: 432, fan_out: 108, places: 1 });
        for (param, fan_in, fan_out) in [(local, 144.0, 72.0), (transposed, 432.0, 108.0)] {
            for (fan, n) in [(Fan::In, fan_in), (Fan::Out, fan_out)] {
                let (_, variance) = moments(&filled(Scheme::HeNormal(fan), &param));
                assert!((variance * n / 2.0 - 1.0).abs() < 0.05, "{param:?}, {fan:?}: {variance}");
            }
        }
    }

    #[test]
    fn biases_become_zero_and_all_else_stays() {
        for scheme in ALL {
            assert_eq!(filled(scheme, &ParamSpec { kind: ParamKind::Bias, ..CONV })[..4], [0.0; 4]);
            assert_eq!(filled(scheme, &ParamSpec { kind: ParamKind::Other, ..CONV })[..4], [7.0; 4]);
        }
    }

    #[test]
    fn orthogonal_rows_or_columns_at_each_place() {
        for (shape, places) in [([5, 12, 1], 1), ([12, 5, 1], 1), ([7, 7, 1], 1), ([3, 4, 6], 6)] {
            let [rows, columns, _] = shape;
            let fans = Fans { fan_in: columns, fan_out: rows, places };
            let param = weight(Box::leak(Box::new(shape)), fans);
            let values = filled(Scheme::Orthogonal { gain: 2.0 }, &param);
            for place in 0..places {
                let at = |i: usize, j: usize| {
                    let (row, column) = if rows <= columns { (i, j) } else { (j, i) };
                    values[(row * columns + column) * places + place]
                };
                for (a, b) in (0..rows.min(columns)).flat_map(|a| (0..=a).map(move |b| (a, b))) {
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
