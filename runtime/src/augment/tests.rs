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

/// Black, with a rectangle of one colour that a box of this class marks.
fn painted(color: [u8; 3], class: u32, width: usize, height: usize, b: Corners) -> Sample {
    let inside = |i: usize| {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        x >= b.x1 && x < b.x2 && y >= b.y1 && y < b.y2
    };
    let bytes = (0..width * height).flat_map(|i| if inside(i) { color } else { [0; 3] }).collect();
    let raster = Raster { width, height, channels: 3, bytes };
    Sample { raster, classes: vec![(class, 1.0)], boxes: vec![(b, class)], points: Vec::new() }
}

/// The smallest box around the pixels that are more of this colour than black.
fn extent(raster: &Raster, color: [u8; 3]) -> Option<Corners> {
    let mut hull: Option<Corners> = None;
    for (i, pixel) in raster.bytes.chunks_exact(raster.channels).enumerate() {
        if pixel.iter().zip(color).all(|(byte, full)| (*byte > 127) == (full > 127)) {
            let b = Corners::from_corner((i % raster.width) as f32, (i / raster.width) as f32, 1.0, 1.0);
            hull = Some(hull.map_or(b, |hull| hull.hull(&b)));
        }
    }
    hull
}

/// The furthest that a side of the one is from that of the other.
fn apart(a: &Corners, b: &Corners) -> f32 {
    let sides = [a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2];
    sides.into_iter().fold(0.0, |most, side| most.max(side.abs()))
}

