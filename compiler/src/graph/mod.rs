//! The graph: what a specification means.
//!
//! A [`Graph`] is a list of nodes in static single assignment: a node's inputs come before it, and each node has one
//! value, named by its [`ValueId`]. A value is either *batched* (it exists once per image; the batch is implicit and its
//! size is not known here) or not (weights, statistics over the batch, the loss). A pass takes a graph and returns one.

mod rewrite;
mod types;
mod verify;

use std::ops::Range;

use serde::Serialize;

use crate::diagnostics::Span;
use crate::ops::Op;
use crate::tuning::Tuning;
pub use rewrite::Rewrite;
pub use types::{BLOCK, Kind, Layout, Type, show_shape, winograd_pitch};
pub use verify::verify;

/// A node and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ValueId(pub u32);

/// A weight or a buffer of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ParamId(pub u32);

/// A network: forward, or forward and backward.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    /// The name of the net, as written.
    pub name: String,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// Nodes in an order in which they can be computed.
    pub nodes: Vec<Node>,
    /// Weights and buffers in order of definition.
    pub params: Vec<Param>,
    /// The calls of blocks that made the nodes, outer ones before those inside of them. Passes drop them.
    #[serde(skip)]
    pub calls: Vec<BlockCall>,
    /// Named inputs in order of definition.
    pub inputs: Vec<Named>,
    /// Named targets in order of definition.
    pub targets: Vec<Named>,
    /// Named outputs in order of definition.
    pub outputs: Vec<Named>,
    /// The training loss: unbatched, shape `[]`. Absent in inference graphs and in nets that state none.
    pub loss: Option<ValueId>,
    /// After differentiation: the gradient of each trainable weight.
    pub gradients: Vec<(ParamId, ValueId)>,
    /// After differentiation, where asked for: the gradient of an input, by index into `inputs`.
    pub input_gradients: Vec<(usize, ValueId)>,
    /// What a training step stores into buffers (running statistics).
    pub updates: Vec<(ParamId, ValueId)>,
    /// Whether only algorithms are wanted that round as plain sums do: no Winograd.
    #[serde(skip)]
    pub exact: bool,
    /// What measuring says of convolutions, above the model.
    #[serde(skip)]
    pub tuning: Tuning,
}

/// A value with a name that users see.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// Its name in the specification.
    pub name: String,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// The value.
    pub value: ValueId,
    /// Where it is declared.
    #[serde(skip)]
    pub span: Span,
}

/// An operation and its operands.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From what.
    pub inputs: Vec<ValueId>,
    /// The type of the value.
    pub ty: Type,
    /// Dotted name of the layer it belongs to, `layer1.0.conv1`; empty for values that belong to none.
    pub layer: String,
    /// The place in the specification that asked for it.
    #[serde(skip)]
    pub span: Span,
}

/// A call of a block. What it made stands together, so calls are ranges of nodes, and those inside of a call ranges of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCall {
    /// The name of the block.
    pub block: String,
    /// The full name of the call, with which those of its layers begin.
    pub layer: String,
    /// The nodes that it made.
    pub nodes: Range<usize>,
}

/// A weight, or a buffer such as a running mean.
#[derive(Clone, Debug, Serialize)]
pub struct Param {
    /// Dotted name, `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is to its layer; known when the whole net is.
    pub kind: ParamKind,
    /// How it starts.
    pub init: Init,
    /// What happens to it during training.
    pub role: Role,
    /// The call that made it.
    #[serde(skip)]
    pub span: Span,
}

/// The names of the layer and of the block calls around it that a weight's name begins with: `a`, `a.b` of `a.b.c`.
pub fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}

impl Param {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a [`Param`] is to its layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// What a layer multiplies with and sums up: filters, or the matrix of a dense layer.
    Weight {
        /// Weights that one output sums over: the inputs of its group times the window.
        fan_in: usize,
        /// Weights that one input is multiplied with: the outputs of its group times the window.
        fan_out: usize,
        /// Places with weights of their own, the innermost axes: 1 but for local convolutions.
        places: usize,
    },
    /// What a layer adds to such sums.
    Bias,
    /// All else: scales and shifts of norms, slopes, running statistics, tensors that a `weight` makes.
    #[default]
    Other,
}

/// What training does to a [`Param`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The optimizer updates it.
    Trained,
    /// A weight that stays as it is.
    Frozen,
    /// Not a weight: written by the network itself (running statistics).
    Buffer,
}

/// How a [`Param`] starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// All equal.
    Constant(f64),
    /// Uniform in ±1/√fan_in: PyTorch's default for convolution and linear layers, weight and bias.
    Uniform {
        /// Inputs that one output sums over.
        fan_in: usize,
    },
}

impl Graph {
    /// The node that computes `value`.
    pub fn node(&self, value: ValueId) -> &Node {
        &self.nodes[value.0 as usize]
    }

    /// The type of `value`.
    pub fn ty(&self, value: ValueId) -> &Type {
        &self.node(value).ty
    }

    /// The weight or buffer `id`.
    pub fn param(&self, id: ParamId) -> &Param {
        &self.params[id.0 as usize]
    }

    /// All values in order of computation.
    pub fn values(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.nodes.len() as u32).map(ValueId)
    }

    /// Values that must be computed: outputs, loss, gradients and updates.
    pub fn results(&self) -> Vec<ValueId> {
        let outputs = self.outputs.iter().map(|o| o.value);
        let gradients = self.gradients.iter().map(|g| g.1).chain(self.input_gradients.iter().map(|g| g.1));
        outputs.chain(self.loss).chain(gradients).chain(self.updates.iter().map(|u| u.1)).collect()
    }

    /// Which values must be computed for these.
    pub fn needed_for(&self, results: impl IntoIterator<Item = ValueId>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for value in results {
            needed[value.0 as usize] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                for operand in &self.nodes[index].inputs {
                    needed[operand.0 as usize] = true;
                }
            }
        }
        needed
    }

    /// Appends a node whose operands are known to fit; the mismatch otherwise.
    ///
    /// # Errors
    /// Says which rule of the operator the operands do not fit; then nothing is appended.
    pub fn push(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        layer: &str,
        span: Span,
    ) -> Result<ValueId, crate::ops::Mismatch> {
        let types: Vec<&Type> = inputs.iter().map(|v| self.ty(*v)).collect();
        let ty = op.infer(&types)?;
        self.nodes.push(Node { op, inputs: inputs.to_vec(), ty, layer: layer.to_owned(), span });
        Ok(ValueId(self.nodes.len() as u32 - 1))
    }
}
