use std::sync::Arc;
use std::vec;

use super::*;
use crate::boxes::Corners;
use crate::data::{Answer, Collection, Example, Picture, Pixels, Plan, Raster, TargetValues};
use crate::metrics::TrueBox;
use crate::optimizer::Sgd;
use crate::schedule::{Decay, OnPlateau, Schedule};
use crate::testing::points::{BOXES, LABELLED, MAPS, Points};
use crate::train::{Epoch, FitOptions, detect, fit};
use proptest::prelude::*;

/// Scores of three classes at four places for each image, and their labels; 255 has no class.
fn maps(scores: Vec<f32>, labels: Vec<u32>) -> Dataset {
    Dataset::in_memory(&MAPS, vec![scores], vec![TargetValues::Classes(labels)]).expect("maps")
}

proptest! {
    /// Pixel accuracy, mean IoU and cross-entropy, counted pixel by pixel.
    #[test]
    fn maps_are_compared_pixel_by_pixel(
        images in prop::collection::vec((prop::array::uniform12(-3_i8..4), prop::array::uniform4(0_u32..4)), 1..7),
        size in 1_usize..4,
    ) {
        let scores: Vec<f32> = images.iter().flat_map(|image| image.0.map(f32::from)).collect();
        let labels: Vec<u32> = images.iter().flat_map(|image| image.1.map(|l| if l == 3 { 255 } else { l })).collect();
        let metrics = evaluate(&mut Points::new(&MAPS, 3), &maps(scores, labels), size).expect("metrics");

        let (mut loss, mut right, mut all) = (0.0, 0, 0);
        let (mut both, mut either) = ([0; 3], [0; 3]);
        for (scores, labels) in &images {
            let (mut sum, mut counted) = (0.0, 0);
            for place in (0..4).filter(|place| labels[*place] < 3) {
                let of_class = [0, 1, 2].map(|class| f64::from(scores[4 * class + place]));
                let label = labels[place] as usize;
                let most = of_class.iter().copied().fold(f64::MIN, f64::max);
                let answer = of_class.iter().position(|x| *x == most).expect("a class");
                sum -= (of_class[label].exp() / of_class.iter().map(|x| x.exp()).sum::<f64>()).ln();
                counted += 1;
                right += u64::from(answer == label);
                for class in 0..3 {
                    both[class] += usize::from(answer == class && label == class);
                    either[class] += usize::from(answer == class || label == class);
                }
            }
            loss += sum / f64::from(counted.max(1));
            all += counted as usize;
        }
        let present = either.iter().filter(|n| **n > 0).count().max(1) as f64;
        let iou: f64 = both.iter().zip(either).filter(|(_, n)| *n > 0).map(|(a, b)| *a as f64 / b as f64).sum();
        prop_assert_eq!(metrics.accuracy(), Some(right as f64 / all.max(1) as f64));
        prop_assert_eq!(metrics.metrics[0].correct(), Some(right));
        let mean_iou = metrics.mean_iou().expect("a mean IoU");
        prop_assert!((mean_iou - iou / present).abs() < 1e-12);
        prop_assert_eq!(metrics.rating(), Some(mean_iou));
        let found = metrics.loss().expect("a loss");
        prop_assert!((found - loss / images.len() as f64).abs() < 1e-6, "{} {}", found, loss);
    }
}

#[test]
fn answers_for_maps_are_averaged_by_pixel() {
    let labels = vec![0, 1, 2, 255, 1, 1, 0, 0];
    let scores: Vec<f32> = (0..24_u8).map(|i| f32::from(i * 7 % 5)).collect();
    let data = maps(scores, labels);
    let mut answers = Answers::new(&MAPS);
    let mut network = Points::new(&MAPS, 2);
    answers.add(&mut network, &data, 1).expect("answers");
    answers.add(&mut network, &data, 2).expect("answers");
    let mean = answers.mean(0);
    for place in 0..4 {
        let sum: f32 = (0..3).map(|class| mean[4 * class + place]).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{mean:?}");
    }
    let (of_mean, alone) =
        (answers.metrics(&data, 2).expect("metrics"), evaluate(&mut network, &data, 2).expect("one"));
    assert_eq!(of_mean.metrics[0].confusion, alone.metrics[0].confusion);
    assert!((of_mean.loss().expect("a loss") - alone.loss().expect("a loss")).abs() < 1e-6);
}

