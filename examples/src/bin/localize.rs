//! What is in a picture, and where: one object, its class and its box.
//! `cargo run --release --package cnnc-examples --bin localize`
//!
//! Digits of random size, colour and place on pieces of photos, mixed with pieces without a digit. One vector answers all: whether
//! there is something, its box, its class; where there is nothing, box and class do not count in the loss. On digits and
//! photos that were not learnt from, the bounds are: presence is right in 98 % of the pictures, the mean IoU is 68 %, 90 % of the
//! boxes have an IoU of 0.5 or more, 93 % of the classes are right, and 85 % have both.

cnnc_macros::net!("../specs/localize.net", classes = 10);

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::digits::Digits;
use cnnc_examples::patches::{LEARNT, Patches, TESTED};
use cnnc_examples::pose::Pose;
use cnnc_examples::{Bound, Common, Result, Table, at_least, best, percent, say};
use cnnc_runtime::Options;
use cnnc_runtime::boxes::{Centered, Corners, Normalized};
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw;
use cnnc_runtime::metrics::top_k;
use cnnc_runtime::optimizer::{Adam, Optimizer};
use cnnc_runtime::random::Random;

/// Pixels of a side.
const SIDE: usize = 64;
const PIXELS: usize = SIDE * SIDE;

/// Pictures of a batch.
const BATCH: usize = 32;

/// Pictures without a digit.
const EMPTY: f32 = 0.3;

/// What is in a picture, and where
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// A picture, and what is in it.
struct Scene {
    /// `[3, 64, 64]`, from 0 to 1.
    image: [f32; 3 * PIXELS],
    /// Box in pixels and class.
    digit: Option<(Corners, u32)>,
}

/// What the network says of a picture.
struct Answer {
    /// How likely there is a digit.
    there: f32,
    corners: Corners,
    probabilities: [f32; 10],
}

fn main() -> ExitCode {
    cnnc_examples::run(localize)
}

fn localize(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let (learnt, tested) = Digits::read(common, 9000)?;
    let mut random = Random::new(common.seed);
    let patches = common.scaled(400, 40);
    let behind = Patches::cut(&LEARNT, patches, SIDE, &mut random)?;
    let mut net = Localize::with_options(&Options { seed: common.seed, batch: BATCH, ..Default::default() });
    learn(&mut net, &learnt, &behind, &mut random, common)?;

    let behind = Patches::cut(&TESTED, patches, SIDE, &mut random)?;
    let scenes: Vec<Scene> =
        (0..common.scaled(1024, 128)).map(|_| Scene::draw(&tested, &behind, &mut random)).collect();
    let mut answers = Vec::new();
    for scenes in scenes.chunks(BATCH) {
        answers.extend(answer(&mut net, scenes)?);
    }
    let bounds = account(&scenes, &answers);
    let pictures: Vec<Raster> =
        scenes.iter().zip(&answers).take(24).map(|(scene, answer)| picture(scene, answer)).collect::<Result<_>>()?;
    let what =
        "pictures that were not learnt from, with true boxes (white) and answers (green: class right, red: wrong)";
    common.write_picture("localize.png", &draw::sheet(&pictures, 8, 6), what)?;
    common.check(&bounds)
}

impl Scene {
    /// A piece of a photo, most often with a digit on it that is brighter.
    fn draw(digits: &Digits, behind: &Patches, random: &mut Random) -> Self {
        let patch = behind.draw(random);
        let dim = random.uniform(&(0.3..0.7));
        let color = [(); 3].map(|()| random.uniform(&(0.6..1.0)));
        let image = std::array::from_fn(|i| dim * f32::from(patch.bytes[i % PIXELS * 3 + i / PIXELS]) / 255.0);
        let mut scene = Self { image, digit: None };
        if random.unit() < EMPTY {
            return scene;
        }
        let number = random.below(digits.len() as u64) as usize;
        let scale = random.uniform(&(1.2..2.4));
        // Ink is up to 20 of the 28 pixels wide and high.
        let reach = 10.0 * scale;
        let place = reach..SIDE as f32 - reach;
        let (x, y) = (random.uniform(&place), random.uniform(&place));
        let pose = Pose { x, y, scale, angle: random.uniform(&(-0.3..0.3)) };
        let ink = digits.posed(number, &pose, SIDE);
        for (i, value) in scene.image.iter_mut().enumerate() {
            *value += (color[i / PIXELS] - *value) * ink.values[i % PIXELS];
        }
        scene.digit = ink.bounds().map(|corners| (corners, digits.labels[number]));
        scene
    }

    /// Whether there is a digit, its box as shares of the picture (centre, height, width), and its class as zeros and a one.
    fn wanted(&self) -> [f32; 15] {
        let mut wanted = [0.0; 15];
        if let Some((corners, class)) = self.digit {
            let b = corners.normalized(SIDE as f32, SIDE as f32);
            wanted[..5].copy_from_slice(&[1.0, b.x, b.y, b.height, b.width]);
            wanted[5 + class as usize] = 1.0;
        }
        wanted
    }
}

