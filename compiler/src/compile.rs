//! From text to code: the stages in their order.
//!
//! This is the one front door; the command, `net!` and build scripts come through it.

use std::collections::BTreeSet;

use crate::budget::{Budget, Taken};
use crate::cut::{Half, cut};
use crate::diagnostics::{Diagnostic, FileId, SourceMap, Span};
use crate::elaborate::{self, Loader};
use crate::emit::{self, Emitted, Planned};
use crate::graph::Graph;
use crate::optimize::{self, INFERENCE, Pass, TRAINING, TRAINING_WITH_INPUTS};
use crate::plan::{Plan, plan};
use crate::tuning::{self, Mode, Tuning, Workload};

/// What is asked of the compiler.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which net of the file and the values of its parameters.
    pub elaborate: elaborate::Options,
    /// Leave all training code out.
    pub infer_only: bool,
    /// Also compute the gradients of the inputs.
    pub input_gradients: bool,
    /// Only algorithms that round as plain sums do: no Winograd.
    pub exact: bool,
    /// Only what is in front of the trained weights, or the rest.
    pub half: Option<Half>,
    /// What stands above the compiler's model, in the place of the plan file beside the specification.
    pub tuning: Option<Tuning>,
    /// The memory that the network may take, where it is not to be as fast as it can whatever that takes.
    pub budget: Option<Budget>,
}

/// A compiled network.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Every text that was read.
    pub sources: SourceMap,
    /// The graph as elaborated.
    pub graph: Graph,
    /// For deployment.
    pub inference: Planned,
    /// For training, where the net has a loss and training was asked for.
    pub training: Option<Planned>,
}

/// Why a specification was refused.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Every text that was read.
    pub sources: SourceMap,
    /// The mistakes, at least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// The mistakes as text.
    pub fn render(&self, color: bool) -> String {
        crate::diagnostics::render(&self.sources, &self.diagnostics, color)
    }
}

/// Elaborates the net of `entry`, and reads the plan file beside it.
///
/// # Errors
/// All mistakes of the specification, of the files it uses and of its plan file, with the texts they are in.
pub fn elaborate(
    mut sources: SourceMap,
    loader: &dyn Loader,
    entry: FileId,
    options: &Options,
) -> Result<(SourceMap, Graph), Failure> {
    let tuning = |sources: &mut SourceMap| match &options.tuning {
        Some(tuning) => Ok(tuning.clone()),
        None => tuning::beside(sources, loader, entry, options.elaborate.net.as_deref()),
    };
    let graph = elaborate::elaborate(&mut sources, loader, entry, &options.elaborate)
        .and_then(|graph| Ok(Graph { exact: options.exact, tuning: tuning(&mut sources)?, ..graph }));
    match graph {
        Ok(graph) => Ok((sources, graph)),
        Err(diagnostics) => Err(Failure { sources, diagnostics }),
    }
}

/// Compiles the net of `entry`.
///
/// # Errors
/// Those of [`elaborate()`]; or the network cannot be cut, or does not fit the memory that the options allow.
pub fn compile(sources: SourceMap, loader: &dyn Loader, entry: FileId, options: &Options) -> Result<Compiled, Failure> {
    let (sources, whole) = elaborate(sources, loader, entry, options)?;
    let graph = match options.half {
        None => whole,
        Some(half) => match cut(&whole, half) {
            Some(graph) => graph,
            None => return Err(Failure { sources, diagnostics: vec![nothing_to_cut(entry, &whole)] }),
        },
    };
    let trains = graph.loss.is_some() && !options.infer_only;
    let inference = |graph: Graph| {
        let planned = planned(INFERENCE, graph, true);
        // Memory that training has for a whole batch serves deployment, too.
        let front = planned.plan.front.filter(|_| !trains);
        Planned { plan: Plan { front, ..planned.plan }, ..planned }
    };
    let training = trains.then(|| planned(training_passes(options), graph.clone(), false));
    let (inference, training) = match &options.budget {
        None => (inference(graph.clone()), training),
        Some(budget) => {
            let (inference, training) = budget.fit(&graph, inference, training);
            let taken = Taken::of(&inference, training.as_ref(), budget);
            if taken.total() > budget.bytes {
                return Err(Failure { sources, diagnostics: vec![budget.exceeded(entry, &graph, &taken)] });
            }
            (inference, training)
        }
    };
    Ok(Compiled { sources, graph, inference, training })
}

/// A graph behind passes, and how it is run.
pub fn planned(passes: &[Pass], graph: Graph, prepare: bool) -> Planned {
    let graph = optimize::run(passes, graph, |_, _| ());
    let plan = plan(&graph, prepare);
    Planned { graph, plan }
}

fn nothing_to_cut(entry: FileId, graph: &Graph) -> Diagnostic {
    let whole = Span { file: entry, start: 0, end: 0 };
    Diagnostic::new(whole, format!("the net `{}` has no features that stay the same while it learns", graph.name))
        .found("trained weights that take in an input itself")
        .fits("frozen layers in front of all that is trained: `transfer: { train: head }`, or fewer of the last layers")
}

fn training_passes(options: &Options) -> &'static [Pass] {
    if options.input_gradients { TRAINING_WITH_INPUTS } else { TRAINING }
}

impl Compiled {
    /// What is to be said of a plan file that is older than the net, which was asked for by these options.
    pub fn note(&self, options: &elaborate::Options) -> Option<String> {
        let halves = [(Mode::Inference, Some(&self.inference)), (Mode::Training, self.training.as_ref())];
        let (mut stale, mut all) = (0, 0);
        for (mode, planned) in halves.into_iter().filter_map(|(mode, planned)| Some((mode, planned?))) {
            let graph = &planned.graph;
            let used: BTreeSet<Workload> = graph.values().filter_map(|v| Workload::of(graph, v)).collect();
            let choices = self.graph.tuning.of(mode);
            stale += choices.keys().filter(|w| !used.contains(w)).count();
            all += choices.len();
        }
        let file = tuning::path(self.sources.path(FileId(0)), options.net.as_deref());
        (stale > 0).then(|| {
            format!(
                "{stale} of {all} choices of `{}` are for convolutions that this net does not have: `cnnc tune` measures again",
                file.display()
            )
        })
    }

    /// The code.
    pub fn emit(&self) -> Emitted {
        emit::emit(&self.graph, &self.inference, self.training.as_ref(), false)
    }

    /// The code, with passes that note when each step ends.
    pub fn emit_profiled(&self) -> Emitted {
        emit::emit(&self.graph, &self.inference, self.training.as_ref(), true)
    }

    /// A digest of the texts, the compiler's version and the options (FNV-1a).
    pub fn digest(&self, options: &Options) -> u64 {
        let options = format!("{options:?}");
        let texts = self.sources.files().map(|(_, _, text)| text);
        let all = [env!("CARGO_PKG_VERSION"), options.as_str()].into_iter().chain(texts);
        all.flat_map(|text| text.bytes().chain([0]))
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}
