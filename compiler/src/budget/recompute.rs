//! Values of the forward pass that the backward pass computes again.
//!
//! Chen et al. 2016, "Training deep nets with sublinear memory cost", keep the borders of segments and compute what is between
//! them again. Which values to keep is found here by a greedy search instead, as for any graph: what is given up next is what
//! brings memory closest to the limit for the time that it costs (Kirisame et al. 2021, "Dynamic tensor rematerialization",
//! section 2, choose so while they run). Segments come out by themselves, since a value whose operands are given up, too, lets
//! these live longer the second time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::emit::Planned;
use crate::graph::{Graph, Node, Rewrite, ValueId};
use crate::plan::{Area, Plan, Root, is_source, plan, view};

/// Plans a training graph such that the values of an image take no more than so many floats, or as few as the search finds.
pub fn within(planned: Planned, floats: usize) -> Planned {
    let Some(loss) = planned.graph.loss else { return planned };
    let search = Search::new(&planned, loss);
    let mut given_up = vec![false; planned.plan.buffers.len()];
    let mut best = planned.clone();
    // In small steps: what is far above the limit says little of what is best given up next. The search knows lives, not offsets, so
    // it is the plan that says whether this is enough.
    let mut limit = planned.plan.sizes.arena;
    while best.plan.sizes.arena > floats {
        limit -= limit.div_ceil(STEPS);
        if !search.give_up(&mut given_up, limit) {
            break;
        }
        let graph = recompute(&planned.graph, &search, &given_up);
        let found = plan(&graph, false);
        if found.sizes.arena < best.plan.sizes.arena {
            best = Planned { graph, plan: found };
        }
    }
    best
}

/// By which part the search aims lower each time.
const STEPS: usize = 32;

/// What is known of a graph before anything is given up. Buffers are given up whole: what lies in one is computed again into
/// another one.
struct Search<'a> {
    graph: &'a Graph,
    /// The last value of the forward pass.
    loss: ValueId,
    /// Floats of each buffer of an image; none for what images share.
    sizes: Vec<usize>,
    /// By value: the buffer it lies in, if it is one of an image.
    buffers: Vec<Option<usize>>,
    /// By value of the forward pass: whether the backward pass needs it, so that it is there until then.
    kept: Vec<bool>,
    /// By value: the time that it takes to compute, in cycles of a core.
    costs: Vec<f64>,
}

/// What giving some buffers up comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outcome {
    /// Floats above the limit, added up over all steps.
    excess: f64,
    /// Cycles for what is computed again.
    cost: f64,
}

/// How good it was to give a buffer up when that was last looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Offer {
    gain: f64,
    buffer: usize,
}

impl Eq for Offer {}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(other.buffer.cmp(&self.buffer))
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Search<'a> {
    fn new(planned: &'a Planned, loss: ValueId) -> Self {
        let Planned { graph, plan } = planned;
        let buffers = graph.values().map(|value| buffer_of_images(plan, value)).collect();
        let size = |buffer: &crate::plan::PlannedBuffer| if buffer.area == Area::Arena { buffer.len } else { 0 };
        let mut search = Self {
            graph,
            loss,
            sizes: plan.buffers.iter().map(size).collect(),
            buffers,
            kept: vec![false; graph.nodes.len()],
            costs: graph.values().map(|value| cost(graph, value)).collect(),
        };
        for value in graph.values().filter(|value| *value > loss) {
            for operand in &graph.node(value).inputs {
                search.keep(*operand);
            }
        }
        for result in graph.results() {
            search.keep(result);
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
        let node = self.graph.node(value);
        if value > self.loss || is_source(&node.op) {
            return false;
        }
        match (view(self.graph, value), self.buffers[value.0 as usize]) {
            (Some((shown, _)), _) => self.again(shown, given_up),
            (None, Some(buffer)) => given_up[buffer] || !self.kept[value.0 as usize],
            (None, None) => !self.kept[value.0 as usize],
        }
    }

    /// Gives buffers up until nothing is above the limit. Says whether it came to that.
    fn give_up(&self, given_up: &mut [bool], limit: usize) -> bool {
        let mut now = self.outcome(given_up, limit);
        let mut offers: BinaryHeap<Offer> =
            self.candidates(given_up).map(|b| Offer { gain: f64::MAX, buffer: b }).collect();
        while now.excess > 0.0
            && let Some(Offer { buffer, .. }) = offers.pop()
        {
            given_up[buffer] = true;
            let then = self.outcome(given_up, limit);
            let gain = (now.excess - then.excess) / (then.cost - now.cost).max(1.0);
            if gain <= 0.0 {
                given_up[buffer] = false;
            } else if offers.peek().is_none_or(|next| gain >= next.gain) {
                now = then;
            } else {
                given_up[buffer] = false;
                offers.push(Offer { gain, buffer });
            }
        }
        now.excess == 0.0
    }

    /// Buffers with something in them that the backward pass needs.
    fn candidates(&self, given_up: &[bool]) -> impl Iterator<Item = usize> {
        let needed = self.graph.values().filter(|v| *v <= self.loss && self.kept[v.0 as usize]);
        let mut buffers: Vec<usize> = needed.filter_map(|v| self.buffers[v.0 as usize]).collect();
        buffers.sort_unstable();
        buffers.dedup();
        buffers.retain(|buffer| !given_up[*buffer]);
        buffers.into_iter()
    }

    fn outcome(&self, given_up: &[bool], limit: usize) -> Outcome {
        let mut lives = Lives::new(self.sizes.len());
        let mut cost = 0.0;
        let schedule = Schedule::of(self, given_up);
        for (step, (value, second)) in schedule.steps.iter().enumerate() {
            if let Some(buffer) = self.buffers[value.0 as usize] {
                lives.touch(buffer, *second, step);
            }
            for operand in &self.graph.node(*value).inputs {
                if let Some(buffer) = self.buffers[operand.0 as usize] {
                    lives.touch(buffer, schedule.reads_second(self, *operand, *value, *second, given_up), step);
                }
            }
            cost += if *second { self.costs[value.0 as usize] } else { 0.0 };
        }
        for result in self.graph.results() {
            if let Some(buffer) = self.buffers[result.0 as usize] {
                lives.touch(buffer, false, schedule.steps.len());
            }
        }
        Outcome { excess: lives.excess(&self.sizes, schedule.steps.len() + 1, limit), cost }
    }
}

