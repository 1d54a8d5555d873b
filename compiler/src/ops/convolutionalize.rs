//! convolutionalize: a dense layer that slides over maps larger than the one it was made for.

use super::conv::Conv;
use super::shape::Reshape;
use super::window::{self, Window};
use super::{Attribute, Definition};
use crate::graph::{Init, Role};

/// convolutionalize: `[channels, *space] -> [units, *space']` (Sermanet et al. 2014, section 3.5; Long et al. 2015,
/// section 3.1).
pub static CONVOLUTIONALIZE: Definition = Definition {
    name: "convolutionalize",
    summary: "what `flatten |> dense(units)` makes of each window of a map: a convolution with the weights of that \
              dense layer, [units, channels * window]",
    shapes: "[channels, *space] -> [units, *space']; space' = floor((space - window) / stride) + 1",
    source: "Sermanet et al. 2014, section 3.5; Long et al. 2015, section 3.1",
    operands: &["x"],
    attributes: &[
        Attribute::required("units", "outputs of the dense layer, the channels of the result"),
        Attribute::required(
            "window",
            "the size of the map that the dense layer was made for: a number, or one for each axis",
        ),
        window::STRIDE,
        Attribute::optional("bias", "true", "whether each unit adds a learnt number"),
    ],
    example: "convolutionalize(x, 10, [11, 12])",
    build: |call| {
        let units = call.positive("units")?;
        let rank = Window::rank(call, "convolutionalize-C1")?;
        let window = Window::of_kernel(call, call.per_axis("window", rank, 1..=65_536)?)?;
        let (x, ty, bias) = (call.operand(0), call.ty(0), call.flag("bias")?);
        window.output(ty.spatial(), "convolutionalize-C2").map_err(|mismatch| call.explain(mismatch))?;
        let fan_in = ty.channels().saturating_mul(window.len());
        let init = Init::Uniform { fan_in };
        let weight = call.parameter("weight", &[units, fan_in], init, Role::Trained)?;
        let filters = [&[units, ty.channels()], &window.kernel[..]].concat();
        let filters = call.push(Reshape { shape: filters }.into(), &[weight])?;
        let mut operands = vec![x, filters];
        if bias {
            operands.push(call.parameter("bias", &[units], init, Role::Trained)?);
        }
        call.push(Conv { window, groups: 1, activation: None }.into(), &operands)
    },
};
