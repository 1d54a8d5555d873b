//! Code for convolutions of stride 1 that need no gathering; see the runtime's `shifted`.

use proc_macro2::TokenStream;
use quote::quote;

use super::window::Window;

/// Padded planes up to this many floats are copied; they stay in the second-level cache.
const MOST: usize = 1 << 18;

/// Columns of images that are summed over at a time, and images at most: sums of vectors are worth adding up then.
const RUN: usize = 2048;
const IMAGES: usize = 8;

/// A convolution of stride 1 over rows and columns, of one group.
#[derive(Debug)]
pub struct ShiftedConv {
    channels: usize,
    filters: usize,
    kernel: [usize; 2],
    dilation: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    pad: [(usize, usize); 2],
}

impl ShiftedConv {
    /// The convolution, if it has this form.
    pub fn of(window: &Window, groups: usize, x: &[usize], y: &[usize]) -> Option<Self> {
        let space = x.len() - 1;
        if groups != 1 || !(1..=2).contains(&space) || window.stride.iter().any(|s| *s != 1) {
            return None;
        }
        let two = |numbers: &[usize]| if space == 1 { [1, numbers[0]] } else { [numbers[0], numbers[1]] };
        let pads = if space == 1 { [(0, 0), window.pad[0]] } else { [window.pad[0], window.pad[1]] };
        let conv = Self {
            channels: x[0],
            filters: y[0],
            kernel: two(&window.kernel),
            dilation: two(&window.dilation),
            input: two(&x[1..]),
            output: two(&y[1..]),
            pad: pads,
        };
        // The gradient by the input pads by what is left of the window.
        let backward = (0..2).all(|a| conv.reach(a) > conv.pad[a].0.max(conv.pad[a].1));
        let padded = conv.padded();
        let small = (conv.channels * padded[0] * padded[1])
            .max(conv.filters * conv.grad_padded().iter().product::<usize>())
            <= MOST;
        (backward && small && conv.pitch_waste() <= 2).then_some(conv)
    }

    /// Input elements that the window spans, less one.
    fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    fn padded(&self) -> [usize; 2] {
        [0, 1].map(|a| self.input[a] + self.pad[a].0 + self.pad[a].1)
    }

    /// The output with as much around it as the gradient by the input reads.
    fn grad_padded(&self) -> [usize; 2] {
        [0, 1].map(|a| self.input[a] + self.reach(a) - 1)
    }

    /// How many times wider rows are than what counts of them, rounded up.
    fn pitch_waste(&self) -> usize {
        self.padded()[1].div_ceil(self.output[1])
    }

    fn is_padded(&self) -> bool {
        self.pad != [(0, 0); 2]
    }

    /// Columns of the result, those between rows included.
    fn columns(&self) -> usize {
        (self.output[0] - 1) * self.padded()[1] + self.output[1]
    }

