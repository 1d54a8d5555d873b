//! The program behind `cnnc train`, `eval`, `predict` and `run`: does a [`Job`] with one network.
//!
//! The command emits a crate for the network and a `main` of a few lines,
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     cnnc_runtime::harness::main(&|options| Ok(Box::new(my_network::MyNetwork::with_options(options))))
//! }
//! ```
//! builds it and starts it with the path of a JSON file that holds the job.

mod about;
mod bench;
mod confusion;
mod detect;
mod draw;
mod eval;
mod features;
mod folder;
mod load;
mod log;
mod predict;
mod progress;
mod run;
mod train;

use std::boxed::Box;
use std::format;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::files::FileError;
use crate::job::{Job, Machine};
use crate::train::TrainError;
use crate::{Error, Isa, Network, Options};

pub use load::collect;
use load::{Reading, load};

/// Constructs the network.
pub type Construct<'a> = dyn Fn(&Options) -> Result<Box<dyn Network>, Error> + 'a;

/// The job file is missing or damaged: the command and the program do not belong together.
const EXIT_JOB: u8 = 2;
/// Training diverged.
const EXIT_DIVERGED: u8 = 3;

/// Does the job in the file that the first argument names. Exit codes: 0 for success, 1 for a file or a number of the
/// user that does not fit, 2 for a damaged job, 3 for training that diverged.
pub fn main(construct: &Construct<'_>) -> ExitCode {
    let start = std::time::Instant::now();
    let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut harness =
        Harness { construct, out: &mut io::stdout().lock(), terminal: io::stdout().is_terminal(), color, start };
    let job = std::env::args_os()
        .nth(1)
        .ok_or_else(|| String::from("usage: PROGRAM JOB.json (this program is started by `cnnc`)"))
        .and_then(|path| read_job(Path::new(&path)));
    let result = match job {
        Ok(job) => harness.run(&job),
        Err(message) => Err(Failure { message, code: EXIT_JOB }),
    };
    let result = result.and_then(|()| Ok(harness.out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.code == 0 => ExitCode::SUCCESS,
        Err(failure) => {
            let bold = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let error = if bold { "\x1b[1;31merror\x1b[0m" } else { "error" };
            // Where even this cannot be written, there is nobody to tell.
            let _ = writeln!(io::stderr(), "{error}: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Makes Ctrl-C do nothing to this process, so that it waits for the program it has started to save its run.
pub fn leave_interrupts() {
    // An error says that there is a handler already, which will know what to do.
    let _ = ctrlc::set_handler(|| {});
}

fn read_job(path: &Path) -> Result<Job, String> {
    let text = std::fs::read_to_string(path).map_err(|e| FileError::io(path, &e).to_string())?;
    serde_json::from_str(&text).map_err(|e| format!("{}: damaged job: {e}", path.display()))
}

/// Why a job was not done.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let code = if matches!(error, TrainError::Diverged { .. }) { EXIT_DIVERGED } else { 1 };
        Self { message: error.to_string(), code }
    }
}

impl From<io::Error> for Failure {
    /// Whoever does not read on, as `| head -1`, has seen enough: the program ends, without a word.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { message: String::new(), code: 0 },
            _ => Self::new(format!("the output cannot be written: {error}")),
        }
    }
}

/// A network and where results are printed.
struct Harness<'a> {
    construct: &'a Construct<'a>,
    out: &'a mut dyn Write,
    /// Whether somebody watches.
    terminal: bool,
    color: bool,
    /// When the program started.
    start: std::time::Instant,
}

impl Harness<'_> {
    fn run(&mut self, job: &Job) -> Result<(), Failure> {
        match job {
            Job::Train(job) => self.train(job),
            Job::Features(job) => self.features(job),
            Job::Eval(job) => self.eval(job),
            Job::Predict(job) => self.predict(job),
            Job::Run(job) => self.run_tensors(job),
            Job::Bench(job) => self.bench(job),
        }
    }

    /// The network, with random weights where there is a seed for them, else with blank ones.
    fn network(
        &self,
        machine: &Machine,
        seed: Option<u64>,
        batch: usize,
        keep: Keep,
    ) -> Result<Box<dyn Network>, Failure> {
        let named = |name: &String| {
            Isa::named(name).ok_or_else(|| {
                let has: Vec<&str> = Isa::available().map(Isa::name).collect();
                Failure::new(format!("this machine has no instruction set `{name}`, but {}", has.join(", ")))
            })
        };
        let isa = machine.isa.as_ref().map(named).transpose()?;
        let (blank, seed) = (seed.is_none(), seed.unwrap_or_default());
        let Keep { gradients: keep_gradients, weights: keep_weights } = keep;
        let threads = machine.threads;
        Ok((self.construct)(&Options { seed, blank, batch, keep_gradients, keep_weights, threads, isa })?)
    }
}

/// What of a network is looked at behind a pass.
#[derive(Clone, Copy, Default)]
struct Keep {
    gradients: bool,
    /// Those that train keep theirs anyway.
    weights: bool,
}

/// Says what is worth to know, beside what is printed.
fn note(text: &str) {
    // A note that cannot be written is no reason to stop.
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// `60,000`
fn thousands(n: impl ToString) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 epochs`
fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