#[test]
fn images_without_a_class_do_not_count() {
    let scores = vec![0.9, 0.1, 0.2, 0.8, 0.6, 0.4];
    let data = Dataset::in_memory(&LABELLED, vec![scores], vec![TargetValues::Classes(vec![0, 9, 1])]).expect("data");
    let metrics = evaluate(&mut Points::new(&LABELLED, 2), &data, 2).expect("metrics");
    assert_eq!((metrics.accuracy(), metrics.metrics[0].correct(), metrics.mean_iou()), (Some(0.5), Some(1), None));
    assert_eq!(metrics.metrics[0].confusion.as_ref().map(Confusion::total), Some(2));
}

/// Pictures of 12 numbers that the network takes for two boxes: centre, size, confidence, class score; pictures are as large as the
/// input, 6 x 2.
fn photos(boxes: &[[u8; 12]], truths: Vec<Vec<TrueBox>>) -> Dataset {
    let example = |(bytes, truths): (&[u8; 12], Vec<TrueBox>)| {
        let raster = Raster { width: 6, height: 2, channels: 1, bytes: bytes.to_vec() };
        let boxes = truths.iter().map(|t| (t.corners, t.class)).collect();
        Example { boxes, truths, ..Example::new(Pixels::Memory(Arc::new(raster))) }
    };
    let examples = boxes.iter().zip(truths).map(example).collect();
    // Bytes are pixels of the input.
    let picture = Picture { std: vec![1.0 / 255.0], ..Picture::default() };
    let collection = Collection { examples, classes: Vec::new() };
    let plan = Plan { targets: vec![("objects".into(), Answer::Objects)], ..Plan::default() };
    Dataset::photos_in_order(collection, &BOXES, &picture, &plan).expect("photos")
}

fn truth(x1: f32, x2: f32) -> TrueBox {
    TrueBox::new(0, 0, Corners { x1, y1: 0.0, x2, y2: 2.0 })
}

#[test]
fn detectors_are_measured_on_photos() {
    // Of each box the centre, the size, that it is one, of which class.
    let (left, right, none) = ([1, 1, 2, 2, 1, 1], [5, 1, 2, 2, 1, 1], [0; 6]);
    let both = |a: [u8; 6], b: [u8; 6]| -> [u8; 12] { [a, b].concat().try_into().expect("twelve") };
    let pictures = [both(left, right), both(left, none), both(none, none)];
    let difficult = TrueBox { difficult: true, ..truth(4.0, 6.0) };
    let data = photos(&pictures, vec![vec![truth(0.0, 2.0), difficult], vec![truth(0.0, 2.0)], vec![truth(2.0, 4.0)]]);
    let mut network = Points::new(&BOXES, 2);
    // The last batch has one picture.
    let metrics = evaluate(&mut network, &data, 2).expect("metrics");
    let boxes = metrics.boxes.as_ref().expect("a precision");
    assert_eq!((boxes.boxes, boxes.classes.len()), (3, 1));
    // Two of three boxes are found, and nothing wrong: the difficult one does not count.
    assert!((boxes.map50 - 2.0 / 3.0).abs() < 1e-12, "{boxes:?}");
    assert!((boxes.coco.ap - 67.0 / 101.0).abs() < 1e-12, "{boxes:?}");
    assert_eq!((metrics.loss(), metrics.rating()), (None, Some(boxes.map50)));
    assert!(!metrics.is_empty());
    let detected = detect(&mut network, &data, 2, &Detected::THRESHOLDS).expect("boxes");
    assert_eq!(detected.truths.iter().map(|t| t.image).collect::<Vec<_>>(), [0, 0, 1, 2]);
    assert_eq!(&detected.precision(), boxes);

    // There is no loss of what is held out: while the mAP stays the same, the loss of learning says whether there is progress.
    let plateau = OnPlateau { factor: 0.5, patience: 0, ..OnPlateau::default() };
    let schedule = Schedule { warmup: 0.0, decay: Decay::OnPlateau(plateau) };
    let options =
        FitOptions { batch: 2, epochs: 3, schedule, optimizer: Sgd::default().into(), ..FitOptions::default() };
    let outcome = fit(&mut network, &data, Some(&data), &options, &mut ()).expect("a run");
    let epochs = |f: fn(&Epoch) -> f64| outcome.epochs.iter().map(f).collect::<Vec<_>>();
    assert!(epochs(|epoch| epoch.train.loss).is_sorted_by(|a, b| a > b));
    assert_eq!(epochs(|epoch| epoch.train.learning_rate), [0.01; 3]);
    assert!(outcome.epochs.iter().all(|epoch| epoch.test.as_ref() == Some(&metrics)));

    let without = photos(&pictures, vec![vec![], vec![], vec![]]);
    let metrics = evaluate(&mut network, &without, 2).expect("metrics");
    assert!(metrics.is_empty() && metrics.boxes.is_none());
}
