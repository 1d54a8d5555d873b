use super::super::checks::{assert_within, everywhere, numbers};
use super::*;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Any distances between planes, rows, elements of the window and weights.
fn cases() -> impl Strategy<Value = Shifted> {
    // Widths of windows with remainders of all sizes; some rows that are longer than what is summed over at a time.
    let width = prop_oneof![1_usize..8, 1_usize..24];
    let columns = prop_oneof![10 => 1_usize..20, 10 => 1_usize..60, 1 => 2000_usize..2300];
    let sizes = (1_usize..16, 1_usize..4, 1_usize..4, width, 1_usize..6, columns);
    let distances = (0_usize..9, 1_usize..3, 1_usize..3, 0_usize..50, 0_usize..3, 0_usize..3, any::<bool>());
    let filled = (0_usize..4, 0_usize..9);
    (sizes, distances, filled).prop_map(|((filters, channels, height, width, rows, columns), distances, filled)| {
        let (gap, row, column, plane, channel, filter, backwards) = distances;
        let a_channel = height * width + channel;
        Shifted {
            filters,
            channels,
            kernel: [height, width],
            dilation: [row, column],
            plane,
            pitch: columns + gap,
            output: [rows, columns],
            filled: [filled.0, filled.0 + filled.1],
            a_filter: channels * a_channel + filter,
            a_channel,
            backwards,
        }
    })
}

/// Calls `f(result, weight, input)` for every product.
fn products(g: &Shifted, mut f: impl FnMut(usize, usize, usize)) {
    let [height, width] = g.kernel;
    for (filter, channel) in (0..g.filters).flat_map(|i| (0..g.channels).map(move |c| (i, c))) {
        for (h, w) in (0..height).flat_map(|h| (0..width).map(move |w| (h, w))) {
            let element = if g.backwards { height * width - 1 - (h * width + w) } else { h * width + w };
            let weight = filter * g.a_filter + channel * g.a_channel + element;
            let from = channel * g.plane + h * g.step()[0] + w * g.step()[1];
            (0..g.columns()).for_each(|j| f(filter * g.columns() + j, weight, from + j));
        }
    }
}

