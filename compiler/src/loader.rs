//! Reading specifications from disk.

use std::path::Path;

use crate::elaborate::Loader;
use crate::syntax::MAX_BYTES;

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Loader for Files {
    fn read(&self, path: &Path) -> Result<String, String> {
        let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => e.to_string(),
        })?;
        if meta.is_dir() {
            return Err("a folder, not a file".to_owned());
        }
        if !meta.is_file() {
            return Err("not a file".to_owned());
        }
        if meta.len() > MAX_BYTES as u64 {
            return Err(format!("{} bytes are too many for a specification", meta.len()));
        }
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        String::from_utf8(bytes).map_err(|_| "not a text in UTF-8".to_owned())
    }

    fn siblings(&self, path: &Path) -> Vec<String> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    }
}
