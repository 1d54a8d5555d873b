//! Digits laid on larger pictures.

use cnnc_runtime::boxes::Corners;

use crate::digits::{Digits, SIDE};

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
        let ink = &self.bytes[number];
        let at = |x: i64, y: i64| {
            let inside = (0..SIDE as i64).contains(&x) && (0..SIDE as i64).contains(&y);
            if inside { f32::from(ink[y as usize * SIDE + x as usize]) / 255.0 } else { 0.0 }
        };
        let (sin, cos) = pose.angle.sin_cos();
        let value = |i: usize| {
            let (x, y) = ((i % side) as f32 + 0.5 - pose.x, (i / side) as f32 + 0.5 - pose.y);
            let place = |turned: f32| turned / pose.scale + SIDE as f32 / 2.0 - 0.5;
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
        let pixel = |i: usize| if (12..16).contains(&(i % SIDE)) && (4..24).contains(&(i / SIDE)) { 255 } else { 0 };
        Digits { bytes: vec![std::array::from_fn(pixel)], pixels: Vec::new(), labels: vec![1] }
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
