//! Small networks around one operator each, with all that its attributes can be.

/// The shape of `x` and what is made of it. `x` is never the input itself, so that its gradient is wanted.
const USES: &[(&str, &str)] = &[
    // One axis, two, three.
    ("[3, 9]", "max_pool(x, 3, stride: 2, pad: 1)"),
    ("[3, 9]", "max_pool(x, 2, dilation: 3)"),
    ("[2, 7, 8]", "max_pool(x, 2)"),
    ("[2, 7, 8]", "max_pool(x, [3, 2], stride: [2, 1], pad: [(1, 0), (0, 1)])"),
    ("[2, 7, 8]", "max_pool(x, 3, stride: 2, pad: same)"),
    ("[2, 7, 8]", "max_pool(x, 3, stride: 2, pad: 2, dilation: 2, ceil: true)"),
    ("[2, 3, 150]", "max_pool(x, [1, 3], stride: [1, 2], pad: [0, 1])"),
    ("[2, 3, 4, 5]", "max_pool(x, [2, 2, 3], stride: [1, 2, 1], pad: [0, 1, 1])"),
    ("[2, 9]", "avg_pool(x, 4, stride: 3, pad: 2)"),
    ("[2, 7, 8]", "avg_pool(x, 2)"),
    ("[2, 7, 8]", "avg_pool(x, 3, stride: 2, pad: 1, ceil: true)"),
    ("[2, 7, 8]", "avg_pool(x, 3, stride: 2, pad: 1, ceil: true, count_pad: false)"),
    ("[2, 7, 8]", "avg_pool(x, [2, 3], stride: 1, pad: valid)"),
    ("[2, 7, 8]", "avg_pool(x, 3, stride: 1, pad: same, count_pad: false)"),
    ("[2, 3, 150]", "avg_pool(x, [1, 3], stride: [1, 2], pad: [0, 1])"),
    ("[2, 3, 4, 5]", "avg_pool(x, [2, 2, 3], stride: [1, 2, 1], pad: [0, 1, 1])"),
    ("[2, 9]", "global_avg_pool(x)"),
    ("[2, 9]", "global_max_pool(x)"),
    ("[2, 3, 4, 5]", "global_avg_pool(x)"),
    ("[2, 3, 4, 5]", "global_max_pool(x)"),
    ("[3, 9]", "conv_transpose(x, 4, 4, stride: 3, pad: 2, output_pad: 1)"),
    ("[2, 7, 8]", "conv_transpose(x, 5, 3)"),
    ("[2, 7, 8]", "conv_transpose(x, 4, 2, stride: 2, groups: 2, bias: false)"),
    ("[2, 7, 8]", "conv_transpose(x, 2, 3, stride: 2, pad: same, groups: 2) |> relu"),
    ("[2, 7, 8]", "conv_transpose(x, 3, [1, 2], stride: [2, 3], pad: same)"),
    ("[2, 7, 8]", "conv_transpose(x, 3, 1)"),
    ("[2, 3, 2, 4]", "conv_transpose(x, 3, [2, 1, 3], stride: [2, 1, 2], pad: [(1, 0), 0, 1], dilation: [1, 2, 1])"),
    ("[3, 7, 8]", "filter(x, sobel_x, pad: same) + filter(x, scharr_y, pad: 1)"),
    ("[2, 9]", "filter(x, [1, -2, 1.5], stride: 2, per_channel: true)"),
    ("[3, 7, 8]", "filter(x, [[[1, 0.5]], [[0, 1]], [[2, -1]]], dilation: 2)"),
    ("[3, 7, 8]", "filter(x, [[[1], [0.5]], [[0], [1]], [[2], [-1]]], per_channel: true)"),
    ("[2, 3, 2, 4]", "filter(x, [[[[[1, 2]]], [[[3, 4]]]], [[[[0, 1]]], [[[-1, 0]]]]])"),
    ("[3, 9]", "local_conv(x, 4, 3, stride: 2, pad: same)"),
    ("[2, 9, 10]", "local_conv(x, 3, 2, bias: false)"),
    ("[2, 7, 8]", "local_conv(x, 3, [2, 3], stride: [1, 2], pad: [1, (0, 2)], dilation: [2, 1]) |> relu"),
    ("[2, 3, 2, 4]", "local_conv(x, 2, [2, 1, 3])"),
    ("[2, 9]", "convolutionalize(x, 4, 3, stride: 2)"),
    ("[2, 7, 8]", "convolutionalize(x, 3, [7, 8], bias: false)"),
    ("[3, 7, 8]", "x * weight([3], init: 0.5) + weight([3, 7, 8]) |> conv(2, 3)"),
    ("[2, 9]", "adaptive_avg_pool(x, 4) + adaptive_max_pool(x, 4)"),
    ("[2, 7, 8]", "adaptive_avg_pool(x, [3, 5]) - adaptive_max_pool(x, [3, 5])"),
    ("[2, 7, 8]", "adaptive_avg_pool(x, [7, 10]) * adaptive_max_pool(x, [1, 10])"),
    ("[2, 3, 2, 4]", "adaptive_avg_pool(x, [2, 3, 3]) + adaptive_max_pool(x, [2, 3, 3])"),
    ("[2, 9]", "max_unpool(tanh(max_pool(x, 2)), x, 2)"),
    ("[2, 7, 8]", "max_unpool(conv(max_pool(x, 3, stride: 2, pad: 1), 2, 1), x, 3, stride: 2, pad: 1)"),
    ("[2, 7, 8]", "max_unpool(tanh(max_pool(x, [2, 3], ceil: true)), relu(x), [2, 3], ceil: true)"),
    ("[2, 3, 2, 4]", "max_unpool(tanh(max_pool(x, [2, 1, 3])), x, [2, 1, 3])"),
    ("[4]", "batch_norm(x)"),
    ("[3, 40]", "batch_norm(x, eps: 0.01, momentum: 0.3) |> relu"),
    ("[2, 3, 2, 4]", "batch_norm(x) |> tanh"),
    ("[5]", "lrn(2 * x, alpha: 1)"),
    ("[3, 70]", "lrn(x, size: 2, alpha: 3, beta: 0.5, k: 2) |> relu"),
    ("[6, 7, 11]", "lrn(x, size: 4, alpha: 0.5)"),
    ("[2, 3, 2, 4]", "lrn(x, size: 1, alpha: 0.5, beta: 1)"),
    ("[5]", "hard_swish(4 * x)"),
    ("[3, 7, 8]", "hard_swish(4 * x)"),
    ("[5]", "relu6(9 * x)"),
    ("[3, 7, 8]", "conv(x, 4, 3) |> relu6"),
    ("[5]", "prelu(x)"),
    ("[3, 40]", "prelu(x, per_channel: false)"),
    ("[2, 3, 2, 4]", "prelu(x)"),
    ("[5]", "elu(2 * x)"),
    ("[3, 7, 8]", "elu(2 * x, 0.7)"),
    ("[3, 7, 8]", "silu(4 * x) |> conv(2, 1) |> hard_sigmoid"),
    ("[3, 7, 8]", "gelu(4 * x) |> conv(2, 1) |> gelu(approximate: tanh)"),
    ("[2, 3, 2, 4]", "gelu(4 * x, approximate: none)"),
    ("[3, 7, 8]", "softplus(4 * x) |> softplus(beta: 3)"),
    ("[3, 40]", "abs(x) + square(x)"),
    ("[2, 3, 2, 4]", "sqrt(x + 1.5) - log(2.5 - x)"),
    ("[5]", "exp(x)"),
    ("[3, 7, 8]", "clamp(x, min: -0.25) |> clamp(max: 0.5)"),
    ("[5]", "clamp(x, min: -0.4, max: 0.3)"),
    ("[5]", "softmax(x)"),
    ("[4, 9]", "softmax(x)"),
    ("[3, 7, 8]", "softmax(x)"),
    ("[3, 7, 8]", "softmax(x, axis: 1)"),
    ("[2, 3, 2, 40]", "softmax(x, axis: 3)"),
    ("[50]", "log_softmax(x)"),
    ("[3, 7, 8]", "log_softmax(4 * x)"),
    ("[2, 3, 40]", "log_softmax(x, axis: 2)"),
    ("[2, 3, 2, 4]", "log_softmax(x, axis: 1)"),
    ("[5]", "layer_norm(x)"),
    ("[3, 7, 8]", "layer_norm(x, eps: 1e-3)"),
    ("[4, 7, 8]", "layer_norm(x, over: channels)"),
    ("[4, 9]", "layer_norm(x, affine: false)"),
    ("[6, 4, 5]", "group_norm(x, 2)"),
    ("[6, 3, 2, 4]", "group_norm(x, 6)"),
    ("[6]", "group_norm(x, 2, affine: false, eps: 0.01)"),
    ("[5]", "l2_normalize(x)"),
    ("[3, 7, 8]", "l2_normalize(x)"),
    ("[3, 7, 8]", "l2_normalize(x, axis: 2, eps: 0.5)"),
    ("[5]", "sum(x, keep: true)"),
    ("[3, 7, 8]", "mean(x) |> reshape([1])"),
    ("[3, 7, 8]", "x - mean(x) + mean(x, [1, 2], keep: true)"),
    ("[3, 7, 8]", "sum(x, 1) |> relu"),
    ("[2, 3, 2, 4]", "max(x, [1, 3])"),
    ("[3, 7, 8]", "max(relu(x), 0)"),
    ("[2, 9]", "max(x, keep: true) - x"),
    ("[4, 5, 6]", "gram(x)"),
    ("[3]", "gram(x)"),
    // Repetition of every axis, on either side and on both.
    ("[3, 4, 5]", "x + global_max_pool(x)"),
    ("[3, 4, 5]", "global_avg_pool(x) - x"),
    ("[3, 4, 5]", "mul(x, avg_pool(x, [4, 1]), avg_pool(x, [1, 5]))"),
    ("[3, 4, 5]", "sub(max_pool(x, [1, 5]), avg_pool(x, [4, 1]))"),
    ("[3, 4, 5]", "x * conv(x, 1, 1)"),
    ("[2, 3, 2, 4]", "x * global_max_pool(x) + conv(x, 1, 1)"),
    // Vectors and single numbers, over space.
    ("[3, 4, 5]", "x * (global_avg_pool(x) |> flatten |> dense(3) |> sigmoid)"),
    ("[3, 4]", "(x |> flatten |> dense(1)) - x"),
    ("[3, 2, 4, 2]", "x + (x |> flatten |> dense(3))"),
    ("[4, 4]", "x * (x |> flatten |> dense(4))"),
    ("[3, 4, 5]", "x / (2 + x) - (2.5 / (3 + x)) / 2"),
    ("[3, 4, 5]", "(global_max_pool(x) |> flatten) / (2 + x)"),
    ("[2, 3, 2, 4]", "x / sum(exp(x), 0, keep: true)"),
    ("[5]", "div(x, weight([5], init: 2))"),
    ("[3, 4]", "(1 / (x |> sigmoid |> flatten |> dense(1) |> exp)) * x"),
    ("[3, 4, 5]", "scale(x)"),
    ("[5]", "scale(x, bias: true, init: 0.5)"),
    ("[2, 3, 2, 4]", "scale(x, bias: true)"),
    ("[5]", "add(x, x, x)"),
    ("[5]", "x * x - x"),
    ("[5]", "2.5 - 0.5 * x"),
    ("[3, 4, 5]", "concat(x, x, conv(x, 2, 1))"),
    ("[3, 4, 5]", "concat(x, conv(x, 3, [2, 1]), axis: 1)"),
    ("[3, 4, 5]", "concat(conv(x, 3, [1, 3]), x, x, axis: 2)"),
    ("[3]", "concat(x, relu(x), dense(x, 4))"),
    // The inner concatenation and its operands all end up in the outer one, but the inner one is still to be computed.
    ("[3, 4, 5]", "concat(concat(x, x), x)"),
    ("[4, 4, 5]", "concat(concat(x, relu(x), axis: 1), reshape(x, [2, 8, 5]), reshape(relu(x), [2, 8, 5]))"),
    ("[2, 3, 2, 4]", "concat(x, relu(x), axis: 3)"),
    ("[3, 4, 5]", "reshape(x, [5, 12]) |> conv(2, 3)"),
    ("[24]", "reshape(x, [2, 3, 2, 2]) |> conv(3, 2)"),
    ("[2, 6, 9]", "space_to_depth(x, 3) |> depth_to_space(3)"),
    ("[8, 3, 5]", "depth_to_space(x, 2) |> space_to_depth(1)"),
    ("[2, 12]", "space_to_depth(x, 3) |> tanh |> depth_to_space(2)"),
    ("[8, 3, 1, 5]", "depth_to_space(x, 2) |> tanh |> space_to_depth(2)"),
    ("[1, 6, 3, 9]", "space_to_depth(x, 3) |> conv(16, 1) |> depth_to_space(2)"),
    ("[3, 4]", "transpose(x, [1, 0])"),
    ("[2, 3, 4, 5]", "transpose(x, [3, 1, 0, 2]) |> conv(2, 1)"),
    ("[2, 3, 4]", "transpose(x, [1, 0, 2]) |> tanh |> transpose([2, 1, 0])"),
    ("[6, 4, 5]", "channel_shuffle(x, 3) |> conv(4, 3)"),
    ("[6]", "channel_shuffle(x, 2)"),
    ("[6, 9]", "channel_shuffle(x, 2) |> conv(4, 3)"),
    ("[4, 2, 3, 5]", "channel_shuffle(x, 2) |> conv(4, 2)"),
    ("[5, 4, 6]", "slice(x, 1, 3)"),
    ("[5, 4, 6]", "slice(x, 2, 4, axis: 1) * slice(x, 0, 2, axis: 1)"),
    ("[2, 3, 4, 5]", "relu(slice(x, 1, 4, axis: 3))"),
    ("[5, 4, 6]", "slice(x, 1, 5, stride: 2) + slice(x, 0, 3, stride: 2)"),
    ("[5, 4, 6]", "slice(x, 0, 4, axis: 1, stride: 3) |> slice(1, 6, axis: 2, stride: 4)"),
    ("[2, 3, 2, 4]", "slice(x, 0, 4, axis: 3, stride: 2)"),
    ("[9]", "slice(x, 2, 9, stride: 3)"),
    ("[6]", "sigmoid(split(x, 2)[0]) * split(x, 2)[1]"),
    ("[6, 4, 5]", "concat(split(x, 3)[2], tanh(split(x, 3)[0]), split(x, 3)[1])"),
    ("[6, 4, 5]", "split(x, [1, 3], axis: 1)[1] + split(x, [3, 1], axis: 1)[0]"),
    ("[3, 4, 5]", "pad(x, 1)"),
    ("[3, 4, 5]", "pad(x, [2, (0, 4)], mode: reflect) |> conv(2, 3)"),
    ("[3, 9]", "pad(x, [(3, 12)], mode: replicate)"),
    ("[3, 4, 5]", "pad(x, channels: 2) - pad(x, 0, channels: (1, 3), mode: replicate)"),
    ("[2, 3, 2, 4]", "pad(x, 1, channels: (0, 1), mode: reflect)"),
    (
        "[5]",
        "pad(x, channels: (3, 1)) - pad(x, channels: 2, mode: replicate) + pad(x, channels: (1, 3), mode: reflect)",
    ),
    ("[2, 3, 2, 4]", "pad(x, [2, 1, 3], mode: reflect) |> pad(1)"),
    ("[2, 3, 2, 4]", "pad(x, [1, 0, 5], mode: replicate)"),
    ("[3, 4, 5]", "upsample(x, 2)"),
    ("[3, 4, 5]", "upsample(x, [2, 3], mode: bilinear)"),
    ("[3, 4, 5]", "upsample(x, 2, mode: bilinear, align_corners: true)"),
    ("[3, 4, 5]", "upsample(x, size: [3, 70])"),
    ("[3, 4, 5]", "upsample(x, size: [9, 3], mode: bilinear)"),
    ("[2, 9]", "upsample(x, 2, mode: linear)"),
    ("[2, 9]", "upsample(x, size: 5)"),
    ("[2, 3, 2, 4]", "upsample(x, [1, 2, 3], mode: trilinear)"),
    ("[2, 3, 2, 4]", "upsample(x, 2, mode: trilinear, align_corners: true)"),
    ("[2, 3, 2, 4]", "upsample(x, 2)"),
    ("[3, 4, 5]", "flatten(x) |> leaky_relu(0.3)"),
    ("[5]", "triplet(x, dense(x, 5), tanh(dense(x, 5)), margin: 3)"),
    ("[3, 4, 5]", "triplet(x, relu(x), conv(x, 3, 1), margin: 9, distance: euclidean)"),
    ("[5]", "triplet(x, dense(x, 5), tanh(dense(x, 5)), margin: 9, distance: manhattan)"),
    ("[5]", "contrastive(x, dense(x, 5), sigmoid(dense(x, 1)), margin: 3)"),
    ("[3, 4, 5]", "content(x, conv(x, 3, 1)) + 100 * style(x, conv(x, 3, 1))"),
    ("[3, 4, 5]", "total_variation(x) + total_variation(x, squared: true)"),
    ("[2, 3, 1, 4]", "total_variation(x, squared: true)"),
    ("[3, 4, 5]", "dropout(x, 0.4) |> sigmoid"),
    ("[9, 4, 5]", "dropout(x, 0.4, spatial: true) |> sigmoid"),
    ("[9]", "dropout(x, spatial: true)"),
    ("[3, 4, 5]", "x + (conv(x, 3, 1) |> relu |> drop_path(0.4))"),
    ("[3, 40]", "drop_path(x, 0.2) |> sigmoid"),
    ("[9]", "x + drop_path(relu(x), rate: 0)"),
    // So many weights that their gradients are not summed by groups of images.
    ("[32, 1, 3, 3]", "conv(x, 2048, [1, 3, 3], groups: 2)"),
    // Of a matrix each row is a vector.
    ("[5, 7]", "dense(x, 4) |> relu |> dense(70)"),
    ("[2, 1100]", "dense(x, 3)"),
    ("[70, 3]", "dense(x, 130, bias: false) |> dense(2) |> tanh |> batch_norm"),
    // Regions that follow from x in steps, so that they have no slope, as no gradient either.
    ("[3, 7, 8]", "roi_pool(x, 9 * (x |> flatten |> slice(0, 12) |> reshape([3, 4])) + 3, [2, 3], scale: 0.7)"),
    ("[2, 5, 6]", "roi_align(x, clamp(999 * (x |> flatten |> slice(0, 8) |> reshape([2, 4])), min: 0.7, max: 5.2), 2)"),
    (
        "[20, 5, 6]",
        "roi_align(x, clamp(999 * (x |> flatten |> slice(0, 4) |> reshape([1, 4])), min: 1, max: 9), [1, 3], scale: 0.4, \
         sampling_ratio: 2, aligned: true) |> conv(4, [1, 1, 2])",
    ),
    ("[13, 2, 3]", "yolo_decode(x, 8, boxes: 2, version: v1)"),
    ("[16, 3, 2]", "yolo_decode(x, 8, anchors: [(5, 9), (12.5, 7)], version: v2)"),
    ("[14, 2, 2]", "yolo_decode(x, 32, anchors: [(5, 9), (12.5, 7)])"),
    (
        "[10, 4, 3]",
        "roi_pool(x, proposals(slice(x, 0, 2), slice(x, 2, 10), 8, count: 5, scales: [9, 14], ratios: [0.7], image: [31, 26], \
         iou: 0.4, pre: 15, min_size: 3), 2, scale: 0.12)",
    ),
];

