//! Which algorithm computes a convolution, and how its work is cut.
//!
//! A small model of a processor: a core does one multiply-add of sixteen floats a cycle, two cores share a memory that
//! gives them twelve bytes a cycle, and each has a second-level cache. Where times differ by less than the model's errors,
//! it does not matter which one wins.

use crate::graph::{BLOCK, Graph, Type};
use crate::ops::tile_conv::winograd::{points, points_along, products, side};
use crate::ops::tile_conv::{Algorithm, IMAGES};
use crate::ops::window::Window;
use crate::tuning::{Choice, Mode, Workload};

/// Floats that stay in a core's second-level cache, with room for what streams by.
const CACHE: usize = 160 * 1024;
/// Bytes that memory gives all cores in a cycle.
const MEMORY: f64 = 12.0;
/// Cores that the model has.
const CORES: f64 = 2.0;
/// Tasks that a large layer is cut into at least, so that threads end at about the same time.
const TASKS: usize = 8;
/// The same in training, where a batch of images makes tasks enough.
const TASKS_OF_BATCHES: usize = 2;
/// The same of direct convolution, where small tasks repeat little, so that a thread that others hold up is waited for
/// less.
const TASKS_OF_DIRECT: usize = 32;
/// The same where each task lays its rows out with their padding first, for its filters alone.
const TASKS_OF_STAGED: usize = 16;
/// Pixels of a strip that is long enough to bring a task's weights for.
const STRIP: usize = 56;
/// Pixels of a strip that is not cut once more, where there are tasks enough for threads: a few of the narrow register tiles, which
/// do not divide fewer evenly.
const SHORT: usize = 28;
/// Blocks of filters that register tiles have at a time where loads hold cores up.
const TOGETHER: usize = 4;
/// Multiply-adds of a task that is worth the hand-over.
const TASK: u64 = 100_000;
/// Multiply-adds of a task of direct convolution, where there would be more than [`TASKS`].
const SMALL_TASK: u64 = 400_000;
/// Cycles of the transforms of a tile of sixteen channels, there and back, for each of its numbers.
const TRANSFORM: f64 = 5.5;
/// Cycles in which sixteen transformed weights are made.
const TRANSFORM_WEIGHTS: f64 = 3.0;
/// How much longer Winograd's algorithm takes than the model says where windows have a stride: it saves few products (three of ten),
/// but has almost three times the weights, and where maps are small the time that takes shows. (Maps of 7×7 took longer than direct
/// on an Intel Xeon, with 400 products; with the 324 that there are since ragged tiles have fewer points, they take 0.83 of direct's time
/// on two cores of Zen 3.)
const STRIDED: f64 = 1.1;
/// How much longer Winograd's algorithm takes of phases than the model says: values are taken apart first, and of few channels
/// sums go through memory often.
const PHASED: f64 = 1.25;
/// Floats of products that a thread may work in where weights are to be saved: a mebibyte, which hardly any process is short of. The
/// tiles of a first layer take several, for a few weights.
const MOST_PRODUCTS: usize = 256 * 1024;
/// Alternatives of a workload that are measured at most: enough for the cuts of one algorithm and one of each other.
const CANDIDATES: usize = 12;

/// A convolution as the model sees it.
struct Layer {
    channels: usize,
    filters: usize,
    groups: usize,
    taps: usize,
    rows: usize,
    columns: usize,
    /// Input columns that a row of outputs needs, padding included.
    width: usize,
    /// Distance between the input rows of neighbouring output rows.
    stride: usize,
    /// Elements of the window's side.
    window: usize,
    lanes: usize,
    /// Whether rows are laid out before tiles walk over them.
    staged: bool,
    /// Whether there are several images at a time, as in training.
    batches: bool,
}

/// A convolution from `x` to `y` as work for tiles; `None` leaves it in plain order.
pub fn workload(
    window: &Window,
    groups: usize,
    x: &Type,
    y: &Type,
    x_is_blocked: bool,
    backwards: bool,
) -> Option<Workload> {
    let axes = x.spatial().len();
    let (channels, filters) = (x.channels() / groups, y.channels() / groups);
    let whole_groups = groups == 1 || (channels.is_multiple_of(BLOCK) && filters.is_multiple_of(BLOCK));
    if !(1..=2).contains(&axes) || !whole_groups || filters < 12 || (axes == 1 && y.shape[1] < 8) {
        return None;
    }
    let lanes = if x_is_blocked || x.channels() >= BLOCK { BLOCK } else { 1 };
    let (input, output) = (x.shape.clone(), y.shape.clone());
    Some(Workload { backwards, input, output, window: window.clone(), groups, lanes })
}

