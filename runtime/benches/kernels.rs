//! Kernels one by one, on one thread, beside what the machine can do at best: the convolutions of ResNet-50 and what stands
//! around them, and the hand-off of work to threads.
//!
//! `cargo bench -p cnnc-runtime`, or `cargo bench -p cnnc-runtime -- tile` for some. Where an *item* is counted it is a
//! floating-point operation, so that `Gitem/s` of a kernel stands beside that of `peak`. Wants an idle machine.

use std::fmt;

use cnnc_runtime::{
    BLOCK, Buffer, Divisor, Finish, Isa, Next, Outer, Pool, Scratch, Slope, Stage, Strip, Tile, Tiles, Window,
};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// Numbers that are no special case.
fn numbers(len: usize) -> Buffer {
    let mut buffer = Buffer::zeroed(len);
    buffer.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 251) as f32 / 125.0 - 1.0);
    buffer
}

fn bytes(floats: usize) -> BytesCount {
    BytesCount::new(floats * size_of::<f32>())
}

/// A convolution of stride 1 whose output is as large as its input.
#[derive(Clone, Copy)]
struct Layer {
    channels: usize,
    filters: usize,
    side: usize,
    kernel: usize,
}

impl Layer {
    /// Those of ResNet-50 that are repeated: in each of its four stages the first, the middle and the last of a block.
    const ALL: [Self; 12] = [
        Self::new(256, 64, 56, 1),
        Self::new(64, 64, 56, 3),
        Self::new(64, 256, 56, 1),
        Self::new(512, 128, 28, 1),
        Self::new(128, 128, 28, 3),
        Self::new(128, 512, 28, 1),
        Self::new(1024, 256, 14, 1),
        Self::new(256, 256, 14, 3),
        Self::new(256, 1024, 14, 1),
        Self::new(2048, 512, 7, 1),
        Self::new(512, 512, 7, 3),
        Self::new(512, 2048, 7, 1),
    ];

    const fn new(channels: usize, filters: usize, side: usize, kernel: usize) -> Self {
        Self { channels, filters, side, kernel }
    }

    /// Those with windows of 3×3.
    fn squares() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|layer| layer.kernel == 3)
    }

    /// Rows and columns with their padding.
    fn padded(&self) -> usize {
        self.side + self.kernel - 1
    }

    /// Where each element of the window is in padded rows of blocks.
    fn taps(&self) -> Vec<usize> {
        let at = |i: usize, j: usize| (i * self.padded() + j) * BLOCK;
        (0..self.kernel).flat_map(|i| (0..self.kernel).map(move |j| at(i, j))).collect()
    }

    fn floats_in(&self) -> usize {
        self.channels * self.side * self.side
    }

    fn floats_out(&self) -> usize {
        self.filters * self.side * self.side
    }

    fn weights(&self) -> usize {
        self.filters * self.channels * self.kernel * self.kernel
    }

    /// Two for each multiply-add.
    fn operations(&self) -> ItemsCount {
        ItemsCount::new(2 * self.weights() * self.side * self.side)
    }

    fn tiles(&self) -> Tiles {
        let side = [self.side; 2];
        Tiles {
            input: side,
            output: side,
            pad: [1, 1],
            points: 6,
            side: 4,
            stride: 1,
            columns: self.side.div_ceil(4),
            ragged: false,
        }
    }

    /// Tiles of 4×4 pixels.
    fn tile_count(&self) -> usize {
        self.side.div_ceil(4) * self.side.div_ceil(4)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, filters, side, kernel } = self;
        write!(f, "{kernel}x{kernel} {channels} to {filters} of {side}x{side}")
    }
}

/// A layer on an instruction set.
#[derive(Clone, Copy)]
struct Case {
    isa: Isa,
    layer: Layer,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.isa.name(), self.layer)
    }
}

/// Layers on every instruction set that has vectors.
fn cases(layers: impl Iterator<Item = Layer> + Clone) -> impl Iterator<Item = Case> {
    let isas = Isa::available().filter(|isa| isa.name() != "portable");
    isas.flat_map(move |isa| layers.clone().map(move |layer| Case { isa, layer }))
}

/// The most multiply-adds that a core does, and the fastest that it reads memory.
mod peak {
    use super::*;

    #[divan::bench(args = Isa::available())]
    fn multiply_add(bencher: Bencher<'_, '_>, isa: Isa) {
        const ROUNDS: usize = 10_000;
        let mut y = [0.0; 16];
        bencher
            .counter(ItemsCount::new(ROUNDS * isa.probe_flops()))
            .bench_local(|| isa.probe_multiply_add(black_box(ROUNDS), &mut y));
    }

