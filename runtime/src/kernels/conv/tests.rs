use super::super::checks::{assert_within, everywhere, numbers, seen, wide, windows};
use super::*;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Calls `f(output, weight, input)` for every product of a depthwise convolution.
fn products(window: &Window, planes: usize, mut f: impl FnMut(usize, usize, usize)) {
    let (input, output, len) = (window.input_len(), window.output_len(), window.len());
    for plane in 0..planes {
        for (o, element) in (0..output).flat_map(|o| (0..len).map(move |e| (o, e))) {
            if let Some(i) = seen(window, o, element) {
                f(plane * output + o, plane * len + element, plane * input + i);
            }
        }
    }
}

proptest! {
    #[test]
    fn depthwise_agrees_with_loops(window in windows(), planes in 1_usize..4, biased: bool, seed: u64) {
        let (x, w) = (numbers(seed, planes * window.input_len()), numbers(seed ^ 1, planes * window.len()));
        let (bias, dy) = (numbers(seed ^ 2, planes), numbers(seed ^ 3, planes * window.output_len()));
        let start = |o: usize| if biased { f64::from(bias[o / window.output_len()]) } else { 0.0 };
        let mut y: Vec<f64> = (0..dy.len()).map(start).collect();
        let mut dx = vec![0.0; x.len()];
        products(&window, planes, |o, weight, i| {
            y[o] += f64::from(x[i]) * f64::from(w[weight]);
            dx[i] += f64::from(dy[o]) * f64::from(w[weight]);
        });
        for (isa, edge) in everywhere() {
            let [x, w, bias, dy] = [&x, &w, &bias, &dy].map(|values| edge.of(values));
            let mut got = edge.unset(dy.len());
            isa.depthwise(&window, planes, &x, &w, biased.then_some(&bias), &mut got);
            assert_within(&got, &y, 1e-5, 1.0, &format!("{isa:?} {window:?}"));
            let mut got = edge.unset(x.len());
            isa.depthwise_grad_input(&window, planes, &w, &dy, &mut got);
            assert_within(&got, &dx, 1e-5, 1.0, &format!("{isa:?} {window:?}"));
        }
    }

    #[test]
    fn sums_over_channels_agree_with_loops(
        images in 1_usize..4, channels in 1_usize..5, first in 0_usize..5, places in 1_usize..70, seed: u64,
    ) {
        let first = first.min(channels - 1);
        let dy = numbers(seed, images * channels * places);
        let of = |c: usize| -> f64 {
            wide(&dy).chunks(channels * places).map(|image| image[c * places..][..places].iter().sum::<f64>()).sum()
        };
        let expected: Vec<f64> = (first..channels).map(of).collect();
        for (isa, edge) in everywhere() {
            let (dy, mut y) = (edge.of(&dy), edge.unset(channels - first));
            isa.channel_sum(Batch::dense(&dy, channels * places), first, places, &mut y);
            assert_within(&y, &expected, 1e-5, 1.0, &format!("{isa:?}"));
        }
    }
}
