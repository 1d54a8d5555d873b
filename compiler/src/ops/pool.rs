//! max_pool, avg_pool and their global forms.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::max_unpool::Switched;
use super::window::{self, Window};
use super::{Attribute, Call, Cut, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{BLOCK, Layout, Type, ValueId, show_shape};
use crate::reference::{Evaluation, Tensor};

/// Tasks that a pool is cut into at least, where it can be.
const TASKS: usize = 8;

/// What a pool makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest element; padding does not count.
    Max,
    /// The mean, over the whole window or over what is not padding.
    Average {
        /// Whether padding counts as zeros.
        count_pad: bool,
    },
}

/// One number per window and channel: `[channels, *space] -> [channels, *space']` ([`Window::output`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Largest or mean.
    pub kind: PoolKind,
    /// The window.
    pub window: Window,
}

impl Pool {
    /// Its name in specifications.
    pub(super) fn named(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "max_pool",
            PoolKind::Average { .. } => "avg_pool",
        }
    }

    /// Every window sees the input: with dilation, one that starts in the padding may step over it.
    fn check_seen(&self, axis: usize, size: usize, outputs: usize) -> Result<(), Mismatch> {
        let w = &self.window;
        let (kernel, stride, dilation, before) = (w.kernel[axis], w.stride[axis], w.dilation[axis], w.pad[axis].0);
        for output in (0..outputs).take_while(|output| output * stride < before) {
            let start = before - output * stride;
            let steps = start.div_ceil(dilation);
            if steps >= kernel || steps * dilation - start >= size {
                let places: Vec<String> =
                    (0..kernel.min(3)).map(|k| ((k * dilation) as i64 - start as i64).to_string()).collect();
                return Err(Mismatch::new("pool-C4", "a window would see nothing but padding")
                    .found(format!(
                        "axis {axis}: window {output} looks at {}{}; the input is 0 to {}",
                        places.join(", "),
                        if kernel > 3 { ", ..." } else { "" },
                        size - 1
                    ))
                    .fits("less padding or less dilation"));
            }
        }
        Ok(())
    }

    /// On blocked tensors: a few blocks of channels, or a few rows of them, at a time.
    fn blocked_kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let (from, plane) = (x.floats() / x.blocks(), y.floats() / y.blocks());
        let row = y.spatial().last().copied().unwrap_or(1) * BLOCK;
        let rows = plane / row;
        let strip = if y.blocks() >= TASKS { rows } else { rows.div_ceil(TASKS.div_ceil(y.blocks())) };
        let cut = Cut::of_rows(plane, row, strip, y.blocks().div_ceil(TASKS));
        let first = if cut.strips == 1 { quote!(0) } else { quote!(y.offset() / 16) };
        let call = self.of_block(x.spatial(), y.spatial(), &quote!(first), &quote!(x), &quote!(y.plane(block)));
        let body = quote! {
            let first = #first;
            for block in y.planes() {
                let x = &x0[block * #from..];
                #call
            }
        };
        Kernel::new(self.kernel_name("_blocked", x, y), Split::Strips(cut), body).doc(format!(
            " {} of {}: {} → {}, in blocks of channels.",
            self.named(),
            self.window.show(),
            show_shape(&x.shape),
            show_shape(&y.shape)
        ))
    }

    /// The call that pools a block of channels, from the output pixel `first` on.
    pub(super) fn of_block(
        &self,
        input: &[usize],
        output: &[usize],
        first: &TokenStream,
        x: &TokenStream,
        y: &TokenStream,
    ) -> TokenStream {
        let (window, ends) = (self.window.tokens(input, output), ends(&self.window, input));
        match self.kind {
            PoolKind::Max => quote!(isa.blocked_max_pool(&#window, #first, #x, #y);),
            PoolKind::Average { count_pad } => quote! {
                isa.blocked_avg_pool(&#window, &rt::Divisor { count_pad: #count_pad, end: #ends }, #first, #x, #y,);
            },
        }
    }

    fn kernel_name(&self, suffix: &str, x: &Type, y: &Type) -> String {
        let shape = |t: &Type| t.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        format!("{}{suffix}_{}_to_{}", self.named(), shape(x), shape(y))
    }
}

/// By which number the sum over each window is divided.
fn divisors(window: &Window, count_pad: bool, input: &[usize], output: &[usize]) -> Vec<f64> {
    let mut counts = vec![0.0; output.iter().product()];
    if count_pad {
        // As PyTorch: elements beyond the padded input, which `ceil` brings in, do not count.
        let padded: Vec<usize> = input.iter().zip(&window.pad).map(|(n, p)| n + p.0 + p.1).collect();
        let unpadded = Window { pad: vec![(0, 0); input.len()], ..window.clone() };
        unpadded.walk(&padded, output, |out, _, _| counts[out] += 1.0);
    } else {
        window.walk(input, output, |out, _, _| counts[out] += 1.0);
    }
    counts
}

impl Operator for Pool {
    fn name(&self) -> &'static str {
        self.named()
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let x = inputs[0];
        for (axis, (pad, kernel)) in self.window.pad.iter().zip(&self.window.kernel).enumerate() {
            let reach = self.window.dilation[axis] * (kernel - 1) + 1;
            if pad.0 >= reach || pad.1 >= reach {
                return Err(Mismatch::new("pool-C2", "a window would lie in the padding alone")
                    .found(format!("axis {axis}: padding {pad:?}, window {reach}"))
                    .fits("padding smaller than the window"));
            }
        }
        let mut shape = vec![x.channels()];
        shape.extend(self.window.output(x.spatial(), "pool-C3")?);
        (0..x.spatial().len()).try_for_each(|axis| self.check_seen(axis, x.spatial()[axis], shape[axis + 1]))?;
        Ok(Type { shape, ..x.clone() })
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, upstream) = (cx.operand(0), cx.upstream());
        let gradient = match self.kind {
            PoolKind::Max => cx.push(MaxPoolGrad { window: self.window.clone(), unpool: false }, &[x, upstream]),
            PoolKind::Average { count_pad } => {
                let shape = cx.ty(x).shape.clone();
                cx.push(AvgPoolGrad { window: self.window.clone(), count_pad, shape }, &[upstream])
            }
        };
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.zeros();
        let (input, output) = (cx.types[0].spatial(), cx.output.spatial());
        let (len_in, len_out) = (input.iter().product(), output.iter().product());
        let planes = cx.inputs[0].data.chunks_exact(len_in).zip(y.data.chunks_exact_mut(len_out));
        match self.kind {
            PoolKind::Max => planes.for_each(|(x, y)| {
                y.fill(f64::NEG_INFINITY);
                // So written, NaN is not lost.
                self.window.walk(input, output, |out, _, at| y[out] = if x[at] <= y[out] { y[out] } else { x[at] });
            }),
            PoolKind::Average { count_pad } => {
                let divisors = divisors(&self.window, count_pad, input, output);
                planes.for_each(|(x, y)| {
                    self.window.walk(input, output, |out, _, at| y[out] += x[at]);
                    y.iter_mut().zip(&divisors).for_each(|(y, n)| *y /= n);
                });
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let x = &cx.inputs[0];
        let window = self.window.tokens(x.spatial(), cx.output.spatial());
        let ends = ends(&self.window, x.spatial());
        if x.layout == Layout::Blocked {
            return self.blocked_kernel(cx);
        }
        let body = match self.kind {
            PoolKind::Max => quote!(isa.max_pool(&#window, x0, y);),
            PoolKind::Average { count_pad } => {
                quote!(isa.avg_pool(&#window, &rt::Divisor { count_pad: #count_pad, end: #ends }, x0, y);)
            }
        };
        Kernel::new(self.kernel_name("", x, cx.output), Split::Images, body).doc(format!(
            " {} of {}: {} → {}.",
            self.named(),
            self.window.show(),
            show_shape(&x.shape),
            show_shape(&cx.output.shape)
        ))
    }
}

/// End of the padded input on each of three axes.
fn ends(window: &Window, input: &[usize]) -> TokenStream {
    let mut all = vec![1; 3 - input.len()];
    all.extend(input.iter().zip(&window.pad).map(|(n, p)| n + p.0 + p.1));
    quote!([#(#all),*])
}

/// The gradient of a maximum, and max_unpool: all of it to the first largest element of each window. Operands: x
/// `[channels, *space]`, and upstream, or values, `[channels, *space']`; the value has the shape of x.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaxPoolGrad {
    /// The window.
    pub window: Window,
    /// Whether it is max_unpool of a specification, which computes the same: for its name.
    pub unpool: bool,
}

impl Operator for MaxPoolGrad {
    fn name(&self) -> &'static str {
        if self.unpool { "max_unpool" } else { "max_pool_grad" }
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// As max_unpool: where the largest elements are does not change with a small step.
    fn gradient(&self, cx: &mut Gradient<'_>) {
        if cx.wants(1) {
            let (x, upstream) = (cx.operand(0), cx.upstream());
            let gradient = cx.push(Switched { window: self.window.clone() }, &[x, upstream]);
            cx.set(1, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (input, output) = (cx.types[0].spatial(), cx.types[1].spatial());
        let (len_in, len_out) = (input.iter().product::<usize>(), output.iter().product::<usize>());
        for (plane, dx) in dx.data.chunks_exact_mut(len_in).enumerate() {
            let x = &cx.inputs[0].data[plane * len_in..][..len_in];
            let mut best = vec![(f64::NEG_INFINITY, 0); len_out];
            self.window.walk(input, output, |out, _, at| {
                if x[at] > best[out].0 {
                    best[out] = (x[at], at);
                }
            });
            for (out, (_, at)) in best.iter().enumerate() {
                dx[*at] += cx.inputs[1].data[plane * len_out + out];
            }
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, dy) = (&cx.inputs[0], &cx.inputs[1]);
        let window = self.window.tokens(x.spatial(), dy.spatial());
        let name = Pool { kind: PoolKind::Max, window: self.window.clone() }.kernel_name("_grad", x, dy);
        let body = if x.layout == Layout::Blocked {
            let (plane, upstream) = (x.floats() / x.blocks(), dy.floats() / dy.blocks());
            quote! {
                for (block, y) in y.chunks_exact_mut(#plane).enumerate() {
                    isa.blocked_max_pool_grad(&#window, &x0[block * #plane..], &x1[block * #upstream..], y);
                }
            }
        } else {
            quote!(isa.max_pool_grad(&#window, x0, x1, y);)
        };
        Kernel::new(name, Split::Images, body).doc(format!(
            " The gradient of max_pool of {}, to the first largest element of each window.",
            self.window.show()
        ))
    }
}

/// The gradient of a mean: shared out evenly. Operand: upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AvgPoolGrad {
    /// The window.
    pub window: Window,
    /// Whether padding counts.
    pub count_pad: bool,
    /// The shape of the pool's operand.
    pub shape: Vec<usize>,
}

impl Operator for AvgPoolGrad {
    fn name(&self) -> &'static str {
        "avg_pool_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(Type { shape: self.shape.clone(), ..inputs[0].clone() })
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut dx = cx.zeros();
        let (input, output) = (cx.output.spatial(), cx.types[0].spatial());
        let divisors = divisors(&self.window, self.count_pad, input, output);
        let (len_in, len_out) = (input.iter().product(), output.iter().product());
        let planes = dx.data.chunks_exact_mut(len_in).zip(cx.inputs[0].data.chunks_exact(len_out));
        planes.for_each(|(dx, dy)| self.window.walk(input, output, |out, _, at| dx[at] += dy[out] / divisors[out]));
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let dy = &cx.inputs[0];
        let window = self.window.tokens(cx.output.spatial(), dy.spatial());
        let (count_pad, ends) = (self.count_pad, ends(&self.window, cx.output.spatial()));
        let kind = PoolKind::Average { count_pad };
        let name = Pool { kind, window: self.window.clone() }.kernel_name("_grad", cx.output, dy);
        let divisor = quote!(&rt::Divisor { count_pad: #count_pad, end: #ends });
        let body = if dy.layout == Layout::Blocked {
            let (plane, upstream) = (cx.output.floats() / cx.output.blocks(), dy.floats() / dy.blocks());
            quote! {
                for (block, y) in y.chunks_exact_mut(#plane).enumerate() {
                    isa.blocked_avg_pool_grad(&#window, #divisor, &x0[block * #upstream..], y);
                }
            }
        } else {
            quote!(isa.avg_pool_grad(&#window, #divisor, x0, y);)
        };
        Kernel::new(name, Split::Images, body).doc(format!(" The gradient of avg_pool of {}.", self.window.show()))
    }
}

const SIZE: Attribute = Attribute::required("size", "size of the window: a number, or one for each axis");
/// `stride`, as pools have it.
pub(super) const POOL_STRIDE: Attribute =
    Attribute::optional("stride", "none", "steps between windows: a number, or one for each axis; the size by default");
/// `ceil`.
pub(super) const CEIL: Attribute = Attribute::optional("ceil", "false", "whether a last, partly covered window counts");

/// The largest element of each window: `[channels, *space] -> [channels, *space']` (Ranzato et al. 2007; PyTorch's
/// `MaxPool1d`, `MaxPool2d`, `MaxPool3d`).
pub static MAX_POOL: Definition = Definition {
    name: "max_pool",
    summary: "the largest element of each window; padding never wins",
    shapes: "[channels, *space] -> [channels, *space']; space' = floor((space + before + after - dilation * (size \
             - 1) - 1) / stride) + 1, with `ceil` rounded up unless the last window would start behind the input",
    source: "Ranzato et al. 2007; PyTorch's `MaxPool1d`, `MaxPool2d`, `MaxPool3d`",
    operands: &["x"],
    attributes: &[SIZE, POOL_STRIDE, window::PAD, window::DILATION, CEIL],
    example: "max_pool(x, 3, stride: 2, pad: 1)",
    build: |call| {
        let window = Window::from_call(call, "size", "pool-C1")?;
        push(call, Pool { kind: PoolKind::Max, window })
    },
};

/// The mean of each window: `[channels, *space] -> [channels, *space']` (LeCun et al. 1998, section II, without
/// weights; PyTorch's `AvgPool1d`, `AvgPool2d`, `AvgPool3d`).
pub static AVG_POOL: Definition = Definition {
    name: "avg_pool",
    summary: "the mean of each window",
    shapes: "[channels, *space] -> [channels, *space']; space' = floor((space + before + after - size) / stride) + \
             1, with `ceil` rounded up unless the last window would start behind the input",
    source: "LeCun et al. 1998, section II, without weights; PyTorch's `AvgPool1d`, `AvgPool2d`, `AvgPool3d`",
    operands: &["x"],
    attributes: &[
        SIZE,
        POOL_STRIDE,
        window::PAD,
        CEIL,
        Attribute::optional("count_pad", "true", "whether padding counts as zeros in the mean"),
    ],
    example: "avg_pool(x, 2)",
    build: |call| {
        let window = Window::from_call(call, "size", "pool-C1")?;
        let count_pad = call.flag("count_pad")?;
        push(call, Pool { kind: PoolKind::Average { count_pad }, window })
    },
};

/// The mean of each channel: `[channels, *space] -> [channels, *space']` (Lin et al. 2013, section 3.2; PyTorch's
/// `AdaptiveAvgPool2d(1)`).
pub static GLOBAL_AVG_POOL: Definition = Definition {
    name: "global_avg_pool",
    summary: "the mean of each channel, with dimensions of 1 for space",
    shapes: "[channels, *space] -> [channels, *space']; space' = 1",
    source: "Lin et al. 2013, section 3.2; PyTorch's `AdaptiveAvgPool2d(1)`",
    operands: &["x"],
    attributes: &[],
    example: "global_avg_pool(x)",
    build: |call| global(call, PoolKind::Average { count_pad: false }),
};

/// The largest element of each channel: `[channels, *space] -> [channels, *space']` (Oquab et al. 2015, section 3;
/// PyTorch's `AdaptiveMaxPool2d(1)`).
pub static GLOBAL_MAX_POOL: Definition = Definition {
    name: "global_max_pool",
    summary: "the largest element of each channel, with dimensions of 1 for space",
    shapes: "[channels, *space] -> [channels, *space']; space' = 1",
    source: "Oquab et al. 2015, section 3; PyTorch's `AdaptiveMaxPool2d(1)`",
    operands: &["x"],
    attributes: &[],
    example: "global_max_pool(x)",
    build: |call| global(call, PoolKind::Max),
};

fn global(call: &mut Call<'_>, kind: PoolKind) -> Result<ValueId, Diagnostic> {
    let ty = call.ty(0);
    let rank = ty.spatial().len();
    if !(1..=3).contains(&rank) {
        let mismatch = Mismatch::new("pool-C1", format!("`{}` needs 1 to 3 axes of space", call.definition.name))
            .found(format!("a tensor of shape {ty}"))
            .fits("[channels, length], [channels, height, width] or [channels, depth, height, width]")
            .operand(0);
        return Err(call.explain(mismatch));
    }
    let window = Window {
        kernel: ty.spatial().to_vec(),
        stride: vec![1; rank],
        dilation: vec![1; rank],
        pad: vec![(0, 0); rank],
        ceil: false,
    };
    push(call, Pool { kind, window })
}

fn push(call: &mut Call<'_>, pool: Pool) -> Result<ValueId, Diagnostic> {
    let x = call.operand(0);
    call.push(Op::Pool(pool), &[x])
}
