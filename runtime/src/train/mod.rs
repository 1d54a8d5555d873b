//! Learning: epochs over a data set, evaluation, checkpoints.

mod checkpoint;
mod detect;
mod error;
mod evaluate;
mod judge;
mod options;
mod verify;

use std::format;
use std::ops::ControlFlow;
use std::string::String;
use std::vec::Vec;

pub use detect::{ClassPrecision, Detected, Precision, detect};
pub use error::TrainError;
pub use evaluate::{Answers, Measures, Metric, Metrics, evaluate, evaluate_by};
pub use options::{Checkpoints, FitOptions};
pub use verify::verify;

use crate::data::{BatchData, Dataset, Draw, each_batch};
use crate::files::{FileError, remove_unfinished};
use crate::optimizer::{Accumulator, Average};
use crate::schedule::Decay;
use crate::{Error, Network, Optimizer};
use checkpoint::{Position, Score};
use evaluate::Tally;

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
    /// How many of them were classified right, as a fraction, where there is something to classify; of maps of classes, how many
    /// of their pixels.
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

    /// Whether the run is to be saved and to end; asked after every step.
    fn stop(&mut self) -> bool {
        false
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
    /// Whether all epochs are done, or enough of them without progress; otherwise the observer ended the run.
    pub finished: bool,
    /// Whether it ended for lack of progress.
    pub early: bool,
    /// Which epoch was best (from 0): the highest [rating](Metrics::rating) on held-out data; the lowest loss where there is none, or
    /// several have the same. Where held-out data has no loss, or there is none, it is that of learning.
    pub best: Option<u64>,
}

/// Learns from `data`, evaluating on `test` after every epoch. The same seed gives bitwise the same weights at any number
/// of threads.
///
/// # Errors
/// Where an option is out of its range, the network does not learn or refuses the data, a photo cannot be read, the loss or a weight is
/// no longer a finite number, or a file of the run cannot be written or read. Where gradients are not
/// [kept](crate::Options::keep_gradients), weights have been updated before a loss is seen not to be finite; saved runs stay good.
pub fn fit(
    network: &mut dyn Network,
    data: &Dataset,
    test: Option<&Dataset>,
    options: &FitOptions,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    check(network, data, options)?;
    let optimizer = Optimizer::grouped(options.optimizer, options.decay_on, &options.groups, network);
    let mut optimizer = optimizer.map_err(TrainError::Options)?.clipping(options.clip);
    let mut average = options.average.map(|decay| Average::new(decay, network));
    let mut position = Position::default();
    if let Some(checkpoints) = &options.checkpoints {
        std::fs::create_dir_all(&checkpoints.folder).map_err(|e| FileError::io(&checkpoints.folder, &e))?;
        remove_unfinished(&checkpoints.folder);
        if checkpoints.resume {
            position = checkpoint::resume(network, &mut optimizer, average.as_mut(), checkpoints)?.unwrap_or_default();
        }
        let steps = data.len().div_ceil(options.batch) as u64;
        if position.step >= steps {
            let message = format!("it is {} steps into an epoch, but epochs have {steps}", position.step);
            return Err(FileError::new(checkpoints.last(), message).into());
        }
    }
    observer.started(position.epoch, position.step);
    let accumulator = (options.accumulate > 1).then(|| Accumulator::new(network));
    let mut run = Run { network, data, options, optimizer, average, accumulator, position, order: Vec::new() };
    let mut epochs = Vec::new();
    let mut early = run.is_stale();
    while run.position.epoch < options.epochs && !early {
        let ended =
            |run: &Run<'_>, epochs| Outcome { epochs, finished: false, early: false, best: run.position.best_epoch() };
        let Some(train) = run.epoch(observer)? else {
            return Ok(ended(&run, epochs));
        };
        run.swap_average();
        let test = test.map(|test| evaluate_by(run.network, test, options.batch, &options.measures)).transpose();
        run.swap_average();
        let test = test?;
        let best = run.end_epoch(&train, test.as_ref())?;
        let epoch = Epoch { train, test, best };
        observer.epoch(&epoch);
        epochs.push(epoch);
        early = run.is_stale();
        if run.position.epoch < options.epochs && !early && observer.stop() {
            return Ok(ended(&run, epochs));
        }
    }
    Ok(Outcome { epochs, finished: true, early, best: run.position.best_epoch() })
}

