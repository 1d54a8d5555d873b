//! `cnnc train`

use std::format;
use std::path::Path;
use std::string::String;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use super::about::About;
use super::detect::precision_line;
use super::draw::percent;
use super::eval::{iou_line, pck_line, verification_line};
use super::folder::RunFolder;
use super::log::Log;
use super::progress::Lines;
use super::{Failure, Harness, Keep, Reading, load, note, plural, thousands};
use crate::data::{BatchData, Dataset, Draw, Raster};
use crate::files::FileError;
use crate::job::{Show, Train};
use crate::optimizer::needs_all;
use crate::tensors::TensorFile;
use crate::train::{Checkpoints, FitOptions, Outcome, check, evaluate_by, fit, load_best};
use crate::weights::{self, Lenience, Loaded};
use crate::{Network, Role, init};

impl Harness<'_> {
    /// Learns, says how well, saves the weights of the best epoch and classifies a picture.
    pub(super) fn train(&mut self, job: &Train) -> Result<(), Failure> {
        let at_once = needs_all(&job.optimizer, job.clip.as_ref(), job.accumulate).is_some();
        let mut network =
            self.network(&job.machine, Some(job.seed), job.batch, Keep { gradients: at_once, weights: true })?;
        let network = &mut *network;
        if let Some(path) = &job.weights {
            let loaded = weights::load(network, path)?;
            self.say_what_fits(network, path, &loaded)?;
        }
        if let (Some(scheme), None) = (&job.init, &job.weights) {
            init::apply(network, scheme, job.seed);
        }
        if let Some(path) = &job.transfer {
            let loaded = transfer(network, path)?;
            self.say_what_fits(network, path, &loaded)?;
        }
        let plain = Reading {
            classes: &job.classes,
            picture: job.picture.clone(),
            targets: &job.targets,
            ..Reading::default()
        };
        let data = load(&job.data, network.spec(), Reading { augment: job.augment.clone(), ..plain.clone() })?;
        let test = job.test.as_ref().map(|test| load(test, network.spec(), plain)).transpose()?;
        check_ahead(network, job)?;
        self.greet(network, job, &data, test.as_ref())?;
        if let Some(left_out) = boxes_left_out(&data) {
            note(&left_out);
        }
        let about = About::new(network.spec(), &job.picture, &job.classes).to_text();
        let checkpoints = Checkpoints {
            folder: job.checkpoints.folder.clone(),
            resume: job.checkpoints.resume,
            every_steps: job.checkpoints.every_steps,
            recipe: job.checkpoints.recipe.clone(),
            about,
        };
        let options = FitOptions {
            batch: job.batch,
            epochs: job.epochs,
            optimizer: job.optimizer,
            schedule: job.schedule.clone(),
            decay_on: job.decay_on,
            groups: job.groups.clone(),
            clip: job.clip,
            accumulate: job.accumulate,
            average: job.average,
            patience: job.patience,
            seed: job.seed,
            measures: job.measures.clone(),
            checkpoints: Some(checkpoints.clone()),
        };
        // Whatever may be wrong was found by now: nothing is moved for a run that does not begin.
        check(network, &data, &options)?;
        let folder = RunFolder::take(&checkpoints.folder)?;
        if let Some(aside) = if checkpoints.resume { None } else { folder.keep_earlier()? } {
            note(&format!("what an earlier run has left is kept in `{}`", aside.display()));
        }
        let title = format!("{} on {} images", network.spec().name, thousands(data.len()));
        let log = Log::new(&checkpoints.folder, title);
        let mut lines = Lines::new(self.out, log, interrupted());
        let outcome = fit(network, &data, test.as_ref(), &options, &mut lines);
        let unlogged = lines.finish()?;
        self.conclude(network, job, &outcome?, &checkpoints, test.as_ref())?;
        // All else is done: the exit code says that something is missing.
        unlogged.map_or(Ok(()), |error| Err(error.hint("all but this part of the log was written").into()))
    }

    /// Says how a run ended and how good the network of its best epoch is, whose weights are saved.
    fn conclude(
        &mut self,
        network: &mut dyn Network,
        job: &Train,
        outcome: &Outcome,
        checkpoints: &Checkpoints,
        test: Option<&Dataset>,
    ) -> Result<(), Failure> {
        if !outcome.finished {
            writeln!(self.out, "interrupted; the run is saved in {}", checkpoints.last().display())?;
            return Ok(writeln!(self.out, "  help: `--resume` goes on")?);
        }
        if outcome.early {
            writeln!(self.out, "no progress any more: the best epoch is kept")?;
        }
        if outcome.best.is_some() {
            load_best(network, checkpoints)?;
        }
        weights::save(network, &job.output, Some(&checkpoints.about))?;
        if let Some(test) = test {
            self.say_how_good(network, test, job)?;
        }
        writeln!(self.out, "weights: {}", job.output.display())?;
        self.show(network, job, test)
    }

    /// Which of the network's weights come from a file, which do not, and what of the file is not used.
    fn say_what_fits(&mut self, network: &dyn Network, path: &Path, loaded: &Loaded) -> Result<(), Failure> {
        Ok(writeln!(self.out, "from {}: {}", path.display(), loaded.account(network.spec()))?)
    }

    /// Who learns what, and how.
    fn greet(
        &mut self,
        network: &dyn Network,
        job: &Train,
        data: &Dataset,
        test: Option<&Dataset>,
    ) -> Result<(), Failure> {
        let (spec, memory) = (network.spec(), network.memory());
        let of_role = |role: Role| -> usize {
            spec.params.iter().filter(|param| param.role == role).map(|param| param.range.len()).sum()
        };
        let frozen = match of_role(Role::Frozen) {
            0 => String::new(),
            n => format!(" and {} frozen ones", thousands(n)),
        };
        writeln!(
            self.out,
            "{}: {} trained parameters{frozen}, {}, {}",
            spec.name,
            thousands(of_role(Role::Trained)),
            memory.isa.name(),
            plural(memory.pool.threads() as u64, "thread"),
        )?;
        let optimizer = job.optimizer.name();
        let held_out = test.map_or(String::new(), |test| format!(", {} held out", thousands(test.len())));
        writeln!(
            self.out,
            "{} images to learn from{held_out}; {}, batches of {}, {optimizer}",
            thousands(data.len()),
            plural(job.epochs, "epoch"),
            job.batch,
        )?;
        Ok(self.out.flush()?)
    }

    /// The line that scripts look for.
    fn say_how_good(&mut self, network: &mut dyn Network, test: &Dataset, job: &Train) -> Result<(), Failure> {
        let metrics = evaluate_by(network, test, job.batch, &job.measures)?;
        if let Some(accuracy) = metrics.accuracy() {
            writeln!(self.out, "accuracy: {}", percent(accuracy).trim_start())?;
        } else if let Some(loss) = metrics.loss() {
            writeln!(self.out, "loss: {loss:.6}")?;
        }
        let others = [
            metrics.mean_iou().map(iou_line),
            metrics.roc().map(verification_line),
            metrics.pck().map(pck_line),
            metrics.boxes.as_ref().map(precision_line),
        ];
        others.into_iter().flatten().try_for_each(|line| Ok(writeln!(self.out, "{line}")?))
    }

    fn show(&mut self, network: &mut dyn Network, job: &Train, test: Option<&Dataset>) -> Result<(), Failure> {
        let spec = network.spec();
        match &job.show {
            Show::Nothing => Ok(()),
            Show::File(path) => {
                let raster = Raster::read(path)?;
                let name = format!("{}", path.display());
                self.classify(network, &raster, &job.picture, &job.classes, &name, None)
            }
            Show::HeldOut => {
                // Only networks that look at one picture and name its class have something to show.
                let ([input], Some(test)) = (spec.inputs, test) else { return Ok(()) };
                if !matches!(input.shape, [1 | 3, _, _]) || super::predict::class_output(spec).is_err() {
                    return Ok(());
                }
                let mut batch = BatchData::new(spec, 1);
                batch.load(test, &[0], Draw::default())?;
                let values: Vec<f32> = batch.inputs()[0].to_vec();
                let range = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
                let raster = Raster::from_tensor(&values, input.shape, range)?;
                let label = test.class(0, 0).map(|class| super::predict::class_name(&job.classes, class as usize));
                self.print_guesses(network, &values, &raster, &job.classes, "a held-out image", label)
            }
        }
    }
}

