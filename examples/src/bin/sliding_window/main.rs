//! A classifier of crops becomes a detector: its dense layers turn into convolutions, and it is slid over a page in one pass.
//! `cargo run --release --package cnnc-examples --bin sliding_window`
//!
//! Sermanet et al. 2014 (OverFeat), section 3.5. A small network learns to tell digits, and crops that show none, from single
//! crops of pages. The same weights in the same network compiled for a whole page give the scores of all its windows, equal
//! but for rounding, many times as fast as crops in batches. The bound: scores differ by 1e-4 at most, and of pages written with
//! digits that were not learnt from, 95 % of the digits are found and read right.

cnnc_macros::net!("nets/sliding_window.net", size = 28);

/// The same network for a whole page.
mod on_page {
    cnnc_macros::net!("nets/sliding_window.net", size = 412);
}

mod page;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use cnnc_examples::digits::Digits;
use cnnc_examples::{Common, Result, Table, at_least, at_most, best, percent, say};
use cnnc_runtime::boxes::{Detection, Thresholds, nms_agnostic};
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw;
use cnnc_runtime::metrics::{Found, TrueBox, voc};
use cnnc_runtime::optimizer::{Adam, Optimizer};
use cnnc_runtime::random::Random;
use cnnc_runtime::{Network, Options};
use page::{Crop, PAGE, Page, STEP, WINDOWS, window_at};

/// Crops of a batch.
const BATCH: usize = 64;

/// More pages are not read to test.
const MOST_PAGES: usize = 50;

/// Digits and, behind them, nothing.
const CLASSES: usize = 11;

/// The class of crops that show no digit.
const NOTHING: u32 = 10;

/// A classifier of crops, slid over a page in one pass
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    cnnc_examples::run(sliding_window)
}

fn sliding_window(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let (learnt, tested) = Digits::read(common, 9000)?;
    let mut random = Random::new(common.seed);
    let (learnt, mut tested) = (Page::all(&learnt, &mut random), Page::all(&tested, &mut random));
    tested.truncate(common.scaled(MOST_PAGES, 2));
    let mut classifier =
        SlidingWindow::with_options(&Options { seed: common.seed, batch: BATCH, ..Default::default() });
    learn(&mut classifier, &learnt, &mut random, common)?;

    let mut slid = on_page::SlidingWindow::new(0);
    give_weights(&classifier, &mut slid);
    let differ = compare(&mut classifier, &mut slid, &tested[0], common)?;
    let found = tested.iter().map(|page| read(&mut slid, page)).collect::<Result<Vec<_>>>()?;
    let right = account(&tested, &found);
    let picture = picture(&mut slid, &tested[0], &found[0])?;
    let what =
        "a page with what was found (green: read right, red: wrong), and how likely there is a digit in each window";
    common.write_picture("sliding_window.png", &picture, what)?;
    common.check(&[
        at_most("largest difference of scores", f64::from(differ), 1e-4),
        at_least("digits found and read right, %", 100.0 * right, 95.0),
    ])
}

/// Half of the crops show digits, half do not.
fn learn(net: &mut SlidingWindow, pages: &[Page], random: &mut Random, common: &Common) -> Result<()> {
    let steps = common.scaled(2500, 150);
    let mut optimizer = Optimizer::new(Adam { learning_rate: 0.002, ..Adam::default() }, net);
    let loss = cnnc_examples::learn(steps, 0.02, |factor| {
        let (mut crops, mut labels) = (Vec::new(), Vec::new());
        for i in 0..BATCH {
            let page = &pages[random.below(pages.len() as u64) as usize];
            let (crop, label) = if i % 2 == 0 { page.draw_digit(random) } else { (page.draw_nothing(random), NOTHING) };
            crops.push(crop);
            labels.push(label);
        }
        optimizer.set_factor(factor);
        Ok(net.train_step(&crops, &labels, &mut optimizer)?)
    })?;
    say!("learnt from {} crops of {} pages: loss {loss:.4}", steps * BATCH, pages.len());
    Ok(())
}

