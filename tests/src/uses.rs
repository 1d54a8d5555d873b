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
    ("[4]", "batch_norm(x)"),
    ("[3, 40]", "batch_norm(x, eps: 0.01, momentum: 0.3) |> relu"),
    ("[2, 3, 2, 4]", "batch_norm(x) |> tanh"),
    ("[5]", "hard_swish(4 * x)"),
    ("[3, 7, 8]", "hard_swish(4 * x)"),
    ("[5]", "softmax(x)"),
    ("[4, 9]", "softmax(x)"),
    ("[3, 7, 8]", "softmax(x)"),
    // Repetition of every axis, on either side and on both.
    ("[3, 4, 5]", "x + global_max_pool(x)"),
    ("[3, 4, 5]", "global_avg_pool(x) - x"),
    ("[3, 4, 5]", "mul(x, avg_pool(x, [4, 1]), avg_pool(x, [1, 5]))"),
    ("[3, 4, 5]", "sub(max_pool(x, [1, 5]), avg_pool(x, [4, 1]))"),
    ("[3, 4, 5]", "x * conv(x, 1, 1)"),
    ("[2, 3, 2, 4]", "x * global_max_pool(x) + conv(x, 1, 1)"),
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
    ("[3, 4, 5]", "flatten(x) |> leaky_relu(0.3)"),
    ("[3, 4, 5]", "dropout(x, 0.4) |> sigmoid"),
];

/// What is made of `x`, which has 20 channels that are computed in blocks: see `lower`.
const BLOCKED: &[(&str, &str)] = &[
    ("[3, 13, 15]", "conv(x, 32, 3, pad: 1)"),
    ("[3, 13, 15]", "conv(x, 48, 1) |> leaky_relu(0.1) |> conv(16, 1) |> tanh"),
    ("[3, 13, 15]", "conv(x, 17, 3, stride: 2, pad: 1) |> sigmoid"),
    ("[3, 13, 15]", "conv(x, 16, 1, stride: 2) |> relu |> conv(32, 2, stride: [3, 2])"),
    ("[3, 13, 15]", "conv(x, 16, [5, 3], pad: [2, (1, 2)], dilation: [1, 2])"),
    ("[3, 13, 15]", "conv(x, 16, 3, pad: 2, bias: false) |> relu |> conv(19, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 3, pad: 1) |> max_pool(3, stride: 2, pad: 1)"),
    ("[3, 13, 15]", "max_pool(x, [2, 3], dilation: 2) |> avg_pool(3, stride: 2, pad: 1)"),
    ("[3, 13, 15]", "avg_pool(x, 3, stride: 2, pad: 1, ceil: true, count_pad: false) |> conv(16, 3)"),
    ("[3, 13, 15]", "hard_swish(4 * x) |> conv(16, 3, pad: 1) |> hard_swish"),
    ("[3, 7, 8]", "conv_transpose(x, 32, 2, stride: 2) |> relu |> conv_transpose(16, 3, pad: 1)"),
    ("[3, 7, 8]", "conv_transpose(x, 18, 3, stride: 2, pad: 1, output_pad: 1) |> conv_transpose(3, 1)"),
    ("[3, 7, 8]", "conv_transpose(x, 64, 3, pad: 1) |> conv_transpose(32, 3, pad: 1, groups: 2)"),
    ("[3, 40]", "conv_transpose(x, 32, 5, stride: 2, pad: same) |> relu |> conv(16, 3)"),
    ("[3, 13, 15]", "conv(x, 32, 1) |> global_avg_pool"),
    ("[3, 13, 15]", "x * global_max_pool(x)"),
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
    ("[3, 7, 6]", "x + (conv(x, 128, 3) |> conv(96, 3, pad: 1) |> conv(20, 1) |> global_avg_pool)"),
    ("[3, 26, 45]", "conv(x, 24, 3, pad: 1) |> max_pool(4, stride: 4)"),
    ("[3, 13, 15]", "conv(x, 16, 3, groups: 4) |> conv(16, 3, pad: 1) |> dropout(0.3) |> conv(12, 1)"),
    ("[3, 40]", "conv(x, 32, 5, pad: 2) |> relu |> max_pool(2) |> conv(16, 3, stride: 2)"),
    ("[18, 40]", "conv(x, 32, 5, pad: 2) |> batch_norm |> conv(16, 3, dilation: 3)"),
    ("[40, 6, 7]", "0.5 * x - conv(x, 20, 1)"),
];

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
];

/// What is frozen of `conv |> batch_norm`.
const FROZEN: &[&str] = &["\"norm\"", "\"norm.weight\"", "\"norm.bias\"", "\"front\"", "x"];

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
    let frozen = FROZEN.iter().map(|frozen| {
        format!(
            "net Use {{\n    input image: [2, 4, 3]\n    x = image |> conv(3, 1) as front |> batch_norm as norm\n    y = x |> relu |> \
             conv(2, 2)\n    output y\n    target wanted: [2, 3, 2]\n    freeze {frozen}\n    loss mse(y, wanted)\n}}\n"
        )
    });
    operators.chain(losses).chain(frozen).collect()
}

/// Networks that are computed in blocks of channels, as text. Their gradient rules are those of the others.
pub fn blocked() -> Vec<String> {
    let texts = BLOCKED.iter().map(|(shape, used)| {
        let window = if shape.matches(',').count() == 1 { "5, stride: 1, pad: 2" } else { "3, pad: 1" };
        format!(
            "net Use {{\n    input image: {shape}\n    x = image |> conv(20, {window}) |> batch_norm |> relu\n    y = {used}\n\
             \x20   head = y |> flatten |> dense(5)\n    output y\n    output head\n    target wanted: [5]\n    loss mse(head, wanted)\n}}\n"
        )
    });
    texts.chain([PARTS.to_owned()]).collect()
}
