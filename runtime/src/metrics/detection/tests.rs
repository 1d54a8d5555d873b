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
