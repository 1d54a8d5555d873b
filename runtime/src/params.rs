//! The weights and buffers of a network.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut, Range};

use crate::buffer::ALIGNMENT;
use crate::pool::Work;
use crate::{Buffer, Options, Pool, Scratch, Spec};

/// Weights and buffers in one vector, of which deployment may give back what it has made something else of.
#[derive(Debug)]
pub struct Params {
    values: Buffer,
    keep: bool,
    /// What was given back. The system takes whole pages only, so ranges that touch are one.
    given_back: Vec<Range<usize>>,
}

impl Params {
    /// Random ones, or blank ones. Networks that train keep theirs, whatever the options say.
    pub fn new(spec: &Spec, options: &Options) -> Self {
        let mut values = Buffer::zeroed(spec.param_floats);
        crate::init::fill(&mut values, spec.params, options);
        Self { values, keep: options.keep_weights || spec.trains, given_back: Vec::new() }
    }

    /// All of them; none once some were given back.
    pub fn kept(&self) -> &[f32] {
        if self.given_back.is_empty() { &self.values } else { &[] }
    }

    /// All of them, to be written. Those that were given back are arbitrary numbers until then.
    pub fn to_write(&mut self) -> &mut [f32] {
        self.given_back.clear();
        &mut self.values
    }

    /// In how many portions a step is done that could give weights back in so many: in one where they are kept.
    pub fn portions(&self, most: usize) -> usize {
        if self.keep { 1 } else { most }
    }

    /// Says that some are not needed any more: unless all are kept, the system has their memory back.
    pub fn give_back(&mut self, range: Range<usize>) {
        if self.keep {
            return;
        }
        // Weights begin on cache lines; what lies between them is nobody's. Portions are of whole blocks of filters, and so of whole
        // lines.
        let mut whole = range.start..range.end.next_multiple_of(ALIGNMENT / size_of::<f32>()).min(self.values.len());
        self.given_back.retain(|other| {
            let apart = other.end != whole.start && whole.end != other.start;
            if !apart {
                whole = whole.start.min(other.start)..whole.end.max(other.end);
            }
            apart
        });
        self.values.give_back(whole.clone());
        self.given_back.push(whole);
    }
}

/// What steps are given that make something of weights alone.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Weights and buffers.
    pub params: &'a [f32],
}

/// What a step is given that makes something of weights in portions, so that each can be given back when it is done.
#[derive(Clone, Copy, Debug)]
pub struct Portion<'a> {
    /// Weights and buffers.
    pub params: &'a [f32],
    /// Which portion.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Portion<'_> {
    /// One of so many portions of a range of weights, or of pieces of work: all are equal, or one would read what another has given
    /// back.
    pub fn range(whole: Range<usize>, index: usize, of: usize) -> Range<usize> {
        debug_assert!(whole.len().is_multiple_of(of), "equal portions");
        let len = whole.len() / of;
        whole.start + index * len..whole.start + (index + 1) * len
    }

    /// [`Pool::pieces`] of this portion of `y`: as many pieces as in the others.
    pub fn pieces(&self, pool: &Pool, y: &mut [f32], piece_len: usize, scratch: &mut Scratch, work: &Work<'_>) {
        let Range { start, end } = Self::range(0..y.len().div_ceil(piece_len), self.index, self.of);
        let floats = start * piece_len..(end * piece_len).min(y.len());
        pool.pieces(&mut y[floats], piece_len, scratch, &|piece, y, scratch| work(start + piece, y, scratch));
    }
}

/// What steps read, which is never what was given back.
impl Deref for Params {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Params {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, ParamKind, ParamSpec, Role};

    const LEN: usize = 3 << 20;

    static PARAMS: [ParamSpec; 1] = [ParamSpec {
        name: "w",
        shape: &[LEN],
        kind: ParamKind::Other,
        role: Role::Trained,
        init: Init::Constant(2.0),
        range: 0..LEN,
    }];

    fn spec(trains: bool) -> Spec {
        let (inputs, targets, outputs) = (&[], &[], &[]);
        let (name, compiler) = ("net", "");
        Spec { name, compiler, inputs, targets, outputs, params: &PARAMS, trained: LEN, param_floats: LEN, trains }
    }

    #[test]
    fn what_is_given_back_is_gone_and_the_rest_stays() {
        let mut params = Params::new(&spec(false), &Options { keep_weights: false, ..Options::default() });
        assert!(params.kept().len() == LEN && params.kept().iter().all(|x| *x == 2.0));
        params.give_back(1000..LEN - 1000);
        assert!(params.kept().is_empty());
        #[cfg(target_os = "linux")]
        assert!(params[LEN / 2] == 0.0, "the page is gone");
        assert!(params[..1000].iter().chain(&params[LEN - 1000..]).all(|x| *x == 2.0));
        params.to_write().fill(3.0);
        assert!(params.kept().len() == LEN && params.kept().iter().all(|x| *x == 3.0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn neighbours_that_are_less_than_a_page_are_given_back_together() {
        let mut params = Params::new(&spec(false), &Options { keep_weights: false, ..Options::default() });
        // Those in between last, and all with a gap in front of the next one's cache line.
        let every_other = |first: usize| (first..LEN).step_by(1 << 13);
        for start in every_other(0).chain(every_other(1 << 12)) {
            params.give_back(start..start + (1 << 12) - 5);
        }
        let left = params.iter().filter(|x| **x != 0.0).count();
        // Pages of 64 KiB at both ends may not be all the buffer's.
        assert!(left <= 2 * (64 << 10) / size_of::<f32>(), "{left} of {LEN} floats are still there");
    }

    #[test]
    fn portions_are_all_of_a_step_and_of_its_weights() {
        let (pool, mut scratch) = (Pool::new(2), Scratch::new(2, 1));
        for (pieces, of) in [(12, 1), (12, 3), (12, 12), (8, 4)] {
            let (piece_len, weights) = (5, 100..100 + 16 * pieces);
            let mut y = vec![0.0; pieces * piece_len];
            let mut end = weights.start;
            for index in 0..of {
                let portion = Portion { params: &[], index, of };
                portion.pieces(&pool, &mut y, piece_len, &mut scratch, &|piece, y, _| {
                    y.iter_mut().for_each(|y| *y += 1.0 + piece as f32);
                });
                let range = Portion::range(weights.clone(), index, of);
                assert!(range.start == end && range.len() == 16 * pieces / of, "{range:?} of {weights:?}");
                end = range.end;
            }
            assert_eq!(end, weights.end);
            assert!(y.iter().enumerate().all(|(at, y)| *y == (1 + at / piece_len) as f32), "{pieces} in {of}");
        }
    }

    #[test]
    fn networks_that_train_and_those_that_are_told_to_keep_weights() {
        for (trains, keep_weights) in [(true, false), (false, true)] {
            let mut params = Params::new(&spec(trains), &Options { keep_weights, ..Options::default() });
            params.give_back(0..LEN);
            assert!(params.kept().len() == LEN && params.kept().iter().all(|x| *x == 2.0));
        }
    }
}
