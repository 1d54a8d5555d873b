//! pad: rows and columns around a tensor, of zeros or of its own elements.

use quote::quote;
use serde::Serialize;

use super::window::{padding, pair};
use super::{Argument, Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{BLOCK, Layout, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// What stands around the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// Zeros.
    Zero,
    /// Its elements as in a mirror that stands on the outermost ones.
    Reflect,
    /// Its outermost elements.
    Replicate,
}

impl PadMode {
    /// Which element stands at `at` of the padded axis; `None` is zero.
    fn source(self, at: usize, before: usize, size: usize) -> Option<usize> {
        let (at, last) = (at as i64 - before as i64, size as i64 - 1);
        let source = match self {
            Self::Zero => Some(at).filter(|at| (0..=last).contains(at)),
            Self::Replicate => Some(at.clamp(0, last)),
            Self::Reflect => Some(last - (last - at.abs()).abs()),
        };
        source.map(|at| at as usize)
    }

    fn tokens(self) -> proc_macro2::TokenStream {
        match self {
            Self::Zero => quote!(rt::PadMode::Zero),
            Self::Reflect => quote!(rt::PadMode::Reflect),
            Self::Replicate => quote!(rt::PadMode::Replicate),
        }
    }
}

/// A tensor with others around it: each axis, channels too, grows by what is before and after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pad {
    /// Elements before and after, for every axis.
    pub pad: Vec<(usize, usize)>,
    /// What they are.
    pub mode: PadMode,
}

/// Its gradient: what arrives at each element and its copies, added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PadGrad(pub Pad);

impl Pad {
    /// Calls `f(index in the padded tensor, index in the tensor)` for all that is not zero.
    fn each(&self, shape: &[usize], padded: &[usize], mut f: impl FnMut(usize, usize)) {
        for index in 0..padded.iter().product() {
            let (mut rest, mut step, mut from) = (index, 1, Some(0));
            for axis in (0..shape.len()).rev() {
                let source = self.mode.source(rest % padded[axis], self.pad[axis].0, shape[axis]);
                from = from.zip(source).map(|(from, source)| from + source * step);
                step *= shape[axis];
                rest /= padded[axis];
            }
            if let Some(from) = from {
                f(index, from);
            }
        }
    }

