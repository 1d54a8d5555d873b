//! Emitted code against the reference.

use std::cell::OnceCell;

use cnnc::compile::Compiled;
use cnnc::graph::{Graph, Kind, Named};
use cnnc::ops::source::ignored;
use cnnc::plan::ParamLayout;
use cnnc::reference::{Feed, Tensor, evaluate, full_shape};

use crate::build::{Answer, Request};
use crate::generate::Random;
use crate::wire::Numbers;

/// A network with numbers to run it on.
#[derive(Debug)]
pub struct Case<'a> {
    /// The network.
    pub compiled: &'a Compiled,
    /// The numbers, all exactly representable in `f32`.
    pub feed: Feed,
    /// What the reference says, once it was asked: of inference and of training.
    expected: [OnceCell<Vec<Tensor>>; 2],
}

impl<'a> Case<'a> {
    /// Random weights (variances positive), inputs and targets for a batch of `count`.
    pub fn random(compiled: &'a Compiled, count: usize, random: &mut Random) -> Self {
        let graph = &compiled.graph;
        let floats = |named: &Named, random: &mut Random| {
            let ty = graph.ty(named.value);
            let shape = full_shape(ty, count);
            let len = shape.iter().product();
            let data = match ty.kind {
                Kind::Float => (0..len).map(|_| f64::from(random.normal())).collect(),
                Kind::Class(n) => {
                    let ignore = ignored(graph, named.value);
                    let label = |random: &mut Random| match ignore {
                        Some(label) if random.one_in(4) => f64::from(label),
                        _ => random.below(n) as f64,
                    };
                    (0..len).map(|_| label(random)).collect()
                }
            };
            Tensor::new(&shape, data)
        };
        let inputs = graph.inputs.iter().map(|i| floats(i, random)).collect();
        // Probabilities, so that every loss is defined.
        let targets = graph.targets.iter().map(|t| match graph.ty(t.value).kind {
            Kind::Float => floats(t, random).map(|x| f64::from((1.0 / (1.0 + (-x).exp())) as f32)),
            Kind::Class(_) => floats(t, random),
        });
        let targets = targets.collect();
        let params = graph
            .params
            .iter()
            .map(|param| {
                let fan_in = param.shape.iter().skip(1).product::<usize>().max(1) as f32;
                let scale = if param.shape.len() > 1 { (2.0 / fan_in).sqrt() } else { 0.3 };
                let positive = param.name.ends_with("running_var");
                let draw = |random: &mut Random| {
                    let x = random.normal() * scale;
                    f64::from(if positive { 0.5 + x.abs() } else { x })
                };
                Tensor::new(&param.shape, (0..param.len()).map(|_| draw(random)).collect())
            })
            .collect();
        let feed = Feed { batch: count, inputs, targets, params, dropout: None };
        Self { compiled, feed, expected: Default::default() }
    }

    /// The request for the emitted program.
    pub fn request(&self, network: usize, threads: usize, isa: &str) -> Request {
        let single = |t: &Tensor| Numbers::Given(t.data.iter().map(|x| *x as f32).collect());
        let layout = ParamLayout::of(&self.compiled.graph);
        let params = layout.ranges.iter().zip(&self.feed.params).map(|(range, x)| (range.start, single(x))).collect();
        Request {
            network,
            count: self.feed.batch,
            threads,
            isa: isa.to_owned(),
            sketched: false,
            params,
            inputs: self.feed.inputs.iter().map(single).collect(),
            targets: self.feed.targets.iter().map(single).collect(),
        }
    }

    /// Where an answer is further from the reference than allowed: `outputs` relative to the largest output, `gradients`
    /// relative to the largest gradient of the same tensor.
    pub fn differences(&self, answer: &Answer, outputs: f64, gradients: f64) -> Vec<String> {
        let mut wrong = Vec::new();
        let inference = &self.compiled.inference.graph;
        let values = self.expected[0].get_or_init(|| evaluate(inference, &self.feed));
        for (output, got) in inference.outputs.iter().zip(&answer.outputs) {
            check(
                &format!("output `{}`", output.name),
                got,
                &values[output.value.0 as usize],
                outputs,
                1e-3,
                &mut wrong,
            );
        }
        if let Some(training) = &self.compiled.training {
            self.check_training(&training.graph, answer, gradients, &mut wrong);
        }
        wrong
    }

    fn check_training(&self, graph: &Graph, answer: &Answer, tolerance: f64, wrong: &mut Vec<String>) {
        let values = self.expected[1].get_or_init(|| evaluate(graph, &self.feed));
        let value = graph.loss.expect("training graphs have a loss");
        check("loss", &answer.loss, &values[value.0 as usize], tolerance, 1e-3, wrong);
        // A gradient that cancels to nothing, as that of a bias before batch-norm, has no digits of its own to compare: it
        // is held against the other gradients.
        let all = graph.gradients.iter().map(|g| g.1).chain(graph.input_gradients.iter().map(|g| g.1));
        let floor = 0.02 * all.map(|v| largest(&values[v.0 as usize])).fold(1e-2, f64::max);
        for (param, value) in &graph.gradients {
            let got = &answer.gradients[param.0 as usize];
            let name = format!("gradient of `{}`", graph.param(*param).name);
            check(&name, got, &values[value.0 as usize], tolerance, floor, wrong);
        }
        for ((index, value), got) in graph.input_gradients.iter().zip(&answer.input_gradients) {
            let name = format!("gradient of input `{}`", graph.inputs[*index].name);
            check(&name, got, &values[value.0 as usize], tolerance, floor, wrong);
        }
        for (param, value) in &graph.updates {
            let got = &answer.params[param.0 as usize];
            check(&graph.param(*param).name, got, &values[value.0 as usize], tolerance, 1e-3, wrong);
        }
    }
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.data.iter().fold(0.0_f64, |m, x| m.max(x.abs()))
}

/// The largest difference relative to the largest magnitude, but never relative to less than `floor`.
fn check(what: &str, got: &[f32], expected: &Tensor, tolerance: f64, floor: f64, wrong: &mut Vec<String>) {
    if got.len() != expected.data.len() {
        wrong.push(format!("{what}: {} numbers instead of {}", got.len(), expected.data.len()));
        return;
    }
    let largest = largest(expected).max(floor);
    let differences = got.iter().zip(&expected.data).map(|(g, e)| (f64::from(*g) - e).abs() / largest);
    let (index, worst) =
        differences.enumerate().fold((0, 0.0_f64), |m, (i, d)| if d > m.1 || d.is_nan() { (i, d) } else { m });
    if worst > tolerance || worst.is_nan() {
        wrong.push(format!(
            "{what}[{index}]: {} instead of {} ({worst:.1e} of the largest)",
            got[index], expected.data[index]
        ));
    }
}
