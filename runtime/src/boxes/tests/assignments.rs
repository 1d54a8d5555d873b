//! Each assignment beside one that tries all pairs.

use super::*;

/// Boxes of whole numbers, so that equal overlaps are exactly equal.
fn whole(side: u8) -> impl Strategy<Value = Corners> {
    (0_u8..28, 0_u8..28, 1..=side, 1..=side)
        .prop_map(|(x, y, w, h)| Corners::from_corner(x.into(), y.into(), w.into(), h.into()))
}

fn shapes(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Shape>> {
    let shape = (1_u8..12, 1_u8..12).prop_map(|(w, h)| Shape { width: w.into(), height: h.into() });
    prop::collection::vec(shape, count)
}

/// The position of the largest number, the first one of equal ones.
fn argmax(numbers: impl Iterator<Item = f32>) -> Option<usize> {
    let numbers: Vec<f32> = numbers.collect();
    (0..numbers.len()).find(|&i| numbers.iter().all(|n| numbers[i] >= *n))
}

fn shape_of(b: &Corners) -> Shape {
    Shape { width: b.width(), height: b.height() }
}

/// Three rows and two columns.
const CELLS: Cells = Cells { rows: 3, columns: 2, stride: 9.0 };

/// The cell that has the centre of a box.
fn cell_of(b: &Corners) -> Option<usize> {
    let Centered { x, y, .. } = (*b).into();
    let has = |cell: &usize| {
        let (left, top) = ((cell % 2) as f32 * 9.0, (cell / 2) as f32 * 9.0);
        x >= left && x < left + 9.0 && y >= top && y < top + 9.0
    };
    (0..6).find(has)
}

fn anchors_of_map() -> impl Strategy<Value = (Vec<Shape>, Vec<Corners>)> {
    (1_usize..4).prop_flat_map(|boxes| (shapes(boxes), prop::collection::vec(whole(12), 6 * boxes)))
}

proptest! {
    #[test]
    fn the_best_prediction_of_a_cell_is_responsible(
        (shapes, predicted) in anchors_of_map(), truths in prop::collection::vec(whole(12), 0..6),
    ) {
        let boxes = shapes.len();
        let mut expected = vec![Assignment::Background; predicted.len()];
        for cell in 0..6 {
            let Some(truth) = truths.iter().position(|truth| cell_of(truth) == Some(cell)) else { continue };
            let of_cell = &predicted[cell * boxes..][..boxes];
            let best = argmax(of_cell.iter().map(|p| p.iou(&truths[truth]))).expect("a box");
            expected[cell * boxes + best] = Assignment::Truth(truth);
        }
        prop_assert_eq!(assign_yolo(&CELLS, &Responsible::V1, &predicted, &truths), expected);
    }

    #[test]
    fn the_best_anchor_of_all_scales_is_responsible(
        (anchors, predicted) in anchors_of_map(),
        others in shapes(0..4),
        truths in prop::collection::vec(whole(12), 0..6),
        ignore in 0.0_f32..0.9,
    ) {
        let who = Responsible::Anchor { anchors: &anchors, others: &others, ignore };
        let found = assign_yolo(&CELLS, &who, &predicted, &truths);
        // Anchors of this map come first, so that they have what others fit as well.
        let all: Vec<Shape> = anchors.iter().chain(&others).copied().collect();
        let best = |truth: &Corners| argmax(all.iter().map(|anchor| anchor.iou(&shape_of(truth))));
        for (number, assignment) in found.iter().enumerate() {
            let (cell, which) = (number / anchors.len(), number % anchors.len());
            let owner = truths.iter().position(|truth| cell_of(truth) == Some(cell) && best(truth) == Some(which));
            let near = truths.iter().any(|truth| predicted[number].iou(truth) > ignore);
            let expected = match owner {
                Some(truth) => Assignment::Truth(truth),
                None if near => Assignment::Ignored,
                None => Assignment::Background,
            };
            prop_assert_eq!(*assignment, expected);
        }
    }

    #[test]
    fn proposals_learn_what_they_overlap_most(
        // No larger, so that different overlaps differ by more than what counts as rounding.
        anchors in prop::collection::vec(whole(6), 1..30), truths in prop::collection::vec(whole(6), 0..5),
        positive in 0.3_f32..1.0, negative in 0.0_f32..0.3,
    ) {
        let matching = Matching { positive, negative };
        let found = assign_rpn(&anchors, &truths, (30.0, 29.0), &matching);
        let inside = |a: &Corners| a.x2 <= 30.0 && a.y2 <= 29.0;
        let most: Vec<f32> = truths
            .iter()
            .map(|truth| anchors.iter().filter(|a| inside(a)).map(|a| a.iou(truth)).fold(0.0, f32::max))
            .collect();
        for (anchor, assignment) in anchors.iter().zip(&found) {
            let shared: Vec<f32> = truths.iter().map(|truth| anchor.iou(truth)).collect();
            let best = argmax(shared.iter().copied());
            let share = best.map_or(0.0, |best| shared[best]);
            let forced = shared.iter().zip(&most).any(|(s, most)| *s > 0.0 && s == most);
            let expected = match best {
                _ if !inside(anchor) => Assignment::Ignored,
                Some(best) if forced || share >= positive => Assignment::Truth(best),
                _ if share < negative => Assignment::Background,
                _ => Assignment::Ignored,
            };
            prop_assert_eq!(*assignment, expected);
        }
        // Every truth that an anchor meets has an anchor of its own: one that no other overlaps more.
        for (truth, most) in truths.iter().zip(&most).filter(|(_, most)| **most > 0.0) {
            let learns = |(a, found): (&Corners, &Assignment)| {
                inside(a) && a.iou(truth) == *most && matches!(found, Assignment::Truth(_))
            };
            prop_assert!(anchors.iter().zip(&found).any(learns));
        }
    }

    #[test]
    fn anchors_take_what_they_overlap_most(
        anchors in prop::collection::vec(whole(12), 1..30), truths in prop::collection::vec(whole(12), 0..5),
        positive in 0.3_f32..1.0, negative in 0.0_f32..0.3,
    ) {
        let found = assign(&anchors, &truths, &Matching { positive, negative });
        // The anchor that each truth wants; a later truth takes it from an earlier one.
        let wants = |truth: &Corners| {
            argmax(anchors.iter().map(|a| a.iou(truth))).filter(|&best| anchors[best].iou(truth) > 0.0)
        };
        let wanted: Vec<Option<usize>> = truths.iter().map(wants).collect();
        for (number, anchor) in anchors.iter().enumerate() {
            let best = argmax(truths.iter().map(|truth| anchor.iou(truth)));
            let share = best.map_or(0.0, |best| anchor.iou(&truths[best]));
            let expected = match (wanted.iter().rposition(|wanted| *wanted == Some(number)), best) {
                (Some(truth), _) => Assignment::Truth(truth),
                (None, Some(best)) if share >= positive => Assignment::Truth(best),
                _ if share < negative || share == 0.0 => Assignment::Background,
                _ => Assignment::Ignored,
            };
            prop_assert_eq!(found[number], expected);
        }
    }

    #[test]
    fn targets_are_those_of_the_responsible_boxes(
        anchors in shapes(1..4), truths in prop::collection::vec((whole(12), 0_u32..4), 0..6),
    ) {
        let truths: Vec<Truth> = truths.into_iter().map(|(corners, class)| Truth { corners, class }).collect();
        let grid = Grid { rows: 3, columns: 2, stride: 9.0, anchors, classes: 4, scores: ClassScores::Sigmoid };
        let map = grid.targets(&truths);
        let boxes = grid.anchors.len();
        // Of targets it does not matter what is predicted.
        let nothing = vec![Corners::default(); 6 * boxes];
        let places: Vec<Corners> = truths.iter().map(|truth| truth.corners).collect();
        let learnt = assign_yolo(&CELLS, &Responsible::v2(&grid.anchors), &nothing, &places);
        for (number, assignment) in learnt.into_iter().enumerate() {
            let (cell, which) = (number / boxes, number % boxes);
            let found: Vec<f32> = (0..9).map(|j| map[(9 * which + j) * 6 + cell]).collect();
            let mut expected = vec![0.0; 9];
            if let Assignment::Truth(truth) = assignment {
                let Truth { corners, class } = truths[truth];
                let (b, anchor) = (Centered::from(corners), grid.anchors[which]);
                expected[0] = b.x / 9.0 - (cell % 2) as f32;
                expected[1] = b.y / 9.0 - (cell / 2) as f32;
                expected[2] = (b.width / anchor.width).ln();
                expected[3] = (b.height / anchor.height).ln();
                expected[4] = 1.0;
                expected[5 + class as usize] = 1.0;
            }
            prop_assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-5), "{:?} {:?}", found, expected);
        }
    }
}

