//! Pictures: PNG and JPEG files to tensors, and tensors to PNG files.

use std::format;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::files::{FileError, write_atomically};

/// No side of a picture may be longer.
const MOST_PIXELS: u64 = 1 << 28;
const LONGEST_SIDE: usize = 1 << 16;

/// How pictures become inputs: bytes are divided by 255, where asked inverted, then `(x - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Picture {
    /// One for all channels or one per channel.
    pub mean: Vec<f32>,
    /// One for all channels or one per channel; none of them zero.
    pub std: Vec<f32>,
    /// Black on white becomes white on black. Applies to PNG and JPEG files, not to data sets.
    pub invert: bool,
}

impl Default for Picture {
    /// Values from 0 to 1.
    fn default() -> Self {
        Self { mean: Vec::from([0.0]), std: Vec::from([1.0]), invert: false }
    }
}

impl Picture {
    /// Per channel, factor and summand that take a value from 0 to 1 to the network's input.
    pub(crate) fn scales(&self, channels: usize) -> Result<Vec<(f32, f32)>, String> {
        let per_channel = |name: &str, values: &[f32]| match values.len() {
            1 => Ok(vec![values[0]; channels]),
            n if n == channels => Ok(values.to_vec()),
            n => Err(format!("`{name}` has {n} numbers, but the input has {channels} channels (one number fits, too)")),
        };
        let (mean, std) = (per_channel("mean", &self.mean)?, per_channel("std", &self.std)?);
        let pair = |(mean, std): (f32, f32)| {
            let (factor, summand) = (1.0 / std, -mean / std);
            match factor.is_finite() && summand.is_finite() && std > 0.0 {
                true => Ok((factor, summand)),
                false => Err(format!("`mean` {mean} and `std` {std}: `std` must be above 0 and both finite")),
            }
        };
        mean.into_iter().zip(std).map(pair).collect()
    }
}

/// A decoded picture, pixel by pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Channels of a pixel together, pixels of a row together.
    pub bytes: Vec<u8>,
}

impl Raster {
    /// Reads a PNG or JPEG file; which one is seen from its first bytes. Transparent places become white.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = fs::read(path).map_err(|e| FileError::io(path, &e))?;
        let raster = if bytes.starts_with(b"\x89PNG") {
            decode_png(&bytes)
        } else if bytes.starts_with(&[0xff, 0xd8]) {
            decode_jpeg(&bytes)
        } else {
            return Err(FileError::new(path, "this is neither a PNG nor a JPEG file"));
        };
        raster.map_err(|message| FileError::new(path, message))
    }

    /// The input of a network, `[channels, height, width]`: colours are mixed to grey or grey repeated as its channels
    /// need, and the picture is stretched to its size (each pixel a mean weighted by distance, so that nothing is lost
    /// when it shrinks).
    pub fn to_input(&self, shape: &[usize], picture: &Picture) -> Result<Vec<f32>, String> {
        let &[channels @ (1 | 3), height, width] = shape else {
            return Err(format!("the network's input {shape:?} is no picture: [1 or 3, height, width] would be one"));
        };
        let scales = picture.scales(channels)?;
        let mut input = Vec::with_capacity(channels * height * width);
        for (channel, (factor, summand)) in scales.into_iter().enumerate() {
            let plane = resize(&self.plane(channel, channels), (self.height, self.width), (height, width));
            let invert = |x: f32| if picture.invert { 1.0 - x } else { x };
            input.extend(plane.into_iter().map(|x| invert(x) * factor + summand));
        }
        Ok(input)
    }

    /// One channel of a picture that is seen as one of so many, from 0 to 1.
    fn plane(&self, channel: usize, channels: usize) -> Vec<f32> {
        let pixels = self.bytes.chunks_exact(self.channels);
        let value = |pixel: &[u8]| match (pixel, channels) {
            // ITU-R BT.601, as PIL and OpenCV mix them.
            (&[r, g, b], 1) => 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b),
            (&[_, _, _], _) => f32::from(pixel[channel]),
            _ => f32::from(pixel[0]),
        };
        pixels.map(|pixel| value(pixel) / 255.0).collect()
    }

    /// The picture of a tensor `[1 or 3, height, width]` whose values go from `range.0` (black) to `range.1` (white).
    pub fn from_tensor(values: &[f32], shape: &[usize], range: (f32, f32)) -> Result<Self, String> {
        let &[channels @ (1 | 3), height, width] = shape else {
            return Err(format!("{shape:?} is no picture: [1 or 3, height, width] would be one"));
        };
        if values.len() != channels * height * width {
            return Err(format!("{} values are not a picture of {shape:?}", values.len()));
        }
        let pixels = height * width;
        let scale = 255.0 / (range.1 - range.0).max(f32::MIN_POSITIVE);
        // A cast saturates and makes NaN black.
        let byte = |i: usize| ((values[i % channels * pixels + i / channels] - range.0) * scale).round() as u8;
        Ok(Self { width, height, channels, bytes: (0..values.len()).map(byte).collect() })
    }

    /// Writes a PNG file.
    pub fn write_png(&self, path: &Path) -> Result<(), FileError> {
        let side = |n: usize| u32::try_from(n).map_err(|_| FileError::new(path, "the picture is too large for PNG"));
        let (width, height) = (side(self.width)?, side(self.height)?);
        write_atomically(path, |file| {
            let mut encoder = png::Encoder::new(file, width, height);
            encoder.set_color(if self.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
            encoder.set_depth(png::BitDepth::Eight);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.bytes)?;
            Ok(writer.finish()?)
        })
    }
}

