//! The state of a run in one file, so that weights and optimizer cannot disagree.

use std::cmp::Ordering;
use std::format;
use std::path::Path;
use std::string::String;

use serde_json::{Map, Value, json};

use super::Checkpoints;
use super::evaluate::Tally;
use crate::files::FileError;
use crate::optimizer::Average;
use crate::schedule::{OnPlateau, Plateau};
use crate::tensors::{self, Tensor, TensorFile};
use crate::weights::{self, Lenience, OPTIMIZER_PREFIX};
use crate::{Network, Optimizer, ParamSpec, Role};

/// The name of the moving average among the states of the optimizer.
const AVERAGE: &str = "average";

/// How good an epoch was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    /// Of what is held out; see [`Metrics::rating`](super::Metrics::rating).
    pub(super) rating: Option<f64>,
    /// Of what is held out, or of learning where that has none; finite.
    pub(super) loss: f64,
}

impl Score {
    /// A loss that is not finite, as held-out data may have at finite weights, is worse than any other; it stands as the largest number,
    /// since JSON has no word for it.
    pub(super) fn new(rating: Option<f64>, loss: f64) -> Self {
        Self { rating: rating.filter(|rating| !rating.is_nan()), loss: if loss.is_finite() { loss } else { f64::MAX } }
    }

    /// A higher rating is better, and any better than none; with the same, or none, a lower loss.
    fn beats(&self, other: &Self) -> bool {
        match self.rating.partial_cmp(&other.rating) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Less) => false,
            Some(Ordering::Equal) | None => self.loss < other.loss,
        }
    }
}

/// Where in a run we are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Position {
    /// Epochs that are done.
    pub(super) epoch: u64,
    /// Steps of the next one that are done.
    pub(super) step: u64,
    /// What was seen in these.
    pub(super) tally: Tally,
    /// What a schedule on plateaus has seen.
    pub(super) plateau: Plateau,
    /// The rating that the lowest loss of these is compared at.
    plateau_rating: Option<f64>,
    best: Option<(u64, Score)>,
}

impl Position {
    /// Notes how good the present epoch is; returns whether it is the best so far.
    pub(super) fn rate(&mut self, score: Score) -> bool {
        let better = self.best.is_none_or(|(_, best)| score.beats(&best));
        if better {
            self.best = Some((self.epoch, score));
        }
        better
    }

    /// Tells a schedule on plateaus how good the present epoch is. A higher rating is progress, a lower one is none; with the same, or
    /// none, the loss decides. So one loss is compared with another, never with a rating.
    pub(super) fn follow(&mut self, score: Score, rule: &OnPlateau) {
        let is_higher = match (score.rating, self.plateau_rating) {
            (Some(rating), Some(before)) => 1.0 - rating < (1.0 - before) * (1.0 - rule.threshold),
            (rating, before) => rating.is_some() && before.is_none(),
        };
        if is_higher {
            // Whatever loss comes with it is the lowest at this rating.
            self.plateau_rating = score.rating;
            self.plateau.best = None;
        }
        let is_lower = score.rating < self.plateau_rating;
        self.plateau.note(if is_lower { f64::MAX } else { score.loss }, rule);
    }

    pub(super) fn best_epoch(&self) -> Option<u64> {
        self.best.map(|(epoch, _)| epoch)
    }

