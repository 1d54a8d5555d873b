//! A network followed by hand, forward and backward: `cargo run --release --package cnnc-examples --bin step_by_step`
//!
//! The worksheet of the course: a picture of 6×6, a filter of 3×3, ReLU, max-pooling, a dense layer, a loss, all gradients and one
//! step of gradient descent. Each is computed by plain loops (`by_hand.rs`) and by the emitted network. The numbers are small
//! multiples of a half, so that nothing is rounded: the bound is that all are equal to the last bit. `--seed` draws another
//! worksheet.

cnnc_macros::net!("nets/step_by_step.net", input_gradients, exact);

mod by_hand;
mod matrix;
mod worksheet;

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::{Common, Result, Table, say};
use cnnc_runtime::Network as _;
use cnnc_runtime::optimizer::{Optimizer, Sgd};
use cnnc_runtime::random::Random;
use matrix::{Matrix, side_by_side};
use worksheet::Column;

/// The learning rate of the step: a power of two, so that it is exact.
const RATE: f32 = 1.0 / 64.0;

/// A network followed by hand, forward and backward
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// What is given: the picture, the weights, and what the network should answer.
struct Given {
    picture: Matrix,
    filter: Matrix,
    filter_bias: Matrix,
    weights: Matrix,
    bias: Matrix,
    wanted: Matrix,
}

/// All that follows from it.
struct Steps {
    map: Matrix,
    active: Matrix,
    pooled: Matrix,
    answers: Matrix,
    loss: Matrix,
    answers_gradient: Matrix,
    weights_gradient: Matrix,
    pooled_gradient: Matrix,
    map_gradient: Matrix,
    filter_gradient: Matrix,
    filter_bias_gradient: Matrix,
    picture_gradient: Matrix,
    new_filter: Matrix,
    new_weights: Matrix,
}

fn main() -> ExitCode {
    cnnc_examples::run(step_by_step)
}

fn step_by_step(arguments: &Arguments) -> Result<()> {
    arguments.common.refuse_data()?;
    let given = draw(arguments.common.seed);
    let (by_hand, emitted) = (by_hand(&given), emitted(&given)?);
    let (by_hand_named, emitted_named) = (named(&by_hand), named(&emitted));
    say!("by hand    |    the emitted network\n");
    let mut table = Table::new(&["step", "numbers", "equal"]);
    let (mut all, mut all_equal) = (0, 0);
    for ((name, by_hand), (_, emitted)) in by_hand_named.iter().zip(&emitted_named) {
        say!("{name}\n{}", side_by_side(by_hand, emitted));
        let equal = by_hand.values.iter().zip(&emitted.values).filter(|(a, b)| a == b).count();
        table.row(&[name, &by_hand.values.len(), &equal]);
        all += by_hand.values.len();
        all_equal += equal;
    }
    say!("{table}\n{all_equal} of {all} numbers are equal");
    let what = "the worksheet: forward above, gradients below";
    arguments.common.write_text("step_by_step.svg", &picture(&given, &by_hand), what)?;
    if all_equal < all { Err("the emitted network does not compute what was computed by hand".into()) } else { Ok(()) }
}

/// A worksheet at random.
fn draw(seed: u64) -> Given {
    let random = &mut Random::named(seed, "worksheet");
    Given {
        picture: Matrix::drawn(6, 6, (0, 4), 1.0, random),
        filter: Matrix::drawn(3, 3, (-2, 2), 1.0, random),
        // Low enough that ReLU has something to do.
        filter_bias: Matrix::drawn(1, 1, (-8, -2), 0.5, random),
        weights: Matrix::drawn(2, 4, (-2, 2), 0.5, random),
        bias: Matrix::drawn(2, 1, (-2, 2), 0.5, random),
        wanted: Matrix::drawn(2, 1, (-3, 3), 1.0, random),
    }
}

/// Each step by plain loops.
fn by_hand(given: &Given) -> Steps {
    let map = by_hand::convolve(&given.picture, &given.filter, given.filter_bias.at(0, 0));
    let active = by_hand::relu(&map);
    let pooled = by_hand::max_pool(&active);
    let answers = by_hand::dense(&pooled, &given.weights, &given.bias);
    let loss = Matrix::new(1, 1, &[by_hand::loss(&answers, &given.wanted)]);

    let answers_gradient = by_hand::loss_back(&answers, &given.wanted);
    let weights_gradient = by_hand::dense_weights_back(&answers_gradient, &pooled);
    let pooled_gradient = by_hand::dense_back(&answers_gradient, &given.weights, &pooled);
    let map_gradient = by_hand::relu_back(&by_hand::max_pool_back(&pooled_gradient, &active), &map);
    // The gradient of the filter is a convolution, too: of the picture with the gradient of the map.
    let filter_gradient = by_hand::convolve(&given.picture, &map_gradient, 0.0);
    let filter_bias_gradient = Matrix::new(1, 1, &[map_gradient.values.iter().sum()]);
    let picture_gradient = by_hand::convolve_back(&map_gradient, &given.filter);
    let new_filter = by_hand::descend(&given.filter, &filter_gradient, RATE);
    let new_weights = by_hand::descend(&given.weights, &weights_gradient, RATE);
    Steps {
        map,
        active,
        pooled,
        answers,
        loss,
        answers_gradient,
        weights_gradient,
        pooled_gradient,
        map_gradient,
        filter_gradient,
        filter_bias_gradient,
        picture_gradient,
        new_filter,
        new_weights,
    }
}

