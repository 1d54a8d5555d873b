use super::super::checks::{assert_close, assert_within, everywhere, numbers};
use super::*;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const ALL: [Arithmetic; 4] = [Arithmetic::Add, Arithmetic::Sub, Arithmetic::Mul, Arithmetic::Div];

fn naive(op: Arithmetic, a: f32, b: f32) -> f64 {
    let (a, b) = (f64::from(a), f64::from(b));
    match op {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        Arithmetic::Div => a / b,
    }
}

/// Distances in a value that has only some of the axes of `shape`, and its length.
fn part(shape: [usize; 4], has: [bool; 4]) -> ([usize; 4], usize) {
    let (mut strides, mut len) = ([0; 4], 1);
    for axis in (0..4).rev().filter(|a| has[*a]) {
        strides[axis] = len;
        len *= shape[axis];
    }
    (strides, len)
}

/// The position in the part of each element of the whole.
fn positions(shape: [usize; 4], strides: [usize; 4]) -> Vec<usize> {
    let mut all = Vec::new();
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            for k in 0..shape[2] {
                all.extend((0..shape[3]).map(|l| i * strides[0] + j * strides[1] + k * strides[2] + l * strides[3]));
            }
        }
    }
    all
}

fn shapes() -> impl Strategy<Value = [usize; 4]> {
    (1_usize..4, 1_usize..5, 1_usize..6, prop_oneof![1_usize..6, 1_usize..70]).prop_map(|(i, j, k, l)| [i, j, k, l])
}

proptest! {
    #[test]
    fn repetition_agrees_with_loops(shape in shapes(), has_a: [bool; 4], has_b: [bool; 4], seed: u64) {
        let ((sa, la), (sb, lb)) = (part(shape, has_a), part(shape, has_b));
        let (a, b) = (numbers(seed, la), numbers(seed ^ 1, lb));
        let over = Broadcast { shape, a: sa, b: sb };
        for op in ALL {
            let places = positions(shape, sa).into_iter().zip(positions(shape, sb));
            let expected: Vec<f64> = places.map(|(i, j)| naive(op, a[i], b[j])).collect();
            for (isa, edge) in everywhere() {
                let mut y = edge.unset(expected.len());
                isa.arithmetic_broadcast(op, &over, &edge.of(&a), &edge.of(&b), &mut y);
                assert_close(&y, &expected, 1e-6, &format!("{isa:?} {op:?}"));
            }
        }
    }

    #[test]
    fn sums_are_what_repetition_takes_back(shape in shapes(), has: [bool; 4], seed: u64) {
        let (strides, len) = part(shape, has);
        let x = numbers(seed, shape.iter().product());
        let mut expected = vec![0.0; len];
        positions(shape, strides).into_iter().zip(&x).for_each(|(i, x)| expected[i] += f64::from(*x));
        // A sum of n numbers is of about √n, though it may happen to be near nothing.
        let size = (x.len() as f64 / len as f64).sqrt();
        for (isa, edge) in everywhere() {
            let mut y = edge.of(&vec![0.0; len]);
            isa.sum_to(shape, strides, &edge.of(&x), &mut y);
            assert_within(&y, &expected, 3e-6, size, &format!("{isa:?}"));
        }
    }

    #[test]
    fn maxima_along_axes_agree_with_loops(shape in shapes(), has: [bool; 4], seed: u64) {
        let (strides, len) = part(shape, has);
        // Few different numbers, so that several are the largest.
        let x: Vec<f32> = numbers(seed, shape.iter().product()).iter().map(|x| (x * 4.0).round()).collect();
        let dy = numbers(seed ^ 1, len);
        let places = positions(shape, strides);
        let (mut y, mut counts) = (vec![f64::NEG_INFINITY; len], vec![0.0; len]);
        places.iter().zip(&x).for_each(|(i, x)| y[*i] = y[*i].max(f64::from(*x)));
        places.iter().zip(&x).for_each(|(i, x)| counts[*i] += f64::from(f64::from(*x) == y[*i]));
        let share = |(i, x): (&usize, &f32)| if f64::from(*x) == y[*i] { f64::from(dy[*i]) / counts[*i] } else { 0.0 };
        let gradient: Vec<f64> = places.iter().zip(&x).map(share).collect();
        for (isa, edge) in everywhere() {
            let (x, mut got) = (edge.of(&x), edge.of(&vec![f32::NEG_INFINITY; len]));
            isa.max_to(shape, strides, &x, &mut got);
            assert_close(&got, &y, 0.0, &format!("{isa:?}"));
            let (mut counts, mut dx) = (edge.unset(len), edge.unset(x.len()));
            isa.max_to_grad(shape, strides, &edge.of(&dy), &x, &got, &mut counts, &mut dx);
            assert_close(&dx, &gradient, 1e-6, &format!("{isa:?} gradient"));
        }
    }

    #[test]
    fn axes_in_another_order_agree_with_loops(shape in shapes(), order in Just([0_usize, 1, 2, 3]).prop_shuffle(), seed: u64) {
        let x = numbers(seed, shape.iter().product());
        let turned = order.map(|axis| shape[axis]);
        let strides = order.map(|axis| shape[axis + 1..].iter().product());
        let expected: Vec<f32> = positions(turned, strides).into_iter().map(|at| x[at]).collect();
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(x.len());
            isa.transpose(turned, strides, &edge.of(&x), &mut y);
            prop_assert_eq!(&y[..], &expected, "{:?}", isa);
        }
    }

    #[test]
    fn equal_shapes_agree_with_loops(len in 0_usize..100, seed: u64, factor in -3.0_f32..3.0, offset in -3.0_f32..3.0) {
        let (x, y) = (numbers(seed, len), numbers(seed ^ 1, len));
        for (isa, edge) in everywhere() {
            for op in ALL {
                let expected: Vec<f64> = y.iter().zip(&x).map(|(y, x)| naive(op, *y, *x)).collect();
                let mut y = edge.of(&y);
                isa.arithmetic(op, &mut y, &edge.of(&x));
                assert_close(&y, &expected, 1e-6, &format!("{isa:?} {op:?}"));
            }
            let expected: Vec<f64> = y.iter().map(|y| f64::from(*y) * f64::from(factor) + f64::from(offset)).collect();
            let mut y = edge.of(&y);
            isa.scale(factor, offset, &mut y);
            assert_within(&y, &expected, 1e-6, 1.0, &format!("{isa:?} scale"));
        }
    }
}
