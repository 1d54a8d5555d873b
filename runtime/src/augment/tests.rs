use super::*;
use proptest::prelude::*;

/// Black, with a white square that a box and its four corners mark.
fn marked(width: usize, height: usize, x: usize, y: usize, side: usize, channels: usize) -> Sample {
    let white = |i: usize| {
        let (column, row) = (i / channels % width, i / channels / width);
        (x..x + side).contains(&column) && (y..y + side).contains(&row)
    };
    let bytes = (0..width * height * channels).map(|i| if white(i) { 255 } else { 0 }).collect();
    let (x, y, side) = (x as f32, y as f32, side as f32);
    Sample {
        raster: Raster { width, height, channels, bytes },
        classes: vec![(2, 1.0)],
        boxes: vec![(Corners::from_corner(x, y, side, side), 5)],
        points: vec![[x, y], [x + side, y], [x, y + side], [x + side, y + side], [x + side / 2.0, y + side / 2.0]],
    }
}

/// Mean place of the white pixels and how many there are.
fn white(raster: &Raster) -> ([f32; 2], f32) {
    let mut sums = [0.0; 3];
    for (i, pixel) in raster.bytes.chunks_exact(raster.channels).enumerate() {
        let weight = f32::from(pixel[0]) / 255.0;
        let (x, y) = ((i % raster.width) as f32 + 0.5, (i / raster.width) as f32 + 0.5);
        sums = [sums[0] + weight * x, sums[1] + weight * y, sums[2] + weight];
    }
    ([sums[0] / sums[2], sums[1] / sums[2]], sums[2])
}

fn apply(step: Step, sample: Sample, seed: u64) -> Sample {
    let other = marked(30, 40, 5, 5, 10, sample.raster.channels);
    let pipeline = Pipeline(vec![step]);
    let apply = |sample: Sample| {
        pipeline.apply(sample, &mut Random::new(seed), &mut |_| Ok::<_, ()>(other.clone())).expect("nothing fails")
    };
    let result = apply(sample.clone());
    assert_eq!(result, apply(sample), "the same seed gives the same picture");
    result
}

proptest! {
    #[test]
    fn boxes_and_points_follow_the_pixels(seed in any::<u64>(), kind in 0_usize..5, x in 14_usize..36, y in 14_usize..36) {
        let step = [
            Step::Mirror(1.0),
            Step::RandomCrop { pad: 6 },
            Step::Rotate(20.0),
            Step::Shear(15.0),
            Step::Warp(Warp { strength: 0.05, places: 2 }),
        ][kind].clone();
        // Far enough from the sides to stay in the picture.
        let before = marked(64, 64, x, y, 14, 1);
        let after = apply(step, before, seed);
        let (centre, area) = white(&after.raster);
        let middle = after.points[4];
        prop_assert!((centre[0] - middle[0]).abs() < 1.0 && (centre[1] - middle[1]).abs() < 1.0, "{:?} {:?}", centre, middle);
        // A warp moves nodes 32 pixels apart by up to 3.2 pixels each, so no slope of it is above 0.2, and what takes areas to
        // areas, 1 / |I + slopes|, is between 1 / (1.2^2 + 0.2^2) and 1 / (0.8^2 - 0.2^2).
        let allowed = if kind == 4 { 0.67..1.68 } else { 0.9..1.1 };
        prop_assert!(allowed.contains(&(area / 196.0)), "an area of {}", area);
        let (b, class) = after.boxes[0];
        prop_assert_eq!(class, 5);
        // The box is the smallest one around the corners, but for sides that bend.
        for [x, y] in &after.points[..4] {
            prop_assert!(*x >= b.x1 - 1e-3 && *x <= b.x2 + 1e-3 && *y >= b.y1 - 1e-3 && *y <= b.y2 + 1e-3);
        }
        let grown = after.raster.bytes.iter().enumerate().filter(|(_, byte)| **byte > 128).all(|(i, _)| {
            let (x, y) = ((i % 64) as f32 + 0.5, (i / 64) as f32 + 0.5);
            x > b.x1 - 1.5 && x < b.x2 + 1.5 && y > b.y1 - 1.5 && y < b.y2 + 1.5
        });
        prop_assert!(grown, "white pixels outside of the box");
    }

    #[test]
    fn pieces_have_allowed_shapes(seed in any::<u64>(), width in 3_usize..90, height in 3_usize..90) {
        let sample = marked(width, height, 1, 1, 2, 3);
        let crop = ResizedCrop::default();
        let after = apply(Step::ResizedCrop(crop), sample, seed).raster;
        prop_assert!(after.width <= width && after.height <= height);
        prop_assert_eq!(after.bytes.len(), after.width * after.height * 3);
    }

    #[test]
    fn colours_leave_places_alone(seed in any::<u64>(), channels in prop_oneof![Just(1_usize), Just(3)]) {
        let sample = marked(20, 12, 4, 3, 5, channels);
        let color = Color { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.5 };
        for step in [Step::Color(color), Step::PcaColor(0.1), Step::Cutout(6)] {
            let after = apply(step, sample.clone(), seed);
            prop_assert_eq!(&after.boxes, &sample.boxes);
            prop_assert_eq!(after.raster.bytes.len(), sample.raster.bytes.len());
        }
    }

    #[test]
    fn joined_pictures_share_classes(seed in any::<u64>()) {
        let sample = marked(60, 50, 30, 30, 10, 3);
        for step in [Step::Mixup(0.4), Step::Mosaic(1.0)] {
            let after = apply(step, sample.clone(), seed);
            let shares: f32 = after.classes.iter().map(|class| class.1).sum();
            prop_assert!((shares - 1.0).abs() < 1e-5);
            prop_assert_eq!((after.raster.width, after.raster.height), (60, 50));
            prop_assert!(after.boxes.len() > 1);
            prop_assert!(after.boxes.iter().all(|(b, _)| b.is_proper() && *b == b.clipped(60.0, 50.0)));
        }
    }
}

