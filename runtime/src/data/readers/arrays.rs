//! The arrays of NumPy: `.npy`, one of them (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>), and `.npz`, a
//! ZIP file of several.

use std::io::Read;
use std::path::Path;

use super::files;
use crate::files::FileError;

/// Numbers with a shape, in the order of C.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// What it is called in its file; the name of the file for an `.npy`.
    pub name: String,
    /// Items first.
    pub shape: Vec<usize>,
    /// As they are; whole numbers beyond 2^53 are rounded.
    pub values: Vec<f64>,
    /// Whether they are whole by type.
    pub whole: bool,
}

/// Reads an `.npy` or an `.npz` file, or all `.npy` files of a folder: floats and whole numbers of any width, least significant byte
/// first.
///
/// # Errors
///
/// Names the file: it cannot be read, is damaged or none of these, or its elements are others or in another order; or the folder: there
/// is no such file in it.
pub fn read_arrays(path: &Path) -> Result<Vec<Array>, FileError> {
    if path.is_dir() {
        let single = files(path, &["npy"])?;
        return match single.is_empty() {
            true => Err(FileError::new(path, "there is no .npy file in it")),
            false => single.iter().map(|file| read_array(file)).collect(),
        };
    }
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        return Ok(vec![read_array(path)?]);
    }
    let bytes = std::fs::read(path).map_err(|e| FileError::io(path, &e))?;
    let files = unzip(&bytes).map_err(|message| FileError::new(path, format!("no valid .npz file: {message}")))?;
    let array = |(name, bytes): &(String, Vec<u8>)| {
        let name = name.strip_suffix(".npy").unwrap_or(name);
        npy(name, bytes).map_err(|message| FileError::new(path, format!("`{name}`: {message}")))
    };
    files.iter().map(array).collect()
}

fn read_array(path: &Path) -> Result<Array, FileError> {
    let bytes = std::fs::read(path).map_err(|e| FileError::io(path, &e))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    npy(&name, &bytes).map_err(|message| FileError::new(path, message))
}

/// One array (NumPy's format 1 to 3: a text in the notation of Python, then the elements).
fn npy(name: &str, bytes: &[u8]) -> Result<Array, String> {
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
    Ok(Array { name: name.to_owned(), shape, values, whole: !descr.contains('f') })
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

/// The files of a ZIP archive, which are stored as they are or deflated, as `numpy.savez` and `savez_compressed` do (PKWARE's
/// APPNOTE.TXT, 4.3: the list of files at the end, and ZIP64 for what is beyond 4 GiB).
fn unzip(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
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
    let mut files = Vec::new();
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
        let data = at(start, packed)?;
        let mut plain = Vec::new();
        match method {
            0 => plain.extend_from_slice(data),
            8 => {
                // One byte more than promised tells that something is wrong.
                let mut source = flate2::read::DeflateDecoder::new(data).take(size as u64 + 1);
                source.read_to_end(&mut plain).map_err(|e| format!("`{name}` is damaged: {e}"))?;
            }
            _ => return Err(format!("`{name}` is packed by method {method}, which is not known here")),
        }
        if plain.len() != size {
            return Err(format!("`{name}` has {} bytes, not the {size} that are promised", plain.len()));
        }
        files.push((name, plain));
        entry += 46 + name_len + extra_len + number(entry + 32, 2)?;
    }
    Ok(files)
}
