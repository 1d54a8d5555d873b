mod assignments;
mod suppression;

use super::*;
use crate::random::Random;
use proptest::prelude::*;

fn corners() -> impl Strategy<Value = Corners> {
    // Whole numbers, so that boxes can be counted pixel by pixel.
    (0_u8..20, 0_u8..20, 0_u8..12, 0_u8..12)
        .prop_map(|(x, y, w, h)| Corners::from_corner(x.into(), y.into(), w.into(), h.into()))
}

/// Pixels of the 32 × 32 first ones that a box of whole numbers covers.
fn covers(b: &Corners, pixel: usize) -> bool {
    let (x, y) = ((pixel % 32) as f32 + 0.5, (pixel / 32) as f32 + 0.5);
    (b.x1..b.x2).contains(&x) && (b.y1..b.y2).contains(&y)
}

proptest! {
    #[test]
    fn overlaps_are_those_of_counted_pixels(a in corners(), b in corners()) {
        let count = |f: &dyn Fn(usize) -> bool| (0..32 * 32).filter(|&pixel| f(pixel)).count() as f32;
        let both = count(&|pixel| covers(&a, pixel) && covers(&b, pixel));
        let either = count(&|pixel| covers(&a, pixel) || covers(&b, pixel));
        let hull = a.hull(&b);
        let around = count(&|pixel| covers(&hull, pixel));
        prop_assert_eq!(a.intersection(&b), both);
        let iou = if either > 0.0 { both / either } else { 0.0 };
        prop_assert!((a.iou(&b) - iou).abs() < 1e-6);
        prop_assert_eq!(a.iou(&b), b.iou(&a));
        if either > 0.0 {
            prop_assert!((a.giou(&b) - (iou - (around - either) / around)).abs() < 1e-6);
        }
        let diagonal = f64::from(hull.x2 - hull.x1).powi(2) + f64::from(hull.y2 - hull.y1).powi(2);
        if diagonal > 0.0 {
            let twice = |low: f32, high: f32| f64::from(low) + f64::from(high);
            let (x, y) = (twice(a.x1, a.x2) - twice(b.x1, b.x2), twice(a.y1, a.y2) - twice(b.y1, b.y2));
            let expected = f64::from(iou) - (x * x + y * y) / 4.0 / diagonal;
            prop_assert!((f64::from(a.diou(&b)) - expected).abs() < 1e-6);
        }
        prop_assert!(a.giou(&b) <= a.iou(&b) && a.diou(&b) <= a.iou(&b) && a.diou(&b) >= -1.0);
    }

    #[test]
    fn formats_convert_there_and_back(b in corners(), width in 1.0_f32..500.0, height in 1.0_f32..500.0) {
        let back = Corners::from(b.normalized(width, height).in_picture(width, height));
        for (x, y) in [(b.x1, back.x1), (b.y1, back.y1), (b.x2, back.x2), (b.y2, back.y2)] {
            prop_assert!((x - y).abs() < 1e-4, "{:?} {:?}", b, back);
        }
    }

    #[test]
    fn codes_are_undone(x in 0.0_f32..400.0, y in 0.0_f32..400.0, w in 1.0_f32..300.0, h in 1.0_f32..300.0) {
        let b = Centered { x, y, width: w, height: h };
        let anchor = Centered { x: 100.0, y: 220.0, width: 40.0, height: 25.0 };
        let near = |c: &Centered| {
            let pairs = [(c.x, b.x), (c.y, b.y), (c.width, b.width), (c.height, b.height)];
            pairs.iter().all(|(a, b)| (a - b).abs() < 1e-3 * b.max(1.0))
        };
        let factors = [10.0, 10.0, 5.0, 5.0];
        let code = Deltas::encode(&b, &anchor).scaled(factors).scaled(factors.map(|f| 1.0 / f));
        prop_assert!(near(&code.decode(&anchor)));
        let shape = Shape { width: 40.0, height: 25.0 };
        let (cell, offsets) = Offsets::encode(&b, &shape, 32.0);
        prop_assert!((0.0..1.0).contains(&offsets.x) && (0.0..1.0).contains(&offsets.y));
        prop_assert!(near(&offsets.decode(cell, &shape, 32.0)));
    }
}

