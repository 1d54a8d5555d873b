//! Learning: epochs over a data set, evaluation, checkpoints.

mod checkpoint;
mod evaluate;

use std::format;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::string::String;
use std::vec::Vec;

pub use evaluate::{Metric, Metrics, evaluate};

use crate::data::{BatchData, Dataset};
use crate::files::FileError;
use crate::optimizer::Rule;
use crate::schedule::Schedule;
use crate::{Error, Network, Optimizer};
use checkpoint::Position;
use evaluate::Tally;

/// How a network learns.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Images of a batch, at most the network's capacity. The last batch of an epoch may have fewer.
    pub batch: usize,
    /// How often all images are seen.
    pub epochs: u64,
    /// How weights are updated.
    pub optimizer: Rule,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Decides the order of the images and which units drop.
    pub seed: u64,
    /// Where the run is saved, if at all.
    pub checkpoints: Option<Checkpoints>,
}

impl Default for FitOptions {
    /// Ten epochs of batches of 64 with Adam.
    fn default() -> Self {
        Self {
            batch: 64,
            epochs: 10,
            optimizer: Rule::Adam(crate::optimizer::Adam::default()),
            schedule: Schedule::default(),
            seed: 0,
            checkpoints: None,
        }
    }
}

/// Where a run is saved: `last.safetensors` with all that is needed to go on, `best.safetensors` with the weights of the
/// best epoch. Both are written whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// The folder; created where missing.
    pub folder: PathBuf,
    /// Goes on from `last.safetensors` if there is one. To bitwise the same result as if never interrupted.
    pub resume: bool,
    /// Saves within an epoch, every so many steps; 0 for at the end of epochs only.
    pub every_steps: u64,
    /// Identifies data, options and network: a run of another one is not resumed.
    pub recipe: String,
    /// What the files say of themselves: a JSON object, or nothing.
    pub about: String,
}

impl Checkpoints {
    /// The file with all that is needed to go on.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The weights of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }
}

/// How far an epoch is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// From 0.
    pub epoch: u64,
    /// Of how many.
    pub epochs: u64,
    /// Steps of this epoch that are done.
    pub step: u64,
    /// Of how many.
    pub steps: u64,
    /// Images of this epoch that were seen.
    pub images: usize,
    /// Of how many.
    pub of_images: usize,
    /// Mean loss of these images.
    pub loss: f64,
    /// How many of them were classified right, as a fraction, where there is something to classify.
    pub accuracy: Option<f64>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
}

/// An epoch that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// What was learnt from.
    pub train: Progress,
    /// The held-out data.
    pub test: Option<Metrics>,
    /// Whether it is the best so far.
    pub best: bool,
}

/// Sees how learning goes.
pub trait Observer {
    /// Learning begins, or goes on after this many epochs and steps of the next one.
    fn started(&mut self, _epoch: u64, _step: u64) {}

    /// A step was made. `Break` ends the run as an interruption would, without saving.
    fn stepped(&mut self, _progress: &Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// An epoch is over, evaluated and saved.
    fn epoch(&mut self, _epoch: &Epoch) {}
}

/// Sees nothing.
impl Observer for () {}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The epochs made in this call.
    pub epochs: Vec<Epoch>,
    /// Whether all epochs are done, or the observer broke off.
    pub finished: bool,
    /// Which epoch was best (from 0): the highest accuracy on held-out data, the lowest loss where there is none.
    pub best: Option<u64>,
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss or a weight is no longer a finite number.
    Diverged {
        /// From 0.
        epoch: u64,
        /// Of that epoch, from 0.
        step: u64,
        /// The loss of that step.
        loss: f32,
        /// The learning rate of that step.
        learning_rate: f64,
        /// Where the last good state is, if it was saved.
        saved: Option<PathBuf>,
    },
    /// An option out of its range.
    Options(String),
    /// The network refuses the data.
    Network(Error),
    /// A file of the run.
    File(FileError),
}

