//! Augmentation: pictures changed at random so that what they show stays the same. Boxes and points follow the pixels.
//!
//! A [`Pipeline`] is a list of [`Step`]s in order. All that is drawn comes from one stream of random numbers, so that the same
//! seed gives the same pictures on every machine and at any number of threads.

mod color;
mod geometry;
mod mirror;
mod mix;
mod warp;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use crate::boxes::Corners;
use crate::data::Raster;
use crate::random::Random;
pub use mirror::Mirror;
use warp::Affine;

/// A picture and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The pixels.
    pub raster: Raster,
    /// Its classes with their shares, which sum to 1: one, but for blends of pictures. Empty where there is none.
    pub classes: Vec<(u32, f32)>,
    /// Boxes of things and their classes.
    pub boxes: Vec<(Corners, u32)>,
    /// Points in pixels, x and y, in a fixed order. What has left the picture has coordinates outside of it.
    pub points: Vec<[f32; 2]>,
}

impl Sample {
    /// The whole picture in another size; boxes and points go with it.
    #[must_use]
    pub fn stretched(&self, width: usize, height: usize) -> Self {
        mix::stretched(self.clone(), width, height, self.raster.channels)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Step {
    /// Left and right are exchanged, with a probability (Krizhevsky, Sutskever & Hinton 2012, section 4.1); points that come in
    /// pairs change places.
    Mirror(Mirror),
    /// So many pixels of black are put around, then a piece as large as before is cut out anywhere (He et al. 2016, section 4.2).
    RandomCrop {
        /// On each side.
        pad: usize,
    },
    /// A piece of random area and shape is cut out (Szegedy et al. 2015, section 6).
    ResizedCrop(ResizedCrop),
    /// Brightness, contrast and saturation change by factors, the hue by an angle, in random order.
    Color(Color),
    /// A piece at a given place, never another one.
    Piece(Piece),
    /// Colours move along the principal axes of the pictures of ImageNet, by normally distributed shares of this standard
    /// deviation (Krizhevsky, Sutskever & Hinton 2012, section 4.1: 0.1).
    PcaColor(f32),
    /// Turned about the centre by up to so many degrees, one of the affine changes of Simard, Steinkraus & Platt 2003, section 2.
    Rotate(f32),
    /// Slanted sideways by up to so many degrees, another one of these.
    Shear(f32),
    /// Pixels move by a smooth random field (Simard, Steinkraus & Platt 2003, section 2, which smoothes by a Gaussian; here it is a
    /// spline between random places).
    Warp(Warp),
    /// A square of this side, in pixels, becomes grey, around a place anywhere, so that a part of it may lie outside (DeVries &
    /// Taylor 2017, "Improved regularization of convolutional neural networks with cutout", section 3.2).
    Cutout(usize),
    /// Blended with another picture, classes likewise: the share is drawn from Beta(alpha, alpha) (Zhang, Cissé, Dauphin &
    /// Lopez-Paz 2018, "mixup: beyond empirical risk minimization", section 2). Points of two pictures have no mean: see
    /// [`Pipeline::joins`].
    Mixup(f32),
    /// Four pictures around a random point, with this probability (Bochkovskiy, Wang & Liao 2020, "YOLOv4", section 3.3); as
    /// mixup nothing for points.
    Mosaic(f32),
}

/// Which pieces [`Step::ResizedCrop`] cuts out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct ResizedCrop {
    /// Least and most share of the picture's area.
    pub area: [f32; 2],
    /// Least and most width over height.
    pub ratio: [f32; 2],
}

impl Default for ResizedCrop {
    fn default() -> Self {
        Self { area: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] }
    }
}

/// Which piece [`Step::Piece`] cuts out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Piece {
    /// Its sides as a share of those of the picture.
    pub share: f32,
    /// Where it lies, across and down: `[0, 0]` is the upper left corner, `[0.5, 0.5]` the middle.
    pub place: [f32; 2],
}

impl Default for Piece {
    /// The middle: 224 of 256 pixels.
    fn default() -> Self {
        Self { share: 0.875, place: [0.5, 0.5] }
    }
}

/// How far [`Step::Color`] goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Color {
    /// Factors are drawn from 1 less this to 1 plus this; 0 to 1.
    pub brightness: f32,
    /// Likewise.
    pub contrast: f32,
    /// Likewise.
    pub saturation: f32,
    /// Shares of a full turn, both ways; 0 to 0.5.
    pub hue: f32,
}

