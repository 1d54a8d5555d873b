//! The steps of a plan: a function for each, and one that calls them in order.

use std::ops::Range;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::kernels::{Function, KernelBook, mentions};
use super::names::{Unique, constant, ident, snake};
use crate::graph::{Graph, Kind, ValueId};
use crate::ops::{Cut, Split};
use crate::plan::{Area, Place, Plan, Root, Step};

/// Writes the steps of one graph.
pub struct StepWriter<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    book: &'a mut KernelBook,
    names: Unique,
}

/// A written step.
pub struct WrittenStep {
    /// The name of its function.
    pub name: Ident,
    /// The function.
    pub tokens: TokenStream,
}

/// Memory that a step borrows from one vector: the output first, if it is in there.
struct Borrow {
    from: Vector,
    regions: Vec<(Range<usize>, Ident)>,
    writes: bool,
}

/// The vectors of `rt::Memory`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vector {
    Arena,
    Fixed,
    Prepared,
    Gradients,
}

impl Vector {
    fn field(self) -> Ident {
        ident(match self {
            Self::Arena => "arena",
            Self::Fixed => "fixed",
            Self::Prepared => "prepared",
            Self::Gradients => "gradients",
        })
    }
}

impl<'a> StepWriter<'a> {
    /// For a graph and its plan; kernels go into `book`.
    pub fn new(graph: &'a Graph, plan: &'a Plan, book: &'a mut KernelBook) -> Self {
        let mut names = Unique::default();
        for taken in ["run", "prepare", "Pass"] {
            names.take(taken);
        }
        Self { graph, plan, book, names }
    }

