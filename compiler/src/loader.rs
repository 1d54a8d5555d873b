//! Reading specifications from disk.

use std::path::{Path, PathBuf};

use crate::elaborate::{self, Loader};
use crate::emit::short_name;
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

/// A network of a folder.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its short name, such as `resnet50`: that of the file, or of a variant in it in lower case.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Which net of the file, where it is not the one the file is about.
    pub net: Option<String>,
}

/// The networks of a folder, in order of their short names: what each file is about, and the variants of it. What cannot be read
/// has no variants.
pub fn networks(folder: &Path) -> Vec<Network> {
    let mut networks = Vec::new();
    for file in Files.siblings(&folder.join("any")) {
        let Some(name) = file.strip_suffix(".net") else { continue };
        let path = folder.join(&file);
        let variants = Files.read(&path).map_or(Vec::new(), |text| elaborate::variants(&text));
        let variant = |net: String| Network { name: short_name(&net), path: path.clone(), net: Some(net) };
        networks.extend(variants.into_iter().map(variant));
        networks.push(Network { name: name.to_owned(), path, net: None });
    }
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
}