impl std::fmt::Display for TrainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Diverged { epoch, step, loss, learning_rate, saved } => {
                let what =
                    if loss.is_finite() { "a weight is no longer a finite number" } else { "the loss is not finite" };
                write!(
                    f,
                    "training diverged: {what} in step {} of epoch {} (loss {loss}, learning rate {learning_rate})",
                    step + 1,
                    epoch + 1
                )?;
                if let Some(path) = saved {
                    write!(f, "\n  the last good state is in {}", path.display())?;
                }
                write!(f, "\n  help: try a lower learning rate, or a warm-up")
            }
            Self::Options(message) => f.write_str(message),
            Self::Network(error) => write!(f, "{error}"),
            Self::File(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TrainError {}

impl From<Error> for TrainError {
    fn from(error: Error) -> Self {
        Self::Network(error)
    }
}

impl From<FileError> for TrainError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Learns from `data`, evaluating on `test` after every epoch. The same seed gives bitwise the same weights at any number
/// of threads.
pub fn fit(
    network: &mut dyn Network,
    data: &Dataset,
    test: Option<&Dataset>,
    options: &FitOptions,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    check(network, data, options)?;
    let mut optimizer = Optimizer::new(options.optimizer, network).seeded(options.seed);
    let mut position = Position::default();
    if let Some(checkpoints) = &options.checkpoints {
        std::fs::create_dir_all(&checkpoints.folder).map_err(|e| FileError::io(&checkpoints.folder, &e))?;
        if checkpoints.resume {
            position = checkpoint::resume(network, &mut optimizer, checkpoints)?.unwrap_or_default();
        }
        let steps = data.len().div_ceil(options.batch) as u64;
        if position.step >= steps {
            let message = format!("it is {} steps into an epoch, but epochs have {steps}", position.step);
            return Err(FileError::new(checkpoints.last(), message).into());
        }
    }
    observer.started(position.epoch, position.step);
    let batch = BatchData::new(network.spec(), options.batch);
    let mut run = Run { network, data, options, optimizer, position, batch, order: Vec::new() };
    let mut epochs = Vec::new();
    while run.position.epoch < options.epochs {
        let Some(train) = run.epoch(observer)? else {
            return Ok(Outcome { epochs, finished: false, best: run.position.best_epoch() });
        };
        let test = test.map(|test| evaluate(run.network, test, &mut run.batch, options.batch)).transpose()?;
        let best = run.end_epoch(&train, test.as_ref())?;
        let epoch = Epoch { train, test, best };
        observer.epoch(&epoch);
        epochs.push(epoch);
    }
    Ok(Outcome { epochs, finished: true, best: run.position.best_epoch() })
}

fn check(network: &dyn Network, data: &Dataset, options: &FitOptions) -> Result<(), TrainError> {
    let complain = |message: String| Err(TrainError::Options(message));
    if !network.spec().trains {
        return Err(Error::NoTraining.into());
    }
    if options.batch == 0 || options.batch > network.capacity() {
        return Err(Error::Batch { given: options.batch, capacity: network.capacity() }.into());
    }
    if data.is_empty() {
        return complain(String::from("there are no images to learn from"));
    }
    if data.target_count() != network.spec().targets.len() {
        return complain(String::from("the data has no targets to learn"));
    }
    options.optimizer.check().or_else(complain)?;
    options.schedule.check().or_else(complain)
}

struct Run<'a> {
    network: &'a mut dyn Network,
    data: &'a Dataset,
    options: &'a FitOptions,
    optimizer: Optimizer,
    position: Position,
    batch: BatchData,
    order: Vec<usize>,
}

