//! Where values come from: inputs, targets, weights.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::{Gradient, Kernel, KernelContext, Mismatch, Op, Operator};
use crate::graph::{Graph, Kind, Layout, ParamId, Type, ValueId};
use crate::reference::{Evaluation, Tensor};

/// An input of the network, batched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// Position among the graph's inputs.
    pub index: usize,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// A target of the loss, batched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Position among the graph's targets.
    pub index: usize,
    /// Its shape; `[]` for one class.
    pub shape: Vec<usize>,
    /// Classes or floats.
    pub kind: Kind,
    /// Of classes: the label of what has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<u32>,
}

/// The label that stands for no class, where a value is a target of classes that has one.
pub fn ignored(graph: &Graph, value: ValueId) -> Option<u32> {
    match &graph.node(value).op {
        Op::Target(target) => target.ignore,
        _ => None,
    }
}

/// [`ignored`] as emitted code says it.
pub(super) fn option(ignore: Option<u32>) -> TokenStream {
    ignore.map_or_else(|| quote!(None), |label| quote!(Some(#label)))
}

/// A weight or a buffer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParamRef {
    /// Which.
    pub id: ParamId,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Sources have no operands, no gradient and no code: the evaluator and the plan know where they are.
macro_rules! source {
    ($ty:ty, $name:literal, $infer:expr, $evaluate:expr) => {
        impl Operator for $ty {
            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, _inputs: &[&Type]) -> Result<Type, Mismatch> {
                Ok($infer(self))
            }

            fn gradient(&self, _cx: &mut Gradient<'_>) {}

            fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
                $evaluate(self, cx)
            }

            fn kernel(&self, _cx: &KernelContext<'_>) -> Kernel {
                unreachable!("sources are not computed")
            }
        }
    };
}

source!(Input, "input", |s: &Input| Type::batched(s.shape.clone()), |s: &Input, cx: &Evaluation<'_>| cx.feed.inputs
    [s.index]
    .clone());
source!(
    Target,
    "target",
    |s: &Target| Type { batched: true, shape: s.shape.clone(), kind: s.kind, layout: Layout::Plain },
    |s: &Target, cx: &Evaluation<'_>| cx.feed.targets[s.index].clone()
);
source!(ParamRef, "param", |s: &ParamRef| Type::single(s.shape.clone()), |s: &ParamRef, cx: &Evaluation<'_>| cx
    .feed
    .params[s.id.0 as usize]
    .clone());
