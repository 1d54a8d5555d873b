//! The folder of a run: for one run at a time, and with room for what earlier ones have left.

use std::format;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

use crate::files::FileError;

/// What training and evaluation leave in it, beside event files.
const RESULTS: [&str; 9] = [
    "weights.safetensors",
    "best.safetensors",
    "last.safetensors",
    "epochs.csv",
    "report.html",
    "roc.svg",
    "roc-other.svg",
    "confusion.png",
    "confusion-other.png",
];

/// How event files for TensorBoard begin; each part of a run has one.
const EVENTS: &str = "events.out.tfevents.";

/// The folder of a run, in which there is no other run as long as this lives.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    /// The system unlocks it when this process ends, however it ends: no lock is ever left behind.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder where it is missing, and keeps other runs out.
    pub(super) fn take(path: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(path).map_err(|e| FileError::io(path, &e))?;
        let name = path.join(".lock");
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&name);
        let lock = opened.map_err(|e| FileError::io(&name, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &name)),
            // Some network file systems have no locks, and are no reason not to learn.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(FileError::io(name, &e)),
        }
        let id = format!("{}", std::process::id());
        let written = lock.set_len(0).and_then(|()| (&lock).write_all(id.as_bytes()));
        written.map_err(|e| FileError::io(name, &e))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Puts what an earlier run has left aside; returns the folder that has it now.
    pub(super) fn keep_earlier(&self) -> Result<Option<PathBuf>, FileError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |e: std::io::Error| FileError::io(path, &e)
        };
        let names = fs::read_dir(&self.path).map_err(error(&self.path))?.flatten().map(|entry| entry.file_name());
        let is_result = |name: &str| RESULTS.contains(&name) || name.starts_with(EVENTS);
        let results: Vec<String> =
            names.filter_map(|name| name.into_string().ok()).filter(|name| is_result(name)).collect();
        if results.is_empty() {
            return Ok(None);
        }
        let mut folders = (1..).map(|number| self.path.join(format!("earlier-{number}")));
        let aside = folders.find(|path| !path.exists()).expect("numbers do not end");
        fs::create_dir(&aside).map_err(error(&aside))?;
        for name in results {
            fs::rename(self.path.join(&name), aside.join(&name)).map_err(error(&self.path.join(&name)))?;
        }
        Ok(Some(aside))
    }
}

fn in_use(folder: &Path, lock: &Path) -> FileError {
    // Not every system lets others read what is locked.
    let process = fs::read_to_string(lock).ok().filter(|id| !id.is_empty());
    let process = process.map_or(String::new(), |id| format!(" (process {id})"));
    FileError::new(folder, format!("another run{process} is under way in this folder"))
        .hint("wait for its end, or give this one another folder: `checkpoints: runs/other`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn a_folder_is_for_one_run() {
        let folder = Folder::new("one_run");
        let path = folder.path("runs/a");
        let first = RunFolder::take(&path).expect("it is free");
        let error = RunFolder::take(&path).expect_err("it is taken").to_string();
        #[cfg(unix)]
        assert!(error.contains(&format!("another run (process {}) is under way in", std::process::id())), "{error}");
        assert!(error.contains("`checkpoints: runs/other`"), "{error}");
        drop(first);
        RunFolder::take(&path).expect("it is free again");
    }

    #[test]
    fn all_that_an_earlier_run_left_is_kept_together() {
        let folder = Folder::new("earlier");
        let run = RunFolder::take(&folder.path("")).expect("a folder");
        assert_eq!(run.keep_earlier(), Ok(None));
        let write = |name: &str| fs::write(folder.path(name), name).expect("written");
        for number in 1..3 {
            ["epochs.csv", "events.out.tfevents.1.2.cnnc", "mine.txt"].iter().for_each(|name| write(name));
            let aside = folder.path(format!("earlier-{number}"));
            assert_eq!(run.keep_earlier(), Ok(Some(aside.clone())));
            assert!(aside.join("epochs.csv").is_file() && aside.join("events.out.tfevents.1.2.cnnc").is_file());
            assert!(folder.path("mine.txt").is_file() && !folder.path("epochs.csv").exists());
        }
    }
}
