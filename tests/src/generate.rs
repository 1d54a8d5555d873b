//! Random small networks, as text.

mod detectors;
mod ends;
mod random;

pub use random::Random;

/// A network under construction: its text and the shape of the value `x`.
struct Writer {
    random: Random,
    inputs: Vec<String>,
    lines: Vec<String>,
    shape: Vec<usize>,
    losses: Vec<String>,
    targets: Vec<String>,
}

/// The network of a seed.
pub fn network(seed: u64) -> String {
    let mut random = Random::new(seed);
    let rank = *random.pick(&[1, 2, 2, 2, 2, 3]);
    let largest = [0, 24, 11, 6][rank];
    let shape: Vec<usize> =
        std::iter::once(random.between(1, 6)).chain((0..rank).map(|_| random.between(3, largest))).collect();
    let inputs = vec![format!("    input image: {}", list(&shape))];
    let lines = vec!["    x = image".into()];
    let mut writer = Writer { random, inputs, lines, shape, losses: vec![], targets: vec![] };
    for _ in 0..writer.random.between(1, 5) {
        writer.layer();
    }
    writer.end();
    writer.text(seed)
}

fn list(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("[{}]", numbers.join(", "))
}

impl Writer {
    fn text(self, seed: u64) -> String {
        let Self { inputs, lines, targets, losses, .. } = self;
        let loss = if losses.is_empty() { String::new() } else { format!("    loss {}\n", losses.join(" + ")) };
        let head = [inputs, lines].concat().join("\n");
        format!("net Random{seed} {{\n{head}\n{}{loss}}}\n", targets.concat())
    }

    fn say(&mut self, line: String) {
        self.lines.push(format!("    {line}"));
    }

    fn rank(&self) -> usize {
        self.shape.len() - 1
    }

    fn layer(&mut self) {
        match self.random.below(27) {
            0..=3 => self.conv("x", "x"),
            4 => self.pool(),
            5 => self.batch_norm(),
            6 | 7 => self.activation(),
            8 => self.residual(),
            9 => self.branches(),
            10 => self.arithmetic(),
            11 => self.dropout(),
            12 => self.gate(),
            13 => self.same_shape(),
            14 => self.parts(),
            15 => self.depthwise(),
            16 | 17 => self.enlarged(),
            18 => self.cut(),
            19 => self.adaptive(),
            20 => self.unpooled(),
            21 => self.by_place(),
            22 => self.template(),
            23 => self.regions(),
            24 => self.decoded(),
            25 => self.tied(),
            _ => self.turned(),
        }
    }

    fn dropout(&mut self) {
        let (rate, kind) = (*self.random.pick(&["0.1", "0.5"]), *self.random.pick(&["dropout", "drop_path"]));
        self.say(format!("x = x |> {kind}({rate})"));
    }

    /// One at most: of a norm behind a norm, the first one's gradients cancel, and what is left of them are no digits to compare.
    fn batch_norm(&mut self) {
        if self.lines.iter().any(|line| line.contains("batch_norm")) {
            return self.activation();
        }
        self.say("x = x |> batch_norm".into());
    }

    fn activation(&mut self) {
        let name = *self.random.pick(&[
            "relu",
            "tanh",
            "sigmoid",
            "leaky_relu(0.1)",
            "leaky_relu(slope: 0.3)",
            "silu",
            "gelu",
            "elu(0.5)",
            "softplus",
            "prelu",
            "relu6",
            "hard_sigmoid",
            "hard_swish",
            "abs",
            "clamp(min: -1, max: 0.5)",
        ]);
        self.say(format!("x = x |> {name}"));
    }

    /// Something that changes numbers and no shape.
    fn same_shape(&mut self) {
        let groups = self.divisor(self.shape[0]);
        let call = match self.random.below(10) {
            0 => format!("group_norm({groups}, eps: 0.1)"),
            1 => "layer_norm(over: channels, eps: 0.1)".into(),
            2 => "layer_norm(eps: 0.1)".into(),
            3 => "scale(bias: true)".into(),
            4 => format!("channel_shuffle({groups})"),
            5 => "log_softmax(axis: 1)".into(),
            6 => "lrn(size: 3, alpha: 0.5)".into(),
            7 => "l2_normalize(eps: 0.5)".into(),
            8 if self.rank() == 2 => {
                "filter([[1, 0, -1], [2, 0, -2], [1, 0, -1]], pad: same, per_channel: true)".into()
            }
            _ => "dropout(0.3, spatial: true)".into(),
        };
        self.say(format!("x = x |> {call}"));
    }

    /// Parts of the channels, one of them changed.
    fn parts(&mut self) {
        if self.shape[0] == 1 {
            return self.activation();
        }
        let first = self.random.between(1, self.shape[0] - 1);
        self.say(format!("(part, x) = split(x, [{first}, {}])", self.shape[0] - first));
        let order = *self.random.pick(&["relu(x), part", "part, tanh(x)"]);
        self.say(format!("x = concat({order})"));
    }

