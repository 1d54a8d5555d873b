//! What networks end with: heads, outputs and losses.

use super::{Writer, list};

impl Writer {
    /// Heads, outputs and losses.
    pub(super) fn end(&mut self) {
        let classes = self.random.between(2, 9);
        let rank = self.rank();
        match self.random.below(14) {
            0 if rank > 0 => {
                let pool = *self.random.pick(&["global_avg_pool", "global_max_pool"]);
                self.say(format!("logits = x |> {pool} |> flatten |> dense({classes})"));
                self.classes(classes);
            }
            0 | 1 => {
                let hidden = self.random.between(1, 40);
                self.say(format!("logits = x |> flatten |> dense({hidden}) |> relu |> dense({classes}, bias: false)"));
                self.classes(classes);
            }
            2 => {
                // In single precision a probability near one is one, of which the logarithm of the rest is not to be compared.
                self.say("map = sigmoid(clamp(x, min: -6, max: 6))".into());
                self.say("output map".into());
                self.wanted("binary_cross_entropy(map, wanted)");
            }
            3 | 4 if self.shape[0] > 1 && rank > 0 => self.segments(),
            3..=5 => self.map(),
            6 => {
                self.say(format!("logits = 0.01 * dense(x |> tanh |> gram |> flatten, {classes})"));
                self.classes(classes);
            }
            7..=9 if rank == 2 => self.yolo(),
            10 if rank == 2 => self.rpn(),
            11 => self.fast_rcnn(),
            12 => self.points(),
            _ => {
                self.say(format!("y = x |> flatten |> dense({classes}) |> tanh"));
                self.say("output y".into());
                self.targets.push(format!("    target wanted: [{classes}]\n"));
                let extra = if self.random.one_in(2) { " + 0.25 * mse(0.5 * y, wanted)" } else { "" };
                self.lose(&format!("mse(y, wanted){extra}"));
            }
        }
    }

    /// What a loss weighs beside others.
    fn factor(&mut self) -> &'static str {
        const FACTORS: [&str; 4] = ["", "", "0.3 * ", "2 * "];
        FACTORS[self.random.below(FACTORS.len())]
    }

    /// A loss, or a multiple of it.
    fn lose(&mut self, loss: &str) {
        let factor = self.factor();
        self.losses.push(format!("{factor}{loss}"));
    }

    /// A loss of `x` beside numbers of its shape.
    fn wanted(&mut self, loss: &str) {
        self.targets.push(format!("    target wanted: {}\n", list(&self.shape)));
        self.lose(loss);
    }

    /// `x` is what is wanted.
    fn map(&mut self) {
        self.say("output map = x".into());
        let (loss, more) = match self.random.below(3) {
            0 => ("binary_cross_entropy_with_logits", self.pos_weight()),
            1 => ("l1", String::new()),
            _ => ("smooth_l1", self.some(&[&["beta: 0.5", "beta: 2"]])),
        };
        self.wanted(&format!("{loss}(x, wanted{more})"));
        if self.shape[1..].iter().any(|dim| *dim > 1) && self.random.one_in(2) {
            let squared = self.some(&[&["squared: true", "squared: false"]]);
            self.losses.push(format!("0.01 * total_variation(x{squared})"));
        }
    }

    fn pos_weight(&mut self) -> String {
        match self.random.below(3) {
            0 => String::new(),
            1 => ", pos_weight: 2.5".into(),
            _ => format!(", pos_weight: {}", self.weights(self.shape[0])),
        }
    }

    /// A list of weights.
    fn weights(&mut self, count: usize) -> String {
        let weights: Vec<&str> = (0..count).map(|_| *self.random.pick(&["1", "2", "0.5", "0.25", "3"])).collect();
        format!("[{}]", weights.join(", "))
    }

    /// Vectors that are to be near and far.
    fn points(&mut self) {
        let size = self.random.between(1, 6);
        self.say(format!("place = shared dense({size})"));
        self.say("(a, b) = (x |> flatten |> place, x |> flatten |> tanh |> place)".into());
        self.say("output a".into());
        let (margin, distance): (&[&str], &[&str]) =
            (&["margin: 3", "margin: 9"], &["distance: squared", "distance: euclidean", "distance: manhattan"]);
        let loss = match self.random.below(5) {
            0 => format!("triplet(a, b, tanh(a){})", self.some(&[margin, distance])),
            1 => format!("triplet(a, b, 0.5 * b, margin: 9{})", self.some(&[distance])),
            2 => format!("contrastive(a, b, sigmoid(dense(a, 1)){})", self.some(&[margin])),
            3 => "content(a, b) + style(x, tanh(x))".into(),
            _ => return self.there(),
        };
        self.lose(&loss);
    }

    /// Whether something is there, and where.
    fn there(&mut self) {
        let (loss, size) = if self.random.one_in(2) {
            ("landmark", 1 + 2 * self.random.between(1, 3))
        } else {
            ("localization", *self.random.pick(&[5, 7, 8]))
        };
        self.targets.push(format!("    target wanted: [{size}]\n"));
        self.lose(&format!("{loss}(dense(concat(a, b), {size}), wanted)"));
    }

    /// A class at each place of `x`.
    fn segments(&mut self) {
        let classes = self.shape[0];
        self.say("output map = softmax(x)".into());
        let ignore = *self.random.pick(&["", ", ignore: 255", ", ignore: 1"]);
        self.targets.push(format!("    target labels: class({classes}, {}{ignore})\n", list(&self.shape[1..])));
        let loss = self.of_classes("x", "labels", classes);
        self.losses.push(loss);
    }

    fn classes(&mut self, classes: usize) {
        self.say("output probabilities = softmax(logits)".into());
        self.targets.push(format!("    target label: class({classes})\n"));
        let loss = self.of_classes("logits", "label", classes);
        self.losses.push(loss);
    }

    /// A loss of scores of classes.
    fn of_classes(&mut self, scores: &str, label: &str, classes: usize) -> String {
        if self.random.one_in(4) {
            return format!("sum(square(softmax(tanh({scores})) - one_hot({label})))");
        }
        let smoothing = self.some(&[&["label_smoothing: 0.1", "label_smoothing: 1"]]);
        let weights = match self.random.one_in(3) {
            true => format!(", class_weights: {}", self.weights(classes)),
            false => String::new(),
        };
        let factor = self.factor();
        let times = *self.random.pick(&["", "3 * "]);
        format!("{factor}cross_entropy({times}{scores}, {label}{smoothing}{weights})")
    }
}
