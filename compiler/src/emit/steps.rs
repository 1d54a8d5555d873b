//! The steps of a plan: a function for each, as text. They are thousands and all alike, so nothing has to find out first how
//! to lay them out, and what equal ones do is compiled once.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use proc_macro2::Ident;

use super::kernels::{Function, KernelBook};
use super::layout::list;
use super::names::{Names, Unique, ident, snake};
use crate::graph::{Graph, Kind, ValueId};
use crate::ops::{Cut, Split};
use crate::plan::{Area, Place, Plan, Root, Step};

/// Writes the steps of one graph.
pub struct StepWriter<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    /// Of what passes are given.
    given: &'a Names,
    book: &'a mut KernelBook,
    /// Of functions.
    names: Unique,
}

/// A written step.
pub struct WrittenStep {
    /// The name of its function.
    pub name: Ident,
    /// What it reads of what passes are given.
    pub reads: HashSet<Ident>,
    doc: String,
    kernel: Ident,
    borrows: Vec<Borrow>,
    /// What is done with what is borrowed.
    work: String,
    given: Given,
}

/// What a step is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Given {
    /// All of a pass, of a run.
    Pass,
    /// Weights alone, which it prepares something from.
    Weights,
    /// The same, and which portion of its work is to be done.
    Portion,
}

impl Given {
    fn ty(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Weights => "rt::Weights",
            Self::Portion => "rt::Portion",
        }
    }
}

/// What a step does, wherever its memory is: equal for steps that may share a function.
#[derive(PartialEq, Eq, Hash)]
struct Form<'a> {
    work: &'a str,
    /// From where, whether it is written, and how many regions.
    borrows: Vec<(Vector, bool, usize)>,
    /// What the regions are called.
    regions: Vec<&'a str>,
    given: Given,
}

/// Memory that a step borrows from one vector: the output first, if it is in there.
struct Borrow {
    from: Vector,
    regions: Vec<Region>,
    writes: bool,
}

/// A part of a vector, and what a step calls it.
struct Region {
    /// A range in Rust.
    at: String,
    name: String,
}

/// The vectors of `rt::Memory`, and the weights.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Vector {
    Arena,
    Fixed,
    Prepared,
    /// One that updates its weights at once where gradients are not kept, so that it is no memory.
    Gradient,
    /// Those that are memory for a while at least.
    LateGradients,
    Params,
}

impl Vector {
    fn place(self) -> &'static str {
        match self {
            Self::Arena => "memory.arena",
            Self::Fixed => "memory.fixed",
            Self::Prepared => "memory.prepared",
            Self::Gradient | Self::LateGradients => "memory.gradients",
            Self::Params => "pass.params",
        }
    }
}

impl<'a> StepWriter<'a> {
    /// For a graph and its plan; kernels go into `book`.
    pub fn new(graph: &'a Graph, plan: &'a Plan, given: &'a Names, book: &'a mut KernelBook) -> Self {
        Self { graph, plan, given, book, names: Unique::without(&["front", "memory", "pass", "prepare", "run"]) }
    }

    /// The function of a step.
    pub fn write(&mut self, step: &Step, given: Given) -> WrittenStep {
        let node = self.graph.node(step.value);
        let inputs: Vec<_> = node.inputs.iter().map(|v| self.graph.ty(*v)).collect();
        let function = self.book.function(&step.kernel, step.in_place, &inputs);
        let name = self.names.take(&step_name(&node.layer, node.op.name()));
        let used: Vec<(usize, ValueId)> =
            node.inputs.iter().copied().enumerate().filter(|(i, _)| function.operands[*i]).collect();
        let borrows = self.borrows(step.value, &used);
        let reads = self.reads(step, &function, &used, &borrows);
        let batches = used.iter().map(|(index, operand)| self.batch_binding(*index, *operand, &borrows));
        let work = batches.chain([self.region_text((step, given), &function, &used, &borrows)]).collect();
        WrittenStep { name, reads, doc: self.doc(step), kernel: function.name, borrows, work, given }
    }

