//! Random small networks, as text.
//!
//! A seed names a network for good. Every operator is drawn, and every attribute of it: `random_networks` sees to that.

mod blocks;
mod detectors;
mod ends;
mod numbers;
mod random;
mod shapes;
mod windows;

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

    /// Axes of space.
    fn rank(&self) -> usize {
        self.shape.len() - 1
    }

    fn layer(&mut self) {
        if self.rank() == 0 {
            return self.layer_of_a_vector();
        }
        match self.random.below(36) {
            0..=3 => self.conv("x", "x"),
            4 | 5 => self.pool(),
            6 => self.batch_norm(),
            7 | 8 => self.activation(),
            9 => self.residual(),
            10 => self.branches(),
            11 | 12 => self.arithmetic(),
            13 => self.dropout(),
            14 => self.gate(),
            15 | 16 => self.same_shape(),
            17 => self.parts(),
            18 => self.depthwise(),
            19 | 20 => self.enlarged(),
            21 | 22 => self.conv_transpose(),
            23 => self.cut(),
            24 => self.adaptive(),
            25 => self.unpooled(),
            26 | 27 => self.by_place(),
            28 => self.template(),
            29 => self.regions(),
            30 => self.decoded(),
            31 => self.tied(),
            32 => self.filter(),
            33 => self.reduced(),
            34 => self.joined(),
            _ => self.turned(),
        }
    }

    /// What needs no space.
    fn layer_of_a_vector(&mut self) {
        match self.random.below(10) {
            0 => self.dense(),
            1 => self.activation(),
            2 => self.arithmetic(),
            3 => self.same_shape(),
            4 => self.parts(),
            5 => self.cut(),
            6 => self.template(),
            7 => self.joined(),
            8 => self.padded(),
            _ => self.reshaped(),
        }
    }

    /// Arguments behind others: of each group one, or none.
    fn some(&mut self, groups: &[&[&str]]) -> String {
        let mut text = String::new();
        for group in groups {
            if self.random.one_in(2) {
                text += &format!(", {}", self.random.pick(group));
            }
        }
        text
    }

    /// A number where one is enough for all axes, else one for each of them.
    fn axes(&mut self, numbers: &[usize]) -> String {
        let same = numbers.iter().all(|n| *n == numbers[0]);
        if same && !self.random.one_in(3) { numbers[0].to_string() } else { list(numbers) }
    }

    fn divisor(&mut self, n: usize) -> usize {
        let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
        *self.random.pick(&divisors)
    }

    /// Whether `x` is so large that it should not grow.
    fn is_large(&self) -> bool {
        self.shape.iter().product::<usize>() > 4000
    }
}
