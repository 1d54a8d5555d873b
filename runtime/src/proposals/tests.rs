use super::*;

/// Two squares of other colours on grey.
fn picture() -> Raster {
    let inside = |x: usize, y: usize, left: usize| (left..left + 12).contains(&x) && (6..18).contains(&y);
    let color = |i: usize| match (i % 48, i / 48) {
        (x, y) if inside(x, y, 4) => [200, 30, 30],
        (x, y) if inside(x, y, 28) => [30, 30, 200],
        _ => [120, 120, 120],
    };
    Raster { width: 48, height: 24, channels: 3, bytes: (0..48 * 24).flat_map(color).collect() }
}

#[test]
fn a_picture_falls_into_its_colours() {
    let cut = |how: Segmentation| segments(&picture(), &how);
    let plain = Segmentation { sigma: 0.0, ..Segmentation::default() };
    let found = cut(plain);
    assert_eq!((found.count, found.labels.len()), (3, 48 * 24));
    let at = |x: usize, y: usize| found.labels[y * 48 + x];
    assert_eq!([at(0, 0), at(4, 6), at(15, 17), at(28, 6), at(16, 6)], [0, 1, 1, 2, 0]);
    // Pieces that must be larger than a square join what is around.
    assert_eq!(cut(Segmentation { least: 150, ..plain }).count, 1);
    assert_eq!(cut(Segmentation { scale: 1e6, ..plain }).count, 1);
}

#[test]
fn all_things_are_proposed() {
    let search =
        Search { segmentations: vec![Segmentation { sigma: 0.0, ..Segmentation::default() }], ..Search::default() };
    let found = selective_search(&picture(), &search);
    assert_eq!(found, selective_search(&picture(), &search));
    for expected in [(4.0, 6.0, 12.0, 12.0), (28.0, 6.0, 12.0, 12.0), (0.0, 0.0, 48.0, 24.0)] {
        let (x, y, width, height) = expected;
        assert!(found.contains(&Corners::from_corner(x, y, width, height)), "{found:?}");
    }
    assert_eq!(selective_search(&picture(), &Search { most: 1, ..search.clone() }).len(), 1);
    assert!(selective_search(&picture(), &Search { least_side: 25.0, ..search }).is_empty());
}
