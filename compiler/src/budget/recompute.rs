//! Values of the forward pass that the backward pass computes again.
//!
//! Which ones is found by a greedy search: what is given up next is what brings memory closest to a limit for the time that it costs
//! (Kirisame et al. 2021, "Dynamic tensor rematerialization", section 2, choose so while they run), and the limit sinks until the
//! plan fits. What is given up is never taken back, so this stops at about half of the values. Beyond that every k-th of them is
//! kept, as by Chen et al. 2016, "Training deep nets with sublinear memory cost".

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::emit::Planned;
use crate::graph::{Graph, Node, Rewrite, ValueId, verify};
use crate::plan::{Area, Plan, Root, is_source, plan, view};

/// By which part the search aims lower each time.
const STEPS: usize = 32;
/// Steps of the network that the search may look at, all looks together: some seconds.
const LOOKS: usize = 100_000_000;

/// Plans a training graph such that it takes no more than so many bytes in `total`, or as few as is found. A pass is of so many images.
pub fn within(planned: Planned, bytes: usize, total: impl Fn(&Planned) -> usize, images: usize) -> Planned {
    let Some(loss) = planned.graph.loss else { return planned };
    let mut least = total(&planned);
    if least <= bytes {
        return planned;
    }
    let search = Search::new(&planned, loss, images);
    let mut best = None;
    let mut fits = |given_up: &[bool]| {
        let graph = search.recompute(given_up);
        let found = Planned { plan: plan(&graph, false), graph };
        let taken = total(&found);
        if taken < least {
            (least, best) = (taken, Some(found));
        }
        taken <= bytes
    };
    // In small steps: what is far above the limit says little of what is best given up next. The search knows lives, not offsets, so
    // it is the plan that says whether this is enough.
    let mut given_up = vec![false; planned.plan.buffers.len()];
    let mut limit = planned.plan.sizes.arena;
    let mut enough = false;
    while !enough && limit > 0 {
        limit -= limit.div_ceil(STEPS);
        let reached = search.give_up(&mut given_up, limit);
        enough = fits(&given_up);
        if !reached {
            break;
        }
    }
    let mut apart = 2;
    while !enough && apart < search.candidates.len() {
        enough = fits(&search.all_but_every(apart));
        apart += apart.div_ceil(4);
    }
    best.unwrap_or(planned)
}

/// What is known of a graph before anything is given up. Buffers are given up whole: what lies in one is computed again into
/// another one.
struct Search<'a> {
    graph: &'a Graph,
    /// The last value of the forward pass.
    loss: ValueId,
    /// Floats of each buffer, of an image.
    sizes: Vec<usize>,
    /// By value: the buffer it lies in, if it is one of an image.
    buffers: Vec<Option<usize>>,
    /// By value of the forward pass: whether the backward pass needs it, so that it is there until then.
    kept: Vec<bool>,
    /// By value: the time that it takes to compute, in cycles of a core for each image.
    costs: Vec<u64>,
    /// Buffers with something in them that the backward pass needs, in the order of computation.
    candidates: Vec<usize>,
    /// Steps that may still be looked at.
    looks: Cell<usize>,
}

/// What giving some buffers up comes to.
#[derive(Clone, Copy)]
struct Outcome {
    /// Floats above the limit, added up over all steps.
    excess: u64,
    /// Cycles for what is computed again.
    cost: u64,
}

impl<'a> Search<'a> {
    fn new(planned: &'a Planned, loss: ValueId, images: usize) -> Self {
        let Planned { graph, plan } = planned;
        let buffers: Vec<Option<usize>> = graph.values().map(|value| buffer_of_images(plan, value)).collect();
        let mut search = Self {
            graph,
            loss,
            sizes: plan.buffers.iter().map(|buffer| buffer.len).collect(),
            buffers,
            kept: vec![false; graph.nodes.len()],
            costs: graph.values().map(|value| cost(graph, value, images)).collect(),
            candidates: Vec::new(),
            looks: Cell::new(LOOKS),
        };
        for value in graph.values().filter(|value| *value > loss) {
            for operand in &graph.node(value).inputs {
                search.keep(*operand);
            }
        }
        let needed = graph.values().filter(|v| *v <= loss && search.kept[v.0 as usize]);
        search.candidates = needed.filter_map(|v| search.buffers[v.0 as usize]).collect();
        search.candidates.sort_unstable();
        search.candidates.dedup();
        for result in graph.results() {
            search.keep(result);
            let buffer = search.buffers[result.0 as usize];
            search.candidates.retain(|candidate| Some(*candidate) != buffer);
        }
        search
    }