/// What is made of `x`, which has 20 channels that are computed in blocks: see `lower`.
const BLOCKED: &[(&str, &str)] = &[
    ("[3, 13, 15]", "conv(x, 32, 3, pad: 1)"),
    ("[3, 13, 15]", "conv(x, 48, 1) |> leaky_relu(0.1) |> conv(16, 1) |> tanh"),
    ("[3, 13, 15]", "conv(x, 17, 3, stride: 2, pad: 1) |> sigmoid"),
    ("[3, 13, 15]", "conv(x, 16, 1, stride: 2) |> relu |> conv(32, 2, stride: [3, 2])"),
    ("[3, 13, 15]", "concat(conv(x, 32, 1, stride: [1, 2]), conv(x, 20, 1, stride: [1, 2]) |> relu)"),
    ("[3, 41]", "conv(x, 32, 1, stride: 3) |> relu |> conv(16, 1, stride: 2)"),
    ("[3, 13, 15]", "conv(x, 16, [5, 3], pad: [2, (1, 2)], dilation: [1, 2])"),
    ("[3, 13, 15]", "conv(x, 32, 4, pad: 1) |> relu |> conv(19, 4, pad: [2, (1, 2)])"),
    ("[3, 13, 15]", "conv(x, 16, 3, pad: 2, bias: false) |> relu |> conv(19, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 3, pad: 1) |> max_pool(3, stride: 2, pad: 1)"),
    ("[3, 13, 15]", "max_pool(x, [2, 3], dilation: 2) |> avg_pool(3, stride: 2, pad: 1)"),
    ("[3, 13, 15]", "avg_pool(x, 3, stride: 2, pad: 1, ceil: true, count_pad: false) |> conv(16, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> lrn(alpha: 2, k: 2) |> conv(16, 3)"),
    ("[3, 13, 15]", "hard_swish(4 * x) |> conv(16, 3, pad: 1) |> hard_swish"),
    ("[3, 7, 8]", "conv_transpose(x, 32, 2, stride: 2) |> relu |> conv_transpose(16, 3, pad: 1)"),
    ("[3, 7, 8]", "conv_transpose(x, 18, 3, stride: 2, pad: 1, output_pad: 1) |> conv_transpose(3, 1)"),
    ("[3, 7, 8]", "conv_transpose(x, 64, 3, pad: 1) |> conv_transpose(32, 3, pad: 1, groups: 2)"),
    ("[3, 40]", "conv_transpose(x, 32, 5, stride: 2, pad: same) |> relu |> conv(16, 3)"),
    ("[3, 13, 15]", "filter(x, horizontal, per_channel: true, pad: 1) |> conv(16, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> global_avg_pool"),
    ("[3, 13, 15]", "conv(x, 20, 1) |> prelu |> conv(16, 3, pad: 1) |> prelu(per_channel: false) |> conv(16, 1)"),
    (
        "[3, 13, 15]",
        "silu(4 * x) |> conv(16, 3, pad: 1) |> gelu |> conv(16, 1) |> relu6 |> conv(20, 1) |> clamp(min: 0)",
    ),
    ("[3, 13, 15]", "x * global_max_pool(x)"),
    ("[3, 13, 15]", "x / (1 + global_max_pool(x)) |> conv(16, 3, pad: 1) |> exp"),
    ("[3, 13, 15]", "conv(x, 20, 1) / (1 + x) |> conv(16, 3, pad: 1)"),
    ("[3, 13, 15]", "relu((conv(x, 20, 3, pad: 1) |> drop_path(0.3)) + x) |> conv(16, 3, pad: 1)"),
    ("[3, 13, 15]", "(global_avg_pool(x) |> flatten |> dense(20)) - x |> conv(16, 3, pad: 1)"),
    ("[18, 40]", "x * (global_avg_pool(x) |> conv(20, 1) |> sigmoid) |> conv(16, 3)"),
    ("[3, 13, 15]", "scale(x, bias: true) |> conv(16, 1)"),
    ("[3, 13, 15]", "relu(conv(x, 20, 3, pad: 1) + x) |> conv(20, 3, pad: 1)"),
    ("[3, 13, 15]", "relu(batch_norm(conv(x, 20, 3, pad: 1, bias: false)) + x) |> conv(16, 3, pad: 1)"),
    // A sum that is an operand of the next one, without an activation between them.
    ("[3, 13, 15]", "x + conv(x, 20, 3, pad: 1)\n    y = y + conv(y, 20, 1)\n    y = relu(conv(y, 20, 1) + y)"),
    (
        "[3, 13, 15]",
        "concat(conv(x, 16, 1), conv(x, 32, 3, pad: 1) |> relu, max_pool(x, 3, stride: 1, pad: 1)) |> conv(16, 1)",
    ),
    ("[3, 13, 15]", "concat(conv(x, 16, 1), conv(x, 32, 3, pad: 1) |> relu) |> conv(16, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> conv(64, 3, groups: 2, pad: 1) |> conv(32, 1, groups: 2)"),
    ("[3, 6, 7]", "conv(x, 96, 3, pad: 1) |> relu |> conv(112, 3, pad: 1)"),
    ("[3, 26, 24]", "conv(x, 256, 1) |> conv(16, 1)"),
    ("[3, 7, 6]", "x + (conv(x, 128, 3) |> conv(96, 3, pad: 1) |> conv(20, 1) |> global_avg_pool)"),
    ("[3, 26, 45]", "conv(x, 24, 3, pad: 1) |> max_pool(4, stride: 4)"),
    ("[3, 13, 15]", "conv(x, 16, 3, groups: 4) |> conv(16, 3, pad: 1) |> dropout(0.3) |> conv(12, 1)"),
    ("[3, 40]", "conv(x, 32, 5, pad: 2) |> relu |> max_pool(2) |> conv(16, 3, stride: 2)"),
    ("[18, 40]", "conv(x, 32, 5, pad: 2) |> batch_norm |> conv(16, 3, dilation: 3)"),
    ("[40, 6, 7]", "0.5 * x - conv(x, 20, 1)"),
    ("[3, 13, 15]", "conv(x, 16, 1) |> upsample(2) |> conv(16, 3)"),
    ("[3, 6, 7]", "upsample(x, 2, mode: bilinear) |> conv(16, 3, pad: 1)"),
    ("[3, 13, 15]", "pad(x, 1, mode: reflect) |> conv(16, 3) |> pad([0, (2, 1)]) |> conv(16, 3)"),
    ("[18, 40]", "pad(x, 3, mode: replicate) |> conv(16, 3) |> upsample(2, mode: linear) |> conv(16, 3)"),
    ("[3, 7, 6]", "local_conv(x, 17, 3) |> conv(16, 3, pad: 1)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> pad(1, channels: (0, 16)) |> conv(16, 3)"),
    ("[3, 13, 15]", "x + weight([20, 13, 15]) |> convolutionalize(32, [3, 5]) |> convolutionalize(16, 1)"),
    (
        "[3, 13, 15]",
        "x\n    see = shared conv(32, 3, stride: 2)\n    y = relu(see(y)) |> conv_transpose(20, 3, stride: 2, weight: see)",
    ),
    ("[3, 13, 15]", "max_unpool(conv(max_pool(x, 2), 20, 3, pad: 1), x, 2) |> conv(16, 3)"),
    ("[3, 13, 15]", "adaptive_avg_pool(x, 7) + adaptive_max_pool(x, 7) |> conv(16, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> slice(16, 32) |> conv(16, 3, pad: 1)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> channel_shuffle(2) |> conv(16, 3, groups: 2)"),
    ("[3, 13, 15]", "group_norm(x, 4) |> conv(16, 3, pad: 1) |> layer_norm(over: channels) |> conv(16, 1)"),
    ("[3, 6, 7]", "layer_norm(x) |> conv(16, 3) |> l2_normalize(eps: 0.5) |> conv(16, 1)"),
    (
        "[3, 13, 15]",
        "elu(x - 1, 0.7) |> conv(16, 3, pad: 1) |> softplus(beta: 2) |> conv(20, 1) |> gelu(approximate: tanh)",
    ),
    (
        "[3, 13, 15]",
        "abs(x - 0.5) |> conv(16, 1) |> square |> conv(16, 1) |> hard_sigmoid |> conv(20, 1) |> clamp(max: 0.5)",
    ),
    ("[3, 13, 15]", "sqrt(x + 1) |> conv(16, 1) |> sigmoid |> log |> conv(16, 3)"),
    ("[3, 13, 15]", "softmax(x) |> conv(16, 1) |> log_softmax(axis: 1) |> conv(16, 3)"),
    ("[3, 6, 7]", "dropout(x, 0.4, spatial: true) |> conv(16, 3) |> dropout(0.2) |> sigmoid"),
    ("[3, 13, 15]", "add(x, conv(x, 20, 1), weight([20], init: 0.5)) |> conv(16, 3)"),
    ("[3, 13, 15]", "x - mean(x, 0, keep: true) * max(x, [1, 2], keep: true) |> conv(16, 3)"),
    ("[3, 13, 15]", "sum(conv(x, 32, 1), [1, 2]) |> dense(16)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> max(1) |> conv(16, 3)"),
    ("[3, 6, 7]", "gram(conv(x, 16, 3))"),
    ("[3, 12, 14]", "conv(x, 32, 1) |> space_to_depth(2) |> conv(64, 1) |> depth_to_space(2) |> conv(16, 3)"),
    ("[3, 40]", "conv(x, 32, 1) |> space_to_depth(4) |> conv(64, 3) |> depth_to_space(2) |> conv(16, 3)"),
    ("[3, 6, 7]", "conv(x, 32, 1) |> transpose([1, 0, 2]) |> conv(16, 3)"),
    ("[3, 6, 8]", "conv(x, 32, 1) |> reshape([64, 3, 8]) |> conv(16, 3, pad: 1)"),
    ("[3, 6, 7]", "conv(x, 32, 1) |> flatten |> dense(16) |> relu"),
    (
        "[3, 13, 15]",
        "conv(x, 48, 1) |> slice(3, 41, stride: 2) |> slice(1, 12, axis: 1, stride: 3) |> conv(16, 3, pad: 1)",
    ),
    ("[3, 13, 15]", "conv(split(conv(x, 64, 1), 2)[1], 16, 3) + (split(conv(x, 48, 1), [32, 16])[1] |> conv(16, 3))"),
    ("[3, 13, 15]", "concat(x, split(x, [4, 9], axis: 1)[1], axis: 1) |> conv(16, 3)"),
    ("[3, 6, 7]", "concat(conv(x, 17, 1), x, relu(x)) |> conv(16, 3)"),
    (
        "[3, 13, 15]",
        "max_unpool(conv(max_pool(x, 3, stride: 2, pad: 1), 20, 1), relu(x), 3, stride: 2, pad: 1) |> conv(16, 3)",
    ),
    (
        "[3, 13, 15]",
        "upsample(x, size: [9, 21]) |> conv(16, 3) |> upsample(size: [12, 11], mode: bilinear, align_corners: true)",
    ),
    (
        "[3, 7, 8]",
        "roi_pool(x, 9 * (x |> flatten |> slice(0, 12) |> reshape([3, 4])) + 3, [2, 3], scale: 0.7) |> conv(16, [1, 2, 2])",
    ),
    ("[3, 3, 2]", "conv(x, 32, 1) |> yolo_decode(8, anchors: [(5, 9), (12.5, 7)], version: v2)"),
    ("[3, 6, 7]", "mse(conv(x, 20, 1), x) + l1(x, sigmoid(x)) + smooth_l1(x, conv(x, 20, 1), beta: 0.5)"),
    (
        "[3, 6, 7]",
        "binary_cross_entropy(sigmoid(x), softmax(x)) + binary_cross_entropy_with_logits(x, sigmoid(x), pos_weight: 2)",
    ),
    (
        "[3, 6, 7]",
        "triplet(x, conv(x, 20, 1), tanh(x), margin: 9) + contrastive(x, tanh(x), sigmoid(mean(x)), margin: 9)",
    ),
    ("[3, 6, 7]", "content(x, conv(x, 20, 1)) + style(x, tanh(x)) + total_variation(x)"),
    ("[3, 4, 6, 7]", "conv(x, 32, 3, pad: 1) |> relu |> max_pool(2) |> conv(16, 1) |> batch_norm"),
];

