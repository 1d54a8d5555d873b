//! Weights that are updated right behind their gradients: a piece of a gradient is computed, used while it is in a cache, and gone.

use core::ops::{Deref, Range};

use super::{Clip, Optimizer, Rule, part_of, within, zip};
use crate::pool::{SUM_PIECE, add_up};
use crate::{Error, GroupWork, Isa, Memory, Pool, Scratch, Work};

impl Optimizer {
    /// That weights can be updated one by one, as their gradients come.
    ///
    /// # Errors
    /// Says what looks at all gradients at once, so that a network must keep them.
    pub fn works_behind(&self) -> Result<(), Error> {
        needs_all(&self.rule, self.clip.as_ref(), 1).map_or(Ok(()), |what| Err(Error::Gradients(what)))
    }
}

/// What looks at all gradients at once, if anything does: a rule, clipping, or steps by the gradients of `accumulate` batches.
pub fn needs_all(rule: &Rule, clip: Option<&Clip>, accumulate: usize) -> Option<&'static str> {
    match (rule, clip) {
        _ if accumulate > 1 => Some("`accumulate`"),
        (Rule::Lbfgs(_), _) => Some("L-BFGS"),
        (Rule::Lars(_), _) => Some("LARS"),
        (_, Some(Clip::Norm(_))) => Some("clipping by the norm"),
        (Rule::Sgd(_) | Rule::RmsProp(_) | Rule::Adagrad(_) | Rule::Adam(_) | Rule::AdamW(_), _) => None,
    }
}

/// The weights of a backward pass, to be read as a slice, and what becomes of their gradients.
#[derive(Debug)]
pub struct Learner<'a> {
    params: &'a mut [f32],
    isa: Isa,
    optimizer: Option<&'a mut Optimizer>,
}

impl Deref for Learner<'_> {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        self.params
    }
}

impl<'a> Learner<'a> {
    /// Gradients are kept or, where there is an optimizer, make a step of it.
    pub fn new(params: &'a mut [f32], isa: Isa, mut optimizer: Option<&'a mut Optimizer>) -> Self {
        if let Some(optimizer) = &mut optimizer {
            optimizer.begin();
        }
        Self { params, isa, optimizer }
    }

    /// What becomes of the gradient of the weights `range`: `kept` has room for all gradients if they are kept.
    pub fn gradient<'g>(&'g mut self, kept: &'g mut [f32], range: Range<usize>) -> Gradient<'g> {
        match self.optimizer.as_deref_mut() {
            None => Gradient::Kept(&mut kept[range]),
            Some(optimizer) => Gradient::Used(Update {
                optimizer,
                isa: self.isa,
                start: range.start,
                weights: &mut self.params[range],
            }),
        }
    }

    /// Where the gradient of the weights `range` is, if later steps read it, or these weights: `offset` is its place in a memory for
    /// such gradients only.
    pub fn late(&self, range: Range<usize>, offset: usize) -> Range<usize> {
        match self.optimizer {
            None => range,
            Some(_) => offset..offset + range.len(),
        }
    }

    /// Uses the gradients that are [`late`](Self::late), at the end of the pass: the range of weights and the place of each.
    pub fn finish(&mut self, memory: &mut Memory, late: &[(Range<usize>, usize)]) {
        let Some(optimizer) = self.optimizer.as_deref_mut() else { return };
        for (range, offset) in late {
            let gradient = &memory.gradients[*offset..][..range.len()];
            let (isa, start, weights) = (self.isa, range.start, &mut self.params[range.clone()]);
            let update = Update { optimizer, isa, start, weights };
            update.pieces(&memory.pool, SUM_PIECE, &mut memory.scratch, &|piece, g, _| {
                g.copy_from_slice(&gradient[piece * SUM_PIECE..][..g.len()]);
            });
        }
    }
}

/// What becomes of a gradient.
#[derive(Debug)]
pub enum Gradient<'a> {
    /// It is written here.
    Kept(&'a mut [f32]),
    /// It updates its weights, piece by piece.
    Used(Update<'a>),
}

impl Gradient<'_> {
    /// Computes it as [`Pool::pieces`] does.
    pub fn pieces(self, pool: &Pool, len: usize, scratch: &mut Scratch, work: &Work<'_>) {
        match self {
            Self::Kept(y) => pool.pieces(y, len, scratch, work),
            Self::Used(update) => update.pieces(pool, len, scratch, work),
        }
    }

    /// Computes it as [`Pool::groups`] does.
    pub fn groups(self, pool: &Pool, n: usize, partials: &mut [f32], scratch: &mut Scratch, work: &GroupWork<'_>) {
        match self {
            Self::Kept(y) => pool.groups(n, partials, y, scratch, work),
            Self::Used(update) => {
                let len = update.weights.len();
                let partials = pool.partial_sums(n, partials, len, scratch, work);
                update.pieces(pool, SUM_PIECE, scratch, &|piece, g, _| add_up(partials, len, piece, g));
            }
        }
    }
}

/// An update of some weights.
#[derive(Debug)]
pub struct Update<'a> {
    optimizer: &'a mut Optimizer,
    isa: Isa,
    /// Where the weights are among all.
    start: usize,
    weights: &'a mut [f32],
}

impl Update<'_> {
    /// `work` computes the gradient of a piece in the working memory of a thread; then its weights are updated.
    fn pieces(self, pool: &Pool, len: usize, scratch: &mut Scratch, work: &Work<'_>) {
        let Self { optimizer, isa, start, weights } = self;
        let (range, room) = (start..start + weights.len(), room(len.min(weights.len())));
        let Optimizer { parts, made, clip, state, .. } = optimizer;
        let (parts, made, clip) = (&*parts, &*made, *clip);
        let state = state.iter_mut().map(|state| &mut state[range.clone()]);
        zip(pool, weights, state, len, scratch, &|piece, w, mut state, scratch| {
            let (g, scratch) = scratch.split_at_mut(room);
            let g = &mut g[..w.len()];
            work(piece, g, scratch);
            if let Some(Clip::Value(bound)) = clip {
                isa.clamp(bound as f32, g);
            }
            for (number, _, range) in within(parts, start + piece * len, w.len()) {
                made[number].apply(isa, &g[range.clone()], &mut w[range.clone()], part_of(&mut state, &range));
            }
        });
    }
}

/// Floats of working memory that a piece of so many weights takes: whole pairs of cache lines.
pub(crate) fn room(len: usize) -> usize {
    len.next_multiple_of(32)
}