    /// Notes that a value, and what it shows, is needed to the end.
    fn keep(&mut self, value: ValueId) {
        self.kept[value.0 as usize] = true;
        if let Some((shown, _)) = view(self.graph, value) {
            self.keep(shown);
        }
    }

    /// Whether the backward pass computes a value again where it needs it.
    fn again(&self, value: ValueId, given_up: &[bool]) -> bool {
        if value > self.loss || is_source(&self.graph.node(value).op) {
            return false;
        }
        match (view(self.graph, value), self.buffers[value.0 as usize]) {
            (Some((shown, _)), _) => self.again(shown, given_up),
            (None, Some(buffer)) => given_up[buffer] || !self.kept[value.0 as usize],
            (None, None) => !self.kept[value.0 as usize],
        }
    }

    /// All candidates but every so-manieth one.
    fn all_but_every(&self, apart: usize) -> Vec<bool> {
        let mut given_up = vec![false; self.sizes.len()];
        for (_, buffer) in self.candidates.iter().enumerate().filter(|(i, _)| !(i + 1).is_multiple_of(apart)) {
            given_up[*buffer] = true;
        }
        given_up
    }

    /// Gives buffers up until nothing is above the limit. Says whether it came to that.
    fn give_up(&self, given_up: &mut [bool], limit: usize) -> bool {
        let mut now = self.outcome(given_up, limit);
        // How good it was to give a buffer up when that was last looked at.
        let candidates = self.candidates.iter().filter(|buffer| !given_up[**buffer]);
        let mut offers: BinaryHeap<(u64, Reverse<usize>)> = candidates.map(|b| (u64::MAX, Reverse(*b))).collect();
        while now.excess > 0
            && self.looks.get() > 0
            && let Some((_, Reverse(buffer))) = offers.pop()
        {
            given_up[buffer] = true;
            let then = self.outcome(given_up, limit);
            let gain = GAIN * now.excess.saturating_sub(then.excess) as u128
                / u128::from(then.cost.saturating_sub(now.cost).max(1));
            let gain = u64::try_from(gain).unwrap_or(u64::MAX);
            if gain > 0 && offers.peek().is_none_or(|next| gain >= next.0) {
                now = then;
                continue;
            }
            given_up[buffer] = false;
            if gain > 0 {
                offers.push((gain, Reverse(buffer)));
            }
        }
        now.excess == 0
    }

    fn outcome(&self, given_up: &[bool], limit: usize) -> Outcome {
        let steps = self.steps(given_up);
        self.looks.set(self.looks.get().saturating_sub(steps.len()));
        let mut lives = Lives::new(self.sizes.len());
        let mut cost = 0;
        for (step, (value, second)) in steps.iter().enumerate() {
            if let Some(buffer) = self.buffers[value.0 as usize] {
                lives.touch(buffer, *second, step);
            }
            for operand in &self.graph.node(*value).inputs {
                if let Some(buffer) = self.buffers[operand.0 as usize] {
                    lives.touch(buffer, self.reads_second(*operand, *value, *second, given_up), step);
                }
            }
            cost += if *second { self.costs[value.0 as usize] } else { 0 };
        }
        for result in self.graph.results() {
            if let Some(buffer) = self.buffers[result.0 as usize] {
                lives.touch(buffer, false, steps.len());
            }
        }
        Outcome { excess: lives.excess(&self.sizes, steps.len() + 1, limit), cost }
    }

    /// The order of computation: each value, and whether it is the second time.
    fn steps(&self, given_up: &[bool]) -> Vec<(ValueId, bool)> {
        let mut steps = Vec::with_capacity(self.graph.nodes.len());
        let mut done = vec![false; self.graph.nodes.len()];
        for value in self.graph.values() {
            if value > self.loss {
                for operand in &self.graph.node(value).inputs {
                    self.second(*operand, given_up, &mut done, &mut steps);
                }
            }
            steps.push((value, false));
        }
        steps
    }

