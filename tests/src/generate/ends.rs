//! What networks end with: heads, outputs and losses.

use super::{Writer, list};

impl Writer {
    /// Heads, outputs and losses.
    pub(super) fn end(&mut self) {
        let classes = self.random.between(2, 9);
        match self.random.below(10) {
            0 => {
                let pool = *self.random.pick(&["global_avg_pool", "global_max_pool"]);
                self.say(format!("logits = x |> {pool} |> flatten |> dense({classes})"));
                self.classes(classes);
            }
            1 => {
                let hidden = self.random.between(1, 40);
                self.say(format!("logits = x |> flatten |> dense({hidden}) |> relu |> dense({classes}, bias: false)"));
                self.classes(classes);
            }
            2 => {
                self.say("output map = sigmoid(x)".into());
                self.targets.push(format!("    target wanted: {}\n", list(&self.shape)));
                self.losses.push("binary_cross_entropy(map, wanted)".into());
                self.lines.insert(self.lines.len() - 1, "    map = sigmoid(x)".into());
                let last = self.lines.len() - 1;
                self.lines[last] = "    output map".into();
            }
            3 if self.shape[0] > 1 && self.rank() > 0 && self.random.one_in(2) => self.segments(),
            3 => {
                self.say("output map = x".into());
                self.targets.push(format!("    target wanted: {}\n", list(&self.shape)));
                let loss = *self.random.pick(&["binary_cross_entropy_with_logits", "l1", "smooth_l1"]);
                let smooth = self.shape[1..].iter().any(|dim| *dim > 1) && self.random.one_in(2);
                let variation = if smooth { " + 0.01 * total_variation(x)" } else { "" };
                self.losses.push(format!("{loss}(x, wanted){variation}"));
            }
            4 => {
                self.say(format!("logits = 0.01 * dense(x |> tanh |> gram |> flatten, {classes})"));
                self.classes(classes);
            }
            5 if self.rank() == 2 => self.yolo(),
            6 if self.rank() == 2 => self.rpn(),
            7 => self.fast_rcnn(),
            8 => self.points(),
            _ => {
                self.say(format!("y = x |> flatten |> dense({classes}) |> tanh"));
                self.say("output y".into());
                self.targets.push(format!("    target wanted: [{classes}]\n"));
                let extra = if self.random.one_in(2) { " + 0.25 * mse(0.5 * y, wanted)" } else { "" };
                self.losses.push(format!("mse(y, wanted){extra}"));
            }
        }
    }

    /// Vectors that are to be near and far.
    fn points(&mut self) {
        let size = self.random.between(1, 6);
        self.say(format!("place = shared dense({size})"));
        self.say("(a, b) = (x |> flatten |> place, x |> flatten |> tanh |> place)".into());
        self.say("output a".into());
        let (loss, wanted) = *self.random.pick(&[
            ("triplet(a, b, tanh(a), margin: 3)", ""),
            ("triplet(a, b, 0.5 * b, margin: 9, distance: manhattan)", ""),
            ("content(a, b) + style(x, tanh(x))", ""),
            ("contrastive(a, b, sigmoid(dense(a, 1)), margin: 3)", ""),
            ("landmark(dense(concat(a, b), 5), wanted)", "    target wanted: [5]\n"),
            ("localization(dense(concat(a, b), 7), wanted)", "    target wanted: [7]\n"),
        ]);
        self.targets.push(wanted.into());
        self.losses.push(loss.into());
    }

    /// A class at each place of `x`.
    fn segments(&mut self) {
        let classes = self.shape[0];
        self.say("output map = softmax(x)".into());
        let ignore = *self.random.pick(&["", ", ignore: 255", ", ignore: 1"]);
        self.targets.push(format!("    target labels: class({classes}, {}{ignore})\n", list(&self.shape[1..])));
        let loss = *self.random.pick(&[
            "cross_entropy(x, labels)",
            "cross_entropy(3 * x, labels, label_smoothing: 0.1)",
            "sum(square(softmax(tanh(x)) - one_hot(labels)))",
        ]);
        self.losses.push(loss.into());
    }

    fn classes(&mut self, classes: usize) {
        self.say("output probabilities = softmax(logits)".into());
        self.targets.push(format!("    target label: class({classes})\n"));
        let loss = *self.random.pick(&[
            "cross_entropy(logits, label)",
            "cross_entropy(logits, label, label_smoothing: 0.1)",
            "sum(square(softmax(tanh(logits)) - one_hot(label)))",
        ]);
        self.losses.push(loss.into());
    }
}
