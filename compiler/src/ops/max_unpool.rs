//! max_unpool: values back to where a max_pool found its largest elements.
//!
//! Which elements those were ("switches", Zeiler & Fergus 2014, section 2.1) is seen in the operand of the pool, so that no
//! indices travel through the network. The node is [`MaxPoolGrad`], which does that to gradients.

use quote::quote;
use serde::Serialize;

use super::pool::{MaxPoolGrad, Pool, PoolKind};
use super::window::{self, Window};
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// What stands where a max_pool of x finds its largest elements: the gradient of max_unpool by its values. Operands: x, and what
/// is looked at, of the shape of x.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switched {
    /// The window.
    pub window: Window,
}

impl Operator for Switched {
    fn name(&self) -> &'static str {
        "switched"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Pool { kind: PoolKind::Max, window: self.window.clone() }.infer(&inputs[..1])
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (input, output) = (cx.types[0].spatial(), cx.output.spatial());
        let (len_in, len_out) = (input.iter().product::<usize>(), output.iter().product());
        for (plane, y) in y.data.chunks_exact_mut(len_out).enumerate() {
            let [x, from] = [0, 1].map(|operand: usize| &cx.inputs[operand].data[plane * len_in..][..len_in]);
            let mut best = vec![f64::NEG_INFINITY; len_out];
            self.window.walk(input, output, |out, _, at| {
                if x[at] > best[out] {
                    (best[out], y[out]) = (x[at], from[at]);
                }
            });
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let window = self.window.tokens(x.spatial(), y.spatial());
        let name = format!("switched_{}_to_{}", x.len(), y.len());
        Kernel::new(name, Split::Images, quote!(isa.switched(&#window, x0, x1, y);)).doc(format!(
            " What stands where max_pool of {} of {} finds the largest elements.",
            self.window.show(),
            show_shape(&x.shape)
        ))
    }
}

/// max_unpool: `[channels, *space'], [channels, *space] -> [channels, *space]` (Zeiler & Fergus 2014, section 2.1;
/// PyTorch's `MaxUnpool2d` where windows do not overlap).
pub static MAX_UNPOOL: Definition = Definition {
    name: "max_unpool",
    summary: "each value where `max_pool` of `x`, with the same window, found its largest element, and zeros \
              elsewhere: unpooling with switches; where windows overlap, values add up; no gradient flows through \
              `x`, whose largest elements stay where they are",
    shapes: "[channels, *space'], [channels, *space] -> [channels, *space]; space' as of `max_pool`",
    source: "Zeiler & Fergus 2014, section 2.1; PyTorch's `MaxUnpool2d` where windows do not overlap",
    operands: &["values", "x"],
    attributes: &[
        Attribute::required("size", "size of the window: a number, or one for each axis"),
        super::pool::POOL_STRIDE,
        window::PAD,
        window::DILATION,
        super::pool::CEIL,
    ],
    example: "max_unpool(relu(max_pool(x, 2)), x, 2)",
    build: |call| {
        // The window is that of the pool, so it slides over x.
        call.operands.swap(0, 1);
        let window = Window::from_call(call, "size", "pool-C1")?;
        let pooled = Pool { kind: PoolKind::Max, window: window.clone() }
            .infer(&[&call.ty(0)])
            .map_err(|mismatch| call.explain(mismatch))?;
        if call.ty(1).shape != pooled.shape {
            return call.refuse(
                Mismatch::new("max_unpool-C1", "the values are not as many as the windows")
                    .found(format!("values {} for windows {} over {}", call.ty(1), window.show(), call.ty(0)))
                    .fits(format!("values of shape {pooled}, as of `max_pool` with the same window"))
                    .operand(1),
            );
        }
        let operands = [call.operand(0), call.operand(1)];
        call.push(MaxPoolGrad { window, unpool: true }.into(), &operands)
    },
};