#[test]
fn thresholds_are_those_of_the_papers() {
    assert_eq!(Matching::RPN, Matching { positive: 0.7, negative: 0.3 });
    assert_eq!(Matching::default(), Matching::RETINANET);
    let anchors = [Shape { width: 2.0, height: 3.0 }];
    assert!(matches!(Responsible::v3(&anchors, &anchors), Responsible::Anchor { ignore: 0.5, .. }));
    // An overlap of exactly the threshold is not above it; where another scale fits as well, this one has the truth.
    let (cells, place) = (Cells { rows: 1, columns: 1, stride: 8.0 }, Corners::from_corner(2.0, 2.0, 2.0, 3.0));
    let half = Corners::from_corner(2.0, 2.0, 1.0, 3.0);
    let both = [anchors[0], Shape { width: 1.0, height: 9.0 }];
    let learnt = assign_yolo(&cells, &Responsible::v3(&both, &anchors), &[half, half], &[place]);
    assert_eq!(learnt, [Assignment::Truth(0), Assignment::Background]);
    // What has no area, or lies outside, is learnt by none.
    let none = [Corners::default(), Corners::from_corner(20.0, 2.0, 2.0, 3.0)];
    assert_eq!(assign_yolo(&cells, &Responsible::V1, &[half], &none), [Assignment::Background]);
    assert_eq!(assign_yolo(&Cells { rows: 0, ..cells }, &Responsible::V1, &[], &none), []);
}

#[test]
fn a_box_that_is_not_there_is_not_learnt() {
    let anchors = [Corners::from_corner(0.0, 0.0, 4.0, 4.0), Corners::from_corner(9.0, 0.0, 4.0, 4.0)];
    let all = Matching { positive: 0.0, negative: 0.3 };
    assert_eq!(assign_rpn(&anchors, &[], (20.0, 20.0), &all), [Assignment::Background; 2]);
    let learnt = [Assignment::Background, Assignment::Truth(0)];
    assert_eq!(assign_rpn(&anchors, &[Corners::from_corner(10.0, 0.0, 9.0, 9.0)], (20.0, 20.0), &all), learnt);
}