proptest! {
    #[test]
    fn products_agree_with_loops(g in cases(), biased: bool, seed: u64) {
        // Planes of their own, whose rows outside those that are filled are zero.
        let rows = g.output[0] + (g.kernel[0] - 1) * g.dilation[0];
        let g = Shifted { plane: (rows + 2) * g.pitch + g.kernel[1] * g.dilation[1], ..g };
        let (a, mut x, bias) = (numbers(seed, g.weights()), numbers(seed ^ 1, g.reach()), numbers(seed ^ 2, g.filters));
        let row = |i: usize| i % g.plane / g.pitch;
        x.iter_mut().enumerate().filter(|(i, _)| !(g.filled[0]..g.filled[1]).contains(&row(*i))).for_each(|(_, x)| *x = 0.0);
        // A row of planes that columns of the window reach behind their last one is not theirs.
        let g = Shifted { kernel: [g.kernel[0], g.kernel[1].min((g.pitch - g.output[1]) / g.dilation[1] + 1)], ..g };
        let start = |i: usize| if biased { f64::from(bias[i / g.columns()]) } else { 0.0 };
        let mut c: Vec<f64> = (0..g.filters * g.columns()).map(start).collect();
        products(&g, |o, weight, i| c[o] += f64::from(a[weight]) * f64::from(x[i]));
        let between = |i: usize| i % g.columns() % g.pitch >= g.output[1];
        c.iter_mut().enumerate().filter(|(i, _)| between(*i)).for_each(|(_, c)| *c = 0.0);
        for (isa, edge) in everywhere() {
            let (a, x, bias, mut got) = (edge.of(&a), edge.of(&x), edge.of(&bias), edge.unset(c.len()));
            isa.shifted(&g, &a, &x, biased.then_some(&bias), &mut got);
            // What lies between rows is anything.
            got.iter_mut().enumerate().filter(|(i, _)| between(*i)).for_each(|(_, got)| *got = 0.0);
            assert_within(&got, &c, 1e-5, 1.0, &format!("{isa:?} {g:?}"));
        }
    }

    #[test]
    fn gradients_by_weights_agree_with_loops(g in cases(), images in 0_usize..4, seed: u64) {
        // The kernel for weights walks windows forwards only.
        let g = Shifted { backwards: false, ..g };
        let (planes, rows) = (g.channels * g.plane, g.filters * g.columns());
        let (old, x) = (numbers(seed, g.weights()), numbers(seed ^ 1, images.saturating_sub(1) * planes + g.reach()));
        let dy = numbers(seed ^ 2, images * rows);
        let mut dw: Vec<f64> = old.iter().map(|w| f64::from(*w)).collect();
        for image in 0..images {
            let product = |o: usize, i: usize| f64::from(dy[image * rows + o]) * f64::from(x[image * planes + i]);
            products(&g, |o, weight, i| dw[weight] += product(o, i));
        }
        for (isa, edge) in everywhere() {
            let (x, dy, mut got) = (edge.of(&x), edge.of(&dy), edge.of(&old));
            isa.shifted_weights(&g, images, &dy, &x, &mut got);
            assert_within(&got, &dw, 1e-5, 1.0, &format!("{isa:?} {g:?}"));
        }
    }

    #[test]
    fn planes_are_padded(
        from in [1_usize..7, 1_usize..9], at in [0_usize..4, 0_usize..4], more in [0_usize..4, 0_usize..4],
        planes in 1_usize..4, seed: u64,
    ) {
        let to = [0, 1].map(|a| from[a] + at[a] + more[a]);
        let x = numbers(seed, planes * from[0] * from[1]);
        let mut expected = vec![0.0; planes * to[0] * to[1]];
        for (i, x) in x.iter().enumerate() {
            let (plane, row, column) = (i / (from[0] * from[1]), i / from[1] % from[0], i % from[1]);
            expected[(plane * to[0] + at[0] + row) * to[1] + at[1] + column] = *x;
        }
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(expected.len());
            isa.pad_planes(from, to, at, &edge.of(&x), &mut y);
            prop_assert_eq!(&y[..], &expected);
        }
    }

    #[test]
    fn columns_between_rows_go_and_come_back(
        width in 1_usize..9, between in 0_usize..4, height in 1_usize..6, planes in 1_usize..4, seed: u64,
    ) {
        let (pitch, columns) = (width + between, (height - 1) * (width + between) + width);
        let x = numbers(seed, planes * height * width);
        let mut spread = vec![0.0; planes * columns];
        for (i, x) in x.iter().enumerate() {
            spread[i / (height * width) * columns + i / width % height * pitch + i % width] = *x;
        }
        for (isa, edge) in everywhere() {
            let (mut there, mut back) = (edge.unset(spread.len()), edge.unset(x.len()));
            isa.insert_columns(width, pitch, columns, &edge.of(&x), &mut there);
            prop_assert_eq!(&there[..], &spread);
            isa.drop_columns(width, pitch, columns, &there, &mut back);
            prop_assert_eq!(&back[..], &x);
        }
    }
}

#[test]
#[should_panic(expected = "operands hold their parts")]
fn distances_beyond_memory_are_refused() {
    // Twice this distance a `usize` does not count; a product that wraps around would be zero.
    let plane = usize::MAX / 2 + 1;
    let g = Shifted {
        filters: 1,
        channels: 3,
        kernel: [1, 1],
        dilation: [1, 1],
        plane,
        pitch: 1,
        output: [1, 1],
        filled: [0, 1],
        a_filter: 3,
        a_channel: 1,
        backwards: false,
    };
    Isa::detect().shifted(&g, &[0.0; 3], &[0.0], None, &mut [0.0]);
}