/// The order of computation: each value, and whether it is the second time.
struct Schedule {
    steps: Vec<(ValueId, bool)>,
}

impl Schedule {
    fn of(search: &Search<'_>, given_up: &[bool]) -> Self {
        let mut schedule = Self { steps: Vec::with_capacity(search.graph.nodes.len()) };
        let mut done = vec![false; search.graph.nodes.len()];
        for value in search.graph.values() {
            if value > search.loss {
                for operand in &search.graph.node(value).inputs {
                    schedule.second(search, *operand, given_up, &mut done);
                }
            }
            schedule.steps.push((value, false));
        }
        schedule
    }

    /// Computes a value for the second time, unless that is not to be or was done.
    fn second(&mut self, search: &Search<'_>, value: ValueId, given_up: &[bool], done: &mut [bool]) {
        if done[value.0 as usize] || !search.again(value, given_up) {
            return;
        }
        done[value.0 as usize] = true;
        for operand in &search.graph.node(value).inputs {
            self.second(search, *operand, given_up, done);
        }
        self.steps.push((value, true));
    }

    /// Whether a step reads what was computed for the second time.
    fn reads_second(
        &self,
        search: &Search<'_>,
        operand: ValueId,
        value: ValueId,
        second: bool,
        given_up: &[bool],
    ) -> bool {
        (second || value > search.loss) && search.again(operand, given_up)
    }
}

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

    fn excess(&self, sizes: &[usize], steps: usize, limit: usize) -> f64 {
        let mut changes = vec![0_isize; steps + 1];
        for (index, (from, to)) in self.spans.iter().enumerate().filter_map(|(i, span)| Some((i, (*span)?))) {
            let len = sizes[index / 2].cast_signed();
            changes[from] += len;
            changes[to + 1] -= len;
        }
        let mut alive = 0_isize;
        let over = changes.iter().map(|change| {
            alive += change;
            alive.cast_unsigned().saturating_sub(limit) as f64
        });
        over.sum()
    }
}

/// The graph with some of the forward pass computed again in the backward pass, right before it is needed.
fn recompute(graph: &Graph, search: &Search<'_>, given_up: &[bool]) -> Graph {
    let mut rewrite = Rewrite::of(graph);
    let mut first: Vec<Option<ValueId>> = vec![None; graph.nodes.len()];
    let mut second: Vec<Option<ValueId>> = vec![None; graph.nodes.len()];
    let schedule = Schedule::of(search, given_up);
    for (value, again) in &schedule.steps {
        let node = graph.node(*value);
        let now = |operand: &ValueId| {
            let seconds = schedule.reads_second(search, *operand, *value, *again, given_up);
            let made = if seconds { second[operand.0 as usize] } else { first[operand.0 as usize] };
            made.expect("operands are computed before their users")
        };
        let inputs = node.inputs.iter().map(now).collect();
        rewrite.new.nodes.push(Node { inputs, ..node.clone() });
        let new = ValueId(rewrite.new.nodes.len() as u32 - 1);
        if *again {
            second[value.0 as usize] = Some(new);
        } else {
            first[value.0 as usize] = Some(new);
            rewrite.replace(*value, new);
        }
    }
    rewrite.finish()
}

/// The buffer that a value lies in, if each image has its own.
fn buffer_of_images(plan: &Plan, value: ValueId) -> Option<usize> {
    match plan.places[value.0 as usize].root {
        Root::Buffer(index) if plan.buffers[index].area == Area::Arena => Some(index),
        _ => None,
    }
}

/// A model of the time that a value takes: a core does sixteen multiply-adds a cycle, and reads or writes two floats.
fn cost(graph: &Graph, value: ValueId) -> f64 {
    let node = graph.node(value);
    if view(graph, value).is_some() {
        return 0.0;
    }
    let types: Vec<_> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
    let floats: usize = types.iter().map(|ty| ty.floats()).sum::<usize>() + node.ty.floats();
    node.op.macs(&types, &node.ty) as f64 / 16.0 + floats as f64 / 2.0
}
