//! Windows that slide over one to three axes: the arithmetic that convolutions and pools share.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::{Argument, Attribute, Call, Mismatch};
use crate::diagnostics::Diagnostic;
use crate::graph::show_shape;

/// A window over the axes of space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Window {
    /// Its size.
    pub kernel: Vec<usize>,
    /// Distance between neighbouring windows.
    pub stride: Vec<usize>,
    /// Distance between neighbouring elements of a window.
    pub dilation: Vec<usize>,
    /// Padding before and after each axis.
    pub pad: Vec<(usize, usize)>,
    /// Whether a last window that is only partly covered counts (pools only).
    pub ceil: bool,
}

/// `stride`, as convolutions have it.
pub const STRIDE: Attribute =
    Attribute::optional("stride", "1", "steps between windows: a number, or one for each axis");
/// `pad`.
pub const PAD: Attribute = Attribute::optional(
    "pad",
    "0",
    "padding: a number, one for each axis, (before, after) pairs for each axis, `same` (output = input / stride, \
     rounded up) or `valid` (none)",
)
.words(&["same", "valid"]);
/// `dilation`.
pub const DILATION: Attribute =
    Attribute::optional("dilation", "1", "steps within a window: a number, or one for each axis");

impl Window {
    /// From the attributes of a call on an input of shape `[channels, space...]`.
    pub fn from_call(call: &Call<'_>, kernel: &str, code: &'static str) -> Result<Self, Diagnostic> {
        let mut window = Self::without_padding(call, kernel, code)?;
        window.pad = window.padding(call, call.ty(0).spatial())?;
        Ok(window)
    }

    /// The window of the convolution that a transposed one turns round: what it slides over is the result.
    pub fn transposed_from_call(call: &Call<'_>, code: &'static str) -> Result<Self, Diagnostic> {
        let mut window = Self::without_padding(call, "kernel", code)?;
        let x = call.ty(0);
        let enlarged = x.spatial().iter().zip(&window.stride).map(|(size, stride)| size.saturating_mul(*stride));
        window.pad = window.padding(call, &enlarged.collect::<Vec<_>>())?;
        Ok(window)
    }

    /// From the attributes of a call and the size of a kernel that is known otherwise.
    pub fn of_kernel(call: &Call<'_>, kernel: Vec<usize>) -> Result<Self, Diagnostic> {
        let mut window = Self::unpadded(call, kernel)?;
        window.pad = window.padding(call, call.ty(0).spatial())?;
        Ok(window)
    }

    fn without_padding(call: &Call<'_>, kernel: &str, code: &'static str) -> Result<Self, Diagnostic> {
        let rank = Self::rank(call, code)?;
        Self::unpadded(call, call.per_axis(kernel, rank, 1..=65_536)?)
    }

    /// Axes of space of the operand, of which there must be one to three.
    pub fn rank(call: &Call<'_>, code: &'static str) -> Result<usize, Diagnostic> {
        let shape = call.ty(0).shape;
        let rank = shape.len().saturating_sub(1);
        if !(1..=3).contains(&rank) {
            let mismatch = Mismatch::new(code, format!("`{}` slides over 1 to 3 axes of space", call.definition.name))
                .found(format!("a tensor of shape {}", show_shape(&shape)))
                .fits("[channels, length], [channels, height, width] or [channels, depth, height, width]")
                .operand(0);
            return Err(call.explain(mismatch));
        }
        Ok(rank)
    }

    fn unpadded(call: &Call<'_>, kernel: Vec<usize>) -> Result<Self, Diagnostic> {
        let rank = kernel.len();
        let has = |name: &str| call.definition.has(name);
        let stride = match call.optional("stride") {
            None => kernel.clone(),
            Some(_) => call.per_axis("stride", rank, 1..=65_536)?,
        };
        let dilation = if has("dilation") { call.per_axis("dilation", rank, 1..=65_536)? } else { vec![1; rank] };
        let ceil = has("ceil") && call.flag("ceil")?;
        Ok(Self { kernel, stride, dilation, pad: vec![(0, 0); rank], ceil })
    }

    fn padding(&self, call: &Call<'_>, space: &[usize]) -> Result<Vec<(usize, usize)>, Diagnostic> {
        let rank = space.len();
        if !call.definition.has("pad") {
            return Ok(vec![(0, 0); rank]);
        }
        match call.optional("pad") {
            Some((Argument::Word(word), _)) if word == "same" => {
                Ok((0..rank).map(|a| self.same(a, space[a])).collect())
            }
            Some((Argument::Word(_), _)) => Ok(vec![(0, 0); rank]),
            _ => padding(call, rank),
        }
    }

    /// Padding so that the output is ⌈input / stride⌉; an odd pixel goes after (TensorFlow's convention).
    fn same(&self, axis: usize, size: usize) -> (usize, usize) {
        let output = size.div_ceil(self.stride[axis]);
        let total = ((output - 1) * self.stride[axis] + self.reach(axis)).saturating_sub(size);
        (total / 2, total - total / 2)
    }

    /// Input elements that a window spans.
    pub(super) fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// The shape of space after the window; the error shows the arithmetic.
    pub fn output(&self, space: &[usize], code: &'static str) -> Result<Vec<usize>, Mismatch> {
        if space.len() != self.kernel.len() {
            return Err(Mismatch::new(code, "the window has other axes than the input")
                .found(format!("space {} and window {}", show_shape(space), show_shape(&self.kernel)))
                .operand(0));
        }
        (0..space.len()).map(|axis| self.output_axis(axis, space[axis], code)).collect()
    }