/// How [`Step::Warp`] moves pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(default, deny_unknown_fields))]
pub struct Warp {
    /// The furthest that a pixel moves, as a share of the shorter side; 0 to 0.25.
    pub strength: f32,
    /// How many independent places there are along the longer side; 2 to 64.
    pub places: usize,
}

impl Default for Warp {
    fn default() -> Self {
        Self { strength: 0.05, places: 6 }
    }
}

impl Step {
    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    ///
    /// Says which number is not, and what would fit.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, x: f32, low: f32, high: f32| match x.is_finite() && (low..=high).contains(&x) {
            true => Ok(()),
            false => Err(format!("`{name}` is {x}, but it must be from {low} to {high}")),
        };
        let pair = |name: &str, [a, b]: [f32; 2], most: f32| match a > 0.0 && a <= b && b <= most {
            true => Ok(()),
            false => {
                Err(format!("`{name}` is [{a}, {b}], but both must be above 0 and at most {most}, the lower one first"))
            }
        };
        match *self {
            Self::Mirror(ref mirror) => {
                within("mirror", mirror.share, 0.0, 1.0)?;
                mirror.check()
            }
            Self::RandomCrop { pad: 1..=4096 } | Self::Cutout(1..=65_536) => Ok(()),
            Self::RandomCrop { pad } => Err(format!("`pad` is {pad}, but it must be from 1 to 4096")),
            Self::ResizedCrop(ResizedCrop { area, ratio }) => {
                pair("area", area, 1.0)?;
                pair("ratio", ratio, 100.0)
            }
            Self::Color(Color { brightness, contrast, saturation, hue }) => {
                within("brightness", brightness, 0.0, 1.0)?;
                within("contrast", contrast, 0.0, 1.0)?;
                within("saturation", saturation, 0.0, 1.0)?;
                within("hue", hue, 0.0, 0.5)
            }
            Self::Piece(Piece { share, place }) => {
                within("share", share, 0.01, 1.0)?;
                place.into_iter().try_for_each(|place| within("place", place, 0.0, 1.0))
            }
            Self::PcaColor(std) => within("pca_color", std, 0.0, 1.0),
            Self::Rotate(degrees) => within("rotate", degrees, 0.0, 180.0),
            Self::Shear(degrees) => within("shear", degrees, 0.0, 60.0),
            Self::Warp(Warp { strength, places }) => {
                within("strength", strength, 0.0, 0.25)?;
                within("places", places as f32, 2.0, 64.0)
            }
            Self::Cutout(side) => Err(format!("`cutout` is {side}, but it must be from 1 to 65536")),
            Self::Mixup(alpha) => within("mixup", alpha, 0.01, 100.0),
            Self::Mosaic(p) => within("mosaic", p, 0.0, 1.0),
        }
    }

    /// Its name in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mirror(_) => "mirror",
            Self::RandomCrop { .. } => "random_crop",
            Self::ResizedCrop(_) => "resized_crop",
            Self::Color(_) => "color",
            Self::Piece(_) => "piece",
            Self::PcaColor(_) => "pca_color",
            Self::Rotate(_) => "rotate",
            Self::Shear(_) => "shear",
            Self::Warp(_) => "warp",
            Self::Cutout(_) => "cutout",
            Self::Mixup(_) => "mixup",
            Self::Mosaic(_) => "mosaic",
        }
    }

    /// The same step, where it has a probability with that of 1: what it does when it does something.
    #[must_use]
    pub fn certain(&self) -> Self {
        match self {
            Self::Mirror(mirror) => Self::Mirror(Mirror { share: 1.0, ..mirror.clone() }),
            Self::Mosaic(_) => Self::Mosaic(1.0),
            other => other.clone(),
        }
    }

    /// Applies it. `other` gives another picture of the data set, drawn with the stream of random numbers.
    fn apply<E>(
        &self,
        sample: Sample,
        random: &mut Random,
        other: &mut dyn FnMut(&mut Random) -> Result<Sample, E>,
    ) -> Result<Sample, E> {
        Ok(match *self {
            Self::Mirror(ref mirror) if random.unit() < mirror.share => geometry::mirrored(sample, mirror),
            Self::Mosaic(p) if random.unit() < p => {
                let others = [other(random)?, other(random)?, other(random)?];
                mix::mosaic(sample, others, [random.unit(), random.unit()])
            }
            Self::Mirror(_) | Self::Mosaic(_) => sample,
            Self::RandomCrop { pad } => {
                let shift = [(); 2].map(|()| random.below(2 * pad as u64 + 1) as f32 - pad as f32);
                let (width, height) = (sample.raster.width, sample.raster.height);
                geometry::cropped(sample, shift, width, height)
            }
            Self::ResizedCrop(crop) => {
                let (place, width, height) = geometry::draw_crop(&crop, &sample.raster, random);
                geometry::cropped(sample, place, width, height)
            }
            Self::Piece(piece) => geometry::piece(sample, &piece),
            Self::Color(color) => color::jitter(sample, &color, random),
            Self::PcaColor(std) => color::pca(sample, std, random),
            Self::Rotate(degrees) => {
                let angle = (both_ways(random) * degrees).to_radians();
                geometry::transformed(sample, Affine::rotation(angle))
            }
            Self::Shear(degrees) => {
                let slope = (both_ways(random) * degrees).to_radians().tan();
                geometry::transformed(sample, Affine::shear(slope))
            }
            Self::Warp(warp) => geometry::warped(sample, &warp, random),
            Self::Cutout(side) => mix::cutout(sample, side, [random.unit(), random.unit()]),
            Self::Mixup(alpha) => {
                let share = mix::beta(alpha, random);
                let other = other(random)?;
                mix::mixup(sample, other, share)
            }
        })
    }
}

