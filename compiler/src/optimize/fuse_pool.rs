//! Lets a convolution pool its value before it is written.

use super::fuse_activation::uses;
use crate::graph::{Graph, Rewrite, Type, ValueId};
use crate::ops::tile_conv::TileConv;
use crate::ops::{Op, Operator as _};

/// Moves a pool over windows that do not overlap into the convolution of tiles before it, if nothing else uses that one's value.
pub fn fuse_pool(graph: Graph) -> Graph {
    let uses = uses(&graph);
    // By convolution: the pool behind it, and the operator that is both.
    let mut pooled: Vec<Option<(ValueId, TileConv)>> = vec![None; graph.nodes.len()];
    for value in graph.values() {
        let node = graph.node(value);
        if let Op::Pool(pool) = &node.op
            && let operand = node.inputs[0]
            && uses[operand.0 as usize] == 1
            && let Op::TileConv(conv) = &graph.node(operand).op
        {
            let both = TileConv { pool: Some(pool.clone()), ..conv.clone() };
            let types: Vec<&Type> = graph.node(operand).inputs.iter().map(|v| graph.ty(*v)).collect();
            if conv.pool.is_none() && both.infer(&types).is_ok() {
                pooled[operand.0 as usize] = Some((value, both));
            }
        }
    }
    let mut rewrite = Rewrite::of(&graph);
    for value in graph.values() {
        let first = graph.node(value).inputs.first().copied();
        match first.and_then(|operand| Some((operand, pooled[operand.0 as usize].as_ref()?))) {
            // Its work is done where the pool stands.
            _ if pooled[value.0 as usize].is_some() => {}
            Some((conv, (pool, both))) if *pool == value => {
                let operands = rewrite.operands(graph.node(conv));
                let new = rewrite.push_like(conv, both.clone(), &operands);
                rewrite.replace(value, new);
            }
            _ => rewrite.copy(value),
        }
    }
    rewrite.finish()
}
