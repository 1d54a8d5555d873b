//! The format of MNIST: a header of big-endian integers, then bytes; plain or compressed by gzip.

use std::format;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use flate2::bufread::MultiGzDecoder;

use crate::files::FileError;

/// A file in IDX format: unsigned bytes with a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Items first.
    pub shape: Vec<usize>,
    /// Row by row.
    pub bytes: Vec<u8>,
}

/// No data set of this kind is larger; a header that promises more is garbage.
const MOST_BYTES: u64 = 1 << 36;

impl Idx {
    /// Reads a file. Whether it is compressed is seen from its first bytes, not from its name.
    ///
    /// # Errors
    ///
    /// Names the file, and the byte where there is one: it cannot be read, is none of this format, or is damaged, cut off or too long.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let error = |e: io::Error| unreadable(path, &e);
        let file = File::open(path).map_err(|e| FileError::io(path, &e))?;
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            return Err(FileError::new(path, "this is a folder, a file in IDX format is needed"));
        }
        let mut file = BufReader::with_capacity(1 << 16, file);
        let start = std::io::BufRead::fill_buf(&mut file).map_err(error)?;
        if start.starts_with(&[0x1f, 0x8b]) {
            Self::parse(path, &mut MultiGzDecoder::new(file))
        } else {
            Self::parse(path, &mut file)
        }
    }

    fn parse(path: &Path, source: &mut impl Read) -> Result<Self, FileError> {
        let mut header = Vec::new();
        let mut more = |count: u64| match source.by_ref().take(count).read_to_end(&mut header) {
            Ok(_) => Ok(header.clone()),
            Err(e) => Err(unreadable(path, &e)),
        };
        let magic = more(4)?;
        let dims = match *magic {
            [0, 0, 8, dims @ 1..=4] => usize::from(dims),
            [0, 0, 8, dims] => {
                return Err(FileError::new(path, format!("byte 3: {dims} dimensions, 1 to 4 would fit")));
            }
            [0, 0, kind, _] => {
                let message = format!("byte 2: elements of type 0x{kind:02x}; unsigned bytes (0x08) are needed");
                return Err(FileError::new(path, message));
            }
            [] => return Err(FileError::new(path, "the file is empty")),
            _ if magic.len() < 4 => return Err(FileError::new(path, format!("truncated after {} bytes", magic.len()))),
            _ => {
                let found: Vec<String> = magic.iter().map(|byte| format!("{byte:02x}")).collect();
                let message = format!("byte 0: no IDX file: it starts with {}, not with 00 00 08", found.join(" "));
                return Err(FileError::new(path, message));
            }
        };
        let header = more(4 * dims as u64)?;
        if header.len() < 4 + 4 * dims {
            let message = format!("truncated: it ends at byte {} within its header of {}", header.len(), 4 + 4 * dims);
            return Err(FileError::new(path, message));
        }
        let shape: Vec<usize> = header[4..].as_chunks().0.iter().map(|b| u32::from_be_bytes(*b) as usize).collect();
        let size = shape.iter().try_fold(1_u64, |n, &dim| n.checked_mul(dim as u64)).filter(|&n| n <= MOST_BYTES);
        let Some(size) = size else {
            return Err(FileError::new(path, format!("byte 4: an impossible shape {shape:?}")));
        };
        // Grows with what is really there; one byte more tells whether something follows.
        let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
        source.take(size + 1).read_to_end(&mut bytes).map_err(|e| unreadable(path, &e))?;
        let (found, start) = (bytes.len() as u64, header.len() as u64);
        if found < size {
            return Err(FileError::new(
                path,
                format!("truncated: it ends at byte {}, but {shape:?} needs {}", start + found, start + size),
            ));
        }
        if found > size {
            let message = format!("byte {}: something follows the {size} bytes that {shape:?} needs", start + size);
            return Err(FileError::new(path, message));
        }
        Ok(Self { shape, bytes })
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.shape[0]
    }

    /// Bytes of the header, so of the file before [`bytes`](Self::bytes).
    pub fn header_len(&self) -> usize {
        4 + 4 * self.shape.len()
    }
}

fn unreadable(path: &Path, error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FileError::new(path, "truncated: the compressed data ends too early"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            FileError::new(path, format!("the compressed data is damaged: {error}"))
        }
        _ => FileError::io(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::io::Write;
    use std::vec;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn read(bytes: &[u8]) -> Result<Idx, String> {
        let folder = Folder::new("idx");
        let path = folder.path("x");
        std::fs::write(&path, bytes).expect("written");
        Idx::read(&path).map_err(|e| e.message)
    }

    fn example() -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend(0..12);
        bytes
    }

    #[test]
    fn plain_and_compressed_files_are_read() {
        for bytes in [example(), compressed(&example())] {
            let idx = read(&bytes).expect("a file");
            assert_eq!((&*idx.shape, idx.items(), idx.header_len()), (&[2, 2, 3][..], 2, 16));
            assert_eq!(idx.bytes, (0..12).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn damage_is_found_and_placed() {
        let changed = |at: usize, value: u8| {
            let mut bytes = example();
            bytes[at] = value;
            bytes
        };
        let squeezed = compressed(&example());
        let cases = [
            (vec![], "the file is empty"),
            (b"\x89PNG....".to_vec(), "byte 0: no IDX file: it starts with 89 50 4e 47, not with 00 00 08"),
            (vec![0, 0, 8], "truncated after 3 bytes"),
            (changed(2, 0x0d), "byte 2: elements of type 0x0d; unsigned bytes (0x08) are needed"),
            (changed(3, 9), "byte 3: 9 dimensions, 1 to 4 would fit"),
            (example()[..10].to_vec(), "truncated: it ends at byte 10 within its header of 16"),
            (example()[..20].to_vec(), "truncated: it ends at byte 20, but [2, 2, 3] needs 28"),
            ([example(), vec![0]].concat(), "byte 28: something follows the 12 bytes that [2, 2, 3] needs"),
            (changed(4, 0xff), "truncated: it ends at byte 28, but [4278190082, 2, 3] needs 25669140508"),
            (
                [vec![0, 0, 8, 3], vec![0xff; 12]].concat(),
                "byte 4: an impossible shape [4294967295, 4294967295, 4294967295]",
            ),
            (squeezed[..squeezed.len() / 2].to_vec(), "truncated: the compressed data ends too early"),
            (vec![0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "the compressed data is damaged"),
        ];
        for (bytes, expected) in cases {
            let message = read(&bytes).expect_err(expected);
            assert!(message.starts_with(expected), "`{message}` should be `{expected}`");
        }
    }
}
