//! What the programs share: their command line, where data is, tables and progress.
//!
//! Each program is a file (or a folder) of `src/bin` and has a lesson of the course. All run without arguments on data that ships.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser};
use cnnc_runtime::data::Raster;

/// Prints a line. Where nobody reads on, as behind `| head -1`, the program ends quietly.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::print_line(format_args!($($text)*))
    };
}

mod bounds;
pub mod caffe;
pub mod detection;
pub mod digits;
pub mod patches;
pub mod pictures;
pub mod pose;
mod steps;
mod table;
mod watch;

pub use bounds::{Bound, at_least, at_most};
pub use steps::learn;
pub use table::Table;
pub use watch::Watch;

/// What a program may fail with.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Arguments that all programs have.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// A folder with larger data (mnist, cifar10, detection, faces, ...) to use in place of the data that ships
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,

    /// The folder that pictures and tables are written to
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    pub out: PathBuf,

    /// Everything small: to see that it works, in seconds
    #[arg(long)]
    pub small: bool,

    /// Decides all that is random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Common {
    /// A file to write in the folder for output, which is made where it is missing.
    pub fn output(&self, name: &str) -> Result<PathBuf> {
        let path = self.out.join(name);
        let folder = path.parent().unwrap_or(&self.out);
        std::fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
        Ok(path)
    }

    /// Writes a picture (PNG) into the folder for output, and says so.
    pub fn write_picture(&self, name: &str, picture: &Raster, what: &str) -> Result<()> {
        let path = self.output(name)?;
        picture.write_png(&path)?;
        say!("{}: {what}", path.display());
        Ok(())
    }

    /// Writes a text (CSV, SVG) into the folder for output, and says so.
    pub fn write_text(&self, name: &str, text: &str, what: &str) -> Result<()> {
        let path = self.output(name)?;
        std::fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        say!("{}: {what}", path.display());
        Ok(())
    }

    /// A file or folder of the larger data if there is such, else of the data that ships.
    pub fn larger_or(&self, larger: &str, ships: &str) -> PathBuf {
        self.data.as_ref().map_or_else(|| shipped(ships), |folder| folder.join(larger))
    }

    /// For programs that have no larger data: turns `--data` away.
    pub fn refuse_data(&self) -> Result<()> {
        match self.data {
            Some(_) => Err("`--data` is of no use here: this program has no larger data".into()),
            None => Ok(()),
        }
    }

    /// `small` in the tests' size, else `full`.
    pub fn scaled<T>(&self, full: T, small: T) -> T {
        if self.small { small } else { full }
    }
}

/// A file or folder of the data that ships.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// The `main` of all programs: reads the arguments, and shows what went wrong in a line.
pub fn run<A: Parser>(program: fn(&A) -> Result<()>) -> ExitCode {
    match program(&A::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Behind [`say!`].
pub fn print_line(text: std::fmt::Arguments<'_>) {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("error: the output cannot be written: {error}");
            std::process::exit(1);
        }
    }
}

/// The position of the largest number: the class that a network finds most likely.
pub fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0)
}

/// A share as a percentage with two places.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A bar for work of so many steps; it shows itself on terminals only.
pub fn progress(what: &str, steps: usize) -> indicatif::ProgressBar {
    let style =
        indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").expect("a valid template");
    indicatif::ProgressBar::new(steps as u64).with_style(style).with_message(what.to_owned())
}
