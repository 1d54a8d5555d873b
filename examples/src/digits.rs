//! Handwritten digits: those of MNIST that ship, or all of them.

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
