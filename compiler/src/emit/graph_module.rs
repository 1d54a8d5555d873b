//! The module of one graph: `inference` or `training`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::code::Code;
use super::kernels::KernelBook;
use super::layout::list;
use super::names::{Names, ident};
use super::steps::{Given, StepWriter, WrittenStep};
use crate::graph::{Graph, Kind, Named, ParamId, ValueId};
use crate::plan::{Area, Plan, Release, Root};

/// A function of the pass that calls the functions of steps in order.
struct Calls<'s> {
    doc: &'static str,
    /// `fn` and its name.
    head: &'static str,
    /// `&` or `&mut `.
    reference: &'static str,
    first: &'s str,
    steps: &'s [WrittenStep],
    last: &'s str,
}

impl Calls<'_> {
    fn text(&self, profile: bool) -> String {
        let &Self { doc, head, reference, first, steps, last } = self;
        let lap = if profile { "    memory.profile.lap();\n" } else { "" };
        let calls: String = steps.iter().map(|step| format!("    {}(memory, pass);\n{lap}", step.name)).collect();
        format!("/// {doc}\n{head}(memory: &mut rt::Memory, pass: {reference}Pass<'_>) {{\n{first}{calls}{last}}}\n")
    }
}

/// A graph as a module of functions.
pub struct GraphModule<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its plan.
    pub plan: &'a Plan,
    names: &'a Names,
    prepare: Vec<WrittenStep>,
    run: Vec<WrittenStep>,
    /// Of steps, and what they share.
    functions: Vec<String>,
    fields: Vec<PassField>,
    /// What each step that prepares something leaves of its weights; nothing where all are kept.
    releases: Vec<Release>,
}

/// Something that a pass is given.
struct PassField {
    name: Ident,
    ty: &'static str,
    doc: String,
}

impl PassField {
    fn text(&self) -> String {
        format!("    /// {}\n    pub(super) {}: {},\n", self.doc, self.name, self.ty)
    }
}

impl<'a> GraphModule<'a> {
    /// Writes the steps; their kernels go into `book`. A network that does nothing else `gives_back` weights that it has made others of.
    pub fn new(graph: &'a Graph, plan: &'a Plan, names: &'a Names, book: &mut KernelBook, gives_back: bool) -> Self {
        let mut writer = StepWriter::new(graph, plan, names, book);
        let releases = if gives_back { Release::of(graph, plan) } else { vec![Release::NOTHING; plan.prepare.len()] };
        let given = |release: &Release| if release.portions > 1 { Given::Portion } else { Given::Weights };
        let prepare: Vec<WrittenStep> =
            plan.prepare.iter().zip(&releases).map(|(step, release)| writer.write(step, given(release))).collect();
        let run: Vec<WrittenStep> = plan.run.iter().map(|step| writer.write(step, Given::Pass)).collect();
        let functions = writer.functions(&prepare.iter().chain(&run).collect::<Vec<_>>());
        let mut module = Self { graph, plan, names, prepare, run, functions, fields: Vec::new(), releases };
        module.fields = module.pass_fields();
        module
    }

    /// Whether something is to be done after weights change.
    pub fn prepares(&self) -> bool {
        !self.prepare.is_empty()
    }

    /// Whether weights may be updated in a run.
    pub fn learns(&self) -> bool {
        !self.graph.gradients.is_empty()
    }