impl Run<'_> {
    /// The steps of the present epoch from the present position on; `None` if the observer breaks off.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<Option<Progress>, TrainError> {
        let (options, epoch) = (self.options, self.position.epoch);
        let steps = self.data.len().div_ceil(options.batch) as u64;
        let mut order = std::mem::take(&mut self.order);
        self.data.shuffle(options.seed, epoch, &mut order);
        let mut progress = None;
        for (step, numbers) in (0..).zip(order.chunks(options.batch)).skip(self.position.step as usize) {
            let factor = options.schedule.factor(epoch * steps + step, steps, options.epochs);
            let learning_rate = options.optimizer.learning_rate() * factor;
            let loss = self.step(numbers, factor)?;
            if !loss.is_finite() {
                return Err(self.diverged(step, loss, learning_rate));
            }
            self.position.step = step + 1;
            let tally = &self.position.tally;
            let now = Progress {
                epoch,
                epochs: options.epochs,
                step: step + 1,
                steps,
                images: tally.images(),
                of_images: self.data.len(),
                loss: tally.loss(),
                accuracy: tally.accuracy(),
                learning_rate,
            };
            progress = Some(now);
            let every = options.checkpoints.as_ref().map_or(0, |checkpoints| checkpoints.every_steps);
            if every > 0 && (step + 1).is_multiple_of(every) && step + 1 < steps {
                self.check_weights(loss, learning_rate)?;
                self.save()?;
            }
            if observer.stepped(&now).is_break() {
                return Ok(None);
            }
        }
        self.order = order;
        Ok(progress)
    }

    /// One step: the loss before the update. Where it is not finite, there is no update.
    fn step(&mut self, numbers: &[usize], factor: f64) -> Result<f32, TrainError> {
        self.batch.load(self.data, numbers);
        let (inputs, targets) = (self.batch.inputs(), self.batch.targets());
        let loss = self.network.train(numbers.len(), &inputs, &targets, Some(self.optimizer.dropout()))?;
        if loss.is_finite() {
            self.position.tally.add(self.network, &targets, numbers.len(), loss);
            self.optimizer.set_factor(factor);
            self.optimizer.step(self.network);
        }
        Ok(loss)
    }

    /// Moves to the next epoch, and saves. Returns whether the one that ends is the best so far.
    fn end_epoch(&mut self, train: &Progress, test: Option<&Metrics>) -> Result<bool, TrainError> {
        self.check_weights(train.loss as f32, train.learning_rate)?;
        let score = match test {
            Some(test) => checkpoint::Score { accuracy: test.accuracy(), loss: test.loss().unwrap_or(train.loss) },
            None => checkpoint::Score { accuracy: None, loss: train.loss },
        };
        let best = self.position.rate(score);
        self.position.step = 0;
        self.position.epoch += 1;
        self.position.tally = Tally::default();
        // First the best, then the last: after a crash between the two the epoch is made again and finds the same.
        if best && let Some(checkpoints) = &self.options.checkpoints {
            checkpoint::save_weights(self.network, &checkpoints.best(), &checkpoints.about)?;
        }
        self.save()?;
        Ok(best)
    }

    fn save(&self) -> Result<(), TrainError> {
        match &self.options.checkpoints {
            Some(checkpoints) => Ok(checkpoint::save(self.network, &self.optimizer, &self.position, checkpoints)?),
            None => Ok(()),
        }
    }

    /// A state from which nothing good can come is not saved over a good one.
    fn check_weights(&self, loss: f32, learning_rate: f64) -> Result<(), TrainError> {
        match self.network.params().iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(self.diverged(self.position.step - 1, loss, learning_rate)),
        }
    }

    fn diverged(&self, step: u64, loss: f32, learning_rate: f64) -> TrainError {
        let last = self.options.checkpoints.as_ref().map(Checkpoints::last);
        let saved = last.filter(|path| path.exists());
        TrainError::Diverged { epoch: self.position.epoch, step, loss, learning_rate, saved }
    }
}

/// Puts the weights of the best epoch of a run into its network.
pub fn load_best(network: &mut dyn Network, checkpoints: &Checkpoints) -> Result<(), Error> {
    crate::weights::load(network, checkpoints.best()).map(|_| ())
}

#[cfg(test)]
mod tests;
