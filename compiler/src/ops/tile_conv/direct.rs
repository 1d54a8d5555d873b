//! Direct convolution: the input rows of a strip are laid out with their padding, then tiles walk over them.

use proc_macro2::TokenStream;
use quote::quote;

use super::pooled::Pooling;
use super::{TileConv, cut, two};
use crate::graph::{BLOCK, Layout, Type};
use crate::ops::window::Window;
use crate::ops::{Kernel, KernelContext, Split};

/// Where a window's inputs lie when rows are laid out for it.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Input channels of a group.
    pub channels: usize,
    /// Input channels that are neighbours in memory.
    pub lanes: usize,
    /// Rows and columns.
    pub input: [usize; 2],
    /// Rows and columns.
    pub output: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    pad: [(usize, usize); 2],
}

impl Geometry {
    /// Of a convolution of `x`.
    pub fn of(window: &Window, groups: usize, x: &Type, y: &Type) -> Self {
        let pad = if window.pad.len() == 1 { [(0, 0), window.pad[0]] } else { [window.pad[0], window.pad[1]] };
        Self {
            channels: x.channels() / groups,
            lanes: if x.layout.is_plain() { 1 } else { BLOCK },
            input: two(x.spatial(), 1),
            output: two(y.spatial(), 1),
            kernel: two(&window.kernel, 1),
            stride: two(&window.stride, 1),
            dilation: two(&window.dilation, 1),
            pad,
        }
    }

