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
    ("instance_norm", "group_norm(x, x.channels)"),
    ("log_sigmoid", "-softplus(-x)"),
    ("mish", "x * tanh(softplus(x))"),
    ("pointwise_conv", "conv(x, 8, 1)"),
    ("selu", "1.0507009873554805 * elu(x, alpha: 1.6732632423543772)"),
    ("separable_conv", "conv(x, x.channels, 3, pad: 1, groups: x.channels) |> conv(8, 1)"),
    ("softsign", "x / (1 + abs(x))"),
];

/// How something that is no operator is written.
pub fn written(name: &str) -> Option<&'static str> {
    let plain = |name: &str| {
        let name = name.to_ascii_lowercase().replace('_', "");
        ["1d", "2d", "3d"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned()
    };
    WRITTEN.iter().find(|(other, _)| plain(other) == plain(name)).map(|(_, how)| *how)
}

/// Names from other frameworks.
fn habit(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "linear" | "fc" | "fully_connected" => "dense",
        "conv2d" | "conv1d" | "conv3d" | "convolution" => "conv",
        "deconv" | "deconvolution" | "conv2d_transpose" | "conv_transpose2d" => "conv_transpose",
        "unpool" | "maxunpool" | "max_unpool2d" => "max_unpool",
        "locally_connected" | "locallyconnected2d" | "conv_local" => "local_conv",
        "maxpool" | "maxpool2d" | "max_pool2d" => "max_pool",
        "avgpool" | "avgpool2d" | "avg_pool2d" | "average_pool" | "mean_pool" => "avg_pool",
        "gap" | "global_average_pool" => "global_avg_pool",
        "bn" | "batchnorm" | "batchnorm2d" | "batch_norm2d" => "batch_norm",
        "cat" | "concatenate" => "concat",
        "view" | "squeeze" | "unsqueeze" => "reshape",
        "permute" => "transpose",
        "narrow" | "crop" => "slice",
        "chunk" => "split",
        "interpolate" | "upsampling" | "upsampling2d" | "resize" => "upsample",
        "pixel_shuffle" => "depth_to_space",
        "pixel_unshuffle" => "space_to_depth",
        "layernorm" => "layer_norm",
        "groupnorm" => "group_norm",
        "reduce_sum" => "sum",
        "reduce_mean" | "average" => "mean",
        "reduce_max" | "amax" => "max",
        "swish" => "silu",
        "clip" => "clamp",
        "dropout2d" | "spatial_dropout" => "dropout",
        "droppath" | "stochastic_depth" | "stochasticdepth" => "drop_path",
        "divide" | "true_divide" => "div",
        "leakyrelu" | "lrelu" => "leaky_relu",
        "crossentropy" | "nll" | "softmax_cross_entropy" => "cross_entropy",
        "bce" => "binary_cross_entropy",
        "bce_with_logits" | "sigmoid_cross_entropy" => "binary_cross_entropy_with_logits",
        "mae" | "l1_loss" | "mean_absolute_error" => "l1",
        "huber" | "smooth_l1_loss" => "smooth_l1",
        "triplet_margin_loss" | "triplet_loss" => "triplet",
        "contrastive_loss" => "contrastive",
        _ => return None,
    })
}
