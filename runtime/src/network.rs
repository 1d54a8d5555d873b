//! What all emitted networks have in common, for programs that work with any of them.
//!
//! Emitted networks also have an API of their own, typed by their shapes and names; that one is for people.

use alloc::string::String;
use core::ops::Range;

use crate::{Memory, Optimizer};

/// A compiled network.
///
/// Weights and buffers live in one vector, [`params`](Self::params): first the trained ones, then frozen ones, then
/// buffers; [`Spec::params`] says which range is whose. Gradients have the layout of the trained part.
pub trait Network: Send {
    /// Names, shapes and ranges.
    fn spec(&self) -> &'static Spec;

    /// Its memory, threads and instruction set.
    fn memory(&self) -> &Memory;

    /// Weights and buffers; none where they were not [kept](crate::Options::keep_weights) and a pass has run.
    fn params(&self) -> &[f32];

    /// Weights and buffers, to be written. What was derived from them (folded weights) is made anew at the next use. Where they were
    /// not [kept](crate::Options::keep_weights) and a pass has run, they are arbitrary numbers, and all must be written.
    fn params_mut(&mut self) -> &mut [f32];

    /// Both at once, for an optimizer: weights to be written, as in [`params_mut`](Self::params_mut), gradients and threads.
    fn params_and_memory(&mut self) -> (&mut [f32], &mut Memory);

    /// The largest batch it was constructed for.
    fn capacity(&self) -> usize {
        self.memory().capacity()
    }

    /// Gradients of the trained weights after the last [`train`](Self::train); padding between weights is zero. None where they
    /// are not [kept](crate::Options::keep_gradients).
    fn gradients(&self) -> &[f32] {
        self.memory().kept_gradients()
    }

    /// The forward pass in inference mode over `count` images; `inputs` are in the order of [`Spec::inputs`], each
    /// `count` images long.
    fn infer(&mut self, count: usize, inputs: &[&[f32]]) -> Result<(), Error>;

    /// An output of the last [`infer`](Self::infer) or [`train`](Self::train), by position in [`Spec::outputs`];
    /// all images one after another.
    fn output(&self, index: usize) -> &[f32];

    /// Forward and backward over `count` images: returns the loss and updates running statistics. An optimizer `behind` the pass
    /// updates each weight as soon as its gradient is there; without one gradients are left. `dropout` is the seed and the step
    /// that decide which units drop; `None` keeps all.
    ///
    /// # Errors
    /// Inputs or targets do not fit; the network has no code for training; gradients are to be left but the network does not
    /// [keep](crate::Options::keep_gradients) them; the optimizer [needs](Optimizer::works_behind) all of them at once.
    fn pass(
        &mut self,
        count: usize,
        inputs: &[&[f32]],
        targets: &[Targets<'_>],
        dropout: Option<(u64, u64)>,
        behind: Option<&mut Optimizer>,
    ) -> Result<f32, Error>;

    /// A [`pass`](Self::pass) that leaves the gradients.
    ///
    /// # Errors
    /// Those of a pass.
    fn train(
        &mut self,
        count: usize,
        inputs: &[&[f32]],
        targets: &[Targets<'_>],
        dropout: Option<(u64, u64)>,
    ) -> Result<f32, Error> {
        self.pass(count, inputs, targets, dropout, None)
    }

    /// The gradient of an input after the last [`train`](Self::train), where the network was compiled to have it.
    fn input_gradient(&self, index: usize) -> Option<&[f32]>;
}

/// What a network says of itself.
#[derive(Debug)]
pub struct Spec {
    /// Its name in the specification.
    pub name: &'static str,
    /// Version of the compiler that made it.
    pub compiler: &'static str,
    /// Inputs in order of definition.
    pub inputs: &'static [ValueSpec],
    /// Targets in order of definition.
    pub targets: &'static [ValueSpec],
    /// Outputs in order of definition.
    pub outputs: &'static [ValueSpec],
    /// Weights and buffers in order of definition.
    pub params: &'static [ParamSpec],
    /// How many floats at the start of the parameter vector are trained.
    pub trained: usize,
    /// Length of the parameter vector, padding included.
    pub param_floats: usize,
    /// Whether the network has training code.
    pub trains: bool,
}

/// A named value.
#[derive(Debug)]
pub struct ValueSpec {
    /// Its name.
    pub name: &'static str,
    /// Shape of one image.
    pub shape: &'static [usize],
    /// What its elements are.
    pub kind: TargetKind,
    /// Of classes: the label of what has none, which losses leave out.
    pub ignore: Option<u32>,
    /// Whether inference has to do with it: targets and inputs of losses do not.
    pub infers: bool,
}

impl ValueSpec {
    /// Floats (or classes) of one image.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether a target may have this label: that of one of its classes, or of what has none.
    pub fn has_label(&self, label: u32) -> bool {
        self.ignore == Some(label) || matches!(self.kind, TargetKind::Class(classes) if (label as usize) < classes)
    }
}

/// What the elements of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// `f32`
    Float,
    /// The index of one of this many classes.
    Class(usize),
}

impl Spec {
    /// A weight or buffer by name.
    pub fn param(&self, name: &str) -> Option<&ParamSpec> {
        self.params.iter().find(|p| p.name == name)
    }
}

/// A weight or a buffer.
#[derive(Debug)]
pub struct ParamSpec {
    /// Dotted name, `layer1.0.conv1.weight`.
    pub name: &'static str,
    /// Its shape.
    pub shape: &'static [usize],
    /// What it is to its layer.
    pub kind: ParamKind,
    /// What training does to it.
    pub role: Role,
    /// How it starts.
    pub init: Init,
    /// Where it stands in the parameter vector.
    pub range: Range<usize>,
}

/// What a parameter is to its layer. Shapes do not tell: scales of norms and biases of local convolutions have several axes, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// What a layer multiplies with and sums up: filters, or the matrix of a dense layer.
    Weight(Fans),
    /// What a layer adds to such sums.
    Bias,
    /// All else: scales and shifts of norms, slopes, running statistics, tensors that a `weight` makes.
    Other,
}

