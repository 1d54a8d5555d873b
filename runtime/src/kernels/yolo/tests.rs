use super::super::checks::{assert_close, assert_within, everywhere, numbers, wide};
use super::*;
use crate::Isa;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const VERSIONS: [YoloVersion; 3] = [YoloVersion::V1, YoloVersion::V2, YoloVersion::V3];
const ANCHORS: [[f32; 2]; 3] = [[8.0, 5.0], [13.0, 21.0], [30.0, 18.0]];

fn map(version: YoloVersion, cells: [usize; 2], boxes: usize, classes: usize) -> Yolo<'static> {
    Yolo { version, cells, boxes, classes, stride: 10.0, anchors: &ANCHORS[..boxes] }
}

fn loss(map: Yolo<'_>, rescore: bool) -> YoloLoss<'_> {
    let others = &[[50.0, 50.0]];
    YoloLoss { map, others, coord: 2.0, object: 3.0, noobj: 0.5, class: 1.5, ignore: 0.4, rescore }
}

fn channels(map: &Yolo<'_>) -> usize {
    match map.version {
        YoloVersion::V1 => 5 * map.boxes + map.classes,
        _ => (5 + map.classes) * map.boxes,
    }
}

proptest! {
    #[test]
    fn boxes_are_those_of_the_formulas(
        cells in [1_usize..4, 1_usize..5], boxes in 1_usize..4, classes in 1_usize..5, seed: u64,
    ) {
        for version in VERSIONS {
            let map = map(version, cells, boxes, classes);
            let plane = cells[0] * cells[1];
            let x = numbers(seed, channels(&map) * plane);
            let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
            let mut expected = Vec::new();
            for number in 0..plane * boxes {
                let (cell, which) = (number / boxes, number % boxes);
                let t = |j: usize| f64::from(x[map.index(At { row: cell / cells[1], column: cell % cells[1], which }, j)]);
                let at = [(cell % cells[1]) as f64, (cell / cells[1]) as f64];
                if version == YoloVersion::V1 {
                    let image = [10.0 * cells[1] as f64, 10.0 * cells[0] as f64];
                    expected.extend([0, 1].map(|i| 10.0 * (at[i] + t(i))));
                    expected.extend([0, 1].map(|i| t(i + 2).powi(2) * image[i]));
                    expected.extend((4..5 + classes).map(t));
                    continue;
                }
                expected.extend([0, 1].map(|i| 10.0 * (at[i] + logistic(t(i)))));
                expected.extend([0, 1].map(|i| f64::from(ANCHORS[which][i]) * t(i + 2).exp()));
                expected.push(logistic(t(4)));
                let sum: f64 = (5..5 + classes).map(|j| t(j).exp()).sum();
                expected.extend((5..5 + classes).map(|j| match version {
                    YoloVersion::V2 => t(j).exp() / sum,
                    _ => logistic(t(j)),
                }));
            }
            for (isa, edge) in everywhere() {
                let mut y = edge.unset(expected.len());
                isa.yolo_decode(&map, &edge.of(&x), &mut y);
                assert_close(&y, &expected, 1e-6, &format!("{isa:?} {map:?}"));
            }
        }
    }

    #[test]
    fn gradients_are_differences(cells in [1_usize..4, 1_usize..5], boxes in 1_usize..4, seed: u64) {
        let (classes, plane) = (3, cells[0] * cells[1]);
        let objects: Vec<f32> = numbers(seed ^ 5, 20).chunks_exact(5).flat_map(|o| {
            [2.0 + 2.2 * o[0], 25.0 + 30.0 * o[1], 20.0 + 25.0 * o[2], 12.0 + 15.0 * o[3], 20.0 + 15.0 * o[4]]
        }).collect();
        for version in VERSIONS {
            let map = map(version, cells, boxes, classes);
            let loss = loss(map, false);
            let x = numbers(seed, channels(&map) * plane);
            let dy = numbers(seed ^ 1, plane * boxes * (5 + classes));
            let first = Isa::detect();
            // A difference of sums in single precision has few digits; what is wrong is wrong by far more.
            let decoded = |x: &[f32]| {
                let mut y = vec![0.0; dy.len()];
                first.yolo_decode(&map, x, &mut y);
                y.iter().zip(&dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum::<f64>()
            };
            let both = |f: &dyn Fn(&[f32]) -> f64| -> Vec<f64> {
                (0..x.len()).map(|at| {
                    let mut moved = x.clone();
                    moved[at] = x[at] + 1e-2;
                    let high = f(&moved);
                    moved[at] = x[at] - 1e-2;
                    (high - f(&moved)) / 2e-2
                }).collect()
            };
            let slopes = both(&decoded);
            let value = first.yolo_loss(&loss, &x, &objects);
            let mut slopes_of_loss = vec![0.0; x.len()];
            first.yolo_loss_grad(&loss, &x, &objects, 1.0, &mut slopes_of_loss);
            for (isa, edge) in everywhere() {
                let (x, objects, dy) = (edge.of(&x), edge.of(&objects), edge.of(&dy));
                let mut dx = edge.unset(x.len());
                isa.yolo_decode_grad(&map, &dy, &x, &mut dx);
                assert_within(&dx, &slopes, 2e-3, 10.0, &format!("{isa:?} {map:?}"));
                assert_close(&[isa.yolo_loss(&loss, &x, &objects)], &[f64::from(value)], 1e-5, "loss");
                isa.yolo_loss_grad(&loss, &x, &objects, 1.0, &mut dx);
                assert_within(&dx, &wide(&slopes_of_loss), 1e-5, 1.0, "gradient of the loss");
            }
        }
    }
}

/// One cell in the middle that holds the only object, by hand.
#[test]
fn a_responsible_box_is_moved_to_its_object() {
    let objects = [-1.0, 15.0, 15.0, 9.0, 9.0, 1.0, 16.0, 14.0, 13.0, 21.0];
    let map = map(YoloVersion::V3, [3, 3], 2, 2);
    let loss = loss(map, false);
    let mut x = vec![0.0; channels(&map) * 9];
    let at = At { row: 1, column: 1, which: 1 };
    x[map.index(at, 4)] = 50.0;
    x[map.index(at, 5)] = -50.0;
    x[map.index(at, 6)] = 50.0;
    for isa in Isa::available() {
        // Eight cells of two boxes and one box of the ninth say "perhaps" where there is nothing, or share too much to say.
        let place = [16.0, 14.0, 13.0, 21.0];
        let mut silent = 0;
        map.each(|_, at| silent += usize::from(iou(&map.place(&x, at), &place) > 0.4));
        let logistic = |t: f64, wanted: f64| t.exp().ln_1p() - wanted * t;
        let weight = 2.0 * (2.0 - 13.0 * 21.0 / 900.0);
        let expected = (18 - silent) as f64 * 0.5 * 2.0_f64.ln() + weight * (logistic(0.0, 0.6) + logistic(0.0, 0.4));
        assert_close(&[isa.yolo_loss(&loss, &x, &objects)], &[expected], 1e-6, &format!("{silent} silent"));
        let mut dx = vec![1.0; x.len()];
        isa.yolo_loss_grad(&loss, &x, &objects, 1.0, &mut dx);
        assert!((f64::from(dx[map.index(at, 0)]) - weight * -0.1).abs() < 1e-5);
        assert!((f64::from(dx[map.index(at, 1)]) - weight * 0.1).abs() < 1e-5);
        assert_eq!(dx[map.index(at, 2)], 0.0, "the prior has the right size");
    }
}
