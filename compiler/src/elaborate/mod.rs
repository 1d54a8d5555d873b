//! Syntax tree to graph.
//!
//! One walk does it all: blocks are called, loops run, conditions are decided, and every operator is added to the graph
//! with its shape inferred on the spot, so that `x.channels` is known to the very next line. A mistake is reported and its
//! value poisoned: what depends on it is passed over in silence, and the walk goes on to find others.

mod arguments;
mod arithmetic;
mod blocks;
mod calls;
mod expressions;
mod files;
mod finish;
mod functions;
mod kinds;
mod layers;
mod operators;
mod param_kinds;
mod settings;
mod statements;
mod targets;
mod value;
mod variants;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::diagnostics::{Diagnostic, FileId, Label, Outcome, SourceMap, Span, nearest};
use crate::graph::{Graph, Kind, ParamId, ValueId};
use crate::syntax::ast;
use files::{Files, Nets};
use layers::Layers;
use value::Value;

/// How texts are read: the one way in which the compiler touches files.
pub trait Loader {
    /// The path that `use "path"` in the file at `from` means.
    fn resolve(&self, from: &Path, path: &str) -> PathBuf {
        from.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The text at a path; the message says why there is none.
    fn read(&self, path: &Path) -> Result<String, String>;

    /// Names of the files beside a path, which need not exist itself.
    fn siblings(&self, path: &Path) -> Vec<String>;
}

/// Which net, with which values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The net's name; by default the last one of the file that is no variant of another.
    pub net: Option<String>,
    /// Values for the net's parameters, as text.
    pub set: Vec<(String, String)>,
    /// Names of weights, layers and block calls that stay as they are, beside those that the net itself freezes.
    pub freeze: Vec<String>,
}

/// Most statements and calls, counting each round of a loop; lists count by their length.
const MAX_STEPS: usize = 100_000;
/// Most nodes of a graph.
const MAX_NODES: usize = 50_000;
/// Most elements of one value, and floats of all weights.
const MAX_ELEMENTS: usize = 1 << 31;
/// Deepest nesting of block calls.
const MAX_CALLS: usize = 32;
/// Deepest nesting of expressions and statements, through all block calls; each level takes a part of the stack.
const MAX_DEPTH: usize = 400;
/// Longest string, and name of a layer, in bytes.
const MAX_NAME: usize = 256;
/// Most values of a list, counting those of lists in it.
const MAX_LIST: usize = 10_000;
/// Deepest nesting of lists.
const MAX_LIST_DEPTH: usize = 16;
/// Most mistakes that are reported.
const MAX_MISTAKES: usize = 20;

/// Elaborates the net of a file.
///
/// # Errors
/// All mistakes of the file and of those it uses, up to a number, in order of their places.
pub fn elaborate(sources: &mut SourceMap, loader: &dyn Loader, entry: FileId, options: &Options) -> Outcome<Graph> {
    let (files, nets) = files::load(sources, loader, entry)?;
    let net = choose(entry, &nets, options.net.as_deref()).map_err(|d| vec![d])?;
    let mut elaborator = Elaborator::new(Rc::new(files), net);
    let set = elaborator.settings(sources, net, &options.set);
    elaborator.net_body(net, set);
    elaborator.freeze_from_outside(sources, &options.freeze);
    elaborator.finish(net)
}

/// Names of the nets of a file that are variants of others, in order.
pub fn variants(text: &str) -> Vec<String> {
    if !may_have_variants(text) {
        return Vec::new();
    }
    let mut alone = SourceMap::default();
    let entry = alone.add("variants", text);
    let items = crate::syntax::parse(&alone, entry).map_or(Vec::new(), |tree| tree.items);
    let name = |item| if let ast::Item::Variant(variant) = item { Some(variant.name.name) } else { None };
    items.into_iter().filter_map(name).collect()
}

/// Whether `net Name =` stands somewhere, be it in a comment: most files need not be parsed to know that they have no variants.
fn may_have_variants(text: &str) -> bool {
    text.match_indices("net").any(|(at, word)| {
        let name = text[at + word.len()..].trim_start();
        name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start().starts_with('=')
    })
}

/// The net that is asked for, or the one that the file is about.
fn choose<'n>(entry: FileId, nets: &'n Nets, wanted: Option<&str>) -> Result<&'n ast::Definition, Diagnostic> {
    let whole = Span { file: entry, start: 0, end: 0 };
    let names = || nets.all.iter().map(|n| n.name.name.as_str());
    let Some(main) = nets.main.map(|main| &nets.all[main]) else {
        return Err(Diagnostic::new(whole, "there is no net in this file")
            .fits("`net Name(classes = 10) { ... }`")
            .hint("blocks are parts of nets, for nets of this file and of those that `use` it"));
    };
    let Some(wanted) = wanted else { return Ok(main) };
    nets.all.iter().find(|n| n.name.name == wanted).ok_or_else(|| {
        let listed: Vec<String> = names().map(|n| format!("`{n}`")).collect();
        let fits = if listed.len() == 1 { listed[0].clone() } else { format!("one of {}", listed.join(", ")) };
        let diagnostic = Diagnostic::new(whole, format!("there is no net `{wanted}` in this file")).fits(fits);
        match nearest(wanted, names()) {
            Some(name) => diagnostic.hint(format!("did you mean `{name}`?")),
            None => diagnostic,
        }
    })
}

/// A mistake was reported; nothing more is to be said about this value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poisoned;

type Evaluated<T> = Result<T, Poisoned>;

/// Names and their values in one net or block: a binding lives to its end, or to that of the `train { }` it stands in.
#[derive(Clone, Debug)]
struct Scope {
    file: FileId,
    names: HashMap<String, Value>,
    /// Constants that the file sees.
    consts: Rc<HashMap<String, Value>>,
    /// Names that were bound in a `train { }` that has ended, and where.
    train_only: HashMap<String, Span>,
}

