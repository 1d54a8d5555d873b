use super::super::checks::{assert_close, assert_within, everywhere, numbers, wide};
use super::*;
use crate::Isa;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const SHAPES: [[f32; 2]; 3] = [[8.0, 8.0], [18.0, 9.0], [11.0, 24.0]];

fn anchors(cells: [usize; 2], shapes: usize) -> Anchors<'static> {
    let bounds = [8.0 * cells[0] as f32 + 3.0, 8.0 * cells[1] as f32];
    Anchors { cells, stride: 8.0, bounds, shapes: &SHAPES[..shapes] }
}

/// Objects of three classes, some of them padding.
fn objects(seed: u64, count: usize) -> Vec<f32> {
    let row =
        |o: &[f32]| [1.0 + 2.0 * o[0], 20.0 + 20.0 * o[1], 20.0 + 20.0 * o[2], 8.0 + 9.0 * o[3], 8.0 + 9.0 * o[4]];
    numbers(seed ^ 3, 5 * count).chunks_exact(5).flat_map(row).collect()
}

fn matching() -> Matching {
    Matching { positive: 0.5, negative: [0.0, 0.3], sample: 6.0, share: 0.5, balance: 2.0 }
}

/// Differences of `f`, whose sums are in single precision.
fn differences(x: &[f32], f: impl Fn(&[f32]) -> f32) -> Vec<f64> {
    let slope = |at: usize| {
        let moved = |by: f32| {
            let mut moved = x.to_vec();
            moved[at] += by;
            f64::from(f(&moved))
        };
        (moved(1e-2) - moved(-1e-2)) / 2e-2
    };
    (0..x.len()).map(slope).collect()
}