/// Decides for a workload: as was measured, else by the model.
pub fn choose(workload: &Workload, mode: Mode, graph: &Graph) -> Choice {
    let measured = graph.tuning.of(mode).get(workload).copied();
    measured
        .filter(|c| allowed(workload, c.algorithm, graph.exact))
        .unwrap_or_else(|| model(workload, mode, graph.exact))
}

fn allowed(workload: &Workload, algorithm: Algorithm, exact: bool) -> bool {
    workload.allows(algorithm) && (algorithm == Algorithm::Direct || !exact)
}

/// What the model takes to be fastest.
fn model(workload: &Workload, mode: Mode, exact: bool) -> Choice {
    let layer = Layer::of(workload, mode);
    let of_algorithm = |algorithm| match algorithm {
        Algorithm::Direct => Some(layer.direct_cycles()),
        _ if !layer.offers(algorithm) || !allowed(workload, algorithm, exact) => None,
        // Strips for weights that caches hold, tiles for others.
        _ if layer.reads_weights_once(algorithm) == (algorithm == Algorithm::WinogradStrips) => None,
        _ => Some(layer.winograd_cycles(algorithm)),
    };
    let cycles = Algorithm::ALL.into_iter().filter_map(|algorithm| Some((algorithm, of_algorithm(algorithm)?)));
    let fastest = cycles.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(Algorithm::Direct, |(algorithm, _)| algorithm);
    layer.cut(fastest)
}

/// Whether a convolution of deployment with a stride is faster as one of its phases, by Winograd's algorithm.
pub fn pays_in_phases(direct: &Workload, phases: &Workload, exact: bool) -> bool {
    let mode = Mode::Inference;
    let algorithm = model(phases, mode, exact).algorithm;
    let cycles = Layer::of(direct, mode).direct_cycles();
    algorithm != Algorithm::Direct && PHASED * Layer::of(phases, mode).cycles(algorithm) < cycles
}

/// What is worth measuring for a workload: the model's choice first, then the same algorithm cut otherwise, then others.
pub fn candidates(workload: &Workload, mode: Mode, exact: bool) -> Vec<Choice> {
    let layer = Layer::of(workload, mode);
    let first = model(workload, mode, exact);
    let others = Algorithm::ALL.into_iter().filter(|a| *a != first.algorithm && allowed(workload, *a, exact));
    let others = others.filter(|a| mode == Mode::Inference || layer.offers(*a));
    let others = others.filter(|a| !a.takes_tiles() || layer.transformed(*a) <= 16 * CACHE);
    let others: Vec<Choice> = others.map(|a| layer.cut(a)).collect();
    let mut all = vec![first];
    let own = layer.neighbours(first);
    let more = others.iter().flat_map(|other| layer.neighbours(*other));
    for choice in own.into_iter().chain(others.iter().copied()).chain(more) {
        if !all.contains(&choice) {
            all.push(choice);
        }
    }
    all.truncate(CANDIDATES);
    all
}

/// Another choice for a convolution, which takes less memory.
#[derive(Clone, Copy, Debug)]
pub struct Lighter {
    /// What to choose.
    pub choice: Choice,
    /// How much longer the model takes it to be, in cycles of all cores; less than nothing where it is faster.
    pub cycles: f64,
    /// How many floats it saves.
    pub floats: usize,
}

/// What a lighter choice has fewer of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floats {
    /// Weights and transformed values.
    All,
    /// Weights alone: values share memory with others, which may be more at another time.
    Weights,
}

