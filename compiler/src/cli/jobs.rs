//! `train`, `eval`, `predict`, `run`: jobs for the program of a network.

use std::path::{Path, PathBuf};
use std::process::Command;

use cnnc_runtime::job::{self, Job, Machine};

use super::arguments::{Eval, MachineOptions, NetOptions, Predict, Run, Train};
use super::recipe::Recipe;
use super::spec::Named;
use super::{Done, Failed, cache};

/// `cnnc train`
pub fn train(arguments: &Train) -> Done {
    let mut recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    recipe.epochs = arguments.epochs.unwrap_or(recipe.epochs);
    recipe.seed = arguments.seed.unwrap_or(recipe.seed);
    let machine = Machine { threads: arguments.threads.unwrap_or(recipe.threads), isa: arguments.isa.clone() };
    start(&recipe.named()?, &recipe.net(), false, &recipe.train(machine, arguments.resume)?)
}

/// `cnnc eval`
pub fn eval(arguments: &Eval) -> Done {
    let recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    let weights = weights(arguments.weights.as_deref(), &recipe)?;
    let job = recipe.eval(machine(&arguments.machine), weights, arguments.json)?;
    start(&recipe.named()?, &recipe.net(), false, &job)
}

/// `cnnc predict`
pub fn predict(arguments: &Predict) -> Done {
    let recipe = Recipe::read(&arguments.recipe, None)?;
    let job = Job::Predict(job::Predict {
        machine: machine(&arguments.machine),
        weights: weights(arguments.weights.as_deref(), &recipe)?,
        files: arguments.files.clone(),
        picture: Some(recipe.picture.clone()),
        classes: recipe.classes.clone(),
        top: arguments.top,
        json: arguments.json,
    });
    start(&recipe.named()?, &recipe.net(), false, &job)
}

/// `cnnc run`
pub fn run(arguments: &Run) -> Done {
    let named = Named::find(&arguments.spec)?;
    let job = Job::Run(job::Run {
        machine: machine(&arguments.machine),
        weights: arguments.weights.clone(),
        seed: arguments.seed,
        input: arguments.input.clone(),
        output: arguments.output.clone(),
        gradients: arguments.gradients.clone(),
    });
    start(&named, &arguments.options, arguments.gradients.is_some(), &job)
}

fn machine(options: &MachineOptions) -> Machine {
    Machine { threads: options.threads, isa: options.isa.clone() }
}

/// The weights that are asked for, or those that the recipe's training wrote.
fn weights(given: Option<&Path>, recipe: &Recipe) -> Result<PathBuf, Failed> {
    let path = given.map_or_else(|| recipe.output(), Path::to_owned);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failed::input(format!(
        "there are no weights at `{}`\nfits: `cnnc train {}` first, or `--weights FILE`",
        path.display(),
        recipe.path.display()
    )))
}

/// Builds the network and lets it do a job.
fn start(named: &Named, net: &NetOptions, gradients: bool, job: &Job) -> Done {
    let compiled = named.compile(net, false, gradients)?;
    let learns = matches!(job, Job::Train(_)) || matches!(job, Job::Run(run) if run.gradients.is_some());
    if learns && compiled.training.is_none() {
        return Err(Failed::input(format!(
            "the net `{}` has no loss, so it cannot learn\nfits: `target label: class(10)` and `loss cross_entropy(scores, label)`",
            compiled.graph.name
        )));
    }
    let program = cache::program(named, &compiled, net, gradients)?;
    let failed = |what: &str, e: &dyn std::fmt::Display| Failed::machine(format!("cannot {what} the job: {e}"));
    let mut file =
        tempfile::Builder::new().prefix("cnnc-job-").suffix(".json").tempfile().map_err(|e| failed("write", &e))?;
    serde_json::to_writer(&mut file, job).map_err(|e| failed("write", &e))?;
    let status = Command::new(&program).arg(file.path()).status().map_err(|e| failed("start", &e))?;
    match status.code() {
        Some(0) => Ok(()),
        // The program's own codes: a damaged job is ours, training that diverged is the recipe's.
        Some(2) => Err(Failed::Said(3)),
        Some(3) => Err(Failed::Said(1)),
        Some(code) => Err(Failed::Said(u8::try_from(code).unwrap_or(3))),
        None => Err(Failed::machine(format!("the program was ended from outside: {status}"))),
    }
}
