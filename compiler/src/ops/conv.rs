//! conv: convolution over one to three axes, and its gradients.
//!
//! As in all frameworks it is a cross-correlation: y\[o, p\] = bias\[o\] + Σ w\[o, c, k\] · x\[c, p·stride + k·dilation − pad\].
//! Emitted code gathers the patches of a panel of output pixels and multiplies them with all filters (Chellapilla et al.
//! 2006, with panels small enough for the cache); a 1×1 convolution needs no gathering.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::activation::Activation;
use super::conv_shifted::ShiftedConv;
use super::conv_transpose::ConvTranspose;
use super::window::{self, Window};
use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Init, Layout, Role, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Output pixels whose patches are gathered at a time: four AVX-512 registers wide.
pub(super) const PANEL: usize = 64;
/// Rows of a panel that stay in the cache: 512 · 64 floats are 128 KiB.
const DEPTH: usize = 512;
/// Weights up to this many are summed over groups of images; larger ones over all images, a few filters at a time.
const GROUPED_WEIGHTS: usize = 1 << 18;

/// A convolution. Operands: x, weight `[filters, channels / groups, kernel...]`, and a bias if there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conv {
    /// The window.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Applied to the value by the same kernel.
    pub activation: Option<Activation>,
}

/// The gradient by the weights. Operands: x, upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConvGradWeight {
    /// The window.
    pub window: Window,
    /// Groups.
    pub groups: usize,
}

/// The sum of each channel over images and space. Operand: a batched value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelSum;

/// The numbers that all three loops are made of.
pub(super) struct Shape {
    pub(super) groups: usize,
    /// Channels of a group, in and out.
    pub(super) channels: usize,
    pub(super) filters: usize,
    /// Elements of the window.
    pub(super) window: usize,
    /// Pixels in and out.
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) literal: TokenStream,
    pub(super) pointwise: bool,
}

impl Shape {
    pub(super) fn of(window: &Window, groups: usize, x: &Type, y: &Type) -> Self {
        Self {
            groups,
            channels: x.channels() / groups,
            filters: y.channels() / groups,
            window: window.len(),
            input: x.spatial().iter().product(),
            output: y.spatial().iter().product(),
            literal: window.tokens(x.spatial(), y.spatial()),
            pointwise: window.is_pointwise(),
        }
    }

    /// Weights of one filter.
    pub(super) fn depth(&self) -> usize {
        self.channels * self.window
    }

    /// Channels whose patches fit the cache together.
    pub(super) fn channel_block(&self) -> usize {
        (DEPTH / self.window).clamp(1, self.channels)
    }

    pub(super) fn depthwise(&self) -> bool {
        self.channels == 1 && self.filters == 1 && self.groups > 1
    }
}

