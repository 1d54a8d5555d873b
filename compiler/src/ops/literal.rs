//! Numbers that stand in the specification: filters that are given, weights of classes.

use quote::quote;
use serde::Serialize;

use super::{Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::Type;
use crate::reference::{Evaluation, Tensor};

/// The same numbers for all images, never learnt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Literal {
    /// Their shape.
    pub shape: Vec<usize>,
    /// The numbers in its order.
    pub data: Vec<f64>,
}

impl Operator for Literal {
    fn name(&self) -> &'static str {
        "literal"
    }

    fn infer(&self, _inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type::single(self.shape.clone()))
    }

    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, _cx: &Evaluation<'_>) -> Tensor {
        Tensor::new(&self.shape, self.data.clone())
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let numbers = self.data.iter().map(|x| *x as f32);
        let body = quote!(y.copy_from_slice(&[#(#numbers),*]););
        Kernel::new(format!("literal_{}", cx.output.len()), Split::Pieces(cx.output.len()), body)
            .doc(" Numbers of the specification.")
    }
}
