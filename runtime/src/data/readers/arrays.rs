//! The arrays of NumPy: `.npy`, one of them (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>), and `.npz`, a
//! ZIP file of several.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{files, listed};
use crate::files::FileError;

/// Numbers with a shape, in the order of C.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Items first.
    pub shape: Vec<usize>,
    /// As they are; whole numbers beyond 2^53 are rounded.
    pub values: Vec<f64>,
}

/// Arrays by name, each of which is read when it is asked for: others beside it may be large, or of what nobody can compute with.
#[derive(Debug)]
pub struct Arrays {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Names and their `.npy` files.
    Files(Vec<(String, PathBuf)>),
    /// The bytes of an `.npz` file, and what they hold.
    Archive(Vec<u8>, Vec<Member>),
}

impl Arrays {
    /// Those of an `.npz` file, of all `.npy` files of a folder, which are called like their files, or of a single `.npy` file.
    ///
    /// # Errors
    ///
    /// Names the file: it cannot be read or is no `.npz` file; or the folder: there is no `.npy` file in it.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let named = |file: PathBuf| (file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), file);
        let io = |e| FileError::io(path, &e);
        let content = if path.is_dir() {
            let files = files(path, &["npy"])?;
            if files.is_empty() {
                return Err(FileError::new(path, "there is no .npy file in it"));
            }
            Content::Files(files.into_iter().map(named).collect())
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
            // A file that is missing is to be named before its name is judged.
            File::open(path).map_err(io)?;
            Content::Files(vec![named(path.to_owned())])
        } else {
            let bytes = std::fs::read(path).map_err(io)?;
            let members = members(&bytes).map_err(|message| damaged(path, &message))?;
            Content::Archive(bytes, members)
        };
        Ok(Self { path: path.to_owned(), content })
    }

    /// The file or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the arrays are called, in the order of the files.
    pub fn names(&self) -> Vec<&str> {
        match &self.content {
            Content::Files(files) => files.iter().map(|(name, _)| name.as_str()).collect(),
            Content::Archive(_, members) => members.iter().map(Member::array).collect(),
        }
    }

    /// Reads one: floats or whole numbers of any width, least significant byte first.
    ///
    /// # Errors
    ///
    /// Names the file: it cannot be read or is damaged, there is no array of this name, or its elements are others or in another order.
    pub fn read(&self, name: &str) -> Result<Array, FileError> {
        let missing =
            || FileError::new(&self.path, format!("there is no array `{name}`, but {}", listed(&self.names())));
        match &self.content {
            Content::Files(files) => {
                let (_, file) = files.iter().find(|(known, _)| known == name).ok_or_else(missing)?;
                let bytes = std::fs::read(file).map_err(|e| FileError::io(file, &e))?;
                npy(&bytes).map_err(|message| FileError::new(file, message))
            }
            Content::Archive(bytes, members) => {
                let member = members.iter().find(|member| member.array() == name).ok_or_else(missing)?;
                let plain = member.unpack(bytes).map_err(|message| damaged(&self.path, &message))?;
                npy(&plain).map_err(|message| FileError::new(&self.path, format!("`{name}`: {message}")))
            }
        }
    }
}

fn damaged(path: &Path, message: &str) -> FileError {
    FileError::new(path, format!("no valid .npz file: {message}"))
}

/// One array (NumPy's format 1 to 3: a text in the notation of Python, then the elements).
fn npy(bytes: &[u8]) -> Result<Array, String> {
    let invalid = |what: &str| format!("no valid .npy file: {what}");
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(|| invalid("it does not start with \\x93NUMPY"))?;
    let (start, length) = match rest {
        [1, _, a, b, ..] => (4, u32::from_le_bytes([*a, *b, 0, 0])),
        [2 | 3, _, a, b, c, d, ..] => (6, u32::from_le_bytes([*a, *b, *c, *d])),
        _ => return Err(invalid("its version is none that is known")),
    };
    let end = start + length as usize;
    let header = rest.get(start..end).ok_or_else(|| invalid("its header is cut off"))?;
    let header = std::str::from_utf8(header).map_err(|_| invalid("its header is no text"))?;
    let field = |name: &str| {
        let value = header.split_once(&format!("'{name}':")).map(|(_, value)| value.trim_start());
        value.ok_or_else(|| invalid(&format!("its header has no `{name}`")))
    };
    let descr = field("descr")?.trim_start_matches('\'').split('\'').next().unwrap_or_default();
    let shape = field("shape")?.trim_start_matches('(').split(')').next().unwrap_or_default();
    let dims = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty()).map(str::parse::<usize>);
    let shape = dims.collect::<Result<Vec<_>, _>>().map_err(|_| invalid("its shape is none"))?;
    if field("fortran_order")?.starts_with("True") && shape.len() > 1 {
        return Err("it is in Fortran's order; numpy.ascontiguousarray(x), before it is saved, puts it right".into());
    }
    let (width, read) = elements(descr)
        .ok_or_else(|| format!("its elements are `{descr}`; floats or whole numbers, `<f4` to `<i8`, are needed"))?;
    let needed = shape.iter().try_fold(width, |n, &dim| n.checked_mul(dim));
    let data = &rest[end..];
    if needed != Some(data.len()) {
        return Err(format!(
            "truncated or damaged: {} bytes of elements, but {shape:?} of `{descr}` needs others",
            data.len()
        ));
    }
    let values = data.chunks_exact(width).map(read).collect();
    Ok(Array { shape, values })
}

