//! Which operator is meant by a name that is none.

use super::DEFINITIONS;
use crate::diagnostics::nearest;

/// The operator that a name stands for elsewhere, or the most alike of operators and `others`.
pub fn meant<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    habit(name).or_else(|| nearest(name, DEFINITIONS.iter().map(|d| d.name).chain(others)))
}

/// Names from other frameworks.
fn habit(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "linear" | "fc" | "fully_connected" => "dense",
        "conv2d" | "conv1d" | "conv3d" | "convolution" => "conv",
        "unpool" | "maxunpool" | "max_unpool2d" => "max_unpool",
        "locally_connected" | "locallyconnected2d" | "conv_local" => "local_conv",
        "maxpool" | "maxpool2d" | "max_pool2d" => "max_pool",
        "avgpool" | "avgpool2d" | "avg_pool2d" | "average_pool" | "mean_pool" => "avg_pool",
        "gap" | "global_average_pool" => "global_avg_pool",
        "bn" | "batchnorm" | "batchnorm2d" | "batch_norm2d" => "batch_norm",
        "cat" | "concatenate" => "concat",
        "view" => "reshape",
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