impl Scope {
    /// What a name means here.
    fn get(&self, name: &str) -> Option<&Value> {
        self.names.get(name).or_else(|| self.consts.get(name))
    }

    /// All names, in order of the alphabet.
    fn known(&self) -> Vec<&str> {
        let mut known: Vec<&str> = self.names.keys().chain(self.consts.keys()).map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        known
    }
}

/// A block call under way.
#[derive(Clone, Debug)]
struct BlockCall {
    block: String,
    span: Span,
}

/// The walk.
struct Elaborator {
    files: Rc<Files>,
    graph: Graph,
    mistakes: Vec<Diagnostic>,
    layers: Layers,
    /// Block calls under way, outermost first.
    calls: Vec<BlockCall>,
    /// Constants that each file sees, once they were needed.
    consts: HashMap<FileId, Rc<HashMap<String, Value>>>,
    /// Weights to be used again by a further call of a `shared` instance.
    reuse: Option<VecDeque<ParamId>>,
    /// Weights made or used since the first call of each `shared` instance under way.
    records: Vec<Vec<ParamId>>,
    /// Per-image losses.
    losses: Vec<(ValueId, Span)>,
    /// What `freeze` named: values and prefixes.
    frozen: Vec<(Freeze, Span)>,
    steps: usize,
    /// Whether a limit was passed and reported: nothing more is looked at.
    gave_up: bool,
    /// Expressions and statements under way.
    depth: usize,
    /// The weights by name, for names given twice.
    weights: HashMap<String, Span>,
    /// Numbers in all weights together.
    weight_count: usize,
}

enum Freeze {
    Value(ValueId),
    Prefix(String),
}

impl Elaborator {
    fn new(files: Rc<Files>, net: &ast::Definition) -> Self {
        let graph = Graph { name: net.name.name.clone(), docs: net.docs.clone(), ..Graph::default() };
        Self {
            files,
            graph,
            mistakes: Vec::new(),
            layers: Layers::new(),
            calls: Vec::new(),
            consts: HashMap::new(),
            reuse: None,
            records: Vec::new(),
            losses: Vec::new(),
            frozen: Vec::new(),
            steps: 0,
            gave_up: false,
            depth: 0,
            weights: HashMap::new(),
            weight_count: 0,
        }
    }

    /// Reports a mistake, with the block calls that led to it.
    fn report(&mut self, mut diagnostic: Diagnostic) -> Poisoned {
        if self.mistakes.len() < MAX_MISTAKES && !self.gave_up {
            diagnostic.trace.extend(trace(&self.calls));
            // The same in another round of a loop, or another call of a block, says nothing new.
            let same = |m: &Diagnostic| m.span() == diagnostic.span() && m.title == diagnostic.title;
            if !self.mistakes.iter().any(same) {
                self.mistakes.push(diagnostic);
            }
        }
        Poisoned
    }

    /// Reports that a limit is passed, and looks at nothing more.
    fn give_up(&mut self, diagnostic: Diagnostic) -> Poisoned {
        self.report(diagnostic);
        self.gave_up = true;
        Poisoned
    }

    /// Goes one level deeper.
    fn nested<T>(&mut self, span: Span, inner: impl FnOnce(&mut Self) -> Evaluated<T>) -> Evaluated<T> {
        if self.depth >= MAX_DEPTH {
            let deep = Diagnostic::new(span, "this is nested too deeply")
                .fits(format!(
                    "at most {MAX_DEPTH} expressions and statements inside one another, through all block calls"
                ))
                .hint("give a part a name of its own: `part = ...`");
            return Err(self.report(deep));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Counts work, so that no text can keep the compiler busy.
    fn step(&mut self, span: Span) -> Evaluated<()> {
        self.steps += 1;
        if self.gave_up || self.mistakes.len() >= MAX_MISTAKES {
            return Err(Poisoned);
        }
        if self.steps > MAX_STEPS {
            let many = Diagnostic::new(span, "this net takes too many steps to build")
                .found(format!("more than {MAX_STEPS} statements and calls up to here"))
                .fits(format!("at most {MAX_STEPS}, counting each round of a loop and each call of a block"));
            return Err(self.give_up(many));
        }
        if self.graph.nodes.len() > MAX_NODES {
            let large = Diagnostic::new(span, "this net has too many operations")
                .found(format!("more than {MAX_NODES} up to here"))
                .fits(format!("at most {MAX_NODES}"));
            return Err(self.give_up(large));
        }
        Ok(())
    }

    /// A value and what it is, for messages.
    fn show(&self, value: &Value) -> String {
        match value {
            Value::Tensor(id) => match self.graph.ty(*id).kind {
                Kind::Float => format!("a tensor of shape {}", self.graph.ty(*id)),
                Kind::Class(_) => format!("a label: {}", self.graph.ty(*id)),
            },
            Value::Shared(shared) => format!("a shared instance of `{}`", shared.callee.name),
            other => other.show(),
        }
    }
}

/// The block calls that led to a place, innermost first; of many, the middle is left out.
fn trace(calls: &[BlockCall]) -> Vec<Label> {
    let label = |call: &BlockCall, more: String| Label {
        span: call.span,
        text: format!("in `{}`, called here{more}", call.block),
    };
    let mut trace: Vec<Label> = calls.iter().rev().map(|c| label(c, String::new())).collect();
    if trace.len() > 6 {
        let left_out = trace.len() - 5;
        trace.drain(3..3 + left_out);
        trace[3].text += &format!(" (and {left_out} calls further in)");
    }
    trace
}
