//! Which box of a map learns which object, for the losses and for [`assign_yolo`](crate::boxes::assign_yolo).

use super::super::boxes::{Box, Object, iou, object, shape_iou};
use super::{At, Yolo, YoloVersion};

/// The boxes of a map beside the objects of an image.
#[derive(Clone, Copy)]
pub(crate) struct Owners<'a> {
    /// How cells and boxes lie.
    pub map: Yolo<'a>,
    /// Priors of the maps of other scales.
    pub others: &'a [[f32; 2]],
    /// Boxes that share more with an object need not say that there is none.
    pub ignore: f32,
    /// Rows of class, centre x and y, width and height in pixels.
    pub objects: &'a [f32],
}

impl Owners<'_> {
    /// The object that a box is responsible for, if any, and its row: the first one with its centre in the cell that the box
    /// fits best, by what it predicts in V1, by its prior else.
    #[inline(always)]
    pub fn owner(&self, at: At, predicted: impl Fn(At) -> Box) -> Option<(usize, Object)> {
        let mut here = self.rows().filter(|(_, o)| self.map.holds(at, o));
        match self.map.version {
            YoloVersion::V1 => here.next().filter(|(_, o)| self.best_prediction(predicted, at, &o.place) == at.which),
            _ => here.find(|(_, o)| self.best_prior([o.place[2], o.place[3]]) == Some(at.which)),
        }
    }

    /// Whether a box without an object need not say so: it shares more than `ignore` with some object. Not in V1.
    #[inline(always)]
    pub fn ignored(&self, place: &Box) -> bool {
        self.map.version != YoloVersion::V1 && self.rows().any(|(_, o)| iou(place, &o.place) > self.ignore)
    }

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = (usize, Object)> {
        let classes = self.map.classes;
        let rows = self.objects.chunks_exact(5).enumerate();
        rows.filter_map(move |(number, row)| Some((number, object(row, classes)?)))
    }

    /// The box of a cell that shares most with an object; the first of equal ones.
    #[inline(always)]
    fn best_prediction(&self, predicted: impl Fn(At) -> Box, at: At, place: &Box) -> usize {
        let (mut best, mut most) = (0, f32::NEG_INFINITY);
        for which in 0..self.map.boxes {
            let shared = iou(&predicted(At { which, ..at }), place);
            if shared > most {
                (best, most) = (which, shared);
            }
        }
        best
    }

    /// The prior of this map whose shape fits best; none where one of another map fits better.
    #[inline(always)]
    fn best_prior(&self, shape: [f32; 2]) -> Option<usize> {
        let (mut best, mut most) = (0, f32::NEG_INFINITY);
        for (which, prior) in self.map.anchors.iter().enumerate() {
            let shared = shape_iou(*prior, shape);
            if shared > most {
                (best, most) = (which, shared);
            }
        }
        self.others.iter().all(|prior| shape_iou(*prior, shape) <= most).then_some(best)
    }
}