/// Losses of `x`, which is `[20, 6, 7]` and computed in blocks, beside these targets.
const BLOCKED_LOSSES: &[(&str, &str)] = &[
    ("target labels: class(20, [6, 7], ignore: 255)", "cross_entropy(x, labels, label_smoothing: 0.1)"),
    ("target labels: class(20, [6, 7])", "sum(square(softmax(x) - one_hot(labels)))"),
    ("target map: [20, 6, 7]", "mse(x, map) + l1(x, map) + binary_cross_entropy_with_logits(x, map)"),
    (OBJECTS, "yolo_v1(x, objects, 4, boxes: 3, rescore: false)"),
    (OBJECTS, "yolo_v2(conv(x, 16, 1), objects, 4, anchors: [(5, 9), (12.5, 7)], rescore: false)"),
    (OBJECTS, "yolo_v3(conv(x, 16, 1), objects, 4, anchors: [(5, 9), (12.5, 7)])"),
    (OBJECTS, "rpn(slice(x, 0, 4), slice(x, 4, 20), objects, 4, scales: [6, 12], ratios: [0.5, 1])"),
];

/// Three classes of objects in a picture of about 24 pixels, some of them padding.
const OBJECTS: &str = "target wanted: [4, 5]
    objects = concat(3 * slice(wanted, 0, 1, axis: 1) - 0.5, 24 * slice(wanted, 1, 5, axis: 1), axis: 1)";

