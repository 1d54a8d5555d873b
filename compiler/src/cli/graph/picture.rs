//! What is shown of a graph: boxes and what flows between them.

use std::collections::{BTreeMap, HashSet};

use super::super::summary::{Counts, counts, totals};
use crate::graph::{BlockCall, Graph, Named, ParamId, Type, ValueId};
use crate::ops::Op;
use crate::plan::is_source;

/// Which blocks are shown by what is inside of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open<'a> {
    /// So many blocks inside one another; by default as many as fit on a page.
    pub depth: Option<usize>,
    /// And these, however deep.
    pub unfold: &'a [String],
    /// But not these.
    pub fold: &'a [String],
}

/// Boxes that fit on a page.
const PAGE: usize = 32;

/// What a box stands for; says its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Inputs.
    Input,
    /// Targets of the loss.
    Target,
    /// A block, folded.
    Block,
    /// Convolutions.
    Convolution,
    /// Dense layers.
    Dense,
    /// Pools.
    Pool,
    /// Normalisations.
    Normalisation,
    /// Functions of one number, and softmax.
    Activation,
    /// Sums, products, concatenations, reshapes: what has no weights.
    Other,
    /// Losses.
    Loss,
    /// Outputs.
    Output,
}

impl Family {
    fn of(op: &Op) -> Self {
        match op {
            Op::Input(_) => Self::Input,
            Op::Target(_) => Self::Target,
            Op::Conv(_) | Op::ConvTranspose(_) | Op::LocalConv(_) => Self::Convolution,
            Op::Dense(_) => Self::Dense,
            // A pool of regions is one, and so is the way back through a pool by its switches.
            Op::Pool(_) | Op::AdaptivePool(_) | Op::Roi(_) | Op::MaxPoolGrad(_) => Self::Pool,
            Op::BatchNorm(_) | Op::Lrn(_) | Op::Norm(_) => Self::Normalisation,
            Op::Activation(_) | Op::HardSwish(_) | Op::Pointwise(_) | Op::Prelu(_) | Op::Softmax(_) => Self::Activation,
            Op::Loss(_)
            | Op::BatchMean(_)
            | Op::CrossEntropyMap(_)
            | Op::YoloLoss(_)
            | Op::Rpn(_)
            | Op::FastRcnn(_) => Self::Loss,
            _ => Self::Other,
        }
    }
}

/// A box.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub family: Family,
    /// In large letters: the operator with its window, the block, the name of an input.
    pub title: String,
    /// Operators that share the box, in order.
    pub then: Vec<String>,
    /// Names of the layers: the first, and the last where there are several.
    pub layers: Vec<String>,
    /// What each of the boxes that it stands for counts.
    pub counts: Counts,
    /// How many equal boxes in a row it stands for.
    pub times: usize,
    /// Whether its weights are those of a box before it.
    pub shared: bool,
    /// Whether no output depends on it.
    pub training: bool,
}

/// A value on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The box that makes it.
    pub from: usize,
    /// A box that takes it.
    pub to: usize,
    /// Its type.
    pub ty: Type,
}

/// What is shown.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The name of the net.
    pub name: String,
    /// The first sentence of its documentation.
    pub about: String,
    /// Of the whole net.
    pub totals: Counts,
    /// The boxes, each after those it depends on.
    pub items: Vec<Item>,
    /// What is between them.
    pub edges: Vec<Edge>,
}

impl Picture {
    /// The picture of a graph as elaborated.
    pub fn of(graph: &Graph, open: &Open<'_>) -> Self {
        if open.depth.is_some() {
            return Self::at(graph, open);
        }
        let deepest = levels(graph).map(|(_, level)| level + 1).max().unwrap_or(0);
        let at = |depth| Self::at(graph, &Open { depth: Some(depth), ..*open });
        (1..=deepest).rev().map(at).find(|picture| picture.items.len() <= PAGE).unwrap_or_else(|| at(0))
    }

    fn at(graph: &Graph, open: &Open<'_>) -> Self {
        let mut picture = Self {
            name: graph.name.clone(),
            about: beginning(&graph.docs.join(" ")).to_owned(),
            totals: totals(graph),
            items: Vec::new(),
            edges: Vec::new(),
        };
        let made = picture.boxes(graph, open);
        picture.results(graph, &made);
        picture.join_stages();
        picture.join_repeats();
        picture
    }