/// Other choices of deployment for a workload, which take less memory than a given one.
pub fn lighter(workload: &Workload, than: Choice, of: Floats, exact: bool) -> Vec<Lighter> {
    let layer = Layer::of(workload, Mode::Inference);
    let (cycles, floats) = (layer.cycles(than.algorithm), layer.floats(than.algorithm, of));
    let room = MOST_PRODUCTS.max(layer.products(than.algorithm));
    let small = |algorithm: &Algorithm| of == Floats::All || layer.products(*algorithm) <= room;
    let others = Algorithm::ALL.into_iter().filter(|a| allowed(workload, *a, exact) && layer.floats(*a, of) < floats);
    let offer = |algorithm| Lighter {
        choice: layer.cut(algorithm),
        cycles: layer.cycles(algorithm) - cycles,
        floats: floats - layer.floats(algorithm, of),
    };
    others.filter(small).map(offer).collect()
}

/// The cycles that the model takes a choice of deployment for.
pub fn cycles(workload: &Workload, choice: Choice) -> f64 {
    Layer::of(workload, Mode::Inference).cycles(choice.algorithm)
}

impl Layer {
    fn of(workload: &Workload, mode: Mode) -> Self {
        let Workload { input, output, window, groups, lanes, .. } = workload;
        let last = input.len() - 1;
        let (before, after) = window.pad[last - 1];
        Self {
            channels: input[0] / groups,
            filters: output[0] / groups,
            groups: *groups,
            taps: window.len(),
            rows: if last == 2 { output[1] } else { 1 },
            columns: output[last],
            width: input[last] + before + after,
            stride: window.stride[0],
            window: window.kernel[0],
            lanes: *lanes,
            staged: window.pad.iter().any(|p| *p != (0, 0)) || window.stride.iter().any(|s| *s > 1),
            batches: mode == Mode::Training,
        }
    }

    fn blocks(&self) -> usize {
        (self.filters * self.groups).div_ceil(BLOCK)
    }

    fn macs(&self) -> u64 {
        (self.channels * self.taps * self.filters * self.groups * self.rows * self.columns) as u64
    }

    /// How many tasks are worth having.
    fn tasks(&self) -> usize {
        self.tasks_of(TASK, if self.batches { TASKS_OF_BATCHES } else { TASKS })
    }

    /// How many tasks of direct convolution are worth having.
    fn direct_tasks(&self) -> usize {
        let most = if self.staged { TASKS_OF_STAGED } else { TASKS_OF_DIRECT };
        let more = if self.batches { 1 } else { self.tasks_of(SMALL_TASK, most) };
        self.tasks().max(more)
    }

    /// How many tasks there are of at least so many multiply-adds.
    fn tasks_of(&self, macs: u64, most: usize) -> usize {
        usize::try_from(self.macs() / macs).unwrap_or(most).clamp(1, most)
    }

    /// The longer of two times that overlap: computing, and bringing weights from memory.
    fn overlap(&self, compute: f64, weights: usize) -> f64 {
        let memory = if self.batches { 0.0 } else { (weights * size_of::<f32>()) as f64 / MEMORY };
        f64::max(compute / CORES, memory)
    }

    fn cycles(&self, algorithm: Algorithm) -> f64 {
        if algorithm == Algorithm::Direct { self.direct_cycles() } else { self.winograd_cycles(algorithm) }
    }

    /// Floats of the weights that an algorithm reads from memory.
    fn weights(&self, algorithm: Algorithm) -> usize {
        match algorithm.takes_transformed_weights() {
            true => self.transformed_weights(algorithm),
            false => self.blocks() * BLOCK * self.channels * self.taps,
        }
    }

    /// Floats of the weights in Winograd's space of products.
    fn transformed_weights(&self, algorithm: Algorithm) -> usize {
        products(algorithm, self.stride) * self.channels.next_multiple_of(BLOCK) * self.blocks() * BLOCK
    }

    fn direct_cycles(&self) -> f64 {
        let (pixels, weights) = ((self.rows * self.columns) as f64, self.weights(Algorithm::Direct));
        self.overlap(pixels * weights as f64 / BLOCK as f64, weights)
    }

    /// Whether the model looks at an algorithm: weights that change with each step are transformed where they are used, those of
    /// deployment once.
    fn offers(&self, algorithm: Algorithm) -> bool {
        !algorithm.takes_tiles() || algorithm.is_lean() == self.batches
    }

