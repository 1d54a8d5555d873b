//! How the tests and the programs they build tell each other numbers, as bytes.

use crate::sketch::drawn;

/// Numbers that a program is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// These.
    Given(Vec<f32>),
    /// Those that [`drawn`] draws.
    Drawn {
        /// What they are for.
        name: String,
        /// How many.
        len: usize,
        /// The middle of where they lie.
        middle: f32,
        /// How far from it they lie at most.
        reach: f32,
    },
}

impl Numbers {
    /// Writes them for [`Numbers::take`].
    pub fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Given(floats) => {
                put_text(bytes, "given");
                put_floats(bytes, floats);
            }
            Self::Drawn { name, len, middle, reach } => {
                put_text(bytes, "drawn");
                put_text(bytes, name);
                put_count(bytes, *len);
                put_floats(bytes, &[*middle, *reach]);
            }
        }
    }

    /// The numbers themselves.
    pub fn take(bytes: &mut &[u8]) -> Vec<f32> {
        if take_text(bytes) == "given" {
            return take_floats(bytes);
        }
        let (name, len, range) = (take_text(bytes), take_count(bytes), take_floats(bytes));
        drawn(name, len, range[0], range[1])
    }
}

/// A count, as eight bytes.
pub fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend((count as u64).to_le_bytes());
}

/// A text, after its length.
pub fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_count(bytes, text.len());
    bytes.extend(text.as_bytes());
}

/// Floats, after how many they are.
pub fn put_floats(bytes: &mut Vec<u8>, floats: &[f32]) {
    put_count(bytes, floats.len());
    bytes.extend(floats.iter().flat_map(|f| f.to_le_bytes()));
}

/// Lists of floats, after how many they are.
pub fn put_many(bytes: &mut Vec<u8>, many: &[impl AsRef<[f32]>]) {
    put_count(bytes, many.len());
    for floats in many {
        put_floats(bytes, floats.as_ref());
    }
}

/// The next so many bytes.
pub fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(len);
    *bytes = tail;
    head
}

/// What [`put_count`] wrote.
pub fn take_count(bytes: &mut &[u8]) -> usize {
    u64::from_le_bytes(take(bytes, 8).try_into().expect("eight bytes")) as usize
}

/// What [`put_text`] wrote.
///
/// # Panics
/// If that is no text.
pub fn take_text<'a>(bytes: &mut &'a [u8]) -> &'a str {
    let len = take_count(bytes);
    std::str::from_utf8(take(bytes, len)).expect("a text")
}

/// What [`put_floats`] wrote.
pub fn take_floats(bytes: &mut &[u8]) -> Vec<f32> {
    let count = take_count(bytes);
    take(bytes, 4 * count).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

/// What [`put_many`] wrote.
pub fn take_many(bytes: &mut &[u8]) -> Vec<Vec<f32>> {
    (0..take_count(bytes)).map(|_| take_floats(bytes)).collect()
}