    fn to_json(&self) -> Value {
        json!({
            "epoch": self.epoch,
            "step": self.step,
            "images": self.tally.images,
            "loss_sum": self.tally.loss_sum,
            "correct": self.tally.correct,
            "plateau": {
                "factor": self.plateau.factor,
                "rating": self.plateau_rating,
                "best": self.plateau.best,
                "waited": self.plateau.waited,
                "cooling": self.plateau.cooling,
            },
            "best": self.best.map(|(epoch, score)| json!({
                "epoch": epoch, "rating": score.rating, "loss": score.loss,
            })),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let best = match value.get("best")? {
            Value::Null => None,
            best => {
                // `null` is what JSON makes of no number.
                let loss = best.get("loss")?.as_f64().unwrap_or(f64::NAN);
                let score = Score::new(best.get("rating")?.as_f64(), loss);
                Some((best.get("epoch")?.as_u64()?, score))
            }
        };
        let tally = Tally {
            images: value.get("images")?.as_u64()? as usize,
            loss_sum: value.get("loss_sum")?.as_f64()?,
            correct: serde_json::from_value(value.get("correct")?.clone()).ok()?,
        };
        let seen = value.get("plateau")?;
        let plateau = Plateau {
            factor: seen.get("factor")?.as_f64()?,
            best: seen.get("best")?.as_f64(),
            waited: seen.get("waited")?.as_u64()?,
            cooling: seen.get("cooling")?.as_u64()?,
        };
        // Files that were written before have none; the next epoch that is rated begins anew then.
        let plateau_rating = seen.get("rating").and_then(Value::as_f64);
        let (epoch, step) = (value.get("epoch")?.as_u64()?, value.get("step")?.as_u64()?);
        Some(Self { epoch, step, tally, plateau, plateau_rating, best })
    }
}

/// Saves weights alone.
pub(super) fn save_weights(network: &dyn Network, path: &Path, about: &str) -> Result<(), FileError> {
    tensors::write(path, &weights::tensors_of(network), (!about.is_empty()).then_some(about))
}

/// Saves all that is needed to go on.
pub(super) fn save(
    network: &dyn Network,
    optimizer: &Optimizer,
    average: Option<&Average>,
    position: &Position,
    checkpoints: &Checkpoints,
) -> Result<(), FileError> {
    let path = checkpoints.last();
    let mut all = weights::tensors_of(network);
    let params = network.spec().params;
    let tensor = |name: &str, p: &ParamSpec, state| Tensor::new(state_name(name, p.name), p.shape, state);
    for (name, state) in optimizer.state() {
        let trained = params.iter().filter(|param| param.role == Role::Trained);
        all.extend(trained.map(|p| tensor(&name, p, &state[p.range.clone()])));
    }
    if let Some(average) = average.filter(|average| average.started()) {
        all.extend(params.iter().map(|p| tensor(AVERAGE, p, &average.weights()[p.range.clone()])));
    }
    let mut about: Map<String, Value> = match checkpoints.about.as_str() {
        "" => Map::new(),
        text => {
            serde_json::from_str(text).map_err(|e| FileError::new(&*path, format!("`about` is no JSON object: {e}")))?
        }
    };
    let mut run = position.to_json();
    run["recipe"] = json!(checkpoints.recipe);
    run["steps"] = json!(optimizer.steps());
    about.insert(String::from("run"), run);
    tensors::write(&path, &all, Some(&Value::Object(about).to_string()))
}

/// `optimizer:momentum:conv1.weight`
fn state_name(state: &str, param: &str) -> String {
    format!("{OPTIMIZER_PREFIX}{state}:{param}")
}

/// Reads the part of a state that belongs to a parameter.
fn restore(file: &mut TensorFile<'_>, state: &str, param: &ParamSpec, values: &mut [f32]) -> Result<(), FileError> {
    let full = state_name(state, param.name);
    match file.entry(&full).cloned() {
        Some(entry) => file.floats(&entry, &mut values[param.range.clone()]),
        None => Err(file.error(format!("the checkpoint lacks `{full}`"))),
    }
}

/// What helps where a checkpoint is damaged.
fn start_again(checkpoints: &Checkpoints) -> String {
    let best = checkpoints.best();
    match best.is_file() {
        // A recipe's paths are relative to the recipe, which is not known here.
        true => format!(
            "start anew without `--resume`, from its best epoch with `weights: {}` in the recipe",
            std::path::absolute(&best).unwrap_or(best).display()
        ),
        false => String::from("start anew, without `--resume`"),
    }
}

/// Loads the last state of a run of the same recipe, if there is one.
pub(super) fn resume(
    network: &mut dyn Network,
    optimizer: &mut Optimizer,
    average: Option<&mut Average>,
    checkpoints: &Checkpoints,
) -> Result<Option<Position>, FileError> {
    let path = checkpoints.last();
    if !path.exists() {
        return Ok(None);
    }
    let mut file = TensorFile::open(&path).map_err(|error| error.hint(start_again(checkpoints)))?;
    let about: Option<Value> = file.metadata().and_then(|text| serde_json::from_str(text).ok());
    let run = about.as_ref().and_then(|about| {
        let run = about.get("run")?;
        Some((run, run.get("recipe")?.as_str()?, run.get("steps")?.as_u64()?))
    });
    let Some((run, recipe, steps)) = run else {
        return Err(file.error("this is no checkpoint of a run").hint("remove it, or choose another folder"));
    };
    if recipe != checkpoints.recipe {
        return Err(file.error("this checkpoint is one of another recipe or network").hint(
            "choose another folder for the checkpoints, or do not resume: `cnnc train` then keeps this run in a folder `earlier-...` beside it",
        ));
    }
    let Some(mut position) = Position::from_json(run) else {
        let message = "this checkpoint was written by another version of cnnc, so the run cannot go on from it";
        return Err(file
            .error(message)
            .hint("move it elsewhere: a new run can start from its weights, with `weights: FILE` in the recipe"));
    };
    weights::load_from(network, &mut file, Lenience::default())?;
    let params = network.spec().params;
    for (name, state) in optimizer.state_mut() {
        let mut trained = params.iter().filter(|param| param.role == Role::Trained);
        trained.try_for_each(|param| restore(&mut file, &name, param, state))?;
    }
    if let Some(average) = average.filter(|_| steps > 0) {
        let average = average.restore();
        params.iter().try_for_each(|param| restore(&mut file, AVERAGE, param, average))?;
    }
    optimizer.set_steps(steps);
    // Without the file there is nothing to compare with: the best of the epochs to come is written anew.
    if !checkpoints.best().exists() {
        position.best = None;
    }
    Ok(Some(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_loss_is_better_than_none() {
        let mut position = Position::default();
        let no_number = Score::new(None, f64::NAN);
        assert!(position.rate(no_number) && !position.rate(no_number));
        // As it goes through the file, and as files had it that were written before.
        let mut json = position.to_json();
        assert_eq!(Position::from_json(&json).as_ref(), Some(&position));
        json["best"]["loss"] = Value::Null;
        assert_eq!(Position::from_json(&json).as_ref(), Some(&position));
        assert!(position.rate(Score::new(None, 1e30)) && !position.rate(no_number));
        // A rating says more than the loss, and anything more than no rating.
        let rated = [(0.5, 2.0), (0.5, 1.0), (0.6, 9.0), (0.5, 0.0), (f64::NAN, 0.0)];
        let better = rated.map(|(rating, loss)| position.rate(Score::new(Some(rating), loss)));
        assert_eq!(better, [true, true, true, false, false]);
    }

    #[test]
    fn a_plateau_is_where_neither_rating_nor_loss_changes() {
        let rule = OnPlateau { factor: 0.5, patience: 0, ..OnPlateau::default() };
        let followed = |scores: &[(Option<f64>, f64)]| -> Vec<f64> {
            let mut position = Position::default();
            let follow = |(rating, loss): &(Option<f64>, f64)| {
                position.follow(Score::new(*rating, *loss), &rule);
                position = Position::from_json(&position.to_json()).expect("a position");
                position.plateau.factor
            };
            scores.iter().map(follow).collect()
        };
        // A detector that finds nothing yet makes progress while it learns.
        let (none, half) = (Some(0.0), Some(0.5));
        assert_eq!(followed(&[(none, 4.0), (none, 3.0), (none, 2.0), (none, 2.0)]), [1.0, 1.0, 1.0, 0.5]);
        // One that finds more does, whatever the loss, and one that finds less does not.
        assert_eq!(followed(&[(none, 2.0), (half, 3.0), (half, 2.5), (none, 1.0)]), [1.0, 1.0, 1.0, 0.5]);
        // An epoch without a rating is not compared by another measure.
        assert_eq!(followed(&[(half, 2.0), (None, 0.1), (half, 1.0)]), [1.0, 0.5, 0.5]);
        assert_eq!(followed(&[(None, f64::NAN), (None, f64::NAN), (None, 1.0)]), [1.0, 0.5, 0.5]);
    }
}
