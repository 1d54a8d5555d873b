//! Syntax tree to graph.
//!
//! One walk does it all: blocks are called, loops run, conditions are decided, and every operator is added to the graph
//! with its shape inferred on the spot, so that `x.channels` is known to the very next line. A mistake is reported and its
//! value poisoned: what depends on it is passed over in silence, and the walk goes on to find others.

mod arguments;
mod calls;
mod expressions;
mod files;
mod finish;
mod layers;
mod statements;
mod value;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::diagnostics::{Diagnostic, FileId, Label, Outcome, SourceMap, Span, nearest};
use crate::graph::{Graph, ParamId, ValueId};
use crate::syntax::ast;
use files::Files;
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

    /// Names of files beside a path that does not exist, for suggestions.
    fn siblings(&self, path: &Path) -> Vec<String>;
}

/// Which net, with which values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The net's name; by default the last one of the file.
    pub net: Option<String>,
    /// Values for the net's parameters, as text.
    pub set: Vec<(String, String)>,
}

/// Most statements that loops may run.
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

/// Elaborates the net of a file.
pub fn elaborate(sources: &mut SourceMap, loader: &dyn Loader, entry: FileId, options: &Options) -> Outcome<Graph> {
    let (files, nets) = files::load(sources, loader, entry)?;
    let net = choose(sources, entry, &nets, options.net.as_deref()).map_err(|d| vec![d])?;
    let mut elaborator = Elaborator::new(Rc::new(files), net);
    let set = elaborator.net_arguments(sources, net, &options.set);
    elaborator.net_body(net, set);
    elaborator.finish(net)
}

/// The net that is asked for, or the only one, or the last one of the file.
fn choose<'n>(
    sources: &SourceMap,
    entry: FileId,
    nets: &'n [ast::Definition],
    wanted: Option<&str>,
) -> Result<&'n ast::Definition, Diagnostic> {
    let whole = Span { file: entry, start: 0, end: 0 };
    let names = || nets.iter().map(|n| n.name.name.as_str());
    let Some(last) = nets.last() else {
        return Err(Diagnostic::new(whole, "there is no net in this file").fits("`net Name(...) { ... }`"));
    };
    let Some(wanted) = wanted else { return Ok(last) };
    nets.iter().find(|n| n.name.name == wanted).ok_or_else(|| {
        let listed: Vec<String> = names().map(|n| format!("`{n}`")).collect();
        let mut diagnostic = Diagnostic::new(whole, format!("there is no net `{wanted}` in this file"))
            .fits(format!("one of {}", listed.join(", ")));
        if let Some(name) = nearest(wanted, names()) {
            diagnostic = diagnostic.hint(format!("did you mean `{name}`?"));
        }
        let _ = sources;
        diagnostic
    })
}

/// A mistake was reported; nothing more is to be said about this value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poisoned;

type Evaluated<T> = Result<T, Poisoned>;

/// Names and their values in one net or block: a binding lives to its end.
#[derive(Clone, Debug)]
struct Scope {
    file: FileId,
    names: HashMap<String, Value>,
}

/// The walk.
struct Elaborator {
    files: Rc<Files>,
    graph: Graph,
    mistakes: Vec<Diagnostic>,
    layers: Layers,
    /// Blocks under way, outermost first.
    calls: Vec<Label>,
    /// Weights to be used again by a further call of a `shared` instance.
    reuse: Option<VecDeque<ParamId>>,
    /// Weights made since the first call of `shared` instances under way.
    records: Vec<Vec<ParamId>>,
    /// Per-image losses.
    losses: Vec<(ValueId, Span)>,
    /// What `freeze` named: values and prefixes.
    frozen: Vec<(Freeze, Span)>,
    steps: usize,
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
            layers: Layers::default(),
            calls: Vec::new(),
            reuse: None,
            records: Vec::new(),
            losses: Vec::new(),
            frozen: Vec::new(),
            steps: 0,
            depth: 0,
            weights: HashMap::new(),
            weight_count: 0,
        }
    }

    /// Reports a mistake, with the block calls that led to it.
    fn report(&mut self, mut diagnostic: Diagnostic) -> Poisoned {
        diagnostic.trace.extend(self.calls.iter().rev().cloned());
        if self.mistakes.len() < 100 && !self.mistakes.contains(&diagnostic) {
            self.mistakes.push(diagnostic);
        }
        Poisoned
    }

    /// Goes one level deeper.
    fn nested<T>(&mut self, span: Span, inner: impl FnOnce(&mut Self) -> Evaluated<T>) -> Evaluated<T> {
        if self.depth >= MAX_DEPTH {
            let deep = Diagnostic::new(span, "this is nested too deeply")
                .fits(format!("at most {MAX_DEPTH} expressions and statements inside one another, through all block calls"))
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
        if self.steps > MAX_STEPS {
            let many = Diagnostic::new(span, "this net takes too many steps to build")
                .fits(format!("at most {MAX_STEPS} statements, counting each round of a loop"));
            return Err(self.report(many));
        }
        if self.graph.nodes.len() > MAX_NODES {
            let large = Diagnostic::new(span, "this net has too many operations").fits(format!("at most {MAX_NODES}"));
            return Err(self.report(large));
        }
        Ok(())
    }

    /// Whether a limit was passed, so that loops end at once.
    fn exhausted(&self) -> bool {
        self.steps > MAX_STEPS || self.graph.nodes.len() > MAX_NODES || self.mistakes.len() >= 100
    }
}
