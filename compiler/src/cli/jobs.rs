//! `train`, `eval`, `predict`, `run`: jobs for the program of a network.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cnnc_runtime::boxes::{Detector, Thresholds};
use cnnc_runtime::job::{self, Job, Machine, Suppression};

use super::arguments::{Bench, Eval, MachineOptions, NetOptions, Predict, Run, Train};
use super::cache::Build;
use super::recipe::Recipe;
use super::spec::Named;
use super::{Done, Failed, cache, write};
use crate::budget::Budget;
use crate::compile::Compiled;
use crate::cut::Half;
use crate::emit::Planned;
use crate::graph::Graph;

/// `cnnc train`
pub fn train(arguments: &Train) -> Done {
    let mut recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    recipe.epochs = arguments.epochs.unwrap_or(recipe.epochs);
    recipe.seed = arguments.seed.unwrap_or(recipe.seed);
    if arguments.resume {
        recipe.can_go_on()?;
    }
    let machine = Machine { threads: arguments.threads.unwrap_or(recipe.threads), isa: arguments.isa.clone() };
    let named = recipe.named()?;
    let whole = recipe.net(&named)?;
    let net = match recipe.caches_features() {
        true => NetOptions { half: Some(Half::Rest), ..whole.clone() },
        false => whole.clone(),
    };
    let compiled = named.compile(&net, false, false)?;
    needs_loss(&compiled)?;
    recipe.names_all_classes(&compiled.graph)?;
    recipe.groups_have_weights(&compiled.graph)?;
    recipe.blends_for(&compiled.graph)?;
    let network = named.crate_options(&compiled, &net, false, false).digest;
    let job = recipe.train(machine.clone(), arguments.resume, network)?;
    if recipe.caches_features() {
        compute_features(&recipe, &named, &whole, machine.clone())?;
    }
    let program = cache::program(&named, &compiled, &net, Build::default())?;
    execute(&program, &job, Stdio::inherit())?;
    match recipe.shown_at_last() {
        None => Ok(()),
        Some(picture) => {
            let look = look(&recipe, machine, recipe.output(), vec![picture]);
            start(&named, &whole, Build::default(), &Job::Predict(look))
        }
    }
}

/// Lets the front half of a network see all images.
fn compute_features(recipe: &Recipe, named: &Named, whole: &NetOptions, machine: Machine) -> Done {
    let front = NetOptions { half: Some(Half::Front), ..whole.clone() };
    let build = Build { infer_only: true, ..Build::default() };
    let compiled = named.compile(&front, build.infer_only, false)?;
    let network = named.crate_options(&compiled, &front, build.infer_only, false).digest;
    match recipe.features(machine, network) {
        None => Ok(()),
        Some(job) => start_compiled(named, &front, build, &compiled, &job),
    }
}

/// What is in pictures, as the recipe says, with the defaults of `cnnc predict`.
fn look(recipe: &Recipe, machine: Machine, weights: PathBuf, files: Vec<PathBuf>) -> job::Predict {
    let Thresholds { score, iou, .. } = Thresholds::default();
    job::Predict {
        machine,
        weights,
        files,
        picture: Some(recipe.picture.clone()),
        classes: recipe.classes.clone(),
        top: 3,
        score,
        iou,
        suppression: Suppression::OfClass,
        output: None,
        json: false,
    }
}

/// `cnnc eval`
pub fn eval(arguments: &Eval) -> Done {
    let recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    let given: Vec<Option<&Path>> = arguments.weights.iter().map(|path| Some(path.as_path())).collect();
    let given = if given.is_empty() { vec![None] } else { given };
    let weights = given.into_iter().map(|path| weights(path, &recipe)).collect::<Result<_, _>>()?;
    let job = recipe.eval(machine(&arguments.machine), weights, arguments.crops, arguments.json)?;
    let named = recipe.named()?;
    start(&named, &recipe.net(&named)?, Build::default(), &job)
}

