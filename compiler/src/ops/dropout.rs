//! dropout: units left out at random during training; drop_path: whole branches.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Call, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::diagnostics::Diagnostic;
use crate::graph::{Type, ValueId};
use crate::reference::{Evaluation, Tensor};

/// Sets each unit to zero with probability `rate` and divides the others by `1 − rate`.
///
/// Which units drop is a function of seed, step, layer, image and unit alone, so that the backward pass finds the
/// same ones again and nothing depends on threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dropout {
    /// Probability, from 0 up to 1.
    pub rate: f64,
    /// Which dropout of the net this is.
    pub id: u64,
    /// What drops as one.
    pub unit: Unit,
}

/// What drops as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Each element by itself.
    Element,
    /// The elements of a channel.
    Channel,
    /// All that an image has here.
    Image,
}

impl Dropout {
    /// Elements that drop together.
    fn run(&self, ty: &Type) -> usize {
        match self.unit {
            Unit::Element => 1,
            Unit::Channel => ty.spatial().iter().product(),
            Unit::Image => ty.len(),
        }
    }
}

impl Operator for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let upstream = cx.upstream();
        let gradient = cx.push(*self, &[upstream]);
        cx.set(0, gradient);
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let Some((seed, step)) = cx.feed.dropout else { return cx.inputs[0].clone() };
        let mut y = cx.inputs[0].clone();
        let scale = f64::from(1.0 / (1.0 - self.rate as f32));
        let run = self.run(cx.output);
        for i in 0..cx.batch() {
            for (element, y) in y.image_mut(i).iter_mut().enumerate() {
                *y = if drops(self, seed, step, i, element / run) { 0.0 } else { *y * scale };
            }
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (rate, id, run) = (self.rate as f32, self.id, self.run(cx.output));
        let what = match self.unit {
            Unit::Element => "elements",
            Unit::Channel => "channels",
            Unit::Image => "whole images",
        };
        let work = match run {
            1 => quote!(isa.dropout(dropout, #rate, #id, y);),
            _ => quote!(isa.dropout_runs(dropout, #rate, #id, #run, y);),
        };
        Kernel::new(
            format!("dropout{}", self.id + 1),
            Split::Images,
            quote! {
                y.copy_from_slice(x0);
                #work
            },
        )
        .doc(format!(" Drops {what} with probability {rate}."))
        .in_place(work)
    }
}

/// The runtime's rule, see `cnnc_runtime::Dropout`: 32 bits of a hash against the rate.
fn drops(dropout: &Dropout, seed: u64, step: u64, image: usize, element: usize) -> bool {
    let stream = mix(seed ^ mix(step ^ mix(dropout.id ^ mix(image as u64))));
    mix(stream.wrapping_add(element as u64)) >> 32 < (f64::from(dropout.rate as f32) * 4_294_967_296.0) as u64
}

/// The finaliser of splitmix64 (Steele et al. 2014).
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// dropout: `[*shape] -> [*shape]` (Srivastava et al. 2014; PyTorch's `Dropout`; of whole channels Tompson et al.
/// 2015, PyTorch's `Dropout2d`).
pub static DROPOUT: Definition = Definition {
    name: "dropout",
    summary: "in training, sets elements, or whole channels, to zero at random and enlarges the others",
    shapes: "[*shape] -> [*shape]",
    source: "Srivastava et al. 2014; PyTorch's `Dropout`; of whole channels Tompson et al. 2015, PyTorch's `Dropout2d`",
    operands: &["x"],
    attributes: &[
        Attribute::optional("rate", "0.5", "probability of zero, from 0 up to 1").positional(),
        Attribute::optional("spatial", "false", "whether whole channels drop (Tompson et al. 2015)"),
    ],
    example: "dropout(x, 0.3)",
    build: |call| {
        let unit = if call.flag("spatial")? { Unit::Channel } else { Unit::Element };
        build(call, unit)
    },
};

/// drop_path: `[*shape] -> [*shape]` (Huang et al. 2016; torchvision's `StochasticDepth` of mode `row`).
pub static DROP_PATH: Definition = Definition {
    name: "drop_path",
    summary: "stochastic depth: in training, sets all of an image to zero at random and enlarges what is left, so \
              that of a sum with it the branch is left out",
    shapes: "[*shape] -> [*shape]",
    source: "Huang et al. 2016; torchvision's `StochasticDepth` of mode `row`",
    operands: &["x"],
    attributes: &[Attribute::required("rate", "probability of zero, from 0 up to 1")],
    example: "x + drop_path(relu(x), 0.2)",
    build: |call| build(call, Unit::Image),
};

fn build(call: &mut Call<'_>, unit: Unit) -> Result<ValueId, Diagnostic> {
    let rate = call.number_in("rate", 0.0..1.0)?;
    let id = call.graph.nodes.iter().filter(|n| matches!(n.op, Op::Dropout(_))).count() as u64;
    let x = call.operand(0);
    call.push(Op::Dropout(Dropout { rate, id, unit }), &[x])
}
