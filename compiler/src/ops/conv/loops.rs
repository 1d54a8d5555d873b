//! What the loops of convolutions are made of: panels of pixels, groups of channels, planes.

use proc_macro2::TokenStream;
use quote::quote;

use crate::graph::Type;
use crate::ops::window::Window;

/// Output pixels whose patches are gathered at a time: four AVX-512 registers wide.
pub(in crate::ops) const PANEL: usize = 64;
/// Rows of a panel that stay in the cache: 512 · 64 floats are 128 KiB.
pub(super) const DEPTH: usize = 512;

/// The numbers that all three loops are made of.
pub(in crate::ops) struct Shape {
    pub(in crate::ops) groups: usize,
    /// Channels of a group, in and out.
    pub(in crate::ops) channels: usize,
    pub(in crate::ops) filters: usize,
    /// Elements of the window.
    pub(in crate::ops) window: usize,
    /// Pixels in and out.
    pub(in crate::ops) input: usize,
    pub(in crate::ops) output: usize,
    pub(in crate::ops) literal: TokenStream,
    pub(in crate::ops) pointwise: bool,
}

impl Shape {
    pub(in crate::ops) fn of(window: &Window, groups: usize, x: &Type, y: &Type) -> Self {
        Self {
            groups,
            channels: x.channels() / groups,
            filters: y.channels() / groups,
            window: window.len(),
            input: x.spatial().iter().product(),
            output: y.spatial().iter().product(),
            literal: window.tokens(x.spatial(), y.spatial()),
            pointwise: window.is_pointwise(),
        }
    }

    /// Weights of one filter.
    pub(in crate::ops) fn depth(&self) -> usize {
        self.channels * self.window
    }

    /// Channels whose patches fit the cache together.
    pub(in crate::ops) fn channel_block(&self) -> usize {
        (DEPTH / self.window).clamp(1, self.channels)
    }

    pub(in crate::ops) fn depthwise(&self) -> bool {
        self.channels == 1 && self.filters == 1 && self.groups > 1
    }
}

/// `for group in 0..8 { ... }`, or the body alone with `group` gone.
pub(in crate::ops) fn per_group(groups: usize, body: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
    if groups == 1 {
        return body(quote!());
    }
    let body = body(quote!(group));
    quote!(for group in 0..#groups { #body })
}

/// `&x0[group * 784..]`, or `x0` where there is one group.
pub(in crate::ops) fn part(of: TokenStream, group: &TokenStream, len: usize) -> TokenStream {
    if group.is_empty() { of } else { quote!(&#of[#group * #len..]) }
}

pub(in crate::ops) fn part_mut(of: TokenStream, group: &TokenStream, len: usize) -> TokenStream {
    if group.is_empty() { of } else { quote!(&mut #of[#group * #len..][..#len]) }
}

/// `let (x, w, y) = ...;` where there are groups; else the names are those of the operands.
pub(in crate::ops) fn bind(
    group: &TokenStream,
    names: &[&str],
    values: &[&TokenStream],
) -> (TokenStream, Vec<TokenStream>) {
    if group.is_empty() {
        return (quote!(), values.iter().map(|v| (*v).clone()).collect());
    }
    let names: Vec<TokenStream> = names.iter().map(|n| n.parse().expect("a name")).collect();
    (quote!(let (#(#names),*) = (#(#values),*);), names)
}

fn times(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// `conv_3x3_64x56x56_to_64x56x56_s2`
pub(in crate::ops) fn kernel_name(base: &str, window: &Window, groups: usize, x: &[usize], y: &[usize]) -> String {
    let group = if groups > 1 { format!("_g{groups}") } else { String::new() };
    format!("{base}_{}{group}_{}_to_{}", times(&window.kernel), times(x), times(y))
}

/// Which planes of input, output and weights belong together.
pub(in crate::ops) struct Planes {
    groups: usize,
    channels: usize,
    filters: usize,
    input: usize,
    pub(in crate::ops) output: usize,
}

impl Planes {
    pub(in crate::ops) fn of(groups: usize, x: &Type, y: &Type) -> Self {
        Self {
            groups,
            channels: x.channels() / groups,
            filters: y.channels() / groups,
            input: x.spatial().iter().product(),
            output: y.spatial().iter().product(),
        }
    }

    /// Calls `f(start of the input plane, start of the output plane, window of weights)`.
    pub(in crate::ops) fn each(&self, batch: usize, mut f: impl FnMut(usize, usize, usize)) {
        for image in 0..batch {
            for filter in 0..self.groups * self.filters {
                for channel in 0..self.channels {
                    let from = (image * self.groups + filter / self.filters) * self.channels + channel;
                    let to = image * self.groups * self.filters + filter;
                    f(from * self.input, to * self.output, filter * self.channels + channel);
                }
            }
        }
    }
}
