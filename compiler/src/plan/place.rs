//! Where every value is: views, concatenation without copies, work in place, offsets.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::memory::{self, Buffer};
use super::{Sizes, Step, owners, view};
use crate::graph::{Graph, ParamId, ValueId};
use crate::ops::{Op, Split};

/// Where a value is: a part of a root, per image where batched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The memory.
    pub root: Root,
    /// The floats of it, of each image where batched.
    pub part: Range<usize>,
}

/// Memory that values are parts of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// What the caller gives, by position among the inputs.
    Input(usize),
    /// What the caller gives, by position among the targets.
    Target(usize),
    /// The parameter vector.
    Param(ParamId),
    /// The gradient vector.
    Gradient(ParamId),
    /// One of the plan's buffers.
    Buffer(usize),
}

/// A buffer with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBuffer {
    /// Where.
    pub area: Area,
    /// Offset in the area; in the arena per image.
    pub offset: usize,
    /// Floats; in the arena per image, and the distance from one image to the next.
    pub len: usize,
}

/// Kinds of memory for computed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Batched values.
    Arena,
    /// Values the batch shares, and what helps to prepare others.
    Fixed,
    /// Values derived from weights, kept until those change.
    Prepared,
}

/// What [`place`] finds.
pub(super) struct Placement {
    pub places: Vec<Place>,
    pub buffers: Vec<PlannedBuffer>,
    pub in_place: Vec<bool>,
    /// Concatenations that need no code because their operands are written where the whole is.
    pub joined: Vec<bool>,
    pub sizes: Sizes,
}

pub(super) fn place(graph: &Graph, steps: &[Step], prepared: &[bool]) -> Placement {
    let mut placer = Placer::new(graph, steps);
    placer.join_concats();
    placer.work_in_place();
    placer.allocate(prepared)
}

/// Values are first grouped: the home of a computed value is itself, until it moves into that of another.
struct Placer<'a> {
    graph: &'a Graph,
    steps: &'a [Step],
    /// By value: the value that it shows, and the part of it that it shows; itself, where it is no view.
    views: Vec<(ValueId, Range<usize>)>,
    /// By value: the value whose memory it lives in, and where in there.
    home: Vec<(ValueId, usize)>,
    /// By value: those whose home it is.
    guests: Vec<Vec<ValueId>>,
    /// Values that must keep memory of their own, in one piece.
    fixed: Vec<bool>,
    in_place: Vec<bool>,
    /// Values in whose memory others live.
    hosts: Vec<bool>,
    /// Concatenations whose operands are written where the whole is.
    joined: Vec<bool>,
    /// By value: how its kernel divides the work; `None` where it has none.
    splits: Vec<Option<Split>>,
    /// Position of the step that computes a value, and of the last that reads it.
    born: Vec<usize>,
    dies: Vec<usize>,
}

impl<'a> Placer<'a> {
    fn new(graph: &'a Graph, steps: &'a [Step]) -> Self {
        let count = graph.nodes.len();
        let mut placer = Self {
            graph,
            steps,
            views: views(graph),
            guests: vec![Vec::new(); count],
            home: graph.values().map(|v| (v, 0)).collect(),
            fixed: vec![false; count],
            in_place: vec![false; count],
            hosts: vec![false; count],
            joined: vec![false; count],
            splits: vec![None; count],
            born: vec![0; count],
            dies: vec![0; count],
        };
        for result in graph.results() {
            let root = placer.viewed(result).0;
            placer.fixed[root.0 as usize] = true;
        }
        for (position, step) in steps.iter().enumerate() {
            placer.born[step.value.0 as usize] = position;
            placer.splits[step.value.0 as usize] = Some(step.kernel.split);
            for operand in &graph.node(step.value).inputs {
                let root = placer.viewed(*operand).0;
                placer.dies[root.0 as usize] = position;
            }
        }
        for result in graph.results() {
            let root = placer.viewed(result).0;
            placer.dies[root.0 as usize] = steps.len();
        }
        placer
    }

    /// The value that a view shows, and the part of it that it shows.
    fn viewed(&self, value: ValueId) -> (ValueId, Range<usize>) {
        self.views[value.0 as usize].clone()
    }

    /// Lets a value live in the memory of another.
    fn move_in(&mut self, value: ValueId, host: ValueId, start: usize) {
        self.home[value.0 as usize] = (host, start);
        self.guests[host.0 as usize].push(value);
    }

