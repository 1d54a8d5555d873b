//! Weights of convolutions as tiles read them (in their order, with what is folded in, transformed), and their gradients back in
//! plain order.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::batch_norm::FoldWeight;
use super::layout::{mismatch, shape_name};
use super::{Gradient, Kernel, KernelContext, Mismatch, Operator, Split};
use crate::graph::{BLOCK, Layout, Type};
use crate::reference::{Evaluation, Tensor};

/// Weights of a convolution in the layout of tiles: packed, or packed and transformed for Winograd's algorithm, G g Gᵀ. Operands: the
/// weights; where a batch normalisation is folded in, its weight and variance, too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pack {
    /// The layout of the value.
    pub to: Layout,
    /// Whether they are those of the gradient by the input: filters and channels change places, windows are turned round.
    pub backwards: bool,
    /// The batch normalisation that is folded in on the way, so that its product takes no memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<FoldWeight>,
}

/// The gradient of packed weights in plain order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unpack;

impl Pack {
    /// Channels that are neighbours, if weights of this window can be laid out so.
    fn lanes(&self, window: &[usize]) -> Option<usize> {
        match (self.to, window) {
            (Layout::Packed { lanes }, [_, ..]) => Some(lanes),
            (Layout::WinogradWeights { points: 6 }, [3, 3] | [4, 4] | [5, 5]) => Some(BLOCK),
            (Layout::WinogradWeights { points: 4 | 5 }, [3, 3]) => Some(BLOCK),
            _ => None,
        }
    }

    /// Code that packs the weights of sixteen filters into `to`.
    fn packed(&self, ty: &Type, to: &TokenStream) -> TokenStream {
        let lanes = self.lanes(&ty.shape[2..]).expect("as inferred");
        let packing = packing(ty, lanes, self.backwards);
        let pack = quote!(isa.pack(&#packing, piece, x0, #to););
        let Some(FoldWeight { eps }) = self.fold else { return pack };
        let eps = eps as f32;
        quote! {
            #pack
            let norms = x1.iter().zip(x2).skip(piece * 16);
            let mut factors = [0.0; 16];
            for (factor, (weight, var)) in factors.iter_mut().zip(norms) {
                *factor = weight / (var + #eps).sqrt();
            }
            isa.scale_filters(&factors, #to);
        }
    }
}

/// The runtime's description of packed weights.
fn packing(ty: &Type, lanes: usize, backwards: bool) -> TokenStream {
    let (filters, channels) = (ty.shape[0], ty.shape[1]);
    let taps: usize = ty.shape[2..].iter().product();
    quote! {
        rt::Packing { filters: #filters, channels: #channels, taps: #taps, lanes: #lanes, backwards: #backwards }
    }
}

impl Operator for Pack {
    fn name(&self) -> &'static str {
        "pack"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let mut ty = inputs[0].laid_out(self.to);
        let known = ty.shape.get(2..).is_some_and(|window| self.lanes(window).is_some());
        // Factors are those of filters, which channels become on the way backwards.
        let folds = match (self.fold, &inputs[1..]) {
            (None, []) => true,
            (Some(_), [weight, var]) => !self.backwards && [weight, var].iter().all(|v| v.shape == [ty.channels()]),
            _ => false,
        };
        if !known || !folds || !inputs[0].layout.is_plain() || ty.batched {
            return Err(mismatch("these are no weights to be laid out like this", inputs[0]));
        }
        if self.backwards {
            ty.shape.swap(0, 1);
        }
        Ok(ty)
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let mut y = cx.inputs[0].clone();
        if let Some(fold) = self.fold {
            fold.apply(&mut y, cx.inputs[1], cx.inputs[2]);
        }
        if !self.backwards {
            return y;
        }
        let w = core::mem::replace(&mut y, cx.zeros());
        let (filters, channels) = (cx.output.shape[0], cx.output.shape[1]);
        let taps = w.data.len() / (filters * channels);
        for (i, y) in y.data.iter_mut().enumerate() {
            let (filter, channel, tap) = (i / taps / channels, i / taps % channels, i % taps);
            *y = w.data[(channel * filters + filter) * taps + taps - 1 - tap];
        }
        y
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let ty = cx.output;
        let of_block = ty.floats() / ty.blocks();
        let turned = if self.backwards { "_backwards" } else { "" };
        let folded = if self.fold.is_some() { "_folded" } else { "" };
        let shape = shape_name(ty);
        let doc = match self.fold {
            None => " The weights of sixteen filters",
            Some(_) => " The weights of sixteen filters, with batch_norm folded in,",
        };
        let Layout::WinogradWeights { points } = self.to else {
            let body = self.packed(ty, &quote!(y));
            return Kernel::new(format!("pack{turned}{folded}_{shape}"), Split::Pieces(of_block), body)
                .doc(format!("{doc} as tiles read them."));
        };
        let packed = ty.laid_out(Layout::Packed { lanes: BLOCK }).floats() / ty.blocks();
        let (window, step) = (ty.shape[2], of_block / (points * points));
        let pack = self.packed(ty, &quote!(packed));
        let body = quote! {
            let packed = &mut scratch[..#packed];
            #pack
            isa.winograd_weights(#points, #window, packed, #step, y);
        };
        Kernel::new(format!("winograd_weights{turned}{folded}_{shape}"), Split::Pieces(of_block), body)
            .scratch(packed)
            .doc(format!("{doc} as G g Gᵀ: Winograd's transform."))
    }
}

impl Operator for Unpack {
    fn name(&self) -> &'static str {
        "unpack"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        match inputs[0].layout {
            Layout::PackedPairs { .. } => Ok(inputs[0].laid_out(Layout::Plain)),
            _ => Err(mismatch("these are no packed weights", inputs[0])),
        }
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        cx.inputs[0].clone()
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let Layout::PackedPairs { lanes } = cx.inputs[0].layout else { unreachable!("as inferred") };
        // Channels that are planes lie beside the taps: as if there were one channel of more taps.
        let (filters, len) = (cx.output.channels(), cx.output.len());
        let seen = if lanes == 1 { Type::single([filters, 1, len / filters]) } else { cx.output.clone() };
        let packing = packing(&seen, lanes, false);
        let row = cx.output.len() / cx.output.channels();
        Kernel::new(
            format!("unpack_{}", shape_name(cx.output)),
            Split::Pieces(BLOCK * row),
            quote!(isa.unpack(&#packing, piece * 16, x0, y);),
        )
        .doc(" The gradient of the weights of sixteen filters in plain order.")
    }
}
