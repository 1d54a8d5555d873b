//! One graph as written, two as run: for deployment and for training.

use super::prune::prune;
use crate::graph::{Graph, Rewrite};
use crate::ops::{Op, batch_norm};

/// Keeps what outputs need; dropout passes everything on.
pub fn inference(mut graph: Graph) -> Graph {
    graph.loss = None;
    graph.targets.clear();
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        match &graph.node(value).op {
            Op::Dropout(_) => rewrite.replace(value, rewrite.get(graph.node(value).inputs[0])),
            _ => rewrite.copy(value),
        }
    }
    let mut new = rewrite.finish();
    new.updates.clear();
    prune(new)
}

/// Batch-norm normalises by the statistics of the batch and keeps the running ones up to date.
pub fn training(graph: Graph) -> Graph {
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        match &graph.node(value).op {
            Op::BatchNorm(norm) if !norm.frozen => batch_norm::for_training(&mut rewrite, &graph, value, norm),
            _ => rewrite.copy(value),
        }
    }
    rewrite.finish()
}
