//! The gradients of convolution by its weights and its bias.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::loops::{DEPTH, PANEL, Planes, Shape, bind, kernel_name, part, part_mut, per_group};
use crate::graph::{Layout, Type, show_shape};
use crate::ops::conv_shifted::ShiftedConv;
use crate::ops::window::Window;
use crate::ops::{Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::reference::{Evaluation, Tensor};

/// Weights up to this many are summed over groups of images; larger ones over all images, a few filters at a time.
const GROUPED_WEIGHTS: usize = 1 << 18;

/// The gradient by the weights. Operands: x, upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConvGradWeight {
    /// The window.
    pub window: Window,
    /// Groups.
    pub groups: usize,
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
            Some(shifted) => shifted.grad_weight(),
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

/// The sum of each channel over images and space. Operand: a batched value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelSum;

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
