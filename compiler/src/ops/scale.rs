//! scale: a learned factor for each channel, and perhaps an offset.
//!
//! It is a product and a sum with weights that are repeated over space, so it needs no node of its own.

use super::elementwise::Arithmetic;
use super::{Attribute, Definition, Mismatch};
use crate::graph::{Init, Role};

/// scale: `[channels, *space] -> [channels, *space]` (Liu et al. 2015 (ParseNet), section 3.3; Touvron et al. 2021
/// (LayerScale), with a small `init`; Caffe's `Scale`).
pub static SCALE: Definition = Definition {
    name: "scale",
    summary: "a learnt factor times each channel, `weight`, plus a learnt offset, `bias`, where asked for; starts \
              as the identity",
    shapes: "[channels, *space] -> [channels, *space]",
    source: "Liu et al. 2015 (ParseNet), section 3.3; Touvron et al. 2021 (LayerScale), with a small `init`; \
             Caffe's `Scale`",
    operands: &["x"],
    attributes: &[
        Attribute::optional("bias", "false", "whether there is an offset"),
        Attribute::optional("init", "1.0", "the factor at the start, from -1000 to 1000"),
    ],
    example: "scale(x, bias: true)",
    build: |call| {
        let (ty, init) = (call.ty(0), call.number_in("init", -1e3..=1e3)?);
        if ty.shape.is_empty() {
            let mismatch = Mismatch::new("scale-C1", "`scale` needs channels")
                .found("one number for each image")
                .fits("a tensor of shape [channels, ...]")
                .operand(0);
            return Err(call.explain(mismatch));
        }
        let channels = [ty.channels()];
        let weight = call.parameter("weight", &channels, Init::Constant(init), Role::Trained)?;
        let x = call.operand(0);
        let scaled = call.push(Arithmetic::Mul.into(), &[x, weight])?;
        if !call.flag("bias")? {
            return Ok(scaled);
        }
        let bias = call.parameter("bias", &channels, Init::Constant(0.0), Role::Trained)?;
        call.push(Arithmetic::Add.into(), &[scaled, bias])
    },
};
