//! Left and right exchanged, and the points that have to change places with them.

/// How [`Step::Mirror`](super::Step::Mirror) exchanges left and right.
///
/// A picture of a face that is mirrored is one of another face, whose left eye is where the right one was. Points have their
/// meaning by their place in the list, so those that come in pairs change places: `flip_pairs` of COCO's keypoints.
///
/// In recipes `mirror: 0.5` is `mirror: { share: 0.5 }`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "harness", derive(serde::Serialize))]
pub struct Mirror {
    /// The probability; 0 to 1.
    pub share: f32,
    /// Pairs of points, by number from 0, that change places where a picture is mirrored.
    pub swap: Vec<[usize; 2]>,
}

impl From<f32> for Mirror {
    /// With this probability; no points change places.
    fn from(share: f32) -> Self {
        Self { share, swap: Vec::new() }
    }
}

impl Mirror {
    /// Whether each point changes places at most once, and with another one.
    pub(super) fn check(&self) -> Result<(), String> {
        let all = self.swap.as_flattened();
        let twice = (1..all.len()).find(|&i| all[..i].contains(&all[i]));
        match twice {
            Some(i) => Err(format!("`swap` has point {} twice, but each can change places once only", all[i])),
            None => Ok(()),
        }
    }

    /// The highest number of a point that changes places.
    pub(super) fn last_point(&self) -> Option<usize> {
        self.swap.as_flattened().iter().copied().max()
    }

    /// The points of a picture that was mirrored, in their order; pairs that it does not have stay.
    pub(super) fn exchange(&self, points: &mut [[f32; 2]]) {
        for &[a, b] in &self.swap {
            if a.max(b) < points.len() {
                points.swap(a, b);
            }
        }
    }
}

/// How recipes write it.
#[cfg(feature = "harness")]
mod written {
    use std::fmt;

    use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
    use serde::{Deserialize, Deserializer};

    use super::Mirror;

    impl<'de> Deserialize<'de> for Mirror {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Written)
        }
    }

    /// The long form.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        share: f32,
        #[serde(default)]
        swap: Vec<[usize; 2]>,
    }

    /// Either form. Told apart by hand, since what is wrong in the long one is then said as anywhere else.
    struct Written;

    impl<'de> Visitor<'de> for Written {
        type Value = Mirror;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a probability, or `{ share: 0.5, swap: [[0, 1]] }`")
        }

        fn visit_f64<E: Error>(self, share: f64) -> Result<Mirror, E> {
            Ok((share as f32).into())
        }

        fn visit_u64<E: Error>(self, share: u64) -> Result<Mirror, E> {
            self.visit_f64(share as f64)
        }

        fn visit_i64<E: Error>(self, share: i64) -> Result<Mirror, E> {
            self.visit_f64(share as f64)
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Mirror, M::Error> {
            let Whole { share, swap } = Whole::deserialize(MapAccessDeserializer::new(map))?;
            Ok(Mirror { share, swap })
        }
    }
}