    /// Floats that an algorithm keeps: of weights, and of values that it has transformed as a whole.
    fn floats(&self, algorithm: Algorithm, of: Floats) -> usize {
        let values = of == Floats::All && algorithm.takes_tiles();
        self.weights(algorithm) + if values { self.transformed(algorithm) } else { 0 }
    }

    /// Floats of the products of two blocks of filters and all tiles, which a thread works in.
    fn products(&self, algorithm: Algorithm) -> usize {
        if algorithm.takes_tiles() { 2 * BLOCK * self.points(algorithm) } else { 0 }
    }

    /// Rows and columns of Winograd's tiles.
    fn tiles(&self, algorithm: Algorithm) -> [usize; 2] {
        let side = side(algorithm, self.window, self.stride);
        [self.rows.div_ceil(side), self.columns.div_ceil(side)]
    }

    /// Points of all tiles, as far as they are multiplied.
    fn points(&self, algorithm: Algorithm) -> usize {
        let (points, side) = (points(algorithm, self.stride), side(algorithm, self.window, self.stride));
        match algorithm.takes_tiles() {
            true => points_along(self.rows, points, side) * points_along(self.columns, points, side),
            false => self.tiles(algorithm).into_iter().product::<usize>() * points * points,
        }
    }

    fn winograd_cycles(&self, algorithm: Algorithm) -> f64 {
        let [rows, columns] = self.tiles(algorithm);
        let (tiles, weights) = ((rows * columns) as f64, (self.transformed_weights(algorithm) / BLOCK) as f64);
        let multiplied = (self.points(algorithm) * self.channels.next_multiple_of(BLOCK) * self.blocks()) as f64;
        // Tiles of few pixels do not hide the latency of multiply-adds.
        let narrow = f64::max(1.0, 6.0 / tiles);
        let numbers =
            tiles * (products(algorithm, self.stride) * (self.channels.div_ceil(BLOCK) + self.blocks())) as f64;
        // In training, several images share what is made of weights.
        let made = if algorithm.is_lean() && !self.batches { TRANSFORM_WEIGHTS * weights } else { 0.0 };
        let cycles = self.overlap(multiplied * narrow + TRANSFORM * numbers + made, self.weights(algorithm));
        if self.stride > 1 { cycles * STRIDED } else { cycles }
    }

    /// Whether weights that no cache holds, once transformed, are better met by all tiles at a time.
    fn reads_weights_once(&self, algorithm: Algorithm) -> bool {
        let [rows, columns] = self.tiles(algorithm);
        // Those of windows with a stride have fewer points: at 28×28, of 128 channels, tiles take 0.91 of the time of strips on Zen 3.
        let most = if self.stride > 1 { 200 } else { 64 };
        self.transformed_weights(algorithm) > 2 * CACHE && rows * columns <= most
    }

    /// Floats of the input in Winograd's space of products.
    fn transformed(&self, algorithm: Algorithm) -> usize {
        let [rows, columns] = self.tiles(algorithm);
        products(algorithm, self.stride) * rows * columns * self.channels.next_multiple_of(BLOCK)
    }

    /// The cut of an algorithm.
    fn cut(&self, algorithm: Algorithm) -> Choice {
        match algorithm {
            Algorithm::Direct => self.direct_cut(),
            Algorithm::WinogradStrips => self.strips_cut(),
            _ => self.choice(algorithm, 1, self.tiles_planes(algorithm)),
        }
    }

    /// A choice of no more strips and blocks than there are.
    fn choice(&self, algorithm: Algorithm, strips: usize, planes: usize) -> Choice {
        Choice { algorithm, strips: strips.min(self.rows_of(algorithm)), images: 1, planes: planes.min(self.blocks()) }
    }

    fn rows_of(&self, algorithm: Algorithm) -> usize {
        if algorithm == Algorithm::Direct { self.rows } else { self.tiles(algorithm)[0] }
    }

