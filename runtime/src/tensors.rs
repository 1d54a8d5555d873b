//! Named tensors in safetensors files: reading one at a time, writing atomically.

use std::boxed::Box;
use std::format;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use safetensors::tensor::{Metadata, TensorInfo};

pub use safetensors::Dtype;

use crate::files::{FileError, write_atomically};

/// All that is said of a file beside its tensors stands under this key, as one text. One, because the order of several
/// would not be the same in every run.
const METADATA_KEY: &str = "cnnc";

/// Larger headers are taken for garbage, as the safetensors format says.
const MAX_HEADER: u64 = 100_000_000;

/// Elements that are converted at a time.
const CHUNK: usize = 1 << 14;

/// The elements of a tensor that is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// `F32`
    Floats(&'a [f32]),
    /// `I64`, as PyTorch has class labels.
    Classes(&'a [u32]),
}

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, as many as the shape says.
    pub values: Values<'a>,
}

impl<'a> Tensor<'a> {
    /// A tensor of floats.
    pub fn new(name: impl Into<String>, shape: &[usize], values: &'a [f32]) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), values: Values::Floats(values) }
    }
}

/// Writes tensors, with a text about them, to a safetensors file. Equal tensors and text give equal files.
///
/// # Errors
/// Names the file: it cannot be written. What was there before stays.
pub fn write(path: &Path, tensors: &[Tensor<'_>], metadata: Option<&str>) -> Result<(), FileError> {
    let mut end = 0;
    let infos = tensors
        .iter()
        .map(|tensor| {
            let (dtype, len) = match tensor.values {
                Values::Floats(values) => (Dtype::F32, values.len() * 4),
                Values::Classes(values) => (Dtype::I64, values.len() * 8),
            };
            let start = end;
            end += len;
            (tensor.name.clone(), TensorInfo { dtype, shape: tensor.shape.clone(), data_offsets: (start, end) })
        })
        .collect();
    let metadata = metadata.map(|text| [(METADATA_KEY.to_string(), text.to_string())].into_iter().collect());
    let header = Metadata::new(metadata, infos)
        .map_err(|e| e.to_string())
        .and_then(|header| serde_json::to_vec(&header).map_err(|e| e.to_string()));
    let mut header = header.map_err(|e| FileError::new(path, e))?;
    // Readers may map the file: data starts at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        tensors.iter().try_for_each(|tensor| write_values(file, tensor.values))
    })
}

fn write_values(file: &mut dyn Write, values: Values<'_>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK * 8);
    let mut put = |chunk: &mut dyn Iterator<Item = u64>, width: usize| {
        bytes.clear();
        chunk.for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()[..width]));
        file.write_all(&bytes)
    };
    match values {
        Values::Floats(values) => {
            values.chunks(CHUNK).try_for_each(|chunk| put(&mut chunk.iter().map(|x| u64::from(x.to_bits())), 4))
        }
        Values::Classes(values) => {
            values.chunks(CHUNK).try_for_each(|chunk| put(&mut chunk.iter().map(|&x| u64::from(x)), 8))
        }
    }
}

/// What the header says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where its bytes start in the file.
    start: u64,
    /// How many bytes it has.
    bytes: usize,
}

impl Entry {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// An open safetensors file. Only its header is in memory.
pub struct TensorFile<'a> {
    path: PathBuf,
    source: Box<dyn ReadSeek + 'a>,
    entries: Vec<Entry>,
    metadata: Option<String>,
}

impl TensorFile<'static> {
    /// Opens a file and checks that its header fits its length.
    ///
    /// # Errors
    /// Names the file: it cannot be read, or is no whole safetensors file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|e| FileError::io(path, &e))?;
        let about = file.metadata().map_err(|e| FileError::io(path, &e))?;
        if about.is_dir() {
            return Err(FileError::new(path, "this is a folder, a safetensors file is needed"));
        }
        Self::read(path.to_path_buf(), Box::new(BufReader::with_capacity(1 << 16, file)), about.len())
    }
}