#[test]
fn what_leaves_the_picture_is_no_longer_there() {
    let sample = marked(40, 40, 0, 0, 10, 1);
    // A piece of the lower right.
    let after = geometry::cropped(sample, [20.0, 20.0], 10, 10);
    assert_eq!((after.boxes.len(), after.points[0]), (0, [-20.0, -20.0]));
    assert!(after.raster.bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn greys_keep_their_hue() {
    let sample =
        Sample { raster: Raster { width: 1, height: 1, channels: 3, bytes: vec![90; 3] }, ..marked(1, 1, 0, 0, 0, 3) };
    let color = Color { hue: 0.5, saturation: 0.9, ..Color::default() };
    for seed in 0..20 {
        assert_eq!(apply(Step::Color(color), sample.clone(), seed).raster.bytes, [90; 3]);
    }
}

#[test]
fn shares_of_mixup_are_those_of_beta() {
    let mut random = Random::new(4);
    for alpha in [0.2_f32, 1.0, 3.0] {
        let shares: Vec<f32> = (0..20_000).map(|_| mix::beta(alpha, &mut random)).collect();
        let mean = shares.iter().sum::<f32>() / shares.len() as f32;
        let variance = shares.iter().map(|x| (x - 0.5).powi(2)).sum::<f32>() / shares.len() as f32;
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((mean - 0.5).abs() < 0.01 && (variance / expected - 1.0).abs() < 0.05, "{alpha}: {mean} {variance}");
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    let complaint = |step: Step| step.check().expect_err("a complaint");
    assert!(complaint(Step::Mirror(1.5)).contains("`mirror` is 1.5"));
    assert!(complaint(Step::RandomCrop { pad: 0 }).contains("`pad` is 0"));
    assert!(
        complaint(Step::ResizedCrop(ResizedCrop { area: [0.5, 0.2], ..ResizedCrop::default() })).contains("`area`")
    );
    assert!(complaint(Step::Color(Color { hue: 0.6, ..Color::default() })).contains("`hue` is 0.6"));
    assert!(complaint(Step::Rotate(f32::NAN)).contains("`rotate`"));
    assert!(complaint(Step::Warp(Warp { places: 1, ..Warp::default() })).contains("`places` is 1"));
}

#[test]
fn crops_are_corners_and_the_middle() {
    let bytes = (0..64).collect();
    let raster = Raster { width: 8, height: 8, channels: 1, bytes };
    let sample = Sample { raster, classes: Vec::new(), boxes: Vec::new(), points: Vec::new() };
    let mut random = Random::new(0);
    let mut alone = |_: &mut Random| Ok::<_, ()>(sample.clone());
    let mut first = |pipeline: &Pipeline| {
        let piece = pipeline.apply(sample.clone(), &mut random, &mut alone).expect("one picture").raster;
        assert_eq!((piece.width, piece.height), (6, 6));
        piece.bytes[0]
    };
    let ten: Vec<u8> = crops(0.75, true).iter().map(&mut first).collect();
    assert_eq!(ten, [9, 0, 2, 16, 18, 14, 5, 7, 21, 23]);
    assert_eq!(crops(0.75, false).iter().map(&mut first).collect::<Vec<u8>>(), ten[..5]);
}