/// `cnnc predict`
pub fn predict(arguments: &Predict) -> Done {
    let recipe = Recipe::read_alone(&arguments.recipe, None)?;
    arguments.files.iter().try_for_each(|path| write::is_there("picture", path))?;
    if let Some(output) = &arguments.output {
        write::ends_in("png", output)?;
        write::has_folder(output)?;
        if arguments.files.len() > 1 {
            return Err(Failed::input("--output is for one picture\nfits: one picture after another"));
        }
    }
    let weights = weights(arguments.weights.as_deref(), &recipe)?;
    let defaults = Thresholds::default();
    let job = Job::Predict(job::Predict {
        top: arguments.top,
        score: arguments.score.unwrap_or(defaults.score),
        iou: arguments.iou.unwrap_or(defaults.iou),
        suppression: match (arguments.agnostic, arguments.soft_nms) {
            (true, _) => Suppression::Agnostic,
            (_, true) => Suppression::Soft,
            _ => Suppression::OfClass,
        },
        output: arguments.output.clone(),
        json: arguments.json,
        ..look(&recipe, machine(&arguments.machine), weights, arguments.files.clone())
    });
    let named = recipe.named()?;
    let net = recipe.net(&named)?;
    let compiled = named.compile(&net, false, false)?;
    recipe.names_all_classes(&compiled.graph)?;
    has_boxes_for(arguments, &compiled.graph)?;
    start_compiled(&named, &net, Build::default(), &compiled, &job)
}

/// Refuses options for boxes where there will be none.
fn has_boxes_for(arguments: &Predict, graph: &Graph) -> Done {
    let Predict { output, score, iou, agnostic, soft_nms, .. } = arguments;
    let given = [
        ("--output", output.is_some()),
        ("--score", score.is_some()),
        ("--iou", iou.is_some()),
        ("--agnostic", *agnostic),
        ("--soft-nms", *soft_nms),
    ];
    let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
    let outputs = graph.outputs.iter().map(|output| (&*output.name, &*graph.ty(output.value).shape));
    match Detector::of_outputs(&outputs.collect::<Vec<_>>()) {
        Some(_) => Ok(()),
        None => Err(Failed::input(format!(
            "the net `{}` has no output of boxes\nfits: no `{option}`, which is for detectors",
            graph.name
        ))),
    }
}

/// `cnnc run`
pub fn run(arguments: &Run) -> Done {
    let named = Named::find(&arguments.spec)?;
    arguments.weights.iter().try_for_each(|path| write::is_there("weights", path))?;
    if !arguments.input.is_dir() {
        write::is_there("inputs", &arguments.input)?;
    }
    [&arguments.output].into_iter().chain(&arguments.gradients).try_for_each(|path| write::has_folder(path))?;
    let job = Job::Run(job::Run {
        machine: machine(&arguments.machine),
        weights: arguments.weights.clone(),
        seed: arguments.seed,
        input: arguments.input.clone(),
        output: arguments.output.clone(),
        gradients: arguments.gradients.clone(),
    });
    let build = Build { gradients: arguments.gradients.is_some(), ..Build::default() };
    start(&named, &arguments.options, build, &job)
}

/// `cnnc bench`
pub fn bench(arguments: &Bench) -> Done {
    measurable(arguments.batch, arguments.seconds)?;
    arguments.weights.iter().try_for_each(|path| write::is_there("weights", path))?;
    let named = Named::find(&arguments.spec)?;
    let build = Build { infer_only: !arguments.train, profile: arguments.layers, ..Build::default() };
    // Of momentum.
    let (images, vectors) = (arguments.batch, usize::from(arguments.train));
    let budget = |bytes| Budget { bytes, images, vectors, copies: 0, keeps_gradients: false };
    let net = NetOptions { budget: arguments.memory.map(budget), ..arguments.options.clone() };
    let compiled = named.compile(&net, build.infer_only, false)?;
    let planned = planned(&compiled, arguments.train)?;
    let job = Job::Bench(job::Bench {
        machine: machine(&arguments.machine),
        weights: arguments.weights.clone(),
        train: arguments.train,
        batch: arguments.batch,
        seconds: arguments.seconds,
        layers: arguments.layers,
        json: arguments.json,
        lower_bound: planned.plan.sizes.arena_lower_bound,
        steps: steps(planned),
    });
    start_compiled(&named, &net, build, &compiled, &job)
}

/// Refuses what would take forever or nothing.
pub fn measurable(batch: usize, seconds: f64) -> Done {
    match seconds > 0.0 && seconds <= 3600.0 && (1..=65_536).contains(&batch) {
        true => Ok(()),
        false => Err(Failed::input(format!(
            "{batch} images for {seconds} seconds cannot be measured\nfits: a batch of 1 to 65536, and up to 3600 seconds"
        ))),
    }
}

