//! What slides over the axes of space: convolutions of all kinds, and pools.

use super::{Writer, list};

/// A window over the axes of space of `x`.
struct Window {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    pad: Vec<(usize, usize)>,
    same: bool,
    ceil: bool,
}

impl Window {
    /// Elements of an axis that it spans.
    fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// The size of an axis behind it.
    fn output(&self, axis: usize, size: usize) -> usize {
        let stride = self.stride[axis];
        if self.same {
            return size.div_ceil(stride);
        }
        let (before, after) = self.pad[axis];
        let rest = size + before + after - self.reach(axis);
        let whole = rest / stride + 1;
        let partly = self.ceil && !rest.is_multiple_of(stride) && whole * stride < size + before;
        whole + usize::from(partly)
    }

    /// The size of an axis behind the transposed convolution that it makes.
    fn enlarged(&self, axis: usize, size: usize, more: usize) -> usize {
        let (stride, (before, after)) = (self.stride[axis], self.pad[axis]);
        if self.same { size * stride } else { ((size - 1) * stride + self.reach(axis) + more) - before - after }
    }
}

impl Writer {
    /// A window of convolutions that fits `x`.
    fn window(&mut self, largest: usize) -> Window {
        let mut window = self.unpadded(largest);
        for axis in 0..window.kernel.len() {
            let most = window.kernel[axis] / 2 + 1;
            let (before, after) = (self.random.between(0, most), self.random.between(0, most));
            window.pad[axis] = if self.random.one_in(3) { (before, after) } else { (before, before) };
        }
        window.same = self.random.one_in(5);
        window
    }

    /// A window of pools that fits `x` and never lies in the padding alone.
    fn pool_window(&mut self, dilates: bool) -> Window {
        let mut window = self.unpadded(3);
        for axis in 0..window.kernel.len() {
            if !dilates {
                window.dilation[axis] = 1;
            }
            let (kernel, step) = (window.kernel[axis], window.dilation[axis]);
            // A dilated window steps over the padding only where that is a multiple of its steps.
            let steps = if step == 1 { kernel - 1 } else { 1 };
            let (before, after) = (step * self.random.between(0, steps), step * self.random.between(0, steps));
            window.pad[axis] = if self.random.one_in(2) { (before, after) } else { (before, before) };
        }
        window.same = window.dilation.iter().all(|d| *d == 1) && self.random.one_in(5);
        window.ceil = self.random.one_in(3);
        window
    }

    /// A window within `x`.
    fn unpadded(&mut self, largest: usize) -> Window {
        let (mut kernel, mut stride, mut dilation) = (vec![], vec![], vec![]);
        for axis in 1..self.shape.len() {
            let size = self.shape[axis];
            kernel.push(self.random.between(1, size.min(largest)));
            stride.push(self.random.between(1, 3));
            let last = kernel[axis - 1] - 1;
            let most = (size - 1).checked_div(last).map_or(1, |most| most.min(3));
            dilation.push(if self.random.one_in(3) { self.random.between(1, most) } else { 1 });
        }
        let pad = vec![(0, 0); kernel.len()];
        Window { kernel, stride, dilation, pad, same: false, ceil: false }
    }

    /// The size of the window and what else there is to say of it, the stride where it is not the one by default.
    fn sized(&mut self, window: &Window, default: &[usize]) -> String {
        let size = self.axes(&window.kernel);
        size + &self.moved(window, default)
    }

    /// How the window moves.
    fn moved(&mut self, window: &Window, default: &[usize]) -> String {
        let mut text = String::new();
        if window.stride != default || self.random.one_in(4) {
            text += &format!(", stride: {}", self.axes(&window.stride));
        }
        if window.dilation.iter().any(|d| *d != 1) {
            text += &format!(", dilation: {}", self.axes(&window.dilation));
        }
        text += &self.padding(window);
        if window.ceil {
            text += ", ceil: true";
        }
        text
    }