    fn params_type(&self) -> &'static str {
        if self.learns() { "rt::Learner<'a>" } else { "&'a [f32]" }
    }

    /// Whether a pass is given this.
    pub fn takes(&self, name: &Ident) -> bool {
        self.fields.iter().any(|f| f.name == *name)
    }

    /// What a pass may be given, as far as a step makes use of it.
    fn pass_fields(&self) -> Vec<PassField> {
        let mut all = vec![
            (ident("n"), "usize", "Number of images.".to_owned()),
            (ident("params"), self.params_type(), "Weights and buffers.".to_owned()),
        ];
        for (input, name) in self.graph.inputs.iter().zip(&self.names.inputs) {
            all.push((name.clone(), "&'a [f32]", format!("`{}`, image after image.", input.name)));
        }
        for (target, name) in self.graph.targets.iter().zip(&self.names.targets) {
            let ty = match self.graph.ty(target.value).kind {
                Kind::Class(_) => "&'a [u32]",
                Kind::Float => "&'a [f32]",
            };
            all.push((name.clone(), ty, format!("`{}`, image after image.", target.name)));
        }
        all.push((
            ident("dropout"),
            "Option<(u64, u64)>",
            "Seed and step of dropout; `None` keeps every unit.".to_owned(),
        ));
        all.into_iter()
            .filter(|(name, ..)| self.run.iter().any(|s| s.reads.contains(name)))
            .map(|(name, ty, doc)| PassField { name, ty, doc })
            .collect()
    }

    /// The module's code; with `profile`, the pass notes when each step ends.
    pub fn code(&self, profile: bool) -> Code {
        let reads = |step: &WrittenStep| step.reads.contains(&ident("params"));
        let params = if self.prepare.iter().chain(&self.run).any(reads) { " params," } else { "" };
        let imports = format!("use super::{{kernels,{params} rt}};\n");
        let fields: String = self.fields.iter().map(PassField::text).collect();
        let pass = format!("/// What a pass works on.\npub(super) struct Pass<'a> {{\n{fields}}}\n");
        let start = if profile { "    memory.profile.start();\n" } else { "" };
        let again = if profile { "    memory.profile.again();\n" } else { "" };
        let (front, behind) = self.run.split_at(self.plan.front.as_ref().map_or(0, |front| front.steps));
        let run = Calls {
            doc: "All steps in order.",
            head: "pub(super) fn run",
            reference: if self.learns() { "&mut " } else { "&" },
            first: &format!("{start}{}", self.front_call()),
            steps: behind,
            last: &self.late_updates(),
        };
        let in_front = Calls {
            doc: "The steps in front, which in large batches each thread does for images of its own.",
            head: "fn front",
            reference: "&",
            first: again,
            steps: front,
            last: "",
        };
        let prepare = self.prepares().then(|| self.preparation());
        let (run, front) = (run.text(profile), (!front.is_empty()).then(|| in_front.text(profile)));
        let passes =
            [Some(imports.as_str()), Some(pass.as_str()), prepare.as_deref(), Some(run.as_str()), front.as_deref()];
        let functions = self.functions.iter().map(String::as_str);
        let items: Vec<&str> = passes.into_iter().flatten().chain(functions).collect();
        Code::Text(items.join("\n"))
    }

    /// The function that prepares; what nobody reads any more is given back, step by step, so that what is made takes its place.
    fn preparation(&self) -> String {
        let mut text = "/// What follows from the weights alone, to be done once after they change.\n".to_owned();
        text += "pub(super) fn prepare(memory: &mut rt::Memory, params: &mut rt::Params) {\n";
        for (WrittenStep { name, .. }, Release { params, portions }) in self.prepare.iter().zip(&self.releases) {
            let mut weights = params.iter().map(|param| format!("params::{}", self.names.params[param.0 as usize]));
            if *portions > 1 {
                let of_portions = weights.next().expect("portions are of a weight");
                text += &format!("    let of = params.portions({portions});\n    for index in 0..of {{\n");
                text += &format!("        {name}(memory, &rt::Portion {{ params, index, of }});\n");
                text += &format!("        params.give_back(rt::Portion::range({of_portions}, index, of));\n    }}\n");
            } else {
                text += &format!("    {name}(memory, &rt::Weights {{ params }});\n");
            }
            text.extend(weights.map(|weights| format!("    params.give_back({weights});\n")));
        }
        text + "}\n"
    }

    /// Has gradients that later steps needed update their weights, too.
    fn late_updates(&self) -> String {
        let late = &self.plan.behind.late;
        if late.is_empty() {
            return String::new();
        }
        let name = |param: &ParamId| &self.names.params[param.0 as usize];
        let late: Vec<String> = late.iter().map(|(param, at)| format!("(params::{}, {at})", name(param))).collect();
        list(4, "pass.params.finish(memory, &[", &late, "]);")
    }

    /// Has the steps in front done.
    fn front_call(&self) -> String {
        let Some(front) = &self.plan.front else { return String::new() };
        let kept = front.kept.iter().map(|index| &self.plan.buffers[*index]);
        let kept: Vec<String> =
            kept.map(|buffer| format!("[{}, {}]", buffer.offset, buffer.offset + buffer.len)).collect();
        let fields = self.fields.iter().map(|field| {
            let name = &field.name;
            let input = self.names.inputs.iter().position(|input| input == name).map(|index| &self.graph.inputs[index]);
            match input.map(|input| self.graph.ty(input.value).len()) {
                Some(len) => format!("            {name}: &pass.{name}[images.start * {len}..images.end * {len}],\n"),
                None if name == "n" => "            n: images.len(),\n".to_owned(),
                None => format!("            {name}: pass.{name},\n"),
            }
        });
        format!(
            "    memory.front(pass.n, &[{}], &|memory, images| {{\n        front(memory, &Pass {{\n{}        }});\n    }});\n",
            kept.join(", "),
            fields.collect::<String>(),
        )
    }

    /// `Pass { n, params: &self.params, .. }` from variables in scope; weights that may change are one of those.
    pub fn pass_value(&self, module: &Ident) -> TokenStream {
        let fields = self.fields.iter().map(|f| &f.name).map(|name| match name.to_string().as_str() {
            "params" if !self.learns() => quote!(params: &self.params),
            _ => quote!(#name),
        });
        quote!(#module::Pass { #(#fields),* })
    }

    /// The memory of a result, as an expression.
    pub fn result(&self, value: ValueId) -> TokenStream {
        let place = &self.plan.places[value.0 as usize];
        let Root::Buffer(index) = place.root else { unreachable!("results are materialized") };
        let buffer = &self.plan.buffers[index];
        let (start, end) = (buffer.offset + place.part.start, buffer.offset + place.part.end);
        match buffer.area {
            Area::Arena => {
                let (start, end) = (buffer.offset, buffer.offset + buffer.len);
                quote!(rt::view(&self.memory.arena, self.n, #start..#end))
            }
            Area::Fixed => quote!(&self.memory.fixed[#start..#end]),
            Area::Prepared => quote!(&self.memory.prepared[#start..#end]),
        }
    }

    /// Inputs that a pass is given, with their positions.
    pub fn inputs(&self) -> impl Iterator<Item = (usize, &'a Named)> + '_ {
        self.graph.inputs.iter().enumerate().filter(|(index, _)| self.takes(&self.names.inputs[*index]))
    }

    /// Targets that a pass is given, with their positions.
    pub fn targets(&self) -> impl Iterator<Item = (usize, &'a Named)> + '_ {
        self.graph.targets.iter().enumerate().filter(|(index, _)| self.takes(&self.names.targets[*index]))
    }
}