/// The half of a network that is measured.
pub fn planned(compiled: &Compiled, train: bool) -> Result<&Planned, Failed> {
    match (&compiled.training, train) {
        (_, false) => Ok(&compiled.inference),
        (Some(training), true) => Ok(training),
        (None, true) => Err(Failed::input(format!(
            "the net `{}` has no loss, so it cannot learn\nfits: no `--train`",
            compiled.graph.name
        ))),
    }
}

/// What the plan says of the steps of a pass.
pub fn steps(planned: &Planned) -> Vec<job::Step> {
    let Planned { graph, plan } = planned;
    let step = |step: &crate::plan::Step| {
        let node = graph.node(step.value);
        let types: Vec<_> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
        let bytes = |batched: bool| {
            let all = types.iter().copied().chain([&node.ty]).filter(|t| t.batched == batched);
            all.map(|t| t.floats() * size_of::<f32>()).sum()
        };
        job::Step {
            name: node.layer.clone(),
            op: node.op.name().to_owned(),
            kernel: step.kernel.name.clone(),
            macs: node.op.macs(&types, &node.ty),
            bytes_per_image: bytes(true),
            bytes_once: bytes(false),
        }
    };
    plan.run.iter().map(step).collect()
}

pub fn machine(options: &MachineOptions) -> Machine {
    Machine { threads: options.threads, isa: options.isa.clone() }
}

/// The weights that are asked for, or those that the recipe's training wrote.
fn weights(given: Option<&Path>, recipe: &Recipe) -> Result<PathBuf, Failed> {
    let path = given.map_or_else(|| recipe.output(), Path::to_owned);
    if path.is_file() {
        return Ok(path);
    }
    let missing = format!("there are no weights at `{}`", path.display());
    Err(Failed::input(match (given, recipe.earlier_output()) {
        (Some(path), _) => format!("{missing}\nfits: a safetensors file{}", write::similar(path)),
        (None, Some(earlier)) => {
            format!("{missing}\nfits: those of an earlier run, `--weights {}`, or another file", earlier.display())
        }
        (None, None) => {
            format!("{missing}\nfits: `cnnc train {}` first, or `--weights FILE`", recipe.path.display())
        }
    }))
}

/// Builds the network and lets it do a job.
fn start(named: &Named, net: &NetOptions, build: Build, job: &Job) -> Done {
    let compiled = named.compile(net, build.infer_only, build.gradients)?;
    if matches!(job, Job::Run(run) if run.gradients.is_some()) {
        needs_loss(&compiled)?;
    }
    start_compiled(named, net, build, &compiled, job)
}

fn needs_loss(compiled: &Compiled) -> Done {
    if compiled.training.is_some() {
        return Ok(());
    }
    Err(Failed::input(format!(
        "the net `{}` has no loss, so it cannot learn\nfits: `target label: class(10)` and `loss cross_entropy(scores, label)`",
        compiled.graph.name
    )))
}

fn start_compiled(named: &Named, net: &NetOptions, build: Build, compiled: &Compiled, job: &Job) -> Done {
    execute(&cache::program(named, compiled, net, build)?, job, Stdio::inherit()).map(|_| ())
}

/// Lets a program do a job, and returns what it printed where `stdout` is a pipe.
pub fn execute(program: &Path, job: &Job, stdout: Stdio) -> Result<Vec<u8>, Failed> {
    let failed = |what: &str, e: &dyn std::fmt::Display| Failed::machine(format!("cannot {what} the job: {e}"));
    let mut file =
        tempfile::Builder::new().prefix("cnnc-job-").suffix(".json").tempfile().map_err(|e| failed("write", &e))?;
    serde_json::to_writer(&mut file, job).map_err(|e| failed("write", &e))?;
    let mut command = Command::new(program);
    command.arg(file.path()).stdin(Stdio::inherit()).stdout(stdout).stderr(Stdio::inherit());
    // Ctrl-C is for the program: it saves its run, and its end is ours.
    if matches!(job, Job::Train(_)) {
        cnnc_runtime::harness::leave_interrupts();
    }
    let output = command.output().map_err(|e| failed("start", &e))?;
    match output.status.code() {
        Some(0) => Ok(output.stdout),
        // The program's own codes: a damaged job is ours, training that diverged is the recipe's.
        Some(2) => Err(Failed::Said(3)),
        Some(3) => Err(Failed::Said(1)),
        Some(code) => Err(Failed::Said(u8::try_from(code).unwrap_or(3))),
        None => Err(Failed::machine(format!("the program was ended from outside: {}", output.status))),
    }
}
