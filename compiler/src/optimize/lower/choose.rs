//! Which algorithm computes a convolution, and how its work is cut.
//!
//! A small model of a processor: a core does one multiply-add of sixteen floats a cycle, two cores share a memory that
//! gives them seven bytes a cycle, and each has a second-level cache. Where times differ by less than the model's errors,
//! it does not matter which one wins.

use crate::graph::{BLOCK, Type, WINOGRAD_POINTS};
use crate::ops::tile_conv::Algorithm;
use crate::ops::window::Window;

/// Floats that stay in a core's second-level cache, with room for what streams by.
const CACHE: usize = 160 * 1024;
/// Bytes that memory gives all cores in a cycle.
const MEMORY: f64 = 7.0;
/// Cores that the model has.
const CORES: f64 = 2.0;
/// Tasks that a large layer is cut into at least, so that threads end at about the same time.
const TASKS: usize = 8;
/// Multiply-adds of a task that is worth the hand-over.
const TASK: u64 = 200_000;
/// Cycles of the transforms of a tile of sixteen channels, there and back.
const TRANSFORM: f64 = 200.0;

/// What was decided.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Input channels that are neighbours in memory: 1 where the input stays plain.
    pub lanes: usize,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Rows of pixels or of tiles that a task computes.
    pub rows: usize,
    /// Blocks of filters that a task computes.
    pub planes: usize,
    /// Rows and columns of the output.
    pub output: [usize; 2],
}

/// What is known beside the shapes.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Whether the operand is in blocks already.
    pub x_is_blocked: bool,
    /// Whether weights are read once for many images.
    pub batches: bool,
    /// Whether Winograd is ruled out.
    pub exact: bool,
}

/// A convolution as the model sees it.
struct Layer {
    channels: usize,
    filters: usize,
    groups: usize,
    taps: usize,
    rows: usize,
    columns: usize,
    /// Input columns and rows that a row of outputs needs, padding included.
    width: usize,
    lanes: usize,
}

/// Decides for a convolution from `x` to `y`; `None` leaves it in plain order.
pub fn choose(window: &Window, groups: usize, x: &Type, y: &Type, wishes: Wishes) -> Option<Choice> {
    let Wishes { x_is_blocked, batches, exact } = wishes;
    let axes = x.spatial().len();
    let (channels, filters) = (x.channels() / groups, y.channels() / groups);
    let whole_groups = groups == 1 || (channels.is_multiple_of(BLOCK) && filters.is_multiple_of(BLOCK));
    if !(1..=2).contains(&axes) || !whole_groups || filters < 12 || (axes == 1 && y.shape[1] < 8) {
        return None;
    }
    let lanes = if x_is_blocked || x.channels() >= BLOCK { BLOCK } else { 1 };
    let last = axes;
    let layer = Layer {
        channels,
        filters,
        groups,
        taps: window.len(),
        rows: if axes == 2 { y.shape[1] } else { 1 },
        columns: y.shape[last],
        width: x.shape[last] + window.pad[axes - 1].0 + window.pad[axes - 1].1,
        lanes,
    };
    let winograd = !exact
        && axes == 2
        && window.kernel == [3, 3]
        && window.stride == [1, 1]
        && window.dilation == [1, 1]
        && window.pad.iter().all(|p| p.0 <= 2)
        && groups == 1
        && lanes == BLOCK
        && channels >= BLOCK;
    let output = [layer.rows, layer.columns];
    if winograd && layer.winograd_cycles(batches) < layer.direct_cycles(batches) {
        let (algorithm, rows, planes) = layer.winograd_cut();
        return Some(Choice { lanes, algorithm, rows, planes, output });
    }
    let (rows, planes) = layer.direct_cut(window.stride[0]);
    Some(Choice { lanes, algorithm: Algorithm::Direct, rows, planes, output })
}

impl Layer {
    fn blocks(&self) -> usize {
        (self.filters * self.groups).div_ceil(BLOCK)
    }

    fn macs(&self) -> u64 {
        (self.channels * self.taps * self.filters * self.groups * self.rows * self.columns) as u64
    }