    /// Computes a value for the second time, unless that is not to be or was done.
    fn second(&self, value: ValueId, given_up: &[bool], done: &mut [bool], steps: &mut Vec<(ValueId, bool)>) {
        if done[value.0 as usize] || !self.again(value, given_up) {
            return;
        }
        done[value.0 as usize] = true;
        for operand in &self.graph.node(value).inputs {
            self.second(*operand, given_up, done, steps);
        }
        steps.push((value, true));
    }

    /// Whether a step reads what was computed for the second time.
    fn reads_second(&self, operand: ValueId, value: ValueId, second: bool, given_up: &[bool]) -> bool {
        (second || value > self.loss) && self.again(operand, given_up)
    }

    /// The graph with some of the forward pass computed again in the backward pass, right before it is needed.
    fn recompute(&self, given_up: &[bool]) -> Graph {
        let mut rewrite = Rewrite::of(self.graph);
        let mut seconds: Vec<Option<ValueId>> = vec![None; self.graph.nodes.len()];
        for (value, second) in self.steps(given_up) {
            let node = self.graph.node(value);
            let operand = |operand: &ValueId| match self.reads_second(*operand, value, second, given_up) {
                true => seconds[operand.0 as usize].expect("operands are computed before their users"),
                false => rewrite.get(*operand),
            };
            let inputs = node.inputs.iter().map(operand).collect();
            rewrite.new.nodes.push(Node { inputs, ..node.clone() });
            let new = ValueId(rewrite.new.nodes.len() as u32 - 1);
            if second {
                seconds[value.0 as usize] = Some(new);
            } else {
                rewrite.replace(value, new);
            }
        }
        let graph = rewrite.finish();
        debug_assert_eq!(verify(&graph), Ok(()), "what is computed again");
        graph
    }
}

/// So that gains below a float for a cycle count.
const GAIN: u128 = 1 << 20;

/// The first and the last step at which each buffer is in use, and those of what replaces it.
struct Lives {
    spans: Vec<Option<(usize, usize)>>,
}

impl Lives {
    fn new(buffers: usize) -> Self {
        Self { spans: vec![None; 2 * buffers] }
    }

    fn touch(&mut self, buffer: usize, second: bool, step: usize) {
        let span = self.spans[2 * buffer + usize::from(second)].get_or_insert((step, step));
        span.1 = step;
    }

    /// Floats above a limit, added up over all steps.
    fn excess(&self, sizes: &[usize], steps: usize, limit: usize) -> u64 {
        let mut changes = vec![0_isize; steps + 1];
        for (index, (from, to)) in self.spans.iter().enumerate().filter_map(|(i, span)| Some((i, (*span)?))) {
            let len = sizes[index / 2].cast_signed();
            changes[from] += len;
            changes[to + 1] -= len;
        }
        let mut alive = 0_isize;
        let over = changes.iter().map(|change| {
            alive += change;
            alive.cast_unsigned().saturating_sub(limit) as u64
        });
        over.fold(0, u64::saturating_add)
    }
}

/// The buffer that a value lies in, if each image has its own.
fn buffer_of_images(plan: &Plan, value: ValueId) -> Option<usize> {
    match plan.places[value.0 as usize].root {
        Root::Buffer(index) if plan.buffers[index].area == Area::Arena => Some(index),
        _ => None,
    }
}

/// A model of the time that a value takes for each image: a core does sixteen multiply-adds a cycle, and reads or writes two floats.
fn cost(graph: &Graph, value: ValueId, images: usize) -> u64 {
    let node = graph.node(value);
    if view(graph, value).is_some() {
        return 0;
    }
    let types: Vec<_> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
    let floats: usize = types.iter().map(|ty| ty.floats()).sum::<usize>() + node.ty.floats();
    let cycles = node.op.macs(&types, &node.ty) / 16 + floats as u64 / 2;
    if node.ty.batched { cycles } else { cycles / images.max(1) as u64 }
}
