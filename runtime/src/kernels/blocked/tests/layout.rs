//! What moves numbers: staged rows, blocks and planes, packed weights.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::kernels::blocked::*;
use crate::kernels::checks::{everywhere, numbers};

fn stages() -> impl Strategy<Value = (Stage, usize, usize)> {
    let sizes = (1_usize..4, prop_oneof![Just(1), Just(BLOCK)], [1_usize..7, 1_usize..12], [0_usize..4, 0_usize..4]);
    let copy = (1_usize..4, 1_usize..5, 1_usize..5, 1_usize..14, 0_usize..9, 0_usize..6, 1_usize..6);
    (sizes, copy).prop_map(|((planes, lanes, input, pad), copy)| {
        let (row_step, stride, phases, columns, gap, first, rows) = copy;
        let phases = phases.min(stride);
        let plane = rows * phases * columns * lanes + gap;
        (Stage { planes, lanes, input, pad, row_step, stride, phases, columns, plane }, first, rows)
    })
}

/// What is copied to a float of the stage, NaN between planes.
fn staged(stage: &Stage, first: usize, x: &[f32], at: usize) -> f32 {
    let [height, width] = stage.input;
    let (plane, rest) = (at / stage.plane, at % stage.plane);
    let (pixel, lane) = (rest / stage.lanes, rest % stage.lanes);
    let (line, phase, column) =
        (pixel / (stage.phases * stage.columns), pixel / stage.columns % stage.phases, pixel % stage.columns);
    let row = (first + line * stage.row_step).wrapping_sub(stage.pad[0]);
    let column = (column * stage.stride + phase).wrapping_sub(stage.pad[1]);
    if row < height && column < width { x[((plane * height + row) * width + column) * stage.lanes + lane] } else { 0.0 }
}

fn packings() -> impl Strategy<Value = Packing> {
    let lanes = prop_oneof![Just(1), Just(BLOCK)];
    (1_usize..70, 1_usize..40, 1_usize..10, lanes, any::<bool>())
        .prop_map(|(filters, channels, taps, lanes, backwards)| Packing { filters, channels, taps, lanes, backwards })
}

