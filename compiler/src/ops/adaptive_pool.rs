//! adaptive_avg_pool and adaptive_max_pool: as many windows as are asked for.
//!
//! Output o of an axis sees the inputs from ⌊o · in / out⌋ to before ⌈(o + 1) · in / out⌉, as PyTorch's do. Where sizes divide,
//! that is a pool like any other; else windows overlap or differ in size, and it is a node of its own.

use quote::quote;
use serde::Serialize;

use super::pool::{Pool, PoolKind};
use super::window::Window;
use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// A pool of a given number of windows. Operand: x `[channels, *space]`; the value is `[channels, *size]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdaptivePool {
    /// Largest or mean.
    pub kind: PoolKind,
    /// Windows of each axis of space.
    pub size: Vec<usize>,
}

/// Its gradient. Operands: x, upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdaptivePoolGrad(pub AdaptivePool);

impl AdaptivePool {
    fn word(&self) -> &'static str {
        if self.kind == PoolKind::Max { "max" } else { "avg" }
    }

    /// The elements of a plane that each output sees, in their order.
    fn seen(&self, space: &[usize]) -> Vec<Vec<usize>> {
        let mut seen = vec![vec![0]];
        for (input, outputs) in space.iter().zip(&self.size) {
            let range = |o: usize| o * input / outputs..((o + 1) * input).div_ceil(*outputs);
            let beside = |before: &Vec<usize>, o: usize| {
                before.iter().flat_map(|at| range(o).map(move |i| at * input + i)).collect::<Vec<_>>()
            };
            seen = seen.iter().flat_map(|before| (0..*outputs).map(move |o| beside(before, o))).collect();
        }
        seen
    }

    fn tokens(&self, space: &[usize]) -> proc_macro2::TokenStream {
        let three = |numbers: &[usize]| {
            let mut all = vec![1; 3 - numbers.len()];
            all.extend(numbers);
            quote!([#(#all),*])
        };
        let (input, output) = (three(space), three(&self.size));
        quote!(&rt::Adaptive { input: #input, output: #output })
    }
}

/// The first largest of some elements.
fn first_largest(x: &[f64], seen: &[usize]) -> usize {
    // So written, NaN is not lost.
    seen.iter()
        .copied()
        .reduce(|best, i| if x[i] > x[best] || x[i].is_nan() { i } else { best })
        .expect("windows see something")
}

impl Operator for AdaptivePool {
    fn name(&self) -> &'static str {
        if self.kind == PoolKind::Max { "adaptive_max_pool" } else { "adaptive_avg_pool" }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let mut shape = vec![inputs[0].channels()];
        shape.extend(&self.size);
        Ok(Type { shape, ..inputs[0].clone() })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(AdaptivePoolGrad(self.clone()), &[cx.operand(0), cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let seen = self.seen(cx.types[0].spatial());
        let len = cx.types[0].spatial().iter().product();
        for (x, y) in cx.inputs[0].data.chunks_exact(len).zip(y.data.chunks_exact_mut(seen.len())) {
            for (y, seen) in y.iter_mut().zip(&seen) {
                *y = match self.kind {
                    PoolKind::Max => x[first_largest(x, seen)],
                    PoolKind::Average { .. } => seen.iter().map(|i| x[*i]).sum::<f64>() / seen.len() as f64,
                };
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, word) = (&cx.inputs[0], self.word());
        let (pool, method) = (self.tokens(x.spatial()), quote::format_ident!("adaptive_{word}_pool"));
        let name = format!("adaptive_{word}_pool_{}_to_{}", x.len(), cx.output.len());
        Kernel::new(name, Split::Images, quote!(isa.#method(#pool, x0, y);)).doc(format!(
            " {} of {} → {}.",
            self.name(),
            show_shape(&x.shape),
            show_shape(&cx.output.shape)
        ))
    }
}

impl Operator for AdaptivePoolGrad {
    fn name(&self) -> &'static str {
        "adaptive_pool_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let seen = self.0.seen(cx.output.spatial());
        let len: usize = cx.output.spatial().iter().product();
        for (plane, dx) in dx.data.chunks_exact_mut(len).enumerate() {
            let x = &cx.inputs[0].data[plane * len..][..len];
            let dy = &cx.inputs[1].data[plane * seen.len()..][..seen.len()];
            for (dy, seen) in dy.iter().zip(&seen) {
                match self.0.kind {
                    PoolKind::Max => dx[first_largest(x, seen)] += dy,
                    PoolKind::Average { .. } => seen.iter().for_each(|i| dx[*i] += dy / seen.len() as f64),
                }
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (pool, word) = (self.0.tokens(cx.output.spatial()), self.0.word());
        let method = quote::format_ident!("adaptive_{word}_pool_grad");
        let body = match self.0.kind {
            PoolKind::Max => quote!(isa.#method(#pool, x0, x1, y);),
            PoolKind::Average { .. } => quote!(isa.#method(#pool, x1, y);),
        };
        let name = format!("adaptive_{word}_pool_grad_{}_to_{}", cx.output.len(), cx.inputs[1].len());
        Kernel::new(name, Split::Images, body).doc(format!(" The gradient of {}.", self.0.name()))
    }
}

const SIZE: Attribute = Attribute::required("size", "the size of the result: a number, or one for each axis");

/// adaptive_avg_pool: `[channels, *space] -> [channels, *space']` (PyTorch's `AdaptiveAvgPool1d`,
/// `AdaptiveAvgPool2d`, `AdaptiveAvgPool3d`).
pub static ADAPTIVE_AVG_POOL: Definition = Definition {
    name: "adaptive_avg_pool",
    summary: "means of as many windows as are asked for, which share the input out evenly and overlap where sizes \
              do not divide",
    shapes: "[channels, *space] -> [channels, *space']; space' = size",
    source: "PyTorch's `AdaptiveAvgPool1d`, `AdaptiveAvgPool2d`, `AdaptiveAvgPool3d`",
    operands: &["x"],
    attributes: &[SIZE],
    example: "adaptive_avg_pool(x, 5)",
    build: |call| build(call, PoolKind::Average { count_pad: false }),
};

/// adaptive_max_pool: `[channels, *space] -> [channels, *space']` (He et al. 2015 (SPP-net), section 2.2; PyTorch's
/// `AdaptiveMaxPool1d`, `AdaptiveMaxPool2d`, `AdaptiveMaxPool3d`).
pub static ADAPTIVE_MAX_POOL: Definition = Definition {
    name: "adaptive_max_pool",
    summary: "the largest elements of as many windows as are asked for, which share the input out evenly and \
              overlap where sizes do not divide",
    shapes: "[channels, *space] -> [channels, *space']; space' = size",
    source: "He et al. 2015 (SPP-net), section 2.2; PyTorch's `AdaptiveMaxPool1d`, `AdaptiveMaxPool2d`, \
             `AdaptiveMaxPool3d`",
    operands: &["x"],
    attributes: &[SIZE],
    example: "adaptive_max_pool(x, [4, 5])",
    build: |call| build(call, PoolKind::Max),
};

fn build(call: &mut Call<'_>, kind: PoolKind) -> Result<ValueId, Diagnostic> {
    let rank = Window::rank(call, "pool-C1")?;
    let size = call.per_axis("size", rank, 1..=65_536)?;
    let (x, space) = (call.operand(0), call.ty(0).spatial().to_vec());
    if !space.iter().zip(&size).all(|(input, output)| input.is_multiple_of(*output)) {
        return call.push(AdaptivePool { kind, size }.into(), &[x]);
    }
    let kernel: Vec<usize> = space.iter().zip(&size).map(|(input, output)| input / output).collect();
    let window =
        Window { stride: kernel.clone(), kernel, dilation: vec![1; rank], pad: vec![(0, 0); rank], ceil: false };
    call.push(Pool { kind, window }.into(), &[x])
}
