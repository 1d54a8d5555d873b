use super::*;

fn truth(image: u64, x: f32, difficult: bool) -> TrueBox {
    let corners = Corners::from_corner(x, 0.0, 10.0, 10.0);
    TrueBox { image, class: 0, corners, difficult, crowd: false, area: None }
}

fn found(image: u64, x: f32, score: f32) -> Found {
    Found { image, class: 0, corners: Corners::from_corner(x, 0.0, 10.0, 10.0), score }
}

/// A stored run of pycocotools, see `tests/parity/runtime/coco.py`.
#[cfg(feature = "weights")]
#[test]
fn numbers_are_those_of_pycocotools() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/parity/runtime/coco.json");
    let text = std::fs::read_to_string(path).expect("the stored cases");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    for case in cases {
        let rows = |name: &str| -> Vec<Vec<f64>> { serde_json::from_value(case[name].clone()).expect("rows") };
        let corners = |r: &[f64]| Corners::from_corner(r[2] as f32, r[3] as f32, r[4] as f32, r[5] as f32);
        let truths: Vec<TrueBox> = rows("truths")
            .iter()
            .map(|r| TrueBox {
                image: r[0] as u64,
                class: r[1] as u32,
                corners: corners(r),
                difficult: false,
                crowd: r[7] > 0.0,
                area: Some(r[6] as f32),
            })
            .collect();
        let found: Vec<Found> = rows("found")
            .iter()
            .map(|r| Found { image: r[0] as u64, class: r[1] as u32, corners: corners(r), score: r[6] as f32 })
            .collect();
        let coco = coco(&truths, &found);
        let numbers = [&[coco.ap, coco.ap50, coco.ap75][..], &coco.ap_by_area, &coco.ar, &coco.ar_by_area].concat();
        let expected: Vec<f64> = serde_json::from_value(case["stats"].clone()).expect("numbers");
        for (i, (x, e)) in numbers.iter().zip(&expected).enumerate() {
            assert!((x - e).abs() < 1e-9, "number {i} is {x} instead of {e}: {numbers:?} {expected:?}");
        }
    }
}

