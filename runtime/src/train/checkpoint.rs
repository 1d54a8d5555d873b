//! The state of a run in one file, so that weights and optimizer cannot disagree.

use std::format;
use std::path::Path;
use std::string::String;

use serde_json::{Map, Value, json};

use super::Checkpoints;
use super::evaluate::Tally;
use crate::files::FileError;
use crate::optimizer::Average;
use crate::schedule::Plateau;
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
    /// Of what is held out, or of learning where that has none.
    pub(super) loss: f64,
}

impl Score {
    /// A higher rating is better; with the same, or none, a lower loss.
    fn beats(&self, other: &Self) -> bool {
        match (self.rating, other.rating) {
            (Some(a), Some(b)) if a != b => a > b,
            _ => self.loss < other.loss,
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
                let score = Score { rating: best.get("rating")?.as_f64(), loss: best.get("loss")?.as_f64()? };
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
        Some(Self { epoch: value.get("epoch")?.as_u64()?, step: value.get("step")?.as_u64()?, tally, plateau, best })
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
    let mut file = TensorFile::open(&path)?;
    let about: Option<Value> = file.metadata().and_then(|text| serde_json::from_str(text).ok());
    let state = about.as_ref().and_then(|about| {
        let run = about.get("run")?;
        Some((run.get("recipe")?.as_str()?, run.get("steps")?.as_u64()?, Position::from_json(run)?))
    });
    let Some((recipe, steps, mut position)) = state else {
        return Err(file.error("this is no checkpoint of a run").hint("remove it, or choose another folder"));
    };
    if recipe != checkpoints.recipe {
        return Err(file.error("this checkpoint is one of another recipe or network").hint(
            "choose another folder for the checkpoints, remove this file, or do not resume (it is then overwritten)",
        ));
    }
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
