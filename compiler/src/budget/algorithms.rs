//! Algorithms whose weights take less memory.

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::ops::Op;
use crate::optimize::{Lighter, lighter};
use crate::tuning::{Choice, Choices, Mode, Workload};

/// Chooses other algorithms for some convolutions of a planned graph, those first that lose the least time for what they save,
/// until about `floats` fewer are prepared. Says whether anything was changed.
pub fn lighten(choices: &mut Choices, graph: &Graph, floats: usize) -> bool {
    let mut layers = layers(graph);
    let (mut saved, mut changed) = (0, false);
    while saved < floats {
        let offers = layers.iter().flat_map(|(workload, (choice, count))| {
            let count = *count;
            lighter(workload, *choice, Mode::Inference).into_iter().map(move |offer| (workload.clone(), count, offer))
        });
        let price = |offer: &Lighter| offer.cycles / offer.floats as f64;
        let Some((workload, count, Lighter { choice, floats, .. })) =
            offers.min_by(|a, b| price(&a.2).total_cmp(&price(&b.2)))
        else {
            break;
        };
        saved += floats * count;
        changed = true;
        layers.insert(workload.clone(), (choice, count));
        choices.insert(workload, choice);
    }
    changed
}

/// How convolutions are computed, and how many there are of each kind.
fn layers(graph: &Graph) -> BTreeMap<Workload, (Choice, usize)> {
    let mut layers: BTreeMap<Workload, (Choice, usize)> = BTreeMap::new();
    for value in graph.values() {
        if let (Some(workload), Op::TileConv(conv)) = (Workload::of(graph, value), &graph.node(value).op) {
            let choice = Choice { algorithm: conv.algorithm, rows: conv.rows, planes: conv.planes };
            layers.entry(workload).or_insert((choice, 0)).1 += 1;
        }
    }
    layers
}