#[test]
fn anchors_are_the_middles_of_heaps() {
    let heaps = [(10.0, 10.0), (40.0, 80.0), (150.0, 60.0)];
    let mut random = Random::new(5);
    let shapes: Vec<Shape> = (0..300)
        .map(|i| {
            let (w, h) = heaps[i % 3];
            Shape { width: w * random.uniform(&(0.9..1.1)), height: h * random.uniform(&(0.9..1.1)) }
        })
        .collect();
    let found = anchors(&shapes, 3, 1);
    assert_eq!(found, anchors(&shapes, 3, 1));
    for (shape, (w, h)) in found.shapes.iter().zip(heaps) {
        assert!((shape.width / w - 1.0).abs() < 0.02 && (shape.height / h - 1.0).abs() < 0.02, "{found:?}");
    }
    assert!(found.mean_iou > 0.85 && anchors(&shapes, 1, 1).mean_iou < 0.5);
    // Fewer different shapes than anchors, none, and some that are no shapes.
    assert_eq!(anchors(&[Shape { width: 2.0, height: 3.0 }; 4], 3, 0).shapes.len(), 1);
    assert_eq!(anchors(&[], 3, 0).shapes, []);
    assert_eq!(anchors(&[Shape { width: f32::NAN, height: 3.0 }], 1, 0).shapes, []);
}

#[test]
fn a_grid_finds_what_it_was_to_learn() {
    let anchors = vec![Shape { width: 30.0, height: 60.0 }, Shape { width: 100.0, height: 80.0 }];
    let grid = Grid { rows: 4, columns: 5, stride: 32.0, anchors, classes: 3, scores: ClassScores::Softmax };
    let truths = [
        Truth { corners: Corners::from_corner(10.0, 20.0, 25.0, 70.0), class: 2 },
        Truth { corners: Corners::from_corner(50.0, 15.0, 90.0, 90.0), class: 0 },
        Truth { corners: Corners::from_corner(500.0, 15.0, 90.0, 90.0), class: 0 },
    ];
    let mut map = grid.targets(&truths);
    let logit = |p: f32| {
        let p = p.clamp(1e-4, 1.0 - 1e-4);
        (p / (1.0 - p)).ln()
    };
    for (i, x) in map.iter_mut().enumerate() {
        let number = i / (4 * 5) % 8;
        *x = if number == 2 || number == 3 { *x } else { logit(*x) };
    }
    for scores in [ClassScores::Softmax, ClassScores::Sigmoid] {
        let found = Grid { scores, ..grid.clone() }.decode(&map, 0.5);
        assert_eq!(found.len(), 2);
        for (d, truth) in found.iter().zip(&truths) {
            assert_eq!(d.class, truth.class);
            assert!(d.score > 0.99 && d.corners.iou(&truth.corners) > 0.999, "{d:?}");
        }
    }
}

#[test]
fn outputs_of_detectors_are_boxes() {
    let of_row = rows(&[50.0, 40.0, 20.0, 10.0, 0.8, 0.25, 0.75, 9.0, 9.0, 2.0, 2.0, 0.1, 0.9, 0.1], 2, 0.15);
    let corners = Corners { x1: 40.0, y1: 35.0, x2: 60.0, y2: 45.0 };
    let found = |class, score| Detection { corners, score, class };
    assert_eq!(of_row, [found(0, 0.8 * 0.25), found(1, 0.8 * 0.75)]);
    // Without classes to tell apart, the confidence is the score.
    assert_eq!(rows(&[50.0, 40.0, 20.0, 10.0, 0.8], 0, 0.5), [found(0, 0.8)]);

    let boxes = [[0.0; 4], [40.0, 35.0, 60.0, 45.0], [0.0; 4], [0.0; 4], [0.0; 4], [40.0, 35.0, 60.0, 45.0]];
    let of_regions = regions(&[0.1, 0.7, 0.2, 0.4, 0.0, 0.6], boxes.as_flattened(), 2, 0.1);
    assert_eq!(of_regions, [found(0, 0.7), found(1, 0.6)]);
}
