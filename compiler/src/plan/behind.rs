//! Which gradients may update their weights at once, by pieces, when a network does not keep them.
//!
//! Nobody may need the gradient or the weights afterwards. Gradients of which that is not so, as those of norms, which the
//! gradient by the input takes in, have memory of their own and update their weights at the end.

use super::{Place, Root, Step, memory::aligned};
use crate::graph::{Graph, ParamId, ValueId};
use crate::ops::Split;

/// Floats of the largest piece that a thread has working memory for.
const LARGEST: usize = 512 * 1024;

/// What becomes of gradients that are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Those that update their weights at the end, with their offsets.
    pub late: Vec<(ParamId, usize)>,
    /// Floats of them all.
    pub late_floats: usize,
    /// Floats of the largest piece of the others.
    pub piece: usize,
}

/// Floats in which the runtime adds partial sums up (`pool::SUM_PIECE`), which is also how it updates late.
const SUM_PIECE: usize = 4096;

impl Behind {
    /// Of the gradients of a graph, for the steps of a run.
    pub(super) fn of(graph: &Graph, run: &[Step], places: &[Place]) -> Self {
        let mut behind = Self::default();
        for (param, value) in &graph.gradients {
            let floats = graph.ty(*value).floats();
            let piece = match at_once(graph, run, places, *param, *value) {
                Some(piece) => piece,
                None => {
                    behind.late.push((*param, behind.late_floats));
                    behind.late_floats += aligned(floats);
                    SUM_PIECE
                }
            };
            behind.piece = behind.piece.max(aligned(piece.min(floats)));
        }
        behind
    }

    /// The offset of a gradient that updates its weights at the end.
    pub fn offset(&self, param: ParamId) -> Option<usize> {
        self.late.iter().find(|(late, _)| *late == param).map(|(_, offset)| *offset)
    }
}

/// The floats of a piece, if a gradient can update its weights piece by piece as it is computed.
fn at_once(graph: &Graph, run: &[Step], places: &[Place], param: ParamId, value: ValueId) -> Option<usize> {
    let root = |value: ValueId| places[value.0 as usize].root;
    let last = run.iter().position(|step| step.value == value)?;
    let reads = |step: &Step, wanted: Root| graph.node(step.value).inputs.iter().any(|v| root(*v) == wanted);
    let only = run.iter().filter(|step| root(step.value) == Root::Gradient(param)).count() == 1;
    let free = !run.iter().any(|step| reads(step, Root::Gradient(param)))
        && !run[last..].iter().any(|step| reads(step, Root::Param(param)));
    let piece = match run[last].kernel.split {
        Split::Pieces(len) => len,
        Split::Groups => SUM_PIECE,
        _ => return None,
    };
    (only && free && !run[last].in_place && root(value) == Root::Gradient(param) && piece <= LARGEST).then_some(piece)
}