/// Whether the network can learn from the data by these options.
pub(crate) fn check(network: &dyn Network, data: &Dataset, options: &FitOptions) -> Result<(), TrainError> {
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
    if options.accumulate == 0 {
        return complain(String::from("`accumulate` is 0, but it must be at least 1"));
    }
    if options.accumulate > 1 && options.optimizer.searches() {
        return complain(String::from("`line_search` needs whole batches, so `accumulate` must be 1"));
    }
    if let Some(decay) = options.average.filter(|decay| !(0.0..1.0).contains(decay)) {
        return complain(format!("`average` is {decay}, but it must be at least 0 and below 1"));
    }
    if let Some(what) = options.needs_gradients().filter(|_| !network.memory().keeps_gradients()) {
        return Err(Error::Gradients(what).into());
    }
    options.clip.map_or(Ok(()), |clip| clip.check()).or_else(complain)?;
    options.optimizer.check().or_else(complain)?;
    options.measures.check().or_else(complain)?;
    options.schedule.check().or_else(complain)
}

struct Run<'a> {
    network: &'a mut dyn Network,
    data: &'a Dataset,
    options: &'a FitOptions,
    optimizer: Optimizer,
    average: Option<Average>,
    accumulator: Option<Accumulator>,
    position: Position,
    order: Vec<usize>,
}

/// Why an epoch ends within.
enum End {
    /// The observer breaks off, or stops and the run is saved.
    Observer,
    Failed(TrainError),
}

impl From<TrainError> for End {
    fn from(error: TrainError) -> Self {
        Self::Failed(error)
    }
}

