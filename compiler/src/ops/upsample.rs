//! upsample: more elements along the axes of space, from the nearest ones or between two.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{BLOCK, Layout, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Where new elements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The element at the same share of the axis, rounded down.
    Nearest,
    /// A mean of the two on either side, along every axis.
    Linear {
        /// Whether the outermost elements keep their places; otherwise the outer borders of the outermost elements do.
        align_corners: bool,
    },
}

impl Interpolation {
    /// Two neighbours of `at` and the weight of the second.
    fn place(self, at: usize, from: usize, to: usize) -> (usize, usize, f64) {
        let (numerator, denominator) = match self {
            Self::Nearest => return (at * from / to, at * from / to, 0.0),
            Self::Linear { align_corners: true } => (at * (from - 1), (to - 1).max(1)),
            Self::Linear { align_corners: false } => (((2 * at + 1) * from).saturating_sub(to), 2 * to),
        };
        let first = numerator / denominator;
        (first, (first + 1).min(from - 1), (numerator % denominator) as f64 / denominator as f64)
    }

    fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::Nearest => quote!(rt::Interpolation::Nearest),
            Self::Linear { align_corners: true } => quote!(rt::Interpolation::Corners),
            Self::Linear { align_corners: false } => quote!(rt::Interpolation::Borders),
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Linear { .. } => "linear",
        }
    }
}

/// More elements (or fewer) along the axes of space: `[channels, *space] -> [channels, *size]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upsample {
    /// The new size of space.
    pub size: Vec<usize>,
    /// Where elements come from.
    pub mode: Interpolation,
}

/// Its gradient: what arrives goes where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpsampleGrad {
    /// The size of space of the operand.
    pub size: Vec<usize>,
    /// Where elements came from.
    pub mode: Interpolation,
}

/// Calls `f(index in the large plane, index in the small plane, weight)` for all that is added up.
fn each(mode: Interpolation, small: &[usize], large: &[usize], mut f: impl FnMut(usize, usize, f64)) {
    for index in 0..large.iter().product() {
        let (mut rest, mut step, mut parts) = (index, 1, vec![(0, 1.0)]);
        for axis in (0..small.len()).rev() {
            let (first, second, weight) = mode.place(rest % large[axis], small[axis], large[axis]);
            let both = [(first, 1.0 - weight), (second, weight)];
            parts = parts.iter().flat_map(|(at, w)| both.map(|(i, v)| (at + i * step, w * v))).collect();
            step *= small[axis];
            rest /= large[axis];
        }
        parts.iter().filter(|(_, weight)| *weight > 0.0).for_each(|(from, weight)| f(index, *from, *weight));
    }
}

fn check(x: &Type, size: &[usize]) -> Result<Type, Mismatch> {
    if x.spatial().len() != size.len() || !(1..=3).contains(&size.len()) {
        return Err(Mismatch::new("upsample-C1", "`upsample` needs 1 to 3 axes of space")
            .found(format!("a tensor of shape {x}"))
            .fits("[channels, length], [channels, height, width] or [channels, depth, height, width]")
            .operand(0));
    }
    Ok(Type { shape: x.shape[..1].iter().chain(size).copied().collect(), ..x.clone() })
}

