//! The passes: each a function from graph to graph, in the order in which they run.
//!
//! Laws of a pass: the reference evaluator says the same before and after; the graph verifies; code never gets worse.

mod fold_batch_norm;
mod fuse_activation;
mod fuse_gate;
mod fuse_loss;
mod fuse_pool;
mod fuse_shortcut;
mod lower;
mod materialize;
mod merge_siblings;
mod modes;
mod prune;

use crate::autodiff::differentiate;
use crate::graph::{Graph, verify};
pub use lower::{Floats, Lighter, candidates, cycles, lighter};

/// A pass, its name for `cnnc dump --after`, and why it stands where it does.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its name.
    pub name: &'static str,
    /// What it is for and why here.
    pub why: &'static str,
    run: fn(Graph) -> Graph,
}

const fn pass(name: &'static str, why: &'static str, run: fn(Graph) -> Graph) -> Pass {
    Pass { name, why, run }
}

/// From the elaborated graph to the one that deployment runs.
pub const INFERENCE: &[Pass] = &[
    pass("inference", "leaves out losses, targets and dropout", modes::inference),
    pass(
        "fold_batch_norm",
        "first, so that activations come to stand behind convolutions",
        fold_batch_norm::fold_batch_norm,
    ),
    pass(
        "fuse_activation",
        "applies activations while the tile that made their operand is in cache",
        fuse_activation::fuse_activation,
    ),
    pass(
        "merge_siblings",
        "behind activations, which siblings must share, and in front of layouts, of which it leaves whole blocks",
        merge_siblings::merge_siblings,
    ),
    pass("lower", "layouts and algorithms, once it is known what is fused", lower::for_inference),
    pass(
        "fuse_shortcut",
        "only tiles can add a second value while theirs is in registers",
        fuse_shortcut::fuse_shortcut,
    ),
    pass("fuse_pool", "behind sums: a convolution that adds another value does not pool", fuse_pool::fuse_pool),
    pass("prune", "what fusion left over", prune::prune),
    pass("materialize", "last: outputs get memory of their own", materialize::materialize),
];

/// From the elaborated graph to the one that training runs.
pub const TRAINING: &[Pass] = &[
    pass("training", "batch-norm uses the batch and updates its running statistics", modes::training),
    pass("differentiate", "on the graph as written: gradient rules know no fused operators", differentiate_weights),
    pass("fuse_loss", "softmax and cross-entropy are one kernel, forward and backward", fuse_loss::fuse_loss),
    pass("fuse_activation", "gradients of activations need only their value", fuse_activation::fuse_activation),
    pass("prune", "what no gradient needs", prune::prune),
    pass("lower", "layouts and algorithms, for what is left", lower::for_training),
    pass("fuse_shortcut", "gradients of a value with two users are summed by the second", fuse_shortcut::fuse_shortcut),
    pass("fuse_gate", "only kernels on blocks find the slope of an activation again", fuse_gate::fuse_gate),
    pass("materialize", "last: outputs and gradients get memory of their own", materialize::materialize),
];

/// As [`TRAINING`], with gradients of the inputs.
pub const TRAINING_WITH_INPUTS: &[Pass] = &[
    TRAINING[0],
    pass("differentiate", TRAINING[1].why, differentiate_inputs),
    TRAINING[2],
    TRAINING[3],
    TRAINING[4],
    TRAINING[5],
    TRAINING[6],
    TRAINING[7],
    TRAINING[8],
];

fn differentiate_weights(graph: Graph) -> Graph {
    differentiate(graph, false)
}

fn differentiate_inputs(graph: Graph) -> Graph {
    differentiate(graph, true)
}

/// Runs passes in order; `observe` sees the graph after each.
///
/// # Panics
/// Where debug assertions are on, if a pass breaks a promise of the graph.
pub fn run(passes: &[Pass], graph: Graph, mut observe: impl FnMut(&Pass, &Graph)) -> Graph {
    passes.iter().fold(graph, |graph, pass| {
        let graph = (pass.run)(graph);
        if cfg!(debug_assertions)
            && let Err(broken) = verify(&graph)
        {
            panic!("after {}: {broken}", pass.name);
        }
        observe(pass, &graph);
        graph
    })
}
