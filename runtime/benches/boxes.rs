//! Non-maximum suppression of 10,000 boxes, which is to take less than 2 ms; and by fading scores, which looks at all pairs of a
//! class.
//!
//! `cargo bench -p cnnc-runtime --bench boxes`. Wants an idle machine.

use cnnc_runtime::boxes::{Centered, Detection, Fading, Thresholds, nms, nms_agnostic, soft_nms};
use cnnc_runtime::random::Random;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// How boxes lie.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// Around 200 things, as a detector finds them.
    Clustered,
    /// Anywhere, of all sizes.
    Scattered,
    /// Side by side, so that nothing is suppressed.
    Apart,
}

fn detections(scene: Scene, classes: u64) -> Vec<Detection> {
    let mut random = Random::new(1);
    let mut uniform = |low: f32, high: f32| random.uniform(&(low..high));
    let things: Vec<[f32; 4]> = (0..200)
        .map(|_| [uniform(0.0, 1920.0), uniform(0.0, 1080.0), uniform(10.0, 300.0), uniform(10.0, 300.0)])
        .collect();
    let boxes: Vec<(Centered, f32)> = (0..10_000)
        .map(|i| {
            let [x, y, width, height] = match scene {
                Scene::Clustered => things[i % things.len()].map(|v| v + uniform(-5.0, 5.0)),
                Scene::Scattered => {
                    [uniform(0.0, 1920.0), uniform(0.0, 1080.0), uniform(5.0, 400.0), uniform(5.0, 400.0)]
                }
                Scene::Apart => [(i % 100) as f32 * 19.0, (i / 100) as f32 * 10.0, 10.0, 8.0],
            };
            (Centered { x, y, width, height }, uniform(0.61, 1.0))
        })
        .collect();
    let detection =
        |(b, score): (Centered, f32)| Detection { corners: b.into(), score, class: random.below(classes) as u32 };
    boxes.into_iter().map(detection).collect()
}

#[divan::bench(args = [Scene::Clustered, Scene::Scattered, Scene::Apart])]
fn nms_10000_of_80_classes(bencher: Bencher<'_, '_>, scene: Scene) {
    let detections = detections(scene, 80);
    bencher.bench_local(|| nms(black_box(&detections), &Thresholds::default()));
}

#[divan::bench(args = [Scene::Clustered, Scene::Scattered, Scene::Apart])]
fn nms_10000_agnostic(bencher: Bencher<'_, '_>, scene: Scene) {
    let detections = detections(scene, 80);
    bencher.bench_local(|| nms_agnostic(black_box(&detections), &Thresholds::default()));
}

#[divan::bench(args = [Scene::Clustered, Scene::Scattered, Scene::Apart])]
fn soft_nms_10000_of_80_classes(bencher: Bencher<'_, '_>, scene: Scene) {
    let detections = detections(scene, 80);
    bencher.bench_local(|| soft_nms(black_box(&detections), Fading::PAPER, &Thresholds::default()));
}
