//! Leaves out what no result needs.

use crate::graph::{Graph, Rewrite};
use crate::ops::Op;

/// Keeps the nodes that results depend on, inputs, targets and weights.
pub fn prune(graph: Graph) -> Graph {
    let mut needed = vec![false; graph.nodes.len()];
    for value in graph.results() {
        needed[value.0 as usize] = true;
    }
    for index in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[index];
        needed[index] |= matches!(node.op, Op::Input(_) | Op::Target(_));
        if needed[index] {
            for operand in &node.inputs {
                needed[operand.0 as usize] = true;
            }
        }
    }
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values().filter(|v| needed[v.0 as usize]) {
        rewrite.copy(value);
    }
    rewrite.finish()
}
