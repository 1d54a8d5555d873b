//! Steps that change colours.

use super::{Color, Sample};
use crate::normal::Normal;
use crate::random::Random;

/// Principal axes of the colours of ImageNet, by column, and the roots of their variances (Krizhevsky et al. 2012; values in
/// shares of full brightness, as they are commonly given).
const AXES: [[f32; 3]; 3] = [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];
const SPREADS: [f32; 3] = [0.2175, 0.0188, 0.0045];

/// ITU-R BT.601.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Changes each pixel, values from 0 to 255; a grey pixel counts as three equal colours.
fn each_pixel(sample: &mut Sample, change: impl Fn([f32; 3]) -> [f32; 3]) {
    let byte = |x: f32| x.round() as u8;
    if sample.raster.channels == 3 {
        for pixel in sample.raster.bytes.as_chunks_mut::<3>().0 {
            *pixel = change(pixel.map(f32::from)).map(byte);
        }
    } else {
        for pixel in &mut sample.raster.bytes {
            *pixel = byte(luma(change([f32::from(*pixel); 3])));
        }
    }
}

pub(super) fn jitter(mut sample: Sample, color: &Color, random: &mut Random) -> Sample {
    let mut order = [0, 1, 2, 3];
    random.shuffle(&mut order);
    for change in order {
        let strength = [color.brightness, color.contrast, color.saturation, color.hue][change];
        let drawn = (random.unit() * 2.0 - 1.0) * strength;
        if strength == 0.0 {
            continue;
        }
        let factor = 1.0 + drawn;
        match change {
            0 => each_pixel(&mut sample, |pixel| pixel.map(|x| x * factor)),
            1 => {
                let mean = mean_luma(&sample);
                each_pixel(&mut sample, |pixel| pixel.map(|x| mean + (x - mean) * factor));
            }
            2 => each_pixel(&mut sample, |pixel| {
                let grey = luma(pixel);
                pixel.map(|x| grey + (x - grey) * factor)
            }),
            _ => {
                let turn = hue_turn(drawn);
                each_pixel(&mut sample, |pixel| {
                    turn.map(|row| row[0] * pixel[0] + row[1] * pixel[1] + row[2] * pixel[2])
                });
            }
        }
    }
    sample
}

fn mean_luma(sample: &Sample) -> f32 {
    let bytes = &sample.raster.bytes;
    let sum: f64 = match sample.raster.channels {
        3 => bytes.as_chunks::<3>().0.iter().map(|pixel| f64::from(luma(pixel.map(f32::from)))).sum(),
        _ => bytes.iter().map(|&x| f64::from(x)).sum(),
    };
    (sum / (sample.raster.width * sample.raster.height).max(1) as f64) as f32
}

/// A rotation of colours about the axis of greys, by a share of a full turn.
fn hue_turn(share: f32) -> [[f32; 3]; 3] {
    let (sin, cos) = (share * std::f32::consts::TAU).sin_cos();
    let (third, side) = ((1.0 - cos) / 3.0, sin / 3.0_f32.sqrt());
    let (same, next, last) = (cos + third, third - side, third + side);
    [[same, next, last], [last, same, next], [next, last, same]]
}

pub(super) fn pca(mut sample: Sample, std: f32, random: &mut Random) -> Sample {
    let mut normal = Normal::new(random);
    let shares = SPREADS.map(|spread| normal.next() as f32 * std * spread * 255.0);
    let shift = AXES.map(|row| row[0] * shares[0] + row[1] * shares[1] + row[2] * shares[2]);
    each_pixel(&mut sample, |[r, g, b]| [r + shift[0], g + shift[1], b + shift[2]]);
    sample
}
