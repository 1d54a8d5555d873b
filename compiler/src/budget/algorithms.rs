//! Algorithms that take less memory.

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::ops::Op;
use crate::optimize::{self, Floats, Lighter, lighter};
use crate::tuning::{Choice, Choices, Workload};

/// A convolution that was to be computed otherwise.
struct Change {
    workload: Workload,
    from: Choice,
    to: Choice,
    /// Floats that all convolutions of its kind save.
    saved: usize,
    /// Cycles that each of them loses.
    cycles: f64,
}

/// Chooses other algorithms for some convolutions of a planned graph, those first that lose the least time for what they save,
/// until there are about so many `floats` fewer. Says whether anything was changed.
pub fn lighten(choices: &mut Choices, graph: &Graph, of: Floats, floats: usize) -> bool {
    let mut layers = layers(graph);
    let mut changes: Vec<Change> = Vec::new();
    let mut saved = 0;
    while saved < floats {
        let offers = layers.iter().flat_map(|(workload, (choice, count))| {
            lighter(workload, *choice, of, graph.exact).into_iter().map(move |offer| (workload, *choice, *count, offer))
        });
        let price = |offer: &Lighter| offer.cycles / offer.floats as f64;
        let Some((workload, from, count, offer)) = offers.min_by(|a, b| price(&a.3).total_cmp(&price(&b.3))) else {
            break;
        };
        let Lighter { choice: to, cycles, floats } = offer;
        changes.push(Change { workload: workload.clone(), from, to, saved: floats * count, cycles });
        saved += floats * count;
        layers.insert(changes[changes.len() - 1].workload.clone(), (to, count));
    }
    // What the last ones have made unnecessary, the dearest first.
    changes.sort_by(|a, b| b.cycles.total_cmp(&a.cycles));
    for change in &changes {
        let now = layers.get_mut(&change.workload).expect("a convolution of this graph");
        if now.0 == change.to && saved.saturating_sub(change.saved) >= floats {
            (now.0, saved) = (change.from, saved - change.saved);
        }
    }
    for change in &changes {
        choices.insert(change.workload.clone(), layers[&change.workload].0);
    }
    !changes.is_empty()
}

/// The cycles that the model takes the convolutions of a planned graph for.
pub fn cycles(graph: &Graph) -> f64 {
    layers(graph).iter().map(|(workload, (choice, count))| optimize::cycles(workload, *choice) * *count as f64).sum()
}

/// How convolutions are computed, and how many there are of each kind.
fn layers(graph: &Graph) -> BTreeMap<Workload, (Choice, usize)> {
    let mut layers: BTreeMap<Workload, (Choice, usize)> = BTreeMap::new();
    for value in graph.values() {
        if let (Some(workload), Op::TileConv(conv)) = (Workload::of(graph, value), &graph.node(value).op) {
            layers.entry(workload).or_insert((conv.into(), 0)).1 += 1;
        }
    }
    layers
}