    fn output_axis(&self, axis: usize, size: usize, code: &'static str) -> Result<usize, Mismatch> {
        let (before, after) = self.pad[axis];
        let (padded, reach, stride) = (size + before + after, self.reach(axis), self.stride[axis]);
        if padded < reach {
            return Err(Mismatch::new(code, "the window is larger than its padded input")
                .found(format!(
                    "axis {axis}: ({size} + {before} + {after} − {reach}) / {stride} + 1 leaves nothing, since {padded} < {reach}"
                ))
                .fits(format!("a window that spans at most {padded}, or a padding of {} in all", reach - size))
                .hint(if self.dilation[axis] > 1 {
                    format!("dilation {} makes a window of {} span {reach}", self.dilation[axis], self.kernel[axis])
                } else {
                    "`pad: same` always fits".to_owned()
                })
                .operand(0));
        }
        let whole = (padded - reach) / stride + 1;
        // As PyTorch: a window that starts in the padding behind the input does not count.
        let partly = self.ceil && !(padded - reach).is_multiple_of(stride) && whole * stride < size + before;
        Ok(whole + usize::from(partly))
    }

    /// Elements of a window.
    pub fn len(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Whether it has none, which no window is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is a single element that visits every input once: a 1×1 convolution is a matrix product.
    pub fn is_pointwise(&self) -> bool {
        self.len() == 1 && self.stride.iter().all(|s| *s == 1) && self.pad.iter().all(|p| *p == (0, 0))
    }

    /// Calls `f(output index, element of the window, input index)` for all that lie inside.
    pub fn walk(&self, input: &[usize], output: &[usize], mut f: impl FnMut(usize, usize, usize)) {
        for out in 0..output.iter().product() {
            let out_at = unravel(out, output);
            for element in 0..self.len() {
                let in_window = unravel(element, &self.kernel);
                let mut index = Some(0);
                for axis in 0..input.len() {
                    let at = (out_at[axis] * self.stride[axis] + in_window[axis] * self.dilation[axis])
                        .checked_sub(self.pad[axis].0)
                        .filter(|at| *at < input[axis]);
                    index = index.zip(at).map(|(index, at)| index * input[axis] + at);
                }
                if let Some(index) = index {
                    f(out, element, index);
                }
            }
        }
    }

    /// The runtime's description, always of three axes.
    pub fn tokens(&self, input: &[usize], output: &[usize]) -> TokenStream {
        let three = |numbers: Vec<usize>, fill: usize| {
            let mut all = vec![fill; 3 - numbers.len()];
            all.extend(numbers);
            quote!([#(#all),*])
        };
        let (input, output) = (three(input.to_vec(), 1), three(output.to_vec(), 1));
        let (kernel, stride) = (three(self.kernel.clone(), 1), three(self.stride.clone(), 1));
        let dilation = three(self.dilation.clone(), 1);
        let pad = three(self.pad.iter().map(|p| p.0).collect(), 0);
        quote! {
            rt::Window { input: #input, output: #output, kernel: #kernel, stride: #stride, pad: #pad, dilation: #dilation }
        }
    }

    /// `3×3, stride 2, pad 1`
    pub fn show(&self) -> String {
        let times = |n: &[usize]| n.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        let mut text = times(&self.kernel);
        if self.stride.iter().any(|s| *s != 1) {
            text += &format!(", stride {}", times(&self.stride));
        }
        if self.pad.iter().any(|p| *p != (0, 0)) {
            let pads: Vec<String> =
                self.pad.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("({a}, {b})") }).collect();
            let same = pads.iter().all(|p| *p == pads[0]);
            text += &format!(", pad {}", if same { pads[0].clone() } else { pads.join("×") });
        }
        if self.dilation.iter().any(|d| *d != 1) {
            text += &format!(", dilation {}", times(&self.dilation));
        }
        text
    }
}

/// `pad` as a number, one for each axis, or pairs.
pub(super) fn padding(call: &Call<'_>, rank: usize) -> Result<Vec<(usize, usize)>, Diagnostic> {
    match call.optional("pad") {
        Some((Argument::List(items), span)) if items.iter().any(|i| matches!(i, Argument::List(_))) => {
            let pairs: Option<Vec<(usize, usize)>> = items.iter().map(pair).collect();
            pairs.filter(|p| p.len() == rank).ok_or_else(|| {
                Diagnostic::new(span, "`pad` does not fit")
                    .found(Argument::List(items.clone()).to_string())
                    .fits(format!("{rank} pairs of numbers from 0 to 65536: `[(1, 1), ...]`"))
            })
        }
        _ => Ok(call.per_axis("pad", rank, 0..=65_536)?.into_iter().map(|p| (p, p)).collect()),
    }
}

/// One number for both sides, or one for each.
pub(super) fn pair(argument: &Argument) -> Option<(usize, usize)> {
    let one = |a: &Argument| match a {
        Argument::Int(v) if (0..=65_536).contains(v) => Some(*v as usize),
        _ => None,
    };
    match argument {
        Argument::List(items) if items.len() == 2 => Some((one(&items[0])?, one(&items[1])?)),
        single => one(single).map(|p| (p, p)),
    }
}

/// An index as one number per axis.
fn unravel(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        at[axis] = index % shape[axis];
        index /= shape[axis];
    }
    at
}
