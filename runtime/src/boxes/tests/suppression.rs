//! Suppression beside the algorithms as they are taught.

use super::*;

pub(super) fn detections(most: usize) -> impl Strategy<Value = Vec<Detection>> {
    let one = (0.0_f32..60.0, 0.0_f32..60.0, 1.0_f32..40.0, 1.0_f32..40.0, 0_u8..20, 0_u32..3);
    let one = one.prop_map(|(x, y, w, h, score, class)| Detection {
        corners: Corners::from_corner(x, y, w, h),
        score: f32::from(score) / 20.0,
        class,
    });
    prop::collection::vec(one, 0..most)
}

/// Take the most probable box that is left, drop all that overlap it, repeat.
fn naive(detections: &[Detection], thresholds: &Thresholds, agnostic: bool) -> Vec<Detection> {
    let mut left: Vec<Detection> = detections.iter().filter(|d| d.score > thresholds.score).copied().collect();
    left.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for d in left {
        let suppresses =
            |k: &Detection| (agnostic || k.class == d.class) && k.corners.iou(&d.corners) >= thresholds.iou;
        if !kept.iter().any(suppresses) {
            kept.push(d);
        }
    }
    kept
}

/// Figure 2 of Bodla et al. 2017: the score of each box from all those that are chosen before it, computed anew each time.
fn naive_soft(detections: &[Detection], fading: Fading, thresholds: &Thresholds) -> Vec<(usize, f64)> {
    let mut chosen: Vec<(usize, f64)> = Vec::new();
    loop {
        let faded = |number: usize| {
            let d = &detections[number];
            let factor = |&(other, _): &(usize, f64)| {
                let iou = f64::from(detections[other].corners.iou(&d.corners));
                match fading {
                    _ if detections[other].class != d.class => 1.0,
                    Fading::Linear if iou < f64::from(thresholds.iou) => 1.0,
                    Fading::Linear => 1.0 - iou,
                    Fading::Gaussian { sigma } => (-iou * iou / f64::from(sigma)).exp(),
                }
            };
            chosen.iter().map(factor).fold(f64::from(d.score), |score, factor| score * factor)
        };
        let left = (0..detections.len()).filter(|number| !chosen.iter().any(|(c, _)| c == number));
        let best = left.map(|number| (number, faded(number))).reduce(|a, b| if b.1 > a.1 { b } else { a });
        match best.filter(|(_, score)| *score > f64::from(thresholds.score)) {
            Some(best) if chosen.len() < thresholds.most => chosen.push(best),
            _ => return chosen,
        }
    }
}

proptest! {
    #[test]
    fn suppression_is_the_one_that_is_taught(ds in detections(120), iou in 0.0_f32..1.0, score in 0.0_f32..0.9) {
        let thresholds = Thresholds { score, iou, ..Thresholds::default() };
        prop_assert_eq!(nms(&ds, &thresholds), naive(&ds, &thresholds, false));
        prop_assert_eq!(nms_agnostic(&ds, &thresholds), naive(&ds, &thresholds, true));
    }

    #[test]
    fn soft_suppression_is_the_one_of_the_paper(
        mut ds in detections(40), iou in 0.01_f32..1.0, score in 0.01_f32..0.5, sigma in 0.1_f32..1.0, most in 1_usize..40,
    ) {
        // Scores apart from each other, so that rounding does not decide the order.
        for (number, d) in ds.iter_mut().enumerate() {
            d.score += number as f32 * 1e-3;
        }
        let thresholds = Thresholds { score, iou, most };
        for fading in [Fading::Linear, Fading::Gaussian { sigma }] {
            let (found, expected) = (soft_nms(&ds, fading, &thresholds), naive_soft(&ds, fading, &thresholds));
            // Where scores come as near to each other, or to the threshold, as they are rounded, both orders are right.
            let near = |a: f64, b: f64| (a - b).abs() < 1e-5;
            let close = expected.windows(2).any(|pair| near(pair[0].1, pair[1].1))
                || expected.iter().any(|e| near(e.1, score.into()));
            if !close {
                prop_assert_eq!(found.len(), expected.len());
                for (found, (number, score)) in found.iter().zip(expected) {
                    prop_assert_eq!(found.corners, ds[number].corners);
                    prop_assert!(near(found.score.into(), score));
                }
            }
        }
    }

    #[test]
    fn soft_suppression_with_a_step_is_hard(ds in detections(40)) {
        // What loses nothing below the threshold of IoU is never suppressed.
        let all = Thresholds { score: 0.0, iou: 1.1, ..Thresholds::default() };
        let mut expected: Vec<Detection> = ds.iter().filter(|d| d.score > 0.0).copied().collect();
        expected.sort_by(|a, b| b.score.total_cmp(&a.score));
        prop_assert_eq!(soft_nms(&ds, Fading::Linear, &all), expected);
        // A narrow Gaussian leaves what nms leaves that has no overlap at all.
        let soft = soft_nms(&ds, Fading::Gaussian { sigma: 1e-6 }, &Thresholds { score: 0.1, ..all });
        for (i, a) in soft.iter().enumerate() {
            prop_assert!(soft[..i].iter().all(|b| a.class != b.class || a.corners.iou(&b.corners) < 0.01));
        }
    }
}