impl Run<'_> {
    /// The steps of the present epoch from the present position on; `None` if the observer ends it.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<Option<Progress>, TrainError> {
        let (options, data, epoch) = (self.options, self.data, self.position.epoch);
        let mut order = std::mem::take(&mut self.order);
        data.shuffle(options.seed, epoch, &mut order);
        let rest = &order[(self.position.step as usize * options.batch).min(order.len())..];
        let (draw, threads) = (Draw { seed: options.seed, epoch }, self.network.memory().pool.threads());
        let mut progress = None;
        let ended = each_batch(data, self.network.spec(), rest, options.batch, draw, threads, |batch, _| {
            match self.batch(batch, observer) {
                Ok(now) => {
                    progress = Some(now);
                    ControlFlow::Continue(())
                }
                Err(end) => ControlFlow::Break(end),
            }
        })?;
        self.order = order;
        match ended {
            Some(End::Failed(error)) => Err(error),
            Some(End::Observer) => Ok(None),
            None => Ok(progress),
        }
    }

    /// A batch: forward, backward, and an update where enough were accumulated.
    fn batch(&mut self, batch: &BatchData, observer: &mut dyn Observer) -> Result<Progress, End> {
        let (options, epoch, step) = (self.options, self.position.epoch, self.position.step);
        let steps = self.data.len().div_ceil(options.batch) as u64;
        let number = epoch * steps + step;
        let factor = options.schedule.factor(number, steps, options.epochs) * self.position.plateau.factor;
        let learning_rate = options.optimizer.learning_rate() * factor;
        let last = step + 1 == steps;
        let updates = last || (step + 1).is_multiple_of(options.accumulate as u64);
        self.optimizer.set_factor(factor);
        self.optimizer.set_momentum(options.schedule.momentum(number, steps, options.epochs));
        let loss = self.pass(batch, number)?;
        if !loss.is_finite() {
            return Err(self.diverged(step, loss, learning_rate).into());
        }
        if updates {
            self.update(batch, number, loss)?;
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
        let every = options.checkpoints.as_ref().map_or(0, |checkpoints| checkpoints.every_steps);
        // A run is saved behind updates only, so that no sum of gradients is lost.
        let since = step + 1 - (step - step % options.accumulate as u64);
        let due = every > 0 && (step + 1) / every != (step + 1 - since) / every;
        let stops = updates && !last && observer.stop();
        if updates && !last && (due || stops) {
            self.check_weights(loss, learning_rate)?;
            self.save()?;
        }
        if observer.stepped(&now).is_break() || stops {
            return Err(End::Observer);
        }
        Ok(now)
    }

    /// Forward and backward: the loss. Where it is finite, the batch counts. Gradients that are not kept update their weights.
    fn pass(&mut self, batch: &BatchData, number: u64) -> Result<f32, TrainError> {
        let (inputs, targets) = (batch.inputs(), batch.targets());
        let behind = (!self.network.memory().keeps_gradients()).then_some(&mut self.optimizer);
        let dropout = Some((self.options.seed, number));
        let loss = self.network.pass(batch.count(), &inputs, &targets, dropout, behind)?;
        if loss.is_finite() {
            self.position.tally.add(self.network, &targets, batch.count(), loss);
            if let Some(accumulator) = &mut self.accumulator {
                accumulator.add(self.network, batch.count());
            }
        }
        Ok(loss)
    }

    /// A step by the gradients of this batch, or of those that were accumulated, unless the pass has made it.
    fn update(&mut self, batch: &BatchData, number: u64, loss: f32) -> Result<(), TrainError> {
        if let Some(accumulator) = &mut self.accumulator {
            accumulator.finish(self.network);
        }
        let dropout = Some((self.options.seed, number));
        if self.network.memory().keeps_gradients() {
            let mut again =
                |network: &mut dyn Network| network.train(batch.count(), &batch.inputs(), &batch.targets(), dropout);
            self.optimizer.step_searching(self.network, loss, &mut again)?;
        }
        if let Some(average) = &mut self.average {
            average.update(self.network);
        }
        Ok(())
    }

    /// Puts the average in the place of the weights, or these back.
    fn swap_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.swap(self.network);
        }
    }

    /// Whether too many epochs went by without a new best one.
    fn is_stale(&self) -> bool {
        match (self.options.patience, self.position.best_epoch()) {
            (Some(patience), Some(best)) => self.position.epoch - best > patience,
            _ => false,
        }
    }

    /// Moves to the next epoch, and saves. Returns whether the one that ends is the best so far.
    fn end_epoch(&mut self, train: &Progress, test: Option<&Metrics>) -> Result<bool, TrainError> {
        self.check_weights(train.loss as f32, train.learning_rate)?;
        let held_out = test.and_then(Metrics::loss);
        let score = Score::new(test.and_then(Metrics::rating), held_out.unwrap_or(train.loss));
        let best = self.position.rate(score);
        if let Decay::OnPlateau(rule) = &self.options.schedule.decay {
            // A held-out loss says enough: it is what `ReduceLROnPlateau` is usually given.
            let rating = score.rating.filter(|_| held_out.is_none());
            self.position.follow(Score { rating, ..score }, rule);
        }
        self.position.step = 0;
        self.position.epoch += 1;
        self.position.tally = Tally::default();
        // First the best, then the last: after a crash between the two the epoch is made again and finds the same.
        if best && let Some(checkpoints) = &self.options.checkpoints {
            self.swap_average();
            let saved = checkpoint::save_weights(self.network, &checkpoints.best(), &checkpoints.about);
            self.swap_average();
            saved.map_err(|error| kept(error, checkpoints))?;
        }
        self.save()?;
        Ok(best)
    }

    fn save(&self) -> Result<(), TrainError> {
        match &self.options.checkpoints {
            Some(checkpoints) => {
                let (optimizer, average) = (&self.optimizer, self.average.as_ref());
                let saved = checkpoint::save(self.network, optimizer, average, &self.position, checkpoints);
                Ok(saved.map_err(|error| kept(error, checkpoints))?)
            }
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

/// A file of a run could not be written: what was written before it stays.
fn kept(error: FileError, checkpoints: &Checkpoints) -> FileError {
    match checkpoints.last() {
        last if last.exists() => error.hint(format!("the run can go on from {}", last.display())),
        _ => error,
    }
}

/// Puts the weights of the best epoch of a run into its network.
///
/// # Errors
/// Where there is no such file, or it does not fit the network.
pub fn load_best(network: &mut dyn Network, checkpoints: &Checkpoints) -> Result<(), Error> {
    crate::weights::load(network, checkpoints.best()).map(|_| ())
}

#[cfg(test)]
mod tests;