    /// A box for each value or folded block; returns in which box each value is made.
    fn boxes(&mut self, graph: &Graph, open: &Open<'_>) -> Vec<Option<usize>> {
        let used = graph.needed_for(graph.results());
        let deployed = graph.needed_for(graph.outputs.iter().map(|o| o.value));
        let (counts, folded) = (counts(graph, &used), folded(graph, open));
        let mut made: Vec<Option<usize>> = vec![None; graph.nodes.len()];
        let mut of_call: BTreeMap<usize, usize> = BTreeMap::new();
        let mut edges = Vec::new();
        let mut seen = HashSet::new();
        for value in graph.values().filter(|v| used[v.0 as usize] && !matches!(graph.node(*v).op, Op::Param(_))) {
            let place = value.0 as usize;
            let known = folded[place].and_then(|call| of_call.get(&call)).copied();
            let item = known.unwrap_or_else(|| {
                let item = folded[place].map_or_else(|| operator(graph, value), |call| block(graph, call));
                self.items.push(Item { training: true, ..item });
                self.items.len() - 1
            });
            of_call.extend(folded[place].map(|call| (call, item)));
            made[place] = Some(item);
            self.items[item].counts += counts[place];
            self.items[item].training &= !deployed[place];
            for weight in weights(graph, value) {
                self.items[item].shared |= !seen.insert(weight);
            }
            for operand in &graph.node(value).inputs {
                let from = made[operand.0 as usize].filter(|from| *from != item);
                edges.extend(from.map(|from| Edge { from, to: item, ty: graph.ty(*operand).clone() }));
            }
        }
        self.edges = once_each(edges);
        made
    }

    /// A box for each output.
    fn results(&mut self, graph: &Graph, made: &[Option<usize>]) {
        for output in &graph.outputs {
            self.items.push(Item::named(Family::Output, &output.name));
            let from = made[output.value.0 as usize].expect("outputs are computed");
            self.edges.push(Edge { from, to: self.items.len() - 1, ty: graph.ty(output.value).clone() });
        }
    }

    /// Puts activations, normalisations and the like into the box of the layer that only they follow.
    fn join_stages(&mut self) {
        self.join(|before, after, _| {
            let stands_alone =
                matches!(before.family, Family::Input | Family::Target | Family::Block | Family::Loss | Family::Output);
            let fits = before.then.len() < 3 && (before.counts.macs == 0 || after.counts.macs == 0);
            if stands_alone || !follows(after) || !fits {
                return false;
            }
            before.then.push(after.title.clone());
            before.then.append(&mut after.then.clone());
            before.layers.append(&mut after.layers.clone());
            before.counts += after.counts;
            true
        });
    }

    /// Lets one box stand for equal blocks in a row.
    fn join_repeats(&mut self) {
        self.join(|before, after, ty| {
            let equal = before.family == Family::Block
                && (&before.title, before.counts, before.shared) == (&after.title, after.counts, after.shared)
                && Some(ty.0) == ty.1;
            if equal {
                before.times += after.times;
                before.layers.append(&mut after.layers.clone());
            }
            equal
        });
    }

    /// Joins boxes with the only one that follows, where `join` says so (and does so); it gets both and the types of what goes
    /// in between them and behind them.
    fn join(&mut self, mut join: impl FnMut(&mut Item, &Item, (&Type, Option<&Type>)) -> bool) {
        let (mut coming, mut going) = (vec![Vec::new(); self.items.len()], vec![Vec::new(); self.items.len()]);
        for edge in &self.edges {
            coming[edge.to].push(edge);
            going[edge.from].push(edge);
        }
        let mut into: Vec<usize> = (0..self.items.len()).collect();
        for after in 0..self.items.len() {
            let [edge] = coming[after][..] else { continue };
            if going[edge.from].len() == 1 {
                let before = into[edge.from];
                let item = self.items[after].clone();
                if join(&mut self.items[before], &item, (&edge.ty, going[after].first().map(|e| &e.ty))) {
                    into[after] = before;
                }
            }
        }
        self.keep(&into);
    }

    /// Keeps the boxes that stand for themselves.
    fn keep(&mut self, into: &[usize]) {
        let kept: Vec<usize> = (0..into.len()).filter(|i| into[*i] == *i).collect();
        let place = |item: usize| kept.partition_point(|k| *k < into[item]);
        let edges = std::mem::take(&mut self.edges);
        let moved = edges.into_iter().filter(|e| into[e.from] != into[e.to]);
        self.edges = once_each(moved.map(|e| Edge { from: place(e.from), to: place(e.to), ..e }));
        self.items = kept.iter().map(|i| self.items[*i].clone()).collect();
    }
}

/// Without those that were there before.
fn once_each(edges: impl IntoIterator<Item = Edge>) -> Vec<Edge> {
    let mut seen = HashSet::new();
    edges.into_iter().filter(|edge| seen.insert(edge.clone())).collect()
}

/// What of a documentation fits into a line, up to the end of a part of a sentence.
fn beginning(docs: &str) -> &str {
    const LINE: usize = 100;
    let docs = docs.trim();
    if docs.chars().count() <= LINE {
        return docs.trim_end_matches('.');
    }
    let whole = |at: &usize| {
        let (before, after) = (&docs[..*at], &docs[*at + 1..]);
        let quoted = before.matches('"').count() % 2 == 1;
        before.chars().count() <= LINE && after.starts_with(' ') && !quoted && !before.ends_with(" al")
    };
    let last = |ends: &[char]| docs.match_indices(ends).map(|(at, _)| at).rfind(whole);
    last(&[';', ':', '.']).or_else(|| last(&[','])).map_or("", |at| &docs[..at])
}

/// Whether a box is one that shares the box of the layer before it.
fn follows(item: &Item) -> bool {
    matches!(item.family, Family::Normalisation | Family::Activation)
        || ["flatten", "reshape", "dropout"].contains(&item.title.as_str())
}