    /// The function of a step.
    pub fn write(&mut self, step: &Step) -> WrittenStep {
        let node = self.graph.node(step.value);
        let inputs: Vec<_> = node.inputs.iter().map(|v| self.graph.ty(*v)).collect();
        let function = self.book.function(&step.kernel, step.in_place, &inputs);
        let name = self.names.take(&step_name(&node.layer, node.op.name()));
        let used: Vec<(usize, ValueId)> =
            node.inputs.iter().copied().enumerate().filter(|(i, _)| function.operands[*i]).collect();
        let borrows = self.borrows(step.value, &used);
        let borrowing: Vec<TokenStream> = borrows.iter().map(borrow_tokens).collect();
        let batches: TokenStream =
            used.iter().filter_map(|(index, operand)| self.batch_binding(*index, *operand, &borrows)).collect();
        let call = self.call(step, &function, &used, &borrows);
        let doc = self.doc(step);
        let body = quote! {
            #(#borrowing)*
            #batches
            #call
        };
        let pass = if mentions(&body, "pass") { ident("pass") } else { ident("_pass") };
        let tokens = quote! {
            #(#[doc = #doc])*
            fn #name(memory: &mut rt::Memory, #pass: &Pass<'_>) {
                #body
            }
        };
        WrittenStep { name, tokens }
    }

    /// Regions of each vector that a step uses.
    fn borrows(&self, output: ValueId, used: &[(usize, ValueId)]) -> Vec<Borrow> {
        let mut borrows: Vec<Borrow> = Vec::new();
        let (vector, region) = self.region(output).expect("outputs are in memory");
        borrows.push(Borrow { from: vector, regions: vec![(region, ident("y"))], writes: true });
        for (index, operand) in used {
            let Some((vector, region)) = self.region(*operand) else { continue };
            let name = format_ident!("m{index}");
            match borrows.iter_mut().find(|b| b.from == vector) {
                Some(borrow) if borrow.regions.iter().any(|(r, _)| *r == region) => {}
                Some(borrow) => borrow.regions.push((region, name)),
                None => borrows.push(Borrow { from: vector, regions: vec![(region, name)], writes: false }),
            }
        }
        borrows
    }

    /// The vector and the region (per image in the arena) of a value's root; `None` for what the caller gives.
    fn region(&self, value: ValueId) -> Option<(Vector, Range<usize>)> {
        match self.place(value).root {
            Root::Input(_) | Root::Target(_) | Root::Param(_) => None,
            Root::Gradient(param) => Some((Vector::Gradients, self.plan.params.ranges[param.0 as usize].clone())),
            Root::Buffer(index) => {
                let buffer = &self.plan.buffers[index];
                let vector = match buffer.area {
                    Area::Arena => Vector::Arena,
                    Area::Fixed => Vector::Fixed,
                    Area::Prepared => Vector::Prepared,
                };
                Some((vector, buffer.offset..buffer.offset + buffer.len))
            }
        }
    }

    fn place(&self, value: ValueId) -> &'a Place {
        &self.plan.places[value.0 as usize]
    }

    /// The memory of a value's root, as an expression.
    fn memory(&self, value: ValueId, borrows: &[Borrow]) -> TokenStream {
        if let Some((vector, region)) = self.region(value) {
            let borrow = borrows.iter().find(|b| b.from == vector).expect("borrowed above");
            let (_, name) = borrow.regions.iter().find(|(r, _)| *r == region).expect("borrowed above");
            return quote!(#name);
        }
        match self.place(value).root {
            Root::Input(index) => {
                let name = ident(&snake(&self.graph.inputs[index].name));
                quote!(pass.#name)
            }
            Root::Target(index) => {
                let name = ident(&snake(&self.graph.targets[index].name));
                quote!(pass.#name)
            }
            Root::Param(param) => {
                let name = ident(&constant(&self.graph.param(param).name));
                quote!(&pass.params[params::#name])
            }
            Root::Gradient(_) | Root::Buffer(_) => unreachable!("these are regions"),
        }
    }

    /// Floats from one image to the next of a batched value's root.
    fn pitch(&self, value: ValueId) -> usize {
        match self.place(value).root {
            Root::Input(index) => self.graph.ty(self.graph.inputs[index].value).len(),
            Root::Target(index) => self.graph.ty(self.graph.targets[index].value).len(),
            Root::Buffer(index) => self.plan.buffers[index].len,
            Root::Param(_) | Root::Gradient(_) => unreachable!("not batched"),
        }
    }

    /// `let x0 = rt::Batch::...` for batched float operands.
    fn batch_binding(&self, index: usize, operand: ValueId, borrows: &[Borrow]) -> Option<TokenStream> {
        let ty = self.graph.ty(operand);
        if !ty.batched || ty.kind != Kind::Float {
            return None;
        }
        let (memory, pitch) = (self.memory(operand, borrows), self.pitch(operand));
        let part = &self.place(operand).part;
        let name = format_ident!("x{index}");
        Some(if part.len() == pitch {
            quote!(let #name = rt::Batch::dense(#memory, #pitch);)
        } else {
            let (start, end) = (part.start, part.end);
            quote!(let #name = rt::Batch::part(#memory, #pitch, #start..#end);)
        })
    }

    /// An operand as the kernel wants it.
    fn argument(&self, index: usize, operand: ValueId, split: Split, borrows: &[Borrow]) -> TokenStream {
        let ty = self.graph.ty(operand);
        let name = format_ident!("x{index}");
        match (ty.batched, ty.kind, split) {
            (true, Kind::Float, Split::Images | Split::Strips(_)) => quote!(#name.image(i)),
            (true, Kind::Float, _) => quote!(#name),
            (true, Kind::Class(_), Split::Images | Split::Strips(_)) => {
                let labels = self.memory(operand, borrows);
                quote!(#labels[i])
            }
            (true, Kind::Class(_), _) => self.memory(operand, borrows),
            (false, ..) => {
                let memory = self.memory(operand, borrows);
                let part = &self.place(operand).part;
                match self.root_len(operand) {
                    len if len == part.len() => memory,
                    _ => {
                        let (start, end) = (part.start, part.end);
                        quote!(&(#memory)[#start..#end])
                    }
                }
            }
        }
    }

    /// Floats of an unbatched value's root.
    fn root_len(&self, value: ValueId) -> usize {
        match self.place(value).root {
            Root::Param(param) | Root::Gradient(param) => self.graph.param(param).len(),
            Root::Buffer(index) => self.plan.buffers[index].len,
            Root::Input(_) | Root::Target(_) => unreachable!("batched"),
        }
    }

    /// The parallel region.
    fn call(&self, step: &Step, function: &Function, used: &[(usize, ValueId)], borrows: &[Borrow]) -> TokenStream {
        let split = step.kernel.split;
        let share = match split {
            Split::Images | Split::Strips(_) | Split::Rectangles { .. } => format_ident!("i"),
            Split::Pieces(_) => format_ident!("piece"),
            Split::Groups => format_ident!("images"),
            Split::Blocks(_) => format_ident!("first"),
        };
        let mut arguments = Vec::new();
        if function.isa {
            arguments.push(quote!(memory.isa));
        }
        if function.dropout {
            arguments.push(quote!(pass.dropout.map(|(seed, step)| rt::Dropout { seed, step, image: i })));
        }
        if function.share {
            arguments.push(quote!(#share));
        }
        arguments.extend(used.iter().map(|(index, operand)| self.argument(*index, *operand, split, borrows)));
        arguments.push(quote!(y));
        if function.scratch {
            arguments.push(quote!(scratch));
        }
        let mentions_share = function.share
            || function.dropout
            || (matches!(split, Split::Images | Split::Strips(_)) && self.any_batched(used));
        let share = if mentions_share { share } else { format_ident!("_{share}") };
        let scratch = if function.scratch { format_ident!("scratch") } else { format_ident!("_scratch") };
        let name = &function.name;
        let work = quote!(|#share, y, #scratch| kernels::#name(#(#arguments),*));
        let y = self.whole_output(step.value);
        match split {
            Split::Images => quote!(memory.pool.images(#y, &mut memory.scratch, #work);),
            Split::Strips(Cut { plane, strip, planes }) => {
                let cut = quote!(&rt::Cut { plane: #plane, strip: #strip, planes: #planes });
                quote!(memory.pool.strips(#y, #cut, &mut memory.scratch, #work);)
            }
            Split::Rectangles { images, elements } => {
                let len = self.graph.ty(step.value).floats();
                let cut = quote!(&rt::Cut { plane: #len, strip: #elements, planes: #images });
                quote! {
                    let len = y.len();
                    memory.pool.strips(rt::BatchMut::dense(y, len), #cut, &mut memory.scratch, #work);
                }
            }
            Split::Pieces(len) => quote!(memory.pool.pieces(y, #len, &mut memory.scratch, #work);),
            Split::Groups => {
                quote!(memory.pool.groups(pass.n, &mut memory.partials, y, &mut memory.scratch, #work);)
            }
            Split::Blocks(images) => {
                let len = self.graph.ty(step.value).floats();
                quote!(memory.pool.blocks(y, #len, #images, &mut memory.scratch, #work);)
            }
        }
    }

    fn any_batched(&self, used: &[(usize, ValueId)]) -> bool {
        used.iter().any(|(_, operand)| self.graph.ty(*operand).batched)
    }

    fn whole_output(&self, value: ValueId) -> TokenStream {
        if !self.graph.ty(value).batched {
            return quote!(y);
        }
        let (pitch, part) = (self.pitch(value), &self.place(value).part);
        if part.len() == pitch {
            quote!(rt::BatchMut::dense(y, #pitch))
        } else {
            let (start, end) = (part.start, part.end);
            quote!(rt::BatchMut::part(y, #pitch, #start..#end))
        }
    }

    fn doc(&self, step: &Step) -> Vec<String> {
        let node = self.graph.node(step.value);
        let types: Vec<_> = node.inputs.iter().map(|v| self.graph.ty(*v)).collect();
        let operands: Vec<String> = types.iter().filter(|t| t.batched).map(|t| format!("`{t}`")).collect();
        let layer = if node.layer.is_empty() { String::new() } else { format!("`{}`: ", node.layer) };
        let from = if operands.is_empty() { String::new() } else { format!("{} → ", operands.join(", ")) };
        let mut line = format!(" {layer}{}, {from}`{}`", node.op.name(), node.ty);
        let macs = node.op.macs(&types, &node.ty);
        if macs > 0 {
            line += &format!(", {} MACs", grouped(macs));
        }
        if step.in_place {
            line += ", in place";
        }
        vec![line + "."]
    }
}

/// `layer1.0.conv1` and `conv` to `layer1_0_conv1`, with `conv_grad_weight` to `layer1_0_conv1_grad_weight`.
fn step_name(layer: &str, op: &str) -> String {
    let last = layer.rsplit('.').next().unwrap_or("");
    let stem = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = match op.strip_prefix(stem) {
        Some(rest) if !stem.is_empty() => format!("{layer}{rest}"),
        _ if layer.is_empty() => op.to_owned(),
        _ => format!("{layer}_{op}"),
    };
    snake(&name)
}

/// `117600` to `117,600`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn borrow_tokens(borrow: &Borrow) -> TokenStream {
    let field = borrow.from.field();
    let count = if borrow.from == Vector::Arena { quote!(pass.n) } else { quote!(1) };
    let names: Vec<&Ident> = borrow.regions.iter().map(|(_, name)| name).collect();
    let ranges: Vec<TokenStream> = borrow
        .regions
        .iter()
        .map(|(range, _)| {
            let (start, end) = (range.start, range.end);
            quote!(#start..#end)
        })
        .collect();
    if let ([name], [range], true) = (names.as_slice(), ranges.as_slice(), borrow.writes) {
        quote!(let #name = rt::view_mut(&mut memory.#field, #count, #range);)
    } else if borrow.writes {
        quote!(let [#(#names),*] = rt::views(&mut memory.#field, #count, [#(#ranges),*]);)
    } else {
        quote!(#(let #names = rt::view(&memory.#field, #count, #ranges);)*)
    }
}
