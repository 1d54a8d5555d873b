//! one_hot: a class as a vector.

use quote::quote;
use serde::Serialize;

use super::{Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{Kind, Type};
use crate::reference::{Evaluation, Tensor};

/// One at the class, zero elsewhere. Operand: a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OneHot;

impl Operator for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        match inputs[0].kind {
            Kind::Class(n) => Ok(Type::batched([n])),
            Kind::Float => Err(Mismatch::new("one_hot-C1", "`one_hot` takes a class")
                .found(inputs[0].to_string())
                .fits("`target label: class(n)`")
                .operand(0)),
        }
    }

    /// A class has no neighbours, so nothing has a slope by it.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            y.image_mut(i)[cx.inputs[0].data[i] as usize] = 1.0;
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let body = quote! {
            y.fill(0.0);
            y[x0 as usize] = 1.0;
        };
        Kernel::new(format!("one_hot_{}", cx.output.len()), Split::Images, body)
            .doc(" One at the class, zero elsewhere.")
    }
}

/// A class as a vector.
pub static ONE_HOT: Definition = Definition {
    name: "one_hot",
    summary: "a class as a vector of as many numbers as there are classes: one at the class, zero elsewhere",
    operands: &["label"],
    attributes: &[],
    example: "sum(square(softmax(scores) - one_hot(label)))",
    build: |call| {
        let label = call.operand(0);
        call.push(OneHot.into(), &[label])
    },
};