/// `for group in 0..8 { ... }`, or the body alone with `group` gone.
pub(super) fn per_group(groups: usize, body: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
    if groups == 1 {
        return body(quote!());
    }
    let body = body(quote!(group));
    quote!(for group in 0..#groups { #body })
}

/// `&x0[group * 784..]`, or `x0` where there is one group.
pub(super) fn part(of: TokenStream, group: &TokenStream, len: usize) -> TokenStream {
    if group.is_empty() { of } else { quote!(&#of[#group * #len..]) }
}

pub(super) fn part_mut(of: TokenStream, group: &TokenStream, len: usize) -> TokenStream {
    if group.is_empty() { of } else { quote!(&mut #of[#group * #len..][..#len]) }
}

/// `let (x, w, y) = ...;` where there are groups; else the names are those of the operands.
pub(super) fn bind(group: &TokenStream, names: &[&str], values: &[&TokenStream]) -> (TokenStream, Vec<TokenStream>) {
    if group.is_empty() {
        return (quote!(), values.iter().map(|v| (*v).clone()).collect());
    }
    let names: Vec<TokenStream> = names.iter().map(|n| n.parse().expect("a name")).collect();
    (quote!(let (#(#names),*) = (#(#values),*);), names)
}

fn times(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// `conv_3x3_64x56x56_to_64x56x56_s2`
pub(super) fn kernel_name(base: &str, window: &Window, groups: usize, x: &[usize], y: &[usize]) -> String {
    let group = if groups > 1 { format!("_g{groups}") } else { String::new() };
    format!("{base}_{}{group}_{}_to_{}", times(&window.kernel), times(x), times(y))
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

/// Which planes of input, output and weights belong together.
pub(super) struct Planes {
    groups: usize,
    channels: usize,
    filters: usize,
    input: usize,
    output: usize,
}

impl Planes {
    pub(super) fn of(groups: usize, x: &Type, y: &Type) -> Self {
        Self {
            groups,
            channels: x.channels() / groups,
            filters: y.channels() / groups,
            input: x.spatial().iter().product(),
            output: y.spatial().iter().product(),
        }
    }

    /// Calls `f(start of the input plane, start of the output plane, window of weights)`.
    pub(super) fn each(&self, batch: usize, mut f: impl FnMut(usize, usize, usize)) {
        for image in 0..batch {
            for filter in 0..self.groups * self.filters {
                for channel in 0..self.channels {
                    let from = (image * self.groups + filter / self.filters) * self.channels + channel;
                    let to = image * self.groups * self.filters + filter;
                    f(from * self.input, to * self.output, filter * self.channels + channel);
                }
            }
        }
    }
}

impl ConvGradWeight {
    /// Filters whose gradients one piece of work computes, where the weights are large.
    fn filters_per_piece(filters: usize) -> usize {
        (1..=32.min(filters)).rev().find(|n| filters.is_multiple_of(*n)).unwrap_or(1)
    }
}

impl Operator for ConvGradWeight {
    fn name(&self) -> &'static str {
        "conv_grad_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let mut shape = vec![inputs[1].channels(), inputs[0].channels() / self.groups];
        shape.extend(&self.window.kernel);
        Ok(Type::single(shape))
    }

    fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
        (output.len() / output.channels() * inputs[1].len()) as u64
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dw = cx.zeros();
        let (x, dy) = (cx.inputs[0], cx.inputs[1]);
        Planes::of(self.groups, cx.types[0], cx.types[1]).each(cx.batch(), |from, to, weights| {
            self.window.walk(cx.types[0].spatial(), cx.types[1].spatial(), |out, element, at| {
                dw.data[weights * self.window.len() + element] += dy.data[to + out] * x.data[from + at];
            });
        });
        dw
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, dy) = (&cx.inputs[0], &cx.inputs[1]);
        let s = Shape::of(&self.window, self.groups, x, dy);
        let large = cx.output.len() > GROUPED_WEIGHTS;
        let rows = if large { Self::filters_per_piece(s.filters) } else { s.filters };
        let (literal, window, input, output) = (&s.literal, s.window, s.input, s.output);
        let (channels, filters, depth) = (s.channels, s.filters, s.depth());
        // A panel holds as many pixels as the cache has room for beside the patches of some channels.
        let panel = output.min(256);
        let block = (DEPTH * PANEL / panel / window).clamp(1, channels);
        let product = |g: TokenStream, dy: TokenStream, dw: TokenStream| {
            let x = part(quote!(x), &g, channels * input);
            if s.pointwise {
                return quote! {
                    isa.gemm_nt(
                        &rt::GemmNt { k: #output, a_row: #output, b_row: #output },
                        #dy, #x, rt::Start::Add, &mut rt::Strip::of(#dw, #channels, 0..#channels),
                    );
                };
            }
            let (binding, bound) = bind(&g, &["x", "dy", "dw"], &[&x, &dy, &dw]);
            let [x, dy, dw] = &bound[..] else { unreachable!("three names") };
            quote! {
                #binding
                for first in (0..#output).step_by(#panel) {
                    let pixels = usize::min(#panel, #output - first);
                    for channel in (0..#channels).step_by(#block) {
                        let channels = usize::min(#block, #channels - channel);
                        isa.gather_rows(&#literal, channels, &#x[channel * #input..], first, pixels, #panel, scratch);
                        isa.gemm_nt(
                            &rt::GemmNt { k: pixels, a_row: #output, b_row: #panel },
                            &#dy[first..], scratch, rt::Start::Add,
                            &mut rt::Strip::of(#dw, #depth, channel * #window..(channel + channels) * #window),
                        );
                    }
                }
            }
        };
        let (split, body) = if large {
            let per_group_pieces = filters / rows;
            let g = if s.groups > 1 { quote!((piece / #per_group_pieces)) } else { quote!() };
            // Where a name is bound for it, once for each image, `y` is lent.
            let dw = if s.groups > 1 { quote!(&mut *y) } else { quote!(y) };
            let inner = product(g, quote!(dy), dw);
            let body = quote! {
                y.fill(0.0);
                for (x, dy) in x0.images().zip(x1.images()) {
                    let dy = &dy[piece * #rows * #output..];
                    #inner
                }
            };
            (Split::Pieces(rows * depth), body)
        } else {
            let inner = per_group(s.groups, |g| {
                let dy = part(quote!(dy), &g, filters * output);
                let dw = part_mut(quote!(y), &g, filters * depth);
                product(g, dy, dw)
            });
            let body = quote! {
                for i in images {
                    let (x, dy) = (x0.image(i), x1.image(i));
                    #inner
                }
            };
            (Split::Groups, body)
        };
        let shifted =
            if s.pointwise || large { None } else { ShiftedConv::of(&self.window, self.groups, &x.shape, &dy.shape) };
        let (body, scratch) = match shifted {
            Some(shifted) => {
                let (body, scratch) = shifted.grad_weight();
                let body = quote! {
                    for i in images {
                        let (x, dy) = (x0.image(i), x1.image(i));
                        #body
                    }
                };
                (body, scratch)
            }
            None if s.pointwise => (body, 0),
            None => (body, block * window * panel),
        };
        let name = kernel_name("conv_grad_weight", &self.window, self.groups, &x.shape, &dy.shape);
        Kernel::new(name, split, body).scratch(scratch).doc(format!(
            " The gradient of convolution {} by its weights {}.",
            self.window.show(),
            show_shape(&cx.output.shape)
        ))
    }
}

impl Operator for ChannelSum {
    fn name(&self) -> &'static str {
        "channel_sum"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type::single([inputs[0].channels()]))
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Made by gradients only.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (channels, places) = (cx.output.len(), cx.types[0].len() / cx.output.len());
        let mut y = cx.zeros();
        for (i, x) in cx.inputs[0].data.iter().enumerate() {
            y.data[i / places % channels] += x;
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let places = cx.inputs[0].len() / cx.output.len();
        let body = if cx.inputs[0].layout == Layout::Blocked {
            quote!(isa.blocked_channel_sum(x0, piece, #places, y);)
        } else {
            quote!(isa.channel_sum(x0, piece * 16, #places, y);)
        };
        Kernel::new(format!("channel_sum_{places}"), Split::Pieces(16), body)
            .doc(" The sum of 16 channels over images and space: the gradient of a bias.")
    }
}

/// conv.
pub static CONV: Definition = Definition {
    name: "conv",
    summary: "convolution over as many axes of space as the input has: 1, 2 or 3 (LeCun et al. 1998)",
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
