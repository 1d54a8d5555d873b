//! Which operator is meant by a name that is none.

use super::DEFINITIONS;
use crate::diagnostics::nearest;

/// The operator that a name stands for elsewhere, or the most alike of operators and `others`.
pub fn meant<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    habit(name).or_else(|| nearest(name, DEFINITIONS.iter().map(|d| d.name).chain(others)))
}

/// What is no operator, and how it is written with those that are.
pub const WRITTEN: &[(&str, &str)] = &[
    ("causal_conv", "conv(x, 8, 3, pad: [(2, 0)])"),
    ("depthwise_conv", "conv(x, x.channels, 3, pad: 1, groups: x.channels)"),
    ("dilated_conv", "conv(x, 8, 3, pad: 2, dilation: 2)"),
    ("glu", "slice(x, 0, x.channels / 2) * sigmoid(slice(x, x.channels / 2, x.channels))"),
    ("hard_tanh", "clamp(x, min: -1, max: 1)"),
    ("instance_norm", "group_norm(x, x.channels, affine: false)"),
    ("log_sigmoid", "-softplus(-x)"),
    ("mish", "x * tanh(softplus(x))"),
    ("pointwise_conv", "conv(x, 8, 1)"),
    ("selu", "1.0507009873554805 * elu(x, alpha: 1.6732632423543772)"),
    ("separable_conv", "conv(x, x.channels, 3, pad: 1, groups: x.channels) |> conv(8, 1)"),
    ("softsign", "x / (1 + abs(x))"),
];

/// How something that is no operator is written.
pub fn written(name: &str) -> Option<&'static str> {
    WRITTEN.iter().find(|(other, _)| plain(other) == plain(name)).map(|(_, how)| *how)
}

/// A name without what frameworks write differently: case, underscores, the number of axes.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "");
    ["1d", "2d", "3d"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned()
}

/// Names from other frameworks, as [`plain`] makes them.
fn habit(name: &str) -> Option<&'static str> {
    Some(match plain(name).as_str() {
        "linear" | "fc" | "fullyconnected" => "dense",
        "conv" | "convolution" => "conv",
        "deconv" | "deconvolution" | "conv2dtranspose" | "convtranspose" => "conv_transpose",
        "unpool" | "maxunpool" => "max_unpool",
        "locallyconnected" | "convlocal" => "local_conv",
        "maxpool" => "max_pool",
        "avgpool" | "averagepool" | "meanpool" => "avg_pool",
        "gap" | "globalaveragepool" => "global_avg_pool",
        "bn" | "batchnorm" => "batch_norm",
        "cat" | "concatenate" => "concat",
        "view" | "squeeze" | "unsqueeze" => "reshape",
        "permute" => "transpose",
        "narrow" | "crop" => "slice",
        "chunk" => "split",
        "interpolate" | "upsampling" | "resize" => "upsample",
        "pixelshuffle" => "depth_to_space",
        "pixelunshuffle" => "space_to_depth",
        "layernorm" => "layer_norm",
        "groupnorm" => "group_norm",
        "reducesum" => "sum",
        "reducemean" | "average" => "mean",
        "reducemax" | "amax" => "max",
        "swish" => "silu",
        "clip" => "clamp",
        "dropout" | "spatialdropout" => "dropout",
        "droppath" | "stochasticdepth" => "drop_path",
        "divide" | "truedivide" => "div",
        "leakyrelu" | "lrelu" => "leaky_relu",
        "crossentropy" | "nll" | "softmaxcrossentropy" => "cross_entropy",
        "bce" => "binary_cross_entropy",
        "bcewithlogits" | "sigmoidcrossentropy" => "binary_cross_entropy_with_logits",
        "mae" | "l1loss" | "meanabsoluteerror" => "l1",
        "huber" | "smoothl1loss" => "smooth_l1",
        "tripletmarginloss" | "tripletloss" => "triplet",
        "contrastiveloss" => "contrastive",
        _ => return None,
    })
}