proptest! {
    #[test]
    fn boxes_and_points_follow_the_pixels(seed in any::<u64>(), kind in 0_usize..5, x in 14_usize..36, y in 14_usize..36) {
        let step = [
            Step::Mirror(1.0.into()),
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
    fn boxes_and_points_follow_pieces(seed in any::<u64>(), x in 0_usize..50, y in 0_usize..34) {
        let before = marked(64, 48, x, y, 14, 1);
        let crop = ResizedCrop { area: [0.1, 1.0], ..ResizedCrop::default() };
        let after = apply(Step::ResizedCrop(crop), before.clone(), seed);
        let white = after.raster.bytes.iter().filter(|byte| **byte == 255).count();
        match after.boxes[..] {
            // Pieces are of whole pixels, so that all is exact.
            [(b, 5)] => prop_assert_eq!(extent(&after.raster, [255; 3]), Some(b)),
            _ => prop_assert!(after.boxes.is_empty() && (white as f32) < 0.2 * 196.0, "{} pixels are seen", white),
        }
        let shift = [after.points[0][0] - x as f32, after.points[0][1] - y as f32];
        for (a, b) in after.points.iter().zip(&before.points) {
            prop_assert_eq!(*a, [b[0] + shift[0], b[1] + shift[1]]);
        }
        let [px, py] = after.points[4].map(|place| place as i64);
        if (0..after.raster.width as i64).contains(&px) && (0..after.raster.height as i64).contains(&py) {
            prop_assert_eq!(after.raster.bytes[py as usize * after.raster.width + px as usize], 255);
        }
    }

    #[test]
    fn boxes_follow_into_mosaics(seed in any::<u64>(), x in 0_usize..50, y in 0_usize..34, wide in 8_usize..30) {
        const COLORS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]];
        let first = painted(COLORS[0], 0, 64, 48, Corners::from_corner(x as f32, y as f32, 14.0, 14.0));
        let mut next = 0;
        let mut other = |_: &mut Random| {
            next += 1;
            let b = Corners::from_corner(6.0 + next as f32, 9.0, wide as f32, 20.0);
            Ok::<_, ()>(painted(COLORS[next], next as u32, 50, 60, b))
        };
        let after = Pipeline(vec![Step::Mosaic(1.0)]).apply(first, &mut Random::new(seed), &mut other).expect("four");
        for (b, class) in &after.boxes {
            let seen = extent(&after.raster, COLORS[*class as usize]);
            prop_assert!(seen.is_some_and(|seen| apart(&seen, b) <= 1.0), "{:?} is not {:?} of {}", seen, b, class);
        }
        // Proportions are kept: 1.28 times as large the second picture covers the first one.
        if let Some((b, _)) = after.boxes.iter().find(|(_, class)| *class == 1) {
            prop_assert!((b.x2 - 1.28 * (7 + wide) as f32).abs() < 0.1, "{:?}", b);
        }
        // The lower right corner of the first picture is where all meet.
        let whole = (after.raster.width * after.raster.height) as f32;
        let shares: Vec<f32> = after.classes.iter().map(|(_, share)| share * whole).collect();
        prop_assert!((shares[0] * shares[3] - shares[1] * shares[2]).abs() < 1.0, "{:?}", shares);
    }

    #[test]
    fn boxes_of_both_pictures_stay_around_their_pixels(seed in any::<u64>(), x in 0_usize..50, y in 0_usize..34, wide in 8_usize..30) {
        const COLORS: [[u8; 3]; 2] = [[255, 0, 0], [0, 255, 0]];
        let first = painted(COLORS[0], 0, 64, 48, Corners::from_corner(x as f32, y as f32, 14.0, 14.0));
        let second = painted(COLORS[1], 1, 50, 60, Corners::from_corner(12.0, 9.0, wide as f32, 20.0));
        let mut other = |_: &mut Random| Ok::<_, ()>(second.clone());
        let after = Pipeline(vec![Step::Mixup(2.0)]).apply(first, &mut Random::new(seed), &mut other).expect("two");
        prop_assert_eq!((after.raster.width, after.raster.height), (64, 48));
        prop_assert_eq!(after.boxes.iter().map(|(_, class)| *class).collect::<Vec<_>>(), [0, 1]);
        for ((b, class), (_, share)) in after.boxes.iter().zip(&after.classes) {
            // Each picture has a channel of its own, as bright as its share.
            let mut alone = after.raster.clone();
            for pixel in alone.bytes.chunks_exact_mut(3) {
                let bright = f32::from(pixel[*class as usize]) > 127.0 * share;
                pixel.fill(if bright { 255 } else { 0 });
            }
            let seen = extent(&alone, [255; 3]);
            let hidden = *share < 0.02;
            prop_assert!(hidden || seen.is_some_and(|seen| apart(&seen, b) <= 1.0), "{:?} is not {:?} of {}", seen, b, class);
        }
    }

    #[test]
    fn a_cutout_is_a_square(seed in any::<u64>(), side in 1_usize..30, channels in prop_oneof![Just(1_usize), Just(3)]) {
        let (width, height) = (40, 24);
        let bytes: Vec<u8> = (0..width * height * channels).map(|i| (i % 100) as u8).collect();
        let raster = Raster { width, height, channels, bytes };
        let before = Sample { raster, classes: vec![], boxes: vec![], points: vec![] };
        let after = apply(Step::Cutout(side), before.clone(), seed);
        let mut random = Random::new(seed);
        let [x, y] = [width, height].map(|len| (random.unit() * len as f32) as usize + 1000 - side / 2);
        for i in 0..width * height {
            let covered = (x..x + side).contains(&(i % width + 1000)) && (y..y + side).contains(&(i / width + 1000));
            let part = i * channels..(i + 1) * channels;
            match covered {
                true => prop_assert!(after.raster.bytes[part].iter().all(|byte| *byte == 128)),
                false => prop_assert_eq!(&after.raster.bytes[part.clone()], &before.raster.bytes[part]),
            }
        }
    }

    #[test]
    fn mixed_pictures_and_classes_have_the_same_shares(seed in any::<u64>(), alpha in 0.2_f32..4.0) {
        let flat = |byte: u8, class: u32, side: usize| {
            let raster = Raster { width: side, height: side, channels: 1, bytes: vec![byte; side * side] };
            Sample { raster, classes: vec![(class, 1.0)], boxes: vec![], points: vec![] }
        };
        let mut other = |_: &mut Random| Ok::<_, ()>(flat(0, 7, 4));
        let mixup = Pipeline(vec![Step::Mixup(alpha)]);
        let after = mixup.apply(flat(200, 3, 4), &mut Random::new(seed), &mut other).expect("two");
        let [(3, share), (7, rest)] = after.classes[..] else { panic!("{:?}", after.classes) };
        prop_assert!((0.0..=1.0).contains(&share) && (share + rest - 1.0).abs() < 1e-6);
        prop_assert!(after.raster.bytes.iter().all(|byte| *byte == (200.0 * share).round() as u8));
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
        // What stands in the middle of a picture may be in no corner of it.
        for (step, least) in [(Step::Mixup(0.4), 2), (Step::Mosaic(1.0), 0)] {
            let after = apply(step, sample.clone(), seed);
            let shares: f32 = after.classes.iter().map(|class| class.1).sum();
            prop_assert!((shares - 1.0).abs() < 1e-5);
            prop_assert_eq!((after.raster.width, after.raster.height), (60, 50));
            prop_assert!(after.boxes.len() >= least);
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
fn pairs_of_points_change_places() {
    let before = marked(40, 40, 4, 10, 10, 1);
    // The corners stay what they are: the upper left one is on the left again.
    let mirror = Mirror { share: 1.0, swap: vec![[0, 1], [2, 3]] };
    let after = apply(Step::Mirror(mirror), before.clone(), 0);
    let (b, _) = after.boxes[0];
    let corners = [[b.x1, b.y1], [b.x2, b.y1], [b.x1, b.y2], [b.x2, b.y2]];
    assert_eq!((b.x1, &after.points[..4], after.points[4]), (26.0, &corners[..], [31.0, 15.0]));
    // What is not mirrored stays.
    let never = Mirror { share: 0.0, swap: vec![[0, 1]] };
    assert_eq!(apply(Step::Mirror(never.clone()), before.clone(), 0).points, before.points);

    let pipeline = Pipeline(vec![Step::Mirror(0.5.into()), Step::Mirror(Mirror { swap: vec![[2, 4]], ..never })]);
    assert_eq!(pipeline.suits(5), Ok(()));
    let said = "`swap` of `mirror` has point 4, but there is a picture with 4 points, numbers 0 to 3";
    assert_eq!(pipeline.suits(4), Err(said.to_owned()));
    assert!(pipeline.suits(0).expect_err("none").ends_with("no points"));
}

#[cfg(feature = "harness")]
#[test]
fn mirrors_have_two_forms() {
    let read = |text: &str| serde_json::from_str::<Pipeline>(text);
    let pipeline = read(r#"[{"mirror": 1}, {"mirror": 0.5}, {"mirror": {"share": 0.25, "swap": [[0, 1]]}}]"#);
    let mirrors = [1.0.into(), 0.5.into(), Mirror { share: 0.25, swap: vec![[0, 1]] }];
    let expected = Pipeline(mirrors.map(Step::Mirror).to_vec());
    assert_eq!(pipeline.expect("a pipeline"), expected);
    assert_eq!(read(&serde_json::to_string(&expected).expect("JSON")).expect("a pipeline"), expected);
    let complaint = |text: &str| read(text).expect_err("a complaint").to_string();
    assert!(complaint(r#"[{"mirror": {"swap": []}}]"#).contains("missing field `share`"));
    assert!(
        complaint(r#"[{"mirror": {"share": 1, "swop": []}}]"#).contains("unknown field `swop`, expected `share` or")
    );
    assert!(
        complaint(r#"[{"mirror": "often"}]"#).contains("expected a probability, or `{ share: 0.5, swap: [[0, 1]] }`")
    );
}

/// The colours of two pixels after a change of colours.
fn recoloured(color: Color, pixels: [[u8; 3]; 2], seed: u64) -> [[f32; 3]; 2] {
    let raster = Raster { width: 2, height: 1, channels: 3, bytes: pixels.concat() };
    let sample = Sample { raster, classes: vec![], boxes: vec![], points: vec![] };
    let after = apply(Step::Color(color), sample, seed).raster.bytes;
    [0, 1].map(|pixel| std::array::from_fn(|channel| f32::from(after[pixel * 3 + channel])))
}

#[test]
fn colours_change_by_their_formulas() {
    let pixels = [[200_u8, 90, 50], [30, 140, 80]];
    let luma = |p: [u8; 3]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    let mean = (luma(pixels[0]) + luma(pixels[1])) / 2.0;
    let (none, strength) = (Color::default(), 0.25);
    // What each change leaves as it is: black, the mean brightness, each pixel's own.
    let cases = [
        (Color { brightness: strength, ..none }, [0.0; 2]),
        (Color { contrast: strength, ..none }, [mean; 2]),
        (Color { saturation: strength, ..none }, pixels.map(luma)),
    ];
    for (color, fixed) in cases {
        let mut factors = Vec::new();
        for seed in 0..40 {
            let after = recoloured(color, pixels, seed);
            let factor = (after[0][0] - fixed[0]) / (200.0 - fixed[0]);
            for (pixel, (before, after)) in pixels.iter().zip(after).enumerate() {
                for (x, y) in before.iter().zip(after) {
                    let expected = fixed[pixel] + (f32::from(*x) - fixed[pixel]) * factor;
                    assert!((y - expected).abs() <= 1.5, "{color:?}, seed {seed}: {x} is {y}, not {expected}");
                }
            }
            factors.push(factor);
        }
        let (low, high) = factors.iter().fold((2.0_f32, 0.0_f32), |(low, high), x| (low.min(*x), high.max(*x)));
        assert!((0.74..0.82).contains(&low) && (1.18..1.26).contains(&high), "{color:?}: from {low} to {high}");
    }
    // The hue turns about the axis of greys: the sum stays, and the distance from it.
    let about = |p: [f32; 3]| {
        let mean = (p[0] + p[1] + p[2]) / 3.0;
        let (x, y) = (p[0] - mean, (p[1] - p[2]) / 3.0_f32.sqrt());
        // By a basis in which red lies on the x axis, and green and blue a third of a turn from it.
        (mean, (1.5_f32.sqrt() * x).hypot(1.5_f32.sqrt() * y), (y).atan2(x))
    };
    let mut turns = Vec::new();
    for seed in 0..40 {
        let before = [[150_u8, 120, 90], [110, 130, 140]];
        let after = recoloured(Color { hue: 0.2, ..none }, before, seed);
        let turned = [0, 1].map(|i| (about(before[i].map(f32::from)), about(after[i])));
        for ((mean, radius, _), (other_mean, other_radius, _)) in turned {
            assert!((mean - other_mean).abs() < 1.0 && (radius - other_radius).abs() < 1.5, "seed {seed}");
        }
        let turn = |i: usize| ((turned[i].1.2 - turned[i].0.2) / std::f32::consts::TAU + 0.5).rem_euclid(1.0) - 0.5;
        assert!((turn(0) - turn(1)).abs() < 0.02, "seed {seed}: both by the same angle");
        turns.push(turn(0));
    }
    assert!(turns.iter().all(|turn| turn.abs() < 0.21) && turns.iter().any(|turn| turn.abs() > 0.15), "{turns:?}");
}

#[test]
fn principal_colours_vary_as_those_of_imagenet() {
    // Krizhevsky 2012, section 4.1: [p1, p2, p3] [a1 l1, a2 l2, a3 l3], a normally distributed. So the shifts have the covariance
    // P diag((std l)^2) P'.
    let axes = [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];
    let lambda = [0.2175_f64, 0.0188, 0.0045];
    let raster = Raster { width: 2, height: 1, channels: 3, bytes: vec![128, 128, 128, 118, 128, 138] };
    let sample = Sample { raster, classes: vec![], boxes: vec![], points: vec![] };
    let std = 0.5;
    let shifts: Vec<[f64; 3]> = (0..20_000)
        .map(|seed| {
            let pipeline = Pipeline(vec![Step::PcaColor(std as f32)]);
            let mut alone = |_: &mut Random| Err::<Sample, ()>(());
            let after = pipeline.apply(sample.clone(), &mut Random::new(seed), &mut alone).expect("one picture");
            let shift: [f64; 3] = std::array::from_fn(|c| f64::from(after.raster.bytes[c]) - 128.0);
            for (c, before) in [118.0, 128.0, 138.0].into_iter().enumerate() {
                let other = f64::from(after.raster.bytes[3 + c]) - before;
                assert!((other - shift[c]).abs() <= 1.0, "all pixels move alike");
            }
            shift
        })
        .collect();
    for i in 0..3 {
        for j in 0..3 {
            let found = shifts.iter().map(|shift| shift[i] * shift[j]).sum::<f64>() / shifts.len() as f64;
            let expected: f64 = (0..3).map(|k| axes[i][k] * axes[j][k] * (std * lambda[k] * 255.0).powi(2)).sum();
            // Roundings add a twelfth to variances.
            assert!((found - expected).abs() < 0.04 * expected.abs() + 0.2, "{i}, {j}: {found}, not {expected}");
        }
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
    assert!(complaint(Step::Mirror(1.5.into())).contains("`mirror` is 1.5"));
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