    /// A convolution with random attributes that fit.
    fn conv(&mut self, from: &str, to: &str) {
        let groups = if self.random.one_in(3) { self.divisor(self.shape[0]) } else { 1 };
        let filters = groups * self.random.between(1, 4);
        let (mut kernels, mut strides, mut dilations, mut pads, mut shape) =
            (vec![], vec![], vec![], vec![], vec![filters]);
        for axis in 1..self.shape.len() {
            let size = self.shape[axis];
            let kernel = self.random.between(1, size.min(5));
            let dilation = if kernel > 1 && (kernel - 1) * 2 < size && self.random.one_in(4) { 2 } else { 1 };
            let pad = self.random.between(0, kernel / 2 + 1);
            let stride = self.random.between(1, 3);
            shape.push((size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1);
            kernels.push(kernel);
            strides.push(stride);
            dilations.push(dilation);
            pads.push(pad);
        }
        let same = self.random.one_in(5);
        let mut arguments = format!("{filters}, {}", list(&kernels));
        if strides.iter().any(|s| *s != 1) || self.random.one_in(4) {
            arguments += &format!(", stride: {}", list(&strides));
        }
        if dilations.iter().any(|d| *d != 1) {
            arguments += &format!(", dilation: {}", list(&dilations));
        }
        if same {
            arguments += ", pad: same";
            shape = std::iter::once(filters)
                .chain((1..self.shape.len()).map(|i| self.shape[i].div_ceil(strides[i - 1])))
                .collect();
        } else if pads.iter().any(|p| *p != 0) {
            arguments += &format!(", pad: {}", list(&pads));
        }
        if groups != 1 {
            arguments += &format!(", groups: {groups}");
        }
        if self.random.one_in(3) {
            arguments += ", bias: false";
        }
        self.say(format!("{to} = {from} |> conv({arguments})"));
        self.shape = shape;
    }

    fn depthwise(&mut self) {
        let (channels, rank) = (self.shape[0], self.rank());
        let kernel = list(&vec![3; rank]);
        self.say(format!("x = x |> conv({channels}, {kernel}, pad: 1, groups: {channels}) |> relu"));
    }

    fn divisor(&mut self, n: usize) -> usize {
        let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
        *self.random.pick(&divisors)
    }

    fn pool(&mut self) {
        let smallest = self.shape[1..].iter().copied().min().unwrap_or(1);
        if smallest < 2 {
            return;
        }
        let size = self.random.between(2, smallest.min(3));
        let stride = self.random.between(1, 3);
        let pad = self.random.between(0, size / 2);
        let kind = *self.random.pick(&["max_pool", "avg_pool"]);
        let pad_text = if pad > 0 { format!(", pad: {pad}") } else { String::new() };
        self.say(format!("x = x |> {kind}({size}, stride: {stride}{pad_text})"));
        for dim in &mut self.shape[1..] {
            *dim = (*dim + 2 * pad - size) / stride + 1;
        }
    }

    /// More pixels: between those there are, or around them.
    fn enlarged(&mut self) {
        let (channels, rank) = (self.shape[0], self.rank());
        if self.shape.iter().product::<usize>() > 4000 {
            return;
        }
        let call = match self.random.below(5) {
            0 => {
                let linear = ["", "linear", "bilinear", "trilinear"][rank];
                let mode = *self.random.pick(&["nearest", linear]);
                self.shape[1..].iter_mut().for_each(|dim| *dim *= 2);
                format!("upsample(2, mode: {mode})")
            }
            1 if rank == 2 && channels.is_multiple_of(4) => {
                self.shape = vec![channels / 4, 2 * self.shape[1], 2 * self.shape[2]];
                "depth_to_space(2)".into()
            }
            2 => {
                let mode = *self.random.pick(&["zero", "reflect", "replicate"]);
                let pad = if mode == "reflect" && self.shape[1..].contains(&1) { 0 } else { 1 };
                self.shape[1..].iter_mut().for_each(|dim| *dim += 2 * pad);
                format!("pad({pad}, mode: {mode})")
            }
            3 => {
                self.shape[0] += 3;
                "pad(channels: (1, 2))".into()
            }
            _ => {
                let groups = self.divisor(channels);
                let filters = groups * self.random.between(1, 3);
                let (kernel, stride) = (self.random.between(2, 3), self.random.between(1, 2));
                let more = self.random.between(0, stride - 1);
                self.shape[0] = filters;
                self.shape[1..].iter_mut().for_each(|dim| *dim = (*dim - 1) * stride + kernel + more);
                format!("conv_transpose({filters}, {kernel}, stride: {stride}, output_pad: {more}, groups: {groups})")
            }
        };
        self.say(format!("x = x |> {call}"));
    }

    /// A part of an axis, or every second of it.
    fn cut(&mut self) {
        let axis = self.random.below(self.shape.len());
        let size = self.shape[axis];
        let start = self.random.between(0, size - 1);
        let end = self.random.between(start + 1, size);
        let stride = self.random.between(1, 2);
        self.shape[axis] = (end - start).div_ceil(stride);
        self.say(format!("x = x |> slice({start}, {end}, axis: {axis}, stride: {stride})"));
    }

    fn adaptive(&mut self) {
        let sizes: Vec<usize> = (1..self.shape.len()).map(|axis| self.random.between(1, self.shape[axis])).collect();
        let kind = *self.random.pick(&["adaptive_avg_pool", "adaptive_max_pool"]);
        self.say(format!("x = x |> {kind}({})", list(&sizes)));
        self.shape.splice(1.., sizes);
    }

    /// There and back again, through a pool and its switches.
    fn unpooled(&mut self) {
        if self.shape[1..].iter().any(|dim| *dim < 2) {
            return;
        }
        self.say("y = x |> max_pool(2) |> tanh".into());
        self.say("x = max_unpool(y, x, 2)".into());
    }

    /// Filters of each place's own, or the weights of a dense layer for every place.
    fn by_place(&mut self) {
        let filters = self.random.between(1, 3);
        let kernels: Vec<usize> = self.shape[1..].iter().map(|dim| (*dim).min(3)).collect();
        let stride = self.random.between(1, 2);
        let call = *self.random.pick(&["local_conv", "convolutionalize"]);
        self.say(format!("x = x |> {call}({filters}, {}, stride: {stride})", list(&kernels)));
        self.shape[0] = filters;
        self.shape[1..].iter_mut().zip(&kernels).for_each(|(dim, kernel)| *dim = (*dim - kernel) / stride + 1);
    }

    /// A tensor that is learnt and the same for every image.
    fn template(&mut self) {
        let shape = list(&self.shape);
        self.say(format!("x = x + weight({shape}, init: 0.5)"));
    }

    /// Seen by filters and painted by the same ones.
    fn tied(&mut self) {
        let (channels, filters) = (self.shape[0], self.random.between(1, 20));
        let kernel = list(&self.shape[1..].iter().map(|dim| (*dim).min(3)).collect::<Vec<usize>>());
        self.say(format!("see = shared conv({filters}, {kernel}, bias: false)"));
        self.say(format!("x = x |> see |> relu |> conv_transpose({channels}, {kernel}, bias: false, weight: see)"));
    }

    /// The same numbers in another order, or in channels of their own.
    fn turned(&mut self) {
        let even = |dim: &usize| dim.is_multiple_of(2);
        if self.rank() == 2 && self.shape[1..].iter().all(even) {
            self.shape = vec![4 * self.shape[0], self.shape[1] / 2, self.shape[2] / 2];
            return self.say("x = x |> space_to_depth(2)".into());
        }
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        order.swap(0, self.random.between(1, self.shape.len() - 1));
        self.say(format!("x = x |> transpose({})", list(&order)));
        self.shape = order.iter().map(|axis| self.shape[*axis]).collect();
    }

    /// y = f(x) + x with f keeping the shape.
    fn residual(&mut self) {
        let (channels, rank) = (self.shape[0], self.rank());
        let kernel = list(&vec![3; rank]);
        self.say(format!(
            "y = x |> conv({channels}, {kernel}, pad: 1, bias: false) |> batch_norm |> relu |> conv({channels}, 1)"
        ));
        self.say("x = relu(y + x)".into());
    }

    /// concat of two or three branches over the same space, sometimes with x itself.
    fn branches(&mut self) {
        let rank = self.rank();
        let (a, b) = (self.random.between(1, 4), self.random.between(1, 20));
        let kernel = list(&vec![3; rank]);
        let itself = self.random.one_in(2);
        let pool = self.random.one_in(2);
        let mut parts =
            vec![format!("x |> conv({a}, 1) |> relu"), format!("x |> conv({b}, {kernel}, pad: same) |> tanh")];
        let mut channels = a + b;
        if pool {
            parts.push("x |> max_pool(3, stride: 1, pad: 1)".into());
            channels += self.shape[0];
        }
        if itself {
            parts.push("x".into());
            channels += self.shape[0];
        }
        if pool && self.shape[1..].iter().any(|d| *d < 1) {
            return;
        }
        self.say(format!("x = concat({})", parts.join(", ")));
        self.shape[0] = channels;
    }

    fn arithmetic(&mut self) {
        let line = match self.random.below(10) {
            0 => "x = 0.5 * x + 1",
            1 if self.random.one_in(2) => "x = x / (1 + exp(-x))",
            1 => "x = x * sigmoid(x)",
            2 => "x = x - tanh(x)",
            3 => "x = sqrt(square(x) + 1)",
            4 => "x = log(square(x) + 1)",
            5 => "x = exp(clamp(x, max: 1))",
            6 => "x = x - mean(x, 0, keep: true)",
            7 => "x = x - max(x, 1, keep: true)",
            8 if self.random.one_in(2) => "x = tanh(x) / (1 + sum(square(x), 0, keep: true))",
            8 => "x = x * sum(tanh(x), 0, keep: true)",
            _ => "x = x + x * x",
        };
        self.say(line.into());
    }

    /// Squeeze and excite: a channel's weight from its mean, broadcast over space.
    fn gate(&mut self) {
        let channels = self.shape[0];
        self.say(format!("gate = x |> global_avg_pool |> conv({channels}, 1) |> sigmoid"));
        self.say("x = x * gate".into());
    }
}
