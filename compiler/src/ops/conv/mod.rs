//! conv: convolution over one to three axes, and its gradients.
//!
//! As in all frameworks it is a cross-correlation: y\[o, p\] = bias\[o\] + Σ w\[o, c, k\] · x\[c, p·stride + k·dilation − pad\].
//! Emitted code gathers the patches of a panel of output pixels and multiplies them with all filters (Chellapilla et al.
//! 2006, with panels small enough for the cache); a 1×1 convolution needs no gathering.

mod grad_weight;
mod loops;

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::activation::Activation;
use super::conv_shifted::ShiftedConv;
use super::conv_transpose::ConvTranspose;
use super::window::{self, Window};
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Init, Role, Type, show_shape};
use crate::reference::{Evaluation, Tensor};
pub use grad_weight::{ChannelSum, ConvGradWeight};
pub(super) use loops::{PANEL, Planes, Shape, bind, kernel_name, part, part_mut, per_group};

/// A convolution. Operands: x `[channels, *space]`, weight `[filters, channels / groups, kernel...]`, and a bias `[filters]` if
/// there is one; the value is `[filters, *space']` ([`Window::output`]).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conv {
    /// The window.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Applied to the value by the same kernel.
    pub activation: Option<Activation>,
}

impl Conv {
    fn shifted(&self, x: &[usize], y: &[usize]) -> Option<ShiftedConv> {
        if self.window.is_pointwise() { None } else { ShiftedConv::of(&self.window, self.groups, x, y) }
    }

    fn check(&self, x: &Type, w: &Type) -> Result<(), Mismatch> {
        let channels = x.channels();
        if !channels.is_multiple_of(self.groups) || !w.channels().is_multiple_of(self.groups) {
            return Err(Mismatch::new("conv-C2", "groups must divide the channels, in and out")
                .found(format!("{channels} channels in, {} filters, {} groups", w.channels(), self.groups))
                .fits("a number that divides both")
                .hint(format!(
                    "groups: {channels} with filters: {channels} convolves each channel apart (depthwise)"
                )));
        }
        if w.shape.get(1) != Some(&(channels / self.groups)) {
            return Err(Mismatch::new("conv-C4", "weights and input differ in channels")
                .found(format!("{x} and weights {w}"))
                .operand(0));
        }
        Ok(())
    }

