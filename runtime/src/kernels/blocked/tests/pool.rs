//! Pools of blocks.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::Isa;
use crate::kernels::blocked::*;
use crate::kernels::checks::{assert_within, everywhere, numbers, pool_windows, seen};
use crate::kernels::{Divisor, Window};

/// The inputs that an output sees, in the order of the window.
fn all_seen(window: &Window, output: usize) -> Vec<usize> {
    (0..window.len()).filter_map(|element| seen(window, output, element)).collect()
}

proptest! {
    #[test]
    fn maxima_are_the_first_largest((window, _) in pool_windows(), first in 0_usize..9, count in 1_usize..300, seed: u64) {
        let (input, output) = (window.input_len(), window.output_len());
        let first = first.min(output - 1);
        let count = count.min(output - first);
        // Many equal ones, so that it matters which of them comes first.
        let x: Vec<f32> = numbers(seed, input * BLOCK).iter().map(|x| (x * 3.0).round() - 4.0).collect();
        let dy = numbers(seed ^ 1, output * BLOCK);
        let (mut y, mut dx) = (vec![f32::NEG_INFINITY; output * BLOCK], vec![0.0; x.len()]);
        for (o, lane) in (0..output).flat_map(|o| (0..BLOCK).map(move |lane| (o, lane))) {
            let seen = all_seen(&window, o).into_iter().map(|i| i * BLOCK + lane);
            if let Some(best) = seen.reduce(|best, i| if x[i] > x[best] { i } else { best }) {
                y[o * BLOCK + lane] = x[best];
                dx[best] += f64::from(dy[o * BLOCK + lane]);
            }
        }
        for (isa, edge) in everywhere() {
            let (x, dy) = (edge.of(&x), edge.of(&dy));
            let (mut got, mut gradient) = (edge.unset(count * BLOCK), edge.unset(x.len()));
            isa.blocked_max_pool(&window, first, &x, &mut got);
            prop_assert_eq!(&got[..], &y[first * BLOCK..][..count * BLOCK], "{:?}", isa);
            isa.blocked_max_pool_grad(&window, &x, &dy, &mut gradient);
            assert_within(&gradient, &dx, 1e-6, 1.0, &format!("{isa:?}"));
        }
    }

    #[test]
    fn means_are_means((window, end) in pool_windows(), first in 0_usize..9, count in 1_usize..300, count_pad: bool, seed: u64) {
        let window = Window { dilation: [1; 3], ..window };
        let (input, output) = (window.input_len(), window.output_len());
        prop_assume!((0..output).all(|o| !all_seen(&window, o).is_empty()));
        let first = first.min(output - 1);
        let count = count.min(output - first);
        let (x, dy) = (numbers(seed, input * BLOCK), numbers(seed ^ 1, output * BLOCK));
        let padded = Window { input: end, pad: [0; 3], ..window };
        let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
        for o in 0..output {
            let seen = all_seen(&window, o);
            let counted = if count_pad { all_seen(&padded, o).len() } else { seen.len() } as f64;
            for (i, lane) in seen.iter().flat_map(|i| (0..BLOCK).map(move |lane| (i * BLOCK, lane))) {
                y[o * BLOCK + lane] += f64::from(x[i + lane]) / counted;
                dx[i + lane] += f64::from(dy[o * BLOCK + lane]) / counted;
            }
        }
        let divisor = Divisor { count_pad, end };
        for (isa, edge) in everywhere() {
            let (x, dy) = (edge.of(&x), edge.of(&dy));
            let (mut got, mut gradient) = (edge.unset(count * BLOCK), edge.unset(x.len()));
            isa.blocked_avg_pool(&window, &divisor, first, &x, &mut got);
            assert_within(&got, &y[first * BLOCK..][..count * BLOCK], 1e-6, 1.0, &format!("{isa:?}"));
            isa.blocked_avg_pool_grad(&window, &divisor, &dy, &mut gradient);
            assert_within(&gradient, &dx, 1e-6, 1.0, &format!("{isa:?}"));
        }
    }
}

#[test]
#[should_panic(expected = "input of the pool")]
fn sizes_beyond_memory_are_refused() {
    let input = [1, 1, usize::MAX / BLOCK + 1];
    let window = Window { input, output: [1; 3], kernel: [1; 3], stride: [1; 3], pad: [0; 3], dilation: [1; 3] };
    Isa::detect().blocked_max_pool(&window, 0, &[], &mut [0.0; BLOCK]);
}
