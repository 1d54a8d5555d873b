//! What changes shapes, or where numbers stand.

use super::{Writer, list};

impl Writer {
    /// More pixels: between those there are, or around them, or made of channels.
    pub(super) fn enlarged(&mut self) {
        if self.is_large() {
            return self.activation();
        }
        match self.random.below(4) {
            0 | 1 => self.upsampled(),
            2 if self.shape[0].is_multiple_of(1 << self.rank()) => {
                self.shape[0] >>= self.rank();
                self.shape[1..].iter_mut().for_each(|dim| *dim *= 2);
                self.say("x = x |> depth_to_space(2)".into());
            }
            _ => self.padded(),
        }
    }

    /// Of another size: by factors, or not smaller than two thirds.
    fn upsampled(&mut self) {
        let linear = ["", "linear", "bilinear", "trilinear"][self.rank()];
        let mode = match self.random.below(4) {
            0 => String::new(),
            1 => ", mode: nearest".into(),
            2 => format!(", mode: {linear}"),
            _ => format!(", mode: {linear}, align_corners: {}", self.random.pick(&["true", "true", "false"])),
        };
        let space = self.shape[1..].to_vec();
        let (sizes, how) = if self.random.one_in(2) {
            let scales: Vec<usize> = space.iter().map(|_| self.random.between(1, 3)).collect();
            let name = if self.random.one_in(2) { "scale: " } else { "" };
            (space.iter().zip(&scales).map(|(n, scale)| n * scale).collect(), format!("{name}{}", self.axes(&scales)))
        } else {
            let sizes: Vec<usize> = space.iter().map(|n| self.random.between((2 * n).div_ceil(3), 2 * n)).collect();
            let how = format!("size: {}", self.axes(&sizes));
            (sizes, how)
        };
        self.shape.splice(1.., sizes);
        self.say(format!("x = x |> upsample({how}{mode})"));
    }

    /// Others around the elements, around the channels, or around both.
    pub(super) fn padded(&mut self) {
        let mode = *self.random.pick(&["zero", "reflect", "replicate"]);
        let mut pads: Vec<(usize, usize)> = Vec::new();
        for axis in 0..self.shape.len() {
            let most = match mode {
                "reflect" => (self.shape[axis] - 1).min(3),
                // Of one channel seven would come that are equal, of which a softmax has no gradient.
                "replicate" if axis == 0 && self.shape[0] == 1 => 0,
                _ => 3,
            };
            let before = self.random.between(0, most);
            pads.push((before, if self.random.one_in(2) { before } else { self.random.between(0, most) }));
        }
        let (channels, space) = (self.random.one_in(2), self.rank() > 0 && !self.random.one_in(4));
        let (mut arguments, pairs) = (vec![], |(before, after): &(usize, usize)| format!("({before}, {after})"));
        if space {
            let written: Vec<String> = pads[1..].iter().map(pairs).collect();
            arguments.push(format!("{}[{}]", self.random.pick(&["", "pad: "]), written.join(", ")));
            self.shape[1..].iter_mut().zip(&pads[1..]).for_each(|(dim, pad)| *dim += pad.0 + pad.1);
        }
        if channels || !space {
            arguments.push(format!("channels: {}", pairs(&pads[0])));
            self.shape[0] += pads[0].0 + pads[0].1;
        }
        if mode != "zero" || self.random.one_in(3) {
            arguments.push(format!("mode: {mode}"));
        }
        self.say(format!("x = x |> pad({})", arguments.join(", ")));
    }

    /// A part of an axis, or every second of it.
    pub(super) fn cut(&mut self) {
        let axis = self.random.below(self.shape.len());
        let size = self.shape[axis];
        let start = self.random.between(0, size - 1);
        let end = self.random.between(start + 1, size);
        let stride = self.random.between(1, 3);
        self.shape[axis] = (end - start).div_ceil(stride);
        self.say(format!("x = x |> slice({start}, {end}, axis: {axis}, stride: {stride})"));
    }

    /// Parts of an axis, some of them changed.
    pub(super) fn parts(&mut self) {
        let axis = self.random.below(self.shape.len());
        let (size, along) = (self.shape[axis], self.along(axis));
        if size == 1 {
            return self.activation();
        }
        if self.random.one_in(2) {
            let first = self.random.between(1, size - 1);
            self.say(format!("(part, x) = split(x, [{first}, {}]{along})", size - first));
            let order = *self.random.pick(&["relu(x), part", "part, tanh(x)"]);
            return self.say(format!("x = concat({order}{along})"));
        }
        let count = self.divisor(size);
        let (last, middle) = (count - 1, count / 2);
        self.say(format!("parts = split(x, {count}{along})"));
        self.say(format!("x = concat(parts[{last}], tanh(parts[0]) - parts[{middle}]{along})"));
        self.shape[axis] = 2 * (size / count);
    }

    /// `x` and what is made of it behind one another, along any axis.
    pub(super) fn joined(&mut self) {
        let axis = self.random.below(self.shape.len());
        if self.is_large() {
            return self.activation();
        }
        let (along, two) = (self.along(axis), self.random.one_in(2));
        let more = if two { "tanh(x)" } else { "0.5 * x, sigmoid(x)" };
        self.say(format!("x = concat(x, {more}{along})"));
        self.shape[axis] *= if two { 2 } else { 3 };
    }

    /// The same numbers in another order, in channels of their own, or under another shape.
    pub(super) fn turned(&mut self) {
        let side = self.random.between(2, 3);
        if self.shape[1..].iter().all(|dim| dim.is_multiple_of(side)) {
            self.shape[0] *= side.pow(self.rank() as u32);
            self.shape[1..].iter_mut().for_each(|dim| *dim /= side);
            return self.say(format!("x = x |> space_to_depth({side})"));
        }
        if self.random.one_in(3) {
            return self.reshaped();
        }
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        order.swap(0, self.random.between(1, self.shape.len() - 1));
        self.say(format!("x = x |> transpose({})", list(&order)));
        self.shape = order.iter().map(|axis| self.shape[*axis]).collect();
    }

    /// The same numbers as a vector, or as up to four axes.
    pub(super) fn reshaped(&mut self) {
        let mut rest = self.shape.iter().product();
        if self.rank() > 0 && self.random.one_in(3) {
            self.shape = vec![rest];
            return self.say("x = flatten(x)".into());
        }
        let mut shape = vec![];
        for _ in 0..self.random.between(1, 3) {
            shape.push(self.divisor(rest));
            rest /= shape[shape.len() - 1];
        }
        shape.push(rest);
        self.say(format!("x = x |> reshape({})", list(&shape)));
        self.shape = shape;
    }
}
