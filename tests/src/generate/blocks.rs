//! What networks are made of that has several layers.

use super::{Writer, list};

impl Writer {
    /// y = f(x) + x with f keeping the shape.
    pub(super) fn residual(&mut self) {
        let (channels, rank) = (self.shape[0], self.rank());
        let kernel = list(&vec![3; rank]);
        self.say(format!(
            "y = x |> conv({channels}, {kernel}, pad: 1, bias: false) |> batch_norm |> relu |> conv({channels}, 1)"
        ));
        self.say("x = relu(y + x)".into());
    }

    /// concat of two or more branches over the same space, sometimes with x itself.
    pub(super) fn branches(&mut self) {
        let (a, b) = (self.random.between(1, 4), self.random.between(1, 20));
        let kernel = list(&vec![3; self.rank()]);
        let mut parts =
            vec![format!("x |> conv({a}, 1) |> relu"), format!("x |> conv({b}, {kernel}, pad: same) |> tanh")];
        let mut channels = a + b;
        if self.random.one_in(2) {
            parts.push("x |> max_pool(3, stride: 1, pad: 1)".into());
            channels += self.shape[0];
        }
        if self.random.one_in(2) {
            parts.push("x".into());
            channels += self.shape[0];
        }
        if self.random.one_in(3) {
            // These begin alike: deployment makes one convolution of them.
            for narrow in [32, 24, 16].into_iter().take(self.random.between(2, 3)) {
                parts.push(format!("x |> conv({narrow}, 1) |> relu |> conv(3, {kernel}, pad: same)"));
                channels += 3;
            }
        }
        self.say(format!("x = concat({})", parts.join(", ")));
        self.shape[0] = channels;
    }

    /// Squeeze and excite: a channel's weight from its mean, broadcast over space.
    pub(super) fn gate(&mut self) {
        let (channels, kind) = (self.shape[0], *self.random.pick(&["global_avg_pool", "global_max_pool"]));
        self.say(format!("gate = x |> {kind} |> conv({channels}, 1) |> sigmoid"));
        self.say("x = x * gate".into());
    }
}
