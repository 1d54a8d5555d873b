//! Pictures: files of several kinds to tensors, and tensors to PNG files.

use std::format;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::string::String;
use std::vec;
use std::vec::Vec;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::boxes::Corners;
use crate::files::{FileError, write_atomically};

/// No side of a picture may be longer.
const LONGEST_SIDE: u32 = 1 << 16;

/// Of a file that is none of those that are read.
pub(super) const NO_PICTURE: &str = "this is neither a PNG nor a JPEG file, nor a GIF, BMP, PNM or WebP";

/// How pictures become inputs: bytes are divided by 255, where asked inverted, then `(x - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Picture {
    /// One for all channels or one per channel.
    pub mean: Vec<f32>,
    /// One for all channels or one per channel; none of them zero.
    pub std: Vec<f32>,
    /// Black on white becomes white on black. Applies to files of pictures, not to data sets of bytes, as IDX and
    /// CIFAR files are.
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
    /// Reads a PNG or JPEG file, or a GIF, BMP, PNM or WebP; which one is seen from its first bytes. Transparent places become
    /// white.
    ///
    /// # Errors
    ///
    /// Names the file: it cannot be read, is none of these, or is damaged or cut off.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = fs::read(path).map_err(|e| FileError::io(path, &e))?;
        if bytes.starts_with(&[0xff, 0xd8]) && !is_whole_jpeg(&bytes) {
            return Err(FileError::new(path, "damaged JPEG: it is cut off, its end is missing"));
        }
        decode(&bytes).map_err(|message| FileError::new(path, message))
    }

    /// The input of a network, `[channels, height, width]`: colours are mixed to grey or grey repeated as its channels
    /// need, and the picture is stretched to its size (each pixel a mean weighted by distance, so that nothing is lost
    /// when it shrinks).
    ///
    /// # Errors
    ///
    /// The shape is that of no picture, or `mean` and `std` do not suit its channels.
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

    /// The same picture as grey (1) or coloured (3).
    #[must_use]
    pub fn with_channels(&self, channels: usize) -> Self {
        if channels == self.channels {
            return self.clone();
        }
        let planes: Vec<Vec<f32>> = (0..channels).map(|channel| self.plane(channel, channels)).collect();
        let byte = |i: usize| (planes[i % channels][i / channels] * 255.0).round() as u8;
        let bytes = (0..self.width * self.height * channels).map(byte).collect();
        Self { width: self.width, height: self.height, channels, bytes }
    }

    /// The same picture, stretched to a size as inputs of networks are.
    #[must_use]
    pub fn stretched(&self, width: usize, height: usize) -> Self {
        let to =
            |channel: usize| resize(&self.plane(channel, self.channels), (self.height, self.width), (height, width));
        let planes: Vec<Vec<f32>> = (0..self.channels).map(to).collect();
        let byte = |i: usize| (planes[i % self.channels][i / self.channels] * 255.0).round() as u8;
        let bytes = (0..width * height * self.channels).map(byte).collect();
        Self { width, height, channels: self.channels, bytes }
    }

    /// The part of `width` × `height` pixels whose upper left corner is at column `left` and row `top`; what lies outside of the
    /// picture is black.
    #[must_use]
    pub fn part(&self, left: i64, top: i64, width: usize, height: usize) -> Self {
        let pixel = |i: usize| {
            let column = usize::try_from(left + (i % width) as i64).ok().filter(|x| *x < self.width)?;
            let row = usize::try_from(top + (i / width) as i64).ok().filter(|y| *y < self.height)?;
            self.bytes.get((row * self.width + column) * self.channels..)?.get(..self.channels)
        };
        let black = vec![0; self.channels];
        let bytes = (0..width * height).flat_map(|i| pixel(i).unwrap_or(&black)).copied().collect();
        Self { width, height, channels: self.channels, bytes }
    }

    /// The same picture, turned clockwise by a right angle.
    #[must_use]
    pub fn turned(&self) -> Self {
        let from = |i: usize| {
            let (column, row) = (i / self.channels % self.height, i / self.channels / self.height);
            ((self.height - 1 - column) * self.width + row) * self.channels + i % self.channels
        };
        let bytes = (0..self.bytes.len()).map(|i| self.bytes[from(i)]).collect();
        Self { width: self.height, height: self.width, channels: self.channels, bytes }
    }

    /// The largest part around the middle that has the shape of a size, stretched to it: nothing looks wider or taller than it is.
    #[must_use]
    pub fn filling(&self, width: usize, height: usize) -> Self {
        let columns = self.width.min((self.height * width / height).max(1));
        let rows = self.height.min((self.width * height / width).max(1));
        let (left, top) = ((self.width - columns) / 2, (self.height - rows) / 2);
        self.part(left as i64, top as i64, columns, rows).stretched(width, height)
    }

    /// What lies in a box, stretched to a size: each pixel is read between four (bilinear); beyond the picture its sides go on.
    #[must_use]
    pub fn resized_crop(&self, b: &Corners, width: usize, height: usize) -> Self {
        let place = |low: f32, extent: f32, i: usize, count: usize, most: usize| {
            let at = low + (i as f32 + 0.5) * extent / count as f32 - 0.5;
            let at = at.clamp(0.0, (most - 1) as f32);
            let first = (at as usize).min(most.saturating_sub(2));
            (first, (first + 1).min(most - 1), at - first as f32)
        };
        let columns: Vec<_> = (0..width).map(|x| place(b.x1, b.x2 - b.x1, x, width, self.width)).collect();
        let mut bytes = Vec::with_capacity(width * height * self.channels);
        for y in 0..height {
            let (above, below, down) = place(b.y1, b.y2 - b.y1, y, height, self.height);
            for &(left, right, across) in &columns {
                for c in 0..self.channels {
                    let at = |row: usize, column: usize| {
                        f32::from(self.bytes[(row * self.width + column) * self.channels + c])
                    };
                    let along = |row: usize| at(row, left) + (at(row, right) - at(row, left)) * across;
                    bytes.push((along(above) + (along(below) - along(above)) * down).round() as u8);
                }
            }
        }
        Self { width, height, channels: self.channels, bytes }
    }

    /// The same picture with so many pixels, all alike, in the place of each.
    #[must_use]
    pub fn enlarged(&self, times: usize) -> Self {
        let (width, height) = (self.width * times, self.height * times);
        let from = |i: usize| {
            let (x, y) = (i / self.channels % width / times, i / self.channels / width / times);
            (y * self.width + x) * self.channels + i % self.channels
        };
        let bytes = (0..width * height * self.channels).map(|i| self.bytes[from(i)]).collect();
        Self { width, height, channels: self.channels, bytes }
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
    ///
    /// # Errors
    ///
    /// The shape is that of no picture, or there are other values than it has.
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

    /// Writes a PNG file, whole or not at all.
    ///
    /// # Errors
    ///
    /// Names the file: it cannot be written, or the picture is too large for PNG.
    pub fn write_png(&self, path: &Path) -> Result<(), FileError> {
        let side = |n: usize| u32::try_from(n).map_err(|_| FileError::new(path, "the picture is too large for PNG"));
        let (width, height) = (side(self.width)?, side(self.height)?);
        let color = if self.channels == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
        write_atomically(path, |file| {
            let encoder = image::codecs::png::PngEncoder::new(file);
            image::ImageEncoder::write_image(encoder, &self.bytes, width, height, color).map_err(|e| match e {
                image::ImageError::IoError(e) => e,
                other => std::io::Error::other(other),
            })
        })
    }
}