    /// Of planes with rows of this pitch, of which these are not zero.
    fn product(&self, pitch: usize, plane: usize, filled: [usize; 2], backwards: bool) -> TokenStream {
        let window = self.kernel[0] * self.kernel[1];
        let (filters, channels) = if backwards { (self.channels, self.filters) } else { (self.filters, self.channels) };
        let depth = self.channels * window;
        let (a_filter, a_channel) = if backwards { (window, depth) } else { (depth, window) };
        let ([kh, kw], [row, column], [first, end]) = (self.kernel, self.dilation, filled);
        let [rows, width] = if backwards { self.input } else { self.output };
        quote! {
            rt::Shifted {
                filters: #filters,
                channels: #channels,
                kernel: [#kh, #kw],
                dilation: [#row, #column],
                plane: #plane,
                pitch: #pitch,
                output: [#rows, #width],
                filled: [#first, #end],
                a_filter: #a_filter,
                a_channel: #a_channel,
                backwards: #backwards,
            }
        }
    }

    /// Rows of padded planes that are of the input.
    fn filled(&self) -> [usize; 2] {
        let top = self.pad[0].0;
        [top, top + self.input[0]]
    }

    /// `x` as padded planes: at the start of `scratch` where there is padding, else itself.
    fn pad_input(&self, x: &TokenStream) -> (TokenStream, TokenStream, usize) {
        if !self.is_padded() {
            return (quote!(), x.clone(), 0);
        }
        let ([h, w], [ph, pw], (top, left)) = (self.input, self.padded(), (self.pad[0].0, self.pad[1].0));
        let floats = self.channels * ph * pw;
        let code = quote! {
            let (planes, scratch) = scratch.split_at_mut(#floats);
            isa.pad_planes([#h, #w], [#ph, #pw], [#top, #left], #x, planes);
        };
        (code, quote!(planes), floats)
    }

    /// The forward kernel's body, from `x0`, `x1` and perhaps a bias `x2` to `y`; and its scratch.
    pub fn forward(&self, bias: bool) -> (TokenStream, usize) {
        let [ph, pw] = self.padded();
        let columns = self.columns();
        let (pad, planes, floats) = self.pad_input(&quote!(x0));
        let product = self.product(pw, ph * pw, self.filled(), false);
        let bias = if bias { quote!(Some(x2)) } else { quote!(None) };
        if pw == self.output[1] && !self.is_padded() {
            return (quote!(isa.shifted(&#product, x1, x0, #bias, y);), 0);
        }
        let width = self.output[1];
        let body = quote! {
            #pad
            isa.shifted(&#product, x1, #planes, #bias, scratch);
            isa.drop_columns(#width, #pw, #columns, scratch, y);
        };
        (body, floats + self.filters * columns)
    }

    /// The gradient by the input, from weights `x0` and `x1` to `y`; and its scratch.
    pub fn grad_input(&self) -> (TokenStream, usize) {
        let ([oh, ow], [ph, pw], [h, w]) = (self.output, self.grad_padded(), self.input);
        let (top, left) = (self.reach(0) - 1 - self.pad[0].0, self.reach(1) - 1 - self.pad[1].0);
        let columns = (h - 1) * pw + w;
        let (floats, plane) = (self.filters * ph * pw, ph * pw);
        let product = self.product(pw, plane, [top, top + oh], true);
        let body = quote! {
            let (planes, scratch) = scratch.split_at_mut(#floats);
            isa.pad_planes([#oh, #ow], [#ph, #pw], [#top, #left], x1, planes);
            isa.shifted(&#product, x0, planes, None, scratch);
            isa.drop_columns(#w, #pw, #columns, scratch, y);
        };
        (body, floats + self.channels * columns)
    }

    /// The gradient by the weights of some `images`, from `x0` and `x1`, added to `y`; and its scratch. Of small images several are
    /// summed over at a time, behind one another.
    pub fn grad_weight(&self) -> (TokenStream, usize) {
        let ([h, w], [ph, pw], columns, width) = (self.input, self.padded(), self.columns(), self.output[1]);
        let (top, left) = (self.pad[0].0, self.pad[1].0);
        let (planes, rows) = (self.channels * ph * pw, self.filters * columns);
        let some = (RUN / columns).min(MOST / (planes + rows)).clamp(1, IMAGES);
        let all_planes = some * planes;
        let product = self.product(pw, ph * pw, self.filled(), false);
        let body = quote! {
            let (planes, rows) = scratch.split_at_mut(#all_planes);
            for first in images.clone().step_by(#some) {
                let some = first..usize::min(first + #some, images.end);
                let count = some.len();
                for (i, (planes, dy)) in some.zip(planes.chunks_exact_mut(#planes).zip(rows.chunks_exact_mut(#rows))) {
                    isa.pad_planes([#h, #w], [#ph, #pw], [#top, #left], x0.image(i), planes);
                    isa.insert_columns(#width, #pw, #columns, x1.image(i), dy);
                }
                isa.shifted_weights(&#product, count, rows, planes, y);
            }
        };
        (body, some * (planes + rows))
    }
}