impl Item {
    fn named(family: Family, title: &str) -> Self {
        Self {
            family,
            title: title.to_owned(),
            then: Vec::new(),
            layers: Vec::new(),
            counts: Counts::default(),
            times: 1,
            shared: false,
            training: false,
        }
    }
}

/// The outermost calls that are folded, by node.
fn folded(graph: &Graph, open: &Open<'_>) -> Vec<Option<usize>> {
    let mut folded = vec![None; graph.nodes.len()];
    for (index, (call, level)) in levels(graph).enumerate() {
        let named = |names: &[String]| names.contains(&call.block);
        let opened = named(open.unfold) || level < open.depth.unwrap_or(0) || is_layer(graph, call);
        if (named(open.fold) || !opened) && folded.get(call.nodes.start).is_some_and(Option::is_none) {
            folded[call.nodes.clone()].fill(Some(index));
        }
    }
    folded
}

/// Calls, and how many others are around each.
fn levels(graph: &Graph) -> impl Iterator<Item = (&BlockCall, usize)> {
    let mut around: Vec<usize> = Vec::new();
    graph.calls.iter().map(move |call| {
        around.retain(|end| call.nodes.start < *end);
        around.push(call.nodes.end);
        (call, around.len() - 1)
    })
}

/// Whether what a block makes fits into the box of one layer: one operator, and those that share its box.
fn is_layer(graph: &Graph, call: &BlockCall) -> bool {
    let values = call.nodes.clone().map(|n| ValueId(n as u32)).filter(|v| !is_source(&graph.node(*v).op));
    let items: Vec<Item> = values.take(5).map(|v| operator(graph, v)).collect();
    matches!(items.len(), 1..=4) && items[1..].iter().all(follows)
}

fn block(graph: &Graph, index: usize) -> Item {
    let call = &graph.calls[index];
    Item { layers: vec![call.layer.clone()], ..Item::named(Family::Block, &call.block) }
}

fn operator(graph: &Graph, value: ValueId) -> Item {
    let node = graph.node(value);
    let named = |all: &[Named]| all.iter().find(|n| n.value == value).map_or_else(String::new, |n| n.name.clone());
    let title = match &node.op {
        Op::Input(_) => named(&graph.inputs),
        Op::Target(_) => named(&graph.targets),
        Op::Conv(conv) if conv.groups > 1 => format!("{}, groups {}", windowed("conv", &conv.window), conv.groups),
        Op::Conv(conv) => windowed("conv", &conv.window),
        Op::ConvTranspose(conv) => windowed("conv_transpose", &conv.window),
        Op::Pool(pool) if pool.window.kernel == graph.ty(node.inputs[0]).spatial() => {
            format!("global_{}", node.op.name())
        }
        Op::Pool(pool) if pool.window.kernel == pool.window.stride => {
            format!("{} {}", node.op.name(), times(&pool.window.kernel))
        }
        Op::Pool(pool) => windowed(node.op.name(), &pool.window),
        Op::Affine(affine) => match (affine.factor, affine.offset) {
            (factor, 0.0) => format!("× {}", brief(factor)),
            (1.0, offset) => format!("+ {}", brief(offset)),
            (factor, offset) => format!("× {} + {}", brief(factor), brief(offset)),
        },
        Op::Reshape(_) if node.ty.shape.len() == 1 => "flatten".to_owned(),
        Op::SumTo(_) => "sum".to_owned(),
        Op::MaxTo(_) => "max".to_owned(),
        Op::AddN(_) => "add".to_owned(),
        Op::BatchMean(_) => "loss".to_owned(),
        op => op.name().to_owned(),
    };
    let layers = if weights(graph, value).next().is_some() { vec![node.layer.clone()] } else { Vec::new() };
    Item { layers, ..Item::named(Family::of(&node.op), &title) }
}

/// The weights among the operands of a value.
fn weights(graph: &Graph, value: ValueId) -> impl Iterator<Item = ParamId> {
    graph.node(value).inputs.iter().filter_map(|operand| match &graph.node(*operand).op {
        Op::Param(param) => Some(param.id),
        _ => None,
    })
}

/// A number in four digits.
fn brief(number: f64) -> String {
    if number == 0.0 || (1e-3..1e4).contains(&number.abs()) {
        let text = format!("{number:.4}");
        text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
    } else {
        format!("{number:.2e}").replace('-', "−")
    }
}

/// `conv 3×3, stride 2`
fn windowed(name: &str, window: &crate::ops::window::Window) -> String {
    let short = |numbers: &[usize]| match numbers {
        [first, rest @ ..] if rest.iter().all(|n| n == first) => first.to_string(),
        _ => times(numbers),
    };
    let mut text = format!("{name} {}", times(&window.kernel));
    for (word, numbers) in [("stride", &window.stride), ("dilation", &window.dilation)] {
        if numbers.iter().any(|n| *n != 1) {
            text += &format!(", {word} {}", short(numbers));
        }
    }
    text
}

/// `3×224×224`
pub fn times(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join("×")
}
