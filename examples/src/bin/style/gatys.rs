//! What is the same for all networks that paint by gradient: the picture is their trained weight.

use cnnc_examples::{Result, progress};
use cnnc_runtime::Network;
use cnnc_runtime::draw::{self, Curve};
use cnnc_runtime::optimizer::{Optimizer, Rule};

/// What a run of an optimizer gave.
pub struct Painted {
    /// The picture, as the network takes it.
    pub image: Vec<f32>,
    /// The loss before each step.
    pub losses: Vec<f32>,
    /// Seconds it took.
    pub seconds: f64,
}

impl Painted {
    /// The loss of the photo, and the last one.
    pub fn ends(&self) -> (f32, f32) {
        (self.losses[0], self.losses[self.losses.len() - 1])
    }
}

/// Starts from the photo, the first of the inputs, and makes so many steps.
pub fn paint(net: &mut dyn Network, inputs: &[Vec<f32>; 2], rule: impl Into<Rule>, steps: usize) -> Result<Painted> {
    let image = net.spec().param("image.weight").ok_or("this network has no `image` to paint")?.range.clone();
    net.params_mut()[image.clone()].copy_from_slice(&inputs[0]);
    let mut optimizer = Optimizer::new(rule, net);
    let bar = progress(optimizer.rule().name(), steps);
    let start = std::time::Instant::now();
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        losses.push(net.train(1, &[&inputs[0], &inputs[1]], &[], None)?);
        optimizer.step(net);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Painted { image: net.params()[image].to_vec(), losses, seconds: start.elapsed().as_secs_f64() })
}

/// How the losses fall, as parts of the first, as SVG.
pub fn curves(runs: &[(&str, &Painted)]) -> String {
    let curve = |(name, run): &(&str, &Painted)| Curve {
        name: (*name).to_owned(),
        points: (1..)
            .zip(&run.losses)
            .map(|(i, loss)| (f64::from(i), f64::from(loss / run.losses[0]).log10()))
            .collect(),
    };
    let curves: Vec<Curve> = runs.iter().map(curve).collect();
    draw::curves("Loss of the picture, as a power of ten of the photo's", "step", &curves)
}
