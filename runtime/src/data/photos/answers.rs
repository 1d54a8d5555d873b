//! What targets hold of photos.

use std::borrow::Cow;

#[cfg(feature = "harness")]
use serde::{Deserialize, Serialize};

use super::sampling::Sampling;
use super::{Collection, Plan};
use crate::augment::Sample;
use crate::boxes::{Centered, ClassScores, Corners, Grid, Shape, Truth};
use crate::{TargetKind, ValueSpec};

/// What a target holds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "harness", derive(Serialize, Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Answer {
    /// The class of the photo; of the largest box where it has none. For targets that are a class.
    Class,
    /// The shares of the classes, `[classes]`.
    OneHot,
    /// 1 where there is a box or a point, else 0; `[1]`.
    Object,
    /// The largest box: centre x, y, height and width as shares of the picture; `[4]`, zeros where there is none.
    Box,
    /// All boxes as the losses of detectors take them, a row each: class (-1 for none), centre x and y, width and height in
    /// pixels of the network's input; `[most, 5]`. Where there are more the largest ones count.
    Objects,
    /// Points, x and y as shares of the picture; `[2 * points]`.
    Points,
    /// 1 where there are points, then the points; `[1 + 2 * points]`, zeros where there are none.
    SeenPoints,
    /// A map of YOLO, see [`Grid::targets`]; `[anchors * (5 + classes), rows, columns]`.
    Grid {
        /// Width and height of each, in pixels of the network's input.
        anchors: Vec<[f32; 2]>,
    },
    /// Of a pair, 1 where both show the same: the same class, or as the list of pairs says; `[1]`.
    Same,
}

impl Answer {
    /// What a target holds, where nobody says so.
    pub(super) fn guess(target: &ValueSpec, collection: &Collection, sampling: &Sampling) -> Result<Self, String> {
        let points = collection.examples.iter().map(|example| example.points.len()).max().unwrap_or(0);
        match (target.kind, target.shape) {
            (TargetKind::Class(_), _) => Ok(Self::Class),
            (TargetKind::Float, [1]) if sampling.is_of_pairs() => Ok(Self::Same),
            (TargetKind::Float, [_, 5]) if collection.examples.iter().any(|e| !e.boxes.is_empty()) => Ok(Self::Objects),
            (TargetKind::Float, &[n]) if points > 0 && n == 2 * points => Ok(Self::Points),
            (TargetKind::Float, &[n]) if points > 0 && n == 1 + 2 * points => Ok(Self::SeenPoints),
            _ => Err(format!(
                "nothing says what the target `{}` of {:?} holds; `targets: {{ {}: ... }}` with one_hot, object, box, objects, points, \
                 seen_points, same or {{ grid: {{ anchors: [[w, h]] }} }} does",
                target.name, target.shape, target.name
            )),
        }
    }

    /// Whether a target can hold what it is to hold.
    pub(super) fn check(
        &self,
        target: &ValueSpec,
        collection: &Collection,
        plan: &Plan,
        sampling: &Sampling,
    ) -> Result<(), String> {
        let name = target.name;
        let needs = |fits: bool, what: String| match fits {
            true => Ok(()),
            false => Err(format!("`{name}` of {:?} cannot hold this: {what}", target.shape)),
        };
        let classes = |most: usize| {
            let all = collection.examples.iter().flat_map(|e| e.boxes.iter().map(|b| b.1).chain(e.class));
            match all.max() {
                Some(class) if class as usize >= most => {
                    needs(false, format!("there is a class {class}, but it has room for {most} classes"))
                }
                _ => Ok(()),
            }
        };
        let of_points = match self {
            Self::Points | Self::SeenPoints => true,
            Self::Object => collection.points() > 0,
            _ => false,
        };
        if let Some(step) = plan.augment.joins().filter(|_| of_points) {
            let message =
                format!("`{step}` of `augment` joins pictures, but `{name}` holds points, which are those of one");
            return Err(message + "; without this step they can be learnt");
        }
        let float = target.kind == TargetKind::Float;
        match (self, target.shape) {
            (Self::Class, _) => {
                if target.image_len() != 1 {
                    return needs(
                        false,
                        "photos have one class each; maps of classes come from safetensors or npz files".into(),
                    );
                }
                let TargetKind::Class(most) = target.kind else {
                    return needs(false, "a class needs `class(n)`".into());
                };
                if plan.augment.blends() {
                    let message = format!("`mixup` of `augment` gives pictures several classes, but `{name}` is one");
                    return Err(message + "; a target [classes] with `one_hot` can hold them");
                }
                if collection.examples.iter().any(|e| e.class.is_none() && e.boxes.is_empty()) {
                    return needs(false, "not all photos have a class".into());
                }
                classes(most)
            }
            (Self::OneHot, &[n]) if float => classes(n),
            (Self::Object, [1]) | (Self::Box, [4]) | (Self::Objects, [_, 5]) if float => Ok(()),
            (Self::Same, [1]) if float => needs(sampling.is_of_pairs(), "the network does not take two photos".into()),
            (Self::Points | Self::SeenPoints, &[n]) if float => {
                let points = (n - usize::from(*self == Self::SeenPoints)) / 2;
                let odd = collection.examples.iter().find(|e| !e.points.is_empty() && e.points.len() != points);
                match odd {
                    Some(e) => needs(false, format!("photos have {} points", e.points.len())),
                    None => Ok(()),
                }
            }
            (Self::Grid { anchors }, &[numbers, _, _]) if float => {
                let fits = !anchors.is_empty() && numbers % anchors.len() == 0 && numbers / anchors.len() > 5;
                let message = format!("with {} anchors it needs anchors * (5 + classes) maps", anchors.len());
                needs(fits, message)?;
                if anchors.as_flattened().iter().any(|side| !(side.is_finite() && *side > 0.0)) {
                    return needs(false, "the sides of anchors must be above 0".into());
                }
                classes(numbers / anchors.len() - 5)
            }
            _ => needs(false, format!("it has another shape than {self:?} needs")),
        }
    }