/// The dense layers have the weights of the convolutions, number by number, under the same names.
fn give_weights(from: &SlidingWindow, to: &mut on_page::SlidingWindow) {
    for param in from.spec().params {
        if let (Some(from), Some(to)) = (from.param(param.name), to.param_mut(param.name)) {
            to.copy_from_slice(from);
        }
    }
}

/// Scores and times of the windows of a page: crops one by one, crops in batches, all of them in one pass. Returns by how much
/// scores differ at most.
fn compare(
    classifier: &mut SlidingWindow,
    slid: &mut on_page::SlidingWindow,
    page: &Page,
    common: &Common,
) -> Result<f32> {
    let places = || (0..WINDOWS * WINDOWS).map(|i| (i % WINDOWS * STEP, i / WINDOWS * STEP));
    let compared = common.scaled(WINDOWS * WINDOWS, 4 * WINDOWS);
    let mut scores: Vec<[f32; CLASSES]> = Vec::with_capacity(compared);

    let one_by_one = Instant::now();
    for (x, y) in places().take(compared) {
        scores.push(*classifier.infer(&page.crop(x, y)).scores);
    }
    let one_by_one = one_by_one.elapsed();

    let in_batches = Instant::now();
    let mut differ: f32 = 0.0;
    let all: Vec<(usize, usize)> = places().take(compared).collect();
    for (places, alone) in all.chunks(BATCH).zip(scores.chunks(BATCH)) {
        let crops: Vec<Crop> = places.iter().map(|&(x, y)| page.crop(x, y)).collect();
        differ =
            differ.max(largest_difference(classifier.infer_batch(&crops)?.scores.as_flattened(), alone.as_flattened()));
    }
    let in_batches = in_batches.elapsed();

    let input = page.input();
    let input = input.as_slice().try_into()?;
    let in_one_pass = fastest(common.scaled(9, 1), || {
        slid.infer(input);
    });
    // Of the map the classes are the planes, of crops the numbers side by side.
    let map = slid.outputs().scores[0];
    let of_window = |i: usize| std::array::from_fn(|class| map[class * WINDOWS * WINDOWS + i]);
    let by_map: Vec<[f32; CLASSES]> = (0..compared).map(of_window).collect();
    let differ = differ.max(largest_difference(by_map.as_flattened(), scores.as_flattened()));
    let largest = scores.as_flattened().iter().fold(0.0, |most: f32, score| most.max(score.abs()));

    let page_of = |time: Duration| time.as_secs_f64() * (WINDOWS * WINDOWS) as f64 / compared as f64;
    let mut table = Table::new(&["all windows of a page", "ms", "times one pass"]);
    let one = in_one_pass.as_secs_f64();
    for (way, time) in
        [("crops one by one", page_of(one_by_one)), ("crops in batches of 64", page_of(in_batches)), ("one pass", one)]
    {
        table.row(&[&way, &format!("{:.1}", time * 1e3), &format!("{:.1}", time / one)]);
    }
    say!("\n{WINDOWS} x {WINDOWS} windows of 28 x 28 pixels, {STEP} pixels apart\n{table}");
    say!("largest difference of scores: {differ:.1e} (scores go up to {largest:.1})");
    Ok(differ)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// The least time of some attempts, behind one that does not count.
fn fastest(attempts: usize, mut work: impl FnMut()) -> Duration {
    work();
    let mut time = || {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..attempts).map(|_| time()).min().unwrap_or_default()
}

/// How likely each window shows each class, window by window.
fn probabilities(slid: &mut on_page::SlidingWindow, page: &Page) -> Result<Vec<[f32; CLASSES]>> {
    let map = slid.infer(page.input().as_slice().try_into()?).scores;
    let of_window = |i: usize| {
        let scores: [f32; CLASSES] = std::array::from_fn(|class| map[class * WINDOWS * WINDOWS + i]);
        let most = scores.iter().fold(f32::MIN, |most, score| most.max(*score));
        let powers = scores.map(|score| (score - most).exp());
        powers.map(|power| power / powers.iter().sum::<f32>())
    };
    Ok((0..WINDOWS * WINDOWS).map(of_window).collect())
}

/// The digits of a page: windows that show one, and of those that overlap the surest.
fn read(slid: &mut on_page::SlidingWindow, page: &Page) -> Result<Vec<Detection>> {
    let detection = |(i, p): (usize, &[f32; CLASSES])| {
        let class = best(&p[..NOTHING as usize]) as u32;
        // How sure it is that there is a digit; which one is another question.
        let score = 1.0 - p[NOTHING as usize];
        Detection { corners: window_at(i % WINDOWS * STEP, i / WINDOWS * STEP), score, class }
    };
    let all: Vec<Detection> = probabilities(slid, page)?.iter().enumerate().map(detection).collect();
    Ok(nms_agnostic(&all, &Thresholds { score: 0.5, iou: 0.2, ..Thresholds::default() }))
}

/// Whether something found is a digit of the page, read right.
fn is_right(page: &Page, found: &Detection) -> bool {
    let same = |digit: &&page::Written| window_at(digit.x, digit.y).iou(&found.corners) >= 0.5;
    page.digits.iter().find(same).is_some_and(|digit| digit.class == found.class)
}

/// Shows how well pages are read, and returns the share of their digits that are found and read right.
fn account(pages: &[Page], found: &[Vec<Detection>]) -> f64 {
    let mut truths = Vec::new();
    for (image, page) in (0..).zip(pages) {
        truths.extend(page.digits.iter().map(|digit| TrueBox::new(image, digit.class, window_at(digit.x, digit.y))));
    }
    let answers: Vec<Found> = (0..)
        .zip(found)
        .flat_map(|(image, found)| {
            found.iter().map(move |d| Found { image, class: d.class, corners: d.corners, score: d.score })
        })
        .collect();
    let right: usize =
        pages.iter().zip(found).map(|(page, found)| found.iter().filter(|d| is_right(page, d)).count()).sum();
    let of = |whole: usize| right as f64 / whole.max(1) as f64;
    say!("\n{} digits on {} pages of digits that were not learnt from", truths.len(), pages.len());
    let [of_all, of_found] = [truths.len(), answers.len()].map(of);
    say!("found and read right: {} of them, {} of what was found", percent(of_all), percent(of_found));
    say!("mAP at an IoU of 0.5: {}", percent(voc(&truths, &answers, 0.5, false).mean));
    of_all
}

/// The page with what was found beside how likely each window shows a digit.
fn picture(slid: &mut on_page::SlidingWindow, page: &Page, found: &[Detection]) -> Result<Raster> {
    /// So that labels can be read.
    const ENLARGED: usize = 2;
    let ink = Raster { width: PAGE, height: PAGE, channels: 1, bytes: page.ink.clone() };
    let ink = ink.with_channels(3).enlarged(ENLARGED);
    let mut read = ink.clone();
    for d in found {
        let color = if is_right(page, d) { [40, 150, 60] } else { [220, 50, 40] };
        let at = |x: f32| x * ENLARGED as f32;
        let corners = cnnc_runtime::boxes::Corners {
            x1: at(d.corners.x1),
            y1: at(d.corners.y1),
            x2: at(d.corners.x2),
            y2: at(d.corners.y2),
        };
        draw::frame(&mut read, &corners, color, ENLARGED);
        draw::label(&mut read, corners.x1 as i64, corners.y1 as i64, &d.class.to_string(), color, ENLARGED);
    }
    let shows: Vec<f32> = probabilities(slid, page)?.iter().map(|p| 1.0 - p[NOTHING as usize]).collect();
    let heat = around_centres(&draw::heat_map(&shows, WINDOWS, WINDOWS)).enlarged(ENLARGED);
    Ok(draw::sheet(&[read, draw::overlay(&ink, &heat, 0.6)], 2, 8))
}

/// A map of windows as large as the page: each is drawn around its centre.
fn around_centres(map: &Raster) -> Raster {
    let map = map.enlarged(STEP);
    let border = (PAGE - map.width) / 2;
    let mut raster = Raster { width: PAGE, height: PAGE, channels: 3, bytes: [40, 10, 80].repeat(PAGE * PAGE) };
    for (row, pixels) in map.bytes.chunks_exact(3 * map.width).enumerate() {
        raster.bytes[3 * ((row + border) * PAGE + border)..][..pixels.len()].copy_from_slice(pixels);
    }
    raster
}
