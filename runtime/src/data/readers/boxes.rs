//! Boxes of pictures in a table with a heading: `file, class, xmin, ymin, xmax, ymax` in pixels, a box a line; other columns may be
//! there, such as `split`.

use std::path::Path;

use super::table::Table;
use super::{Names, at_line, inside, listed, read_text, size_of_picture};
use crate::boxes::Corners;
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;

/// Columns that are needed.
const COLUMNS: [&str; 6] = ["file", "class", "xmin", "ymin", "xmax", "ymax"];

/// Reads the boxes of one split, such as `train`, or all where none is named; pictures are looked up in `images`. `classes` gives
/// the order of the classes, else it is that of their names in the whole table.
///
/// # Errors
///
/// Names the file and the line: a column, a photo or a class is missing, a line has other fields than the heading, or a box does not lie
/// in its picture; or no line is of the split.
pub fn boxes(table: &Path, images: &Path, split: Option<&str>, classes: &[String]) -> Result<Collection, FileError> {
    let text = read_text(table)?;
    let rows = Table::new(table, &text)?;
    let [file, class, sides @ ..] = rows.columns(COLUMNS)?;
    let split = split.map(|split| Ok((rows.columns(["split"])?[0], split))).transpose()?;
    let rows = rows.rows;
    let names = Names::new(classes, rows.iter().map(|(_, row)| row[class].to_owned()).collect());

    let mut examples: Vec<Example> = Vec::new();
    let (mut last, mut size) = ("", (0.0, 0.0));
    for (number, row) in rows.iter().filter(|(_, row)| split.is_none_or(|(column, split)| row[column] == split)) {
        let at = |message: String| at_line(table, *number, message);
        if row[file] != last {
            let path = images.join(row[file]);
            (last, size) = (row[file], size_of_picture(&path).map_err(|e| at(e.to_string()))?);
            examples.push(Example::new(Pixels::File(path)));
        }
        let corners = corners(&sides, row).and_then(|b| inside(b, size.0, size.1)).map_err(at)?;
        let class = names.number(row[class]).map_err(at)?;
        if let Some(example) = examples.last_mut() {
            example.boxes.push((corners, class));
        }
    }
    if !examples.is_empty() {
        return Ok(Collection { examples, classes: names.names });
    }
    let message = match split {
        Some((_, split)) if !rows.is_empty() => {
            format!("there is no split `{split}`; the splits are {}", listed(&splits(table)?))
        }
        _ => "there is no box in it".to_owned(),
    };
    Err(FileError::new(table, message))
}

/// The splits that a table of boxes speaks of, in their order.
///
/// # Errors
///
/// Names the file: it cannot be read, a line has other fields than the heading, or there is no column `split`.
pub fn splits(table: &Path) -> Result<Vec<String>, FileError> {
    let text = read_text(table)?;
    let rows = Table::new(table, &text)?;
    let [split] = rows.columns(["split"])?;
    let mut splits: Vec<String> = Vec::new();
    for (_, row) in rows.rows {
        if !splits.iter().any(|known| known == row[split]) {
            splits.push(row[split].to_owned());
        }
    }
    Ok(splits)
}

fn corners(sides: &[usize], row: &[&str]) -> Result<Corners, String> {
    let number = |&column: &usize| row[column].parse::<f32>().map_err(|_| format!("`{}` is no number", row[column]));
    let sides = sides.iter().map(number).collect::<Result<Vec<f32>, _>>()?;
    Ok(Corners { x1: sides[0], y1: sides[1], x2: sides[2], y2: sides[3] })
}