    /// Undoes the last moves into the memory of a value, down to as many as there were.
    fn move_out(&mut self, host: ValueId, count: usize) {
        for guest in self.guests[host.0 as usize].split_off(count) {
            self.home[guest.0 as usize] = (guest, 0);
        }
    }

    /// All that live in the memory of a value, and itself.
    fn group(&self, home: ValueId) -> Vec<ValueId> {
        let mut group = vec![home];
        let mut next = 0;
        while let Some(value) = group.get(next) {
            group.extend(&self.guests[value.0 as usize]);
            next += 1;
        }
        group
    }

    /// Where a value is in the end: home and part.
    fn located(&self, value: ValueId) -> (ValueId, Range<usize>) {
        let (mut at, part) = self.viewed(value);
        let mut start = part.start;
        loop {
            let (home, offset) = self.home[at.0 as usize];
            start += offset;
            if home == at {
                return (at, start..start + part.len());
            }
            at = home;
        }
    }

    fn computed(&self, value: ValueId) -> bool {
        !super::is_source(&self.graph.node(value).op)
    }

    /// Lets the operands of channel concatenations be written where the whole will be.
    fn join_concats(&mut self) {
        for value in self.graph.values() {
            if !matches!(&self.graph.node(value).op, Op::Concat(c) if c.axis == 0) || !self.graph.ty(value).batched {
                continue;
            }
            self.joined[value.0 as usize] = self.join_operands(value);
            if self.joined[value.0 as usize] && self.no_step_reads_what_it_writes(value) {
                self.hosts[value.0 as usize] = true;
            } else {
                self.move_out(value, 0);
                self.joined[value.0 as usize] = false;
            }
        }
    }

    fn join_operands(&mut self, concat: ValueId) -> bool {
        let mut start = 0;
        let graph = self.graph;
        for operand in &graph.node(concat).inputs {
            let (root, part) = self.viewed(*operand);
            let whole = part.len() == self.graph.ty(root).floats();
            let free = self.home[root.0 as usize].0 == root && self.computed(root) && !self.fixed[root.0 as usize];
            if !whole || !free || !self.graph.ty(root).batched || !self.writes_parts(root) {
                return false;
            }
            self.move_in(root, concat, start);
            start += part.len();
        }
        true
    }

    /// Whether the kernel of a value can write into a part of a larger buffer; a joined concatenation has no kernel.
    fn writes_parts(&self, value: ValueId) -> bool {
        matches!(self.splits[value.0 as usize], Some(Split::Images | Split::Strips(_) | Split::Stacks { .. }))
    }

    /// Safe code cannot borrow a buffer twice, so a step must not read from the buffer it writes to.
    fn no_step_reads_what_it_writes(&self, member: ValueId) -> bool {
        let group = self.located(member).0;
        let works = |value: &ValueId| self.splits[value.0 as usize].is_some() && !self.joined[value.0 as usize];
        self.group(group).into_iter().filter(works).all(|value| {
            let operands = &self.graph.node(value).inputs;
            let skip = usize::from(self.in_place[value.0 as usize]);
            operands.iter().skip(skip).all(|operand| self.located(*operand).0 != group)
        })
    }

    /// Lets kernels that can do so work in the memory of a first operand that nobody needs afterwards.
    fn work_in_place(&mut self) {
        for position in 0..self.steps.len() {
            let value = self.steps[position].value;
            let Some(first) = self.graph.node(value).inputs.first() else { continue };
            let (root, part) = self.viewed(*first);
            let fits = self.steps[position].kernel.in_place_body.is_some()
                && self.computed(root)
                && !self.fixed[root.0 as usize]
                && self.dies[root.0 as usize] == position
                && self.home[root.0 as usize].0 == root
                && (!self.hosts[root.0 as usize] || self.in_place[root.0 as usize])
                && part.len() == self.graph.ty(root).floats()
                && part.len() == self.graph.ty(value).floats()
                && self.graph.ty(root).batched == self.graph.ty(value).batched
                && (self.home[value.0 as usize].0 == value || self.writes_parts(root));
            let once = self.graph.node(value).inputs.iter().filter(|v| self.viewed(**v).0 == root).count() == 1;
            if !fits || !once {
                continue;
            }
            let guests = self.guests[value.0 as usize].len();
            self.move_in(root, value, 0);
            self.in_place[value.0 as usize] = true;
            self.hosts[value.0 as usize] = true;
            let alone = self.home[value.0 as usize].0 == value;
            if !alone && !self.no_step_reads_what_it_writes(value) {
                self.move_out(value, guests);
                self.in_place[value.0 as usize] = false;
                self.hosts[value.0 as usize] = false;
            }
        }
    }