    /// Other cuts of an algorithm: a step away each, all rows by few filters, few rows by all filters.
    fn neighbours(&self, choice: Choice) -> Vec<Choice> {
        let Choice { algorithm, strips, images, planes } = choice;
        let blocks = self.blocks();
        let of_strips = |strips, planes| self.choice(algorithm, strips, planes);
        match algorithm {
            _ if images > 1 => vec![
                Choice { images: images.div_ceil(2), ..choice },
                Choice { images: (2 * images).min(IMAGES), ..choice },
                of_strips(1, planes),
            ],
            Algorithm::Direct | Algorithm::WinogradStrips => vec![
                of_strips(2 * strips, planes),
                of_strips(strips.div_ceil(2), planes),
                of_strips(strips, pairs(planes)),
                of_strips(strips, 2 * planes),
                of_strips(1, 2),
                of_strips(TASKS, blocks),
            ],
            _ => vec![of_strips(1, pairs(planes)), of_strips(1, 2 * planes), of_strips(1, 4 * planes)],
        }
    }

    /// Blocks of filters of a task that has all tiles.
    fn tiles_planes(&self, algorithm: Algorithm) -> usize {
        let [rows, columns] = self.tiles(algorithm);
        let accumulators = products(algorithm, self.stride) * rows * columns * BLOCK;
        // Those of a batch, whose tasks have several images, come two at a time.
        let most = if self.batches { 2 } else { 4 };
        let planes = (CACHE / 2 / accumulators).min(most).min(self.blocks().div_ceil(self.tasks())).max(1);
        planes.next_multiple_of(2)
    }

    /// Strips, or images, and blocks of filters of a task that transforms its own tiles.
    fn strips_cut(&self) -> Choice {
        let algorithm = Algorithm::WinogradStrips;
        let [rows, columns] = self.tiles(algorithm);
        let blocks = self.blocks();
        let transformed = |strip: usize| self.transformed(algorithm) / rows * strip;
        // Strips of at least a full register tile, of two where a tile is soon done with few channels, as long as what is
        // transformed stays in the cache.
        let full = if self.channels < BLOCK { 56_usize } else { 28 };
        let wide = full.div_ceil(columns).min(rows);
        let strip = (1..=wide).rev().find(|r| transformed(*r) <= 3 * CACHE / 2).unwrap_or(1);
        if self.batches && strip == rows {
            // Images that are small are not cut, since halves fill no register tile; of smaller ones several do.
            let images = (full / (rows * columns)).min(3 * CACHE / 2 / transformed(rows)).clamp(1, IMAGES);
            return Choice { images, ..self.choice(algorithm, 1, blocks) };
        }
        let (mut strips, mut planes) = (rows.div_ceil(strip), blocks);
        while strips * blocks.div_ceil(planes) < self.tasks() {
            match self.transformed_weights(algorithm) > 2 * CACHE || strips == rows {
                true if planes > 2 => planes = pairs(planes),
                false => strips = self.tasks().div_ceil(blocks.div_ceil(planes)).min(rows),
                true => break,
            }
        }
        self.choice(algorithm, strips, planes)
    }

    /// Strips and blocks of filters of a task of direct convolution.
    fn direct_cut(&self) -> Choice {
        let row = self.channels.next_multiple_of(self.lanes) * self.width * self.stride;
        let rows = (CACHE / row.max(1)).clamp(1, self.rows);
        let strips = self.rows.div_ceil(rows);
        let (mut rows, mut planes) = (self.rows.div_ceil(strips), self.blocks());
        loop {
            let tasks = self.rows.div_ceil(rows) * self.blocks().div_ceil(planes);
            if tasks >= self.direct_tasks() {
                break;
            }
            let few = tasks < self.tasks();
            // What is laid out for some filters would have to be again for others.
            if self.staged && rows > 1 && rows.div_ceil(2) * self.columns >= STRIP {
                rows = rows.div_ceil(2);
            } else if planes > TOGETHER {
                planes = pairs(planes);
            } else if rows > 1 && rows.div_ceil(2) * self.columns >= SHORT {
                rows = rows.div_ceil(2);
            } else if few && planes > 2 {
                planes = pairs(planes);
            } else if few && rows > 1 {
                rows = rows.div_ceil(2);
            } else {
                break;
            }
        }
        self.choice(Algorithm::Direct, self.rows.div_ceil(rows), planes)
    }
}

/// Half of some blocks of filters; register tiles have two or four of them at a time.
fn pairs(planes: usize) -> usize {
    planes.div_ceil(2).next_multiple_of(2)
}
