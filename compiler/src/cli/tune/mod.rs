//! `cnnc tune`: measures how each convolution could be computed otherwise, where it stands in the network.
//!
//! Each round builds the network with the next alternative of every kind of convolution at once, and measures it in turn with
//! the network as the model has it. What was faster is built together and measured again, as chance favours the best of
//! many; what is left must make the network as a whole faster, or nothing is written.

mod table;
mod variant;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use super::arguments::{Tune, Which};
use super::spec::Named;
use super::{Done, Failed, color, jobs, print, write};
use crate::diagnostics::{SourceMap, render};
use crate::optimize::candidates;
use crate::tuning::{self, Choice, Choices, Entry, Mode, PlanFile, Section, Workload};
use table::Row;
use variant::{Report, Rig, Variant};

/// The share of a convolution's time that another choice must save.
const GAIN: f64 = 0.03;
/// The share of the network's time that all choices together must save.
const WHOLE_GAIN: f64 = 0.01;
/// How often two variants are measured beside one another: an odd number, for one pair to be in the middle.
const PAIRS: usize = 5;

/// A kind of convolution, and how it may be computed: first as the model has it.
struct Kind {
    workload: Workload,
    layers: Vec<String>,
    candidates: Vec<Choice>,
}

/// An alternative and microseconds: of the model's choice beside it, and its own.
#[derive(Clone, Copy)]
struct Trial {
    choice: Choice,
    model: f64,
    own: f64,
}

impl Trial {
    fn gain(&self) -> f64 {
        1.0 - self.own / self.model
    }
}

/// `cnnc tune`
pub fn tune(arguments: &Tune) -> Done {
    jobs::measurable(arguments.batch, arguments.seconds)?;
    let named = Named::find(&arguments.spec)?;
    let old = plan_file(&named, &arguments.which)?;
    let mode = if arguments.train { Mode::Training } else { Mode::Inference };
    let rig = Rig { named: &named, arguments, mode };
    let model = rig.build(&Choices::new(), true)?;
    let kinds = kinds(&model, mode);
    let measured = alternatives(&rig, &model, &kinds)?;
    let trials = confirmed(&rig, &model, &fastest_choices(&measured))?;
    let section = if trials.is_empty() { None } else { Some(whole(&rig, &trials)?) };
    progress_ends();
    let shown = if arguments.all { measured } else { trials.into_iter().collect() };
    let rows: Vec<Row> = kinds
        .iter()
        .flat_map(|kind| {
            shown.iter().filter(|(workload, _)| *workload == kind.workload).map(|(_, trial)| row(kind, trial))
        })
        .collect();
    print(&table::text(&rows))?;
    print(&keep(&rig, old, section)?)
}

fn kinds(model: &Variant, mode: Mode) -> Vec<Kind> {
    let kind = |(workload, layers): (&Workload, &Vec<String>)| Kind {
        workload: workload.clone(),
        layers: layers.clone(),
        candidates: candidates(workload, mode, false),
    };
    model.layers.iter().map(kind).collect()
}

fn row(kind: &Kind, trial: &Trial) -> Row {
    let count = kind.layers.len();
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let backwards = if kind.workload.backwards { ", gradient" } else { "" };
    Row {
        layer: format!("{}{more}{backwards}", kind.layers[0]),
        was: kind.candidates[0].to_string(),
        is: trial.choice.to_string(),
        was_us: trial.model / count as f64,
        is_us: trial.own / count as f64,
    }
}

/// Measures every alternative of each kind.
fn alternatives(rig: &Rig<'_>, model: &Variant, kinds: &[Kind]) -> Result<Vec<(Workload, Trial)>, Failed> {
    let rounds = kinds.iter().map(|k| k.candidates.len()).max().unwrap_or(1);
    let choices = |round: usize| -> Choices {
        let alternative = |kind: &Kind| Some((kind.workload.clone(), *kind.candidates.get(round)?));
        kinds.iter().filter_map(alternative).collect()
    };
    // All are built before the first is measured.
    let mut variants = Vec::new();
    for round in 1..rounds {
        progress(&format!("building alternative {round} of {}", rounds - 1));
        variants.push(rig.build(&choices(round), true)?);
    }
    let mut measured = Vec::new();
    for (round, variant) in (1..rounds).zip(&variants) {
        progress(&format!("measuring alternative {round} of {}", rounds - 1));
        measured.extend(trials(rig, model, variant, &choices(round))?);
    }
    Ok(measured)
}

/// For each workload the alternative that saved most, if it saved enough.
fn fastest_choices(measured: &[(Workload, Trial)]) -> Choices {
    let mut best: BTreeMap<&Workload, &Trial> = BTreeMap::new();
    for (workload, trial) in measured.iter().filter(|(_, trial)| trial.gain() >= GAIN) {
        let other = best.entry(workload).or_insert(trial);
        if trial.gain() > other.gain() {
            *other = trial;
        }
    }
    best.into_iter().map(|(workload, trial)| (workload.clone(), trial.choice)).collect()
}

/// Those that save enough once more, all together.
fn confirmed(rig: &Rig<'_>, model: &Variant, choices: &Choices) -> Result<BTreeMap<Workload, Trial>, Failed> {
    if choices.is_empty() {
        return Ok(BTreeMap::new());
    }
    progress("building the best together");
    let variant = rig.build(choices, true)?;
    progress("measuring the best together");
    let mut again = trials(rig, model, &variant, choices)?;
    again.retain(|_, trial| trial.gain() >= GAIN);
    Ok(again)
}

