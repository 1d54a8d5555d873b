//! Steps that move pixels; boxes and points go with them.

use super::warp::{Affine, Field, resample};
use super::{Mirror, Piece, ResizedCrop, Sample, Warp};
use crate::boxes::Corners;
use crate::data::Raster;
use crate::random::Random;

/// Of a box whose rest in the picture is less than this share of it, not enough is seen.
const LEAST_SEEN: f32 = 0.2;

/// Places along each side of a box that are followed when it bends.
const PER_SIDE: usize = 4;

pub(super) fn mirrored(mut sample: Sample, mirror: &Mirror) -> Sample {
    let (width, channels) = (sample.raster.width, sample.raster.channels);
    for row in sample.raster.bytes.chunks_exact_mut((width * channels).max(1)) {
        for x in 0..width / 2 {
            for channel in 0..channels {
                row.swap(x * channels + channel, (width - 1 - x) * channels + channel);
            }
        }
    }
    let width = width as f32;
    for (b, _) in &mut sample.boxes {
        (b.x1, b.x2) = (width - b.x2, width - b.x1);
    }
    for point in &mut sample.points {
        point[0] = width - point[0];
    }
    mirror.exchange(&mut sample.points);
    sample
}

/// The piece of this size that starts at `[x, y]`, whole pixels; black where it goes beyond the picture.
pub(super) fn cropped(sample: Sample, [left, top]: [f32; 2], width: usize, height: usize) -> Sample {
    let raster = &sample.raster;
    let mut bytes = vec![0; width * height * raster.channels];
    for (row, y) in bytes.chunks_exact_mut((width * raster.channels).max(1)).zip(top as i64..) {
        if !(0..raster.height as i64).contains(&y) {
            continue;
        }
        let start = (left as i64).clamp(0, raster.width as i64);
        let end = (left as i64 + width as i64).clamp(start, raster.width as i64);
        let from = (y as usize * raster.width + start as usize) * raster.channels;
        let to = (start - left as i64) as usize * raster.channels;
        let len = (end - start) as usize * raster.channels;
        if len > 0 {
            row[to..to + len].copy_from_slice(&raster.bytes[from..from + len]);
        }
    }
    let raster = Raster { width, height, channels: raster.channels, bytes };
    follow(sample, raster, |x, y| (x - left, y - top))
}

/// The piece at its place, whole pixels, at least one.
pub(super) fn piece(sample: Sample, piece: &Piece) -> Sample {
    let [width, height] = [sample.raster.width, sample.raster.height];
    let side = |whole: usize| ((whole as f32 * piece.share).round() as usize).clamp(1, whole.max(1));
    let start = |whole: usize, place: f32| ((whole - side(whole)) as f32 * place).round();
    let at = [start(width, piece.place[0]), start(height, piece.place[1])];
    cropped(sample, at, side(width), side(height))
}

/// Where a piece starts, and its size: ten attempts as in torchvision, then the largest of an allowed shape in the middle.
pub(super) fn draw_crop(crop: &ResizedCrop, raster: &Raster, random: &mut Random) -> ([f32; 2], usize, usize) {
    let (width, height) = (raster.width as f32, raster.height as f32);
    let [least, most] = crop.ratio;
    for _ in 0..10 {
        let area = width * height * random.uniform(&(crop.area[0]..crop.area[1]));
        let ratio = random.uniform(&(least.ln()..most.ln())).exp();
        let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
        if w >= 1.0 && h >= 1.0 && w <= width && h <= height {
            let x = random.below((width - w) as u64 + 1) as f32;
            let y = random.below((height - h) as u64 + 1) as f32;
            return ([x, y], w as usize, h as usize);
        }
    }
    let ratio = (width / height).clamp(least, most);
    let (w, h) = (width.min((height * ratio).round()).max(1.0), height.min((width / ratio).round()).max(1.0));
    ([((width - w) / 2.0).floor(), ((height - h) / 2.0).floor()], w as usize, h as usize)
}

/// Turned or slanted about its centre.
pub(super) fn transformed(sample: Sample, transform: Affine) -> Sample {
    let (width, height) = (sample.raster.width, sample.raster.height);
    let (cx, cy) = (width as f32 / 2.0, height as f32 / 2.0);
    let about = |transform: Affine| {
        move |x: f32, y: f32| {
            let (x, y) = transform.apply((x - cx, y - cy));
            (x + cx, y + cy)
        }
    };
    let raster = resample(&sample.raster, width, height, about(transform.inverse()));
    follow(sample, raster, about(transform))
}

pub(super) fn warped(sample: Sample, warp: &Warp, random: &mut Random) -> Sample {
    let (width, height) = (sample.raster.width, sample.raster.height);
    let furthest = warp.strength * width.min(height) as f32;
    let field = Field::new(width, height, warp.places, || [(); 2].map(|()| (random.unit() * 2.0 - 1.0) * furthest));
    let source = |x: f32, y: f32| {
        let [dx, dy] = field.at(x, y);
        (x + dx, y + dy)
    };
    let raster = resample(&sample.raster, width, height, source);
    follow(sample, raster, |x, y| field.moved(x, y))
}

/// Boxes and points where the pixels went.
pub(super) fn follow(sample: Sample, raster: Raster, place: impl Fn(f32, f32) -> (f32, f32)) -> Sample {
    let (width, height) = (raster.width as f32, raster.height as f32);
    let boxes = sample.boxes.iter().filter_map(|(b, class)| Some((seen(around(b, &place), width, height)?, *class)));
    let points = sample.points.iter().map(|&[x, y]| {
        let (x, y) = place(x, y);
        [x, y]
    });
    Sample { boxes: boxes.collect(), points: points.collect(), classes: sample.classes.clone(), raster }
}

/// The smallest box around where the sides of a box come to lie.
fn around(b: &Corners, place: &impl Fn(f32, f32) -> (f32, f32)) -> Corners {
    let mut hull: Option<Corners> = None;
    let at = |low: f32, high: f32, i: usize| low + (high - low) * i as f32 / PER_SIDE as f32;
    for i in 0..=PER_SIDE {
        let (x, y) = (at(b.x1, b.x2, i), at(b.y1, b.y2, i));
        for (x, y) in [(x, b.y1), (x, b.y2), (b.x1, y), (b.x2, y)] {
            let (x, y) = place(x, y);
            let point = Corners { x1: x, y1: y, x2: x, y2: y };
            hull = Some(hull.map_or(point, |hull| hull.hull(&point)));
        }
    }
    hull.unwrap_or_default()
}

/// The part of a box in the picture, if enough of it is seen.
pub(super) fn seen(b: Corners, width: f32, height: f32) -> Option<Corners> {
    let clipped = b.clipped(width, height);
    (clipped.is_proper() && clipped.area() >= LEAST_SEEN * b.area()).then_some(clipped)
}