    fn allocate(self, prepared: &[bool]) -> Placement {
        let graph = self.graph;
        let lasting = self.lasting(prepared);
        let gradients: BTreeMap<ValueId, ParamId> =
            owners(&graph.gradients).map(|(value, param)| (self.viewed(value).0, param)).collect();
        let mut homes: Vec<ValueId> = self.steps.iter().map(|s| self.located(s.value).0).collect();
        homes.sort_unstable();
        homes.dedup();
        homes.retain(|home| !gradients.contains_key(home));
        let lives = self.lives();

        let mut sizes = Sizes::default();
        let mut buffers = vec![PlannedBuffer { area: Area::Fixed, offset: 0, len: 0 }; homes.len()];
        for area in [Area::Arena, Area::Fixed, Area::Prepared] {
            let members: Vec<usize> =
                (0..homes.len()).filter(|i| area_of(graph, homes[*i], &lasting) == area).collect();
            let request = |i: &usize| Buffer {
                len: graph.ty(homes[*i]).floats(),
                life: if area == Area::Prepared { 0..=usize::MAX } else { lives[&homes[*i]].clone() },
            };
            let requests: Vec<Buffer> = members.iter().map(request).collect();
            let layout = memory::place(&requests);
            for (member, (offset, request)) in members.iter().zip(layout.offsets.iter().zip(&requests)) {
                buffers[*member] = PlannedBuffer { area, offset: *offset, len: request.len };
            }
            match area {
                Area::Arena => (sizes.arena, sizes.arena_lower_bound) = (layout.len, layout.lower_bound),
                Area::Fixed => sizes.fixed = layout.len,
                Area::Prepared => sizes.prepared = layout.len,
            }
        }
        let places = graph.values().map(|value| {
            let (home, part) = self.located(value);
            let root = match &graph.node(home).op {
                Op::Input(input) => Root::Input(input.index),
                Op::Target(target) => Root::Target(target.index),
                Op::Param(param) => Root::Param(param.id),
                _ => match gradients.get(&home) {
                    Some(param) => Root::Gradient(*param),
                    None => Root::Buffer(homes.binary_search(&home).expect("computed values have a home")),
                },
            };
            Place { root, part }
        });
        let places = places.collect();
        Placement { places, buffers, in_place: self.in_place, joined: self.joined, sizes }
    }

    /// Homes of prepared values that runs need. What only helped to prepare them may be overwritten afterwards.
    fn lasting(&self, prepared: &[bool]) -> Vec<bool> {
        let mut lasting = vec![false; prepared.len()];
        let runs = self.steps.iter().filter(|s| !prepared[s.value.0 as usize]);
        let needed = runs.flat_map(|s| self.graph.node(s.value).inputs.iter().copied()).chain(self.graph.results());
        for value in needed {
            let home = self.located(value).0;
            lasting[home.0 as usize] = prepared[home.0 as usize];
        }
        lasting
    }

    /// By home: the first and the last step at which anything in it is alive.
    fn lives(&self) -> BTreeMap<ValueId, RangeInclusive<usize>> {
        let mut lives = BTreeMap::new();
        for value in self.steps.iter().map(|step| step.value) {
            let (born, dies) = (self.born[value.0 as usize], self.dies[value.0 as usize]);
            let life = lives.entry(self.located(value).0).or_insert(born..=born);
            *life = born.min(*life.start())..=dies.max(born).max(*life.end());
        }
        lives
    }
}

/// What each value shows.
fn views(graph: &Graph) -> Vec<(ValueId, Range<usize>)> {
    let mut views: Vec<(ValueId, Range<usize>)> = Vec::with_capacity(graph.nodes.len());
    for value in graph.values() {
        views.push(match view(graph, value) {
            None => (value, 0..graph.ty(value).floats()),
            Some((operand, part)) => {
                let (root, outer) = &views[operand.0 as usize];
                (*root, outer.start + part.start..outer.start + part.end)
            }
        });
    }
    views
}

fn area_of(graph: &Graph, value: ValueId, lasting: &[bool]) -> Area {
    match (graph.ty(value).batched, lasting[value.0 as usize]) {
        (true, _) => Area::Arena,
        (false, true) => Area::Prepared,
        (false, false) => Area::Fixed,
    }
}