    /// Writes what a target of this shape holds of a photo that is stretched to `input`, width and height in pixels; nothing of what
    /// more than the photo decides, or what is no float.
    pub(super) fn write(&self, shape: &[usize], sample: &Sample, input: [usize; 2], y: &mut [f32]) {
        y.fill(0.0);
        let (width, height) = (sample.raster.width as f32, sample.raster.height as f32);
        let points = |y: &mut [f32]| {
            for (pair, [px, py]) in y.as_chunks_mut::<2>().0.iter_mut().zip(&sample.points) {
                *pair = [px / width, py / height];
            }
        };
        match self {
            Self::OneHot => {
                for &(class, share) in &shares(sample)[..] {
                    if let Some(y) = y.get_mut(class as usize) {
                        *y += share;
                    }
                }
            }
            Self::Object => y.fill(f32::from(u8::from(!sample.boxes.is_empty() || !sample.points.is_empty()))),
            Self::Box => {
                if let Some((b, _)) = largest(sample) {
                    let b = b.normalized(width, height);
                    y.copy_from_slice(&[b.x, b.y, b.height, b.width]);
                }
            }
            Self::Objects => objects(in_input(sample, input), y),
            Self::Points => points(y),
            Self::SeenPoints => {
                if !sample.points.is_empty() {
                    y[0] = 1.0;
                    points(&mut y[1..]);
                }
            }
            Self::Grid { anchors } => {
                let truth = |(corners, class): (Corners, u32)| Truth { corners, class };
                let truths: Vec<Truth> = in_input(sample, input).map(truth).collect();
                let grid = Grid {
                    rows: shape[1],
                    columns: shape[2],
                    stride: input[0] as f32 / shape[2] as f32,
                    anchors: anchors.iter().map(|&[width, height]| Shape { width, height }).collect(),
                    classes: shape[0] / anchors.len() - 5,
                    scores: ClassScores::Sigmoid,
                };
                y.copy_from_slice(&grid.targets(&truths));
            }
            Self::Class | Self::Same => {}
        }
    }
}

/// Boxes in pixels of the network's input, to which the picture is stretched.
fn in_input(sample: &Sample, input: [usize; 2]) -> impl Iterator<Item = (Corners, u32)> {
    let [width, height] = input.map(|side| side as f32);
    let (fx, fy) = (width / sample.raster.width as f32, height / sample.raster.height as f32);
    sample.boxes.iter().map(move |(b, class)| (b.scaled(fx, fy), *class))
}

/// The rows of [`Answer::Objects`].
fn objects(boxes: impl Iterator<Item = (Corners, u32)>, y: &mut [f32]) {
    let mut boxes: Vec<(Corners, u32)> = boxes.collect();
    boxes.sort_by(|a, b| b.0.area().total_cmp(&a.0.area()));
    let mut boxes = boxes.into_iter();
    for row in y.as_chunks_mut::<5>().0 {
        *row = boxes.next().map_or([-1.0, 0.0, 0.0, 0.0, 0.0], |(b, class)| {
            let b = Centered::from(b);
            [class as f32, b.x, b.y, b.width, b.height]
        });
    }
}

/// The box of the largest area.
fn largest(sample: &Sample) -> Option<(Corners, u32)> {
    sample.boxes.iter().copied().max_by(|a, b| a.0.area().total_cmp(&b.0.area()))
}

/// The class of the photo, the one of the largest share, or that of its largest box.
pub(super) fn class_of(sample: &Sample) -> Option<u32> {
    let most = sample.classes.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|class| class.0);
    most.or_else(|| largest(sample).map(|b| b.1))
}

/// The classes of the photo, or that of its largest box.
fn shares(sample: &Sample) -> Cow<'_, [(u32, f32)]> {
    match sample.classes.is_empty() {
        false => Cow::Borrowed(&sample.classes),
        true => Cow::Owned(largest(sample).map(|b| (b.1, 1.0)).into_iter().collect()),
    }
}
