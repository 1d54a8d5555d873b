//! Points of what is in a picture, where there is something.
//! `cargo run --release --package cnnc-examples --bin landmarks`
//!
//! Sun, Wang & Tang 2013 find points of faces; here the five points of a handwritten digit, turned and of random size, on a piece of
//! a photo: the ends of its ink above, below, on the left and on the right, and its middle. Each is computed from the pixels of
//! the digit. A third of the pictures have no digit: there only "none" is learnt. On digits and photos that were not learnt
//! from, the bounds are: presence is right in 98 % of the pictures, and 90 % of the points lie within a fifth of the digit's
//! size (PCK at 0.2).

cnnc_macros::net!("../specs/landmarks.net", points = 5);

use std::process::ExitCode;

use clap::Parser;
use cnnc_examples::digits::Digits;
use cnnc_examples::patches::{LEARNT, Patches, TESTED};
use cnnc_examples::pose::{Ink, Pose};
use cnnc_examples::{Bound, Common, Result, Table, at_least, percent, say};
use cnnc_runtime::Options;
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw;
use cnnc_runtime::metrics::pck;
use cnnc_runtime::optimizer::{Adam, Optimizer};
use cnnc_runtime::random::Random;

/// Pixels of a side.
const SIDE: usize = 39;

/// Pictures of a batch.
const BATCH: usize = 32;

/// Pictures without a digit.
const EMPTY: f32 = 1.0 / 3.0;

/// What the points are, in order.
const POINTS: [&str; 5] = ["top", "bottom", "left", "right", "middle"];

/// Ink this near to its end, as a share of its extent, belongs to it.
const END: f32 = 0.1;

/// Points of what is in a picture
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// A picture, and the points of what is in it.
struct Scene {
    /// From 0 to 1.
    image: [f32; SIDE * SIDE],
    digit: Option<Landmarked>,
}

/// Of a digit, in pixels.
struct Landmarked {
    points: [[f32; 2]; POINTS.len()],
    /// The longer side of the box around it.
    size: f32,
}

fn main() -> ExitCode {
    cnnc_examples::run(landmarks)
}

fn landmarks(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let (learnt, tested) = Digits::read(common, 9000)?;
    let mut random = Random::new(common.seed);
    let patches = common.scaled(400, 40);
    let behind = Patches::cut(&LEARNT, patches, SIDE, &mut random)?;
    let mut net = Landmarks::with_options(&Options { seed: common.seed, batch: BATCH, ..Default::default() });
    learn(&mut net, &learnt, &behind, &mut random, common)?;

    let behind = Patches::cut(&TESTED, patches, SIDE, &mut random)?;
    let scenes: Vec<Scene> =
        (0..common.scaled(2048, 256)).map(|_| Scene::draw(&tested, &behind, &mut random)).collect();
    let mut answers: Vec<[f32; 11]> = Vec::new();
    for scenes in scenes.chunks(BATCH) {
        let images: Vec<[f32; SIDE * SIDE]> = scenes.iter().map(|scene| scene.image).collect();
        answers.extend(net.infer_batch(&images)?.answer);
    }
    let bounds = account(&scenes, &answers);
    let pictures: Vec<Raster> =
        scenes.iter().zip(&answers).take(24).map(|(scene, answer)| picture(scene, answer)).collect::<Result<_>>()?;
    let what = "pictures that were not learnt from, with true points (frames) and found ones (crosses)";
    common.write_picture("landmarks.png", &draw::sheet(&pictures, 8, 6), what)?;
    common.check(&bounds)
}

impl Scene {
    /// A piece of a photo, most often with a digit on it that is brighter.
    fn draw(digits: &Digits, behind: &Patches, random: &mut Random) -> Self {
        let patch = behind.draw(random);
        let dim = random.uniform(&(0.2..0.6));
        // Green is most of what is bright.
        let image = std::array::from_fn(|i| dim * f32::from(patch.bytes[3 * i + 1]) / 255.0);
        let mut scene = Self { image, digit: None };
        if random.unit() < EMPTY {
            return scene;
        }
        let number = random.below(digits.len() as u64) as usize;
        let scale = random.uniform(&(0.8..1.5));
        // Ink is up to 20 of the 28 pixels wide and high.
        let reach = 11.0 * scale;
        let place = reach..SIDE as f32 - reach;
        let (x, y) = (random.uniform(&place), random.uniform(&place));
        let ink = digits.posed(number, &Pose { x, y, scale, angle: random.uniform(&(-0.6..0.6)) }, SIDE);
        for (value, ink) in scene.image.iter_mut().zip(&ink.values) {
            *value += (1.0 - *value) * ink;
        }
        scene.digit = Landmarked::of(&ink);
        scene
    }

    /// Whether there is a digit, then x and y of each point as shares of the picture.
    fn wanted(&self) -> [f32; 11] {
        let mut wanted = [0.0; 11];
        if let Some(digit) = &self.digit {
            wanted[0] = 1.0;
            for (share, pixels) in wanted[1..].iter_mut().zip(digit.points.as_flattened()) {
                *share = pixels / SIDE as f32;
            }
        }
        wanted
    }
}

