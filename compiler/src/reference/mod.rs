//! The reference: every graph, evaluated node by node in `f64`, as plainly as the operators' definitions can say it.
//!
//! It is the first witness for everything else: passes must not change what it says, gradients must agree with its
//! central differences, and emitted code must agree with its values.

mod tensor;

pub use tensor::Tensor;

use crate::graph::{Graph, Type, ValueId};

/// What a graph is evaluated on. Batched tensors have the batch as their first dimension; classes are whole numbers.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Number of images.
    pub batch: usize,
    /// By position among the graph's inputs.
    pub inputs: Vec<Tensor>,
    /// By position among the graph's targets.
    pub targets: Vec<Tensor>,
    /// By parameter.
    pub params: Vec<Tensor>,
    /// Seed and step of dropout; `None` keeps every unit.
    pub dropout: Option<(u64, u64)>,
}

/// One node under evaluation.
#[derive(Debug)]
pub struct Evaluation<'a> {
    /// Values of the operands.
    pub inputs: Vec<&'a Tensor>,
    /// Types of the operands.
    pub types: Vec<&'a Type>,
    /// The type of the value.
    pub output: &'a Type,
    /// Where inputs, weights and the batch size come from.
    pub feed: &'a Feed,
}

impl Evaluation<'_> {
    /// Zeros of the value's shape.
    pub fn zeros(&self) -> Tensor {
        Tensor::zeros(&full_shape(self.output, self.feed.batch))
    }

    /// Number of images.
    pub fn batch(&self) -> usize {
        self.feed.batch
    }
}

/// The shape with the batch in front, where there is one.
pub fn full_shape(ty: &Type, batch: usize) -> Vec<usize> {
    ty.batched.then_some(batch).into_iter().chain(ty.shape.iter().copied()).collect()
}

/// Evaluates every node.
pub fn evaluate(graph: &Graph, feed: &Feed) -> Vec<Tensor> {
    let mut values: Vec<Tensor> = Vec::with_capacity(graph.nodes.len());
    for value in graph.values() {
        let node = graph.node(value);
        let of = |v: &ValueId| &values[v.0 as usize];
        let cx = Evaluation {
            inputs: node.inputs.iter().map(of).collect(),
            types: node.inputs.iter().map(|v| graph.ty(*v)).collect(),
            output: &node.ty,
            feed,
        };
        let tensor = node.op.evaluate(&cx);
        assert_eq!(tensor.shape, full_shape(&node.ty, feed.batch), "shape of {} (%{})", node.op.name(), value.0);
        values.push(tensor);
    }
    values
}