    /// Of data that lies in the second level of the cache, and far beyond the last.
    #[divan::bench(args = [1 << 16, 1 << 26])]
    fn read(bencher: Bencher<'_, '_>, floats: usize) {
        let (isa, x, mut y) = (Isa::detect(), numbers(floats), [0.0; 16]);
        bencher.counter(bytes(floats)).bench_local(|| isa.probe_read(black_box(&x), &mut y));
    }
}

/// Convolutions of rows that have their padding.
#[divan::bench(args = cases(Layer::ALL.into_iter()))]
fn tile(bencher: Bencher<'_, '_>, Case { isa, layer }: Case) {
    let pitch = layer.padded() * BLOCK;
    let taps = layer.taps();
    let tile = Tile {
        channels: layer.channels,
        lanes: BLOCK,
        block: layer.padded() * pitch,
        taps: &taps,
        columns: layer.side,
        x_row: pitch,
        w_block: layer.channels * taps.len() * BLOCK,
        next: Next::Weights(0),
    };
    let (x, w) = (numbers(layer.channels / BLOCK * tile.block), numbers(layer.weights()));
    let (bias, mut y) = (numbers(layer.filters), numbers(layer.floats_out()));
    let finish = Finish { bias: Some(&bias), add: None, slope: Slope::Relu };
    let plane = layer.side * layer.side * BLOCK;
    bencher.counter(layer.operations()).bench_local(|| {
        isa.convolve(&tile, layer.side, black_box(&x), &w, &finish, &mut Strip::of(&mut y, plane, 0..plane));
    });
}

/// Gradients by weights: sixteen channels with two blocks of filters.
#[divan::bench(args = cases(Layer::ALL.into_iter()))]
fn outer(bencher: Bencher<'_, '_>, Case { isa, layer }: Case) {
    let (pitch, runs, plane) = (layer.padded() * BLOCK, layer.taps(), layer.side * layer.side * BLOCK);
    let (rows, columns) = (layer.side, layer.side);
    let outer =
        Outer { rows, columns, x_row: pitch, x_column: BLOCK, runs: &runs, run: BLOCK, blocks: 2, dy_block: plane };
    let (x, dy) = (numbers(layer.padded() * pitch), numbers(2 * plane));
    let mut y = numbers(2 * runs.len() * BLOCK * BLOCK);
    let products = y.len() * rows * columns;
    bencher.counter(ItemsCount::new(2 * products)).bench_local(|| isa.outer(&outer, black_box(&x), &dy, &mut y));
}

/// Padding the rows of a layer.
#[divan::bench(args = Layer::squares())]
fn stage(bencher: Bencher<'_, '_>, layer: Layer) {
    let (isa, columns) = (Isa::detect(), layer.padded());
    let stage = Stage {
        planes: layer.channels / BLOCK,
        lanes: BLOCK,
        input: [layer.side; 2],
        pad: [1, 1],
        row_step: 1,
        stride: 1,
        phases: 1,
        columns,
        plane: columns * columns * BLOCK,
    };
    let (x, mut y) = (numbers(layer.floats_in()), numbers(stage.planes * stage.plane));
    bencher.counter(bytes(x.len() + y.len())).bench_local(|| isa.stage(&stage, black_box(&x), 0, columns, &mut y));
}

/// Winograd's transforms of a layer, each alone.
mod winograd {
    use super::*;

    #[divan::bench(args = cases(Layer::squares().collect::<Vec<_>>().into_iter()))]
    fn input(bencher: Bencher<'_, '_>, Case { isa, layer }: Case) {
        let (tiles, count) = (layer.tiles(), layer.tile_count());
        let (plane, part) = (layer.side * layer.side * BLOCK, 36 * count * BLOCK);
        let x = numbers(layer.floats_in());
        let mut v = numbers(layer.channels / BLOCK * part);
        bencher.counter(bytes(x.len() + v.len())).bench_local(|| {
            for (x, v) in black_box(&x).chunks_exact(plane).zip(v.chunks_exact_mut(part)) {
                isa.winograd_input(&tiles, 0, tiles.columns, count, x, v);
            }
        });
    }

    #[divan::bench(args = cases(Layer::squares().collect::<Vec<_>>().into_iter()))]
    fn output(bencher: Bencher<'_, '_>, Case { isa, layer }: Case) {
        let tiles = layer.tiles();
        let (plane, part) = (layer.side * layer.side * BLOCK, 36 * layer.tile_count() * BLOCK);
        let (m, bias) = (numbers(layer.filters / BLOCK * part), numbers(BLOCK));
        let mut y = numbers(layer.floats_out());
        let finish = Finish { bias: Some(&bias), add: None, slope: Slope::Relu };
        bencher.counter(bytes(m.len() + y.len())).bench_local(|| {
            for (m, y) in black_box(&m).chunks_exact(part).zip(y.chunks_exact_mut(plane)) {
                isa.winograd_output(&tiles, 0, tiles.columns, layer.tile_count(), m, &finish, y);
            }
        });
    }

