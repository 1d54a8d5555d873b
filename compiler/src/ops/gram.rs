//! gram: products of all pairs of channels.

use quote::quote;
use serde::Serialize;

use super::{Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// F Fᵀ, where each row of F is a channel with all its places: `[channels, *space] -> [channels, channels]` (Gatys et al. 2015,
/// equation 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gram;

/// Its gradient, (G + Gᵀ) F. Operands: upstream, x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GramGrad;

impl Operator for Gram {
    fn name(&self) -> &'static str {
        "gram"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let x = inputs[0];
        if x.shape.is_empty() {
            return Err(Mismatch::new("gram-C1", "`gram` needs channels")
                .found("one number for each image")
                .fits("a tensor of shape [channels, ...]")
                .operand(0));
        }
        Ok(Type { shape: vec![x.channels(); 2], ..x.clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(GramGrad, &[cx.upstream(), cx.operand(0)]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (channels, len) = (cx.types[0].channels(), cx.types[0].len());
        let places = len / channels;
        for (x, y) in cx.inputs[0].data.chunks_exact(len).zip(y.data.chunks_exact_mut(channels * channels)) {
            let row = |c: usize| &x[c * places..][..places];
            for (at, y) in y.iter_mut().enumerate() {
                *y = row(at / channels).iter().zip(row(at % channels)).map(|(a, b)| a * b).sum();
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, channels) = (&cx.inputs[0], cx.inputs[0].channels());
        let body = quote!(isa.gram(#channels, x0, y););
        Kernel::new(format!("gram_{}", x.len()), Split::Images, body)
            .doc(format!(" Products of all pairs of channels of {}.", show_shape(&x.shape)))
    }
}

impl Operator for GramGrad {
    fn name(&self) -> &'static str {
        "gram_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[1].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (channels, len) = (cx.output.channels(), cx.output.len());
        let places = len / channels;
        for (image, dx) in dx.data.chunks_exact_mut(len).enumerate() {
            let x = &cx.inputs[1].data[image * len..][..len];
            let dy = &cx.inputs[0].data[image * channels * channels..][..channels * channels];
            for (at, dx) in dx.iter_mut().enumerate() {
                let (c, place) = (at / places, at % places);
                let both = |d: usize| dy[c * channels + d] + dy[d * channels + c];
                *dx = (0..channels).map(|d| both(d) * x[d * places + place]).sum();
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let channels = cx.output.channels();
        let body = quote!(isa.gram_grad(#channels, x0, x1, y););
        Kernel::new(format!("gram_grad_{}", cx.output.len()), Split::Images, body)
            .doc(" The gradient of the products of all pairs of channels.")
    }
}

/// Products of all pairs of channels: `[channels, *space] -> [channels, channels]` (Gatys et al. 2015, equation 3).
pub static GRAM: Definition = Definition {
    name: "gram",
    summary: "the products of all pairs of channels, summed over space",
    shapes: "[channels, *space] -> [channels, channels]",
    source: "Gatys et al. 2015, equation 3",
    operands: &["x"],
    attributes: &[],
    example: "gram(x)",
    build: |call| {
        let x = call.operand(0);
        call.push(Op::Gram(Gram), &[x])
    },
};
