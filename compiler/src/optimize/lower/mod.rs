//! Layouts and algorithms: the last decisions that are taken on the graph.
//!
//! Convolutions that pay become [`TileConv`]s on blocked tensors; operators between them follow where their kernels can, so
//! that values are reordered at the borders of such a region only (Liu et al. 2019, "Optimizing CNN model inference on
//! CPUs"). What was decided is written in the nodes, for `cnnc dump` to show.

mod choose;

pub use choose::{Floats, Lighter, candidates, cycles, lighter};
use choose::{choose, pays_in_phases, workload};

use std::collections::HashMap;

use crate::graph::{BLOCK, Graph, Kind, Layout, Rewrite, Type, ValueId};
use crate::ops::Op;
use crate::ops::conv::{Conv, ConvGradWeight};
use crate::ops::conv_transpose::ConvTranspose;
use crate::ops::layout::{Pick, Reorder, Spread, WinogradTiles};
use crate::ops::pack::{Pack, Unpack};
use crate::ops::phases::Phased;
use crate::ops::tile_conv::winograd::{fits, points, side};
use crate::ops::tile_conv::{Algorithm, TileConv, TileConvGradWeight, grad_weight_pays};
use crate::ops::window::Window;
use crate::tuning::{Choice, Mode, Workload};

/// Lowers the graph of deployment.
pub fn for_inference(graph: Graph) -> Graph {
    lower(&graph, Mode::Inference)
}

/// Lowers the graph of training.
pub fn for_training(graph: Graph) -> Graph {
    lower(&graph, Mode::Training)
}

fn lower(graph: &Graph, mode: Mode) -> Graph {
    let mut lowering = Lowering {
        graph,
        mode,
        rewrite: Rewrite::of(graph),
        plain: vec![None; graph.nodes.len()],
        blocked: vec![None; graph.nodes.len()],
        thinned: HashMap::new(),
    };
    for value in graph.values() {
        lowering.node(value);
    }
    for result in graph.results().into_iter().chain(graph.inputs.iter().chain(&graph.targets).map(|n| n.value)) {
        let plain = lowering.plain(result);
        lowering.rewrite.replace(result, plain);
    }
    lowering.rewrite.finish()
}

struct Lowering<'a> {
    graph: &'a Graph,
    mode: Mode,
    rewrite: Rewrite<'a>,
    /// What stands for an old value, in plain order and in blocks, as far as it exists.
    plain: Vec<Option<ValueId>>,
    blocked: Vec<Option<ValueId>>,
    /// What a stride of single taps leaves of an old value, in blocks.
    thinned: HashMap<(ValueId, Vec<usize>), ValueId>,
}