    /// The functions of written steps, in their order. Where several differ only in where their memory is, one function
    /// does what all of them do: else deep networks would have the compiler translate the same for each block.
    pub fn functions(mut self, steps: &[&WrittenStep]) -> Vec<String> {
        let mut counts: HashMap<Form<'_>, usize> = HashMap::new();
        for step in steps {
            *counts.entry(step.form()).or_default() += 1;
        }
        let mut shared: HashMap<Form<'_>, Ident> = HashMap::new();
        let mut functions = Vec::new();
        for step in steps {
            let form = step.form();
            if counts[&form] == 1 {
                functions.push(step.alone());
                continue;
            }
            match shared.get(&form) {
                Some(name) => functions.push(step.call(name)),
                None => {
                    let name = self.names.take(&step.kernel.to_string());
                    functions.extend([step.call(&name), step.shared(&name)]);
                    shared.insert(form, name);
                }
            }
        }
        functions
    }

    /// What a step reads of what passes are given.
    fn reads(&self, step: &Step, function: &Function, used: &[(usize, ValueId)], borrows: &[Borrow]) -> HashSet<Ident> {
        let by_count = step.kernel.split == Split::Groups || borrows.iter().any(|b| b.from == Vector::Arena);
        let values = used.iter().filter_map(|(_, operand)| match self.place(*operand).root {
            Root::Input(index) => Some(self.given.inputs[index].clone()),
            Root::Target(index) => Some(self.given.targets[index].clone()),
            Root::Param(_) | Root::Gradient(_) => Some(ident("params")),
            Root::Buffer(_) => None,
        });
        let learns = borrows.iter().any(|b| matches!(b.from, Vector::Gradient | Vector::LateGradients));
        let learns = learns.then(|| ident("params"));
        let count = by_count.then(|| ident("n"));
        let dropout = function.dropout.then(|| ident("dropout"));
        values.chain(learns).chain(count).chain(dropout).collect()
    }

    /// Regions of each vector that a step uses.
    fn borrows(&self, output: ValueId, used: &[(usize, ValueId)]) -> Vec<Borrow> {
        let mut borrows: Vec<Borrow> = Vec::new();
        let (vector, region) = self.region(output).expect("outputs are in memory");
        debug_assert!(vector != Vector::Params, "weights are not written by steps");
        borrows.push(Borrow { from: vector, regions: vec![Region { at: region, name: "y".to_owned() }], writes: true });
        for (index, operand) in used {
            let Some((vector, at)) = self.region(*operand) else { continue };
            let region = Region { at, name: format!("m{index}") };
            match borrows.iter_mut().find(|b| b.from == vector) {
                Some(borrow) if borrow.regions.iter().any(|r| r.at == region.at) => {}
                Some(borrow) => borrow.regions.push(region),
                None => borrows.push(Borrow { from: vector, regions: vec![region], writes: false }),
            }
        }
        borrows
    }

    /// The vector and the region (per image in the arena) of a value's root; `None` for inputs and targets.
    fn region(&self, value: ValueId) -> Option<(Vector, String)> {
        match self.place(value).root {
            Root::Input(_) | Root::Target(_) => None,
            Root::Param(param) => Some((Vector::Params, format!("params::{}", self.given.params[param.0 as usize]))),
            Root::Gradient(param) => {
                let range = format!("params::{}", self.given.params[param.0 as usize]);
                match self.plan.behind.offset(param) {
                    None => Some((Vector::Gradient, range)),
                    Some(offset) => Some((Vector::LateGradients, format!("pass.params.late({range}, {offset})"))),
                }
            }
            Root::Buffer(index) => {
                let buffer = &self.plan.buffers[index];
                let vector = match buffer.area {
                    Area::Arena => Vector::Arena,
                    Area::Fixed => Vector::Fixed,
                    Area::Prepared => Vector::Prepared,
                };
                Some((vector, format!("{:?}", buffer.offset..buffer.offset + buffer.len)))
            }
        }
    }