/// Thousands of boxes of one class, so that the grid that finds neighbours has all its parts: of many sizes, some without an area or with
/// their corners the wrong way round, some at the same place, many of equal scores.
#[test]
fn crowds_are_suppressed_as_it_is_taught() {
    let mut random = Random::new(11);
    let mut crowd: Vec<Detection> = (0..5_400)
        .map(|number| {
            let side = |random: &mut Random| 1.0 + 160.0 * random.unit().powi(4);
            let (x, y) = (random.unit() * 1000.0, random.unit() * 700.0);
            let (width, height) = match number % 50 {
                0 => (0.0, side(&mut random)),
                1 => (0.0, 0.0),
                2 => (-side(&mut random), side(&mut random)),
                3 => (-side(&mut random), -side(&mut random)),
                4 => (900.0, 2.0),
                _ => (side(&mut random), side(&mut random)),
            };
            let score = random.below(500) as f32 / 500.0;
            Detection { corners: Corners::from_corner(x, y, width, height), score, class: (number % 2) as u32 * 7 }
        })
        .collect();
    crowd.extend_from_within(..300);
    let one_class: Vec<Detection> = crowd.iter().map(|d| Detection { class: 3, ..*d }).collect();
    for iou in [0.3, 0.5, 0.7] {
        let thresholds = Thresholds { score: 0.01, iou, ..Thresholds::default() };
        let taught = naive(&one_class, &thresholds, false);
        assert!(taught.len() > 1_000 && taught.len() < one_class.len(), "{iou}: {}", taught.len());
        assert!(nms(&one_class, &thresholds) == taught, "nms at {iou}");
        assert!(nms(&crowd, &thresholds) == naive(&crowd, &thresholds, false), "nms of two classes at {iou}");
        assert!(nms_agnostic(&crowd, &thresholds) == naive(&crowd, &thresholds, true), "nms_agnostic at {iou}");
    }
}

#[test]
fn thresholds_are_those_of_the_notes() {
    let at = |x: f32, score: f32| Detection { corners: Corners::from_corner(x, 0.0, 3.0, 1.0), score, class: 0 };
    // Exactly 0.6 is dropped; an IoU of exactly 2 / 4 is suppressed, 1 / 5 is not.
    let kept = nms(&[at(0.0, 0.9), at(1.0, 0.8), at(2.0, 0.7), at(50.0, 0.6)], &Thresholds::default());
    assert_eq!(kept, [at(0.0, 0.9), at(2.0, 0.7)]);
    let one = Thresholds { most: 1, ..Thresholds::default() };
    assert_eq!(nms(&[at(0.0, 0.7), at(9.0, 0.9)], &one), [at(9.0, 0.9)]);
}

#[test]
fn numbers_that_are_none_are_dropped() {
    let whole = Detection { corners: Corners::from_corner(0.0, 0.0, 1.0, 1.0), score: 0.9, class: 0 };
    let mut bad = [whole; 4];
    bad[0].score = f32::NAN;
    bad[1].corners.x1 = f32::NAN;
    bad[2].corners.y2 = f32::INFINITY;
    assert_eq!(nms(&bad, &Thresholds::default()), [whole]);
    assert_eq!(nms_agnostic(&[], &Thresholds::default()), []);
    let flat = Detection { corners: Corners::default(), ..whole };
    assert_eq!(nms(&[flat, flat], &Thresholds::default()).len(), 2);
}

#[test]
fn soft_scores_fall_as_in_the_paper() {
    let a = Detection { corners: Corners::from_corner(0.0, 0.0, 10.0, 10.0), score: 0.9, class: 0 };
    let b = Detection { corners: Corners::from_corner(0.0, 0.0, 10.0, 6.0), score: 0.8, class: 0 };
    let thresholds = Thresholds { score: 0.01, ..Thresholds::default() };
    let scores = |fading| soft_nms(&[b, a], fading, &thresholds).iter().map(|d| d.score).collect::<Vec<_>>();
    let near = |found: Vec<f32>, expected: [f32; 2]| found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6);
    assert!(near(scores(Fading::Linear), [0.9, 0.8 * 0.4]));
    assert!(near(scores(Fading::Gaussian { sigma: 0.5 }), [0.9, 0.8 * (-0.72_f32).exp()]));
}

#[test]
#[should_panic(expected = "a sigma of 0 is not above 0")]
fn scores_cannot_fade_by_a_sigma_of_0() {
    soft_nms(&[], Fading::Gaussian { sigma: 0.0 }, &Thresholds::default());
}