/// Each step by the emitted network.
fn emitted(given: &Given) -> Result<Steps> {
    let mut net = StepByStep::new(0);
    let weights = [
        ("conv.weight", &given.filter),
        ("conv.bias", &given.filter_bias),
        ("dense.weight", &given.weights),
        ("dense.bias", &given.bias),
    ];
    for (name, values) in weights {
        net.param_mut(name).ok_or(name)?.copy_from_slice(&values.values);
    }
    let rule = Sgd { learning_rate: f64::from(RATE), ..Sgd::default() };
    let mut optimizer = Optimizer::new(rule, &net);
    let picture = given.picture.values.as_slice().try_into()?;
    let wanted = given.wanted.values.as_slice().try_into()?;
    let loss = net.train_step(&[picture], &[wanted], &mut optimizer)?;

    let outputs = net.outputs();
    let gradient = |name: &str, rows, columns| {
        net.gradient(name).map(|values| Matrix::new(rows, columns, values)).ok_or(format!("no gradient of {name}"))
    };
    let weight = |name: &str, rows, columns| {
        net.param(name).map(|values| Matrix::new(rows, columns, values)).ok_or(format!("no weight {name}"))
    };
    Ok(Steps {
        map: Matrix::new(4, 4, &outputs.map[0]),
        active: Matrix::new(4, 4, &outputs.active[0]),
        pooled: Matrix::new(2, 2, &outputs.pooled[0]),
        answers: Matrix::new(2, 1, &outputs.answers[0]),
        loss: Matrix::new(1, 1, &[loss]),
        // A bias is added to an answer as it is, so that both have the same gradient.
        answers_gradient: gradient("dense.bias", 2, 1)?,
        weights_gradient: gradient("dense.weight", 2, 4)?,
        pooled_gradient: gradient("at_pooled.zeros.weight", 2, 2)?,
        map_gradient: gradient("at_map.zeros.weight", 4, 4)?,
        filter_gradient: gradient("conv.weight", 3, 3)?,
        filter_bias_gradient: gradient("conv.bias", 1, 1)?,
        picture_gradient: Matrix::new(6, 6, net.input_gradient(0).ok_or("no gradient of the picture")?),
        new_filter: weight("conv.weight", 3, 3)?,
        new_weights: weight("dense.weight", 2, 4)?,
    })
}

/// The steps in order.
fn named(steps: &Steps) -> [(&'static str, &Matrix); 14] {
    [
        ("convolution", &steps.map),
        ("ReLU", &steps.active),
        ("max-pooling", &steps.pooled),
        ("dense layer", &steps.answers),
        ("loss", &steps.loss),
        ("gradient of the answers", &steps.answers_gradient),
        ("gradient of the dense weights", &steps.weights_gradient),
        ("gradient behind the pooling", &steps.pooled_gradient),
        ("gradient of the map", &steps.map_gradient),
        ("gradient of the filter", &steps.filter_gradient),
        ("gradient of the filter's bias", &steps.filter_bias_gradient),
        ("gradient of the picture", &steps.picture_gradient),
        ("filter after a step", &steps.new_filter),
        ("dense weights after a step", &steps.new_weights),
    ]
}

/// Values above their gradients.
fn picture(given: &Given, steps: &Steps) -> String {
    let column = |title, value, gradient, after| Column { title, matrices: [Some(value), gradient, after] };
    worksheet::drawn(&[
        column("picture", &given.picture, Some(&steps.picture_gradient), None),
        column("filter", &given.filter, Some(&steps.filter_gradient), Some(&steps.new_filter)),
        column("its bias", &given.filter_bias, Some(&steps.filter_bias_gradient), None),
        column("map", &steps.map, Some(&steps.map_gradient), None),
        column("ReLU", &steps.active, None, None),
        column("max-pooling", &steps.pooled, Some(&steps.pooled_gradient), None),
        column("dense weights", &given.weights, Some(&steps.weights_gradient), Some(&steps.new_weights)),
        // A bias is added to an answer as it is, so that both have the same gradient.
        column("their biases", &given.bias, Some(&steps.answers_gradient), None),
        column("answers", &steps.answers, Some(&steps.answers_gradient), None),
        column("wanted", &given.wanted, None, None),
        column("loss", &steps.loss, None, None),
    ])
}
