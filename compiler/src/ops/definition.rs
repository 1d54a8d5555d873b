//! What users may write.

use super::Call;
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

/// An operator as users see it.
#[derive(Debug)]
pub struct Definition {
    /// The word they write.
    pub name: &'static str,
    /// What it computes, in one line.
    pub summary: &'static str,
    /// The shapes of its operands and of its value, without the batch: `[channels, *space] -> [filters, *space']; space' = ...`.
    ///
    /// A name is the size of a dimension, and the same wherever it stands; a name with a star is a number of axes, none or
    /// more, and with a prime behind it as many axes of other sizes. Numbers are what they are, and formulas are what they
    /// come to. `[]` is one number for each image, `class(n, [...])` a target of classes, `..` says that there may be more.
    /// Behind the semicolon stands how large the value is, where its shape alone does not say so, in names of operands'
    /// dimensions and of arguments; `before` and `after` are the padding.
    ///
    /// With the feature `checked`, as in tests, axes and names are held against each call (`ops/shapes.rs`).
    pub shapes: &'static str,
    /// The paper, with its section, or the function of PyTorch or torchvision that computes the same.
    pub source: &'static str,
    /// Names of the tensor operands, which come first: by pipe or by position. `["inputs.."]` takes one or more.
    pub operands: &'static [&'static str],
    /// The other arguments, in the order in which they may be positional.
    pub attributes: &'static [Attribute],
    /// A use of it, tested.
    pub example: &'static str,
    /// Adds it to the graph.
    pub build: fn(&mut Call<'_>) -> Result<ValueId, Diagnostic>,
}

impl Definition {
    /// Whether it has an attribute of this name.
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|a| a.name == attribute)
    }

    /// The attribute that is given at this position, where operands count too.
    pub fn attribute_at(&self, position: usize) -> Option<&'static Attribute> {
        let index = position.checked_sub(self.operands.len())?;
        self.attributes.iter().filter(|a| a.positional).nth(index)
    }

    /// Whether the operand at `index` may be a label, by its name.
    pub fn takes_label(&self, index: usize) -> bool {
        matches!(self.operands.get(index), Some(&("label" | "target")))
    }
}

/// An argument that is not a tensor.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it is, with its range.
    pub doc: &'static str,
    /// The default as it would be written; `None` where it must be given.
    pub default: Option<&'static str>,
    /// Whether it may be given by position.
    pub positional: bool,
    /// Bare words it accepts, `same` and `valid` of `pad`.
    pub words: &'static [&'static str],
}

impl Attribute {
    /// An argument that must be given and may be positional.
    pub const fn required(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, default: None, positional: true, words: &[] }
    }

    /// A named argument with a default.
    pub const fn optional(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, doc, default: Some(default), positional: false, words: &[] }
    }

    /// Also by position.
    #[must_use]
    pub const fn positional(mut self) -> Self {
        self.positional = true;
        self
    }

    /// Also one of these words.
    #[must_use]
    pub const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }
}