    #[divan::bench(args = Layer::squares())]
    fn weights(bencher: Bencher<'_, '_>, layer: Layer) {
        let isa = Isa::detect();
        let (w, mut u) = (numbers(layer.weights()), numbers(36 * layer.channels * layer.filters));
        let point = layer.channels * BLOCK;
        bencher.counter(bytes(w.len() + u.len())).bench_local(|| {
            let blocks = black_box(&w).chunks_exact(9 * point);
            for (w, u) in blocks.zip(u.chunks_exact_mut(36 * point)) {
                isa.winograd_weights(6, 3, w, point, u);
            }
        });
    }
}

/// The pools of ResNet-50, of one block of channels: 3×3 of stride 2, and the mean of all pixels.
mod pool {
    use super::*;

    fn three() -> Window {
        let (input, output) = ([1, 112, 112], [1, 56, 56]);
        Window { input, output, kernel: [1, 3, 3], stride: [1, 2, 2], pad: [0, 1, 1], dilation: [1; 3] }
    }

    fn whole() -> Window {
        let side = [1, 7, 7];
        Window { input: side, output: [1; 3], kernel: side, stride: [1; 3], pad: [0; 3], dilation: [1; 3] }
    }

    /// Input and output of sixteen channels, the bytes of both.
    fn operands(window: &Window) -> (Buffer, Buffer, BytesCount) {
        let (input, output) = (window.input_len() * BLOCK, window.output_len() * BLOCK);
        (numbers(input), numbers(output), bytes(input + output))
    }

    #[divan::bench(args = Isa::available())]
    fn max_of_blocks(bencher: Bencher<'_, '_>, isa: Isa) {
        let window = three();
        let (x, mut y, bytes) = operands(&window);
        bencher.counter(bytes).bench_local(|| isa.blocked_max_pool(&window, 0, black_box(&x), &mut y));
    }

    #[divan::bench(args = Isa::available())]
    fn max_of_planes(bencher: Bencher<'_, '_>, isa: Isa) {
        let window = three();
        let (x, mut y, bytes) = operands(&window);
        bencher.counter(bytes).bench_local(|| isa.max_pool(&window, black_box(&x), &mut y));
    }

    #[divan::bench(args = Isa::available())]
    fn mean_of_blocks(bencher: Bencher<'_, '_>, isa: Isa) {
        let (window, divisor) = (whole(), Divisor { count_pad: false, end: [1, 7, 7] });
        let (x, mut y, bytes) = operands(&window);
        bencher.counter(bytes).bench_local(|| isa.blocked_avg_pool(&window, &divisor, 0, black_box(&x), &mut y));
    }

    #[divan::bench(args = Isa::available())]
    fn mean_of_planes(bencher: Bencher<'_, '_>, isa: Isa) {
        let (window, divisor) = (whole(), Divisor { count_pad: false, end: [1, 7, 7] });
        let (x, mut y, bytes) = operands(&window);
        bencher.counter(bytes).bench_local(|| isa.avg_pool(&window, &divisor, black_box(&x), &mut y));
    }
}

/// What it costs to share work with another thread, while the threads are awake.
mod fork_join {
    use super::*;

    /// Threads that are there on most machines.
    const THREADS: [usize; 2] = [1, 2];

    /// A call with a part for each thread, in which there is nothing to do.
    #[divan::bench(args = THREADS)]
    fn nothing(bencher: Bencher<'_, '_>, threads: usize) {
        let (pool, mut scratch, mut y) = (Pool::new(threads), Scratch::new(threads, 0), vec![0.0; threads]);
        bencher.bench_local(|| pool.pieces(&mut y, 1, &mut scratch, &|_, y, _| _ = black_box(y)));
    }

    /// A call with the same work for each thread: what two take longer than one is the hand-off and the wait at the end.
    #[divan::bench(args = THREADS)]
    fn equal_parts(bencher: Bencher<'_, '_>, threads: usize) {
        let (isa, pool) = (Isa::detect(), Pool::new(threads));
        let (mut scratch, mut y) = (Scratch::new(threads, 0), Buffer::zeroed(threads * 32));
        bencher.bench_local(|| {
            pool.pieces(&mut y, 32, &mut scratch, &|_, y, _| isa.probe_multiply_add(black_box(4000), y));
        });
    }
}