/// The pieces of a picture that a network's answers are averaged over (Krizhevsky, Sutskever & Hinton 2012, section 4.1): the
/// corners and the middle, each of this share of the sides; where `mirrored`, left and right exchanged as well. A pipeline for each.
pub fn crops(share: f32, mirrored: bool) -> Vec<Pipeline> {
    const PLACES: [[f32; 2]; 5] = [[0.5, 0.5], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    let plain = PLACES.map(|place| vec![Step::Piece(Piece { share, place })]);
    let turned = plain.iter().map(|steps| [steps.as_slice(), &[Step::Mirror(1.0.into())]].concat());
    let turned: Vec<Vec<Step>> = if mirrored { turned.collect() } else { Vec::new() };
    plain.into_iter().chain(turned).map(Pipeline).collect()
}

/// From -1 to 1.
fn both_ways(random: &mut Random) -> f32 {
    random.unit() * 2.0 - 1.0
}

/// Steps in order.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(transparent))]
pub struct Pipeline(pub Vec<Step>);

impl Pipeline {
    /// Applies all steps. `other` gives another picture of the data set, for those steps that join several; it is changed by the
    /// steps in front of the one that asks for it.
    ///
    /// # Errors
    ///
    /// Those of `other`.
    pub fn apply<E>(
        &self,
        sample: Sample,
        random: &mut Random,
        other: &mut dyn FnMut(&mut Random) -> Result<Sample, E>,
    ) -> Result<Sample, E> {
        let mut sample = sample;
        for (i, step) in self.0.iter().enumerate() {
            let before = Self(self.0[..i].to_vec());
            let mut next = |random: &mut Random| {
                let sample = other(random)?;
                before.without_others().apply(sample, random, &mut |random| other(random))
            };
            sample = step.apply(sample, random, &mut next)?;
        }
        Ok(sample)
    }

    /// The steps that need one picture only.
    fn without_others(&self) -> Self {
        let alone = |step: &&Step| !matches!(step, Step::Mixup(_) | Step::Mosaic(_));
        Self(self.0.iter().filter(alone).cloned().collect())
    }

    /// Whether pictures are blended, so that they have several classes.
    pub fn blends(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Mixup(_)))
    }

    /// The name of the first step that joins pictures, so that there are no longer the points of one: where those of a face lie in
    /// four faces nobody can say. Such a step keeps those of the first picture, and does not suit targets that are points.
    pub fn joins(&self) -> Option<&'static str> {
        self.0.iter().find(|step| matches!(step, Step::Mixup(_) | Step::Mosaic(_))).map(Step::name)
    }

    /// Whether pictures with so many points have all points that change places where they are mirrored.
    ///
    /// # Errors
    ///
    /// Names the point that is not there, and those that are.
    pub fn suits(&self, points: usize) -> Result<(), String> {
        let last = |step: &Step| match step {
            Step::Mirror(mirror) => mirror.last_point(),
            _ => None,
        };
        let there = match points {
            0 => "no points".to_owned(),
            1 => "one point, number 0".to_owned(),
            _ => format!("{points} points, numbers 0 to {}", points - 1),
        };
        match self.0.iter().filter_map(last).find(|last| *last >= points) {
            Some(last) => Err(format!("`swap` of `mirror` has point {last}, but there is a picture with {there}")),
            None => Ok(()),
        }
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