/// The bytes of an element, and how they are read.
type Element = (usize, fn(&[u8]) -> f64);

/// The elements that a description is of.
fn elements(descr: &str) -> Option<Element> {
    macro_rules! of {
        ($ty:ty) => {
            Some((size_of::<$ty>(), |bytes| bytes.try_into().map_or(f64::NAN, |b| <$ty>::from_le_bytes(b) as f64)))
        };
    }
    match descr {
        "<f4" => of!(f32),
        "<f8" => of!(f64),
        "|u1" | "|b1" => of!(u8),
        "<u2" => of!(u16),
        "<u4" => of!(u32),
        "<u8" => of!(u64),
        "|i1" => of!(i8),
        "<i2" => of!(i16),
        "<i4" => of!(i32),
        "<i8" => of!(i64),
        _ => None,
    }
}

/// A file of a ZIP archive.
#[derive(Debug)]
struct Member {
    name: String,
    /// How it is packed.
    method: usize,
    /// Bytes that it has when it is not.
    size: usize,
    /// Where in the archive it is.
    place: Range<usize>,
}

impl Member {
    /// What its array is called.
    fn array(&self) -> &str {
        self.name.strip_suffix(".npy").unwrap_or(&self.name)
    }

    /// Its bytes, which are stored as they are or deflated, as `numpy.savez` and `savez_compressed` do.
    fn unpack<'a>(&self, archive: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let (name, data) = (&self.name, &archive[self.place.clone()]);
        let plain = match self.method {
            0 => Cow::Borrowed(data),
            8 => {
                let mut plain = Vec::new();
                // One byte more than promised tells that something is wrong.
                let mut source = flate2::read::DeflateDecoder::new(data).take((self.size as u64).saturating_add(1));
                source.read_to_end(&mut plain).map_err(|e| format!("`{name}` is damaged: {e}"))?;
                Cow::Owned(plain)
            }
            method => return Err(format!("`{name}` is packed by method {method}, which is not known here")),
        };
        match plain.len() == self.size {
            true => Ok(plain),
            false => Err(format!("`{name}` has {} bytes, not the {} that are promised", plain.len(), self.size)),
        }
    }
}

/// The files of a ZIP archive (PKWARE's APPNOTE.TXT, 4.3: the list of files at the end, and ZIP64 for what is beyond 4 GiB).
fn members(bytes: &[u8]) -> Result<Vec<Member>, String> {
    let at =
        |start: usize, len: usize| start.checked_add(len).and_then(|end| bytes.get(start..end)).ok_or("it is cut off");
    let number = |start: usize, len: usize| {
        let digits = at(start, len)?;
        Ok::<usize, String>(digits.iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte)))
    };
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").ok_or("it is no ZIP file, or cut off")?;
    at(end, 22)?;
    let (mut count, mut entry) = (number(end + 10, 2)?, number(end + 16, 4)?);
    if count == 0xffff || entry == 0xffff_ffff {
        // In front of it stands where the wide one is.
        let locator = end.checked_sub(20).filter(|&place| at(place, 4).is_ok_and(|mark| mark == b"PK\x06\x07"));
        let wide = number(locator.ok_or("its ZIP64 record is missing")? + 8, 8)?;
        (count, entry) = (number(wide.saturating_add(32), 8)?, number(wide.saturating_add(48), 8)?);
    }
    let mut members = Vec::new();
    for _ in 0..count {
        if at(entry, 4)? != b"PK\x01\x02" {
            return Err("its list of files is damaged".into());
        }
        let (method, name_len) = (number(entry + 10, 2)?, number(entry + 28, 2)?);
        let name = String::from_utf8_lossy(at(entry + 46, name_len)?).into_owned();
        let extra_len = number(entry + 30, 2)?;
        let (mut packed, mut size, mut local) =
            (number(entry + 20, 4)?, number(entry + 24, 4)?, number(entry + 42, 4)?);
        // Where a number has no room in four bytes, the ZIP64 field, of kind 1, has it.
        let mut wide = entry + 46 + name_len;
        while wide + 4 <= entry + 46 + name_len + extra_len && number(wide, 2)? != 1 {
            wide += 4 + number(wide + 2, 2)?;
        }
        wide += 4;
        for value in [&mut size, &mut packed, &mut local] {
            if *value == 0xffff_ffff {
                *value = number(wide, 8)?;
                wide += 8;
            }
        }
        at(local, 30)?;
        let start = local + 30 + number(local + 26, 2)? + number(local + 28, 2)?;
        at(start, packed)?;
        members.push(Member { name, method, size, place: start..start + packed });
        entry += 46 + name_len + extra_len + number(entry + 32, 2)?;
    }
    Ok(members)
}
