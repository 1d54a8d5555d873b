//! Handwritten digits: those of MNIST that ship, or all of them.

use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::Idx;

use crate::{Common, Result};

/// Pixels of a side of a digit.
pub const DIGIT: usize = 28;

/// Digits to learn from that ship; the thousand behind them are held out.
const SHIPPED: usize = 9000;

/// Pictures of digits and what they are.
#[derive(Clone, Debug)]
pub struct Digits {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Digits {
    /// Digits to learn from and digits to test with: 9,000 and 1,000 that ship, or the 60,000 and 10,000 of MNIST in the folder
    /// of larger data.
    pub fn read(common: &Common) -> Result<(Self, Self)> {
        let all = |name: &str| Self::of(common, name);
        let (learnt, tested) = match common.data {
            Some(_) => (all("train")?, all("t10k")?),
            None => {
                let mut learnt = all("t10k")?;
                let tested = Self {
                    pixels: learnt.pixels.split_off(SHIPPED.min(learnt.len()) * DIGIT * DIGIT),
                    labels: learnt.labels.split_off(SHIPPED.min(learnt.len())),
                };
                (learnt, tested)
            }
        };
        match learnt.is_empty() || tested.is_empty() {
            true => Err("there are too few digits to learn from some and to test with others".into()),
            false => Ok((learnt, tested)),
        }
    }

    /// One of the two parts of MNIST.
    fn of(common: &Common, name: &str) -> Result<Self> {
        let file = |what: &str| {
            let file = format!("mnist/{name}-{what}-ubyte.gz");
            common.larger_or(&file, &file)
        };
        let (images, labels) = (file("images-idx3"), file("labels-idx1"));
        let (pixels, classes) = (Idx::read(&images)?, Idx::read(&labels)?);
        if pixels.shape[1..] != [DIGIT, DIGIT] {
            return Err(format!("{}: pictures of {:?}, not of 28 x 28", images.display(), &pixels.shape[1..]).into());
        }
        if classes.shape != [pixels.items()] || classes.bytes.iter().any(|class| *class > 9) {
            return Err(format!("{}: not a digit for each of {} pictures", labels.display(), pixels.items()).into());
        }
        Ok(Self { pixels: pixels.bytes, labels: classes.bytes })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The ink of a digit, 28 rows of 28 pixels; 255 is all ink.
    pub fn ink(&self, number: usize) -> &[u8] {
        &self.pixels[number * DIGIT * DIGIT..][..DIGIT * DIGIT]
    }

    /// Which digit it is.
    pub fn label(&self, number: usize) -> u32 {
        self.labels[number].into()
    }
}

/// How a digit lies on a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Its centre, in pixels of the picture.
    pub x: f32,
    /// Likewise.
    pub y: f32,
    /// Pixels of the picture for a pixel of the digit.
    pub scale: f32,
    /// By how much it is turned clockwise, in radians.
    pub angle: f32,
}

/// The ink of a square picture, row by row, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Ink {
    /// Pixels of a side.
    pub side: usize,
    /// How much each pixel has.
    pub values: Vec<f32>,
}

/// Pixels with more than this are written on.
const WRITTEN: f32 = 0.4;

impl Digits {
    /// A digit in a pose on a square picture of this side; between pixels a mean by distance.
    pub fn posed(&self, number: usize, pose: &Pose, side: usize) -> Ink {
        let ink = self.ink(number);
        let at = |x: i64, y: i64| {
            let inside = (0..DIGIT as i64).contains(&x) && (0..DIGIT as i64).contains(&y);
            if inside { f32::from(ink[y as usize * DIGIT + x as usize]) / 255.0 } else { 0.0 }
        };
        let (sin, cos) = pose.angle.sin_cos();
        let value = |i: usize| {
            let (x, y) = ((i % side) as f32 + 0.5 - pose.x, (i / side) as f32 + 0.5 - pose.y);
            let place = |turned: f32| turned / pose.scale + DIGIT as f32 / 2.0 - 0.5;
            let (x, y) = (place(cos * x + sin * y), place(cos * y - sin * x));
            let (left, top) = (x.floor(), y.floor());
            let (fx, fy) = (x - left, y - top);
            let (left, top) = (left as i64, top as i64);
            let row = |y: i64| at(left, y) * (1.0 - fx) + at(left + 1, y) * fx;
            row(top) * (1.0 - fy) + row(top + 1) * fy
        };
        Ink { side, values: (0..side * side).map(value).collect() }
    }
}

impl Ink {
    /// The centres of pixels that are written on.
    fn written(&self) -> impl Iterator<Item = [f32; 2]> {
        let centre = |i: usize| [(i % self.side) as f32 + 0.5, (i / self.side) as f32 + 0.5];
        self.values.iter().enumerate().filter(|(_, ink)| **ink > WRITTEN).map(move |(i, _)| centre(i))
    }

    /// The smallest box around what is written; `None` where nothing is.
    pub fn bounds(&self) -> Option<Corners> {
        let pixel = |[x, y]: [f32; 2]| Corners { x1: x - 0.5, y1: y - 0.5, x2: x + 0.5, y2: y + 0.5 };
        self.written().map(pixel).reduce(|all, pixel| all.hull(&pixel))
    }

    /// The middle of what is written at places that are `counted`; `None` where nothing is.
    pub fn middle(&self, counted: impl Fn([f32; 2]) -> bool) -> Option<[f32; 2]> {
        let places: Vec<[f32; 2]> = self.written().filter(|place| counted(*place)).collect();
        let mean = |axis: usize| places.iter().map(|place| place[axis]).sum::<f32>() / places.len() as f32;
        (!places.is_empty()).then(|| [mean(0), mean(1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vertical bar, 4 wide and 20 high, in the middle.
    fn bar() -> Digits {
        let pixel = |i: usize| if (12..16).contains(&(i % DIGIT)) && (4..24).contains(&(i / DIGIT)) { 255 } else { 0 };
        Digits { pixels: (0..DIGIT * DIGIT).map(pixel).collect(), labels: vec![1] }
    }

    #[test]
    fn digits_are_moved_turned_and_enlarged() {
        let pose = Pose { x: 30.0, y: 20.0, scale: 1.0, angle: 0.0 };
        let bounds = |pose: Pose| bar().posed(0, &pose, 64).bounds().expect("ink");
        assert_eq!(bounds(pose), Corners { x1: 28.0, y1: 10.0, x2: 32.0, y2: 30.0 });
        assert_eq!(bounds(Pose { scale: 1.5, ..pose }), Corners { x1: 27.0, y1: 5.0, x2: 33.0, y2: 35.0 });
        let turned = bounds(Pose { angle: std::f32::consts::FRAC_PI_2, ..pose });
        assert_eq!(turned, Corners { x1: 20.0, y1: 18.0, x2: 40.0, y2: 22.0 });
        // Clockwise: what was above is on the right.
        let ink = bar().posed(0, &Pose { angle: 0.5, ..pose }, 64);
        let above = ink.middle(|[_, y]| y < 15.0).expect("ink");
        assert!(above[0] > 30.0 && ink.middle(|_| false).is_none());
    }
}
