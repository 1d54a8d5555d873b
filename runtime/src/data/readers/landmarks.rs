//! Points of pictures in a table: `file, x1, y1, x2, y2, ...` in pixels, a picture a line. A first line whose second column is no
//! number is a heading.

use std::path::Path;

use super::{at_line, read_text, size_of_picture};
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;

/// Reads the table; files are looked up in `images`.
///
/// # Errors
///
/// Names the file and the line: a photo is missing, a number is none, or a point lies outside of its picture or is one more or less than
/// in the first one; or there is no line.
pub fn landmarks(table: &Path, images: &Path) -> Result<Collection, FileError> {
    let text = read_text(table)?;
    let mut examples: Vec<Example> = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split([',', ';', '\t']).map(str::trim).collect();
        let heading = number == 1 && fields.get(1).is_some_and(|field| field.parse::<f32>().is_err());
        if heading {
            continue;
        }
        let [file, numbers @ ..] = &fields[..] else { continue };
        if numbers.is_empty() || numbers.len() % 2 == 1 {
            let message = format!("{} numbers behind the file, but each point has two", numbers.len());
            return Err(at_line(table, number, message));
        }
        let parse = |(column, field): (usize, &&str)| match field.parse::<f32>() {
            Ok(x) if x.is_finite() => Ok(x),
            _ => Err(at_line(table, number, format!("column {}: `{field}` is no number", column + 2))),
        };
        let numbers = numbers.iter().enumerate().map(parse).collect::<Result<Vec<f32>, _>>()?;
        let points: Vec<[f32; 2]> = numbers.as_chunks::<2>().0.to_vec();
        if let Some(first) = examples.first()
            && first.points.len() != points.len()
        {
            let message = format!("{} points, but the first picture has {}", points.len(), first.points.len());
            return Err(at_line(table, number, message));
        }
        let path = images.join(file);
        let (width, height) = size_of_picture(&path).map_err(|e| at_line(table, number, e))?;
        let outside = |p: &&[f32; 2]| p[0] < -1.0 || p[1] < -1.0 || p[0] > width + 1.0 || p[1] > height + 1.0;
        if let Some([x, y]) = points.iter().find(outside) {
            let message = format!("the point ({x}, {y}) lies outside of its picture of {width} x {height}");
            return Err(at_line(table, number, message));
        }
        examples.push(Example { points, ..Example::new(Pixels::File(path)) });
    }
    match examples.is_empty() {
        true => Err(FileError::new(table, "there is no picture in it: `file, x1, y1, x2, y2, ...` is needed")),
        false => Ok(Collection { examples, classes: Vec::new() }),
    }
}