    /// How many tasks are worth having.
    fn tasks(&self) -> usize {
        usize::try_from(self.macs() / TASK).unwrap_or(TASKS).clamp(1, TASKS)
    }

    /// The longer of two times that overlap: computing, and bringing weights from memory.
    fn overlap(compute: f64, weights: usize, batches: bool) -> f64 {
        let memory = if batches { 0.0 } else { (weights * size_of::<f32>()) as f64 / MEMORY };
        f64::max(compute / CORES, memory)
    }

    fn direct_cycles(&self, batches: bool) -> f64 {
        let pixels = (self.rows * self.columns) as f64;
        let weights = self.blocks() * BLOCK * self.channels * self.taps;
        Self::overlap(pixels * weights as f64 / BLOCK as f64, weights, batches)
    }

    fn tiles(&self) -> [usize; 2] {
        [self.rows.div_ceil(4), self.columns.div_ceil(4)]
    }

    fn winograd_weights(&self) -> usize {
        WINOGRAD_POINTS * self.channels.next_multiple_of(BLOCK) * self.blocks() * BLOCK
    }

    fn winograd_cycles(&self, batches: bool) -> f64 {
        let [rows, columns] = self.tiles();
        let tiles = (rows * columns) as f64;
        let products = tiles * self.winograd_weights() as f64 / BLOCK as f64;
        // Tiles of few pixels do not hide the latency of multiply-adds.
        let narrow = f64::max(1.0, 6.0 / tiles);
        let transforms = tiles * TRANSFORM * (self.channels.div_ceil(BLOCK) + self.blocks()) as f64;
        Self::overlap(products * narrow + transforms, self.winograd_weights(), batches)
    }

    /// Algorithm, rows of tiles and blocks of filters of a task.
    fn winograd_cut(&self) -> (Algorithm, usize, usize) {
        let [rows, columns] = self.tiles();
        let blocks = self.blocks();
        let channels = self.channels.next_multiple_of(BLOCK);
        let transformed = |rows: usize| WINOGRAD_POINTS * rows * columns * channels;
        // Weights that no cache holds are read once where a task has all tiles.
        if self.winograd_weights() > 2 * CACHE && rows * columns <= 64 {
            let accumulators = WINOGRAD_POINTS * rows * columns * BLOCK;
            let planes = (CACHE / 2 / accumulators).min(4).min(blocks.div_ceil(self.tasks()));
            let planes = planes.next_multiple_of(2);
            return (Algorithm::WinogradTiles, rows, planes);
        }
        // Strips of at least a full register tile, as long as what is transformed stays in the cache.
        let wide = 28_usize.div_ceil(columns).min(rows);
        let strip = (1..=wide).rev().find(|r| transformed(*r) <= 3 * CACHE / 2).unwrap_or(1);
        let (mut strip, mut planes) = (strip, blocks);
        while rows.div_ceil(strip) * blocks.div_ceil(planes) < self.tasks() {
            match self.winograd_weights() > 2 * CACHE || strip == 1 {
                true if planes > 2 => planes = pairs(planes),
                false => strip = strip.div_ceil(2),
                true => break,
            }
        }
        (Algorithm::WinogradStrips, strip, planes)
    }

    /// Rows of pixels and blocks of filters of a task.
    fn direct_cut(&self, stride: usize) -> (usize, usize) {
        let row = self.channels.next_multiple_of(self.lanes) * self.width * stride;
        let rows = (CACHE / row.max(1)).clamp(1, self.rows);
        let strips = self.rows.div_ceil(rows);
        let (mut rows, mut planes) = (self.rows.div_ceil(strips), self.blocks());
        while self.rows.div_ceil(rows) * self.blocks().div_ceil(planes) < self.tasks() {
            if planes > 2 {
                planes = pairs(planes);
            } else if rows > 1 {
                rows = rows.div_ceil(2);
            } else {
                break;
            }
        }
        (rows, planes)
    }
}

/// Half of some blocks of filters; register tiles have two of them at a time.
fn pairs(planes: usize) -> usize {
    planes.div_ceil(2).next_multiple_of(2)
}