impl Lowering<'_> {
    fn plain(&mut self, old: ValueId) -> ValueId {
        if let Some(value) = self.plain[old.0 as usize] {
            return value;
        }
        let blocked = self.blocked[old.0 as usize].expect("operands are lowered before their users");
        let value = self.rewrite.push_like(old, Reorder { to: Layout::Plain }, &[blocked]);
        self.plain[old.0 as usize] = Some(value);
        value
    }

    fn blocked(&mut self, old: ValueId) -> ValueId {
        if let Some(value) = self.blocked[old.0 as usize] {
            return value;
        }
        let plain = self.plain(old);
        let value = self.rewrite.push_like(old, Reorder { to: Layout::Blocked }, &[plain]);
        self.blocked[old.0 as usize] = Some(value);
        value
    }

    fn is_blocked(&self, old: ValueId) -> bool {
        self.blocked[old.0 as usize].is_some()
    }

    fn set(&mut self, old: ValueId, new: ValueId) {
        match self.rewrite.new.ty(new).layout {
            Layout::Blocked => self.blocked[old.0 as usize] = Some(new),
            _ => self.plain[old.0 as usize] = Some(new),
        }
    }

    fn node(&mut self, value: ValueId) {
        let graph = self.graph;
        let done = match &graph.node(value).op {
            Op::Conv(conv) => self.conv(value, conv),
            Op::ConvTranspose(conv) => self.conv_transpose(value, conv),
            Op::ConvGradWeight(conv) => self.grad_weight(value, conv),
            _ => false,
        };
        if !done {
            self.follow(value);
        }
    }

    /// Keeps an operator, on blocked tensors if its kernel can and its first batched operand is one.
    fn follow(&mut self, value: ValueId) {
        let graph = self.graph;
        let node = graph.node(value);
        let types: Vec<&Type> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
        let batched = |v: &&ValueId| graph.ty(**v).batched && graph.ty(**v).kind == Kind::Float;
        let first_is_blocked = node.inputs.iter().find(batched).is_some_and(|v| self.is_blocked(*v));
        let blocked = first_is_blocked && node.op.takes_blocks(&types);
        let anyhow = matches!(node.op, Op::RunningUpdate(_));
        let operands: Vec<ValueId> = node
            .inputs
            .iter()
            .map(|v| match batched(&v) && (blocked || anyhow && self.is_blocked(*v)) {
                true => self.blocked(*v),
                false => self.plain(*v),
            })
            .collect();
        let new = self.rewrite.push_like(value, node.op.clone(), &operands);
        self.set(value, new);
    }

    fn conv(&mut self, value: ValueId, conv: &Conv) -> bool {
        let graph = self.graph;
        let node = graph.node(value);
        let x = node.inputs[0];
        let blocked = self.is_blocked(x);
        let Some(seen) = workload(&conv.window, conv.groups, graph.ty(x), &node.ty, blocked, false) else {
            return false;
        };
        let w = self.plain(node.inputs[1]);
        let bias = node.inputs.get(2).map(|b| self.blocked(*b));
        let new = if seen.lanes == BLOCK && skips(&conv.window) {
            let (x, window) = self.thinned(value, x, &conv.window);
            let conv = Conv { window, ..conv.clone() };
            let thin = self.rewrite.new.ty(x).laid_out(Layout::Plain);
            let seen = workload(&conv.window, conv.groups, &thin, &node.ty, true, false).expect("as before");
            self.tiles(value, &conv, &seen, x, w, bias, None)
        } else if let Some((phased, seen)) = self.phased(conv, &seen, graph.ty(x), &node.ty) {
            let x = self.plain(x);
            let x = self.rewrite.push_like(value, phased.values, &[x]);
            let w = self.rewrite.push_like(value, phased.weights, &[w]);
            let macs = node.op.macs(&[graph.ty(node.inputs[0]), graph.ty(node.inputs[1])], &node.ty);
            let conv = Conv { window: phased.window, ..conv.clone() };
            self.tiles(value, &conv, &seen, x, w, bias, Some(macs))
        } else {
            let x = if seen.lanes == 1 { self.plain(x) } else { self.blocked(x) };
            self.tiles(value, conv, &seen, x, w, bias, None)
        };
        self.set(value, new);
        true
    }

    /// A convolution of few channels with a stride as one of its phases, and its workload, where that is faster. In training
    /// first layers round as they are written: little time is theirs, and the pools behind them that pick other pixels for a bit
    /// of rounding change gradients by some thousandths (of GoogLeNet's first layers, for images of 96 pixels).
    fn phased(&self, conv: &Conv, seen: &Workload, x: &Type, y: &Type) -> Option<(Phased, Workload)> {
        let phased = Phased::of(conv, x, y).filter(|_| seen.lanes == 1 && self.mode == Mode::Inference)?;
        let workload = workload(&phased.window, 1, &phased.values.of(x), y, true, false)?;
        pays_in_phases(seen, &workload, self.graph.exact).then_some((phased, workload))
    }

    /// What a window that [`skips`] sees of a value, in blocks, and the window that sees all of that. The pixels are picked once
    /// and then lie side by side: for all filters, and for the gradient by the weights, too.
    fn thinned(&mut self, at: ValueId, x: ValueId, window: &Window) -> (ValueId, Window) {
        let all = Window { stride: vec![1; window.stride.len()], ..window.clone() };
        let key = (x, window.stride.clone());
        if let Some(value) = self.thinned.get(&key) {
            return (*value, all);
        }
        let blocked = self.blocked(x);
        let value = self.rewrite.push_like(at, Pick { stride: window.stride.clone() }, &[blocked]);
        self.thinned.insert(key, value);
        (value, all)
    }

    /// Adds a convolution of tiles, with its weights packed.
    #[allow(clippy::too_many_arguments, reason = "operands, and what is known of them")]
    fn tiles(
        &mut self,
        at: ValueId,
        conv: &Conv,
        workload: &Workload,
        x: ValueId,
        w: ValueId,
        bias: Option<ValueId>,
        macs: Option<u64>,
    ) -> ValueId {
        let Choice { algorithm, strips, images, planes } = choose(workload, self.mode, self.graph);
        let stride = conv.window.stride[0];
        let to = match algorithm.takes_transformed_weights() {
            true => Layout::WinogradWeights { points: points(algorithm, stride) },
            false => Layout::Packed { lanes: workload.lanes },
        };
        let weights = self.packed(at, to, workload.backwards, w);
        let x = match algorithm.takes_tiles() {
            true => {
                let pad = [conv.window.pad[0].0, conv.window.pad[1].0];
                let output = [workload.output[1], workload.output[2]];
                let (points, side) = (points(algorithm, stride), side(algorithm, conv.window.kernel[0], stride));
                self.rewrite.push_like(at, WinogradTiles { output, pad, points, side, stride }, &[x])
            }
            false => x,
        };
        let op = TileConv {
            window: conv.window.clone(),
            groups: conv.groups,
            bias: bias.is_some(),
            shortcut: false,
            activation: conv.activation,
            pool: None,
            algorithm,
            strips,
            images,
            planes,
            macs,
        };
        let operands: Vec<ValueId> = [x, weights].into_iter().chain(bias).collect();
        self.rewrite.push_like(at, op, &operands)
    }

    /// Adds weights as tiles read them. A normalisation that is folded into them is so on the way.
    fn packed(&mut self, at: ValueId, to: Layout, backwards: bool, w: ValueId) -> ValueId {
        let node = self.rewrite.new.node(w);
        let (fold, operands) = match &node.op {
            Op::FoldWeight(fold) if !backwards => (Some(*fold), node.inputs.clone()),
            _ => (None, vec![w]),
        };
        self.rewrite.push_like(at, Pack { to, backwards, fold }, &operands)
    }

    /// A convolution of what is spread by the stride, with the weights turned round.
    fn conv_transpose(&mut self, value: ValueId, conv: &ConvTranspose) -> bool {
        let graph = self.graph;
        let node = graph.node(value);
        let (w, dy) = (node.inputs[0], node.inputs[1]);
        if conv.groups != 1 {
            return false;
        }
        if conv.window.len() == 1 && conv.window.stride.iter().any(|s| *s > 1) {
            return self.single_tap(value, conv, w, dy);
        }
        let Some(window) = turned(&conv.window, &graph.ty(dy).shape[1..], &conv.shape[1..]) else { return false };
        let stride = conv.window.stride.clone();
        let size = graph.ty(dy).spatial().iter().zip(&stride).map(|(n, s)| (n - 1) * s + 1).collect();
        let spread = Spread { stride, size };
        let seen = Op::from(spread.clone()).infer(&[graph.ty(dy)]).expect("a stride for each axis");
        let Some(workload) = workload(&window, 1, &seen, &node.ty, true, true) else { return false };
        let mut dy = self.blocked(dy);
        if spread.stride.iter().any(|s| *s > 1) {
            dy = self.rewrite.push_like(value, spread, &[dy]);
        }
        let conv = Conv { window, groups: 1, activation: None };
        let w = self.plain(w);
        let new = self.tiles(value, &conv, &workload, dy, w, None, None);
        self.set(value, new);
        true
    }

    /// The transpose of a convolution of a single tap and a stride: products first, so that none is with a zero.
    fn single_tap(&mut self, value: ValueId, conv: &ConvTranspose, w: ValueId, dy: ValueId) -> bool {
        let graph = self.graph;
        let axes = conv.window.kernel.len();
        if conv.window.pad.iter().any(|p| *p != (0, 0)) {
            return false;
        }
        let window = Window { stride: vec![1; axes], ..conv.window.clone() };
        let mut products = graph.ty(dy).clone();
        products.shape[0] = conv.shape[0];
        let Some(workload) = workload(&window, 1, graph.ty(dy), &products, true, true) else { return false };
        let (dy, w) = (self.blocked(dy), self.plain(w));
        let product = Conv { window, groups: 1, activation: None };
        let products = self.tiles(value, &product, &workload, dy, w, None, None);
        let spread = Spread { stride: conv.window.stride.clone(), size: conv.shape[1..].to_vec() };
        let new = self.rewrite.push_like(value, spread, &[products]);
        self.set(value, new);
        true
    }

    fn grad_weight(&mut self, value: ValueId, conv: &ConvGradWeight) -> bool {
        let graph = self.graph;
        let node = graph.node(value);
        let (x, dy) = (node.inputs[0], node.inputs[1]);
        let (x_type, dy_type) = (graph.ty(x), graph.ty(dy));
        let (channels, filters) = (x_type.channels(), dy_type.channels());
        let lanes = if self.is_blocked(x) || channels >= BLOCK { BLOCK } else { 1 };
        // Pairs of blocks of filters must not straddle groups.
        let whole_groups = conv.groups == 1
            || ((channels / conv.groups).is_multiple_of(BLOCK) && (filters / conv.groups).is_multiple_of(2 * BLOCK));
        let few_axes = (1..=2).contains(&graph.ty(x).spatial().len());
        if !self.is_blocked(dy) || !whole_groups || !few_axes {
            return false;
        }
        let dy = self.blocked(dy);
        let (x, window) = match lanes {
            1 => (self.plain(x), conv.window.clone()),
            _ if skips(&conv.window) => self.thinned(value, x, &conv.window),
            _ => (self.blocked(x), conv.window.clone()),
        };
        let winograd = lanes == BLOCK && winograd_pays(graph, conv, x_type, dy_type);
        let op = TileConvGradWeight { window, groups: conv.groups, winograd };
        let packed = self.rewrite.push_like(value, op, &[x, dy]);
        let new = self.rewrite.push_like(value, Unpack, &[packed]);
        self.set(value, new);
        true
    }
}

