//! Learning that goes on from what another network has learnt.

use std::path::PathBuf;

use serde::Deserialize;

use crate::graph::{Param, ParamKind};

/// Learning that goes on from what another network has learnt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    /// Its weights.
    pub(super) from: PathBuf,
    /// What is trained; all before it stays as it is.
    #[serde(default)]
    pub(super) train: Trained,
    /// How often the layers that stay as they are see each image.
    #[serde(default)]
    pub(super) features: Features,
}

/// How often the layers that stay as they are see each image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Features {
    /// Whenever it is learnt from.
    #[default]
    Anew,
    /// Once: what they see is kept in a file.
    Cached,
}

/// Which weights are trained: the fewer, the less there is to learn from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trained {
    /// The last layer.
    #[default]
    Head,
    /// So many layers at the end.
    Last(usize),
    /// Those from the first one of this name on.
    From(String),
    /// All.
    All,
}

impl Trained {
    /// The position of the first weight that is trained; `None` where there is no such.
    pub(super) fn first(&self, params: &[Param]) -> Option<usize> {
        match self {
            Self::All => Some(0),
            Self::From(name) => {
                let below = format!("{name}.");
                params.iter().position(|param| param.name == *name || param.name.starts_with(&below))
            }
            Self::Head => Self::Last(1).first(params),
            Self::Last(count) => layers(params).into_iter().rev().nth(count.checked_sub(1)?),
        }
    }
}

/// Where layers with weights begin, in order; norms belong to the layer in front of them.
pub(super) fn layers(params: &[Param]) -> Vec<usize> {
    let is_weight = |&i: &usize| matches!(params[i].kind, ParamKind::Weight { .. });
    (0..params.len()).filter(is_weight).collect()
}