fn learn(net: &mut Localize, digits: &Digits, behind: &Patches, random: &mut Random, common: &Common) -> Result<()> {
    let steps = common.scaled(2200, 24);
    let mut optimizer = Optimizer::new(Adam { learning_rate: 0.002, ..Adam::default() }, net);
    let loss = cnnc_examples::learn(steps, 0.05, |factor| {
        let scenes: Vec<Scene> = (0..BATCH).map(|_| Scene::draw(digits, behind, random)).collect();
        let images: Vec<[f32; 3 * PIXELS]> = scenes.iter().map(|scene| scene.image).collect();
        let wanted: Vec<[f32; 15]> = scenes.iter().map(Scene::wanted).collect();
        optimizer.set_factor(factor);
        Ok(net.train_step(&images, &wanted, &mut optimizer)?)
    })?;
    say!("learnt from {} pictures: loss {loss:.3}", steps * BATCH);
    Ok(())
}

fn answer(net: &mut Localize, scenes: &[Scene]) -> Result<Vec<Answer>> {
    let images: Vec<[f32; 3 * PIXELS]> = scenes.iter().map(|scene| scene.image).collect();
    let outputs = net.infer_batch(&images)?;
    let all = outputs.there.iter().zip(outputs.box_).zip(outputs.probabilities);
    let answer = |((there, &[x, y, height, width]), probabilities): ((&[f32; 1], &[f32; 4]), &[f32; 10])| {
        let corners = Normalized { x, y, width, height }.in_picture(SIDE as f32, SIDE as f32).into();
        Answer { there: there[0], corners, probabilities: *probabilities }
    };
    Ok(all.map(answer).collect())
}

impl Answer {
    /// The likeliest class.
    fn class(&self) -> u32 {
        best(&self.probabilities) as u32
    }
}

/// Shows how good the answers are, beside the bounds that they are to keep.
fn account(scenes: &[Scene], answers: &[Answer]) -> [Bound; 5] {
    let said =
        scenes.iter().zip(answers).filter(|(scene, answer)| scene.digit.is_some() == (answer.there > 0.5)).count();
    let with: Vec<(Corners, u32, &Answer)> = scenes
        .iter()
        .zip(answers)
        .filter_map(|(scene, answer)| scene.digit.map(|(b, class)| (b, class, answer)))
        .collect();
    let ious: Vec<f32> = with.iter().map(|(b, _, answer)| answer.corners.iou(b)).collect();
    let (scores, labels): (Vec<[f32; 10]>, Vec<u32>) =
        with.iter().map(|(_, class, answer)| (answer.probabilities, *class)).unzip();
    let both =
        with.iter().zip(&ious).filter(|((_, class, answer), iou)| answer.class() == *class && **iou >= 0.5).count();
    let near = ious.iter().filter(|iou| **iou >= 0.5).count();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let rows = [
        ("whether there is a digit", scenes.len(), share(said, scenes.len()), 98.0),
        ("mean IoU", with.len(), f64::from(ious.iter().sum::<f32>()) / ious.len().max(1) as f64, 68.0),
        ("IoU of 0.5 or more", with.len(), share(near, with.len()), 90.0),
        ("class", with.len(), share(top_k(scores.as_flattened(), 10, &labels, 1), with.len()), 93.0),
        ("class and IoU of 0.5 or more", with.len(), share(both, with.len()), 85.0),
    ];
    let mut table = Table::new(&["measured", "of", "result"]);
    rows.iter().for_each(|(what, of, share, _)| table.row(&[what, of, &percent(*share)]));
    say!("\n{table}");
    rows.map(|(what, _, share, bound)| at_least(&format!("{what}, %"), 100.0 * share, bound))
}

/// The picture with the true box and the answer.
fn picture(scene: &Scene, answer: &Answer) -> Result<Raster> {
    /// So that labels can be read.
    const ENLARGED: usize = 3;
    let mut raster = Raster::from_tensor(&scene.image, &[3, SIDE, SIDE], (0.0, 1.0))?.enlarged(ENLARGED);
    let enlarged = |b: Corners| {
        let b = Centered::from(b);
        let at = |x: f32| x * ENLARGED as f32;
        Corners::from(Centered { x: at(b.x), y: at(b.y), width: at(b.width), height: at(b.height) })
    };
    if let Some((corners, _)) = scene.digit {
        draw::frame(&mut raster, &enlarged(corners), [255; 3], 1);
    }
    let right = match scene.digit {
        Some((_, class)) => answer.there > 0.5 && answer.class() == class,
        None => answer.there <= 0.5,
    };
    let color = if right { [40, 150, 60] } else { [220, 50, 40] };
    if answer.there > 0.5 {
        let corners = enlarged(answer.corners);
        draw::frame(&mut raster, &corners, color, 2);
        let text = format!("{} {:.0} %", answer.class(), 100.0 * answer.probabilities[answer.class() as usize]);
        draw::label(&mut raster, corners.x1 as i64, corners.y1 as i64 - 14, &text, color, 2);
    } else {
        draw::label(&mut raster, 0, 0, "nothing", color, 2);
    }
    Ok(raster)
}
