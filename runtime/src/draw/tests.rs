use super::*;
use crate::augment::{Pipeline, Step};
use crate::metrics::Roc;
use crate::random::Random;

fn grey(width: usize, height: usize) -> Raster {
    Raster { width, height, channels: 1, bytes: vec![128; width * height] }
}

fn pixel(raster: &Raster, x: usize, y: usize) -> Rgb {
    let at = (y * raster.width + x) * 3;
    [raster.bytes[at], raster.bytes[at + 1], raster.bytes[at + 2]]
}

#[test]
fn boxes_are_framed_and_named() {
    let corners = Corners::from_corner(20.0, 30.0, 40.0, 20.0);
    let found = [Detection { corners, score: 0.9, class: 3 }];
    let drawn = detections(&grey(100, 80), &found, &[]);
    let color = color_of(3);
    // Six times as large.
    assert_eq!((drawn.width, drawn.height), (600, 480));
    assert_eq!([pixel(&drawn, 120, 270), pixel(&drawn, 359, 299), pixel(&drawn, 240, 240)], [color, color, [128; 3]]);
    // The label stands above: something white in it.
    let white =
        (120..360).flat_map(|x| (166..180).map(move |y| (x, y))).filter(|&(x, y)| pixel(&drawn, x, y) == [255; 3]);
    assert!(white.count() > 10);
    // What lies outside is cut off.
    let wide = Detection { corners: Corners::from_corner(-50.0, -50.0, 1e6, 1e6), score: 0.5, class: 0 };
    assert_eq!(detections(&grey(300, 10), &[wide], &["a".into()]).bytes.len(), 9000);
}

#[test]
fn labels_begin_where_their_boxes_do() {
    let corners = Corners { x1: 10.6, y1: 20.6, x2: 80.0, y2: 60.0 };
    let sample = Sample { raster: grey(100, 80), classes: vec![], boxes: vec![(corners, 3)], points: vec![] };
    let drawn = super::sample(&sample, &[]);
    assert_eq!(
        [pixel(&drawn, 12, 20), pixel(&drawn, 10, 22), pixel(&drawn, 12, 21)],
        [[128; 3], [128; 3], color_of(3)]
    );
}

#[test]
fn samples_show_points() {
    let sample = Sample { raster: grey(60, 60), classes: vec![(1, 1.0)], boxes: vec![], points: vec![[30.0, 20.0]] };
    assert_eq!(pixel(&super::sample(&sample, &[]), 30, 20), color_of(0));
}

#[test]
fn steps_are_shown_alone_and_together() {
    let dark = Raster { width: 60, height: 60, channels: 1, bytes: vec![0; 3600] };
    let sample = Sample { raster: grey(60, 60), classes: vec![], boxes: vec![], points: vec![[10.0, 20.0]] };
    let other = Sample { raster: dark, ..sample.clone() };
    let pipeline = Pipeline(vec![Step::Mirror(0.0.into()), Step::Mosaic(0.0)]);
    let steps = Steps { pipeline: &pipeline, together: 2, size: (60, 60), classes: &[] };
    let mut another = |_: &mut Random| Ok::<_, ()>(other.clone());
    let row = steps.row(&sample, 1, &mut another).expect("pictures");
    assert_eq!(row.len(), steps.columns());
    assert!(row.iter().all(|picture| (picture.width, picture.height) == (60, 67)));
    let [plain, mirror, mosaic, all, again] = &row[..] else { panic!("five pictures") };
    // Alone a step is seen, however improbable it is.
    assert_eq!([pixel(plain, 10, 20), pixel(mirror, 50, 20)], [color_of(0); 2]);
    assert_eq!([pixel(plain, 59, 0), pixel(mirror, 59, 0), pixel(mosaic, 59, 0)], [[128; 3], [128; 3], [0; 3]]);
    assert_eq!(pixel(all, 10, 20), color_of(0));
    assert_eq!(all, again, "nothing happens in either");
    assert_ne!(all, plain, "captions are others");
}

#[test]
fn heat_goes_from_dark_to_bright() {
    let map = heat_map(&[0.0, 1.0, 2.0, f32::NAN], 2, 2);
    let light = |p: Rgb| p.iter().map(|&c| u32::from(c)).sum::<u32>();
    assert!(light(pixel(&map, 0, 0)) < light(pixel(&map, 1, 0)) && light(pixel(&map, 1, 0)) < light(pixel(&map, 0, 1)));
    assert_eq!(heat_map(&[5.0; 4], 2, 2).bytes.len(), 12);
    let over = overlay(&grey(8, 8), &map, 0.0);
    assert!(over.bytes.iter().all(|&byte| byte == 128));
}

