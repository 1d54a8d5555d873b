//! one_hot: a class as a vector.

use quote::quote;
use serde::Serialize;

use super::{Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split, source};
use crate::graph::{Kind, Type};
use crate::reference::{Evaluation, Tensor};

/// One at the class, zero elsewhere, and zeros alone where there is none. Operand: labels `class(n, [space...])`; the value is
/// `[n, space...]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OneHot {
    /// The label of what has no class.
    pub ignore: Option<u32>,
}

impl Operator for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        match inputs[0].kind {
            Kind::Class(n) => Ok(Type::batched([&[n], &*inputs[0].shape].concat())),
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
            let labels = cx.inputs[0].image(i);
            for (place, label) in labels.iter().enumerate().filter(|(_, label)| Some(**label as u32) != self.ignore) {
                y.image_mut(i)[*label as usize * labels.len() + place] = 1.0;
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let ignore = source::option(self.ignore);
        let mark = match (cx.inputs[0].shape.is_empty(), self.ignore) {
            (true, None) => quote!(y[x0 as usize] = 1.0;),
            (true, Some(_)) => quote!(rt::one_hot(&[x0], #ignore, y);),
            (false, _) => quote!(rt::one_hot(x0, #ignore, y);),
        };
        let body = quote! {
            y.fill(0.0);
            #mark
        };
        Kernel::new(format!("one_hot_{}", cx.output.len()), Split::Images, body)
            .doc(" One at the class, zero elsewhere.")
    }
}

/// A class as a vector: `class(classes, [*space]) -> [classes, *space]` (PyTorch's `torch.nn.functional.one_hot`,
/// with classes in front).
pub static ONE_HOT: Definition = Definition {
    name: "one_hot",
    summary: "a class as a vector of as many numbers as there are classes: one at the class, zero elsewhere; a map \
              of classes as a map of such vectors",
    shapes: "class(classes, [*space]) -> [classes, *space]",
    source: "PyTorch's `torch.nn.functional.one_hot`, with classes in front",
    operands: &["label"],
    attributes: &[],
    example: "sum(square(softmax(scores) - one_hot(label)))",
    build: |call| {
        let label = call.operand(0);
        let ignore = source::ignored(call.graph, label);
        call.push(OneHot { ignore }.into(), &[label])
    },
};