    fn padding(&mut self, window: &Window) -> String {
        let symmetric = window.pad.iter().all(|(before, after)| before == after);
        if window.same {
            ", pad: same".into()
        } else if window.pad.iter().all(|pad| *pad == (0, 0)) {
            (*self.random.pick(&["", "", "", ", pad: valid"])).into()
        } else if symmetric {
            let pad: Vec<usize> = window.pad.iter().map(|pad| pad.0).collect();
            format!(", pad: {}", self.axes(&pad))
        } else {
            let pairs: Vec<String> = window.pad.iter().map(|(before, after)| format!("({before}, {after})")).collect();
            format!(", pad: [{}]", pairs.join(", "))
        }
    }

    /// What is behind a window of convolutions.
    fn convolved(&mut self, channels: usize, window: &Window) {
        let sizes = (1..self.shape.len()).map(|axis| window.output(axis - 1, self.shape[axis]));
        self.shape = std::iter::once(channels).chain(sizes).collect();
    }

    fn ones(&self) -> Vec<usize> {
        vec![1; self.rank()]
    }

    /// Groups and filters that go with the channels, and how one says so. Some are so many that they are computed in blocks.
    fn groups(&mut self) -> (usize, String) {
        let groups = if self.random.one_in(3) { self.divisor(self.shape[0]) } else { 1 };
        let many = self.random.one_in(5) && !self.is_large();
        let each = if many { *self.random.pick(&[8, 16, 17, 20, 32]) } else { self.random.between(1, 4) };
        let filters = groups * each;
        (filters, if groups == 1 { String::new() } else { format!(", groups: {groups}") })
    }

    /// A convolution with random attributes that fit.
    pub(super) fn conv(&mut self, from: &str, to: &str) {
        let ((filters, groups), window) = (self.groups(), self.window(5));
        let written = self.sized(&window, &self.ones());
        let bias = self.some(&[&["bias: false", "bias: true"]]);
        self.say(format!("{to} = {from} |> conv({filters}, {written}{groups}{bias})"));
        self.convolved(filters, &window);
    }

    pub(super) fn depthwise(&mut self) {
        let channels = self.shape[0];
        let kernel = list(&vec![3; self.rank()]);
        self.say(format!("x = x |> conv({channels}, {kernel}, pad: 1, groups: {channels}) |> relu"));
    }

    /// A transposed convolution of which something is left.
    pub(super) fn conv_transpose(&mut self) {
        if self.is_large() {
            return self.activation();
        }
        let ((filters, groups), mut window) = (self.groups(), self.unpadded(3));
        window.same = self.random.one_in(4);
        let mut more = vec![0; self.rank()];
        for (axis, more) in more.iter_mut().enumerate() {
            let most = window.reach(axis) - 1;
            let before = self.random.between(0, most);
            let after = self.random.between(0, most - before);
            window.pad[axis] = if self.random.one_in(2) { (before, after) } else { (before / 2, before / 2) };
            *more = if window.same { 0 } else { self.random.between(0, window.stride[axis] - 1) };
        }
        let written = self.sized(&window, &self.ones());
        let more_text =
            if more.iter().any(|m| *m > 0) { format!(", output_pad: {}", self.axes(&more)) } else { "".into() };
        let bias = self.some(&[&["bias: false", "bias: true"]]);
        self.say(format!("x = x |> conv_transpose({filters}, {written}{more_text}{groups}{bias})"));
        let sizes = (0..more.len()).map(|axis| window.enlarged(axis, self.shape[axis + 1], more[axis]));
        self.shape = std::iter::once(filters).chain(sizes).collect();
    }

    /// Seen by filters and painted by the same ones.
    pub(super) fn tied(&mut self) {
        let (channels, filters, mut window) = (self.shape[0], self.random.between(1, 20), self.unpadded(3));
        for axis in 0..window.kernel.len() {
            let before = self.random.between(0, (window.reach(axis) - 1) / 2);
            window.pad[axis] = (before, self.random.between(0, before));
        }
        let written = self.sized(&window, &self.ones());
        self.say(format!("see = shared conv({filters}, {written}, bias: false)"));
        self.say(format!("x = x |> see |> relu |> conv_transpose({channels}, {written}, bias: false, weight: see)"));
        self.convolved(filters, &window);
        let sizes: Vec<usize> =
            (1..self.shape.len()).map(|axis| window.enlarged(axis - 1, self.shape[axis], 0)).collect();
        self.shape = std::iter::once(channels).chain(sizes).collect();
    }