/// Losses of `x`, which is `[6]`, beside a `label` of 6 classes and `wanted` numbers from 0 to 1.
const LOSSES: &[&str] = &[
    "cross_entropy(x, label)",
    "0.3 * cross_entropy(x, label) + 2 * cross_entropy(dense(x, 6), label)",
    "mse(x, wanted)",
    "mse(x, relu(image)) + 0.5 * mse(sigmoid(x), softmax(x))",
    "binary_cross_entropy(sigmoid(x), wanted)",
    "binary_cross_entropy(softmax(x), sigmoid(2 * image))",
    "binary_cross_entropy(sigmoid(x), sigmoid(dense(x, 6)))",
    "cross_entropy(x, label) * mse(x, wanted)",
    "cross_entropy(4 * x, label, label_smoothing: 0.1) + sum(x * one_hot(label))",
    "cross_entropy(x, label, class_weights: [1, 2, 0.5, 0, 3, 0.25], label_smoothing: 0.5)",
    "binary_cross_entropy_with_logits(30 * x, wanted) + binary_cross_entropy_with_logits(x, wanted, pos_weight: 2.5)",
    "binary_cross_entropy_with_logits(x, sigmoid(2 * image), pos_weight: [1, 2, 0.5, 0, 3, 0.25])",
    "l1(x, wanted) + smooth_l1(x, wanted) + smooth_l1(4 * x, image, beta: 0.5)",
    "localization(concat(x, image), concat(wanted, wanted)) + localization(slice(x, 1, 6), slice(wanted, 1, 6))",
    "landmark(slice(x, 0, 5), slice(wanted, 0, 5))",
];