impl ParamKind {
    /// Whether it is the weight of a layer.
    pub fn is_weight(self) -> bool {
        matches!(self, Self::Weight(_))
    }
}

/// How many weights meet in a layer, whatever the stride of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Weights that one output sums over: the inputs of its group times the window.
    pub fan_in: usize,
    /// Weights that one input is multiplied with: the outputs of its group times the window.
    pub fan_out: usize,
    /// Places with weights of their own, the innermost axes: 1 but for local convolutions.
    pub places: usize,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All equal.
    Constant(f32),
    /// Uniform in ±1/√fan_in: PyTorch's default for convolution and linear layers, weight and bias.
    Uniform {
        /// Inputs that one output sums over.
        fan_in: usize,
    },
}

/// What training does to a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The optimizer updates it.
    Trained,
    /// A weight that stays as it is.
    Frozen,
    /// Written by the network itself.
    Buffer,
}

/// The values of a target.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// One class per image, or of maps one per pixel, image after image.
    Classes(&'a [u32]),
    /// Floats, image after image.
    Floats(&'a [f32]),
}

impl<'a> Targets<'a> {
    /// The classes; none where it has floats.
    pub fn classes(self) -> &'a [u32] {
        match self {
            Self::Classes(classes) => classes,
            Self::Floats(_) => &[],
        }
    }

    /// The floats; none where it has classes.
    pub fn floats(self) -> &'a [f32] {
        match self {
            Self::Floats(floats) => floats,
            Self::Classes(_) => &[],
        }
    }
}

/// Why a network refuses what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// More images than it was constructed for, or none.
    Batch {
        /// How many were given.
        given: usize,
        /// How many fit.
        capacity: usize,
    },
    /// An input or target of the wrong length, or a wrong number of them.
    Length {
        /// Which.
        name: String,
        /// How many elements were given.
        given: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A class that does not exist.
    Class {
        /// The target's name.
        name: String,
        /// The position of the image in the batch.
        image: usize,
        /// The class that was given.
        given: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// Classes where floats are needed, or floats where classes are.
    Kind {
        /// The target's name.
        name: String,
        /// What it needs.
        kind: TargetKind,
    },
    /// The network was compiled for inference only.
    NoTraining,
    /// What this names needs all gradients at once, but they are not [kept](crate::Options::keep_gradients).
    Gradients(&'static str),
    /// Weights that do not fit; the text names the tensor and says what would fit.
    Weights(String),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Batch { given: 0, .. } => write!(f, "a batch needs at least one image"),
            Self::Batch { given, capacity } => {
                write!(f, "{given} images, but the network was constructed for at most {capacity}")
            }
            Self::Length { name, given, needed } => write!(f, "`{name}` has {given} elements, needed are {needed}"),
            Self::Class { name, image, given, classes } => write!(
                f,
                "`{name}` of image {image} is class {given}, but there are {classes} classes (0 to {})",
                classes - 1
            ),
            Self::Kind { name, kind: TargetKind::Float } => write!(f, "`{name}` needs floats, not classes"),
            Self::Kind { name, kind: TargetKind::Class(n) } => {
                write!(f, "`{name}` needs one of {n} classes, not floats")
            }
            Self::NoTraining => write!(f, "this network was compiled with --infer-only and has no training code"),
            Self::Gradients(what) => {
                write!(
                    f,
                    "{what} needs all gradients at once, but this network was constructed without `keep_gradients`"
                )
            }
            Self::Weights(text) => f.write_str(text),
        }
    }
}

impl core::error::Error for Error {}
