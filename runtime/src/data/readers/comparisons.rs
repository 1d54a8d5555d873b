//! Pairs and triplets of photos in a table with a heading: `first, second, same`, where `same` is 1 or 0, or
//! `anchor, positive, negative`, a comparison a line. What LFW's `pairs.txt` says by names of persons and numbers is said by files here.

use std::collections::HashMap;
use std::path::Path;

use super::table::Table;
use super::{at_line, read_text, size_of_picture};
use crate::data::{Collection, Comparison, Comparisons, Example, Pixels};
use crate::files::FileError;

/// What a list compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Compared {
    /// `first, second, same`
    Pairs,
    /// `anchor, positive, negative`
    Triplets,
}

/// Reads the list; files are looked up in `images`, each only once however often it is compared.
///
/// # Errors
///
/// Names the file and the line: a column or a photo is missing, a line has other fields than the heading, `same` is neither 1 nor 0,
/// or there is no comparison.
pub fn comparisons(list: &Path, images: &Path, compared: Compared) -> Result<Comparisons, FileError> {
    let text = read_text(list)?;
    let table = Table::new(list, &text)?;
    let [a, b, c] = table.columns(match compared {
        Compared::Pairs => ["first", "second", "same"],
        Compared::Triplets => ["anchor", "positive", "negative"],
    })?;
    let mut album = Album { images, photos: Collection::default(), numbers: HashMap::new() };
    let mut comparison = |row: &[&str]| {
        Ok(match compared {
            Compared::Pairs => Comparison::Pair([album.number(row[a])?, album.number(row[b])?], is_same(row[c])?),
            Compared::Triplets => {
                Comparison::Triplet([album.number(row[a])?, album.number(row[b])?, album.number(row[c])?])
            }
        })
    };
    let found = table.rows.iter().map(|(line, row)| comparison(row).map_err(|e: String| at_line(list, *line, e)));
    let found = found.collect::<Result<Vec<Comparison>, _>>()?;
    match found.is_empty() {
        true => Err(FileError::new(list, "there is nothing below the heading")),
        false => Ok(Comparisons { photos: album.photos, list: found }),
    }
}

/// Photos and their numbers by what their files are called in the list.
struct Album<'a> {
    images: &'a Path,
    photos: Collection,
    numbers: HashMap<String, usize>,
}

impl Album<'_> {
    fn number(&mut self, file: &str) -> Result<usize, String> {
        if let Some(number) = self.numbers.get(file) {
            return Ok(*number);
        }
        let path = self.images.join(file);
        size_of_picture(&path).map_err(|e| e.to_string())?;
        let example = Example::new(Pixels::File(path));
        self.photos.examples.push(example);
        self.numbers.insert(file.to_owned(), self.photos.examples.len() - 1);
        Ok(self.photos.examples.len() - 1)
    }
}

fn is_same(field: &str) -> Result<bool, String> {
    match field {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(format!("`same` is `{field}`, but it must be 1, for two that show the same, or 0")),
    }
}
