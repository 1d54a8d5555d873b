//! `cnnc tune`: measures how each convolution could be computed otherwise, where it stands in the network.
//!
//! Each round builds the network with the next alternative of every kind of convolution at once, and measures it in turn with
//! the network as the model has it. What was faster is built together and measured again, as chance favours the best of
//! many; what is left must make the network as a whole faster, or nothing is written.

mod table;
mod variant;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use super::arguments::Tune;
use super::spec::Named;
use super::{Done, Failed, jobs, print, write};
use crate::diagnostics::SourceMap;
use crate::optimize::candidates;
use crate::tuning::{self, Choice, Choices, Entry, Mode, Section, Workload};
use table::Row;
use variant::{Report, Rig, Variant};

/// The share of a convolution's time that another choice must save.
const GAIN: f64 = 0.03;
/// The share of the network's time that all choices together must save.
const WHOLE_GAIN: f64 = 0.01;

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
    let mode = if arguments.train { Mode::Training } else { Mode::Inference };
    let rig = Rig { named: &named, arguments, mode };
    let model = rig.build(&Choices::new(), true)?;
    let kinds = kinds(&model, mode);
    let trials = confirmed(&rig, &model, faster(&rig, &model, &kinds)?)?;
    let section = match trials.is_empty() {
        true => None,
        false => whole(&rig, &trials)?,
    };
    let rows = kinds.iter().filter_map(|kind| Some(row(kind, trials.get(&kind.workload)?)));
    let rows = if section.is_some() { table::text(&rows.collect::<Vec<_>>()) } else { String::new() };
    let said = keep(&rig, section)?;
    progress_ends();
    print(&format!("{rows}{said}"))
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

/// For each kind the alternative that was fastest, where one was faster than the model's choice.
fn faster(rig: &Rig<'_>, model: &Variant, kinds: &[Kind]) -> Result<BTreeMap<Workload, Trial>, Failed> {
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
    let mut best: BTreeMap<Workload, Trial> = BTreeMap::new();
    for (round, variant) in (1..rounds).zip(&variants) {
        progress(&format!("measuring alternative {round} of {}", rounds - 1));
        for (workload, trial) in trials(rig, model, variant, &choices(round))? {
            if best.get(&workload).is_none_or(|other| trial.gain() > other.gain()) {
                best.insert(workload, trial);
            }
        }
    }
    best.retain(|_, trial| trial.gain() >= GAIN);
    Ok(best)
}

/// Those that are faster once more, all together.
fn confirmed(
    rig: &Rig<'_>,
    model: &Variant,
    found: BTreeMap<Workload, Trial>,
) -> Result<BTreeMap<Workload, Trial>, Failed> {
    if found.is_empty() {
        return Ok(found);
    }
    progress("building the best together");
    let choices: Choices = found.iter().map(|(workload, trial)| (workload.clone(), trial.choice)).collect();
    let variant = rig.build(&choices, true)?;
    progress("measuring the best together");
    let mut again = trials(rig, model, &variant, &choices)?;
    again.retain(|_, trial| trial.gain() >= GAIN);
    Ok(again)
}

/// Measures a variant beside the network as the model has it.
fn trials(
    rig: &Rig<'_>,
    model: &Variant,
    variant: &Variant,
    choices: &Choices,
) -> Result<BTreeMap<Workload, Trial>, Failed> {
    let [ours, theirs] = interleaved(rig, model, variant, 1)?;
    let (model, own) = (fastest(model, &ours), fastest(variant, &theirs));
    let trial = |(workload, choice): (&Workload, &Choice)| {
        let trial = Trial { choice: *choice, model: *model.get(workload)?, own: *own.get(workload)? };
        Some((workload.clone(), trial))
    };
    Ok(choices.iter().filter_map(trial).collect())
}

/// Microseconds by workload, in the run that was disturbed least.
fn fastest(variant: &Variant, reports: &[Report]) -> BTreeMap<Workload, f64> {
    let mut fastest: BTreeMap<Workload, f64> = BTreeMap::new();
    for (workload, time) in reports.iter().flat_map(|report| variant.times(report)) {
        let best = fastest.entry(workload).or_insert(time);
        *best = best.min(time);
    }
    fastest
}

/// Measures two variants in turn, `a b b a`, some times over.
fn interleaved(rig: &Rig<'_>, a: &Variant, b: &Variant, times: usize) -> Result<[Vec<Report>; 2], Failed> {
    let [mut of_a, mut of_b] = [Vec::new(), Vec::new()];
    for _ in 0..times {
        of_a.push(rig.measure(a)?);
        of_b.push(rig.measure(b)?);
        of_b.push(rig.measure(b)?);
        of_a.push(rig.measure(a)?);
    }
    Ok([of_a, of_b])
}

/// Measures the whole network as users build it; the section of the plan file if it is faster.
fn whole(rig: &Rig<'_>, trials: &BTreeMap<Workload, Trial>) -> Result<Option<Section>, Failed> {
    progress("building the tuned network");
    let choices: Choices = trials.iter().map(|(workload, trial)| (workload.clone(), trial.choice)).collect();
    let (model, tuned) = (rig.build(&Choices::new(), false)?, rig.build(&choices, false)?);
    progress("measuring the tuned network");
    let [before, after] = interleaved(rig, &model, &tuned, 2)?;
    let (model_ms, ms) = (median(&before), median(&after));
    let machine = &after[0];
    let entry = |(workload, trial): (&Workload, &Trial)| {
        let layers = tuned.layers.get(workload).map_or(1, Vec::len) as f64;
        let Choice { algorithm, rows, planes } = trial.choice;
        let us = |time: f64| rounded(time / layers, 10.0);
        (workload.clone(), Entry { algorithm, rows, planes, us: us(trial.own), model_us: us(trial.model) })
    };
    let section = Section {
        cpu: cpu(),
        isa: machine.isa.clone(),
        threads: machine.threads,
        batch: rig.arguments.batch,
        model_ms: rounded(model_ms, 1000.0),
        ms: rounded(ms, 1000.0),
        convolutions: trials.iter().map(entry).collect(),
    };
    Ok((1.0 - ms / model_ms >= WHOLE_GAIN).then_some(section))
}

fn median(reports: &[Report]) -> f64 {
    let mut times: Vec<f64> = reports.iter().map(|r| r.median_ms).collect();
    times.sort_by(f64::total_cmp);
    f64::midpoint(times[(times.len() - 1) / 2], times[times.len() / 2])
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

/// Brings the plan file up to date with what was measured, and says so. What it has of the other graph stays.
fn keep(rig: &Rig<'_>, section: Option<Section>) -> Result<String, Failed> {
    let path = rig.named.plan();
    let old = path.is_file().then(|| write::read_text(&path)).transpose()?.and_then(|text| {
        let mut sources = SourceMap::default();
        let file = sources.add(&path, text);
        // One that cannot be read is written anew.
        tuning::read(&sources, file).ok()
    });
    let what = match rig.mode {
        Mode::Inference => "inference",
        Mode::Training => "training",
    };
    let said = match &section {
        None => format!("{what}: what the compiler chooses is as fast as what was measured beside it\n"),
        Some(Section { model_ms, ms, .. }) => format!(
            "{what}: {model_ms} ms before, {ms} ms now, {:.1} % less; wrote {}\n",
            100.0 * (1.0 - ms / model_ms),
            path.display()
        ),
    };
    let plan = old.unwrap_or_default().with(rig.mode, section);
    let was_there = path.is_file();
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