/// Measures a variant beside the network as the model has it: of each workload the pair of times in the middle.
fn trials(
    rig: &Rig<'_>,
    model: &Variant,
    variant: &Variant,
    choices: &Choices,
) -> Result<BTreeMap<Workload, Trial>, Failed> {
    let mut pairs: BTreeMap<Workload, Vec<Trial>> = BTreeMap::new();
    for (model_report, report) in in_turn(rig, model, variant)? {
        let (model, own) = (model.times(&model_report), variant.times(&report));
        for (workload, choice) in choices {
            if let (Some(model), Some(own)) = (model.get(workload), own.get(workload)) {
                let trial = Trial { choice: *choice, model: *model, own: *own };
                pairs.entry(workload.clone()).or_default().push(trial);
            }
        }
    }
    Ok(pairs.into_iter().map(|(workload, pairs)| (workload, middle(pairs, Trial::gain))).collect())
}

/// Measures two variants in turn, `a b b a a b ...`. A machine that others use is faster and slower by turns: only what was
/// measured right after one another is compared.
fn in_turn(rig: &Rig<'_>, a: &Variant, b: &Variant) -> Result<Vec<(Report, Report)>, Failed> {
    let pair = |index: usize| match index % 2 {
        0 => Ok((rig.measure(a)?, rig.measure(b)?)),
        _ => {
            let of_b = rig.measure(b)?;
            Ok((rig.measure(a)?, of_b))
        }
    };
    (0..PAIRS).map(pair).collect()
}

/// The pair in the middle by what is gained.
fn middle<T>(mut pairs: Vec<T>, gain: impl Fn(&T) -> f64) -> T {
    pairs.sort_by(|a, b| gain(a).total_cmp(&gain(b)));
    pairs.swap_remove(pairs.len() / 2)
}

/// Measures the whole network as users build it.
fn whole(rig: &Rig<'_>, trials: &BTreeMap<Workload, Trial>) -> Result<Section, Failed> {
    progress("building the tuned network");
    let choices: Choices = trials.iter().map(|(workload, trial)| (workload.clone(), trial.choice)).collect();
    let (model, tuned) = (rig.build(&Choices::new(), false)?, rig.build(&choices, false)?);
    progress("measuring the tuned network");
    let gain = |(before, after): &(Report, Report)| 1.0 - after.median_ms / before.median_ms;
    let (before, after) = middle(in_turn(rig, &model, &tuned)?, gain);
    let entry = |(workload, trial): (&Workload, &Trial)| {
        let layers = tuned.layers.get(workload).map_or(1, Vec::len) as f64;
        let Choice { algorithm, strips, images, planes } = trial.choice;
        let us = |time: f64| rounded(time / layers, 10.0);
        (workload.clone(), Entry { algorithm, strips, images, planes, us: us(trial.own), model_us: us(trial.model) })
    };
    Ok(Section {
        cpu: cpu(),
        isa: after.isa,
        threads: after.threads,
        batch: rig.arguments.batch,
        model_ms: rounded(before.median_ms, 1000.0),
        ms: rounded(after.median_ms, 1000.0),
        convolutions: trials.iter().map(entry).collect(),
    })
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

/// What the plan file says so far. One with mistakes is left alone: it may hold what was measured for the other graph.
fn plan_file(named: &Named, which: &Which) -> Result<Option<PlanFile>, Failed> {
    let path = named.plan(which);
    if !path.is_file() {
        return Ok(None);
    }
    let mut sources = SourceMap::default();
    let file = sources.add(&path, write::read_text(&path)?);
    tuning::read(&sources, file).map(Some).map_err(|mistakes| {
        let text = render(&sources, &mistakes, color(std::io::stderr().is_terminal()));
        Failed::input(format!("{text}\nhelp: remove `{}` to measure everything anew", path.display()))
    })
}

/// Brings the plan file up to date with what was measured, and says so. What it has of the other graph stays.
fn keep(rig: &Rig<'_>, old: Option<PlanFile>, section: Option<Section>) -> Result<String, Failed> {
    let path = rig.named.plan(&rig.arguments.which);
    let was_there = old.is_some();
    let mut said = match &section {
        None => format!("no other choice makes a convolution {:.0} % faster", 100.0 * GAIN),
        Some(Section { model_ms, ms, .. }) => {
            format!("the network takes {:.1} % of its time, {ms:.3} ms instead of {model_ms:.3}", 100.0 * ms / model_ms)
        }
    };
    let section = section.filter(|section| 1.0 - section.ms / section.model_ms >= WHOLE_GAIN);
    said += &match section {
        Some(_) => format!(": wrote `{}`\n", path.display()),
        None => ": the compiler's choices stay\n".to_owned(),
    };
    let plan = old.unwrap_or_default().with(rig.mode, section);
    let has_some = plan.inference.is_some() || plan.training.is_some();
    if has_some {
        write::file(&path, plan.text().as_bytes())?;
    } else if was_there {
        std::fs::remove_file(&path).map_err(|e| Failed::machine(format!("cannot remove `{}`: {e}", path.display())))?;
    }
    if has_some && !was_there {
        rig.named.touch();
    }
    Ok(said)
}

/// What the system calls its processor.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name: String = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim()).to_owned();
    name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
}

/// Says what goes on; on a terminal in a line that the next one replaces.
fn progress(what: &str) {
    let line = if std::io::stderr().is_terminal() { format!("\r\u{1b}[K{what} ...") } else { format!("{what} ...\n") };
    // Nothing depends on it.
    let _ = write!(std::io::stderr(), "{line}");
}

/// Removes the line that says what goes on.
fn progress_ends() {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
}
