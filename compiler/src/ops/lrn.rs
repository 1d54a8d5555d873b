//! lrn: local response normalisation across channels.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// x / (k + alpha / size · Σ x²)^beta, the sum over `size` neighbouring channels at the same place (Krizhevsky et al. 2012,
/// section 3.3); the value has the shape of x. As in PyTorch, alpha is divided by the size and an even window has one channel more before
/// than after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lrn {
    /// Channels in the sum.
    pub size: usize,
    /// The factor of their mean square.
    pub alpha: f64,
    /// The exponent.
    pub beta: f64,
    /// What is added to the sum.
    pub k: f64,
}

/// Its gradient. Operands: the gradient that arrives, and the operand of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LrnGrad(pub Lrn);

impl Lrn {
    /// The runtime's description.
    fn tokens(&self) -> TokenStream {
        let (size, alpha) = (self.size, (self.alpha / self.size as f64) as f32);
        let (beta, k) = (self.beta as f32, self.k as f32);
        quote!(rt::Lrn { size: #size, alpha: #alpha, beta: #beta, k: #k })
    }

    /// Calls `f(element, elements in its sum)`.
    fn sums(&self, ty: &Type, batch: usize, mut f: impl FnMut(usize, &[usize])) {
        let places: usize = ty.spatial().iter().product();
        let channels = ty.channels();
        for (image, channel) in (0..batch).flat_map(|i| (0..channels).map(move |c| (i, c))) {
            let near = channel.saturating_sub(self.size / 2)..(channel + (self.size - 1) / 2 + 1).min(channels);
            for place in 0..places {
                let at = |channel: usize| (image * channels + channel) * places + place;
                f(at(channel), &near.clone().map(at).collect::<Vec<_>>());
            }
        }
    }

    fn base(&self, x: &[f64], near: &[usize]) -> f64 {
        self.k + self.alpha / self.size as f64 * near.iter().map(|i| x[*i] * x[*i]).sum::<f64>()
    }
}

impl Operator for Lrn {
    fn name(&self) -> &'static str {
        "lrn"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        if inputs[0].shape.is_empty() {
            return Err(Mismatch::new("lrn-C1", "`lrn` needs channels")
                .found("one number for each image")
                .fits("a tensor of shape [channels, ...]")
                .operand(0));
        }
        Ok(inputs[0].clone())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(LrnGrad(*self), &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (x, mut y) = (&cx.inputs[0].data, cx.zeros());
        self.sums(cx.output, cx.batch(), |i, near| y.data[i] = x[i] * self.base(x, near).powf(-self.beta));
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (lrn, channels) = (self.tokens(), cx.output.channels());
        let body = quote!(isa.lrn(&#lrn, #channels, x0, y););
        Kernel::new(format!("lrn_{}", cx.output.len()), Split::Images, body).doc(format!(
            " Local response normalisation of {} over {} channels.",
            show_shape(&cx.output.shape),
            self.size
        ))
    }
}

impl Operator for LrnGrad {
    fn name(&self) -> &'static str {
        "lrn_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (dy, x, mut dx) = (&cx.inputs[0].data, &cx.inputs[1].data, cx.zeros());
        let Lrn { size, alpha, beta, .. } = self.0;
        self.0.sums(cx.output, cx.batch(), |i, near| {
            let base = self.0.base(x, near);
            dx.data[i] += dy[i] * base.powf(-beta);
            let share = 2.0 * alpha / size as f64 * beta * dy[i] * x[i] * base.powf(-beta - 1.0);
            near.iter().for_each(|j| dx.data[*j] -= share * x[*j]);
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (lrn, channels) = (self.0.tokens(), cx.output.channels());
        let body = quote!(isa.lrn_grad(&#lrn, #channels, x0, x1, y, scratch););
        Kernel::new(format!("lrn_grad_{}", cx.output.len()), Split::Images, body)
            .scratch(channels * RUN)
            .doc(" The gradient of local response normalisation, from the gradient that arrives and its operand.")
    }
}

/// Places of space that the runtime's gradient works on at a time.
const RUN: usize = 64;

/// lrn: `[channels, *space] -> [channels, *space]` (Krizhevsky et al. 2012, section 3.3; PyTorch's
/// `LocalResponseNorm`).
pub static LRN: Definition = Definition {
    name: "lrn",
    summary: "local response normalisation, x / (k + alpha / size * sum of squares of near channels)^beta",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Krizhevsky et al. 2012, section 3.3; PyTorch's `LocalResponseNorm`",
    operands: &["x"],
    attributes: &[
        Attribute::optional("size", "5", "how many neighbouring channels are summed over"),
        Attribute::optional(
            "alpha",
            "0.0001",
            "factor of their mean square; the paper multiplies their sum, so its alpha is alpha / size",
        ),
        Attribute::optional("beta", "0.75", "the exponent"),
        Attribute::optional("k", "1.0", "what is added, so that the base is positive (the paper has 2)"),
    ],
    example: "lrn(x, size: 5, alpha: 5e-4, k: 2)",
    build: |call| {
        let (size, x) = (call.positive("size")?, call.operand(0));
        let (alpha, beta) = (call.number_in("alpha", 0.0..=1e6)?, call.number_in("beta", 0.0..=100.0)?);
        let k = call.number_in("k", 1e-6..=1e6)?;
        call.push(Op::Lrn(Lrn { size, alpha, beta, k }), &[x])
    },
};