impl<'a> TensorFile<'a> {
    /// The same for bytes in memory, such as those of `include_bytes!`.
    ///
    /// # Errors
    /// The bytes are no whole safetensors file.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, FileError> {
        Self::read(PathBuf::from("safetensors in memory"), Box::new(Cursor::new(bytes)), bytes.len() as u64)
    }

    fn read(path: PathBuf, mut source: Box<dyn ReadSeek + 'a>, length: u64) -> Result<Self, FileError> {
        let garbage = |message: String| {
            FileError::new(path.clone(), message)
                .hint("a safetensors file is needed; in Python: safetensors.torch.save_file(model.state_dict(), PATH)")
        };
        if length < 8 {
            return Err(garbage(format!("{length} bytes are too short for a safetensors file")));
        }
        let mut word = [0; 8];
        source.read_exact(&mut word).map_err(|e| FileError::io(path.clone(), &e))?;
        let header_len = u64::from_le_bytes(word);
        if !(2..=MAX_HEADER).contains(&header_len) {
            return Err(garbage(format!("this is no safetensors file (a header of {header_len} bytes)")));
        }
        if header_len > length - 8 {
            return Err(garbage(format!(
                "the header should have {header_len} bytes, but the file ends after {}: truncated, or no safetensors file",
                length - 8
            )));
        }
        // Bounded by the length of the file.
        let mut header = vec![0; header_len as usize];
        source.read_exact(&mut header).map_err(|e| FileError::io(path.clone(), &e))?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|e| garbage(format!("the header is damaged: {e}")))?;
        let (found, promised) = (length - 8 - header_len, header.data_len() as u64);
        if found != promised {
            let how = if found < promised { "the file is truncated" } else { "there is something behind the tensors" };
            return Err(garbage(format!("{how}: the header promises {promised} bytes of data, there are {found}")));
        }
        let entries = header.offset_keys().into_iter().filter_map(|name| {
            let info = header.info(&name)?;
            let (start, end) = info.data_offsets;
            let (dtype, shape) = (info.dtype, info.shape.clone());
            Some(Entry { name, dtype, shape, start: 8 + header_len + start as u64, bytes: end - start })
        });
        let entries = entries.collect();
        let metadata = header.metadata().as_ref().and_then(|map| map.get(METADATA_KEY).cloned());
        Ok(Self { path, source, entries, metadata })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tensors, in the order of their data.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A tensor by name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The text that [`write()`] was given.
    pub fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// An error about this file.
    pub fn error(&self, message: impl Into<String>) -> FileError {
        FileError::new(self.path.clone(), message)
    }

    /// Reads the elements of an `F32` tensor of [this file](Self::entries) into memory of its length.
    ///
    /// # Errors
    /// Names the file: the tensor is of another type, has another number of elements than `values`, or cannot be read.
    pub fn floats(&mut self, entry: &Entry, values: &mut [f32]) -> Result<(), FileError> {
        if entry.dtype != Dtype::F32 {
            return Err(self.error(format!("`{}` is {}, needed is F32", entry.name, entry.dtype)).hint(
                "convert it before it is saved; in Python: {k: v.float() for k, v in model.state_dict().items()}",
            ));
        }
        if entry.len() != values.len() {
            let message = format!("`{}` has {} elements, needed are {}", entry.name, entry.len(), values.len());
            return Err(self.error(message));
        }
        let mut read = || {
            self.source.seek(SeekFrom::Start(entry.start))?;
            self.source.read_exact(bytemuck::cast_slice_mut(values))
        };
        read().map_err(|e| FileError::io(self.path.clone(), &e))?;
        // Nothing to do on most machines: a file holds numbers with their low bytes first.
        values.iter_mut().for_each(|value| *value = f32::from_le_bytes(value.to_ne_bytes()));
        Ok(())
    }

    /// The first infinity or NaN of an `F32` tensor of [this file](Self::entries), and where among its elements it stands.
    ///
    /// # Errors
    /// Names the file: it cannot be read.
    pub fn not_finite(&mut self, entry: &Entry) -> Result<Option<(usize, f32)>, FileError> {
        let (mut found, mut before) = (None, 0);
        self.chunks(entry, |bytes| {
            let values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            // All of a chunk at once, which a search from the first on could not be.
            if found.is_none() && !values.clone().fold(true, |all, x| all & x.is_finite()) {
                found = values.enumerate().find(|(_, x)| !x.is_finite()).map(|(index, x)| (before + index, x));
            }
            before += bytes.len() / size_of::<f32>();
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads a tensor of class labels: any integers from 0 up to, not including, `classes`, and `ignore`, the label of what has
    /// no class.
    ///
    /// # Errors
    /// Names the file: the tensor is not of integers, holds a label that is none of these, or cannot be read.
    pub fn classes(&mut self, entry: &Entry, classes: usize, ignore: Option<u32>) -> Result<Vec<u32>, FileError> {
        let (width, signed) = match entry.dtype {
            Dtype::U8 => (1, false),
            Dtype::I8 => (1, true),
            Dtype::U16 => (2, false),
            Dtype::I16 => (2, true),
            Dtype::U32 => (4, false),
            Dtype::I32 => (4, true),
            Dtype::U64 => (8, false),
            Dtype::I64 => (8, true),
            other => {
                let message = format!("`{}` is {other}, needed are class labels as integers, such as I64", entry.name);
                return Err(self.error(message));
            }
        };
        let mut labels = Vec::with_capacity(entry.len());
        let mut bad = None;
        self.chunks(entry, |bytes| {
            for bytes in bytes.chunks_exact(width) {
                let negative = signed && bytes[width - 1] >= 0x80;
                let mut word = if negative { [0xff; 8] } else { [0; 8] };
                word[..width].copy_from_slice(bytes);
                let label = u64::from_le_bytes(word);
                if negative || label >= classes as u64 && Some(label) != ignore.map(u64::from) {
                    bad.get_or_insert((labels.len(), i128::from(label) - if negative { 1 << 64 } else { 0 }));
                }
                labels.push(label as u32);
            }
            Ok(())
        })?;
        match bad {
            None => Ok(labels),
            Some((index, label)) => Err(self.error(format!(
                "`{}` number {index} is class {label}, but there are {classes} classes (0 to {})",
                entry.name,
                classes.saturating_sub(1)
            ))),
        }
    }

    /// Passes the bytes of a tensor on, at most `CHUNK` floats at a time.
    fn chunks(&mut self, entry: &Entry, mut f: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), FileError> {
        let mut read = || {
            self.source.seek(SeekFrom::Start(entry.start))?;
            let mut buffer = vec![0; entry.bytes.min(CHUNK * 4)];
            let mut left = entry.bytes;
            while left > 0 {
                let part = left.min(buffer.len());
                self.source.read_exact(&mut buffer[..part])?;
                f(&buffer[..part])?;
                left -= part;
            }
            Ok(())
        };
        read().map_err(|e| FileError::io(self.path.clone(), &e))
    }
}

impl std::fmt::Debug for TensorFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorFile").field("path", &self.path).field("entries", &self.entries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