#[test]
fn sheets_hold_all_pictures() {
    let sheet = sheet(&[grey(4, 3), grey(2, 2), grey(4, 3)], 2, 1);
    assert_eq!((sheet.width, sheet.height), (11, 9));
    assert_eq!([pixel(&sheet, 1, 1), pixel(&sheet, 0, 0), pixel(&sheet, 8, 3)], [[128; 3], [255; 3], [255; 3]]);
    let filters = filters(&[0.5; 6 * 3 * 9], &[6, 3, 3, 3], 4).expect("filters");
    assert_eq!((filters.width, filters.height), (4 * 16 + 4, 2 * 16 + 4));
    assert!(super::filters(&[0.0; 4], &[2, 2], 1).is_err());
}

#[test]
fn curves_are_valid_xml() {
    let curve = |name: &str, points: &[(f64, f64)]| Curve { name: name.into(), points: points.to_vec() };
    let cases = [
        vec![],
        vec![curve("one <point>", &[(1.0, 2.0)])],
        vec![curve("loss", &[(0.0, 3.0), (1.0, f64::NAN), (2.0, 1.0)]), curve("flat", &[(0.0, 1.0), (2.0, 1.0)])],
        vec![curve("tiny", &[(0.0, 1e-9), (1.0, 2e-9)])],
    ];
    for case in cases {
        let svg = curves("a & b", "epoch", &case);
        let document = roxmltree::Document::parse(&svg).expect("XML");
        assert_eq!(document.descendants().filter(|n| n.has_tag_name("polyline")).count(), case.len());
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}

#[test]
fn verifiers_are_curves_from_corner_to_corner() {
    let scores: Vec<f32> = (0..2000).map(|i| (i * 7 % 2000) as f32).collect();
    let same: Vec<bool> = scores.iter().enumerate().map(|(i, score)| *score + (i % 5 * 200) as f32 > 1000.0).collect();
    let curve = Roc::new(&scores, &same).expect("both kinds");
    let svg = roc("which?", &[("ours", &curve), ("theirs", &curve)]);
    let document = roxmltree::Document::parse(&svg).expect("XML");
    let lines: Vec<_> = document.descendants().filter(|node| node.has_tag_name("polyline")).collect();
    assert_eq!(lines.len(), 2);
    let places: Vec<&str> = lines[0].attribute("points").expect("points").split(' ').collect();
    assert!((100..=301).contains(&places.len()), "{}", places.len());
    assert_eq!((places[0], places[places.len() - 1]), ("64.0,284.0", "624.0,36.0"));
    assert!(svg.contains(&format!("ours (AUC {:.4})", curve.auc())), "{svg}");
}

#[test]
fn captions_are_below_and_confusions_are_tables() {
    let dark = Raster { width: 8, height: 8, channels: 1, bytes: vec![0; 64] };
    let captioned = captioned(&dark, "a word", [200, 0, 0], 1);
    assert_eq!((captioned.width, captioned.height), (25, 15));
    assert_eq!(captioned.bytes[8 * 25 * 3..][..3], [200, 0, 0]);
    let mut counts = Confusion::new(2);
    counts.add(0, 0);
    counts.add(1, 0);
    let table = confusion(&counts, &["cat".to_owned(), "dog".to_owned()]);
    let at = |x: usize, y: usize| &table.bytes[(y * table.width + x) * 3..][..3];
    let (left, cell) = (13 * 2 + 8, 44);
    assert_eq!((table.width, table.height), (left + 2 * cell, 3 * 36));
    assert_eq!(at(left + 1, 37), [30, 90, 160], "right");
    assert_eq!(at(left + 1, 73), [190, 50, 40], "wrong");
    assert_eq!(at(left + cell + 1, 37), [235; 3], "never");
}

#[test]
fn long_names_make_no_wide_columns() {
    let names = |letters: usize| ["a", "b"].map(|letter| letter.repeat(letters));
    let (long, twelve) = (confusion(&Confusion::new(2), &names(1000)), confusion(&Confusion::new(2), &names(12)));
    assert!(long == twelve && long.width == 3 * (49 * 2 + 8), "{}", long.width);
}