#[test]
fn voc_by_hand() {
    let truths = [truth(0, 0.0, false), truth(0, 50.0, false), truth(1, 0.0, false), truth(1, 80.0, true)];
    // Right, a second time (wrong), difficult (does not count), right, elsewhere (wrong).
    let answers =
        [found(0, 0.0, 0.9), found(0, 1.0, 0.8), found(1, 80.0, 0.75), found(1, 2.0, 0.7), found(2, 0.0, 0.6)];
    // Recall 1/3 at precision 1, 2/3 at 2/3.
    let all = voc(&truths, &answers, 0.5, false);
    assert!((all.mean - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12, "{all:?}");
    let eleven = voc(&truths, &answers, 0.5, true);
    assert!((eleven.mean - (4.0 + 3.0 * 2.0 / 3.0) / 11.0).abs() < 1e-12, "{eleven:?}");
    assert_eq!(voc(&[], &answers, 0.5, false), AveragePrecision { classes: vec![], mean: 0.0 });
    assert_eq!(voc(&truths, &[], 0.5, true).classes, [(0, 0.0)]);
}

#[test]
fn perfect_and_empty() {
    let truths = [truth(0, 0.0, false), truth(0, 50.0, false)];
    let answers = [found(0, 0.0, 0.9), found(0, 50.0, 0.8)];
    let perfect = coco(&truths, &answers);
    assert!((perfect.ap - 1.0).abs() < 1e-12 && (perfect.ar[0] - 0.5).abs() < 1e-12);
    assert_eq!((perfect.ap_by_area[2], coco(&[], &[]).ap), (-1.0, -1.0));
}

mod brute_force {
    //! The same numbers by the words of the papers: every threshold of the score by itself, nothing sorted, nothing shared.

    use super::*;
    use proptest::prelude::*;

    /// Boxes of a few pixels in few pictures, so that many overlap.
    fn corners() -> impl Strategy<Value = Corners> {
        (0_u8..6, 0_u8..4, 1_u8..6, 1_u8..5).prop_map(|(x, y, width, height)| {
            let [x, y, width, height] = [x, y, width, height].map(|side| 20.0 * f32::from(side));
            Corners::from_corner(x, y, width, height)
        })
    }

    fn truths() -> impl Strategy<Value = Vec<TrueBox>> {
        let area = prop::option::of(prop_oneof![Just(500.0_f32), Just(5_000.0), Just(50_000.0)]);
        let one = (0_u64..3, 0_u32..2, corners(), 0_u8..6, area).prop_map(|(image, class, corners, mark, area)| {
            TrueBox { difficult: mark == 0, crowd: mark == 1, area, ..TrueBox::new(image, class, corners) }
        });
        prop::collection::vec(one, 0..9)
    }

    /// Few different scores, so that many are equal: then those that came in first are the more certain ones.
    fn tied() -> impl Strategy<Value = Vec<Found>> {
        let one = (0_u64..3, 0_u32..2, corners(), 1_u8..4);
        let one = one.prop_map(|(image, class, corners, score)| Found { image, class, corners, score: score.into() });
        prop::collection::vec(one, 0..12)
    }

    /// The same with scores that are no longer equal and in the order that is meant.
    fn told_apart(found: &[Found]) -> Vec<Found> {
        let nth = |(number, f): (usize, &Found)| Found { score: f.score - number as f32 / 100.0, ..*f };
        found.iter().enumerate().map(nth).collect()
    }

    /// No two scores are equal: their order is all that counts.
    fn found() -> impl Strategy<Value = Vec<Found>> {
        let one = (0_u64..3, 0_u32..2, corners());
        prop::collection::vec(one, 0..12).prop_perturb(|boxes, mut random| {
            let mut scores: Vec<f32> = (1..=boxes.len()).map(|i| i as f32 / 100.0).collect();
            for i in (1..scores.len()).rev() {
                scores.swap(i, random.random_range(0..=i));
            }
            let all = boxes.into_iter().zip(scores);
            all.map(|((image, class, corners), score)| Found { image, class, corners, score }).collect()
        })
    }

    /// How many of the boxes of at least a score are right, and how many wrong.
    type Counted = Box<dyn Fn(f32) -> (usize, usize)>;

    /// The highest precision at any threshold that reaches a recall.
    fn precision_at(recall: f64, all: usize, scores: &[f32], counted: &Counted) -> f64 {
        let at = |score: &f32| {
            let (right, wrong) = counted(*score);
            let reached = right as f64 / all as f64 >= recall;
            if reached { right as f64 / (right + wrong) as f64 } else { 0.0 }
        };
        scores.iter().map(at).filter(|p| p.is_finite()).fold(0.0, f64::max)
    }

    /// Right and wrong ones of a class among the boxes of at least a score, as VOC says: each belongs to the true box that it
    /// overlaps most, of several the most certain one is right.
    fn voc_counts(truths: &[TrueBox], found: &[Found], class: u32, iou: f32, score: f32) -> (usize, usize) {
        let truths: Vec<&TrueBox> = truths.iter().filter(|t| t.class == class).collect();
        let found: Vec<&Found> = found.iter().filter(|f| f.class == class && f.score >= score).collect();
        let owner = |f: &Found| {
            let here = (0..truths.len()).filter(|i| truths[*i].image == f.image);
            let shared = |i: &usize| f.corners.iou(&truths[*i].corners);
            // Of equal ones the first, as `max_by` would not have it.
            let best = here.rev().max_by(|a, b| shared(a).total_cmp(&shared(b)))?;
            (shared(&best) >= iou).then_some(best)
        };
        let (mut right, mut wrong) = (0, 0);
        for f in &found {
            match owner(f) {
                None => wrong += 1,
                Some(i) if truths[i].difficult || truths[i].crowd => {}
                Some(i) => {
                    let surpassed = found.iter().any(|other| owner(other) == Some(i) && other.score > f.score);
                    if surpassed { wrong += 1 } else { right += 1 }
                }
            }
        }
        (right, wrong)
    }

    /// Average precision of each class at eleven points, and under the curve.
    fn voc_by_hand(truths: &[TrueBox], found: &[Found], iou: f32) -> [Vec<(u32, f64)>; 2] {
        let scores: Vec<f32> = found.iter().map(|f| f.score).collect();
        let mut expected = [Vec::new(), Vec::new()];
        for class in 0..2 {
            let all = truths.iter().filter(|t| t.class == class && !t.difficult && !t.crowd).count();
            if all == 0 {
                continue;
            }
            let (truths, found) = (truths.to_vec(), found.to_vec());
            let counted: Counted = Box::new(move |score| voc_counts(&truths, &found, class, iou, score));
            let at = |recall| precision_at(recall, all, &scores, &counted);
            expected[0].push((class, (0..=10).map(|i| at(f64::from(i) / 10.0)).sum::<f64>() / 11.0));
            // The curve is a stair with a step for each true box.
            expected[1].push((class, (1..=all).map(|i| at(i as f64 / all as f64)).sum::<f64>() / all as f64));
        }
        expected
    }

    proptest! {
        #[test]
        fn voc_is_the_best_precision_of_each_recall(
            truths in truths(), apart in found(), tied in tied(), iou in prop_oneof![Just(0.5_f32), Just(0.25), Just(0.75), Just(1.0)],
        ) {
            for (found, as_meant) in [(&apart, apart.clone()), (&tied, told_apart(&tied))] {
                for (expected, eleven_points) in voc_by_hand(&truths, &as_meant, iou).iter().zip([true, false]) {
                    let ap = voc(&truths, found, iou, eleven_points);
                    prop_assert_eq!(ap.classes.len(), expected.len());
                    for ((class, x), (of, e)) in ap.classes.iter().zip(expected) {
                        prop_assert!(class == of && (x - e).abs() < 1e-9, "{} instead of {}", x, e);
                    }
                }
            }
        }

        #[test]
        fn coco_is_the_best_precision_of_each_recall(truths in truths(), found in found()) {
            let expected = coco_by_hand(&truths, &found);
            for ((name, x), e) in coco(&truths, &found).numbers().iter().zip(expected) {
                prop_assert!((x - e).abs() < 1e-9, "{} is {} instead of {}", name, x, e);
            }
        }
    }

    const EVERY: (f64, f64) = (0.0, f64::INFINITY);
    const SIZES: [(f64, f64); 3] = [(0.0, 1024.0), (1024.0, 9216.0), (9216.0, f64::INFINITY)];

    fn coco_by_hand(truths: &[TrueBox], found: &[Found]) -> [f64; 12] {
        let ap = |ious: std::ops::Range<u8>, area| mean(truths, found, ious, area, 100).0;
        let ar = |area, most| mean(truths, found, 0..10, area, most).1;
        let [small, medium, large] = SIZES;
        [
            ap(0..10, EVERY),
            ap(0..1, EVERY),
            ap(5..6, EVERY),
            ap(0..10, small),
            ap(0..10, medium),
            ap(0..10, large),
            ar(EVERY, 1),
            ar(EVERY, 10),
            ar(EVERY, 100),
            ar(small, 100),
            ar(medium, 100),
            ar(large, 100),
        ]
    }

    /// Average precision and recall, the mean over classes and thresholds of the overlap.
    fn mean(
        truths: &[TrueBox],
        found: &[Found],
        ious: std::ops::Range<u8>,
        area: (f64, f64),
        most: usize,
    ) -> (f64, f64) {
        let (mut sum, mut n) = ((0.0, 0.0), 0);
        for (class, iou) in (0..2).flat_map(|class| ious.clone().map(move |i| (class, 0.5 + 0.05 * f64::from(i)))) {
            let all = truths.iter().filter(|t| t.class == class && asked_for(t, area)).count();
            if all == 0 {
                continue;
            }
            let fates = fates(truths, found, class, iou, area, most);
            let scores: Vec<f32> = fates.iter().map(|f| f.0).collect();
            let right = fates.iter().filter(|f| f.1 == Some(true)).count();
            let counted: Counted = Box::new(move |score| {
                let of = |kind| fates.iter().filter(|f| f.0 >= score && f.1 == Some(kind)).count();
                (of(true), of(false))
            });
            let at = |i: i32| precision_at(f64::from(i) * 0.01, all, &scores, &counted);
            sum.0 += (0..=100).map(at).sum::<f64>() / 101.0;
            sum.1 += right as f64 / all as f64;
            n += 1;
        }
        if n == 0 { (-1.0, -1.0) } else { (sum.0 / f64::from(n), sum.1 / f64::from(n)) }
    }

    fn area_of(b: &Corners) -> f64 {
        f64::from((b.x2 - b.x1) * (b.y2 - b.y1))
    }

    fn asked_for(t: &TrueBox, (least, most): (f64, f64)) -> bool {
        let area = t.area.map_or_else(|| area_of(&t.corners), f64::from);
        !t.crowd && !t.difficult && (least..=most).contains(&area)
    }

    /// The scores of the boxes of a class, and whether each is right; `None` where that does not count. As COCO's evaluation says: the
    /// more certain ones choose first, of the boxes that are asked for, then of the others; crowds can be chosen again.
    fn fates(
        truths: &[TrueBox],
        found: &[Found],
        class: u32,
        iou: f64,
        area: (f64, f64),
        most: usize,
    ) -> Vec<(f32, Option<bool>)> {
        let mut all = Vec::new();
        for image in 0..3 {
            let truths: Vec<&TrueBox> = truths.iter().filter(|t| t.class == class && t.image == image).collect();
            let mut here: Vec<&Found> = found.iter().filter(|f| f.class == class && f.image == image).collect();
            here.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut chosen: Vec<usize> = Vec::new();
            for f in here.into_iter().take(most) {
                let shared = |t: &TrueBox| {
                    let both = f64::from(f.corners.intersection(&t.corners));
                    let whole =
                        if t.crowd { area_of(&f.corners) } else { area_of(&f.corners) + area_of(&t.corners) - both };
                    both / whole
                };
                let free = |i: &usize| truths[*i].crowd || !chosen.contains(i);
                let best_of = |wanted: bool| {
                    let fits = (0..truths.len()).filter(|i| asked_for(truths[*i], area) == wanted).filter(free);
                    // Of equal ones the last.
                    let best = fits.max_by(|a, b| shared(truths[*a]).total_cmp(&shared(truths[*b])))?;
                    (shared(truths[best]) >= iou.min(1.0 - 1e-10)).then_some(best)
                };
                let outside = !(area.0..=area.1).contains(&area_of(&f.corners));
                let fate = match (best_of(true), best_of(false)) {
                    (Some(best), _) => {
                        chosen.push(best);
                        Some(true)
                    }
                    (None, Some(best)) => {
                        chosen.push(best);
                        None
                    }
                    (None, None) => (!outside).then_some(false),
                };
                all.push((f.score, fate));
            }
        }
        all
    }
}