    fn forward(&self, s: &Shape, bias: bool) -> TokenStream {
        let (literal, window, input, output) = (&s.literal, s.window, s.input, s.output);
        let (channels, filters, depth) = (s.channels, s.filters, s.depth());
        let activate = self.activation.map(|a| {
            let a = a.tokens();
            quote!(isa.activate(#a, y);)
        });
        if s.depthwise() {
            let planes = s.groups;
            let start = if bias { quote!(Some(x2)) } else { quote!(None) };
            return quote! {
                isa.depthwise(&#literal, #planes, x0, x1, #start, y);
                #activate
            };
        }
        let product = per_group(s.groups, |g| {
            let (x, w) = (part(quote!(x0), &g, channels * input), part(quote!(x1), &g, filters * depth));
            let start = match (bias, g.is_empty()) {
                (false, _) => quote!(rt::Start::Zero),
                (true, true) => quote!(rt::Start::Rows(x2)),
                (true, false) => quote!(rt::Start::Rows(&x2[#g * #filters..])),
            };
            let y = part_mut(quote!(y), &g, filters * output);
            if s.pointwise {
                return quote! {
                    isa.gemm(
                        &rt::Gemm { k: #channels, a_row: #channels, a_col: 1, b_row: #output },
                        #w, #x, #start, &mut rt::Strip::of(#y, #output, 0..#output),
                    );
                };
            }
            let block = s.channel_block();
            let (binding, bound) = bind(&g, &["x", "w", "y"], &[&x, &w, &y]);
            let [x, w, y] = &bound[..] else { unreachable!("three names") };
            if block == channels {
                return quote! {
                    #binding
                    for first in (0..#output).step_by(#PANEL) {
                        let pixels = usize::min(#PANEL, #output - first);
                        isa.gather(&#literal, #channels, #x, first, pixels, scratch);
                        isa.gemm(
                            &rt::Gemm { k: #depth, a_row: #depth, a_col: 1, b_row: #PANEL },
                            #w, scratch, #start, &mut rt::Strip::of(#y, #output, first..first + pixels),
                        );
                    }
                };
            }
            quote! {
                #binding
                for first in (0..#output).step_by(#PANEL) {
                    let pixels = usize::min(#PANEL, #output - first);
                    for channel in (0..#channels).step_by(#block) {
                        let channels = usize::min(#block, #channels - channel);
                        isa.gather(&#literal, channels, &#x[channel * #input..], first, pixels, scratch);
                        let start = if channel == 0 { #start } else { rt::Start::Add };
                        isa.gemm(
                            &rt::Gemm { k: channels * #window, a_row: #depth, a_col: 1, b_row: #PANEL },
                            &#w[channel * #window..], scratch, start, &mut rt::Strip::of(#y, #output, first..first + pixels),
                        );
                    }
                }
            }
        });
        quote!(#product #activate)
    }
}

impl Operator for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, w) = (inputs[0], inputs[1]);
        self.check(x, w)?;
        let mut shape = vec![w.channels()];
        shape.extend(self.window.output(x.spatial(), "conv-C3")?);
        Ok(Type { shape, ..x.clone() })
    }

    fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
        (inputs[1].len() / inputs[1].channels() * output.len()) as u64
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, w, dy) = (cx.operand(0), cx.operand(1), cx.upstream());
        let (window, groups) = (self.window.clone(), self.groups);
        if cx.wants(0) {
            let shape = cx.ty(x).shape.clone();
            let gradient = cx.push(ConvTranspose { window: window.clone(), groups, shape }, &[w, dy]);
            cx.set(0, gradient);
        }
        if cx.wants(1) {
            let gradient = cx.push(ConvGradWeight { window, groups }, &[x, dy]);
            cx.set(1, gradient);
        }
        if cx.operands() > 2 && cx.wants(2) {
            let gradient = cx.push(ChannelSum, &[dy]);
            cx.set(2, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (x, w) = (cx.inputs[0], cx.inputs[1]);
        let planes = Planes::of(self.groups, cx.types[0], cx.output);
        planes.each(cx.batch(), |from, to, weights| {
            self.window.walk(cx.types[0].spatial(), cx.output.spatial(), |out, element, at| {
                y.data[to + out] += x.data[from + at] * w.data[weights * self.window.len() + element];
            });
        });
        for (i, y) in y.data.iter_mut().enumerate() {
            let bias = cx.inputs.get(2).map_or(0.0, |b| b.data[i / planes.output % cx.output.channels()]);
            *y = self.activation.map_or(*y + bias, |a| a.value(*y + bias));
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let s = Shape::of(&self.window, self.groups, x, y);
        let bias = cx.inputs.len() > 2;
        let mut name = kernel_name("conv", &self.window, self.groups, &x.shape, &y.shape);
        let mut doc =
            format!(" Convolution {}: {} → {}", self.window.show(), show_shape(&x.shape), show_shape(&y.shape));
        if self.groups > 1 {
            doc += &format!(", {} groups", self.groups);
        }
        if bias {
            doc += ", bias";
        }
        if let Some(activation) = self.activation {
            name += &format!("_{}", activation.name());
            doc += &format!(", {}", activation.name());
        }
        let (body, scratch) = match self.shifted(&x.shape, &y.shape) {
            Some(shifted) => {
                let (body, scratch) = shifted.forward(bias);
                let activate = self.activation.map(|a| {
                    let a = a.tokens();
                    quote!(isa.activate(#a, y);)
                });
                (quote!(#body #activate), scratch)
            }
            None if s.pointwise || s.depthwise() => (self.forward(&s, bias), 0),
            None => (self.forward(&s, bias), s.channel_block() * s.window * PANEL),
        };
        Kernel::new(name, Split::Images, body).scratch(scratch).doc(doc + ".")
    }
}

/// conv: `[channels, *space] -> [filters, *space']` (LeCun et al. 1998, section II; PyTorch's `Conv1d`, `Conv2d`,
/// `Conv3d`).
pub static CONV: Definition = Definition {
    name: "conv",
    summary: "convolution over as many axes of space as the input has: 1, 2 or 3; as in all frameworks, filters \
              are not turned round",
    shapes: "[channels, *space] -> [filters, *space']; space' = floor((space + before + after - dilation * (kernel \
             - 1) - 1) / stride) + 1",
    source: "LeCun et al. 1998, section II; PyTorch's `Conv1d`, `Conv2d`, `Conv3d`",
    operands: &["x"],
    attributes: &[
        Attribute::required("filters", "number of filters, the channels of the result"),
        Attribute::required("kernel", "size of the filters: a number, or one for each axis"),
        window::STRIDE,
        window::PAD,
        window::DILATION,
        Attribute::optional("groups", "1", "groups of channels that do not see each other; must divide both channels"),
        Attribute::optional("bias", "true", "whether each filter adds a learnt number"),
    ],
    example: "conv(x, 16, 3, stride: 2, pad: 1)",
    build: |call| {
        let filters = call.positive("filters")?;
        let window = Window::from_call(call, "kernel", "conv-C1")?;
        let (groups, bias) = (call.positive("groups")?, call.flag("bias")?);
        let channels = call.ty(0).channels();
        if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            let conv = Conv { window, groups, activation: None };
            let shape = Type::single([filters, channels]);
            let mismatch = conv.check(&call.ty(0), &shape).expect_err("groups do not divide");
            return Err(call.explain(mismatch));
        }
        let mut shape = vec![filters, channels / groups];
        shape.extend(&window.kernel);
        // The place of a bad window is found before weights of an absurd size are made.
        window.output(call.ty(0).spatial(), "conv-C3").map_err(|m| call.explain(m))?;
        let fan_in = shape[1..].iter().copied().fold(1, usize::saturating_mul);
        let weight = call.parameter("weight", &shape, Init::Uniform { fan_in }, Role::Trained)?;
        let mut operands = vec![call.operand(0), weight];
        if bias {
            operands.push(call.parameter("bias", &[filters], Init::Uniform { fan_in }, Role::Trained)?);
        }
        call.push(Op::Conv(Conv { window, groups, activation: None }), &operands)
    },
};