/// Losses of `x`, a map of this shape, beside `labels` of this kind.
const SEGMENTS: &[(&str, &str, &str)] = &[
    ("[2, 9]", "class(2, [9])", "cross_entropy(x, labels)"),
    ("[3, 7, 8]", "class(3, [7, 8], ignore: 255)", "cross_entropy(9 * x, labels) + sum(x * one_hot(labels))"),
    ("[4, 40]", "class(4, [40], ignore: 1)", "cross_entropy(x, labels, label_smoothing: 0.3)"),
    ("[2, 3, 2, 4]", "class(2, [3, 2, 4])", "cross_entropy(x, labels, class_weights: [0.5, 3], label_smoothing: 1)"),
    ("[20, 5, 7]", "class(20, [5, 7], ignore: 20)", "cross_entropy(conv(x, 20, 3, pad: 1) |> relu, labels)"),
    (
        "[5]",
        "class(5, ignore: 7)",
        "cross_entropy(x, labels) * cross_entropy(x, labels, label_smoothing: 0.1) + sum(one_hot(labels))",
    ),
];

/// Losses of `x`, a map of this shape, beside four `objects` of three classes in a picture of about 24 pixels, some of them
/// padding.
const DETECTION: &[(&str, &str)] = &[
    ("[13, 3, 2]", "yolo_v1(x, objects, 9, rescore: false)"),
    ("[16, 3, 3]", "yolo_v2(x, objects, 8, anchors: [(5, 9), (12.5, 7)], rescore: false)"),
    ("[16, 3, 3]", "yolo_v3(x, objects, 8, anchors: [(5, 9), (12.5, 7)])"),
    ("[16, 3, 2]", "yolo_v3(x, objects, 9, anchors: [(5, 9), (12.5, 7)], others: [(20, 20), (3, 4)], ignore: 0.2)"),
    (
        "[15, 4, 3]",
        "rpn(slice(x, 0, 3), slice(x, 3, 15), objects, 7, scales: [9], ratios: [0.5, 1, 2], image: [29, 22])",
    ),
    (
        "[10, 3, 4]",
        "rpn(slice(x, 0, 2), slice(x, 2, 10), objects, 8, scales: [6, 12], ratios: [1], positive: 0.4, negative: 0.2, sample: 8, \
         balance: 2)",
    ),
    (
        "[20, 3, 3]",
        "fast_rcnn(x |> flatten |> slice(0, 24) |> reshape([6, 4]), x |> flatten |> slice(24, 120) |> reshape([6, 16]), \
         regions, objects, positive: 0.3, sample: 5, share: 0.5, balance: 2)",
    ),
    (
        "[8, 3, 3]",
        "fast_rcnn(x |> flatten |> slice(0, 4) |> reshape([2, 2]), x |> flatten |> slice(0, 16) |> reshape([2, 8]), \
         slice(regions, 0, 2), objects, negative: 0)",
    ),
];