/// Takes what fits of the weights of another network; what is frozen must be among it.
pub(super) fn transfer(network: &mut dyn Network, path: &Path) -> Result<Loaded, FileError> {
    let spec = network.spec();
    let mut file = TensorFile::open(path)?;
    let loaded = weights::load_from(network, &mut file, Lenience::TRANSFER)?;
    if loaded.tensors == 0 {
        return Err(file.error(format!("none of its weights fits {} by name and shape", spec.name)));
    }
    let new = loaded.missing.iter().chain(loaded.reshaped.iter().map(|(name, _)| name));
    let frozen = |name: &&String| spec.param(name).is_some_and(|param| param.role == Role::Frozen);
    match new.into_iter().find(frozen) {
        None => Ok(loaded),
        Some(name) => Err(file
            .error(format!("`{name}` does not come from it, but would stay as it is, at random"))
            .hint("`transfer: { train: ... }` with more to be trained")),
    }
}

/// That there are more boxes in pictures than are learnt from, if so.
fn boxes_left_out(data: &Dataset) -> Option<String> {
    let (photos, rows, most) = data.crowded()?;
    let have = if photos == 1 { "picture has" } else { "pictures have" };
    Some(format!(
        "{} {have} more than {rows} boxes: the rest, the smallest, is not learnt from\n  \
         help: a target of {most} rows holds all; where its net has a parameter for it, `set: {{ most: {most} }}`",
        thousands(photos)
    ))
}

/// Becomes true with the first Ctrl-C: the run is saved behind the present step and ends. A second one ends it at once.
fn interrupted() -> &'static AtomicBool {
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    // An error says that there is a handler already, or that the system has none to give; then Ctrl-C ends the program.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    &INTERRUPTED
}

/// What would fail at the end fails at the start.
fn check_ahead(network: &dyn Network, job: &Train) -> Result<(), Failure> {
    if let Show::File(path) = &job.show {
        super::predict::class_output(network.spec())?;
        let raster = Raster::read(path)?;
        super::predict::to_input(&raster, network.spec(), &job.picture).map_err(|m| FileError::new(path, m))?;
    }
    if let Some(folder) = job.output.parent() {
        std::fs::create_dir_all(folder).map_err(|e| FileError::io(folder, &e))?;
    }
    Ok(())
}