proptest! {
    #[test]
    fn proposals_are_the_best_that_are_apart(
        cells in [1_usize..5, 1_usize..6], shapes in 1_usize..4, count in 1_usize..9, pre in 1_usize..60, seed: u64,
    ) {
        let (anchors, how) = (anchors(cells, shapes), Selection { pre, iou: 0.4, min_size: 3.0 });
        let all = anchors.count();
        let (scores, x) = (numbers(seed, all), numbers(seed ^ 1, 4 * all));
        let mut order: Vec<usize> = (0..all).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut kept: Vec<[f64; 4]> = Vec::new();
        for index in order.into_iter().take(pre) {
            let (shape, cell) = (index / (cells[0] * cells[1]), index % (cells[0] * cells[1]));
            let t = |j: usize| f64::from(x[(4 * shape + j) * cells[0] * cells[1] + cell]);
            let size = [0, 1].map(|i| f64::from(SHAPES[shape][i]));
            let middle = [(cell % cells[1]) as f64 * 8.0 + 4.0, (cell / cells[1]) as f64 * 8.0 + 4.0];
            let edge = |i: usize, side: f64| {
                let at = middle[i] + t(i) * size[i] + side * size[i] * t(i + 2).exp();
                at.clamp(0.0, f64::from(anchors.bounds[1 - i]))
            };
            let b = [edge(0, -0.5), edge(1, -0.5), edge(0, 0.5), edge(1, 0.5)];
            let area = |b: &[f64; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
            let shared = |o: &[f64; 4]| {
                let both = area(&[b[0].max(o[0]), b[1].max(o[1]), b[2].min(o[2]), b[3].min(o[3])]);
                both / (area(&b) + area(o) - both)
            };
            if b[2] - b[0] >= 3.0 && b[3] - b[1] >= 3.0 && !kept.iter().any(|o| shared(o) > 0.4) {
                kept.push(b);
            }
        }
        let expected: Vec<f64> =
            kept.into_iter().flatten().chain(core::iter::repeat(0.0)).take(4 * count).collect();
        for (isa, edge) in everywhere() {
            let (mut y, mut scratch) = (edge.unset(4 * count), edge.unset(all));
            isa.proposals(&anchors, &how, &edge.of(&scores), &edge.of(&x), &mut y, &mut scratch);
            assert_close(&y, &expected, 1e-5, &format!("{isa:?} {anchors:?}"));
        }
    }

    #[test]
    fn gradients_are_differences(cells in [2_usize..5, 2_usize..6], shapes in 1_usize..4, count in 1_usize..4, seed: u64) {
        let rpn = Rpn { anchors: anchors(cells, shapes), how: matching() };
        let all = rpn.anchors.count();
        let (scores, x, objects) = (numbers(seed, all), numbers(seed ^ 1, 4 * all), objects(seed, count));
        let first = Isa::detect();
        let scratch = || vec![0.0; all + count];
        let value = first.rpn(&rpn, &scores, &x, &objects, &mut scratch());
        let mut expected = differences(&scores, |scores| first.rpn(&rpn, scores, &x, &objects, &mut scratch()));
        expected.extend(differences(&x, |x| first.rpn(&rpn, &scores, x, &objects, &mut scratch())));
        for (isa, edge) in everywhere() {
            let (scores, x, objects) = (edge.of(&scores), edge.of(&x), edge.of(&objects));
            let (mut dx, mut scratch) = (edge.unset(5 * all), edge.unset(all + count));
            let got = isa.rpn(&rpn, &scores, &x, &objects, &mut scratch);
            assert_close(&[got], &[f64::from(value)], 1e-5, "loss");
            isa.rpn_grad(&rpn, &scores, &x, &objects, 1.0, &mut dx, &mut scratch);
            assert_within(&dx, &expected, 2e-2, 0.1, &format!("{isa:?} {rpn:?}"));
        }
    }

    #[test]
    fn gradients_of_regions_are_differences(count in 1_usize..9, number in 1_usize..4, seed: u64) {
        let loss = FastRcnn { classes: 2, how: Matching { positive: 0.3, ..matching() }, deviations: [0.1, 0.1, 0.2, 0.2] };
        let (scores, x, objects) = (numbers(seed, 3 * count), numbers(seed ^ 1, 12 * count), objects(seed, number));
        let corner = |c: &[f32]| [15.0 * c[0] + 15.0, 15.0 * c[1] + 15.0, 15.0 * c[2] + 33.0, 15.0 * c[3] + 33.0];
        let rois: Vec<f32> = numbers(seed ^ 2, 4 * count).chunks_exact(4).flat_map(corner).collect();
        let first = Isa::detect();
        let value = first.fast_rcnn(&loss, &scores, &x, &rois, &objects);
        let mut expected = differences(&scores, |scores| first.fast_rcnn(&loss, scores, &x, &rois, &objects));
        expected.extend(differences(&x, |x| first.fast_rcnn(&loss, &scores, x, &rois, &objects)));
        for (isa, edge) in everywhere() {
            let (scores, x, rois, objects) = (edge.of(&scores), edge.of(&x), edge.of(&rois), edge.of(&objects));
            let mut dx = edge.unset(15 * count);
            let got = isa.fast_rcnn(&loss, &scores, &x, &rois, &objects);
            assert_close(&[got], &[f64::from(value)], 1e-5, "loss");
            isa.fast_rcnn_grad(&loss, &scores, &x, &rois, &objects, 1.0, &mut dx);
            assert_within(&dx, &expected, 2e-2, 0.1, &format!("{isa:?}"));
        }
    }
}

/// Two regions on one object, one beside it, one of no size; a sample of six with at most three positive ones.
#[test]
fn regions_by_hand() {
    let loss = FastRcnn { classes: 2, how: matching(), deviations: [0.1, 0.1, 0.2, 0.2] };
    let objects = [1.0, 20.0, 20.0, 10.0, 10.0, -1.0, 40.0, 40.0, 10.0, 10.0];
    let rois = [15.0, 15.0, 25.0, 25.0, 16.0, 15.0, 26.0, 25.0, 35.0, 35.0, 45.0, 45.0, 0.0, 0.0, 0.0, 0.0];
    let (scores, x) = ([0.0; 12], [0.0; 48]);
    // The second region is a tenth of its width beside the object: one deviation.
    let expected = 3.0_f64.ln() + 2.0 / 3.0 * 0.5;
    let wanted: Vec<usize> = vec![2, 3 + 2, 6];
    for isa in Isa::available() {
        assert_close(&[isa.fast_rcnn(&loss, &scores, &x, &rois, &objects)], &[expected], 1e-6, "loss");
        let mut dx = [9.0; 60];
        isa.fast_rcnn_grad(&loss, &scores, &x, &rois, &objects, 3.0, &mut dx);
        let slopes = (0..9).map(|at| if wanted.contains(&at) { -2.0 / 3.0 } else { 1.0 / 3.0 });
        assert_close(&dx[..9], &slopes.collect::<Vec<f64>>(), 1e-6, "scores");
        assert_eq!(wide(&dx[9..12]), [0.0; 3]);
        assert_close(&[dx[12 + 4 * 5]], &[2.0], 1e-5, "the move of the second region");
    }
}
