//! The register tile at any sizes and distances.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::kernels::blocked::tile::Core;
use crate::kernels::blocked::*;
use crate::kernels::checks::{assert_within, everywhere, numbers};
use crate::{Isa, Strip};

/// A tile and where it writes.
#[derive(Clone, Debug)]
struct Case {
    channels: usize,
    lanes: usize,
    block: usize,
    taps: Vec<usize>,
    rows: usize,
    columns: usize,
    x_row: usize,
    w_block: usize,
    /// Blocks of output channels.
    blocks: usize,
    /// Floats of each plane of the output before and behind what is written.
    around: [usize; 2],
    slope: Slope,
    biased: bool,
    added: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let channels = prop_oneof![(1_usize..150).prop_map(|c| (c, BLOCK)), (1_usize..6).prop_map(|c| (c, 1))];
    // Widths around the sizes of tiles, rows that are taken several at a time.
    let pixels = (1_usize..10, prop_oneof![1_usize..9, 1_usize..70]);
    let taps = prop_oneof![prop::collection::vec(0_usize..100, 1), prop::collection::vec(0_usize..100, 1..10)];
    let distances = (0_usize..200, taps, 0_usize..400, 0_usize..40);
    let output = (1_usize..7, [0_usize..40, 0_usize..40]);
    let slope = prop_oneof![Just(Slope::One), Just(Slope::Relu), Just(Slope::Leaky(0.25))];
    (channels, pixels, distances, output, slope, any::<bool>(), any::<bool>()).prop_map(
        |((channels, lanes), (rows, columns), distances, (blocks, around), slope, biased, added)| {
            let (block, taps, x_row, gap) = distances;
            let w_block = channels.next_multiple_of(lanes) * taps.len() * BLOCK + gap;
            Case { channels, lanes, block, taps, rows, columns, x_row, w_block, blocks, around, slope, biased, added }
        },
    )
}

impl Case {
    fn tile(&self) -> Tile<'_> {
        let Self { channels, lanes, block, ref taps, columns, x_row, w_block, .. } = *self;
        Tile { channels, lanes, block, taps, columns, x_row, w_block, next: Next::Weights(w_block) }
    }

    /// Floats of the output of one block, and of its plane.
    fn output(&self) -> (usize, usize) {
        let floats = self.rows * self.columns * BLOCK;
        (floats, self.around[0] + floats + self.around[1])
    }

    /// Floats of the input, no more than are asked for.
    fn input_len(&self) -> usize {
        let farthest = self.taps.iter().max().expect("a tap") + (self.channels.div_ceil(self.lanes) - 1) * self.block;
        farthest + (self.rows - 1) * self.x_row + self.columns * self.lanes
    }

    /// Weights; NaN where none is read: those of channels that do not exist, and between blocks.
    fn weights(&self, seed: u64) -> Vec<f32> {
        let tile = self.tile();
        let mut w = numbers(seed, (self.blocks - 1) * self.w_block + tile.weights());
        for (at, w) in w.iter_mut().enumerate() {
            let row = at % self.w_block / BLOCK;
            let channel = row / (self.taps.len() * self.lanes) * self.lanes + row % self.lanes;
            if channel >= self.channels {
                *w = f32::NAN;
            }
        }
        w
    }

    /// What the loops write, block after block.
    fn expected(&self, x: &[f32], w: &[f32], finish: &Finish<'_>) -> Vec<f64> {
        let (_, plane) = self.output();
        let mut all = Vec::new();
        for (block, pixel) in (0..self.blocks).flat_map(|b| (0..self.rows * self.columns).map(move |p| (b, p))) {
            let from = pixel / self.columns * self.x_row + pixel % self.columns * self.lanes;
            for lane in 0..BLOCK {
                let mut sum = finish.bias.map_or(0.0, |b| f64::from(b[block * BLOCK + lane]));
                for channel in 0..self.channels {
                    let (outer, inner) = (channel / self.lanes, channel % self.lanes);
                    for (t, tap) in self.taps.iter().enumerate() {
                        let row = (outer * self.taps.len() + t) * self.lanes + inner;
                        let weight = w[block * self.w_block + row * BLOCK + lane];
                        sum += f64::from(weight) * f64::from(x[tap + outer * self.block + inner + from]);
                    }
                }
                sum += finish.add.map_or(0.0, |a| f64::from(a[block * plane + pixel * BLOCK + lane]));
                all.push(match self.slope {
                    Slope::One => sum,
                    Slope::Relu => sum.max(0.0),
                    Slope::Leaky(slope) => sum.max(f64::from(slope) * sum),
                });
            }
        }
        all
    }
}

proptest! {
    #[test]
    fn tiles_agree_with_loops(case in cases(), seed: u64, quads: bool, part in 1000_usize..40_000) {
        let (floats, plane) = case.output();
        let (x, w) = (numbers(seed, case.input_len()), case.weights(seed ^ 1));
        let (bias, add) = (numbers(seed ^ 2, case.blocks * BLOCK), numbers(seed ^ 3, (case.blocks - 1) * plane + floats));
        for (isa, edge) in everywhere() {
            let [x, w, bias, add] = [&x, &w, &bias, &add].map(|values| edge.of(values));
            let finish =
                Finish { bias: case.biased.then_some(&bias), add: case.added.then_some(&add), slope: case.slope };
            let range = case.around[0]..case.around[0] + floats;
            // What is asked for ahead changes nothing, wherever it is.
            let next = match (case.biased, case.added) {
                (true, true) => Next::Shared(case.w_block),
                (true, false) => Next::Weights(case.w_block),
                (false, _) => Next::part([&x, &w], 1, 3),
            };
            let tile = Tile { next, ..case.tile() };
            let on = |core| {
                let mut y = edge.of(&vec![9.0; case.blocks * plane]);
                let mut strip = Strip::of(&mut y, plane, range.clone());
                isa.convolve_on(core, &tile, case.rows, &x, &w, &finish, &mut strip);
                y.to_vec()
            };
            let y = on(Core::SMALL);
            let expected = case.expected(&x, &w, &finish);
            for (y, expected) in y.chunks_exact(plane).zip(expected.chunks_exact(floats)) {
                assert_within(&y[range.clone()], expected, 1e-5, 1.0, &format!("{isa:?}"));
                let beside = y[..range.start].iter().chain(&y[range.end..]);
                prop_assert!(beside.into_iter().all(|y| *y == 9.0), "{:?} wrote beside the strip", isa);
            }
            // As other cores do it: the same to the last bit.
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&y), bits(&on(Core { quads, part })), "{:?}", isa);
        }
    }
}

#[test]
#[should_panic(expected = "are read")]
fn sizes_beyond_memory_are_refused() {
    // Times sixteen channels this is more than a `usize` counts; a product that wraps around would be zero.
    let columns = usize::MAX / BLOCK + 1;
    let tile = Tile {
        channels: 16,
        lanes: BLOCK,
        block: 0,
        taps: &[0],
        columns,
        x_row: 0,
        w_block: 0,
        next: Next::Weights(0),
    };
    let (w, mut y) = ([0.0; BLOCK * BLOCK], [0.0; BLOCK]);
    Isa::detect().convolve(&tile, 1, &[], &w, &Finish::default(), &mut Strip::of(&mut y, BLOCK, 0..BLOCK));
}
