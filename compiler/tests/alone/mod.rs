//! A loader for specs of one file.

use std::path::Path;

use cnnc::elaborate::Loader;

/// No files.
pub struct Alone;

impl Loader for Alone {
    fn read(&self, path: &Path) -> Result<String, String> {
        Err(format!("{} is not there", path.display()))
    }

    fn siblings(&self, _path: &Path) -> Vec<String> {
        Vec::new()
    }
}
