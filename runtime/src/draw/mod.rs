//! Pictures for people: boxes with labels on photos, heat maps, filters, contact sheets, curves.

mod font;
mod steps;
mod svg;

use crate::augment::Sample;
use crate::boxes::{Corners, Detection};
use crate::data::Raster;
use crate::metrics::Confusion;

pub use steps::Steps;
#[cfg(feature = "harness")]
pub(crate) use svg::escaped;
pub use svg::{Curve, curves, roc};

/// Letters of a name over a column; of longer ones these are shown, so that no name makes all columns wide.
const WIDEST: usize = 12;

/// On photos whose sides are shorter, labels would hide what they name.
const SMALL: usize = 300;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// A colour for each class, far from those of its neighbours.
pub fn color_of(class: u32) -> Rgb {
    // Hues a golden section apart.
    let hue = (f64::from(class) * 0.618_033_988_75 + 0.05).fract() * 6.0;
    let channel = |shift: f64| {
        let distance = ((hue + shift).rem_euclid(6.0) - 3.0).abs();
        ((distance - 1.0).clamp(0.0, 1.0) * 225.0 + 30.0) as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

/// Draws the frame of a box, cut off at the sides of the picture. The picture must be in colour, otherwise nothing is drawn.
pub fn frame(raster: &mut Raster, b: &Corners, color: Rgb, thickness: usize) {
    let (x1, y1) = (b.x1.round() as i64, b.y1.round() as i64);
    let (x2, y2) = (b.x2.round() as i64, b.y2.round() as i64);
    let t = thickness as i64;
    fill(raster, x1, y1, x2, y1 + t, color);
    fill(raster, x1, y2 - t, x2, y2, color);
    fill(raster, x1, y1, x1 + t, y2, color);
    fill(raster, x2 - t, y1, x2, y2, color);
}

/// Fills the rectangle between two corners.
pub fn fill(raster: &mut Raster, x1: i64, y1: i64, x2: i64, y2: i64, color: Rgb) {
    if raster.channels != 3 {
        return;
    }
    let (columns, rows) = (x1.clamp(0, raster.width as i64)..x2.clamp(0, raster.width as i64), y1..y2);
    for row in rows.start.clamp(0, raster.height as i64)..rows.end.clamp(0, raster.height as i64) {
        for column in columns.clone() {
            let at = (row as usize * raster.width + column as usize) * 3;
            raster.bytes[at..at + 3].copy_from_slice(&color);
        }
    }
}

/// Writes a line of text in letters of `5 * scale` pixels, white on `color`, or black where it is bright; its upper left corner is at `(x, y)`, moved so that
/// the text lies in the picture where it fits.
pub fn label(raster: &mut Raster, x: i64, y: i64, text: &str, color: Rgb, scale: usize) {
    let scale = scale.max(1) as i64;
    let [r, g, b] = color.map(u32::from);
    let ink = if 3 * r + 6 * g + b > 1600 { [0; 3] } else { [255; 3] };
    let (width, height) = ((text.chars().count() as i64 * 4 + 1) * scale, 7 * scale);
    let x = x.clamp(0, (raster.width as i64 - width).max(0));
    let y = y.clamp(0, (raster.height as i64 - height).max(0));
    fill(raster, x, y, x + width, y + height, color);
    for (i, letter) in (0..).zip(text.chars()) {
        for (row, columns) in (0..).zip(font::glyph(letter)) {
            for column in (0..3).filter(|column| columns >> (2 - column) & 1 == 1) {
                let (left, top) = (x + (1 + 4 * i + column) * scale, y + (1 + row) * scale);
                fill(raster, left, top, left + scale, top + scale, ink);
            }
        }
    }
}

/// The picture over a strip with a line of text in letters of `5 * scale` pixels, white on `color`; as wide as the wider of both.
#[must_use]
pub fn captioned(picture: &Raster, text: &str, color: Rgb, scale: usize) -> Raster {
    let picture = picture.with_channels(3);
    let (strip, wide) = (7 * scale.max(1), (text.chars().count() * 4 + 1) * scale.max(1));
    let (width, height) = (picture.width.max(wide), picture.height + strip);
    let mut raster = Raster { width, height, channels: 3, bytes: vec![255; width * height * 3] };
    let left = (width - picture.width) / 2;
    for (row, line) in picture.bytes.chunks_exact((picture.width * 3).max(1)).enumerate() {
        raster.bytes[(row * width + left) * 3..][..line.len()].copy_from_slice(line);
    }
    let top = picture.height as i64;
    fill(&mut raster, 0, top, width as i64, height as i64, color);
    label(&mut raster, ((width - wide) / 2) as i64, top, text, color, scale);
    raster
}

/// What was taken for what: a row for each class that is, a column for each that it was taken for, with their counts. The more of
/// a row a count is, the darker its place: blue where it is right, red where it is not. Of long names the first twelve letters are
/// written.
#[must_use]
pub fn confusion(confusion: &Confusion, classes: &[String]) -> Raster {
    const SCALE: usize = 2;
    const HEIGHT: i64 = 36;
    let count = confusion.classes();
    let names: Vec<String> = (0..count).map(|class| short(&name(classes, class as u32))).collect();
    let wide = |text: &str| (text.chars().count() as i64 * 4 + 1) * SCALE as i64;
    let left = names.iter().map(|name| wide(name)).max().unwrap_or(0) + 8;
    let counts = (0..count).flat_map(|row| (0..count).map(move |column| confusion.count(row, column).to_string()));
    let cell = counts.map(|text| wide(&text) + 8).max().unwrap_or(0).max(left).max(44);
    let (width, height) = (left + cell * count as i64, HEIGHT * (1 + count as i64));
    let bytes = vec![255; (width * height * 3) as usize];
    let mut raster = Raster { width: width as usize, height: height as usize, channels: 3, bytes };
    let mut write = |x: i64, y: i64, wide_of: i64, text: &str, color: Rgb| {
        fill(&mut raster, x, y, x + wide_of - 2, y + HEIGHT - 2, color);
        let letters = 7 * SCALE as i64;
        label(&mut raster, x + (wide_of - wide(text)) / 2, y + (HEIGHT - letters) / 2, text, color, SCALE);
    };
    for (i, row) in (0..).zip(0..count) {
        write(left + cell * i, 0, cell, &names[row], [90; 3]);
        write(0, HEIGHT * (i + 1), left, &names[row], [90; 3]);
        let all = confusion.class(row).support.max(1) as f32;
        for (j, column) in (0..).zip(0..count) {
            let found = confusion.count(row, column);
            let share = (found as f32 / all).powf(0.4);
            let full = if row == column { [30.0, 90.0, 160.0] } else { [190.0, 50.0, 40.0] };
            let color = full.map(|channel| (235.0 + (channel - 235.0) * share) as u8);
            let text = if found == 0 { String::new() } else { found.to_string() };
            write(left + cell * j, HEIGHT * (i + 1), cell, &text, color);
        }
    }
    raster
}

/// What is written of a name over a column.
pub(crate) fn short(name: &str) -> String {
    name.chars().take(WIDEST).collect()
}

/// The name of a class, or its number.
fn name(classes: &[String], class: u32) -> String {
    classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
}

/// Thickness of lines that suits a picture.
fn stroke(raster: &Raster) -> usize {
    (raster.width.max(raster.height) / 300).max(1)
}

/// How often a photo is enlarged before labels are written on it, which would cover a small one.
fn enlargement(photo: &Raster) -> usize {
    match photo.width.max(photo.height) {
        side @ 1..SMALL => (2 * SMALL).div_ceil(side),
        _ => 1,
    }
}

/// The photo with a frame around each thing that was found, its class and how sure the network is. A small one is enlarged.
#[must_use]
pub fn detections(photo: &Raster, found: &[Detection], classes: &[String]) -> Raster {
    let times = enlargement(photo);
    let mut raster = photo.with_channels(3).enlarged(times);
    let stroke = stroke(&raster);
    for d in found.iter().rev() {
        let (color, corners) = (color_of(d.class), d.corners.scaled(times as f32, times as f32));
        frame(&mut raster, &corners, color, stroke);
        let text = format!("{} {:.0} %", name(classes, d.class), d.score * 100.0);
        let top = corners.y1.round() as i64 - 7 * stroke as i64;
        label(&mut raster, corners.x1.round() as i64, top, &text, color, stroke);
    }
    raster
}

/// The photo of a sample with its boxes, points and class.
#[must_use]
pub fn sample(sample: &Sample, classes: &[String]) -> Raster {
    let mut raster = sample.raster.with_channels(3);
    let stroke = stroke(&raster);
    for (b, class) in &sample.boxes {
        frame(&mut raster, b, color_of(*class), stroke);
        let (x, y) = (b.x1.round() as i64, b.y1.round() as i64);
        label(&mut raster, x, y, &name(classes, *class), color_of(*class), stroke);
    }
    let r = 1 + stroke as i64;
    for (i, [x, y]) in (0..).zip(&sample.points) {
        let (x, y) = (x.round() as i64, y.round() as i64);
        fill(&mut raster, x - r, y - r, x + r, y + r, color_of(i));
    }
    let texts: Vec<String> = sample
        .classes
        .iter()
        .map(|&(class, share)| match share {
            1.0 => name(classes, class),
            share => format!("{} {:.0} %", name(classes, class), share * 100.0),
        })
        .collect();
    if !texts.is_empty() && raster.width >= 40 {
        let bottom = raster.height as i64;
        label(&mut raster, 0, bottom, &texts.join(", "), [40; 3], stroke);
    }
    raster
}

/// A map of numbers `[rows, columns]` as colours from dark blue (the lowest) over green to yellow (the highest).
#[must_use]
pub fn heat_map(values: &[f32], rows: usize, columns: usize) -> Raster {
    let finite = values.iter().copied().filter(|x| x.is_finite());
    let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
    let mut bytes: Vec<u8> = values.iter().take(rows * columns).flat_map(|x| warmth((x - low) * scale)).collect();
    bytes.resize(rows * columns * 3, 0);
    Raster { width: columns, height: rows, channels: 3, bytes }
}

/// The colours of a heat map, from 0 to 1, between a few that grow in brightness.
fn warmth(x: f32) -> Rgb {
    const STOPS: [[f32; 3]; 5] =
        [[40.0, 10.0, 80.0], [50.0, 80.0, 140.0], [35.0, 145.0, 140.0], [110.0, 205.0, 90.0], [250.0, 230.0, 40.0]];
    let place = x.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let (i, part) = ((place as usize).min(STOPS.len() - 2), place.fract());
    let part = if place >= (STOPS.len() - 1) as f32 { 1.0 } else { part };
    std::array::from_fn(|c| (STOPS[i][c] + (STOPS[i + 1][c] - STOPS[i][c]) * part).round() as u8)
}

/// A photo with a heat map over it: where a network looks. `opacity` from 0 to 1.
#[must_use]
pub fn overlay(photo: &Raster, heat: &Raster, opacity: f32) -> Raster {
    let mut raster = photo.with_channels(3);
    let heat = heat.with_channels(3).stretched(raster.width, raster.height);
    for (a, b) in raster.bytes.iter_mut().zip(&heat.bytes) {
        *a = (f32::from(*a) * (1.0 - opacity) + f32::from(*b) * opacity).round() as u8;
    }
    raster
}

/// Pictures side by side, `columns` in a row, `gap` white pixels between and around them; each in a cell of the size of the largest.
#[must_use]
pub fn sheet(pictures: &[Raster], columns: usize, gap: usize) -> Raster {
    let columns = columns.clamp(1, pictures.len().max(1));
    let rows = pictures.len().div_ceil(columns);
    let (w, h) = pictures.iter().fold((0, 0), |(w, h), p| (w.max(p.width), h.max(p.height)));
    let (width, height) = (gap + columns * (w + gap), gap + rows * (h + gap));
    let mut bytes = vec![255; width * height * 3];
    for (i, picture) in pictures.iter().enumerate() {
        let picture = picture.with_channels(3);
        let (left, top) = (gap + i % columns * (w + gap), gap + i / columns * (h + gap));
        for (row, line) in picture.bytes.chunks_exact((picture.width * 3).max(1)).enumerate() {
            let start = ((top + row) * width + left) * 3;
            bytes[start..start + line.len()].copy_from_slice(line);
        }
    }
    Raster { width, height, channels: 3, bytes }
}

/// The filters of a convolution, weights `[filters, channels, height, width]`: in colours where there are three channels, otherwise
/// the mean over the channels; each from its lowest weight (black) to its highest (white), `scale` pixels for each weight.
///
/// # Errors
/// Says that the weights are none of filters, or not as many as their shape has.
pub fn filters(weights: &[f32], shape: &[usize], scale: usize) -> Result<Raster, String> {
    let &[count, channels, height, width] = shape else {
        return Err(format!("{shape:?} are no filters: [filters, channels, height, width] would be some"));
    };
    if weights.len() != shape.iter().product::<usize>() || weights.is_empty() {
        return Err(format!("{} weights are not those of {shape:?}", weights.len()));
    }
    let shown = if channels == 3 { 3 } else { 1 };
    let pixels = height * width;
    let picture = |filter: &[f32]| {
        let mean = |i: usize| filter.iter().skip(i).step_by(pixels).sum::<f32>() / channels as f32;
        let values: Vec<f32> = if shown == 3 { filter.to_vec() } else { (0..pixels).map(mean).collect() };
        let range = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        Ok(Raster::from_tensor(&values, &[shown, height, width], range)?.enlarged(scale.max(1)))
    };
    let pictures = weights.chunks_exact(channels * pixels).map(picture).collect::<Result<Vec<_>, String>>()?;
    Ok(sheet(&pictures, count.isqrt().max(1) * 2, scale.max(1)))
}

#[cfg(test)]
mod tests;