    fn place(&self, value: ValueId) -> &'a Place {
        &self.plan.places[value.0 as usize]
    }

    /// The memory of a value's root, as an expression.
    fn memory(&self, value: ValueId, borrows: &[Borrow]) -> String {
        if let Some((vector, region)) = self.region(value) {
            let borrow = borrows.iter().find(|b| b.from == vector).expect("borrowed above");
            let region = borrow.regions.iter().find(|r| r.at == region).expect("borrowed above");
            return region.name.clone();
        }
        match self.place(value).root {
            Root::Input(index) => format!("pass.{}", self.given.inputs[index]),
            Root::Target(index) => format!("pass.{}", self.given.targets[index]),
            Root::Param(_) | Root::Gradient(_) | Root::Buffer(_) => unreachable!("these are regions"),
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
    fn batch_binding(&self, index: usize, operand: ValueId, borrows: &[Borrow]) -> String {
        let ty = self.graph.ty(operand);
        if !ty.batched || ty.kind != Kind::Float {
            return String::new();
        }
        let batch = batch("Batch", &self.memory(operand, borrows), self.pitch(operand), &self.place(operand).part);
        format!("    let x{index} = {batch};\n")
    }

    /// An operand as the kernel wants it.
    fn argument(&self, index: usize, operand: ValueId, split: Split, borrows: &[Borrow]) -> String {
        let ty = self.graph.ty(operand);
        let by_image = matches!(split, Split::Images | Split::Strips(_));
        match (ty.batched, ty.kind) {
            (true, Kind::Float) if by_image => format!("x{index}.image(i)"),
            (true, Kind::Float) => format!("x{index}"),
            (true, Kind::Class(_)) if by_image && ty.shape.is_empty() => {
                format!("{}[i]", self.memory(operand, borrows))
            }
            (true, Kind::Class(_)) if by_image => {
                let len = ty.len();
                format!("&{}[i * {len}..(i + 1) * {len}]", self.memory(operand, borrows))
            }
            (true, Kind::Class(_)) => self.memory(operand, borrows),
            (false, _) => {
                let (memory, part) = (self.memory(operand, borrows), &self.place(operand).part);
                if self.root_len(operand) == part.len() { memory } else { format!("&({memory})[{part:?}]") }
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

    /// The parallel region: how the output is divided, and what is done with each part.
    fn region_text(
        &self,
        (step, given): (&Step, Given),
        function: &Function,
        used: &[(usize, ValueId)],
        borrows: &[Borrow],
    ) -> String {
        let split = step.kernel.split;
        let (share, method) = match split {
            Split::Images => ("i", "images"),
            Split::Strips(_) | Split::Rectangles { .. } => ("i", "strips"),
            Split::Stacks { .. } => ("_", "stacks"),
            Split::Pieces(_) => ("piece", "pieces"),
            Split::Groups => ("images", "groups"),
            Split::Blocks(_) => ("first", "blocks"),
        };
        let isa = function.isa.then(|| "memory.isa".to_owned());
        let dropout = "pass.dropout.map(|(seed, step)| rt::Dropout { seed, step, image: i })";
        let dropout = function.dropout.then(|| dropout.to_owned());
        let number = function.share.then(|| share.to_owned());
        let operands = used.iter().map(|(index, operand)| self.argument(*index, *operand, split, borrows));
        let scratch = function.scratch.then(|| "scratch".to_owned());
        let arguments: Vec<String> = [isa, dropout, number]
            .into_iter()
            .flatten()
            .chain(operands)
            .chain(["y".to_owned()])
            .chain(scratch)
            .collect();
        let by_image = matches!(split, Split::Images | Split::Strips(_));
        let numbered = function.share || function.dropout || (by_image && self.any_batched(used));
        let (share, scratch) = (if numbered { share } else { "_" }, if function.scratch { "scratch" } else { "_" });
        let (bindings, part) = self.division((step, given), borrows[0].from);
        let work = list(8, &format!("kernels::{}(", function.name), &arguments, ");");
        let of = match given {
            Given::Portion => "pass",
            _ if borrows[0].from == Vector::Gradient => "y",
            _ => "memory.pool",
        };
        let share = if matches!(split, Split::Stacks { .. }) { String::new() } else { format!("{share}, ") };
        format!("{bindings}    {of}.{method}({part}, &mut memory.scratch, &|{share}y, {scratch}| {{\n{work}    }});\n")
    }

    /// What is divided into how large parts: statements that say so where it takes many words, and arguments of the pool.
    fn division(&self, (step, given): (&Step, Given), to: Vector) -> (String, String) {
        let floats = self.graph.ty(step.value).floats();
        let cut = |Cut { plane, row, strips, planes }: Cut| {
            format!("    let cut = rt::Cut {{ plane: {plane}, row: {row}, strips: {strips}, planes: {planes} }};\n")
        };
        match step.kernel.split {
            Split::Images => (self.batched_output(step.value), "y".to_owned()),
            Split::Strips(by) => (self.batched_output(step.value) + &cut(by), "y, &cut".to_owned()),
            Split::Stacks { cut: by, images } => {
                (self.batched_output(step.value) + &cut(by), format!("y, &cut, {images}"))
            }
            Split::Rectangles { images, elements } => {
                let y = "    let len = y.len();\n    let y = rt::BatchMut::dense(y, len);\n".to_owned();
                (y + &cut(Cut::of_rows(floats, elements, 1, images)), "y, &cut".to_owned())
            }
            Split::Pieces(len) if to == Vector::Gradient => (String::new(), format!("&memory.pool, {len}")),
            Split::Pieces(len) if given == Given::Portion => (String::new(), format!("&memory.pool, y, {len}")),
            Split::Pieces(len) => (String::new(), format!("y, {len}")),
            Split::Groups if to == Vector::Gradient => {
                (String::new(), "&memory.pool, pass.n, &mut memory.partials".to_owned())
            }
            Split::Groups => (String::new(), "pass.n, &mut memory.partials, y".to_owned()),
            Split::Blocks(images) => (String::new(), format!("y, {floats}, {images}")),
        }
    }

    fn any_batched(&self, used: &[(usize, ValueId)]) -> bool {
        used.iter().any(|(_, operand)| self.graph.ty(*operand).batched)
    }

    /// `let y = rt::BatchMut::...` for batched values.
    fn batched_output(&self, value: ValueId) -> String {
        if !self.graph.ty(value).batched {
            return String::new();
        }
        format!("    let y = {};\n", batch("BatchMut", "y", self.pitch(value), &self.place(value).part))
    }

    fn doc(&self, step: &Step) -> String {
        let node = self.graph.node(step.value);
        let types: Vec<_> = node.inputs.iter().map(|v| self.graph.ty(*v)).collect();
        let operands: Vec<String> = types.iter().filter(|t| t.batched).map(|t| format!("`{t}`")).collect();
        let layer = if node.layer.is_empty() { String::new() } else { format!("`{}`: ", node.layer) };
        let from = if operands.is_empty() { String::new() } else { format!("{} → ", operands.join(", ")) };
        let mut line = format!("{layer}{}, {from}`{}`", node.op.name(), node.ty);
        let macs = node.op.macs(&types, &node.ty);
        if macs > 0 {
            line += &format!(", {} MACs", grouped(macs));
        }
        if step.in_place {
            line += ", in place";
        }
        line + "."
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

impl WrittenStep {
    fn regions(&self) -> impl Iterator<Item = &Region> {
        self.borrows.iter().flat_map(|borrow| &borrow.regions)
    }

    /// What it does, wherever its memory is.
    fn form(&self) -> Form<'_> {
        let borrow = |b: &'_ Borrow| (b.from, b.writes, b.regions.len());
        let regions = self.regions().map(|region| region.name.as_str()).collect();
        let (work, borrows) = (self.work.as_str(), self.borrows.iter().map(borrow).collect());
        Form { work, borrows, regions, given: self.given }
    }

    fn body(&self, at: impl Fn(&Region) -> String) -> String {
        let borrows = self.borrows.iter().map(|borrow| borrow.text(&at));
        borrows.chain([self.work.clone()]).collect()
    }

    /// The pass as a parameter of a function with these statements. Gradients may update weights in there.
    fn pass(&self, body: &str) -> String {
        let name = if body.contains("pass") { "pass" } else { "_pass" };
        let updates = self.borrows.iter().any(|borrow| borrow.from == Vector::Gradient);
        format!("{name}: &{}{}<'_>", if updates { "mut " } else { "" }, self.given.ty())
    }

    /// The function of a step.
    fn function(&self, body: &str) -> String {
        format!("/// {}\nfn {}(memory: &mut rt::Memory, {}) {{\n{body}}}\n", self.doc, self.name, self.pass(body))
    }

    /// That of a step that has none like it.
    fn alone(&self) -> String {
        self.function(&self.body(|region| region.at.clone()))
    }

    /// That of a step that does what others do too.
    fn call(&self, shared: &Ident) -> String {
        let regions: Vec<String> = self.regions().map(|region| region.at.clone()).collect();
        let call = match regions.as_slice() {
            [region] => format!("    {shared}(memory, pass, {region});\n"),
            regions => list(4, &format!("{shared}(memory, pass, ["), regions, "]);"),
        };
        self.function(&call)
    }

    /// What such steps have in common; they say where their memory is.
    fn shared(&self, name: &Ident) -> String {
        let regions: Vec<&str> = self.regions().map(|region| region.name.as_str()).collect();
        let region = match regions.as_slice() {
            [region] => format!("{region}: core::ops::Range<usize>"),
            regions => format!("[{}]: [core::ops::Range<usize>; {}]", regions.join(", "), regions.len()),
        };
        let body = self.body(|region| region.name.clone());
        let parameters = ["memory: &mut rt::Memory".to_owned(), self.pass(&body), region];
        let head = list(0, &format!("fn {name}("), &parameters, ") {");
        format!("/// `kernels::{}` on memory that a step names.\n#[inline(never)]\n{head}{body}}}\n", self.kernel)
    }
}

impl Borrow {
    /// The statement that borrows regions that are given as `at` says.
    fn text(&self, at: impl Fn(&Region) -> String) -> String {
        let (place, count) = (self.from.place(), if self.from == Vector::Arena { "pass.n" } else { "1" });
        match (self.regions.as_slice(), self.writes) {
            (regions, false) if self.from == Vector::Params => {
                regions.iter().map(|r| format!("    let {} = &{place}[{}];\n", r.name, at(r))).collect()
            }
            ([region], true) if self.from == Vector::Gradient => {
                format!("    let {} = pass.params.gradient(&mut {place}, {});\n", region.name, at(region))
            }
            ([region], true) => {
                format!("    let {} = rt::view_mut(&mut {place}, {count}, {});\n", region.name, at(region))
            }
            (regions, true) => {
                let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
                let ranges: Vec<String> = regions.iter().map(at).collect();
                let head = format!("let [{}] = rt::views(&mut {place}, {count}, [", names.join(", "));
                list(4, &head, &ranges, "]);")
            }
            (regions, false) => {
                let view = |r: &Region| format!("    let {} = rt::view(&{place}, {count}, {});\n", r.name, at(r));
                regions.iter().map(view).collect()
            }
        }
    }
}

/// `rt::Batch::dense(memory, pitch)`, or a part of every image of it.
fn batch(ty: &str, memory: &str, pitch: usize, part: &Range<usize>) -> String {
    match part.len() == pitch {
        true => format!("rt::{ty}::dense({memory}, {pitch})"),
        false => format!("rt::{ty}::part({memory}, {pitch}, {part:?})"),
    }
}