/// Decodes by the `image` crate. Transparent places become white.
fn decode(bytes: &[u8]) -> Result<Raster, String> {
    let format = image::guess_format(bytes)
        .map_err(|_| String::from(if bytes.is_empty() { "the file is empty" } else { NO_PICTURE }))?;
    let name = format!("{format:?}").to_uppercase();
    let damaged = |e: &dyn std::fmt::Display| format!("damaged {name}: {e}");
    let mut reader = image::ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    reader.limits(limits);
    let decoded = reader.decode().map_err(|e| damaged(&e))?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let on_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let (channels, bytes) = match (decoded.color().has_color(), decoded.color().has_alpha()) {
        (false, false) => (1, decoded.into_luma8().into_raw()),
        (true, false) => (3, decoded.into_rgb8().into_raw()),
        (false, true) => {
            (1, decoded.into_luma_alpha8().into_raw().as_chunks().0.iter().map(|&[v, a]| on_white(v, a)).collect())
        }
        (true, true) => {
            let pixels = decoded.into_rgba8().into_raw();
            (3, pixels.as_chunks().0.iter().flat_map(|&[r, g, b, a]| [r, g, b].map(|v| on_white(v, a))).collect())
        }
    };
    Ok(Raster { width, height, channels, bytes })
}

/// Whether a JPEG file ends as one should. Decoders fill up what is missing with grey, and say nothing.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    bytes[..end].windows(2).rev().take(1 << 10).any(|pair| pair == [0xff, 0xd9])
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