fn decode_png(bytes: &[u8]) -> Result<Raster, String> {
    let damaged = |e: png::DecodingError| format!("damaged PNG: {e}");
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 1 << 30 });
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = reader.info().size();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("{width} x {height} pixels are too many"));
    }
    let size = reader.output_buffer_size().ok_or_else(|| format!("{width} x {height} pixels are too many"))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    pixels.truncate(frame.buffer_size());
    let on_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let (channels, bytes) = match frame.color_type {
        png::ColorType::Grayscale => (1, pixels),
        png::ColorType::Rgb => (3, pixels),
        png::ColorType::GrayscaleAlpha => (1, pixels.chunks_exact(2).map(|p| on_white(p[0], p[1])).collect()),
        png::ColorType::Rgba => (
            3,
            pixels
                .chunks_exact(4)
                .flat_map(|p| [on_white(p[0], p[3]), on_white(p[1], p[3]), on_white(p[2], p[3])])
                .collect(),
        ),
        png::ColorType::Indexed => return Err("a PNG with a palette that cannot be expanded".to_string()),
    };
    Ok(Raster { width: width as usize, height: height as usize, channels, bytes })
}

fn decode_jpeg(bytes: &[u8]) -> Result<Raster, String> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(LONGEST_SIDE)
        .set_max_height(LONGEST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| format!("damaged JPEG: {e:?}"))?;
    let info = decoder.info().ok_or("damaged JPEG: it has no size")?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if width as u64 * height as u64 > MOST_PIXELS {
        return Err(format!("{width} x {height} pixels are too many"));
    }
    let bytes = decoder.decode().map_err(|e| format!("damaged JPEG: {e:?}"))?;
    match bytes.len() == width * height * 3 {
        true => Ok(Raster { width, height, channels: 3, bytes }),
        false => Err("damaged JPEG: not all of its pixels are there".to_string()),
    }
}

/// Stretches a plane with a triangle filter that is widened when the plane shrinks: PIL's `BILINEAR`.
fn resize(plane: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    if from == to {
        return plane.to_vec();
    }
    let (rows, columns) = (taps(from.0, to.0), taps(from.1, to.1));
    let narrow: Vec<f32> =
        plane.chunks_exact(from.1).flat_map(|row| columns.iter().map(move |tap| tap.of(|i| row[i]))).collect();
    rows.iter().flat_map(|tap| (0..to.1).map(|x| tap.of(|i| narrow[i * to.1 + x])).collect::<Vec<_>>()).collect()
}

/// The weights of the old positions `first..` in a new one.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

impl Tap {
    fn of(&self, value: impl Fn(usize) -> f32) -> f32 {
        self.weights.iter().enumerate().map(|(i, weight)| weight * value(self.first + i)).sum()
    }
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let ratio = from as f64 / to as f64;
    let reach = ratio.max(1.0);
    (0..to)
        .map(|i| {
            let center = (i as f64 + 0.5) * ratio;
            let first = ((center - reach + 0.5).max(0.0) as usize).min(from - 1);
            let end = ((center + reach + 0.5) as usize).clamp(first + 1, from);
            let weight = |j: usize| (1.0 - ((j as f64 + 0.5 - center) / reach).abs()).max(0.0);
            let sum: f64 = (first..end).map(weight).sum();
            Tap { first, weights: (first..end).map(|j| (weight(j) / sum) as f32).collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests;
