//! local_conv: a convolution whose filters differ from place to place, and its gradients.
//!
//! y\[o, p\] = bias\[o, p\] + Σ w\[o, (c, k), p\] · x\[c, p·stride + k·dilation − pad\] (LeCun 1989; Taigman et al. 2014,
//! section 3.1). Weights are `[filters, channels · window, space of the result...]`: behind a filter come the rows of
//! `torch.nn.functional.unfold`. Each weight is used once for an image, so time goes where memory is read.

use quote::quote;
use serde::Serialize;

use super::conv::{PANEL, kernel_name};
use super::window::{self, Window};
use super::{Attribute, Cut, Definition, Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{Init, Role, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// A convolution without shared weights. Operands: x `[channels, *space]`, weight `[filters, channels · window, *space']`; the
/// value is `[filters, *space']`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalConv {
    /// The window.
    pub window: Window,
}

/// Its gradient by the input. Operands: weight, upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalConvGradInput {
    /// The window.
    pub window: Window,
    /// The shape of the input.
    pub shape: Vec<usize>,
}

/// Its gradient by the weights. Operands: x, upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalConvGradWeight {
    /// The window.
    pub window: Window,
}

/// Calls `f(index in x, index in the weights, index in y)` for every product of an image.
fn walk(window: &Window, x: &Type, y: &Type, mut f: impl FnMut(usize, usize, usize)) {
    let (input, places) = (x.len() / x.channels(), y.len() / y.channels());
    let depth = x.channels() * window.len();
    for (filter, channel) in (0..y.channels()).flat_map(|f| (0..x.channels()).map(move |c| (f, c))) {
        window.walk(x.spatial(), y.spatial(), |place, element, at| {
            let row = filter * depth + channel * window.len() + element;
            f(channel * input + at, row * places + place, filter * places + place);
        });
    }
}

