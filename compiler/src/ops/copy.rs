//! A value once more, in memory of its own.

use quote::quote;
use serde::Serialize;

use super::{Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Made by the plan where a result would otherwise be a view of something else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Copy;

impl Operator for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let upstream = cx.upstream();
        cx.set(0, upstream);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].clone()
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        Kernel::new("copy", Split::elementwise(cx.output), quote!(y.copy_from_slice(x0);))
            .doc(format!("Copies {}.", show_shape(&cx.output.shape)))
    }
}