/// The runtime's description, of three axes.
fn tokens(mode: Interpolation, small: &Type, large: &Type) -> proc_macro2::TokenStream {
    let three = |ty: &Type| {
        let mut all = vec![1; 3 - ty.spatial().len()];
        all.extend(ty.spatial());
        quote!([#(#all),*])
    };
    let (input, output, mode) = (three(small), three(large), mode.tokens());
    let lanes = if small.layout == Layout::Blocked { BLOCK } else { 1 };
    quote!(&rt::Upsample { input: #input, output: #output, lanes: #lanes, mode: #mode })
}

impl Operator for Upsample {
    fn name(&self) -> &'static str {
        "upsample"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        check(inputs[0], &self.size)
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let size = cx.ty(cx.operand(0)).spatial().to_vec();
        let gradient = cx.push(UpsampleGrad { size, mode: self.mode }, &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (small, large) = (cx.types[0].spatial(), cx.output.spatial());
        let (from, to) = (small.iter().product::<usize>(), large.iter().product::<usize>());
        for (x, y) in cx.inputs[0].data.chunks_exact(from).zip(y.data.chunks_exact_mut(to)) {
            each(self.mode, small, large, |to, from, weight| y[to] += weight * x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let upsample = tokens(self.mode, &cx.inputs[0], cx.output);
        let body = quote!(isa.upsample(#upsample, x0, y););
        Kernel::new(format!("upsample_{}", cx.output.len()), Split::elementwise(cx.output), body).doc(format!(
            " {} to {}, {}.",
            show_shape(&cx.inputs[0].shape),
            show_shape(&cx.output.shape),
            self.mode.named()
        ))
    }
}

impl Operator for UpsampleGrad {
    fn name(&self) -> &'static str {
        "upsample_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        check(inputs[0], &self.size)
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (small, large) = (cx.output.spatial(), cx.types[0].spatial());
        let (to, from) = (small.iter().product::<usize>(), large.iter().product::<usize>());
        for (dy, dx) in cx.inputs[0].data.chunks_exact(from).zip(dx.data.chunks_exact_mut(to)) {
            each(self.mode, small, large, |from, to, weight| dx[to] += weight * dy[from]);
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let upsample = tokens(self.mode, cx.output, &cx.inputs[0]);
        let body = quote!(isa.upsample_grad(#upsample, x0, y););
        Kernel::new(format!("upsample_grad_{}", cx.output.len()), Split::elementwise(cx.output), body)
            .doc(format!(" The gradient of upsampling to {}.", show_shape(&cx.inputs[0].shape)))
    }
}

/// More elements along the axes of space: `[channels, *space] -> [channels, *space']` (PyTorch's `Upsample`, of modes
/// `nearest`, `linear`, `bilinear` and `trilinear`).
pub static UPSAMPLE: Definition = Definition {
    name: "upsample",
    summary: "space made larger by a scale, or brought to a size, from the nearest elements or between them",
    shapes: "[channels, *space] -> [channels, *space']; space' = scale * space, or size",
    source: "PyTorch's `Upsample`, of modes `nearest`, `linear`, `bilinear` and `trilinear`",
    operands: &["x"],
    attributes: &[
        Attribute::optional("scale", "none", "how many times larger: a number, or one for each axis").positional(),
        Attribute::optional("size", "none", "the new size, instead: a number, or one for each axis"),
        Attribute::optional(
            "mode",
            "nearest",
            "`nearest`, or, by the number of axes, `linear`, `bilinear` or `trilinear` between elements",
        )
        .words(&["nearest", "linear", "bilinear", "trilinear"]),
        Attribute::optional(
            "align_corners",
            "false",
            "whether linear modes keep the outermost elements in their places",
        ),
    ],
    example: "upsample(x, 2, mode: bilinear)",
    build: |call| build(call),
};

fn build(call: &mut Call<'_>) -> Result<ValueId, Diagnostic> {
    let space = call.ty(0).spatial().to_vec();
    let size = match (call.optional("scale"), call.optional("size")) {
        (Some(_), None) => {
            let scale = call.per_axis("scale", space.len(), 1..=64)?;
            space.iter().zip(scale).map(|(n, scale)| n * scale).collect()
        }
        (None, Some(_)) => call.per_axis("size", space.len(), 1..=65_536)?,
        (scale, _) => {
            return Err(Diagnostic::new(call.span, "`upsample` needs either a scale or a size")
                .found(if scale.is_some() { "both" } else { "neither" })
                .fits("`upsample(x, 2)` or `upsample(x, size: [64, 64])`"));
        }
    };
    let word = call.word("mode")?;
    let align_corners = call.flag("align_corners")?;
    let mode = match word.as_str() {
        "nearest" if align_corners => {
            return Err(Diagnostic::new(call.span, "`align_corners` has no meaning for the nearest element")
                .found("`mode: nearest`")
                .fits("`align_corners` with `linear`, `bilinear` or `trilinear`"));
        }
        "nearest" => Interpolation::Nearest,
        _ => Interpolation::Linear { align_corners },
    };
    let wanted = ["linear", "bilinear", "trilinear"].get(space.len().wrapping_sub(1)).copied();
    if let (Interpolation::Linear { .. }, Some(wanted)) = (mode, wanted.filter(|wanted| *wanted != word)) {
        return Err(Diagnostic::new(call.span, "the mode is that of another number of axes")
            .found(format!("`mode: {word}` and a tensor of shape {}", call.ty(0)))
            .fits(format!("`mode: {wanted}`")));
    }
    let x = call.operand(0);
    call.push(Upsample { size, mode }.into(), &[x])
}
