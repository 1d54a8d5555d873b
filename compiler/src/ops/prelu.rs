//! prelu: a rectifier whose slope left of zero is learned.

use quote::quote;
use serde::Serialize;

use super::{Attribute, Definition, Gradient, Kernel, KernelContext, Mismatch, Op, Operator, Split};
use crate::graph::{Init, Layout, Role, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// x where positive, slope · x elsewhere. Operands: x `[channels, *space]` and the slopes, `[channels]` or `[1]`; the value has the
/// shape of x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prelu;

/// Its gradient by x. Operands: x, slopes, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PreluGrad;

/// Its gradient by the slopes. Operands: x, upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PreluGradWeight {
    /// How many slopes there are.
    pub slopes: usize,
}

fn check(x: &Type, slopes: &Type) -> Result<Type, Mismatch> {
    if x.shape.is_empty() || slopes.batched || ![1, x.channels()].contains(&slopes.len()) {
        return Err(Mismatch::new("prelu-C1", "`prelu` needs channels, and a slope for each or one for all")
            .found(format!("{x} and slopes {slopes}"))
            .fits("a tensor of shape [channels, ...]")
            .operand(0));
    }
    Ok(x.clone())
}

/// Elements that share a slope.
fn run(x: &Type, slopes: usize) -> usize {
    x.len() / slopes
}

impl Operator for Prelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        check(inputs[0], inputs[1])
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    fn gradient(&self, cx: &mut Gradient<'_>) {
        let (x, slopes, upstream) = (cx.operand(0), cx.operand(1), cx.upstream());
        if cx.wants(0) {
            let gradient = cx.push(PreluGrad, &[x, slopes, upstream]);
            cx.set(0, gradient);
        }
        if cx.wants(1) {
            let slopes = cx.ty(slopes).len();
            let gradient = cx.push(PreluGradWeight { slopes }, &[x, upstream]);
            cx.set(1, gradient);
        }
    }

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (mut y, slopes) = (cx.inputs[0].clone(), &cx.inputs[1].data);
        let run = run(cx.types[0], slopes.len());
        for (i, y) in y.data.iter_mut().enumerate().filter(|(_, y)| **y <= 0.0) {
            *y *= slopes[i / run % slopes.len()];
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let body = call(&cx.inputs[0], &cx.inputs[1], "prelu", &quote!(x0, y));
        Kernel::new(format!("prelu_{}", cx.output.len()), Split::Images, body).doc(format!(
            " prelu of {} with slopes {}.",
            show_shape(&cx.output.shape),
            show_shape(&cx.inputs[1].shape)
        ))
    }
}

/// The call of the kernel for the layout of `x`; slopes are the operand at position 1.
fn call(x: &Type, slopes: &Type, name: &str, operands: &proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let places = x.len() / x.channels();
    let run = run(x, slopes.len());
    match (x.layout, slopes.len()) {
        (Layout::Blocked, n) if n > 1 => {
            let method = quote::format_ident!("blocked_{name}");
            quote!(isa.#method(x1, #places, #operands);)
        }
        (Layout::Blocked, _) => {
            let (method, all) = (quote::format_ident!("{name}"), x.floats());
            quote!(isa.#method(x1, #all, #operands);)
        }
        _ => {
            let method = quote::format_ident!("{name}");
            quote!(isa.#method(x1, #run, #operands);)
        }
    }
}

impl Operator for PreluGrad {
    fn name(&self) -> &'static str {
        "prelu_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        check(inputs[0], inputs[1])
    }

    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        true
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let [x, slopes, dy] = cx.inputs[..] else { unreachable!("three operands") };
        let run = run(cx.types[0], slopes.data.len());
        let mut dx = dy.clone();
        for (i, dx) in dx.data.iter_mut().enumerate().filter(|(i, _)| x.data[*i] <= 0.0) {
            *dx *= slopes.data[i / run % slopes.data.len()];
        }
        dx
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let body = call(&cx.inputs[0], &cx.inputs[1], "prelu_grad", &quote!(x0, x2, y));
        Kernel::new(format!("prelu_grad_{}", cx.output.len()), Split::Images, body)
            .doc(" The gradient of prelu by its input.")
    }
}

impl Operator for PreluGradWeight {
    fn name(&self) -> &'static str {
        "prelu_grad_weight"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let slopes = Type::single([self.slopes]);
        check(inputs[0], &slopes)?;
        Ok(slopes)
    }

    /// Second derivatives are not part of the language.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let (x, dy, mut dw) = (&cx.inputs[0].data, &cx.inputs[1].data, cx.zeros());
        let run = run(cx.types[0], self.slopes);
        for i in (0..x.len()).filter(|i| x[*i] <= 0.0) {
            dw.data[i / run % self.slopes] += x[i] * dy[i];
        }
        dw
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let run = run(&cx.inputs[0], self.slopes);
        let body = quote! {
            for image in images {
                isa.prelu_grad_weight(#run, x0.image(image), x1.image(image), y);
            }
        };
        Kernel::new(format!("prelu_grad_weight_{}", cx.inputs[0].len()), Split::Groups, body)
            .doc(" The gradient of prelu by its slopes.")
    }
}

/// prelu: `[channels, *space] -> [channels, *space]` (He et al. 2015 (Delving deep into rectifiers), section 2.1;
/// PyTorch's `PReLU`).
pub static PRELU: Definition = Definition {
    name: "prelu",
    summary: "x where positive, a learnt slope times x elsewhere; slopes start at 0.25",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "He et al. 2015 (Delving deep into rectifiers), section 2.1; PyTorch's `PReLU`",
    operands: &["x"],
    attributes: &[Attribute::optional("per_channel", "true", "whether each channel has a slope, or all have one")],
    example: "prelu(x)",
    build: |call| {
        let slopes = if call.flag("per_channel")? { call.ty(0).channels() } else { 1 };
        let x = call.operand(0);
        let weight = call.parameter("weight", &[slopes], Init::Constant(0.25), Role::Trained)?;
        call.push(Op::Prelu(Prelu), &[x, weight])
    },
};