impl Operator for LocalConv {
    fn name(&self) -> &'static str {
        "local_conv"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, w) = (inputs[0], inputs[1]);
        let space = self.window.output(x.spatial(), "local_conv-C2")?;
        if w.shape[1] != x.channels() * self.window.len() || w.shape[2..] != space {
            return Err(Mismatch::new("local_conv-C3", "weights and input differ")
                .found(format!("{x} and weights {w}"))
                .operand(0));
        }
        let mut shape = vec![w.channels()];
        shape.extend(space);
        Ok(Type { shape, ..x.clone() })
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        inputs[1].len() as u64
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, w, dy) = (cx.operand(0), cx.operand(1), cx.upstream());
        let window = || self.window.clone();
        if cx.wants(0) {
            let shape = cx.ty(x).shape.clone();
            let gradient = cx.push(LocalConvGradInput { window: window(), shape }, &[w, dy]);
            cx.set(0, gradient);
        }
        if cx.wants(1) {
            let gradient = cx.push(LocalConvGradWeight { window: window() }, &[x, dy]);
            cx.set(1, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        for i in 0..cx.batch() {
            let (x, y) = (cx.inputs[0].image(i), y.image_mut(i));
            walk(&self.window, cx.types[0], cx.output, |from, weight, to| y[to] += cx.inputs[1].data[weight] * x[from]);
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let (window, channels) = (self.window.tokens(x.spatial(), y.spatial()), x.channels());
        let depth = channels * self.window.len();
        let body = quote! {
            isa.gather(&#window, #channels, x0, y.offset(), y.len(), scratch);
            isa.local_conv(#depth, x1, scratch, y);
        };
        let cut = Cut::of_rows(y.len() / y.channels(), PANEL, 1, y.channels());
        Kernel::new(kernel_name("local_conv", &self.window, 1, &x.shape, &y.shape), Split::Strips(cut), body)
            .scratch(depth * PANEL)
            .doc(format!(
                " Convolution {} with filters for each place: {} → {}.",
                self.window.show(),
                show_shape(&x.shape),
                show_shape(&y.shape)
            ))
    }
}

impl Operator for LocalConvGradInput {
    fn name(&self) -> &'static str {
        "local_conv_grad_input"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type { shape: self.shape.clone(), ..inputs[1].clone() })
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        inputs[0].len() as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        for i in 0..cx.batch() {
            let (dy, dx) = (cx.inputs[1].image(i), dx.image_mut(i));
            walk(&self.window, cx.output, cx.types[1], |from, weight, to| {
                dx[from] += cx.inputs[0].data[weight] * dy[to];
            });
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, dy) = (cx.output, &cx.inputs[1]);
        let (window, channels) = (self.window.tokens(x.spatial(), dy.spatial()), x.channels());
        let (depth, places) = (channels * self.window.len(), dy.len() / dy.channels());
        let body = quote! {
            y.fill(0.0);
            for first in (0..#places).step_by(#PANEL) {
                let count = usize::min(#PANEL, #places - first);
                isa.local_conv_grad_patches(#depth, #places, first, count, x0, x1, scratch);
                isa.scatter(&#window, #channels, scratch, first, count, y);
            }
        };
        let name = kernel_name("local_conv_grad_input", &self.window, 1, &x.shape, &dy.shape);
        Kernel::new(name, Split::Images, body).scratch(depth * PANEL).doc(format!(
            " The gradient of local_conv {} by its input {}.",
            self.window.show(),
            show_shape(&x.shape)
        ))
    }
}

impl Operator for LocalConvGradWeight {
    fn name(&self) -> &'static str {
        "local_conv_grad_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, dy) = (inputs[0], inputs[1]);
        let mut shape = vec![dy.channels(), x.channels() * self.window.len()];
        shape.extend(dy.spatial());
        Ok(Type::single(shape))
    }

    fn macs(&self, _inputs: &[&Type], output: &Type) -> u64 {
        output.len() as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dw = cx.zeros();
        for i in 0..cx.batch() {
            let (x, dy) = (cx.inputs[0].image(i), cx.inputs[1].image(i));
            walk(&self.window, cx.types[0], cx.types[1], |from, weight, to| dw.data[weight] += x[from] * dy[to]);
        }
        dw
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, dy) = (&cx.inputs[0], &cx.inputs[1]);
        let (window, channels) = (self.window.tokens(x.spatial(), dy.spatial()), x.channels());
        let (depth, places) = (channels * self.window.len(), dy.len() / dy.channels());
        // A piece is a filter: no two tasks write to one weight, and images are added in order.
        let body = quote! {
            y.fill(0.0);
            for image in 0..x0.count() {
                let (x, dy) = (x0.image(image), &x1.image(image)[piece * #places..]);
                for first in (0..#places).step_by(#PANEL) {
                    let count = usize::min(#PANEL, #places - first);
                    isa.gather(&#window, #channels, x, first, count, scratch);
                    isa.local_conv_grad_weight(#places, first, count, scratch, dy, y);
                }
            }
        };
        let name = kernel_name("local_conv_grad_weight", &self.window, 1, &x.shape, &dy.shape);
        Kernel::new(name, Split::Pieces(depth * places), body).scratch(depth * PANEL).doc(format!(
            " The gradient of local_conv {} of {} by its weights, over all images.",
            self.window.show(),
            show_shape(&x.shape)
        ))
    }
}

/// local_conv: `[channels, *space] -> [filters, *space']` (LeCun 1989; Taigman et al. 2014, section 3.1).
pub static LOCAL_CONV: Definition = Definition {
    name: "local_conv",
    summary: "convolution whose filters, and numbers to add, differ from place to place: locally connected",
    shapes: "[channels, *space] -> [filters, *space']; space' = floor((space + before + after - dilation * (kernel \
             - 1) - 1) / stride) + 1",
    source: "LeCun 1989; Taigman et al. 2014, section 3.1",
    operands: &["x"],
    attributes: &[
        Attribute::required("filters", "number of filters, the channels of the result"),
        Attribute::required("kernel", "size of the filters: a number, or one for each axis"),
        window::STRIDE,
        window::PAD,
        window::DILATION,
        Attribute::optional("bias", "true", "whether each filter adds a learnt number at each place"),
    ],
    example: "local_conv(x, 4, 3, stride: 2)",
    build: |call| {
        let filters = call.positive("filters")?;
        let window = Window::from_call(call, "kernel", "local_conv-C1")?;
        let (x, ty, bias) = (call.operand(0), call.ty(0), call.flag("bias")?);
        let space = window.output(ty.spatial(), "local_conv-C2").map_err(|mismatch| call.explain(mismatch))?;
        let fan_in = ty.channels().saturating_mul(window.len());
        let init = Init::Uniform { fan_in };
        let weights = [&[filters, fan_in], &space[..]].concat();
        let weight = call.parameter("weight", &weights, init, Role::Trained)?;
        let y = call.push(LocalConv { window }.into(), &[x, weight])?;
        if !bias {
            return Ok(y);
        }
        let bias = call.parameter("bias", &[&[filters], &space[..]].concat(), init, Role::Trained)?;
        call.add(y, bias)
    },
};