    /// The runtime's description, of four axes: those of the shape, of which the first is blocks where channels are.
    fn tokens(&self, x: &Type, y: &Type) -> proc_macro2::TokenStream {
        let four = |ty: &Type, numbers: Vec<usize>, fill: usize| {
            let mut all = vec![fill; 4 - numbers.len()];
            all.extend(numbers);
            if ty.layout == Layout::Blocked && fill == 1 {
                all[4 - ty.shape.len()] = ty.blocks();
            }
            quote!([#(#all),*])
        };
        let (input, output) = (four(x, x.shape.clone(), 1), four(y, y.shape.clone(), 1));
        let before = four(x, self.pad.iter().map(|p| p.0).collect(), 0);
        let lanes = if x.layout == Layout::Blocked { BLOCK } else { 1 };
        let mode = self.mode.tokens();
        quote!(&rt::Padding { input: #input, before: #before, output: #output, lanes: #lanes, mode: #mode })
    }

    /// Whether channels stay as they are, so that they may lie in blocks.
    fn keeps_channels(&self) -> bool {
        self.pad.first().is_some_and(|p| *p == (0, 0))
    }
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let x = inputs[0];
        let too_far = |(axis, pad): (usize, &(usize, usize))| {
            (self.mode == PadMode::Reflect && pad.0.max(pad.1) >= x.shape[axis]).then_some(axis)
        };
        if let Some(axis) = self.pad.iter().enumerate().find_map(too_far) {
            return Err(Mismatch::new("pad-C1", "a mirror shows no more than there is")
                .found(format!("padding {:?} of axis {axis} of {x}", self.pad[axis]))
                .fits(format!("at most {}", x.shape[axis] - 1))
                .hint("`mode: replicate` has no such bound")
                .operand(0));
        }
        let shape = x.shape.iter().zip(&self.pad).map(|(n, (before, after))| n + before + after).collect();
        Ok(Type { shape, ..x.clone() })
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        self.keeps_channels()
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let gradient = cx.push(PadGrad(self.clone()), &[cx.upstream()]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let images = cx.inputs[0].data.chunks_exact(cx.types[0].len()).zip(y.data.chunks_exact_mut(cx.output.len()));
        images.for_each(|(x, y)| self.each(&cx.types[0].shape, &cx.output.shape, |to, from| y[to] = x[from]));
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let padding = self.tokens(&cx.inputs[0], cx.output);
        let body = quote!(isa.pad(#padding, x0, y););
        Kernel::new(format!("pad_{}", cx.output.len()), Split::elementwise(cx.output), body).doc(format!(
            " {} padded to {}.",
            show_shape(&cx.inputs[0].shape),
            show_shape(&cx.output.shape)
        ))
    }
}

impl Operator for PadGrad {
    fn name(&self) -> &'static str {
        "pad_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let padded = &inputs[0].shape;
        let shape: Vec<usize> =
            padded.iter().zip(&self.0.pad).map(|(n, (before, after))| n.saturating_sub(before + after)).collect();
        if padded.len() != self.0.pad.len() || shape.contains(&0) {
            return Err(Mismatch::new("pad-C2", "this was not padded so")
                .found(inputs[0].to_string())
                .fits(format!("more than {:?}", self.0.pad)));
        }
        Ok(Type { shape, ..inputs[0].clone() })
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        self.0.keeps_channels()
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let images = cx.inputs[0].data.chunks_exact(cx.types[0].len()).zip(dx.data.chunks_exact_mut(cx.output.len()));
        images.for_each(|(dy, dx)| self.0.each(&cx.output.shape, &cx.types[0].shape, |to, from| dx[from] += dy[to]));
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let padding = self.0.tokens(cx.output, &cx.inputs[0]);
        let body = quote!(isa.pad_grad(#padding, x0, y););
        Kernel::new(format!("pad_grad_{}", cx.output.len()), Split::elementwise(cx.output), body)
            .doc(format!(" The gradient of padding to {}.", show_shape(&cx.inputs[0].shape)))
    }
}

/// Rows and columns around a tensor: `[channels, *space] -> [channels', *space']` (PyTorch's `torch.nn.functional.pad`;
/// channels as in the shortcuts of He et al. 2016, option A).
pub static PAD: Definition = Definition {
    name: "pad",
    summary: "space around the axes of space, and channels around channels: zeros, a mirror image, or the \
              outermost elements again",
    shapes: "[channels, *space] -> [channels', *space']; each dimension and what stands before and after it",
    source: "PyTorch's `torch.nn.functional.pad`; channels as in the shortcuts of He et al. 2016, option A",
    operands: &["x"],
    attributes: &[
        Attribute::optional("pad", "0", "a number, one for each axis, or (before, after) pairs for each axis")
            .positional(),
        Attribute::optional("channels", "0", "channels before and after: a number, or a (before, after) pair"),
        Attribute::optional("mode", "zero", "`zero`, `reflect` or `replicate`").words(&[
            "zero",
            "reflect",
            "replicate",
        ]),
    ],
    example: "pad(x, 1, mode: reflect)",
    build: |call| {
        let ty = call.ty(0);
        let rank = ty.spatial().len();
        // A vector has channels alone, around which there may be others.
        let none = |argument: &Argument| *argument == Argument::Int(0);
        let pads = call.arguments.iter().any(|(name, argument, _)| *name == "pad" && !none(argument));
        let only_channels = rank == 0 && ty.shape.len() == 1 && !pads;
        if !(1..=3).contains(&rank) && !only_channels {
            let mismatch = Mismatch::new("pad-C3", "`pad` needs 1 to 3 axes of space")
                .found(format!("a tensor of shape {ty}"))
                .fits("[channels, length], [channels, height, width] or [channels, depth, height, width]; of a vector, `channels`")
                .operand(0);
            return Err(call.explain(mismatch));
        }
        let mode = match call.word("mode")?.as_str() {
            "reflect" => PadMode::Reflect,
            "replicate" => PadMode::Replicate,
            _ => PadMode::Zero,
        };
        let mut pad = vec![channels(call)?];
        pad.extend(padding(call, rank)?);
        let x = call.operand(0);
        call.push(Pad { pad, mode }.into(), &[x])
    },
};

/// `channels`: as many before as after, or a pair.
fn channels(call: &Call<'_>) -> Result<(usize, usize), Diagnostic> {
    let (value, span) = call.optional("channels").expect("it has a default");
    pair(&value).ok_or_else(|| {
        Diagnostic::new(span, "`channels` does not fit")
            .found(value.to_string())
            .fits("a number from 0 to 65536, or a pair of them: `(before, after)`")
    })
}