/// Likewise, but what a box shares with its object is wanted of it and a constant to the gradient, so that differences are not
/// the gradient.
const RESCORED: &[(&str, &str)] = &[
    ("[12, 3, 3]", "0.3 * yolo_v1(x, objects, 8, boxes: 2, coord: 2, noobj: 1)"),
    (
        "[8, 2, 3]",
        "yolo_v2(x, objects, 10, anchors: [(9, 9)], coord: 2, object: 3, noobj: 0.7, class: 1.3, ignore: 0.3)",
    ),
];

/// What is frozen of `conv |> batch_norm`.
const FROZEN: &[&str] = &["\"norm\"", "\"norm.weight\"", "\"norm.bias\"", "\"front\"", "x"];

/// Convolutions of `image`, of few channels and with a stride, that are computed over the stride's phases: see `lower`.
const PHASES: &[(&str, &str)] = &[
    ("[3, 23, 26]", "conv(image, 32, 7, stride: 2, pad: 3)"),
    ("[2, 41, 37]", "conv(image, 40, 11, stride: 4, pad: 2)"),
    ("[4, 40, 41]", "conv(image, 48, 5, stride: 2, pad: 2)"),
];

/// Inputs whose gradients are parts of one value that is, being of one place, in blocks and in plain order at once.
const PARTS: &str = "net Use {
    input a, b: [16, 1, 1]
    x = concat(a, b) |> conv(32, 1)
    output x
    target wanted: [32, 1, 1]
    loss mse(x, wanted)
}
";