    /// Filters of each place's own, or the weights of a dense layer for every place.
    pub(super) fn by_place(&mut self) {
        let filters = self.random.between(1, 3);
        let mut window = self.window(3);
        let call = *self.random.pick(&["local_conv", "convolutionalize"]);
        if call == "convolutionalize" {
            window = Window { pad: vec![(0, 0); self.rank()], dilation: self.ones(), same: false, ..window };
        }
        // No padding is to be said of a window without.
        let written = self.sized(&window, &self.ones()).replace(", pad: valid", "");
        let bias = self.some(&[&["bias: false", "bias: true"]]);
        self.say(format!("x = x |> {call}({filters}, {written}{bias})"));
        self.convolved(filters, &window);
    }

    /// Filters that are given: one for all channels, one for each, several, or one that each channel sees by itself.
    pub(super) fn filter(&mut self) {
        let (channels, mut window) = (self.shape[0], self.window(3));
        let word = self.rank() == 2 && self.shape[1..].iter().all(|size| *size >= 5) && self.random.one_in(2);
        if word {
            window.kernel = vec![3, 3];
            window.dilation.iter_mut().for_each(|d| *d = (*d).min(2));
        }
        let apart = self.random.one_in(2);
        let (filters, numbers) = match self.random.below(3) {
            _ if word => {
                let words = ["vertical", "horizontal", "sobel_x", "sobel_y", "scharr_x", "scharr_y"];
                (1, (*self.random.pick(&words)).to_owned())
            }
            0 => (1, self.nested(&window.kernel)),
            1 => (1, self.nested(&[&[channels], &window.kernel[..]].concat())),
            _ if apart => (1, self.nested(&[&[channels, 1], &window.kernel[..]].concat())),
            _ => (2, self.nested(&[&[2, channels], &window.kernel[..]].concat())),
        };
        let moved = self.moved(&window, &self.ones());
        let each = if apart { ", per_channel: true" } else { "" };
        self.say(format!("x = x |> filter({numbers}{moved}{each})"));
        self.convolved(if apart { channels } else { filters }, &window);
    }

    /// Numbers in lists inside one another; none is zero, so that no filter is blind.
    fn nested(&mut self, shape: &[usize]) -> String {
        match shape {
            [] => (*self.random.pick(&["1", "-1", "2", "0.5", "-0.25"])).into(),
            [count, inner @ ..] => {
                let items: Vec<String> = (0..*count).map(|_| self.nested(inner)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    pub(super) fn pool(&mut self) {
        let kind = *self.random.pick(&["max_pool", "avg_pool"]);
        let window = self.pool_window(kind == "max_pool");
        let written = self.sized(&window, &window.kernel);
        let count =
            if kind == "avg_pool" { self.some(&[&["count_pad: false", "count_pad: true"]]) } else { String::new() };
        self.say(format!("x = x |> {kind}({written}{count})"));
        self.convolved(self.shape[0], &window);
    }

    pub(super) fn adaptive(&mut self) {
        let sizes: Vec<usize> =
            (1..self.shape.len()).map(|axis| self.random.between(1, self.shape[axis] + 1)).collect();
        let kind = *self.random.pick(&["adaptive_avg_pool", "adaptive_max_pool"]);
        let written = self.axes(&sizes);
        self.say(format!("x = x |> {kind}({written})"));
        self.shape.splice(1.., sizes);
    }

    /// There and back again, through a pool and its switches.
    pub(super) fn unpooled(&mut self) {
        let window = self.pool_window(true);
        let written = self.sized(&window, &window.kernel);
        self.say(format!("y = x |> max_pool({written}) |> tanh"));
        self.say(format!("x = max_unpool(y, x, {written})"));
    }
}
