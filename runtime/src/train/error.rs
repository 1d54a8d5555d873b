//! Why learning ended early.

use std::path::PathBuf;
use std::string::String;

use crate::Error;
use crate::files::FileError;

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