/// The networks as text.
pub fn networks() -> Vec<String> {
    let operators = USES.iter().map(|(shape, used)| {
        let same = if shape.contains(',') { "conv(image, image.channels, 1)" } else { "dense(image, image.channels)" };
        format!(
            "net Use {{\n    input image: {shape}\n    x = {same} |> tanh\n    y = {used}\n    head = y |> flatten |> dense(5)\n\
             \x20   output y\n    output head\n    target wanted: [5]\n    loss mse(head, wanted)\n}}\n"
        )
    });
    let losses = LOSSES.iter().map(|loss| {
        let targets = ["    target label: class(6)\n", "    target wanted: [6]\n"];
        let targets: String =
            targets.iter().zip(["label", "wanted"]).filter(|(_, name)| loss.contains(name)).map(|(t, _)| *t).collect();
        format!(
            "net Use {{\n    input image: [6]\n    x = dense(image, 6)\n    output x\n{targets}    loss {loss}\n}}\n"
        )
    });
    let segments = SEGMENTS.iter().map(|(shape, labels, loss)| {
        let same = if shape.contains(',') { "conv(image, image.channels, 1)" } else { "dense(image, image.channels)" };
        format!(
            "net Use {{\n    input image: {shape}\n    x = {same}\n    output x\n    target labels: {labels}\n    loss {loss}\n}}\n"
        )
    });
    let frozen = FROZEN.iter().map(|frozen| {
        format!(
            "net Use {{\n    input image: [2, 4, 3]\n    x = image |> conv(3, 1) as front |> batch_norm as norm\n    y = x |> relu |> \
             conv(2, 2)\n    output y\n    target wanted: [2, 3, 2]\n    freeze {frozen}\n    loss mse(y, wanted)\n}}\n"
        )
    });
    operators.chain(losses).chain(segments).chain(DETECTION.iter().map(detection)).chain(frozen).collect()
}

