//! Short clips of digits that move.

use cnnc_examples::Result;
use cnnc_examples::digits::Digits;
use cnnc_runtime::Spec;
use cnnc_runtime::data::{Dataset, Raster, TargetValues};
use cnnc_runtime::random::Random;

/// Frames of a clip.
pub const FRAMES: usize = 8;
/// Pixels of a side.
pub const SIZE: usize = 32;
/// Pixels of the digit's side.
const DIGIT: usize = 20;

/// Steps in x and y (which grows downwards) by name, clockwise; the opposite is four further.
pub const DIRECTIONS: [(&str, i64, i64); 8] = [
    ("up", 0, -1),
    ("up right", 1, -1),
    ("right", 1, 0),
    ("down right", 1, 1),
    ("down", 0, 1),
    ("down left", -1, 1),
    ("left", -1, 0),
    ("up left", -1, -1),
];

/// Clips, `[1, frames, height, width]` each from 0 to 1, and where each moves to.
pub struct Clips {
    pub pixels: Vec<f32>,
    pub directions: Vec<u32>,
}

impl Clips {
    /// So many clips of some of the digits. Each moves by one or two pixels a frame and comes in again on the other side of where
    /// it leaves, so that no single frame tells where it moves.
    pub fn of(digits: &[Raster], count: usize, random: &mut Random) -> Self {
        let (mut pixels, mut directions) =
            (Vec::with_capacity(count * FRAMES * SIZE * SIZE), Vec::with_capacity(count));
        for _ in 0..count {
            let digit = &digits[random.below(digits.len() as u64) as usize];
            let direction = random.below(DIRECTIONS.len() as u64) as u32;
            let speed = 1 + random.below(2) as i64;
            let start = [(); 2].map(|()| random.below(SIZE as u64) as i64);
            let (_, dx, dy) = DIRECTIONS[direction as usize];
            for frame in 0..FRAMES as i64 {
                let at = [start[0] + frame * speed * dx, start[1] + frame * speed * dy];
                pixels.extend(shown(digit, at));
            }
            directions.push(direction);
        }
        Self { pixels, directions }
    }

    /// One clip.
    pub fn clip(&self, number: usize) -> &[f32] {
        &self.pixels[number * FRAMES * SIZE * SIZE..][..FRAMES * SIZE * SIZE]
    }

    /// The same clips from the last frame to the first.
    pub fn backwards(&self) -> Self {
        let turned = |number: usize| self.clip(number).chunks_exact(SIZE * SIZE).rev().flatten().copied();
        let pixels = (0..self.directions.len()).flat_map(turned).collect();
        let opposite = |direction: &u32| (direction + 4) % DIRECTIONS.len() as u32;
        Self { pixels, directions: self.directions.iter().map(opposite).collect() }
    }

    /// As a network takes them.
    pub fn dataset(&self, spec: &Spec) -> Result<Dataset> {
        let directions = TargetValues::Classes(self.directions.clone());
        Ok(Dataset::in_memory(spec, vec![self.pixels.clone()], vec![directions])?)
    }
}

/// A frame: the digit with its upper left corner at `[x, y]`; what leaves on one side comes in on the other.
fn shown(digit: &Raster, [x, y]: [i64; 2]) -> [f32; SIZE * SIZE] {
    let mut frame = [0.0; SIZE * SIZE];
    let side = SIZE as i64;
    for (i, &byte) in (0..).zip(&digit.bytes) {
        let (column, row) = (x + i % DIGIT as i64, y + i / DIGIT as i64);
        frame[(row.rem_euclid(side) * side + column.rem_euclid(side)) as usize] = f32::from(byte) / 255.0;
    }
    frame
}

/// Digits as pictures, smaller.
pub fn small(digits: &Digits) -> Vec<Raster> {
    (0..digits.len()).map(|number| digits.picture(number, 0).stretched(DIGIT, DIGIT)).collect()
}
