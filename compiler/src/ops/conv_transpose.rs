//! conv_transpose: what a convolution does to gradients on their way back, and decoders to maps on their way up.
//!
//! Every input pixel adds its multiple of the filters to the output (Zeiler et al. 2010; Dumoulin & Visin 2016, section 4):
//! y\[c, p·stride + k·dilation − pad\] += Σ w\[o, c, k\] · x\[o, p\]. Weights are `[channels, filters / groups, kernel...]`,
//! those of the convolution that goes the other way.

use quote::quote;
use serde::Serialize;

use super::conv::{Conv, ConvGradWeight, PANEL, Planes, Shape, bind, kernel_name, part, part_mut, per_group};
use super::conv_shifted::ShiftedConv;
use super::elementwise::Arithmetic;
use super::shape::Reshape;
use super::window::{self, Window};
use super::{Argument, Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Init, Role, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// A transposed convolution, also the gradient of a convolution by its input. Operands: weight `[channels, filters / groups,
/// kernel...]`, x `[channels, *space]`; the value is `[filters, *space']`, which the node knows, as a stride leaves it open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConvTranspose {
    /// The window of the convolution that goes the other way.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// The shape of the result.
    pub shape: Vec<usize>,
}

impl Operator for ConvTranspose {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (w, x) = (inputs[0], inputs[1]);
        let seen = self.window.output(&self.shape[1..], "conv_transpose-C3")?;
        if w.channels() != x.channels() || seen != x.spatial() || w.shape[1] * self.groups != self.shape[0] {
            return Err(Mismatch::new("conv_transpose-C3", "weights, input and output differ")
                .found(format!("{x} and weights {w} for an output of {}", show_shape(&self.shape)))
                .operand(0));
        }
        Ok(Type { shape: self.shape.clone(), ..x.clone() })
    }

    fn macs(&self, inputs: &[&Type], _output: &Type) -> u64 {
        (inputs[0].len() / inputs[0].channels() * inputs[1].len()) as u64
    }

    /// What is transposed back: the gradient by the input is the convolution itself, that by the weights is the
    /// convolution's with input and upstream gradient in each other's place.
    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (w, x, dy) = (cx.operand(0), cx.operand(1), cx.upstream());
        let (window, groups) = (self.window.clone(), self.groups);
        if cx.wants(0) {
            let gradient = cx.push(ConvGradWeight { window: window.clone(), groups }, &[dy, x]);
            cx.set(0, gradient);
        }
        if cx.wants(1) {
            let gradient = cx.push(Conv { window, groups, activation: None }, &[dy, w]);
            cx.set(1, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (w, dy) = (cx.inputs[0], cx.inputs[1]);
        Planes::of(self.groups, cx.output, cx.types[1]).each(cx.batch(), |from, to, weights| {
            self.window.walk(cx.output.spatial(), cx.types[1].spatial(), |out, element, at| {
                dx.data[from + at] += dy.data[to + out] * w.data[weights * self.window.len() + element];
            });
        });
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, dy) = (cx.output, &cx.inputs[1]);
        let s = Shape::of(&self.window, self.groups, x, dy);
        let (literal, window, input, output) = (&s.literal, s.window, s.input, s.output);
        let (channels, filters, depth) = (s.channels, s.filters, s.depth());
        let block = s.channel_block();
        let patch_panel = window * PANEL;
        let body = if s.depthwise() {
            let planes = s.groups;
            quote!(isa.depthwise_grad_input(&#literal, #planes, x0, x1, y);)
        } else {
            let product = per_group(s.groups, |g| {
                let (w, dy) = (part(quote!(x0), &g, filters * depth), part(quote!(x1), &g, filters * output));
                let dx = part_mut(quote!(y), &g, channels * input);
                if s.pointwise {
                    return quote! {
                        isa.gemm(
                            &rt::Gemm { k: #filters, a_row: 1, a_col: #channels, b_row: #output },
                            #w, #dy, rt::Start::Zero, &mut rt::Strip::of(#dx, #output, 0..#output),
                        );
                    };
                }
                let (binding, bound) = bind(&g, &["w", "dy", "dx"], &[&w, &dy, &dx]);
                let [w, dy, dx] = &bound[..] else { unreachable!("three names") };
                quote! {
                    #binding
                    for first in (0..#output).step_by(#PANEL) {
                        let pixels = usize::min(#PANEL, #output - first);
                        for channel in (0..#channels).step_by(#block) {
                            let channels = usize::min(#block, #channels - channel);
                            isa.gemm(
                                &rt::Gemm { k: #filters, a_row: 1, a_col: #depth, b_row: #output },
                                &#w[channel * #window..], &#dy[first..], rt::Start::Zero,
                                &mut rt::Strip::of(&mut scratch[..channels * #patch_panel], #PANEL, 0..pixels),
                            );
                            isa.scatter(&#literal, channels, scratch, first, pixels, &mut #dx[channel * #input..]);
                        }
                    }
                }
            });
            if s.pointwise { product } else { quote!(y.fill(0.0); #product) }
        };
        let shifted = if s.pointwise { None } else { ShiftedConv::of(&self.window, self.groups, &x.shape, &dy.shape) };
        let (body, scratch) = match shifted {
            Some(shifted) => shifted.grad_input(),
            None if s.pointwise || s.depthwise() => (body, 0),
            None => (body, block * window * PANEL),
        };
        let name = kernel_name("conv_transpose", &self.window, self.groups, &x.shape, &dy.shape);
        Kernel::new(name, Split::Images, body).scratch(scratch).doc(format!(
            " Transposed convolution {}: {} → {}.",
            self.window.show(),
            show_shape(&dy.shape),
            show_shape(&x.shape)
        ))
    }
}

/// The axes of space of the result: (size − 1) · stride + reach of the window − padding + `output_pad`.
fn output_space(call: &Call<'_>, window: &Window) -> Result<Vec<usize>, Diagnostic> {
    let space = call.ty(0).spatial().to_vec();
    let more = call.per_axis("output_pad", space.len(), 0..=65_536)?;
    let same = matches!(call.optional("pad"), Some((Argument::Word(word), _)) if word == "same");
    if same && more.iter().any(|more| *more != 0) {
        let mismatch = Mismatch::new("conv_transpose-C5", "`pad: same` says already how large the result is")
            .found(format!("output_pad {more:?} beside it"))
            .fits("no `output_pad`, or a padding in numbers");
        return Err(call.explain(mismatch));
    }
    let axis = |a: usize| {
        let (before, after) = window.pad[a];
        let (size, stride, reach) = (space[a], window.stride[a], window.reach(a));
        let more = if same { stride.saturating_sub(reach) } else { more[a] };
        if more >= stride {
            return Err(Mismatch::new("conv_transpose-C4", "`output_pad` tells apart sizes that one stride gives")
                .found(format!("axis {a}: output_pad {more} with stride {stride}"))
                .fits(format!("a number below the stride, {stride}")));
        }
        let padded = (size - 1) * stride + reach + more;
        padded.checked_sub(before + after).filter(|size| *size > 0).ok_or_else(|| {
            Mismatch::new("conv_transpose-C3", "the padding takes away the whole result")
                .found(format!(
                    "axis {a}: ({size} − 1) · {stride} + {reach} + {more} − {before} − {after} leaves nothing"
                ))
                .fits(format!("a padding of at most {} in all", padded - 1))
                .operand(0)
        })
    };
    (0..space.len()).map(axis).collect::<Result<_, _>>().map_err(|m| call.explain(m))
}

/// A number added to each filter's map.
fn add_bias(call: &mut Call<'_>, y: ValueId, fan_in: usize) -> Result<ValueId, Diagnostic> {
    let ty = call.graph.ty(y).clone();
    let bias = call.parameter("bias", &[ty.channels()], Init::Uniform { fan_in }, Role::Trained)?;
    let mut shape = vec![1; ty.shape.len()];
    shape[0] = ty.channels();
    let bias = call.push(Op::Reshape(Reshape { shape }), &[bias])?;
    call.push(Op::Arithmetic(Arithmetic::Add), &[y, bias])
}

/// conv_transpose: `[channels, *space] -> [filters, *space']` (Zeiler et al. 2010; Dumoulin & Visin 2016, section 4;
/// PyTorch's `ConvTranspose1d`, `ConvTranspose2d`, `ConvTranspose3d`).
pub static CONV_TRANSPOSE: Definition = Definition {
    name: "conv_transpose",
    summary: "transposed convolution, which enlarges: each pixel adds its multiple of the filters",
    shapes: "[channels, *space] -> [filters, *space']; space' = (space - 1) * stride + dilation * (kernel - 1) + 1 \
             + output_pad - before - after, with `pad: same` space * stride",
    source: "Zeiler et al. 2010; Dumoulin & Visin 2016, section 4; PyTorch's `ConvTranspose1d`, `ConvTranspose2d`, \
             `ConvTranspose3d`",
    operands: &["x"],
    attributes: &[
        Attribute::required("filters", "number of filters, the channels of the result"),
        Attribute::required("kernel", "size of the filters: a number, or one for each axis"),
        window::STRIDE,
        Attribute::optional(
            "pad",
            "0",
            "what is cut off the result: a number, one for each axis, (before, after) pairs for each axis, `same` (output = \
             input · stride) or `valid` (nothing)",
        )
        .words(&["same", "valid"]),
        window::DILATION,
        Attribute::optional("output_pad", "0", "what is added behind: a number below the stride, or one for each axis"),
        Attribute::optional("groups", "1", "groups of channels that do not see each other; must divide both channels"),
        Attribute::optional("bias", "true", "whether each filter adds a learnt number"),
        Attribute::optional(
            "weight",
            "none",
            "a shared `conv` that was called before, whose filters it uses turned round (Zeiler & Fergus 2014, section 2.1); by \
             default it learns its own",
        ),
    ],
    example: "conv_transpose(x, 8, 2, stride: 2)",
    build: |call| {
        let filters = call.positive("filters")?;
        let window = Window::transposed_from_call(call, "conv_transpose-C1")?;
        let (groups, bias) = (call.positive("groups")?, call.flag("bias")?);
        let channels = call.ty(0).channels();
        if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            let mismatch = Mismatch::new("conv_transpose-C2", "groups must divide the channels, in and out")
                .found(format!("{channels} channels in, {filters} filters, {groups} groups"))
                .fits("a number that divides both");
            return Err(call.explain(mismatch));
        }
        let mut shape = vec![filters];
        shape.extend(output_space(call, &window)?);
        let mut weights = vec![channels, filters / groups];
        weights.extend(&window.kernel);
        // As PyTorch counts it.
        let fan_in = weights[1..].iter().copied().fold(1, usize::saturating_mul);
        let weight = match call.tied("weight", &weights, "conv_transpose-C5")? {
            Some(tied) => tied,
            None => call.parameter("weight", &weights, Init::Uniform { fan_in }, Role::Trained)?,
        };
        let x = call.operand(0);
        let y = call.push(Op::ConvTranspose(ConvTranspose { window, groups, shape }), &[weight, x])?;
        if bias { add_bias(call, y, fan_in) } else { Ok(y) }
    },
};