impl Landmarked {
    fn of(ink: &Ink) -> Option<Self> {
        let b = ink.bounds()?;
        let (across, along) = (END * b.width(), END * b.height());
        let points = [
            ink.middle(|[_, y]| y <= (b.y1 + along).max(b.y1 + 1.0))?,
            ink.middle(|[_, y]| y >= (b.y2 - along).min(b.y2 - 1.0))?,
            ink.middle(|[x, _]| x <= (b.x1 + across).max(b.x1 + 1.0))?,
            ink.middle(|[x, _]| x >= (b.x2 - across).min(b.x2 - 1.0))?,
            ink.middle(|_| true)?,
        ];
        Some(Self { points, size: b.width().max(b.height()) })
    }
}

fn learn(net: &mut Landmarks, digits: &Digits, behind: &Patches, random: &mut Random, common: &Common) -> Result<()> {
    let steps = common.scaled(3500, 60);
    let mut optimizer = Optimizer::new(Adam { learning_rate: 0.001, ..Adam::default() }, net);
    let loss = cnnc_examples::learn(steps, 0.02, |factor| {
        let scenes: Vec<Scene> = (0..BATCH).map(|_| Scene::draw(digits, behind, random)).collect();
        let images: Vec<[f32; SIDE * SIDE]> = scenes.iter().map(|scene| scene.image).collect();
        let wanted: Vec<[f32; 11]> = scenes.iter().map(Scene::wanted).collect();
        optimizer.set_factor(factor);
        Ok(net.train_step(&images, &wanted, &mut optimizer)?)
    })?;
    say!("learnt from {} pictures: loss {loss:.4}", steps * BATCH);
    Ok(())
}

/// The points of an answer in pixels.
fn pixels(answer: &[f32; 11]) -> [f32; 10] {
    std::array::from_fn(|i| answer[1 + i] * SIDE as f32)
}

/// Shows how good the answers are, beside the bounds that they are to keep.
fn account(scenes: &[Scene], answers: &[[f32; 11]]) -> [Bound; 2] {
    let said = scenes.iter().zip(answers).filter(|(scene, answer)| scene.digit.is_some() == (answer[0] > 0.5)).count();
    let presence = said as f64 / scenes.len() as f64;
    say!("presence: {} of {} pictures", percent(presence), scenes.len());
    let with: Vec<(&Landmarked, [f32; 10])> = scenes
        .iter()
        .zip(answers)
        .filter_map(|(scene, answer)| Some((scene.digit.as_ref()?, pixels(answer))))
        .collect();
    let sizes: Vec<f32> = with.iter().map(|(digit, _)| digit.size).collect();
    // How many of the points in this range lie within a share of the digit's size.
    let near = |points: std::ops::Range<usize>, share: f32| {
        let found: Vec<f32> =
            with.iter().flat_map(|(_, found)| &found[2 * points.start..2 * points.end]).copied().collect();
        let truth: Vec<f32> =
            with.iter().flat_map(|(digit, _)| digit.points[points.clone()].as_flattened()).copied().collect();
        pck(&found, &truth, points.len(), &sizes, share)
    };
    let mut table = Table::new(&["point", "PCK at 0.05", "at 0.1", "at 0.2"]);
    let rows = POINTS.iter().enumerate().map(|(i, name)| (*name, i..i + 1)).chain([("all", 0..POINTS.len())]);
    for (name, range) in rows {
        let [a, b, c] = [0.05, 0.1, 0.2].map(|share| percent(near(range.clone(), share)));
        table.row(&[&name, &a, &b, &c]);
    }
    say!(
        "{} digits that were not learnt from; distances are shares of the longer side of their boxes\n{table}",
        with.len()
    );
    [
        at_least("presence, %", 100.0 * presence, 98.0),
        at_least("PCK at 0.2, %", 100.0 * near(0..POINTS.len(), 0.2), 90.0),
    ]
}

/// The picture with the true points and the found ones.
fn picture(scene: &Scene, answer: &[f32; 11]) -> Result<Raster> {
    /// So that points can be told apart.
    const ENLARGED: usize = 5;
    let mut raster =
        Raster::from_tensor(&scene.image, &[1, SIDE, SIDE], (0.0, 1.0))?.with_channels(3).enlarged(ENLARGED);
    let at = |x: f32| x * ENLARGED as f32;
    for (i, [x, y]) in (0..).zip(scene.digit.iter().flat_map(|digit| digit.points)) {
        let around = Corners { x1: at(x) - 6.0, y1: at(y) - 6.0, x2: at(x) + 7.0, y2: at(y) + 7.0 };
        draw::frame(&mut raster, &around, draw::color_of(i), 2);
    }
    if answer[0] > 0.5 {
        for (i, [x, y]) in (0..).zip(pixels(answer).as_chunks::<2>().0) {
            let (x, y, color) = (at(*x) as i64, at(*y) as i64, draw::color_of(i));
            draw::fill(&mut raster, x - 5, y - 1, x + 6, y + 2, color);
            draw::fill(&mut raster, x - 1, y - 5, x + 2, y + 6, color);
        }
    }
    let right = scene.digit.is_some() == (answer[0] > 0.5);
    if answer[0] <= 0.5 || !right {
        let color = if right { [40, 150, 60] } else { [220, 50, 40] };
        draw::label(&mut raster, 0, 0, if answer[0] > 0.5 { "digit" } else { "none" }, color, 2);
    }
    Ok(raster)
}
