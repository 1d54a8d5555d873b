//! What changes numbers: activations, norms, arithmetic, sums along axes.

use super::{Writer, list};

impl Writer {
    pub(super) fn activation(&mut self) {
        let name = *self.random.pick(&[
            "relu",
            "tanh",
            "sigmoid",
            "leaky_relu(0.1)",
            "leaky_relu(slope: 0.3)",
            "silu",
            "gelu",
            "gelu(approximate: tanh)",
            "elu(0.5)",
            "elu(alpha: 1.5)",
            "softplus",
            "softplus(beta: 3)",
            "prelu",
            "prelu(per_channel: false)",
            "relu6",
            "hard_sigmoid",
            "hard_swish",
            "abs",
            "clamp(min: -1, max: 0.5)",
            "clamp(min: -0.2)",
        ]);
        self.say(format!("x = x |> {name}"));
    }

    pub(super) fn dropout(&mut self) {
        let call = *self.random.pick(&[
            "dropout(0.1)",
            "dropout(rate: 0.4)",
            "dropout(0.3, spatial: true)",
            "drop_path(0.1)",
            "drop_path(rate: 0.5)",
        ]);
        self.say(format!("x = x |> {call}"));
    }

    /// One at most: of a norm behind a norm, the first one's gradients cancel, and what is left of them are no digits to compare.
    pub(super) fn batch_norm(&mut self) {
        if self.lines.iter().any(|line| line.contains("batch_norm")) {
            return self.activation();
        }
        let more = self.some(&[&["eps: 0.01", "eps: 0.3"], &["momentum: 0.3", "momentum: 1", "momentum: 0"]]);
        self.say(format!("x = batch_norm(x{more})"));
    }

    /// Something that changes numbers and no shape. What norms divide by stays well above zero.
    pub(super) fn same_shape(&mut self) {
        let (groups, axis) = (self.divisor(self.shape[0]), self.random.below(self.shape.len()));
        let affine: &[&str] = &["affine: false", "affine: true"];
        let eps = *self.random.pick(&["0.1", "0.3"]);
        let call = match self.random.below(10) {
            0 => format!("group_norm(x, {groups}, eps: {eps}{})", self.some(&[affine])),
            1 => format!("layer_norm(x, over: channels, eps: {eps}{})", self.some(&[affine])),
            2 => format!("layer_norm(x, eps: {eps}{})", self.some(&[&["over: all"], affine])),
            3 => format!("scale(x{})", self.some(&[&["bias: true", "bias: false"], &["init: 0.5"]])),
            4 => format!("channel_shuffle(x, {groups})"),
            5 => format!("softmax(5 * x{})", self.along(axis)),
            6 => format!("log_softmax(x{})", self.along(axis)),
            7 => {
                let size = self.random.between(1, self.shape[0] + 2);
                let more = self.some(&[&["beta: 0.5", "beta: 1"], &["k: 0.7", "k: 2"]]);
                format!("lrn(x, size: {size}, alpha: 0.5{more})")
            }
            8 => format!("l2_normalize(x, eps: 0.5{})", self.along(axis)),
            _ => "dropout(x, 0.3, spatial: true)".into(),
        };
        self.say(format!("x = {call}"));
    }

    /// The attribute `axis`, unless that is the one by default.
    pub(super) fn along(&mut self, axis: usize) -> String {
        if axis == 0 && !self.random.one_in(4) { String::new() } else { format!(", axis: {axis}") }
    }

    pub(super) fn arithmetic(&mut self) {
        let line = *self.random.pick(&[
            "x = 0.5 * x + 1",
            "x = x / (1 + exp(-x))",
            "x = x * sigmoid(x)",
            "x = x - tanh(x)",
            "x = sqrt(square(x) + 1)",
            "x = log(square(x) + 1)",
            "x = exp(clamp(x, max: 1))",
            "x = x - mean(x, 0, keep: true)",
            "x = x - max(x)",
            "x = tanh(x) / (1 + sum(square(x), 0, keep: true))",
            "x = x + x * x",
            "x = add(x, tanh(x), x)",
            "x = sub(tanh(x), x)",
            "x = mul(x, sigmoid(x), tanh(x))",
            "x = div(x, 1 + square(x))",
        ]);
        self.say(line.into());
    }

    /// Some of the axes, in any order.
    fn some_axes(&mut self) -> Vec<usize> {
        let mut axes: Vec<usize> = (0..self.shape.len()).collect();
        let count = self.random.between(1, axes.len());
        for i in 0..count {
            let other = self.random.between(i, axes.len() - 1);
            axes.swap(i, other);
        }
        axes.truncate(count);
        axes
    }

    /// Sums, means or largest elements along some axes: on their own, or beside `x`, to which they are repeated. Sums stay so
    /// small that what comes behind them does not saturate, where gradients have no digits to compare.
    pub(super) fn reduced(&mut self) {
        let (kind, axes) = (*self.random.pick(&["sum", "mean", "max"]), self.some_axes());
        let written = match axes[..] {
            [axis] if self.random.one_in(2) => axis.to_string(),
            _ => list(&axes),
        };
        let written = if self.random.one_in(3) { format!("axes: {written}") } else { written };
        let left = |axis: &usize| !axes.contains(axis);
        let kept: Vec<usize> = (0..self.shape.len()).filter(left).map(|axis| self.shape[axis]).collect();
        let operation = *self.random.pick(&["x * tanh", "x - 0.5 * tanh", "x + sigmoid"]);
        // Without its axes, what is left goes beside `x` if it is one number, or one for each channel.
        let beside = kept.is_empty() || (kept.len() == 1 && left(&0));
        match self.random.below(3) {
            0 => self.say(format!("x = {operation}({kind}(x, {written}, keep: true))")),
            1 if beside => self.say(format!("x = {operation}({kind}(x, {written}, keep: false))")),
            _ if !kept.is_empty() => {
                self.say(format!("x = 0.1 * x |> {kind}({written})"));
                self.shape = kept;
            }
            _ => {
                self.say(format!("x = 0.1 * x |> {kind}({written}, keep: true)"));
                self.shape = vec![1; self.shape.len()];
            }
        }
    }

    /// A fully connected layer, of a matrix one for each of its rows.
    pub(super) fn dense(&mut self) {
        let (units, bias) = (self.random.between(1, 20), self.some(&[&["bias: false", "bias: true"]]));
        self.say(format!("x = x |> dense({units}{bias})"));
        *self.shape.last_mut().expect("an axis") = units;
    }

    /// A tensor that is learnt and the same for every image.
    pub(super) fn template(&mut self) {
        let shape = if self.random.one_in(3) { vec![self.shape[0]] } else { self.shape.clone() };
        let (shape, init) = (list(&shape), self.some(&[&["init: 0.5"]]));
        self.say(format!("x = x + weight({shape}{init})"));
    }
}
