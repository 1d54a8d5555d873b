//! The plan: which kernel computes each value, where each value is, and in which order.
//!
//! Batched values live in one arena. Offsets are planned for a single image and scale with the batch: with `n` images the
//! buffer at `offset` starts at `n * offset` and holds its images one after another. So one plan serves every batch size.
//! A plan is data; the emitter only writes it down.

mod behind;
mod front;
pub mod memory;
mod place;
mod release;

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::graph::{BLOCK, Graph, ParamId, Role, Type, ValueId};
use crate::ops::{Kernel, KernelContext, Op, Split};
pub use behind::Behind;
pub use front::Front;
pub use memory::ALIGN;
pub use place::{Area, Place, PlannedBuffer, Root};
pub use release::{Release, Resident};

/// How a graph is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps done once after weights change.
    pub prepare: Vec<Step>,
    /// Steps of every run.
    pub run: Vec<Step>,
    /// Those in front that threads do each for images of its own, in deployment.
    pub front: Option<Front>,
    /// What becomes of gradients that are not kept.
    pub behind: Behind,
    /// Where each value is, by value.
    pub places: Vec<Place>,
    /// The memory of computed values.
    pub buffers: Vec<PlannedBuffer>,
    /// Size of each area and its lower bound.
    pub sizes: Sizes,
    /// Where each parameter is.
    pub params: ParamLayout,
}

/// One kernel at work.
#[derive(Clone, Debug)]
pub struct Step {
    /// The value it computes.
    pub value: ValueId,
    /// The code, which equal operators on equal types share.
    pub kernel: Rc<Kernel>,
    /// Whether it works in the memory of its first operand.
    pub in_place: bool,
}

/// Floats of each kind of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sizes {
    /// Arena, per image.
    pub arena: usize,
    /// The least any arena could need, per image: the largest set of values alive at once.
    pub arena_lower_bound: usize,
    /// Values that the whole batch shares.
    pub fixed: usize,
    /// Values derived from weights only.
    pub prepared: usize,
    /// Working memory per thread.
    pub scratch: usize,
    /// Partial sums over groups of images, without the factor of the number of groups.
    pub partials: usize,
}

/// The parameter vector: trained weights, then frozen ones, then buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamLayout {
    /// By parameter.
    pub ranges: Vec<Range<usize>>,
    /// Floats of the trained part.
    pub trained: usize,
    /// Floats of all.
    pub len: usize,
}

impl ParamLayout {
    /// Lays the parameters of a graph out.
    pub fn of(graph: &Graph) -> Self {
        let mut ranges = vec![0..0; graph.params.len()];
        let (mut len, mut trained) = (0, 0);
        for role in [Role::Trained, Role::Frozen, Role::Buffer] {
            for (range, param) in ranges.iter_mut().zip(&graph.params).filter(|(_, p)| p.role == role) {
                *range = len..len + param.len();
                len = memory::aligned(range.end);
            }
            if role == Role::Trained {
                trained = len;
            }
        }
        Self { ranges, trained, len }
    }
}

/// Plans a verified graph. Values that depend on weights alone are prepared once when `prepare` says so.
pub fn plan(graph: &Graph, prepare: bool) -> Plan {
    let steps = steps(graph);
    let prepared = if prepare { constant_values(graph) } else { vec![false; graph.nodes.len()] };
    let placement = place::place(graph, &steps, &prepared);
    let (first, run): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .filter(|step| !placement.joined[step.value.0 as usize])
        .map(|step| Step { in_place: placement.in_place[step.value.0 as usize], ..step })
        .partition(|step| prepared[step.value.0 as usize]);
    let front = if prepare { front::front(graph, &run, &placement) } else { None };
    let behind = Behind::of(graph, &run, &placement.places);
    let mut sizes = placement.sizes;
    for step in first.iter().chain(&run) {
        sizes.scratch = sizes.scratch.max(step.kernel.scratch);
        if step.kernel.split == Split::Groups {
            sizes.partials = sizes.partials.max(graph.ty(step.value).floats());
        }
    }
    Plan {
        prepare: first,
        run,
        front,
        behind,
        places: placement.places,
        buffers: placement.buffers,
        sizes,
        params: ParamLayout::of(graph),
    }
}

/// The nodes that need code, with the code.
fn steps(graph: &Graph) -> Vec<Step> {
    let computed = graph.values().filter(|v| !is_source(&graph.node(*v).op) && view(graph, *v).is_none());
    /// Kernels by the types they work on, beside the operators they are of.
    type Made<'a> = HashMap<(Vec<Type>, &'a Type), Vec<(&'a Op, Rc<Kernel>)>>;
    let mut made = Made::new();
    computed
        .map(|value| {
            let node = graph.node(value);
            let inputs: Vec<Type> = node.inputs.iter().map(|v| graph.ty(*v).clone()).collect();
            let on_these = made.entry((inputs.clone(), &node.ty)).or_default();
            let known = on_these.iter().find(|(op, _)| **op == node.op).map(|(_, kernel)| Rc::clone(kernel));
            let kernel = known.unwrap_or_else(|| {
                let kernel = Rc::new(node.op.kernel(&KernelContext { inputs: &inputs, output: &node.ty }));
                on_these.push((&node.op, Rc::clone(&kernel)));
                kernel
            });
            Step { value, kernel, in_place: false }
        })
        .collect()
}

/// Whether a value exists without being computed.
pub fn is_source(op: &Op) -> bool {
    matches!(op, Op::Input(_) | Op::Target(_) | Op::Param(_))
}

/// The operand and the part of it that a value is a view of, if it is one: reshapes, and slices of the outermost axis.
pub(crate) fn view(graph: &Graph, value: ValueId) -> Option<(ValueId, Range<usize>)> {
    let node = graph.node(value);
    match &node.op {
        Op::Reshape(_) => Some((node.inputs[0], 0..node.ty.floats())),
        Op::Reorder(_) if same_order(graph.ty(node.inputs[0]), &node.ty) => Some((node.inputs[0], 0..node.ty.floats())),
        Op::Slice(slice) if slice.axis == 0 => {
            // In blocks, too: it begins with one.
            let start = slice.start * node.ty.spatial().iter().product::<usize>();
            Some((node.inputs[0], start..start + node.ty.floats()))
        }
        _ => None,
    }
}

/// Whether plain order and blocks are the same: full blocks of channels of a single place.
fn same_order(a: &Type, b: &Type) -> bool {
    a.spatial().iter().product::<usize>() == 1 && a.channels().is_multiple_of(BLOCK) && a.floats() == b.floats()
}

/// Which values depend on weights alone.
pub(crate) fn constant_values(graph: &Graph) -> Vec<bool> {
    let mut constant = vec![false; graph.nodes.len()];
    for value in graph.values() {
        let node = graph.node(value);
        constant[value.0 as usize] =
            !node.ty.batched && (matches!(node.op, Op::Param(_)) || node.inputs.iter().all(|v| constant[v.0 as usize]));
    }
    constant
}

/// The parameter a gradient or update belongs to, by value.
fn owners(pairs: &[(ParamId, ValueId)]) -> impl Iterator<Item = (ValueId, ParamId)> + '_ {
    pairs.iter().map(|(param, value)| (*value, *param))
}