proptest! {
    #[test]
    fn stages_are_padded_rows((stage, first, rows) in stages(), seed: u64) {
        let x = numbers(seed, stage.planes * stage.input[0] * stage.input[1] * stage.lanes);
        let copied = rows * stage.phases * stage.columns * stage.lanes;
        let len = (stage.planes - 1) * stage.plane + copied;
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(len);
            isa.stage(&stage, &edge.of(&x), first, rows, &mut y);
            for (at, y) in y.iter().enumerate() {
                let between = at % stage.plane >= copied;
                prop_assert!(if between { y.is_nan() } else { *y == staged(&stage, first, &x, at) }, "{:?} at {}", isa, at);
            }
        }
    }

    #[test]
    fn phases_are_every_so_many_pixels(
        (planes, stride) in (1_usize..5, [1_usize..5, 1_usize..5]), input in [1_usize..9, 1_usize..9],
        before in [0_usize..6, 0_usize..3], output in [1_usize..6, 1_usize..6], first in 0_usize..3, seed: u64,
    ) {
        let phases = Phases { planes, input, stride, before, output };
        let (x, [rows, columns]) = (numbers(seed, planes * input[0] * input[1]), output);
        let phase = |channel: usize, row: usize, column: usize| {
            let (plane, i, j) = (channel / stride[1] / stride[0], channel / stride[1] % stride[0], channel % stride[1]);
            let row = (row * stride[0] + i).wrapping_sub(before[0]);
            let column = (column * stride[1] + j).wrapping_sub(before[1]);
            let inside = plane < planes && row < input[0] && column < input[1];
            if inside { x[(plane * input[0] + row) * input[1] + column] } else { 0.0 }
        };
        let channels = planes * stride[0] * stride[1];
        let places = rows * columns;
        let expected: Vec<f32> =
            (0..channels * places).map(|at| phase(at / places, at / columns % rows, at % columns)).collect();
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(expected.len());
            isa.phases(&phases, &edge.of(&x), &mut y);
            prop_assert_eq!(&y[..], &expected);
            for block in 0..channels.div_ceil(BLOCK) {
                let mut y = edge.unset(places * BLOCK);
                isa.phases_of_block(&phases, block, first, &edge.of(&x), &mut y);
                for (at, y) in y.iter().enumerate() {
                    let (place, lane) = (at / BLOCK, at % BLOCK);
                    let there = block * BLOCK + lane < channels;
                    let expected = phase(block * BLOCK + lane, first + place / columns, place % columns);
                    prop_assert!(if there { *y == expected } else { y.is_nan() }, "{:?} at {}", isa, at);
                }
            }
        }
    }

    #[test]
    fn planes_become_blocks_and_planes_again(channels in 1_usize..17, places in 1_usize..60, seed: u64) {
        let x = numbers(seed, channels * places);
        let of = |at: usize| if at % BLOCK < channels { x[at % BLOCK * places + at / BLOCK] } else { 0.0 };
        let expected: Vec<f32> = (0..places * BLOCK).map(of).collect();
        for (isa, edge) in everywhere() {
            let (mut y, mut back) = (edge.unset(places * BLOCK), edge.unset(x.len()));
            isa.block(places, &edge.of(&x), &mut y);
            prop_assert_eq!(&y[..], &expected);
            isa.unblock(places, &y, &mut back);
            prop_assert_eq!(&back[..], &x);
        }
    }

    #[test]
    fn weights_are_packed(packing in packings(), seed: u64) {
        let Packing { filters, channels, taps, lanes, backwards } = packing;
        let w = numbers(seed, filters * channels * taps);
        let plain = |filter: usize, channel: usize, tap: usize| {
            if backwards { (channel * filters + filter) * taps + taps - 1 - tap } else { (filter * channels + channel) * taps + tap }
        };
        for block in 0..filters.div_ceil(BLOCK) {
            let mut expected = vec![0.0; channels.next_multiple_of(lanes) * taps * BLOCK];
            for (at, y) in expected.iter_mut().enumerate() {
                let (row, filter) = (at / BLOCK, block * BLOCK + at % BLOCK);
                let (channel, tap) = (row / (taps * lanes) * lanes + row % lanes, row / lanes % taps);
                if filter < filters && channel < channels {
                    *y = w[plain(filter, channel, tap)];
                }
            }
            for (isa, edge) in everywhere() {
                let mut y = edge.unset(expected.len());
                isa.pack(&packing, block, &edge.of(&w), &mut y);
                prop_assert_eq!(&y[..], &expected);
            }
        }
    }

    #[test]
    fn filters_are_scaled(rows in 0_usize..40, seed: u64) {
        let (w, scales) = (numbers(seed, rows * BLOCK), numbers(seed ^ 1, BLOCK));
        let factors: [f32; BLOCK] = core::array::from_fn(|filter| scales[filter]);
        let expected: Vec<f32> = w.iter().enumerate().map(|(at, w)| w * factors[at % BLOCK]).collect();
        for (isa, edge) in everywhere() {
            let mut y = edge.of(&w);
            isa.scale_filters(&factors, &mut y);
            prop_assert_eq!(&y[..], &expected);
        }
    }

    #[test]
    fn gradients_are_unpacked(packing in packings(), first in 0_usize..70, count in 1_usize..20, seed: u64) {
        let packing = Packing { backwards: false, ..packing };
        let Packing { filters, channels, taps, lanes, .. } = packing;
        let first = first.min(filters - 1);
        let count = count.min(filters - first);
        let part = taps * lanes * BLOCK;
        let w = numbers(seed, filters.div_ceil(2 * BLOCK) * channels.div_ceil(lanes) * 2 * part);
        let of = |at: usize| {
            let (filter, channel, tap) = (first + at / (channels * taps), at / taps % channels, at % taps);
            let piece = (filter / (2 * BLOCK) * channels.div_ceil(lanes) + channel / lanes) * 2 + filter / BLOCK % 2;
            w[piece * part + (tap * lanes + channel % lanes) * BLOCK + filter % BLOCK]
        };
        let expected: Vec<f32> = (0..count * channels * taps).map(of).collect();
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(expected.len());
            isa.unpack(&packing, first, &edge.of(&w), &mut y);
            prop_assert_eq!(&y[..], &expected);
        }
    }
}