/// A network around the loss of a map of boxes.
fn detection((shape, loss): &(&str, &str)) -> String {
    format!(
        "net Use {{\n    input image: {shape}\n    x = image |> conv(image.channels, 1) |> tanh\n    output x\n    {OBJECTS}\n{}    loss {loss}\n}}\n",
        if loss.contains("regions") { REGIONS } else { "" }
    )
}

/// Networks of which some gradients are not the slopes of their losses, as text.
pub fn rescored() -> Vec<String> {
    RESCORED.iter().map(detection).collect()
}

/// Regions by corners: most share something with the objects.
const REGIONS: &str = "    target corners: [6, 4]
    regions = concat(12 * slice(corners, 0, 2, axis: 1), 24 * slice(corners, 2, 4, axis: 1), axis: 1)
";

/// Networks that are computed in blocks of channels, as text. Their gradient rules are those of the others.
pub fn blocked() -> Vec<String> {
    let texts = BLOCKED.iter().map(|(shape, used)| {
        let window = if shape.matches(',').count() == 1 { "5, stride: 1, pad: 2" } else { "3, pad: 1" };
        format!(
            "net Use {{\n    input image: {shape}\n    x = image |> conv(20, {window}) |> batch_norm |> relu\n    y = {used}\n\
             \x20   head = y |> flatten |> dense(5)\n    output y\n    output head\n    target wanted: [5]\n    loss mse(head, wanted)\n}}\n"
        )
    });
    let losses = BLOCKED_LOSSES.iter().map(|(targets, loss)| {
        format!(
            "net Use {{\n    input image: [3, 6, 7]\n    x = image |> conv(20, 3, pad: 1) |> tanh\n    output x\n    {targets}\n\
             \x20   loss {loss}\n}}\n"
        )
    });
    let phases = PHASES.iter().map(|(shape, conv)| {
        format!(
            "net Use {{\n    input image: {shape}\n    y = {conv} |> batch_norm |> relu\n    z = {conv} |> max_pool(3, stride: 2)\n\
             \x20   head = concat(global_avg_pool(y), global_max_pool(z)) |> flatten |> dense(5)\n    output y\n    output head\n\
             \x20   target wanted: [5]\n    loss mse(head, wanted)\n}}\n"
        )
    });
    texts.chain(losses).chain(phases).chain([PARTS.to_owned()]).collect()
}