/// Whether a window is a single tap that steps over pixels: a projection between stages of a residual network.
fn skips(window: &Window) -> bool {
    window.len() == 1 && window.stride.iter().any(|s| *s > 1) && window.pad.iter().all(|p| *p == (0, 0))
}

/// Whether Winograd's algorithm is possible for the gradient by the weights, allowed, and faster. There is one of tiles of 4×4 pixels
/// only, so none of windows with a stride.
fn winograd_pays(graph: &Graph, conv: &ConvGradWeight, x: &Type, dy: &Type) -> bool {
    let fits = conv.window.kernel == [3, 3] && fits(Algorithm::WinogradTiles, &conv.window) && conv.groups == 1;
    let [rows, columns] = [dy.shape[1], dy.shape.get(2).copied().unwrap_or(1)];
    let tiles = rows.div_ceil(4) * columns.div_ceil(4);
    !graph.exact && fits && grad_weight_pays(rows * columns, tiles, x.channels(), dy.channels())
}

/// The window of the gradient by the input, over the spread upstream gradient; `None` where padding exceeds the window.
fn turned(window: &Window, output: &[usize], input: &[usize]) -> Option<Window> {
    let axes = 0..window.kernel.len();
    let pad = axes.map(|a| {
        let reach = window.dilation[a] * (window.kernel[a] - 1) + 1;
        let before = (reach - 1).checked_sub(window.pad[a].0)?;
        let spread = (output[a] - 1) * window.stride[a] + 1;
        Some((before, (input[a] + reach - 1).checked_sub(spread + before)?))
    });
    let ones = vec![1; window.kernel.len()];
    Some(Window { pad: pad.collect::<Option<_>>()?, stride: ones, ceil: false, ..window.clone() })
}
