//! What deployment gives back of the weights that it makes others of.
//!
//! Weights are read as they are in their file, and folded, packed and transformed one step after the other. What no later step
//! reads is given back to the system at once, so that what is made next takes its place. A step that packs many weights, of whole
//! blocks of filters, is done in portions, each of which gives its own back.

use std::collections::HashMap;

use super::{Area, Place, Plan, PlannedBuffer, Root, Step};
use crate::graph::{BLOCK, Graph, ParamId};
use crate::ops::{Op, Split};

/// Floats of the weights of a portion, about.
const PORTION: usize = 256 * 1024;
/// Blocks of filters of a portion at least, which are pieces of work for as many threads.
const BLOCKS: usize = 4;

/// What a step leaves of the weights it has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Those that no later step reads, in the order of operands.
    pub params: Vec<ParamId>,
    /// How many portions the step is done in. More than one is for the first of them alone: a portion of a step reads the same
    /// portion of it.
    pub portions: usize,
}

impl Release {
    /// Of a network that keeps its weights.
    pub const NOTHING: Self = Self { params: Vec::new(), portions: 1 };

    /// For each step that prepares something.
    pub fn of(graph: &Graph, plan: &Plan) -> Vec<Self> {
        let mut last: HashMap<ParamId, usize> = HashMap::new();
        for (index, step) in plan.prepare.iter().chain(&plan.run).enumerate() {
            last.extend(params(graph, &plan.places, step).map(|param| (param, index)));
        }
        let release = |(index, step): (usize, &Step)| {
            let mut released: Vec<ParamId> = Vec::new();
            for param in params(graph, &plan.places, step) {
                if last[&param] == index && !released.contains(&param) {
                    released.push(param);
                }
            }
            let portions = released.first().map_or(1, |param| portions(graph, &plan.places, step, *param));
            Self { params: released, portions }
        };
        plan.prepare.iter().enumerate().map(release).collect()
    }
}

/// The weights that a step reads.
fn params(graph: &Graph, places: &[Place], step: &Step) -> impl Iterator<Item = ParamId> {
    graph.node(step.value).inputs.iter().filter_map(|value| match places[value.0 as usize].root {
        Root::Param(param) => Some(param),
        _ => None,
    })
}

/// The portions that a step may be done in, of which each reads the same portion of a weight: weights are packed by whole blocks of
/// filters, which are whole cache lines, too.
fn portions(graph: &Graph, places: &[Place], step: &Step, param: ParamId) -> usize {
    let node = graph.node(step.value);
    let (weights, filters) = (graph.param(param), node.ty.shape[0]);
    let by_filters =
        matches!(&node.op, Op::Pack(pack) if !pack.backwards) && matches!(step.kernel.split, Split::Pieces(_));
    let whole = places[node.inputs[0].0 as usize] == Place { root: Root::Param(param), part: 0..weights.len() };
    if !by_filters || !whole || !filters.is_multiple_of(BLOCK) {
        return 1;
    }
    let blocks = filters / BLOCK;
    let wanted = weights.len().div_ceil(PORTION).min(blocks / BLOCKS).max(1);
    (1..=wanted).rev().find(|portions| blocks.is_multiple_of(*portions)).unwrap_or(1)
}

/// Floats of weights, where they are given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// The most that are in memory at once while others are made of them, with those.
    pub most: usize,
    /// Those that are left as they are.
    pub left: usize,
}

impl Resident {
    /// Of a plan whose network does nothing but deployment.
    pub fn of(graph: &Graph, plan: &Plan) -> Self {
        let mut left = plan.params.len;
        let (mut most, mut made) = (left, vec![false; plan.buffers.len()]);
        let mut prepared = 0;
        for (step, release) in plan.prepare.iter().zip(Release::of(graph, plan)) {
            let floats = |param: &ParamId| graph.param(*param).len();
            let gone = if release.portions > 1 { floats(&release.params[0]) } else { 0 };
            if let Root::Buffer(index) = plan.places[step.value.0 as usize].root
                && let PlannedBuffer { area: Area::Prepared, len, .. } = plan.buffers[index]
                && !std::mem::replace(&mut made[index], true)
            {
                prepared += len;
            }
            // All but the last of the portions have given theirs back when there is most.
            most = most.max(left + prepared - gone / release.portions * (release.portions - 1));
            left -= release.params.iter().map(floats).sum::<usize>();
        }
        Self { most, left }
    }
}
