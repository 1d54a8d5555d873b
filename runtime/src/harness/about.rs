//! What a file of weights says of itself, so that `cnnc predict` needs no recipe.

use std::string::{String, ToString};
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::Spec;
use crate::data::Picture;

/// What a file of weights says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct About {
    /// The network's name.
    pub(super) network: String,
    /// The compiler that made it.
    pub(super) compiler: String,
    /// How pictures become inputs.
    pub(super) picture: Option<Picture>,
    /// Names of the classes.
    pub(super) classes: Vec<String>,
}

impl About {
    pub(super) fn new(spec: &Spec, picture: &Picture, classes: &[String]) -> Self {
        let (network, compiler) = (spec.name.to_string(), spec.compiler.to_string());
        Self { network, compiler, picture: Some(picture.clone()), classes: classes.to_vec() }
    }

    /// What a file says; nothing where it says nothing we know.
    pub(super) fn read(metadata: Option<&str>) -> Self {
        metadata.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
