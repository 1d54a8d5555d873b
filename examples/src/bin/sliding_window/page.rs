//! Pages with digits on them, and the windows that are cut out of them.

use cnnc_examples::digits::{Digits, SIDE};
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::random::Random;

/// Pixels of a side of a page.
pub const PAGE: usize = 412;

/// Pixels from one window to the next: the product of the strides in front of what was dense.
pub const STEP: usize = 4;

/// Windows along a side.
pub const WINDOWS: usize = (PAGE - SIDE) / STEP + 1;

/// Pixels of a side of a cell, in which a digit lies anywhere.
const CELL: usize = 40;

/// Cells with a digit.
const FULL: f32 = 0.8;

/// A window this near to a digit, along both axes, shows it. One of the windows of a page always is.
const NEAR: i64 = STEP as i64 / 2;

/// A window at least this far from all digits, along one axis, shows none.
const FAR: i64 = 6;

/// A crop, values from 0 to 1.
pub type Crop = [f32; SIDE * SIDE];

/// A digit on a page.
#[derive(Clone, Copy)]
pub struct Written {
    /// Its left side.
    pub x: usize,
    /// Its upper side.
    pub y: usize,
    /// Which one it is.
    pub class: u32,
}

/// A page.
pub struct Page {
    /// Row by row; 255 is all ink.
    pub ink: Vec<u8>,
    /// What is written on it.
    pub digits: Vec<Written>,
}

impl Page {
    /// Pages until all digits are written, each on one of them; the last page is left out if it does not get full.
    pub fn all(digits: &Digits, random: &mut Random) -> Vec<Self> {
        let mut numbers: Vec<usize> = (0..digits.len()).collect();
        random.shuffle(&mut numbers);
        let mut rest = numbers.into_iter();
        std::iter::from_fn(|| Self::write(digits, &mut rest, random)).collect()
    }

    fn write(digits: &Digits, rest: &mut impl Iterator<Item = usize>, random: &mut Random) -> Option<Self> {
        let mut page = Self { ink: vec![0; PAGE * PAGE], digits: Vec::new() };
        let cells = PAGE / CELL;
        let free = (CELL - SIDE) as u64 + 1;
        for cell in 0..cells * cells {
            if random.unit() < FULL {
                let number = rest.next()?;
                let place = |cell: usize, random: &mut Random| cell * CELL + random.below(free) as usize;
                let (x, y) = (place(cell % cells, random), place(cell / cells, random));
                for (row, ink) in digits.bytes[number].chunks_exact(SIDE).enumerate() {
                    page.ink[(y + row) * PAGE + x..][..SIDE].copy_from_slice(ink);
                }
                page.digits.push(Written { x, y, class: digits.labels[number] });
            }
        }
        Some(page)
    }

    /// The whole page, values from 0 to 1.
    pub fn input(&self) -> Vec<f32> {
        self.ink.iter().map(|ink| f32::from(*ink) / 255.0).collect()
    }

    /// What is seen through the window whose upper left corner is there.
    pub fn crop(&self, x: usize, y: usize) -> Crop {
        std::array::from_fn(|i| f32::from(self.ink[(y + i / SIDE) * PAGE + x + i % SIDE]) / 255.0)
    }

    /// A crop that shows a digit, and which one.
    pub fn draw_digit(&self, random: &mut Random) -> (Crop, u32) {
        let digit = self.digits[random.below(self.digits.len() as u64) as usize];
        let near = |place: usize, random: &mut Random| {
            let shift = random.below(2 * NEAR as u64 + 1) as i64 - NEAR;
            (place as i64 + shift).clamp(0, (PAGE - SIDE) as i64) as usize
        };
        (self.crop(near(digit.x, random), near(digit.y, random)), digit.class)
    }

    /// A crop that shows no digit, at most parts of some.
    pub fn draw_nothing(&self, random: &mut Random) -> Crop {
        loop {
            let place = |random: &mut Random| random.below((PAGE - SIDE) as u64 + 1) as usize;
            let (x, y) = (place(random), place(random));
            let far = |a: usize, b: usize| (a as i64 - b as i64).abs() >= FAR;
            if self.digits.iter().all(|digit| far(x, digit.x) || far(y, digit.y)) {
                return self.crop(x, y);
            }
        }
    }
}

/// The box of a window, or of a digit, whose upper left corner is there.
pub fn window_at(x: usize, y: usize) -> Corners {
    Corners::from_corner(x as f32, y as f32, SIDE as f32, SIDE as f32)
}
