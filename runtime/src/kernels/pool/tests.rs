use super::super::checks::{self, assert_close, everywhere, numbers, pool_windows, wide};
use super::*;
use crate::Isa;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// The shapes that have code of their own.
fn special() -> Vec<Window> {
    let window = |input: [usize; 3], output: [usize; 3], kernel: [usize; 3], stride: [usize; 3]| Window {
        input,
        output,
        kernel,
        stride,
        pad: [0; 3],
        dilation: [1; 3],
    };
    vec![
        window([1, 8, 6], [1, 4, 3], [1, 2, 2], [1, 2, 2]),
        window([1, 9, 7], [1, 4, 3], [1, 2, 2], [1, 2, 2]),
        window([3, 4, 70], [3, 2, 35], [1, 2, 2], [1, 2, 2]),
        window([1, 7, 7], [1, 1, 1], [1, 7, 7], [1, 1, 1]),
        window([2, 3, 33], [1, 1, 1], [2, 3, 33], [5, 5, 5]),
        window([1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]),
    ]
}

/// The inputs that an output sees, in the order of the window.
fn seen(window: &Window, output: usize) -> Vec<usize> {
    (0..window.len()).filter_map(|element| checks::seen(window, output, element)).collect()
}

/// By what the mean of an output is taken: elements inside the input, or inside the padded input.
fn count(window: &Window, divisor: &Divisor, output: usize) -> f64 {
    if !divisor.count_pad {
        return seen(window, output).len() as f64;
    }
    let padded = Window { input: divisor.end, pad: [0; 3], ..*window };
    seen(&padded, output).len() as f64
}

fn check_max(window: &Window, x: &[f32]) {
    let (len, out) = (window.input_len(), window.output_len());
    let dy = numbers(7, x.len() / len * out);
    let from = numbers(9, x.len());
    let (mut expected, mut gradient, mut picked) = (Vec::new(), vec![0.0; x.len()], Vec::new());
    for (plane, x) in x.chunks_exact(len).enumerate() {
        for o in 0..out {
            let seen = seen(window, o);
            let first = seen.iter().copied().reduce(|best, i| if x[i] > x[best] { i } else { best });
            expected.push(first.map_or(f32::NEG_INFINITY, |i| x[i]));
            picked.push(first.map_or(0.0, |i| from[plane * len + i]));
            if let Some(i) = first {
                gradient[plane * len + i] += f64::from(dy[plane * out + o]);
            }
        }
    }
    for (isa, edge) in everywhere() {
        let [x, dy, from] = [x, &dy, &from].map(|values| edge.of(values));
        let (mut y, mut dx) = (edge.unset(dy.len()), edge.unset(x.len()));
        isa.max_pool(window, &x, &mut y);
        assert_eq!(y[..], expected, "{isa:?} {window:?}");
        isa.switched(window, &x, &from, &mut y);
        assert_eq!(y[..], picked, "{isa:?} {window:?}");
        isa.max_pool_grad(window, &x, &dy, &mut dx);
        assert_close(&dx, &gradient, 1e-6, &alloc::format!("{isa:?} {window:?}"));
    }
}

fn check_mean(window: &Window, divisor: &Divisor, x: &[f32]) {
    let (len, out) = (window.input_len(), window.output_len());
    let dy = numbers(8, x.len() / len * out);
    let (mut expected, mut gradient) = (Vec::new(), vec![0.0; x.len()]);
    for (plane, x) in x.chunks_exact(len).enumerate() {
        for o in 0..out {
            let (seen, count) = (seen(window, o), count(window, divisor, o));
            expected.push(seen.iter().map(|i| f64::from(x[*i])).sum::<f64>() / count);
            seen.iter().for_each(|i| gradient[plane * len + i] += f64::from(dy[plane * out + o]) / count);
        }
    }
    for (isa, edge) in everywhere() {
        let [x, dy] = [x, &dy].map(|values| edge.of(values));
        let (mut y, mut dx) = (edge.unset(dy.len()), edge.unset(x.len()));
        isa.avg_pool(window, divisor, &x, &mut y);
        assert_close(&y, &expected, 1e-6, &alloc::format!("{isa:?} {window:?}"));
        isa.avg_pool_grad(window, divisor, &dy, &mut dx);
        assert_close(&dx, &gradient, 1e-6, &alloc::format!("{isa:?} {window:?}"));
    }
}

/// Numbers of which many are equal, so that it matters which of them comes first.
fn ties(seed: u64, len: usize) -> Vec<f32> {
    numbers(seed, len).iter().map(|x| (x * 3.0).round() - 4.0).collect()
}

proptest! {
    #[test]
    fn maxima_are_the_first_largest((window, _) in pool_windows(), channels in 1_usize..3, seed: u64) {
        check_max(&window, &ties(seed, channels * window.input_len()));
    }

    #[test]
    fn means_are_means((window, end) in pool_windows(), channels in 1_usize..3, count_pad: bool, seed: u64) {
        // Windows of means have no dilation; what is then left over of the input, no window sees.
        let mut window = window;
        window.dilation = [1; 3];
        let x = numbers(seed, channels * window.input_len());
        let sees = |o| !seen(&window, o).is_empty();
        prop_assume!((0..window.output_len()).all(sees));
        check_mean(&window, &Divisor { count_pad, end }, &x);
    }
}

#[test]
fn frequent_shapes_agree_with_the_general_rule() {
    for (seed, window) in special().iter().enumerate() {
        check_max(window, &ties(seed as u64, 3 * window.input_len()));
        check_mean(
            window,
            &Divisor { count_pad: false, end: window.input },
            &numbers(seed as u64, 3 * window.input_len()),
        );
    }
}

#[test]
fn maxima_of_nothing_but_minus_infinity_have_a_gradient() {
    for window in special() {
        check_max(&window, &vec![f32::NEG_INFINITY; 2 * window.input_len()]);
    }
    // Dilation and padding: what the first window sees first is not the first input.
    let window = Window {
        input: [1, 1, 5],
        output: [1, 1, 3],
        kernel: [1, 1, 2],
        stride: [1; 3],
        pad: [0, 0, 1],
        dilation: [1, 1, 3],
    };
    check_max(&window, &[f32::NEG_INFINITY; 5]);
}

#[test]
fn maxima_keep_nan() {
    for window in special() {
        let mut x = vec![1.0; window.input_len()];
        let at = seen(&window, 0)[0];
        x[at] = f32::NAN;
        for isa in Isa::available() {
            let (mut y, mut dx) = (vec![0.0; window.output_len()], vec![0.0; x.len()]);
            isa.max_pool(&window, &x, &mut y);
            assert!(y[0].is_nan(), "{isa:?} {window:?}");
            let dy = vec![1.0; y.len()];
            isa.max_pool_grad(&window, &x, &dy, &mut dx);
            assert_eq!(dx[at], 1.0, "{isa:?} {window:?}");
        }
    }
}

#[test]
fn means_of_large_planes_stay_exact() {
    let window = Window {
        input: [1, 512, 512],
        output: [1; 3],
        kernel: [1, 512, 512],
        stride: [1; 3],
        pad: [0; 3],
        dilation: [1; 3],
    };
    let x: Vec<f32> = numbers(3, 512 * 512).iter().map(|x| x + 100.0).collect();
    let mean = wide(&x).iter().sum::<f64>() / x.len() as f64;
    for isa in Isa::available() {
        let mut y = [0.0];
        isa.avg_pool(&window, &Divisor { count_pad: false, end: window.input }, &x, &mut y);
        assert_close(&y, &[mean], 1e-7, "a plane of 512 by 512");
    }
}
