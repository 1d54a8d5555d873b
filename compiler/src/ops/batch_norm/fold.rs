//! batch_norm folded into the layer before it, for deployment.

use quote::quote;
use serde::Serialize;

use crate::graph::Type;
use crate::ops::{Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// Weights times the factor that a batch normalisation behind them applies. Operands: weights, weight, var.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldWeight {
    /// Added to the variance.
    pub eps: f64,
}

/// The bias that a batch normalisation leaves. Operands: weight, bias, mean, var, and the layer's own bias if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldBias {
    /// Added to the variance.
    pub eps: f64,
}

impl FoldWeight {
    /// Multiplies weights, of which each filter is a row, by the factors of a normalisation's `weight` and `var`.
    pub(in crate::ops) fn apply(&self, w: &mut Tensor, weight: &Tensor, var: &Tensor) {
        let row = w.data.len() / weight.data.len();
        for (w, (weight, var)) in w.data.chunks_exact_mut(row).zip(weight.data.iter().zip(&var.data)) {
            let factor = weight / (var + self.eps).sqrt();
            w.iter_mut().for_each(|w| *w *= factor);
        }
    }
}

impl Operator for FoldWeight {
    fn name(&self) -> &'static str {
        "fold_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// For deployment only.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut w = cx.inputs[0].clone();
        self.apply(&mut w, cx.inputs[1], cx.inputs[2]);
        w
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (row, eps) = (cx.output.len() / cx.output.channels(), self.eps as f32);
        let body = quote! {
            let scale = x1[piece] / (x2[piece] + #eps).sqrt();
            for (y, w) in y.iter_mut().zip(&x0[piece * #row..]) {
                *y = w * scale;
            }
        };
        Kernel::new(format!("fold_weight_{row}"), Split::Pieces(row), body)
            .doc(" The weights of one filter with batch_norm folded in.")
    }
}

impl Operator for FoldBias {
    fn name(&self) -> &'static str {
        "fold_bias"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// For deployment only.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let own = cx.inputs.get(4);
        let of = |c: usize| {
            let scale = cx.inputs[0].data[c] / (cx.inputs[3].data[c] + self.eps).sqrt();
            cx.inputs[1].data[c] + (own.map_or(0.0, |b| b.data[c]) - cx.inputs[2].data[c]) * scale
        };
        Tensor::new(&cx.output.shape, (0..cx.output.len()).map(of).collect())
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let eps = self.eps as f32;
        let own = if cx.inputs.len() > 4 { quote!(x4[c] - x2[c]) } else { quote!(-x2[c]) };
        let body = quote! {
            for (c, y) in y.iter_mut().enumerate() {
                *y = x1[c] + (#own) * (x0[c] / (x3[c] + #eps).sqrt());
            }
        };
        Kernel::new("fold_bias", Split::Pieces(cx.output.len()), body).doc(" The bias with batch_norm folded in.")
    }
}