    /// Blocks of input channels of a group, or planes.
    pub fn planes(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    /// Elements of the window.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Input elements that the window spans.
    fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Whether rows must be laid out: where they are as they are, every tap of neighbouring outputs is a run already.
    pub fn staged(&self) -> bool {
        self.pad != [(0, 0); 2] || self.stride[1] > 1 || (self.stride[0] > 1 && self.kernel[0] > 1)
    }

    /// Whether all pixels of a strip are one run.
    fn flat(&self) -> bool {
        !self.staged() && self.taps() == 1 && self.stride == [1, 1]
    }

    fn phases(&self) -> usize {
        self.stride[1].min(self.reach(1))
    }

    fn columns(&self) -> usize {
        self.output[1] + (self.reach(1) - 1) / self.stride[1]
    }

    /// Floats of a row of what tiles walk over.
    fn pitch(&self) -> usize {
        if self.staged() { self.phases() * self.columns() * self.lanes } else { self.input[1] * self.lanes }
    }

    /// From one laid-out row to the next, in rows of the padded input; and from one output row to the next in laid-out ones.
    fn row_steps(&self) -> (usize, usize) {
        if self.kernel[0] == 1 { (self.stride[0], 1) } else { (1, self.stride[0]) }
    }

    /// Laid-out rows for some output rows.
    fn rows_for(&self, rows: usize) -> usize {
        if self.kernel[0] == 1 { rows } else { (rows - 1) * self.stride[0] + self.reach(0) }
    }

    /// Floats of what tiles walk over for some output rows.
    pub fn strip(&self, rows: usize) -> usize {
        self.planes() * self.rows_for(rows) * self.pitch()
    }

    fn offsets(&self) -> Vec<usize> {
        let ([kh, kw], [dh, dw]) = (self.kernel, self.dilation);
        let stride = if self.staged() { self.stride[1] } else { 1 };
        let row_step = if self.kernel[0] == 1 { 0 } else { dh * self.pitch() };
        let column = |c: usize| (c % stride * self.columns() + c / stride) * self.lanes;
        (0..kh).flat_map(|i| (0..kw).map(move |j| i * row_step + column(j * dw))).collect()
    }

    /// The runtime's description of laid-out rows, at most those for `rows` output rows.
    fn stage(&self, rows: usize) -> TokenStream {
        let (planes, lanes, [h, w]) = (self.planes(), self.lanes, self.input);
        let (top, left, row_step, stride) = (self.pad[0].0, self.pad[1].0, self.row_steps().0, self.stride[1]);
        let (phases, columns, plane) = (self.phases(), self.columns(), self.rows_for(rows) * self.pitch());
        quote! {
            rt::Stage {
                planes: #planes,
                lanes: #lanes,
                input: [#h, #w],
                pad: [#top, #left],
                row_step: #row_step,
                stride: #stride,
                phases: #phases,
                columns: #columns,
                plane: #plane,
            }
        }
    }
}

/// `a * 3`, or `a` where the factor is 1.
pub(super) fn times(a: TokenStream, factor: usize) -> TokenStream {
    if factor == 1 { a } else { quote!(#a * #factor) }
}

pub(super) fn kernel(conv: &TileConv, cx: &KernelContext<'_>, name: &str) -> Kernel {
    let (x, w, y) = (&cx.inputs[0], &cx.inputs[1], cx.output);
    let pooling = Pooling::of(conv, y);
    let g = Geometry::of(&conv.window, conv.groups, x, &conv.unpooled(x, w));
    let blocks = y.blocks();
    let group_blocks = blocks / conv.groups;
    let planes = if conv.groups > 1 { conv.planes.min(group_blocks) } else { conv.planes };
    // Groups of planes must not straddle groups of channels.
    let planes = if conv.groups > 1 {
        (1..=planes).rev().find(|p| group_blocks.is_multiple_of(*p)).unwrap_or(1)
    } else {
        planes
    };
    let row = g.output[1] * BLOCK;
    // Rows of pixels of a row of the value, and floats of that.
    let (height, y_row) = pooling.as_ref().map_or((1, row), |p| (p.height, p.pooled_row));
    let cut = cut(y, 1, conv.strips, planes);
    let strip_rows = cut.most_rows() * height;
    let (channels, lanes, taps, columns) = (g.channels, g.lanes, g.offsets(), g.output[1]);
    let weights = w.floats() / blocks;
    let plane_in = g.input[0] * g.input[1] * lanes;
    let (from, from_binding) = if conv.groups > 1 {
        let group = g.planes() * plane_in;
        (quote!(x), quote!(let x = &x0[y.planes().start / #group_blocks * #group..];))
    } else {
        (quote!(x0), quote!())
    };
    let plane = cut.plane;
    let finish = conv.finish(&quote!([block * #plane + offset..]));
    let offset = if conv.shortcut { quote!(let offset = y.offset();) } else { quote!() };
    let activate = conv.activate();
    let one_strip = cut.strips == 1;
    let x_row = g.row_steps().1 * g.pitch();
    let (block, x_row) =
        if g.staged() { (g.rows_for(strip_rows) * g.pitch(), x_row) } else { (plane_in, g.stride[0] * g.pitch()) };
    let flat = g.flat() && pooling.is_none();
    let staged = if pooling.is_some() { quote!(staged) } else { quote!(scratch) };
    let (rows, columns, seen) = if flat {
        (quote!(1), quote!(y.len() / 16), if one_strip { quote!(#from) } else { times_offset(&from, lanes) })
    } else if g.staged() {
        (quote!(rows), quote!(#columns), staged.clone())
    } else {
        let step = g.stride[0] * g.pitch();
        (quote!(rows), quote!(#columns), if one_strip { quote!(#from) } else { quote!(&#from[first * #step..]) })
    };
    let mut bindings = quote!(#offset #from_binding);
    if !flat {
        let all = g.output[0];
        bindings = if one_strip {
            quote!(#bindings let rows = #all;)
        } else {
            let (first, rows) = (times(quote!(y.offset() / #y_row), height), times(quote!(y.len() / #y_row), height));
            quote!(#bindings let (first, rows) = (#first, #rows);)
        };
    }
    let stage_room = if g.staged() { g.strip(strip_rows) } else { 0 };
    if pooling.is_some() {
        let pixels = match g.staged() {
            true => quote!(let (staged, pixels) = scratch.split_at_mut(#stage_room);),
            false => quote!(let pixels = scratch;),
        };
        bindings = quote!(#bindings #pixels);
    }
    if g.staged() {
        let stage = g.stage(strip_rows);
        let first = if one_strip { quote!(0) } else { times(quote!(first), g.stride[0]) };
        let (stride, reach) = (g.stride[0], g.reach(0));
        let needed = if g.kernel[0] == 1 {
            quote!(rows)
        } else {
            let all = times(quote!((rows - 1)), stride);
            if stride == 1 && reach == 1 { quote!(rows) } else { quote!(#all + #reach) }
        };
        bindings = quote!(#bindings isa.stage(&#stage, #from, #first, #needed, #staged););
    }
    let (work, pixels_room) = match &pooling {
        None => {
            let work = quote! {
                isa.convolve(&tile, #rows, #seen, &x1[block * #weights..], &finish, y);
                #activate
            };
            (work, 0)
        }
        Some(pooling) => {
            let some = pooling.rows(cut.planes, strip_rows);
            let room = some * row;
            let pooled = quote!(&mut y.plane(block)[at / #height * #y_row..][..rows / #height * #y_row]);
            let pool = pooling.block(some, &quote!(pixels), &pooled);
            let work = quote! {
                let (seen, weights) = (#seen, &x1[block * #weights..]);
                // Some rows at a time, so that they are pooled while they are in the cache.
                for at in (0..rows).step_by(#some) {
                    let rows = usize::min(#some, rows - at);
                    let pixels = &mut pixels[..y.planes().len() * #room];
                    let mut strip = rt::Strip::of(pixels, #room, 0..rows * #row);
                    isa.convolve(&tile, rows, &seen[at * #x_row..], weights, &finish, &mut strip);
                    for (pixels, block) in pixels.chunks_exact_mut(#room).zip(y.planes()) {
                        #pool
                    }
                }
            };
            (work, cut.planes * room)
        }
    };
    // Strips of the value itself share in asking for the weights behind; rows that are pooled say nothing of their place.
    let next = if pooling.is_none() { quote!(Shared) } else { quote!(Weights) };
    let body = quote! {
        #bindings
        let tile = rt::Tile {
            channels: #channels,
            lanes: #lanes,
            block: #block,
            taps: &[#(#taps),*],
            columns: #columns,
            x_row: #x_row,
            w_block: #weights,
            next: rt::Next::#next(#weights),
        };
        let block = y.planes().start;
        let finish = #finish;
        #work
    };
    debug_assert!(matches!(w.layout, Layout::Packed { .. }), "as inferred");
    Kernel::new(name, Split::Strips(cut), body).scratch(stage_room + pixels_room)
}

/// The strip's pixels in a plane of the input, which has as many lanes as the output's.
fn times_offset(from: &TokenStream, lanes: usize) -> TokenStream {
    if lanes == BLOCK { quote!(&#from[y.offset()..]) } else { quote!(&#from[y.offset() / 16..]) }
}
