//! What the steps of augmentation do to a picture, side by side.

use super::{Rgb, captioned, sample};
use crate::augment::{Pipeline, Sample};
use crate::data::Raster;
use crate::random::Random;

/// Behind captions.
const STRIP: Rgb = [40, 44, 60];

/// How the steps of a pipeline are shown.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// The steps.
    pub pipeline: &'a Pipeline,
    /// How many pictures show all steps together.
    pub together: usize,
    /// Width and height that each picture is stretched to, as networks get them.
    pub size: (usize, usize),
    /// Names of the classes.
    pub classes: &'a [String],
}

impl Steps<'_> {
    /// How many pictures are in a row.
    pub fn columns(&self) -> usize {
        1 + self.pipeline.0.len() + self.together
    }

    /// The sample as it is, after each step alone, with its name below, and after all of them, with boxes, points and classes. A step
    /// with a probability is shown as what it does where it does something; all together have theirs. `other` gives another
    /// picture, for steps that join several.
    ///
    /// # Errors
    ///
    /// Those of `other`.
    pub fn row<E>(
        &self,
        first: &Sample,
        seed: u64,
        other: &mut dyn FnMut(&mut Random) -> Result<Sample, E>,
    ) -> Result<Vec<Raster>, E> {
        let mut pictures = vec![self.picture(first, "as it is")];
        for step in &self.pipeline.0 {
            let random = &mut Random::named(seed, step.name());
            let changed = Pipeline(vec![step.certain()]).apply(first.clone(), random, other)?;
            pictures.push(self.picture(&changed, &step.name().replace('_', " ")));
        }
        for number in 0..self.together {
            let random = &mut Random::numbered(seed, number as u64);
            let changed = self.pipeline.apply(first.clone(), random, other)?;
            pictures.push(self.picture(&changed, "all steps"));
        }
        Ok(pictures)
    }

    fn picture(&self, shown: &Sample, caption: &str) -> Raster {
        let (width, height) = self.size;
        // The longest caption, `resized crop`, has 49 columns of dots.
        captioned(&sample(&shown.stretched(width, height), self.classes), caption, STRIP, (width / 50).clamp(1, 3))
    }
}
