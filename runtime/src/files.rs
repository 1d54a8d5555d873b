//! What goes wrong with files, and writing them so that nobody ever sees half of one.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::string::String;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that cannot be used: which, why, and what may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What was found and what would fit.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
}

impl FileError {
    /// An error about `path`.
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None }
    }

    /// The operating system's refusal.
    pub fn io(path: impl Into<PathBuf>, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::NotFound => String::from("there is no such file"),
            io::ErrorKind::PermissionDenied => String::from("no permission"),
            io::ErrorKind::StorageFull => String::from("the disk is full"),
            io::ErrorKind::QuotaExceeded => String::from("the share of the disk is used up"),
            _ => std::format!("{error}"),
        };
        Self::new(path, message)
    }

    /// Adds what may help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  help: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}

/// Writes a file under another name in the same folder, has it reach the disk, and only then gives it its name: at any
/// moment, also after a crash, `path` is the old file or the whole new one.
///
/// # Errors
/// Names the file: it, or its folder, cannot be written, `write` fails, or `path` is a folder. What was there before stays.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FileError> {
    let error = |e: io::Error| {
        let folder = folder_of(path);
        let error = FileError::io(path, &e);
        match e.kind() {
            io::ErrorKind::NotFound => {
                FileError::new(path, std::format!("the folder {} does not exist", folder.display()))
            }
            _ => error,
        }
    };
    if path.file_name().is_none() || path.is_dir() {
        return Err(FileError::new(path, "this is a folder, a file name is needed"));
    }
    let temporary = Temporary(temporary_name(path));
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary.0).map_err(error)?;
    let mut buffered = BufWriter::with_capacity(1 << 18, file);
    write(&mut buffered).map_err(error)?;
    let file = buffered.into_inner().map_err(|e| error(e.into_error()))?;
    file.sync_all().map_err(error)?;
    drop(file);
    fs::rename(&temporary.0, path).map_err(error)?;
    std::mem::forget(temporary);
    // The new name reaches the disk with the folder. Not all systems can do this, and the file is whole either way.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The folder that holds `path`.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `.last.safetensors.4711-0.tmp` for `last.safetensors`: neither two processes nor two threads write the same one.
fn temporary_name(path: &Path) -> PathBuf {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(std::format!(".{}-{}.tmp", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Removes what processes that were killed left of the files they wrote into a folder.
#[cfg(all(feature = "data", feature = "weights"))]
pub(crate) fn remove_unfinished(folder: &Path) {
    let is_left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let numbers = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")?.rsplit_once('.'));
        let process = numbers.and_then(|(_, numbers)| numbers.split_once('-')?.0.parse::<u32>().ok());
        process.is_some_and(|id| id != std::process::id() && !is_alive(id))
    };
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    // What cannot be removed does no harm.
    paths.filter(is_left).for_each(|path| fs::remove_file(path).unwrap_or_default());
}

/// Whether a process still runs: one that was killed has no command line, even while its entry waits to be collected. Where there
/// is no `/proc`, other processes are taken for dead: two do not share a folder of checkpoints.
#[cfg(all(feature = "data", feature = "weights"))]
fn is_alive(process: u32) -> bool {
    fs::read(std::format!("/proc/{process}/cmdline")).is_ok_and(|words| !words.is_empty())
}

/// Removes a file that was not finished.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = crate::testing::Folder::new("atomic");
        let path = folder.path("a.txt");
        write_atomically(&path, |w| w.write_all(b"old")).expect("written");
        let error = write_atomically(&path, |w| {
            w.write_all(b"new")?;
            Err(io::Error::other("disk on fire"))
        });
        assert!(error.expect_err("a failure").to_string().ends_with("a.txt: disk on fire"));
        assert_eq!(fs::read(&path).expect("the old file"), b"old");
        assert_eq!(fs::read_dir(folder.path("")).expect("the folder").count(), 1);
        write_atomically(&path, |w| w.write_all(b"new")).expect("written");
        assert_eq!(fs::read(&path).expect("the new file"), b"new");
    }

    #[cfg(all(feature = "data", feature = "weights"))]
    #[test]
    fn what_dead_processes_left_is_removed() {
        let folder = crate::testing::Folder::new("unfinished");
        // No system numbers processes so high.
        let dead = u32::MAX;
        let own = temporary_name(&folder.path("a.txt"));
        let names = [std::format!(".a.txt.{dead}-0.tmp"), "a.tmp".into(), ".a.tmp".into(), ".a.x-1.tmp".into()];
        let paths: std::vec::Vec<PathBuf> = names.iter().map(|name| folder.path(name)).chain([own]).collect();
        paths.iter().for_each(|path| fs::write(path, "half").expect("written"));
        remove_unfinished(&folder.path(""));
        assert!(!paths[0].exists() && paths[1..].iter().all(|path| path.exists()));
    }

    #[test]
    fn missing_folders_and_folders_are_told_apart() {
        let folder = crate::testing::Folder::new("folders");
        let missing = write_atomically(&folder.path("no/such/a"), |_| Ok(())).expect_err("no folder");
        assert!(missing.message.contains("no/such does not exist"));
        let is_folder = write_atomically(&folder.path(""), |_| Ok(())).expect_err("a folder");
        assert!(is_folder.message.contains("a file name is needed"));
    }
}
