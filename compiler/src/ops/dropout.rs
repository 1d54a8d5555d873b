//! dropout: units left out at random during training.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::Type;
use crate::reference::{Evaluation, Tensor};

/// Sets each element to zero with probability `rate` and divides the others by `1 − rate`.
///
/// Which elements drop is a function of seed, step, layer, image and element alone, so that the backward pass finds the
/// same ones again and nothing depends on threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dropout {
    /// Probability, from 0 up to 1.
    pub rate: f64,
    /// Which dropout of the net this is.
    pub id: u64,
    /// Whether the elements of a channel share their fate.
    pub spatial: bool,
}

impl Dropout {
    /// Elements that drop together.
    fn run(&self, ty: &Type) -> usize {
        if self.spatial { ty.spatial().iter().product() } else { 1 }
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
        let (what, work) = match run {
            1 => ("elements", quote!(isa.dropout(dropout, #rate, #id, y);)),
            _ => ("channels", quote!(isa.dropout_runs(dropout, #rate, #id, #run, y);)),
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

/// dropout.
pub static DROPOUT: Definition = Definition {
    name: "dropout",
    summary: "in training, sets elements, or whole channels, to zero at random and enlarges the others (Srivastava et al. 2014)",
    operands: &["x"],
    attributes: &[
        Attribute::optional("rate", "0.5", "probability of zero, from 0 up to 1").positional(),
        Attribute::optional("spatial", "false", "whether whole channels drop (Tompson et al. 2015)"),
    ],
    example: "dropout(x, 0.3)",
    build: |call| {
        let rate = call.number_in("rate", 0.0..1.0)?;
        let spatial = call.flag("spatial")?;
        let id = call.graph.nodes.iter().filter(|n| matches!(n.op, Op::Dropout(_))).count() as u64;
        let x = call.operand(0);
        call.push(Op::Dropout(Dropout { rate, id, spatial }), &[x])
    },
};
