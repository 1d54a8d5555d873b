//! Steps that cover a part of a picture, or join several.

use super::Sample;
use super::geometry::{follow, seen};
use super::warp::resample;
use crate::boxes::Corners;
use crate::data::Raster;
use crate::normal::Normal;
use crate::random::Random;

/// The middle of what bytes can be.
const GREY: u8 = 128;

/// Covers a square around a place given as shares; a part of it may lie outside.
pub(super) fn cutout(mut sample: Sample, side: usize, place: [f32; 2]) -> Sample {
    let raster = &mut sample.raster;
    let range = |share: f32, len: usize| {
        let start = (share * len as f32) as i64 - (side / 2) as i64;
        start.clamp(0, len as i64) as usize..(start + side as i64).clamp(0, len as i64) as usize
    };
    let (columns, rows) = (range(place[0], raster.width), range(place[1], raster.height));
    for row in rows {
        let start = row * raster.width;
        raster.bytes[(start + columns.start) * raster.channels..(start + columns.end) * raster.channels].fill(GREY);
    }
    sample
}

/// `share` of the one and the rest of the other, which is stretched to its size. Boxes are those of both; points those of the
/// one.
pub(super) fn mixup(mut sample: Sample, other: Sample, share: f32) -> Sample {
    let (width, height) = (sample.raster.width, sample.raster.height);
    let other = stretched(other, width, height, sample.raster.channels);
    for (a, b) in sample.raster.bytes.iter_mut().zip(&other.raster.bytes) {
        *a = (f32::from(*a) * share + f32::from(*b) * (1.0 - share)).round() as u8;
    }
    let scaled = |classes: Vec<(u32, f32)>, by: f32| classes.into_iter().map(move |(class, share)| (class, share * by));
    sample.classes = scaled(sample.classes, share).chain(scaled(other.classes, 1.0 - share)).collect();
    sample.boxes.extend(other.boxes);
    sample
}

/// Four pictures around a place given as shares, at their own proportions and as large as covers the first one; each shows the corner
/// that it lies in. Boxes are cut; classes are mixed by area; points are those of the first one, at the upper left; those that
/// are cut off lie outside.
pub(super) fn mosaic(sample: Sample, others: [Sample; 3], place: [f32; 2]) -> Sample {
    let (width, height, channels) = (sample.raster.width, sample.raster.height, sample.raster.channels);
    // Not nearer to a side than a fifth.
    let at = |share: f32, len: usize| (((0.2 + 0.6 * share) * len as f32) as usize).clamp(1, len.max(2) - 1);
    let (x, y) = (at(place[0], width), at(place[1], height));
    let [a, b, c] = others;
    let all = [sample, a, b, c];
    let mut joined = Sample {
        raster: Raster { width, height, channels, bytes: vec![0; width * height * channels] },
        classes: Vec::new(),
        boxes: Vec::new(),
        points: Vec::new(),
    };
    for (i, part) in all.into_iter().enumerate() {
        let (columns, rows) = (if i % 2 == 0 { 0..x } else { x..width }, if i < 2 { 0..y } else { y..height });
        let part = corner(part, [width, height], [columns.start, rows.start], [columns.len(), rows.len()], channels);
        for (row, line) in rows.clone().zip(part.raster.bytes.chunks_exact((columns.len() * channels).max(1))) {
            let start = (row * width + columns.start) * channels;
            joined.raster.bytes[start..start + line.len()].copy_from_slice(line);
        }
        let (dx, dy) = (columns.start as f32, rows.start as f32);
        let moved = |b: Corners| Corners { x1: b.x1 + dx, y1: b.y1 + dy, x2: b.x2 + dx, y2: b.y2 + dy };
        joined.boxes.extend(part.boxes.into_iter().map(|(b, class)| (moved(b), class)));
        let share = (columns.len() * rows.len()) as f32 / (width * height) as f32;
        joined.classes.extend(part.classes.into_iter().map(|(class, of)| (class, of * share)));
        if i == 0 {
            // Those that are cut off lie outside of the whole, too, and not on another picture.
            let there = |[px, py]: [f32; 2]| px < columns.end as f32 && py < rows.end as f32;
            let outside = |[px, py]: [f32; 2]| [px + width as f32, py + height as f32];
            joined.points = part.points.into_iter().map(|p| if there(p) { p } else { outside(p) }).collect();
        }
    }
    joined
}

/// What is seen of a picture in a part of a joined one of `whole` pixels, that begins at `start` and is `size` large, where the picture
/// as a whole would cover all of it at its own proportions.
fn corner(sample: Sample, whole: [usize; 2], start: [usize; 2], size: [usize; 2], channels: usize) -> Sample {
    let own = [sample.raster.width as f32, sample.raster.height as f32];
    let scale = f32::max(whole[0] as f32 / own[0], whole[1] as f32 / own[1]);
    let [left, top] = [0, 1].map(|axis| if start[axis] == 0 { 0.0 } else { own[axis] * scale - size[axis] as f32 });
    let source = |x: f32, y: f32| ((x + left) / scale, (y + top) / scale);
    let raster = resample(&sample.raster.with_channels(channels), size[0], size[1], source);
    follow(sample, raster, |x, y| (x * scale - left, y * scale - top))
}

/// Stretched to a size, with so many channels.
pub(super) fn stretched(sample: Sample, width: usize, height: usize, channels: usize) -> Sample {
    let (fx, fy) = (width as f32 / sample.raster.width as f32, height as f32 / sample.raster.height as f32);
    let raster = resample(&sample.raster.with_channels(channels), width, height, |x, y| (x / fx, y / fy));
    let scaled = |b: &Corners| Corners { x1: b.x1 * fx, y1: b.y1 * fy, x2: b.x2 * fx, y2: b.y2 * fy };
    let (w, h) = (width as f32, height as f32);
    let boxes = sample.boxes.iter().filter_map(|(b, class)| Some((seen(scaled(b), w, h)?, *class))).collect();
    let points = sample.points.iter().map(|&[x, y]| [x * fx, y * fy]).collect();
    Sample { raster, boxes, points, classes: sample.classes }
}

/// A number from 0 to 1 by Beta(alpha, alpha): the share of one of two numbers by Gamma(alpha, 1).
pub(super) fn beta(alpha: f32, random: &mut Random) -> f32 {
    let (a, b) = (gamma(alpha, random), gamma(alpha, random));
    if a + b > 0.0 { a / (a + b) } else { 0.5 }
}

/// Marsaglia & Tsang 2000; below 1 by a power of a uniform number.
fn gamma(alpha: f32, random: &mut Random) -> f32 {
    if alpha < 1.0 {
        let unit = 1.0 - random.unit();
        return gamma(alpha + 1.0, random) * unit.powf(1.0 / alpha);
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = Normal::new(random).next() as f32;
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}
